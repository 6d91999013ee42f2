//! What nodes say to each other beside VRRP: small authenticated hellos over UDP.
//!
//! A second sign of life and a hint, never needed for safety. Bytes and values only: no socket, no clock, no chance.

pub mod message;
pub mod session;
pub mod table;

use std::collections::BTreeMap;
use std::fmt;

use hmac::{Hmac, Mac};
use sha2::{Digest as _, Sha256};

use crate::units::Name;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;

/// The secret that the nodes of one cluster share. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerKey([u8; KEY_BYTES]);

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be one line of 64 hexadecimal digits; `vipkeeper keygen` writes such a file")]
pub struct BadKey;

impl PeerKey {
    /// A key of these bytes.
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// Reads the text of a key file: 64 hexadecimal digits, white space around them.
    ///
    /// # Errors
    /// Anything else; the text is not repeated.
    pub fn from_hex(text: &str) -> Result<Self, BadKey> {
        let text = text.trim();
        if text.len() != KEY_BYTES * 2 || !text.is_ascii() {
            return Err(BadKey);
        }
        let mut bytes = [0; KEY_BYTES];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| BadKey)?;
            if !pair.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(BadKey);
            }
            *byte = u8::from_str_radix(pair, 16).map_err(|_| BadKey)?;
        }
        Ok(Self(bytes))
    }

    /// The text of a key file.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// HMAC-SHA256 over these parts, one after another.
    fn mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        // HMAC fills a key that is shorter than its block with zeros (RFC 2104), so this is the same key.
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        for (to, from) in block.iter_mut().zip(self.0) {
            *to = from;
        }
        let mut mac = <Hmac<Sha256> as Mac>::new(&block);
        for part in parts {
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerKey(..)")
    }
}

/// A process of vipkeeper: a random number of its own, so that a restart is recognised without clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Incarnation(pub u64);

/// A VIP on the wire: the first 4 bytes of SHA-256 of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VipId(pub u32);

impl VipId {
    /// That of a name. Two names of one configuration must not share it.
    pub fn of(name: &Name) -> Self {
        let hash = Sha256::digest(name.as_str().as_bytes());
        Self(hash.iter().take(4).fold(0, |id, byte| (id << 8) | u32::from(*byte)))
    }
}

/// Two of these VIPs that would be one on the wire. Among 1,000 names that is a matter of 1 to 8,600.
pub fn same_id<'a>(names: impl Iterator<Item = &'a Name>) -> Option<(&'a Name, &'a Name)> {
    let mut ids = BTreeMap::new();
    names.filter_map(|name| ids.insert(VipId::of(name), name).map(|before| (before, name))).next()
}

#[cfg(test)]
mod tests;
