//! Servers in HAProxy's words.

use std::path::Path;

use serde::Serialize;

use super::Words;
use crate::config::{Check, InitAddr, SendProxy, Server, ServerSettings, ServerTemplate, ServerTls, Sni, TlsTrust};
use crate::render::RenderError;
use crate::render::model::{one_line, passed_through, time, word};
use crate::render::tls::version_word;
use crate::units::Family;

#[derive(Debug, Serialize)]
pub(super) struct ServerModel {
    name: String,
    address: String,
    weight: u32,
    backup: bool,
    maxconn: Option<u32>,
    settings: Option<String>,
    options: Option<String>,
}

impl ServerModel {
    pub(super) fn new(server: &Server, check: Option<&Check>) -> Result<Self, RenderError> {
        let Server {
            name,
            address,
            weight,
            backup,
            maxconn,
            cookie,
            disabled,
            checked,
            settings: own,
            options,
            origin: _,
        } = server;
        let mut words = settings(own, check)?;
        if let Some(cookie) = cookie {
            words.pair("cookie", &word(one_line("the cookie of a server", cookie)?));
        }
        if !checked && check.is_some() {
            words.add("no-check");
        }
        if *disabled {
            words.add("disabled");
        }
        Ok(Self {
            name: name.to_string(),
            address: word(one_line("the address of a server", address)?),
            weight: *weight,
            backup: *backup,
            maxconn: *maxconn,
            settings: (!words.0.is_empty()).then(|| words.0.join(" ")),
            options: passed_through("the options of a server", options.as_deref())?,
        })
    }
}

/// What follows `server-template`. Nobody is asked at the start, so that no name server can delay it.
pub(super) fn template(template: &ServerTemplate) -> Result<String, RenderError> {
    let ServerTemplate { prefix, count, address, resolvers, weight, maxconn, origin: _ } = template;
    let mut words = Words::of(prefix.as_str());
    words.add(count.to_string()).add(word(one_line("the address of a server", address)?));
    words.pair("weight", &weight.to_string()).maybe("maxconn", *maxconn);
    words.pair("resolvers", resolvers.as_str()).add("init-addr none");
    Ok(words.0.join(" "))
}

/// What a server and `default-server` have alike.
pub(super) fn settings(settings: &ServerSettings, check: Option<&Check>) -> Result<Words, RenderError> {
    let ServerSettings {
        minconn,
        maxqueue,
        slowstart,
        tls,
        send_proxy,
        check_port,
        check_addr,
        resolvers,
        resolve_prefer,
        init_addr,
    } = settings;
    let mut words = Words::default();
    words.maybe("minconn", *minconn).maybe("maxqueue", *maxqueue).maybe("slowstart", slowstart.map(time));
    if let Some(tls) = tls {
        server_tls(&mut words, tls, check)?;
    }
    if let Some(version) = send_proxy {
        words.add(match version {
            SendProxy::V1 => "send-proxy",
            SendProxy::V2 => "send-proxy-v2",
            SendProxy::V2Ssl => "send-proxy-v2-ssl",
            SendProxy::V2SslCn => "send-proxy-v2-ssl-cn",
        });
    }
    words.maybe("port", *check_port);
    if let Some(addr) = check_addr {
        words.pair("addr", &word(one_line("the address of a check", addr)?));
    }
    words.maybe("resolvers", resolvers.as_ref());
    words.maybe(
        "resolve-prefer",
        resolve_prefer.map(|family| match family {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        }),
    );
    if !init_addr.is_empty() {
        let methods = init_addr.iter().map(|method| match method {
            InitAddr::Last => "last",
            InitAddr::Libc => "libc",
            InitAddr::None => "none",
        });
        words.pair("init-addr", &methods.collect::<Vec<_>>().join(","));
    }
    Ok(words)
}

fn server_tls(words: &mut Words, tls: &ServerTls, check: Option<&Check>) -> Result<(), RenderError> {
    let ServerTls { trust: judged, sni, certificate, alpn, min_version } = tls;
    words.add("ssl");
    trust(words, judged)?;
    match sni {
        None => {}
        Some(Sni::Name(name)) => {
            let name = one_line("the name of a server", name)?;
            words.pair("sni", &format!("str({name})"));
            // Checks do not take it over, and a server of many names would answer them with another certificate.
            if check.is_some_and(|check| check.route.tls.as_ref().is_none_or(|tls| tls.sni.is_none())) {
                words.pair("check-sni", &word(name));
            }
        }
        Some(Sni::Expression(expression)) => {
            words.pair("sni", &word(one_line("the name of a server", expression)?));
        }
    }
    if let Some(file) = certificate {
        words.pair("crt", &path(file)?);
    }
    if !alpn.is_empty() {
        words.pair("alpn", &word(one_line("the protocols of a server", &alpn.join(","))?));
    }
    words.maybe("ssl-min-ver", min_version.map(version_word));
    Ok(())
}

/// How certificates are judged, said in any case: HAProxy has a default that a raw line may change.
pub(super) fn trust(words: &mut Words, trust: &TlsTrust) -> Result<(), RenderError> {
    match trust {
        TlsTrust::Anybody => {
            words.add("verify none");
        }
        TlsTrust::Authorities { ca, verify_host } => {
            words.add("verify required");
            let ca = ca.as_deref().map(path).transpose()?;
            words.pair("ca-file", ca.as_deref().unwrap_or("@system-ca"));
            if let Some(host) = verify_host {
                words.pair("verifyhost", &word(one_line("the name of a server", host)?));
            }
        }
    }
    Ok(())
}

fn path(path: &Path) -> Result<String, RenderError> {
    let text = path.to_str().ok_or_else(|| RenderError(format!("the path {} is not UTF-8", path.display())))?;
    Ok(word(one_line("a path", text)?))
}
