//! `[http]`: where the endpoint listens, and who may change something.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Cx;
use crate::config::document::Item;
use crate::config::limits::{HTTP_LISTEN, HTTP_PORT};
use crate::config::problem::{Place, Problem};
use crate::config::raw::RawHttp;
use crate::config::written::{At, TextOr};
use crate::config::{HttpConfig, Listen};

/// Addresses of one endpoint.
const LISTEN_MAX: usize = 16;
/// Names of one endpoint.
const HOSTS_MAX: usize = 64;

/// The outer None: reported. The inner: there is none.
#[allow(clippy::option_option, reason = "absent and reported are different things")]
pub(super) fn check(cx: &mut Cx<'_>, item: Option<&Item<RawHttp>>) -> Option<Option<HttpConfig>> {
    let Some(item) = item else { return Some(None) };
    let RawHttp { listen, token_file, hosts } = item.raw.get();
    let listen = self::listen(cx, item, listen.as_ref());
    let token_file = match token_file {
        Some(written) => cx.file(item.file, "token_file", written).map(Some),
        None => Some(None),
    };
    let hosts = match hosts {
        Some(written) => self::hosts(cx, item, written.span(), &written.get().0),
        None => Some(Vec::new()),
    };
    Some(Some(HttpConfig { listen: listen?, token_file: token_file?, hosts: hosts? }))
}

fn listen(
    cx: &mut Cx<'_>,
    item: &Item<RawHttp>,
    written: Option<&At<TextOr<crate::config::written::Some1<At<String>>>>>,
) -> Option<Vec<Listen>> {
    let Some(written) = written else {
        return Some(vec![Listen::At(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), HTTP_PORT))]);
    };
    match written.get() {
        TextOr::Text(text) => one(cx, item.at(written), text).map(|listen| vec![listen]),
        TextOr::Other(list) if list.0.len() > LISTEN_MAX => {
            let rule = format!("`listen` of [http] has at most {LISTEN_MAX} addresses, not {}", list.0.len());
            cx.add(Problem::new(item.at(written), rule).label("too many").fix("write \"*:9112\""));
            None
        }
        TextOr::Other(list) => {
            let all: Vec<_> = list.0.iter().map(|entry| one(cx, item.at(entry), entry.get())).collect();
            all.into_iter().collect()
        }
    }
}

fn one(cx: &mut Cx<'_>, place: Place, text: &str) -> Option<Listen> {
    let parsed = text.rsplit_once(':').and_then(|(host, port)| {
        let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
        match host {
            "node" => Some(Listen::Node(port)),
            "*" => Some(Listen::At(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))),
            "localhost" => Some(Listen::At(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))),
            _ => {
                let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
                let ip: IpAddr = bare.unwrap_or(host).parse().ok()?;
                // Without brackets the last group would be the port.
                (ip.is_ipv4() || bare.is_some()).then_some(Listen::At(SocketAddr::new(ip, port)))
            }
        }
    });
    if parsed.is_none() {
        let problem = Problem::new(place, "`listen` of [http] must be an address and a port");
        let fix = format!(
            "write, for example, \"{HTTP_LISTEN}\", \"[::1]:{HTTP_PORT}\", \"node:{HTTP_PORT}\" or \"*:{HTTP_PORT}\""
        );
        cx.add(problem.label("not such an address").fix(fix));
    }
    parsed
}

fn hosts(
    cx: &mut Cx<'_>,
    item: &Item<RawHttp>,
    span: std::ops::Range<usize>,
    list: &[At<String>],
) -> Option<Vec<String>> {
    if list.len() > HOSTS_MAX {
        let rule = format!("`hosts` of [http] has at most {HOSTS_MAX} names, not {}", list.len());
        cx.add(Problem::new(Place::new(item.file, span), rule).label("too many").fix("take some out"));
        return None;
    }
    let mut all = Vec::new();
    for name in list {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if name.get().is_empty() || !name.get().chars().all(good) {
            let problem = Problem::new(item.at(name), "a name in `hosts` is that of a host, without scheme and port");
            cx.add(problem.label("not such a name").fix("write, for example, \"vip.example.com\""));
            return None;
        }
        all.push(name.get().clone());
    }
    Some(all)
}
