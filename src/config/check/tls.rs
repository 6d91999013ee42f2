//! `tls` of a bind.

use super::Cx;
use crate::config::document::Item;
use crate::config::limits::CERTIFICATES_MAX;
use crate::config::problem::Problem;
use crate::config::raw::{RawFrontend, RawMode, RawTls, RawTlsPreset, RawTlsVersion, RawVerify};
use crate::config::written::At;
use crate::config::{ClientCertificates, Tls, TlsPreset, TlsVersion};

/// Bytes of a protocol's name (RFC 7301 section 3.1).
const PROTOCOL_BYTES_MAX: usize = 255;

pub(super) fn check(cx: &mut Cx<'_>, item: &Item<RawFrontend>, written: &At<RawTls>) -> Option<Tls> {
    let RawTls { certificates, crt_list, preset: _, min_version: _, alpn, client_ca: _, verify: _, strict_sni } =
        written.get();
    let named = match certificates {
        Some(list) if list.get().0.len() > CERTIFICATES_MAX => {
            let rule = format!("there may be at most {CERTIFICATES_MAX} `certificates`");
            let problem = Problem::new(item.at(list), rule).label(format!("{} of them", list.get().0.len()));
            cx.add(problem.fix("name the directory that they are in, or write a `crt_list`"));
            None
        }
        Some(list) => list.get().0.iter().map(|one| cx.file(item.file, "certificates", one)).collect(),
        None => Some(Vec::new()),
    };
    let list = crt_list.as_ref().map(|list| cx.file(item.file, "crt_list", list));
    if certificates.is_none() && crt_list.is_none() && cx.is_whole(&item.at(written)) {
        let problem = Problem::new(item.at(written), "`tls` needs `certificates` or `crt_list`").label("neither");
        cx.add(problem.fix("add `certificates = [\"/etc/haproxy/certs/www.pem\"]`"));
        return None;
    }
    let preset_and_version = preset_and_version(cx, item, written.get());
    let alpn = match alpn {
        Some(list) => protocols(cx, item, list),
        None if item.raw.get().mode.as_ref().is_none_or(|mode| *mode.get() == RawMode::Http) => {
            Some(["h2", "http/1.1"].map(str::to_owned).to_vec())
        }
        None => Some(Vec::new()),
    };
    let client = client(cx, item, written.get());
    let (preset, min_version) = preset_and_version?;
    Some(Tls {
        certificates: named?,
        crt_list: match list {
            Some(list) => Some(list?),
            None => None,
        },
        preset,
        min_version,
        alpn: alpn?,
        client: client?,
        strict_sni: strict_sni.as_ref().is_some_and(|strict| *strict.get()),
    })
}

pub(super) fn preset(raw: RawTlsPreset) -> TlsPreset {
    match raw {
        RawTlsPreset::MozillaModern => TlsPreset::MozillaModern,
        RawTlsPreset::MozillaIntermediate => TlsPreset::MozillaIntermediate,
    }
}

fn preset_and_version(
    cx: &mut Cx<'_>,
    item: &Item<RawFrontend>,
    raw: &RawTls,
) -> Option<(Option<TlsPreset>, Option<TlsVersion>)> {
    let chosen = raw.preset.as_ref().map(|written| preset(*written.get()));
    let version = raw.min_version.as_ref().map(|written| match written.get() {
        RawTlsVersion::V10 => TlsVersion::V10,
        RawTlsVersion::V11 => TlsVersion::V11,
        RawTlsVersion::V12 => TlsVersion::V12,
        RawTlsVersion::V13 => TlsVersion::V13,
    });
    if let (Some(chosen), Some(version), Some(written), Some(with)) = (chosen, version, &raw.min_version, &raw.preset)
        && version < chosen.min_version()
    {
        let problem = Problem::new(item.at(written), "`min_version` is older than what the preset has ciphers for");
        let problem = problem.label("older").also(item.at(with), "this preset");
        cx.add(problem.fix("remove `min_version`, or choose another preset"));
        return None;
    }
    Some((chosen, version))
}

fn protocols(cx: &mut Cx<'_>, item: &Item<RawFrontend>, list: &At<Vec<At<String>>>) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for one in list.get() {
        let text = one.get();
        if text.is_empty()
            || text.len() > PROTOCOL_BYTES_MAX
            || !text.bytes().all(|b| b.is_ascii_graphic() && b != b',')
        {
            let problem = Problem::new(item.at(one), "`alpn` lists names of protocols").label("not such a name");
            cx.add(problem.fix("write, for example, `alpn = [\"h2\", \"http/1.1\"]`"));
            return None;
        }
        names.push(text.clone());
    }
    Some(names)
}

fn client(cx: &mut Cx<'_>, item: &Item<RawFrontend>, raw: &RawTls) -> Option<ClientCertificates> {
    let verify = raw.verify.as_ref().map(|written| *written.get());
    match (&raw.client_ca, verify) {
        (None, None | Some(RawVerify::None)) => Some(ClientCertificates::NotAsked),
        (Some(ca), None | Some(RawVerify::Required)) => {
            cx.file(item.file, "client_ca", ca).map(ClientCertificates::Required)
        }
        (Some(ca), Some(RawVerify::Optional)) => cx.file(item.file, "client_ca", ca).map(ClientCertificates::Optional),
        (Some(ca), Some(RawVerify::None)) => {
            let problem = Problem::new(item.at(ca), "`client_ca` means nothing with `verify = \"none\"`");
            cx.add(problem.label("never used").fix("remove one of the two"));
            None
        }
        (None, Some(RawVerify::Optional | RawVerify::Required)) => {
            let written = raw.verify.as_ref()?;
            let problem = Problem::new(item.at(written), "`verify` needs `client_ca`").label("against what?");
            let note = "without authorities no certificate could be told from another";
            cx.add(problem.note(note).fix("add `client_ca = \"/etc/haproxy/clients-ca.pem\"`, or remove `verify`"));
            None
        }
    }
}
