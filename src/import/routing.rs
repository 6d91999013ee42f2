//! `virtual_routes` and `virtual_rules` as `routes` and `rules` of a VIP, where these say all of a line.

use super::keepalived::Directive;
use super::proxy::network;
use super::report::{Fate, Report};
use super::write::quoted;
use crate::units::Family;

/// Where keepalived begins to number rules without a preference, downwards.
const PREFERENCE: u32 = 16_384;

/// Lines of one VIP, as inline tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Routing {
    pub(super) routes: Vec<String>,
    pub(super) rules: Vec<String>,
}

/// Reads a block of either kind; `family` is that of the VIP.
pub(super) fn read(block: &Directive, label: &str, family: Family, into: &mut Routing, report: &mut Report) {
    for directive in block.inside() {
        let words: Vec<&str> = directive.words.iter().map(String::as_str).collect();
        let (read, key) = if block.keyword() == "virtual_routes" {
            (route(&words, family), "vip.routes")
        } else {
            (rule(&words, into.rules.len()), "vip.rules")
        };
        match read {
            Ok((written, lost)) => {
                if key == "vip.routes" { &mut into.routes } else { &mut into.rules }.push(written);
                match lost.as_slice() {
                    [] => report.add(directive, label, Fate::Mapped, key),
                    lost => report.add(directive, label, Fate::Approximated, &format!("{key}, {}", lost.join(", "))),
                }
            }
            Err(why) => report.add(directive, label, Fate::Dropped, &format!("{key}: {why}")),
        }
    }
}

/// An inline table, and what it does not say.
type Line = Result<(String, Vec<String>), String>;

/// A network as vipkeeper takes it.
fn prefix(text: &str) -> Result<String, String> {
    match text {
        "default" | "default6" | "0.0.0.0/0" | "::/0" | "0/0" => Ok("default".to_owned()),
        _ => network(text).ok_or_else(|| format!("{text} is no network with its prefix length")),
    }
}

/// A number of a table, or one of the names that every host has for it.
fn table(text: &str) -> Result<u32, String> {
    match text {
        "local" => Ok(255),
        "main" => Ok(254),
        "default" => Ok(253),
        _ => text
            .parse()
            .ok()
            .filter(|n| *n > 0)
            .ok_or_else(|| format!("the table {text} is a name: write its number, as in /etc/iproute2/rt_tables")),
    }
}

fn route(words: &[&str], family: Family) -> Line {
    let (mut keys, mut lost) = (Vec::new(), Vec::new());
    let (mut to, mut others) = (None, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().copied().ok_or_else(|| format!("nothing follows {word}"));
        match *word {
            "to" => to = Some(value()?),
            "via" | "gw" => {
                let gateway = value()?;
                let gateway = if gateway.starts_with("inet") { value()? } else { gateway };
                others.push(gateway);
                keys.push(("via", quoted(gateway)));
            }
            "src" | "source" => {
                let source = value()?;
                others.push(source);
                keys.push(("source", quoted(source)));
            }
            "dev" | "oif" => keys.push(("interface", quoted(value()?))),
            "table" => keys.push(("table", table(value()?)?.to_string())),
            "metric" | "priority" | "preference" => {
                let metric: u32 = value()?.parse().map_err(|_| "its metric is no number".to_owned())?;
                keys.push(("metric", metric.to_string()));
            }
            "scope" | "proto" | "protocol" | "mtu" | "advmss" | "weight" | "track_group" => {
                lost.push(format!("without {word} {}", value()?));
            }
            "no_track" => lost.push("which is looked after".to_owned()),
            "blackhole" | "unreachable" | "prohibit" | "throw" | "or" | "nexthop" => {
                return Err(format!("a route of a VIP has nothing like {word}"));
            }
            bare if to.is_none() => to = Some(bare),
            other => return Err(format!("a route of a VIP has nothing like {other}")),
        }
    }
    let to = prefix(to.ok_or("it goes nowhere")?)?;
    let wrong = others.iter().find(|ip| ip.parse::<std::net::IpAddr>().is_err());
    if let Some(wrong) = wrong {
        return Err(format!("{wrong} is no address"));
    }
    let v6 = if to == "default" {
        others.first().map_or(family == Family::V6, |ip| ip.contains(':'))
    } else {
        to.contains(':')
    };
    if others.iter().any(|ip| ip.contains(':') != v6) {
        return Err("its addresses are of both families".to_owned());
    }
    keys.insert(0, ("to", quoted(&to)));
    Ok((inline(&keys), lost))
}

fn rule(words: &[&str], before: usize) -> Line {
    let (mut keys, mut lost) = (Vec::new(), Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().copied().ok_or_else(|| format!("nothing follows {word}"));
        match *word {
            "from" | "to" => {
                let network = value()?;
                if !matches!(network, "all" | "any" | "default") {
                    keys.push((*word, quoted(&prefix(network)?)));
                }
            }
            "fwmark" => {
                let text = value()?;
                let mark = text.strip_prefix("0x").map_or_else(|| text.parse(), |hex| u32::from_str_radix(hex, 16));
                let mark = mark.ok().filter(|mark| *mark > 0).ok_or_else(|| format!("{text} is no mark of its own"))?;
                keys.push(("mark", mark.to_string()));
            }
            "table" | "lookup" => keys.push(("table", table(value()?)?.to_string())),
            "priority" | "preference" | "order" | "pref" => {
                let text = value()?;
                let number: u32 = text.parse().map_err(|_| format!("{text} is no preference"))?;
                if !(1..=32_765).contains(&number) {
                    return Err(format!("the preference {number} is not from 1 to 32765"));
                }
                keys.push(("preference", number.to_string()));
            }
            "no_track" => lost.push("which is looked after".to_owned()),
            other => return Err(format!("a rule of a VIP has nothing like {other}")),
        }
    }
    let has = |key: &str| keys.iter().any(|(known, _)| *known == key);
    if !(has("from") || has("to") || has("mark")) || !has("table") {
        return Err("it needs a table, and from, to or fwmark".to_owned());
    }
    if !has("preference") {
        let number = PREFERENCE.saturating_sub(u32::try_from(before).unwrap_or(u32::MAX)).max(1);
        keys.push(("preference", number.to_string()));
        lost.push(format!(
            "with the preference {number}: keepalived numbers rules without one from {PREFERENCE} downwards"
        ));
    }
    Ok((inline(&keys), lost))
}

fn inline(keys: &[(&str, String)]) -> String {
    let pairs: Vec<String> = keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    format!("{{ {} }}", pairs.join(", "))
}
