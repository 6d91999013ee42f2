//! `bind` lines: addresses by the names of VIPs, and what ends TLS.

use std::net::{IpAddr, Ipv6Addr};

use super::values::table;
use crate::import::Gathered;
use crate::import::haproxy::{Line, Word};
use crate::import::write::{list, quoted};

/// What becomes of a `bind` line.
pub(super) enum Bound {
    /// Entries of `frontend.bind`.
    Typed(Vec<String>),
    /// The address of one node, where the file is the same on all.
    OfNode(String),
    /// What HAProxy must read itself.
    Raw,
}

/// An address with its port in vipkeeper's spelling; that of a VIP by the VIP's name.
pub(super) fn typed(address: &str, all: &Gathered) -> Option<String> {
    if let Some(path) = address.strip_prefix("unix@").or_else(|| address.starts_with('/').then_some(address)) {
        let good = path.starts_with('/') && !path.ends_with('/') && path.len() <= 91 && !path.contains(',');
        return good.then(|| path.to_owned());
    }
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
    let host = host.strip_prefix("ipv4@").or_else(|| host.strip_prefix("ipv6@")).unwrap_or(host);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Some(vip) = all.virtuals.iter().find(|vip| matches!(vip.bare.as_slice(), [one] if one == bare)) {
        return Some(format!("{}:{port}", vip.name));
    }
    match bare.parse::<IpAddr>() {
        Ok(IpAddr::V6(ip)) => Some(format!("[{ip}]:{port}")),
        Ok(IpAddr::V4(ip)) => Some(format!("{ip}:{port}")),
        Err(_) if host.is_empty() || host == "*" => Some(format!("*:{port}")),
        Err(_) => None,
    }
}

/// Whether several nodes run what only one of them could bind.
fn of_one_node(address: &str, all: &Gathered) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let ip = bare.parse::<IpAddr>().ok();
    all.nodes.len() > 1 && ip.is_some_and(|ip| all.nodes.iter().any(|node| node.addresses.contains(&ip)))
}

/// Reads a `bind` line.
pub(super) fn read(line: &Line, all: &Gathered) -> Bound {
    let [_, address, options @ ..] = line.words.as_slice() else { return Bound::Raw };
    if address.variable {
        return Bound::Raw;
    }
    let mut entries = Vec::new();
    for one in address.text.split(',') {
        // Without brackets the port is what follows the last colon.
        let bare = one.rsplit_once(':').filter(|(host, _)| host.parse::<Ipv6Addr>().is_ok());
        let one = bare.map_or_else(|| one.to_owned(), |(host, port)| format!("[{host}]:{port}"));
        if of_one_node(&one, all) {
            return Bound::OfNode(one);
        }
        let Some(address) = typed(&one, all) else { return Bound::Raw };
        let mut keys = vec![("address", quoted(&address))];
        match tls(options) {
            Some((tls, rest)) => {
                keys.push(("tls", tls));
                keys.extend((!rest.is_empty()).then(|| ("options", quoted(&rest.join(" ")))));
            }
            None => {
                let raw: Vec<&str> = options.iter().map(|word| word.raw.as_str()).collect();
                keys.extend((!raw.is_empty()).then(|| ("options", quoted(&raw.join(" ")))));
            }
        }
        entries.push(if keys.len() == 1 { quoted(&address) } else { table(&keys) });
    }
    Bound::Typed(entries)
}

/// `ssl` with its certificates, and the words that are not about it; none: it is not there, or says more.
fn tls(options: &[Word]) -> Option<(String, Vec<String>)> {
    let (mut certificates, mut keys, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ssl, mut ca, mut verify) = (false, None, None);
    let mut words = options.iter();
    let file =
        |word: Option<&Word>| word.filter(|word| !word.variable && word.text.starts_with('/')).map(|w| w.text.clone());
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "ssl" => ssl = true,
            "crt" => certificates.push(file(words.next())?),
            "crt-list" => keys.push(("crt_list", quoted(&file(words.next())?))),
            "ca-file" => ca = Some(quoted(&file(words.next())?)),
            "verify" => verify = Some(words.next()?.text.clone()),
            "alpn" => {
                let names: Vec<String> = words.next()?.text.split(',').map(str::to_owned).collect();
                keys.push(("alpn", list(&names)));
            }
            "ssl-min-ver" => {
                let version = words.next()?.text.as_str();
                ["TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"].contains(&version).then_some(())?;
                keys.push(("min_version", quoted(version)));
            }
            "strict-sni" => keys.push(("strict_sni", "true".to_owned())),
            "ciphers" | "ciphersuites" | "curves" | "ecdhe" | "npn" | "crl-file" | "ssl-max-ver" | "no-tls-tickets" => {
                return None;
            }
            _ => rest.push(word.raw.clone()),
        }
    }
    match (ca, verify.as_deref()) {
        (None, None | Some("none")) | (Some(_), Some("none")) => {}
        (Some(ca), Some(verify @ ("optional" | "required"))) => {
            keys.push(("client_ca", ca));
            keys.push(("verify", quoted(verify)));
        }
        // Authorities alone are asked of nobody in HAProxy.
        (Some(_), None) => {}
        _ => return None,
    }
    if !certificates.is_empty() {
        keys.insert(0, ("certificates", list(&certificates)));
    }
    let named = keys.iter().any(|(key, _)| matches!(*key, "certificates" | "crt_list"));
    (ssl && named && certificates.len() <= 16).then(|| (table(&keys), rest))
}
