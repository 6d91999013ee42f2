//! Values that cannot be wrong: each type is checked once, where it is made.
//!
//! Nothing here knows about files, packets or time sources.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub mod recorded;

/// A value outside its permitted range; the message names the range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {range}, not {got}")]
pub struct OutOfRange {
    /// What was being made, in the user's words.
    pub what: &'static str,
    /// The permitted range, for people.
    pub range: &'static str,
    /// What was given instead.
    pub got: String,
}

/// Virtual router identifier, 1-255 (RFC 9568 section 5.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// Fails for anything outside 1-255.
    pub fn new(id: i64) -> Result<Self, OutOfRange> {
        u8::try_from(id).ok().and_then(NonZeroU8::new).map(Self).ok_or_else(|| OutOfRange {
            what: "a vrid",
            range: "1-255",
            got: id.to_string(),
        })
    }

    /// The byte on the wire.
    pub fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Priority of a router that takes part in the election, 1-255.
///
/// 0 (resign) is not a priority but another claim (RFC 9568 section 5.2.4). 255 is the address owner: no weight moves it,
/// and it does not wait at the start (section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Priority(NonZeroU8);

impl Priority {
    /// The lowest priority that still takes part.
    pub const MIN: Self = Self(NonZeroU8::MIN);
    /// The highest priority of a router that does not own the address.
    pub const MAX: Self = match NonZeroU8::new(254) {
        Some(n) => Self(n),
        None => Self::MIN,
    };

    /// The priority of the address owner.
    pub const OWNER: Self = Self(NonZeroU8::MAX);

    /// Fails for anything outside 1-255.
    pub fn new(value: i64) -> Result<Self, OutOfRange> {
        u8::try_from(value).ok().and_then(NonZeroU8::new).map(Self).ok_or_else(|| OutOfRange {
            what: "a priority",
            range: "1-255 (255 is the address owner, 0 means resign)",
            got: value.to_string(),
        })
    }

    /// Whether this is the address owner's.
    pub fn is_owner(self) -> bool {
        self == Self::OWNER
    }

    /// The byte on the wire.
    pub fn get(self) -> u8 {
        self.0.get()
    }

