use super::*;
use crate::node::vip::tests::{Stage, vip};

#[test]
fn an_address_on_another_interface_keeps_the_vip_away_while_that_is_not_up() {
    let ((mut vip, _), mut stage) = (vip(), Stage::new());
    assert_eq!(vip.elsewhere(&stage.network), None);
    stage.network.links[0].up = false;
    assert_eq!(vip.elsewhere(&stage.network), None, "on the interface of the adverts: another reason");
    let eth1 = IfName::new("eth1").unwrap();
    (vip.addresses[0].interface, vip.addresses[0].wire) = (eth1.clone(), eth1.clone());
    let why = vip.elsewhere(&stage.network).unwrap();
    assert_eq!(why, "address 10.0.0.100/24 belongs on eth1, which does not exist");
    stage.network.links.push(Link { index: 3, name: eth1, up: false, ..stage.network.links[0].clone() });
    let why = vip.elsewhere(&stage.network).unwrap();
    assert_eq!(why, "address 10.0.0.100/24 belongs on eth1, which is down or has no carrier");
    stage.network.links[1].up = true;
    assert_eq!(vip.elsewhere(&stage.network), None);
}
