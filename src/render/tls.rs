//! TLS in HAProxy's words: what a bind says, and what holds for all binds.

use std::path::Path;

use super::RenderError;
use super::model::{one_line, word};
use crate::config::{ClientCertificates, Tls, TlsPreset, TlsVersion};

/// What follows `ssl` on a bind line, with it.
pub(super) fn tls_words(tls: &Tls) -> Result<String, RenderError> {
    let Tls { certificates, crt_list, preset, min_version, alpn, client, strict_sni } = tls;
    let mut words = vec!["ssl".to_owned()];
    for certificate in certificates {
        words.extend(["crt".to_owned(), path(certificate)?]);
    }
    if let Some(list) = crt_list {
        words.extend(["crt-list".to_owned(), path(list)?]);
    }
    if !alpn.is_empty() {
        words.extend(["alpn".to_owned(), word(one_line("alpn", &alpn.join(","))?)]);
    }
    if let Some(preset) = preset {
        if let Some(ciphers) = ciphers(*preset) {
            words.extend(["ciphers".to_owned(), ciphers.to_owned()]);
        }
        words.extend(["ciphersuites", CIPHERSUITES, "prefer-client-ciphers", "no-tls-tickets"].map(str::to_owned));
    }
    if let Some(version) = min_version.or_else(|| preset.map(TlsPreset::min_version)) {
        words.extend(["ssl-min-ver".to_owned(), version_word(version).to_owned()]);
    }
    match client {
        ClientCertificates::NotAsked => {}
        ClientCertificates::Optional(ca) => {
            words.extend(["ca-file".to_owned(), path(ca)?, "verify".to_owned(), "optional".to_owned()]);
        }
        ClientCertificates::Required(ca) => {
            words.extend(["ca-file".to_owned(), path(ca)?, "verify".to_owned(), "required".to_owned()]);
        }
    }
    if *strict_sni {
        words.push("strict-sni".to_owned());
    }
    Ok(words.join(" "))
}

/// Lines of the global section for binds without a preset of their own.
pub(super) fn default_tls(preset: TlsPreset) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(ciphers(preset).map(|ciphers| format!("ssl-default-bind-ciphers {ciphers}")));
    lines.push(format!("ssl-default-bind-ciphersuites {CIPHERSUITES}"));
    let version = version_word(preset.min_version());
    lines.push(format!("ssl-default-bind-options prefer-client-ciphers ssl-min-ver {version} no-tls-tickets"));
    lines
}

/// Mozilla's guideline 5.7 has the same three for TLS 1.3 in all its configurations.
const CIPHERSUITES: &str = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

/// Ciphers up to TLS 1.2.
pub(super) fn ciphers(preset: TlsPreset) -> Option<&'static str> {
    match preset {
        TlsPreset::MozillaModern => None,
        TlsPreset::MozillaIntermediate => Some(concat!(
            "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:",
            "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:",
            "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:",
            "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305"
        )),
    }
}

pub(super) fn version_word(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::V10 => "TLSv1.0",
        TlsVersion::V11 => "TLSv1.1",
        TlsVersion::V12 => "TLSv1.2",
        TlsVersion::V13 => "TLSv1.3",
    }
}

/// A path as one word.
pub(super) fn path(path: &Path) -> Result<String, RenderError> {
    let text = path.to_str().ok_or_else(|| RenderError(format!("the path {} is not UTF-8", path.display())))?;
    Ok(word(one_line("a path", text)?))
}
