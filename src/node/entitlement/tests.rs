use super::*;

fn link() -> Link {
    Link { index: 2, name: IfName::new("eth0").unwrap(), up: true, mac: None, alias: None, parent: None, arp: None }
}

#[test]
fn each_reason_to_abstain_is_told_most_fundamental_first() {
    let eth0 = IfName::new("eth0").unwrap();
    let (up, down) = (link(), Link { up: false, ..link() });
    let failed = Verdict::Failed { why: "signal 9".into() };
    let weights = [("backend web is DOWN".to_owned(), -20)];
    let fit = || Facts {
        last_in_line: false,
        leaving: None,
        released: None,
        observed: true,
        interface: &eth0,
        link: Some(&up),
        source: Ok(()),
        socket: Ok(true),
        refused: None,
        proxy: &Verdict::Healthy,
        without_proxy: WithoutProxy::Leave,
        base: Priority::new(100).unwrap(),
        weights: &weights,
        tracked: None,
        elsewhere: None,
        device: None,
    };
    assert_eq!(entitlement(&fit()), Entitlement::Claim(Priority::new(80).unwrap()));
    let table = [
        (Facts { leaving: Some("bye"), ..fit() }, "bye"),
        (Facts { released: Some("released"), observed: false, ..fit() }, "released"),
        (Facts { observed: false, link: None, ..fit() }, "not been looked at"),
        (Facts { link: None, proxy: &failed, ..fit() }, "does not exist"),
        (Facts { link: Some(&down), source: Err("no IPv4 address"), ..fit() }, "no carrier"),
        (Facts { source: Err("no IPv4 address"), socket: Ok(false), ..fit() }, "no IPv4 address"),
        (Facts { elsewhere: Some("belongs on eth1".into()), socket: Ok(false), ..fit() }, "eth1"),
        (Facts { device: Some("vrrp4.51 is foreign".into()), socket: Ok(false), ..fit() }, "vrrp4.51"),
        (Facts { socket: Ok(false), proxy: &failed, ..fit() }, "opening"),
        (Facts { socket: Err("needs CAP_NET_RAW"), ..fit() }, "CAP_NET_RAW"),
        (Facts { proxy: &failed, refused: Some("x"), ..fit() }, "signal 9"),
        (Facts { refused: Some("no such device"), tracked: Some("x"), ..fit() }, "no such device"),
        (Facts { tracked: Some("tracker gw failed: silent"), ..fit() }, "tracker gw failed: silent"),
    ];
    for (facts, expect) in table {
        let Entitlement::Abstain(why) = entitlement(&facts) else { panic!("{expect}: must abstain") };
        assert!(why.contains(expect), "{why:?} must tell {expect:?}");
    }
}
