//! What keys of a frontend become in nginx: lines of its `server` in the order in which they count, and what they look
//! up in blocks before it.
//!
//! nginx works off `if` and `return` of a `server` before it looks for a `location`, which is where HAProxy's rules
//! for requests have their place too. Variables have the frontend's number, since its name may hold what a name of a
//! variable must not.

use serde::Serialize;

use super::routes::{self, Proxied};
use super::{time, word};
use crate::config::{ClientCertificates, Frontend, FrontendHeaders, Mode, Networks, Rules, Tls, TlsPreset, TlsVersion};
use crate::render::RenderError;
use crate::render::model::one_line;
use crate::render::tls::{ciphers, path};

/// What the template of a frontend has beside its binds and raw lines.
#[derive(Debug, Default, Serialize)]
pub(super) struct FrontendRules {
    /// Blocks before the `server`.
    pub(super) maps: Vec<String>,
    /// Lines of the `server`.
    pub(super) rules: Vec<String>,
    /// What `proxy_pass` gets; none: everything is answered before.
    pub(super) target: Option<String>,
}

impl FrontendRules {
    /// Fails for values that nginx would not take as they are meant; `config::check` has refused them before.
    pub(super) fn new(number: usize, frontend: &Frontend) -> Result<Self, RenderError> {
        let mut all = Self::default();
        all.rules.extend(tls_of(frontend)?);
        if !frontend.rules.accept_proxy.is_empty() {
            // Every connection has the header: which networks may send one was checked.
            all.rules.extend(["set_real_ip_from 0.0.0.0/0;", "set_real_ip_from ::/0;"].map(str::to_owned));
        }
        match frontend.mode {
            Mode::Http => all.http(number, frontend)?,
            Mode::Tcp => all.tcp(number, frontend)?,
        }
        Ok(all)
    }

    fn http(&mut self, number: usize, frontend: &Frontend) -> Result<(), RenderError> {
        let Rules {
            accept_proxy,
            redirect_https,
            hsts,
            allow,
            deny,
            rate_limit,
            basic_auth,
            forwarded: _,
            request_headers: _,
            response_headers,
            compression,
            monitor_uri,
            routes: _,
        } = &frontend.rules;
        if rate_limit.is_some() || basic_auth.is_some() {
            return Err(RenderError("nginx has no equal of `rate_limit` and `basic_auth`".to_owned()));
        }
        if !accept_proxy.is_empty() {
            self.rules.push("real_ip_header proxy_protocol;".to_owned());
        }
        if let Some(uri) = monitor_uri {
            self.rules.push(format!("if ($uri = {}) {{ return 200; }}", word(one_line("a path", uri)?)));
        }
        if !deny.is_empty() {
            self.networks(&format!("$vipkeeper_{number}_denied"), deny)?;
            self.rules.push(format!("if ($vipkeeper_{number}_denied = 1) {{ return 403; }}"));
        }
        if !allow.is_empty() {
            self.networks(&format!("$vipkeeper_{number}_allowed"), allow)?;
            self.rules.push(format!("if ($vipkeeper_{number}_allowed = 0) {{ return 403; }}"));
        }
        if *redirect_https {
            self.rules.push("if ($https = \"\") { return 301 https://$http_host$request_uri; }".to_owned());
        }
        if let Some(age) = hsts {
            let variable = format!("$vipkeeper_{number}_hsts");
            self.maps.push(format!("map $https {variable} {{"));
            self.maps.push(format!("    on \"max-age={}\";", age.as_secs()));
            self.maps.push("}".to_owned());
            self.rules.push(format!("add_header Strict-Transport-Security {variable} always;"));
        }
        self.told_to_servers(&frontend.rules)?;
        self.told_to_clients(response_headers)?;
        if !compression.is_empty() {
            self.rules.extend(["gzip on;", "gzip_proxied any;", "gzip_vary on;"].map(str::to_owned));
            // Is compressed in any case, and complained of when it is named.
            let types = compression.iter().filter(|kind| *kind != "text/html");
            let types: Vec<String> =
                types.map(|kind| one_line("a type", kind).map(word)).collect::<Result<_, RenderError>>()?;
            if !types.is_empty() {
                self.rules.push(format!("gzip_types {};", types.join(" ")));
            }
        }
        let Proxied { maps, rules, target } = routes::http(number, frontend)?;
        self.maps.extend(maps);
        self.rules.extend(rules);
        self.target = target;
        Ok(())
    }

    fn tcp(&mut self, number: usize, frontend: &Frontend) -> Result<(), RenderError> {
        let rules = &frontend.rules;
        for (verb, list) in [("deny", &rules.deny), ("allow", &rules.allow)] {
            for networks in list {
                self.rules.push(format!("{verb} {};", network(networks)?));
            }
        }
        if !rules.allow.is_empty() {
            self.rules.push("deny all;".to_owned());
        }
        let Proxied { maps, rules, target } = routes::tcp(number, frontend)?;
        self.maps.extend(maps);
        self.rules.extend(rules);
        self.target = target;
        Ok(())
    }

    fn networks(&mut self, variable: &str, list: &[Networks]) -> Result<(), RenderError> {
        self.maps.push(format!("geo {variable} {{"));
        self.maps.push("    default 0;".to_owned());
        for networks in list {
            self.maps.push(format!("    {} 1;", network(networks)?));
        }
        self.maps.push("}".to_owned());
        Ok(())
    }

