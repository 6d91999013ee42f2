use super::*;
use crate::units::{Family, Vrid};

#[test]
fn a_mark_is_recognised_and_remembers_the_interface_below() {
    let before = ArpConf { ignore: 0, announce: 1 };
    let mark = Mark { vip: Name::new("www").unwrap(), before };
    let alias = mark.to_string();
    assert_eq!(alias, "vipkeeper www arp_ignore=0 arp_announce=1");
    assert!(Mark::is_on(&alias));
    assert_eq!(Mark::before(&alias), Some(before));
    // IFALIASZ.
    let longest = Mark { vip: Name::new(&"w".repeat(63)).unwrap(), before: ArpConf { ignore: 8, announce: 2 } };
    assert!(longest.to_string().len() < 256);
}

#[test]
fn another_alias_is_no_mark() {
    for alias in ["", "uplink", "vipkeepers www", " vipkeeper www", "my vipkeeper"] {
        assert!(!Mark::is_on(alias), "{alias:?}");
        assert_eq!(Mark::before(alias), None);
    }
    assert!(Mark::is_on("vipkeeper www"));
    assert_eq!(Mark::before("vipkeeper www"), None);
    assert_eq!(Mark::before("vipkeeper www arp_ignore=1"), None);
    assert_eq!(Mark::before("vipkeeper www arp_ignore=x arp_announce=0"), None);
}

#[test]
fn the_interface_below_is_never_made_less_strict() {
    assert_eq!(ArpConf { ignore: 0, announce: 0 }.below_device(), ArpConf { ignore: 1, announce: 2 });
    assert_eq!(ArpConf { ignore: 2, announce: 1 }.below_device(), ArpConf { ignore: 2, announce: 2 });
}

#[test]
fn device_names_fit_the_kernel() {
    let name = |family| IfName::of_virtual_router(family, Vrid::new(255).unwrap());
    assert_eq!(name(Family::V4), IfName::new("vrrp4.255").unwrap());
    assert_eq!(name(Family::V6), IfName::new("vrrp6.255").unwrap());
}