    /// This priority plus `weight`, held within 1-254; an owner stays an owner.
    #[must_use]
    pub fn weighted(self, weight: i32) -> Self {
        if self.is_owner() {
            return self;
        }
        let sum = i32::from(self.get()).saturating_add(weight).clamp(1, 254);
        Self::new(i64::from(sum)).unwrap_or(Self::MIN)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An advertisement interval in centiseconds, 1-4095 (RFC 9568 section 5.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Centis(u16);

impl Centis {
    /// One second, the default of the RFC.
    pub const SECOND: Self = Self(100);

    /// Fails outside 1-4095 centiseconds (10 ms to 40.95 s).
    pub fn new(centis: u16) -> Result<Self, OutOfRange> {
        if (1..=4095).contains(&centis) {
            Ok(Self(centis))
        } else {
            Err(OutOfRange { what: "an advert interval", range: "10 ms to 40.95 s", got: format!("{centis} cs") })
        }
    }

    /// Fails outside 10 ms - 40.95 s and for anything that is not a multiple of 10 ms.
    pub fn from_duration(d: Duration) -> Result<Self, OutOfRange> {
        let error = || OutOfRange {
            what: "an advert interval",
            range: "10 ms to 40.95 s in steps of 10 ms",
            got: format!("{d:?}"),
        };
        if !d.as_micros().is_multiple_of(10_000) {
            return Err(error());
        }
        u16::try_from(d.as_millis() / 10).ok().and_then(|c| Self::new(c).ok()).ok_or_else(error)
    }

    /// The 12-bit value on the wire.
    pub fn get(self) -> u16 {
        self.0
    }

    /// The same as a [`Duration`].
    pub fn duration(self) -> Duration {
        Duration::from_millis(u64::from(self.0) * 10)
    }

    /// Skew time of version 3: `interval * (256 - priority) / 256` (RFC 9568 section 6.1), in whole microseconds.
    pub fn skew(self, priority: Priority) -> Duration {
        let micros = u64::from(self.0) * 10_000 * (256 - u64::from(priority.get())) / 256;
        Duration::from_micros(micros)
    }
}

/// A network interface name, 1-15 bytes without `/` or white space (Linux `IFNAMSIZ`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct IfName(String);

impl IfName {
    /// Fails for names the kernel would not accept.
    pub fn new(name: &str) -> Result<Self, OutOfRange> {
        let bad = name.is_empty()
            || name.len() > 15
            || matches!(name, "." | "..")
            || name.bytes().any(|b| b == b'/' || b == b':' || b.is_ascii_whitespace() || b.is_ascii_control());
        if bad {
            return Err(OutOfRange {
                what: "an interface name",
                range: "1-15 bytes without '/', ':' or white space",
                got: format!("{name:?}"),
            });
        }
        Ok(Self(name.to_owned()))
    }

    /// The device of a virtual router: `vrrp4.51` or `vrrp6.51`.
    pub fn of_virtual_router(family: Family, vrid: Vrid) -> Self {
        let digit = match family {
            Family::V4 => '4',
            Family::V6 => '6',
        };
        Self(format!("vrrp{digit}.{vrid}"))
    }

    /// The name as the kernel knows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for IfName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// A name given by the user to a node, VIP, frontend or backend: 1-63 of `[A-Za-z0-9_.-]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// Fails for empty and over-long names and for characters HAProxy would not take in a section name.
    pub fn new(name: &str) -> Result<Self, OutOfRange> {
        let good = (1..=63).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        if good {
            Ok(Self(name.to_owned()))
        } else {
            Err(OutOfRange { what: "a name", range: "1-63 of A-Z a-z 0-9 _ . -", got: format!("{name:?}") })
        }
    }

    /// The name as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// An address family: VRRP for one never carries addresses of the other (RFC 9568 section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// A virtual address with its prefix length, as it is put on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VipAddress {
    ip: IpAddr,
    prefix: u8,
}

impl VipAddress {
    /// Fails for a prefix longer than the address.
    pub fn new(ip: IpAddr, prefix: u8) -> Result<Self, OutOfRange> {
        let max = if ip.is_ipv4() { 32 } else { 128 };
        if prefix > max {
            return Err(OutOfRange {
                what: "a prefix length",
                range: if ip.is_ipv4() { "0-32" } else { "0-128" },
                got: prefix.to_string(),
            });
        }
        Ok(Self { ip, prefix })
    }

    /// The address without its prefix length.
    pub fn ip(self) -> IpAddr {
        self.ip
    }

    /// Its address family.
    pub fn family(self) -> Family {
        Family::of(self.ip)
    }

    /// The IPv4 address, if it is one.
    pub fn ipv4(self) -> Option<Ipv4Addr> {
        match self.ip {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        }
    }

    /// Prefix length in bits.
    pub fn prefix(self) -> u8 {
        self.prefix
    }
}

impl fmt::Display for VipAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

impl Serialize for VipAddress {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for VipAddress {
    type Err = OutOfRange;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let error =
            || OutOfRange { what: "a virtual address", range: "an address, `/` and its prefix", got: s.to_owned() };
        let (ip, prefix) = s.split_once('/').ok_or_else(error)?;
        Self::new(ip.parse().map_err(|_| error())?, prefix.parse().map_err(|_| error())?)
    }
}

impl<'de> Deserialize<'de> for VipAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Scope of an address or route (`rtnetlink(7)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum Scope {
    /// `RT_SCOPE_UNIVERSE`
    #[default]
    Global,
    /// `RT_SCOPE_SITE`
    Site,
    /// `RT_SCOPE_LINK`
    Link,
    /// `RT_SCOPE_HOST`
    Host,
}

/// How an address is put on an interface, beside its prefix.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct AddressOptions {
    /// `IFA_LABEL`, such as `eth0:www`; 1-15 bytes. IPv4 only.
    pub label: Option<String>,
    /// Scope of the address.
    pub scope: Scope,
}

/// A digest of configuration or rendered text: the first 8 bytes of SHA-256, shown as 16 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub u64);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Digest {
    type Err = OutOfRange;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Some(s)
            .filter(|s| s.len() == 16 && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
            .and_then(|s| u64::from_str_radix(s, 16).ok())
            .map(Self)
            .ok_or_else(|| OutOfRange { what: "a digest", range: "16 lower-case hex digits", got: format!("{s:?}") })
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Numbers an operation, so that a late outcome of an old one is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OpId(pub u64);

/// Whole seconds of a kernel address lease (`IFA_CACHEINFO.valid_lft`), at least 2.
///
/// The kernel counts leases in seconds, so one second could end at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct LeaseSecs(u32);

impl LeaseSecs {
    /// The lease for a router whose backups wait for three intervals.
    pub fn for_interval(interval: Centis) -> Self {
        Self::for_wait(interval.duration().saturating_mul(3))
    }

    /// The lease for a router: as long as its backups wait, the skew left aside; at least 2 s, at most 120 s.
    ///
    /// A kernel that loses its vipkeeper thus drops the VIP about when the successor takes it.
    pub fn for_wait(wait: Duration) -> Self {
        Self(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).clamp(2, 120))
    }

    /// The lease of each of so many addresses that move together: at least 10 s for more than 128 of them and 30 s for
    /// more than 1,024, so that renewals do not keep a processor busy. The kernel walks a list for each.
    ///
    /// The price: the addresses of a vipkeeper that was killed stay for up to that long.
    pub fn for_set(wait: Duration, addresses: usize) -> Self {
        let least = match addresses {
            0..=128 => 0,
            129..=1024 => 10,
            _ => 30,
        };
        Self(Self::for_wait(wait).0.max(least))
    }

    /// Seconds.
    pub fn get(self) -> u32 {
        self.0
    }

    /// How often a holder renews it: a third, at most every second.
    pub fn renew_every(self) -> Duration {
        (Duration::from_secs(u64::from(self.0)) / 3).min(Duration::from_secs(1))
    }
}
