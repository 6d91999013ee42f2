//! With keepalived, VRRPv3, in both roles.

use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use vipkeeper::cli::demo::net;

use crate::lab::{LB1, LB2, LB2_FRONT, Lab, Spec, WWW, always, pid};

/// A keepalived on lb2, with the priority that lb2 has in our configuration.
struct Keepalived(Child);

impl Keepalived {
    fn start(lab: &Lab) -> Self {
        let conf = lab.dir().join("keepalived.conf");
        let text = "global_defs {\n    vrrp_version 3\n}\nvrrp_instance www {\n    state BACKUP\n    interface eth0\n    \
                    virtual_router_id 51\n    priority 253\n    advert_int 0.1\n    virtual_ipaddress {\n        \
                    10.77.0.100/24 dev eth0\n    }\n}\n";
        fs::write(&conf, text).unwrap();
        let file = |name: &str| lab.dir().join(name).to_str().unwrap().to_owned();
        let log = fs::File::create(lab.dir().join("keepalived.log")).unwrap();
        let child = lab
            .inside(LB2, "keepalived")
            .args(["--dont-fork", "--log-console", "--vrrp", "--use-file", conf.to_str().unwrap()])
            .args(["--pid", &file("ka.pid"), "--vrrp_pid", &file("ka.vrrp.pid")])
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(log)
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        net::end(&[pid(self.0.id())], Signal::TERM, Duration::from_secs(5));
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn pairs_with_keepalived() {
    let Some(mut lab) = Lab::with("pairs_with_keepalived", &Spec::default(), &["haproxy", "keepalived"]) else {
        return;
    };
    let _keepalived = Keepalived::start(&lab);
    lab.eventually("keepalived holds the VIP", |lab| lab.holders(WWW) == [LB2]);

    // Ours is better and preempts; keepalived believes it and gives way.
    lab.start(LB1);
    lab.eventually("vipkeeper alone holds the VIP", |lab| lab.holders(WWW) == [LB1]);
    always("vipkeeper alone holds the VIP", Duration::from_secs(1), || lab.holders(WWW) == [LB1]);

    // Ours abstains at once when the proxy dies; keepalived takes over, and we believe its adverts.
    lab.release(LB1, None, Duration::ZERO).unwrap();
    lab.eventually("keepalived alone holds the VIP", |lab| lab.holders(WWW) == [LB2]);
    lab.eventually("vipkeeper knows who holds it", |lab| {
        lab.vip(LB1, "www").and_then(|v| v.holder).is_some_and(|h| {
            (h.address.as_str(), h.priority, h.node.as_deref()) == (LB2_FRONT.to_string().as_str(), 253, Some(LB2))
        })
    });
    lab.resume(LB1, None).unwrap();
    lab.eventually("vipkeeper alone holds the VIP", |lab| lab.holders(WWW) == [LB1]);
    assert!(lab.vip(LB1, "www").unwrap().dropped.is_empty(), "packets of keepalived were dropped");
}
