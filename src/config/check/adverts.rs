//! How adverts of a `[[vip]]` look and travel: version, authentication, interval, transport, checksum.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::Cx;
use super::nodes::Nodes;
use crate::config::document::Item;
use crate::config::limits::{ADVERT_INTERVAL, HMAC_WINDOW};
use crate::config::problem::{Place, Problem};
use crate::config::raw::{RawAuth, RawChecksum, RawHmac, RawHmacMode, RawTransport, RawVip};
use crate::config::value::show_duration;
use crate::config::written::At;
use crate::config::{Auth, Checksum, HmacAuth, HmacMode, Transport, Version};
use crate::units::{Centis, Family, Name, Priority};

/// How adverts look and travel.
pub(super) struct Adverts {
    pub(super) version: Version,
    pub(super) auth: Auth,
    pub(super) interval: Centis,
    pub(super) transport: Transport,
    pub(super) checksum: Checksum,
}

/// What it depends on.
pub(super) struct Around<'a> {
    pub(super) nodes: &'a Nodes,
    pub(super) priorities: Option<&'a BTreeMap<Name, Priority>>,
    /// Of the addresses; none: unknown.
    pub(super) family: Option<Family>,
}

/// None if something was reported.
pub(super) fn check(cx: &mut Cx<'_>, item: &Item<RawVip>, around: &Around<'_>) -> Option<Adverts> {
    let raw = item.raw.get();
    let version = match raw.version.as_ref().map(At::get) {
        Some(2) => Version::V2,
        Some(_) | None => Version::V3,
    };
    if let (Version::V2, Some(written), Some(Family::V6)) = (version, &raw.version, around.family) {
        let problem = Problem::new(item.at(written), "version 2 is for IPv4 only").label("the addresses are IPv6");
        cx.add(problem.fix("leave `version` out"));
    }
    let auth = auth(cx, item, version);
    let interval = interval(cx, item, version);
    let transport = transport(cx, item, around);
    let checksum = checksum(cx, item, version, around.family);
    Some(Adverts { version, auth: auth?, interval: interval?, transport: transport?, checksum: checksum? })
}

fn interval(cx: &mut Cx<'_>, item: &Item<RawVip>, version: Version) -> Option<Centis> {
    let written = item.raw.get().advert_interval.as_ref();
    let duration = cx.duration(item.file, "advert_interval", written, ADVERT_INTERVAL)?;
    let Some(written) = written else { return Some(Centis::SECOND) };
    let (step, unit, note) = match version {
        Version::V2 => (1_000, "1s", "VRRPv2 counts it in seconds (RFC 3768 section 5.3.7)"),
        Version::V3 => (10, "10ms", "VRRPv3 counts it in hundredths of a second (RFC 9568 section 5.2.7)"),
    };
    match Centis::from_duration(duration) {
        Ok(centis) if duration.as_millis().is_multiple_of(step) => Some(centis),
        Ok(_) | Err(_) => {
            let near = (duration.as_millis() / step).max(1).saturating_mul(step);
            let near = show_duration(Duration::from_millis(u64::try_from(near).unwrap_or(0)));
            let problem = Problem::new(item.at(written), format!("`advert_interval` must be a multiple of {unit}"));
            cx.add(problem.label("between two steps").note(note).fix(format!("write `advert_interval = \"{near}\"`")));
            None
        }
    }
}

fn checksum(cx: &mut Cx<'_>, item: &Item<RawVip>, version: Version, family: Option<Family>) -> Option<Checksum> {
    let Some(written) = &item.raw.get().checksum else { return Some(Checksum::PseudoHeader) };
    let why = match (version, family) {
        (Version::V2, _) => Some("with `version = 2`: it has one checksum"),
        (Version::V3, Some(Family::V6)) => Some("for IPv6: its checksum always has the pseudo header"),
        (Version::V3, Some(Family::V4) | None) => None,
    };
    if let Some(why) = why {
        let problem = Problem::new(item.at(written), format!("`checksum` means nothing {why}")).label("never used");
        cx.add(problem.fix("remove it"));
        return None;
    }
    Some(match written.get() {
        RawChecksum::PseudoHeader => Checksum::PseudoHeader,
        RawChecksum::Rfc9568 => Checksum::Rfc9568,
    })
}

