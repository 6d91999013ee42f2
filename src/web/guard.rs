//! Who may ask for what at the endpoint of `[http]`.
//!
//! Everybody who reaches it may look. Whatever changes something takes the token, which a browser never sends by itself,
//! so that no foreign page can make it do so.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

/// A shorter token is guessed too easily, and counts as none.
pub const TOKEN_BYTES_MIN: usize = 16;

/// Whether that value of `Host` is one of this endpoint.
///
/// A page of somebody else's whose name is made to lead here (DNS rebinding) has its own name in there; addresses are
/// nobody's.
pub fn is_host(value: &str, known: &[String]) -> bool {
    let host = match value.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(host, _)| host),
        None => value.rsplit_once(':').map_or(value, |(host, _)| host),
    };
    let host = host.trim_end_matches('.');
    host.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || known.iter().any(|name| name.eq_ignore_ascii_case(host))
}

/// Whether that value of `Authorization` has the token.
pub fn is_permitted(authorization: Option<&str>, token: &str) -> bool {
    let token = token.trim();
    let Some((scheme, given)) = authorization.and_then(|value| value.split_once(' ')) else { return false };
    // Digests differ in their first byte or in any other, whatever the texts have in common: how long it takes to
    // compare them tells nothing.
    let same = Sha256::digest(given.trim()) == Sha256::digest(token);
    scheme.eq_ignore_ascii_case("bearer") && token.len() >= TOKEN_BYTES_MIN && same
}