    /// One `proxy_set_header` of a server makes nginx forget those of the level above.
    fn told_to_servers(&mut self, rules: &Rules) -> Result<(), RenderError> {
        let FrontendHeaders { del, set, add } = &rules.request_headers;
        if !add.is_empty() {
            return Err(RenderError("nginx cannot add a request header beside another of its name".to_owned()));
        }
        let mut headers: Vec<(String, String)> = Vec::new();
        if rules.forwarded {
            for (name, value) in [
                ("X-Forwarded-For", "$remote_addr"),
                ("X-Real-IP", "$remote_addr"),
                ("X-Forwarded-Host", "$http_host"),
                ("X-Forwarded-Proto", "$scheme"),
            ] {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        headers.extend(del.iter().map(|name| (name.clone(), String::new())));
        headers.extend(set.iter().cloned());
        if headers.is_empty() {
            return Ok(());
        }
        for (name, value) in
            [("Host", "$vipkeeper_host"), ("Upgrade", "$http_upgrade"), ("Connection", "$vipkeeper_connection")]
        {
            if !headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                self.rules.push(format!("proxy_set_header {name} {value};"));
            }
        }
        // The last word about a header counts, as with HAProxy.
        for (at, (name, value)) in headers.iter().enumerate() {
            let later = headers.get(at.saturating_add(1)..).unwrap_or_default();
            if later.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                continue;
            }
            let name = word(one_line("the name of a header", name)?);
            self.rules.push(format!("proxy_set_header {name} {};", quoted(one_line("the value of a header", value)?)));
        }
        Ok(())
    }

    fn told_to_clients(&mut self, changes: &FrontendHeaders) -> Result<(), RenderError> {
        let FrontendHeaders { del, set, add } = changes;
        for name in del.iter().chain(set.iter().map(|(name, _)| name)) {
            self.rules.push(format!("proxy_hide_header {};", word(one_line("the name of a header", name)?)));
        }
        for (name, value) in set.iter().chain(add) {
            let name = word(one_line("the name of a header", name)?);
            self.rules.push(format!("add_header {name} {} always;", quoted(one_line("the value of a header", value)?)));
        }
        Ok(())
    }
}

fn network(networks: &Networks) -> Result<&str, RenderError> {
    match networks {
        Networks::One(network) => one_line("a network", network),
        Networks::File(file) => {
            Err(RenderError(format!("nginx does not read networks from a file such as {}", file.display())))
        }
    }
}

/// The lines about TLS: all binds of a frontend end it alike.
fn tls_of(frontend: &Frontend) -> Result<Vec<String>, RenderError> {
    let mut all = frontend.binds.iter().filter_map(|bind| bind.tls.as_ref());
    let Some(tls) = all.next() else { return Ok(Vec::new()) };
    if all.any(|other| other != tls) {
        return Err(RenderError(format!("with nginx, all binds of frontend {} end TLS alike", frontend.name)));
    }
    let Tls { certificates, crt_list, preset, min_version, alpn, client, strict_sni } = tls;
    let [certificate] = certificates.as_slice() else {
        return Err(RenderError(format!("with nginx, frontend {} has one certificate", frontend.name)));
    };
    if crt_list.is_some() || *strict_sni {
        return Err(RenderError("nginx has no equal of `crt_list` and `strict_sni`".to_owned()));
    }
    // One file holds both, as HAProxy has it.
    let certificate = path(certificate)?;
    let mut lines = vec![format!("ssl_certificate {certificate};"), format!("ssl_certificate_key {certificate};")];
    if let Some(preset) = preset {
        lines.extend(preset_lines(*preset, *min_version));
    } else if let Some(version) = min_version {
        lines.push(protocols(*version));
    }
    if frontend.mode == Mode::Tcp && !alpn.is_empty() {
        let names: Vec<String> =
            alpn.iter().map(|name| one_line("alpn", name).map(word)).collect::<Result<_, RenderError>>()?;
        lines.push(format!("ssl_alpn {};", names.join(" ")));
    }
    let (ca, verify) = match client {
        ClientCertificates::NotAsked => return Ok(lines),
        ClientCertificates::Optional(ca) => (ca, "optional"),
        ClientCertificates::Required(ca) => (ca, "on"),
    };
    lines.extend([format!("ssl_client_certificate {};", path(ca)?), format!("ssl_verify_client {verify};")]);
    Ok(lines)
}

/// What a preset says, for a bind or for all.
pub(super) fn preset_lines(preset: TlsPreset, min_version: Option<TlsVersion>) -> Vec<String> {
    let mut lines = vec![protocols(min_version.unwrap_or(preset.min_version()))];
    lines.extend(ciphers(preset).map(|ciphers| format!("ssl_ciphers {ciphers};")));
    lines.extend(["ssl_prefer_server_ciphers off;", "ssl_session_tickets off;"].map(str::to_owned));
    lines
}

fn protocols(oldest: TlsVersion) -> String {
    let all = [
        (TlsVersion::V10, "TLSv1"),
        (TlsVersion::V11, "TLSv1.1"),
        (TlsVersion::V12, "TLSv1.2"),
        (TlsVersion::V13, "TLSv1.3"),
    ];
    let spoken: Vec<&str> = all.into_iter().filter(|(version, _)| *version >= oldest).map(|(_, name)| name).collect();
    format!("ssl_protocols {};", spoken.join(" "))
}

/// What follows the address of a `listen` for the keys of a bind and its frontend.
pub(super) fn listen_words(frontend: &Frontend, tls: Option<&Tls>) -> String {
    let mut words = String::new();
    if let Some(tls) = tls {
        words.push_str(" ssl");
        if frontend.mode == Mode::Http && tls.alpn.iter().any(|protocol| protocol == "h2") {
            words.push_str(" http2");
        }
    }
    if !frontend.rules.accept_proxy.is_empty() {
        words.push_str(" proxy_protocol");
    }
    words
}

/// One argument in double quotes, whose variables nginx fills in.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

/// How long the first bytes of a connection are waited for where they decide.
pub(super) fn preread() -> String {
    format!("preread_timeout {};", time(std::time::Duration::from_secs(5)))
}
