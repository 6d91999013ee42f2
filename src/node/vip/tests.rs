//! A VIP by itself, in a pair.

use super::*;
use crate::addrs::Presence;
use crate::config::{self, HookSettings, Source, Sources};
use crate::node::outbox::Outbox;
use crate::node::peering::Peering;
use crate::peer::Incarnation;
use crate::proxy::health::Verdict;
use crate::vrrp::router::Entitlement;

const PAIR: &str = r#"
[[node]]
name = "lb1"
address = "10.0.0.11"
[[node]]
name = "lb2"
address = "10.0.0.12"
[[vip]]
name = "a"
addresses = ["10.0.0.100/24"]
interface = "eth0"
vrid = 51
prefer = ["lb1", "lb2"]
[proxy]
engine = "haproxy"
[[frontend]]
name = "www"
bind = ["a:80"]
default_backend = "web"
[[backend]]
name = "web"
server = [{ name = "web1", address = "10.0.0.31:8080" }]
"#;

#[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
pub(super) fn vip() -> (Vip, Instant) {
    let sources = Sources { files: vec![Source { path: "vipkeeper.toml".into(), text: PAIR.to_owned() }] };
    let config = config::load(&sources).unwrap();
    let now = Instant::now();
    (Vip::new(&config.vips[0], &config, &Name::new("lb1").unwrap(), now).unwrap(), now)
}

/// Its predecessor was silent for at most two seconds when its lease was seen; a backup waits for three.
#[test]
fn a_lease_is_resumed_only_while_nobody_can_have_missed_its_holder() {
    for (later, role) in [(500, Role::Active), (1_000, Role::Active), (1_001, Role::Backup), (2_000, Role::Backup)] {
        let (mut vip, now) = vip();
        let _news = vip.addresses[0].lease.observed(now, now, Presence::Here);
        vip.inheritance = Inheritance::Leased { seen_at: now, idle_at_most: Duration::from_secs(2) };
        let me = Name::new("lb1").unwrap();
        let (network, peering) = (Network::default(), Peering::new(me.clone(), Incarnation(1)));
        let hooks = HookSettings { user: None, group: None, timeout: Duration::from_secs(1) };
        let host = Host {
            now: now + Duration::from_millis(later),
            wall: Duration::ZERO,
            network: &network,
            hooks: &hooks,
            stopping: false,
            me: &me,
            peering: &peering,
            proxy: &Verdict::Healthy,
        };
        vip.entitle(&host, Entitlement::Claim(Priority::new(254).unwrap()), &mut Outbox::default());
        assert_eq!(vip.router.role(), role, "{later} ms");
    }
}
