//! `garp_*` of instances and `vrrp_garp_*` of all: how a VIP is announced.

use super::keepalived::Directive;
use super::report::{Fate, Report};

/// Keys of a `[[vip]]` with finished values.
type Keys = Vec<(String, String)>;

/// Whether a keyword is about announcements.
pub(super) fn is_one(keyword: &str) -> bool {
    let bare = keyword.strip_prefix("vrrp_").unwrap_or(keyword);
    bare.starts_with("garp_") || bare.starts_with("gna_") || bare == "min_garp"
}

/// Reads such a line into the keys of a VIP, or of all.
pub(super) fn read(directive: &Directive, label: &str, keys: &mut Keys, report: &mut Report) {
    let keyword = directive.keyword().strip_prefix("vrrp_").unwrap_or(directive.keyword());
    let value = directive.word(1).parse::<u32>().ok();
    let seconds = |key: &str| {
        let seconds = value.filter(|seconds| *seconds <= 3_600)?;
        Some((key.to_owned(), format!("\"{seconds}s\"")))
    };
    let found = match keyword {
        "garp_master_delay" => seconds("announce.delay"),
        "garp_master_refresh" => seconds("announce.refresh"),
        "garp_master_repeat" => {
            value.filter(|n| (1..=100).contains(n)).map(|n| ("announce.repeat".to_owned(), n.to_string()))
        }
        "garp_master_refresh_repeat" if value == Some(1) => {
            return report.add(directive, label, Fate::Mapped, "it is so by default");
        }
        "garp_master_refresh_repeat" => {
            return report.add(directive, label, Fate::Approximated, "a refresh is one frame for each address");
        }
        "garp_lower_prio_delay" | "garp_lower_prio_repeat" => {
            let note = "after an advert of another holder it announces again, as often as it finds right";
            return report.add(directive, label, Fate::Approximated, note);
        }
        "garp_interval" | "gna_interval" => {
            let note = "vipkeeper has no pause between frames; lower announce.repeat if a switch drops them";
            return report.add(directive, label, Fate::Dropped, note);
        }
        _ => None,
    };
    match found {
        Some((key, written)) => {
            report.add(directive, label, Fate::Mapped, &format!("vip.{key}"));
            keys.retain(|(known, _)| *known != key);
            keys.push((key, written));
        }
        None => report.add(directive, label, Fate::Dropped, "`announce` has nothing like it, or not this value"),
    }
}
