//! With the routers of others, in both roles, on the real wire.

mod frr;
mod keepalived;

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use vipkeeper::shell::clock::now;

use crate::lab::{LB1, LB2, Lab, Spec, VipSpec, WWW, www};

/// The IPv6 VIP of these tests.
const SIX: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 0x100));

/// One way to speak VRRP: how ours is configured, for a VIP with this address.
struct Speech {
    address: IpAddr,
    /// More keys of our `[[vip]]`.
    ours: &'static str,
    interval: Duration,
}

impl Speech {
    fn spec(&self) -> Spec {
        let vip = VipSpec { address: self.address, more: self.ours.to_owned(), ..www() };
        match self.address {
            IpAddr::V4(_) => Spec { vips: vec![vip], ..Spec::default() },
            // The frontend needs an address of its own.
            IpAddr::V6(_) => {
                let front = VipSpec { name: "front", vrid: 77, address: WWW.into(), ..www() };
                Spec { vips: vec![VipSpec { name: "www", ..vip }, front], ..Spec::default() }
            }
        }
    }

    /// The network, with our priority 100 in the configuration and nothing started.
    fn lab(&self, test: &str, programs: &[&str]) -> Option<Lab> {
        let spec = self.spec();
        let lab = Lab::with(test, &spec, programs)?;
        lab.write(&spec.toml().replace("prefer = [\"lb1\", \"lb2\"]", "priority = { lb1 = 100, lb2 = 100 }"));
        if self.address.is_ipv6() {
            for (host, last) in [(LB1, 11), (LB2, 12)] {
                // By their order lb2's is the higher one, as in IPv4.
                lab.ip(host, &["-6", "addr", "add", &format!("fe80::77:{last}/64"), "dev", "eth0", "nodad"]);
            }
        }
        Some(lab)
    }
}

/// Ours gives up by priority 0, so the other one does not wait for three intervals.
fn released_at_once(lab: &Lab, speech: &Speech, theirs: impl Fn(&Lab) -> bool) {
    let start = now();
    lab.release(LB1, Some("www"), Duration::ZERO).unwrap();
    lab.eventually("the other one has taken over", |lab| theirs(lab) && lab.state(LB1, "www") == "fault");
    let took = now() - start;
    // Its skew is less than an interval, and machines are busy.
    assert!(took < speech.interval * 2 + Duration::from_millis(500), "only after {took:?}: by its timer");
}

/// Why packets were refused, if any were.
fn refused(lab: &Lab) -> Vec<String> {
    lab.vip(LB1, "www").unwrap().dropped.into_keys().collect()
}

/// The priority and node of the holder that ours believes in.
fn believed(lab: &Lab) -> Option<(u8, Option<String>)> {
    lab.vip(LB1, "www")?.holder.map(|h| (h.priority, h.node))
}

const OURS: &str = LB1;
const THEIRS: &str = LB2;