fn transport(cx: &mut Cx<'_>, item: &Item<RawVip>, around: &Around<'_>) -> Option<Transport> {
    let raw = item.raw.get();
    match raw.transport.as_ref().map(|written| (written.get(), item.at(written))) {
        Some((RawTransport::Unicast, place)) => {
            if let Some(group) = &raw.multicast_group {
                let problem =
                    Problem::new(item.at(group), "`multicast_group` means nothing with `transport = \"unicast\"`");
                cx.add(problem.label("never used").also(place, "this sends to nodes").fix("remove one of the two"));
                return None;
            }
            if around.priorities.is_some_and(|priorities| priorities.len() == 1) {
                let problem = Problem::new(place, "there is no other node to send adverts to");
                cx.add(problem.label("needs the address of another node").fix("add a [[node]], or remove `transport`"));
                return None;
            }
            reachable(cx, place, around).then_some(Transport::Unicast)
        }
        Some((RawTransport::Multicast, _)) | None => {
            let family = around.family.unwrap_or(Family::V4);
            match &raw.multicast_group {
                None => Some(Transport::Multicast(Transport::default_group(family))),
                Some(written) => group(cx, item.at(written), written.get(), family),
            }
        }
    }
}

/// Whether every node has an address of the VIP's family.
fn reachable(cx: &mut Cx<'_>, place: Place, around: &Around<'_>) -> bool {
    let Some(family) = around.family else { return true };
    let mut members = around.priorities.into_iter().flat_map(BTreeMap::keys);
    let without = |node: &&Name| around.nodes.find(node).is_some_and(|node| node.address_of(family).is_none());
    let Some(node) = members.find(without) else { return true };
    let example = match family {
        Family::V4 => "192.0.2.1",
        Family::V6 => "2001:db8::1",
    };
    let name = family.name();
    let problem = Problem::new(place, format!("unicast adverts need an {name} address of every node of the VIP"));
    let problem = problem.label(format!("node \"{node}\" has none"));
    let address = around.nodes.find(node).map_or_else(|| "...".to_owned(), |node| node.address.to_string());
    cx.add(problem.fix(format!("write `address = [\"{address}\", \"{example}\"]` in that [[node]], with its own")));
    false
}

fn group(cx: &mut Cx<'_>, place: Place, text: &str, family: Family) -> Option<Transport> {
    let parsed = text.parse::<IpAddr>();
    let (good, rule, label) = match family {
        Family::V4 => (
            matches!(parsed, Ok(IpAddr::V4(ip)) if ip.is_multicast()),
            "`multicast_group` must be an IPv4 multicast address",
            "not from 224.0.0.0 to 239.255.255.255",
        ),
        Family::V6 => (
            // Of this link: adverts must not be forwarded (RFC 9568 section 5.1.2.2).
            matches!(parsed, Ok(IpAddr::V6(ip)) if ip.segments().first() == Some(&0xff02)),
            "`multicast_group` must be an IPv6 multicast address of this link",
            "not in ff02::/16",
        ),
    };
    match parsed {
        Ok(group) if good => Some(Transport::Multicast(group)),
        Ok(_) | Err(_) => {
            let fix = format!("write \"{}\", or leave it out", Transport::default_group(family));
            cx.add(Problem::new(place, rule).label(label).fix(fix));
            None
        }
    }
}

fn auth(cx: &mut Cx<'_>, item: &Item<RawVip>, version: Version) -> Option<Auth> {
    let Some(written) = &item.raw.get().auth else { return Some(Auth::None) };
    let RawAuth { password, hmac } = written.get();
    match (password, hmac) {
        (Some(text), None) => password_of(cx, item, text, version).map(Auth::Password),
        (None, Some(hmac)) => hmac_of(cx, item, hmac).map(Auth::Hmac),
        (Some(password), Some(hmac)) => {
            let problem = Problem::new(item.at(hmac), "`auth` is either `password` or `hmac`").label("one too many");
            cx.add(
                problem
                    .also(item.at(password), "this is one")
                    .fix("keep `hmac`, which keepalived 2.4.2 and later speak"),
            );
            None
        }
        (None, None) => {
            if cx.is_whole(&item.at(written)) {
                let problem = Problem::new(item.at(written), "`auth` needs `password` or `hmac`");
                cx.add(problem.fix("leave `auth` out for adverts without authentication"));
            }
            None
        }
    }
}

fn password_of(cx: &mut Cx<'_>, item: &Item<RawVip>, written: &At<String>, version: Version) -> Option<[u8; 8]> {
    let problem = |rule: &str| Problem::new(item.at(written), rule.to_owned());
    if version == Version::V3 {
        let problem = problem("a `password` is for version 2 alone").label("VRRPv3 has none");
        let note = "it would keep mistakes apart, not attackers: everybody on the network reads it";
        cx.add(problem.note(note).fix("write `version = 2`, or use `hmac`"));
        return None;
    }
    let bytes = written.get().as_bytes();
    let mut padded = [0_u8; 8];
    let good = (1..=8).contains(&bytes.len()) && bytes.iter().all(|b| b.is_ascii_graphic() || *b == b' ');
    if !good {
        let label = if bytes.len() > 8 { "too long" } else { "not that" };
        let problem = problem("a `password` is 1 to 8 ASCII characters").label(label);
        let note = "keepalived cuts a longer one to 8 (RFC 2338 section 5.3.6.1)";
        cx.add(problem.note(note).fix("write at most 8 characters"));
        return None;
    }
    padded.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    Some(padded)
}

fn hmac_of(cx: &mut Cx<'_>, item: &Item<RawVip>, written: &At<RawHmac>) -> Option<HmacAuth> {
    let RawHmac { keys, active, mode, window } = written.get();
    let window = cx.duration(item.file, "auth.hmac.window", window.as_ref(), HMAC_WINDOW);
    let written_keys = keys.as_ref()?;
    let mut good = BTreeMap::new();
    let mut whole = cx.is_whole(&item.at(written_keys));
    if written_keys.get().is_empty() && whole {
        let problem = Problem::new(item.at(written_keys), "`keys` must not be empty");
        cx.add(problem.fix("write `keys = { 1 = \"hex:...\" }` with 64 to 128 hex digits"));
    }
    for (id, key) in written_keys.get() {
        let number = id.get().parse::<u8>().ok().filter(|id| *id > 0);
        if number.is_none() {
            let problem = Problem::new(item.at(id), "the number of a key is from 1 to 255").label("not one of them");
            cx.add(problem.fix("write, for example, `1 = \"hex:...\"`"));
        }
        match number.zip(key_bytes(cx, item.at(key), key.get())) {
            Some((number, bytes)) => drop(good.insert(number, bytes)),
            None => whole = false,
        }
    }
    let active = match active {
        Some(active) => {
            let id = u8::try_from(*active.get()).ok().filter(|id| good.contains_key(id));
            if id.is_none() && whole {
                let problem = Problem::new(item.at(active), "`active` must be the number of one of the `keys`");
                let known: Vec<_> = good.keys().map(u8::to_string).collect();
                cx.add(problem.label("there is no such key").fix(format!("known are {}", known.join(", "))));
            }
            id
        }
        None if good.len() == 1 => good.keys().next().copied(),
        None => {
            if good.len() > 1 && whole && cx.is_whole(&item.at(written)) {
                let problem = Problem::new(item.at(written), "with several keys `hmac` needs `active`");
                cx.add(problem.label("which one signs?").fix("add `active = 1` with the number of the key that signs"));
            }
            None
        }
    };
    let mode = match mode.as_ref().map(At::get) {
        None | Some(RawHmacMode::Enforce) => HmacMode::Enforce,
        Some(RawHmacMode::Permissive) => HmacMode::Permissive,
        Some(RawHmacMode::ReceiveOnly) => HmacMode::ReceiveOnly,
    };
    (whole && !good.is_empty()).then_some(())?;
    Some(HmacAuth { keys: good, active: active?, mode, window: window? })
}

/// 32 to 64 bytes in hex.
fn key_bytes(cx: &mut Cx<'_>, place: Place, text: &str) -> Option<Vec<u8>> {
    let label = match text.strip_prefix("hex:") {
        None if text.starts_with("file:") => "keys are not read from files",
        None => "no \"hex:\" before it",
        Some(digits) if !digits.bytes().all(|b| b.is_ascii_hexdigit()) => "not only hex digits",
        Some(digits) if !(64..=128).contains(&digits.len()) || !digits.len().is_multiple_of(2) => {
            "not 64 to 128 digits"
        }
        Some(digits) => {
            let nibbles: Vec<u8> =
                digits.chars().filter_map(|c| c.to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
            let byte = |pair: &[u8]| pair.iter().fold(0_u8, |byte, nibble| byte << 4 | nibble);
            return Some(nibbles.chunks(2).map(byte).collect());
        }
    };
    let problem = Problem::new(place, "a key is \"hex:\" and 64 to 128 hex digits: 32 to 64 bytes").label(label);
    let note = "it may stand in a file of its own that only root can read, named in `include`, with its whole [[vip]]";
    cx.add(problem.note(note).fix("make one with `openssl rand -hex 32`"));
    None
}
