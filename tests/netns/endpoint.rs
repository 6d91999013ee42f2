//! The endpoint of `[http]` on a running pair: what programs are told, and what they may do.

use std::fs;

use crate::handover::{acquainted, keyed};
use crate::lab::{LB1, LB1_FRONT, LB2, LB2_FRONT, Lab, Spec, VipSpec, WWW, www};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A pair that answers at its own addresses too.
fn answering() -> Spec {
    let vip = VipSpec { more: "preempt_delay = \"0s\"".to_owned(), ..www() };
    let tail = format!(
        "{}\n[http]\nlisten = [\"127.0.0.1:9112\", \"node:9112\"]\ntoken_file = \"http.token\"\n",
        keyed().tail
    );
    Spec { vips: vec![vip], tail, ..keyed() }
}

/// What curl prints in the namespace of a host.
fn curl(lab: &Lab, host: &str, arguments: &[&str]) -> String {
    let mut command = lab.inside(host, "curl");
    let output = command.args(["-sS", "--max-time", "5"]).args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_running_pair_is_scraped_watched_and_told_what_to_do() {
    let Some(lab) = acquainted("endpoint", &answering(), &["haproxy", "curl"]) else { return };
    fs::write(lab.dir().join("http.token"), TOKEN).unwrap();
    let own = |ip: &str| format!("http://{ip}:9112");
    let (one, two) = (own(&LB1_FRONT.to_string()), own(&LB2_FRONT.to_string()));
    lab.eventually("lb1 says that it is active", |lab| {
        curl(lab, LB1, &[&format!("{one}/metrics")]).contains("interface=\"eth0\",state=\"active\"} 1\n")
    });
    let metrics = curl(&lab, LB1, &["http://127.0.0.1:9112/metrics"]);
    for line in [
        "vipkeeper_proxy_healthy 1",
        "vipkeeper_ready 1",
        "vipkeeper_vip_holder_info{vip=\"www\",holder=\"lb1\"} 1",
        "vipkeeper_peer_fresh{peer=\"lb2\"} 1",
        "vipkeeper_peer_config_matches{peer=\"lb2\"} 1",
        "vipkeeper_backend_up{backend=\"web\"} 1",
    ] {
        assert!(metrics.lines().any(|l| l == line), "no {line} in\n{metrics}");
    }
    assert!(curl(&lab, LB2, &[&format!("{two}/metrics")]).contains("state=\"backup\"} 1\n"));
    // From the other host: that is how they are scraped.
    assert_eq!(curl(&lab, LB2, &[&format!("{one}/readyz")]), "ready\n");
    // The control socket has the same paths.
    let socket = lab.runtime_dir(LB1).join("control.sock");
    let over_socket = ["--unix-socket", socket.to_str().unwrap(), "http://localhost/metrics"];
    assert!(curl(&lab, LB1, &over_socket).contains("vipkeeper_ready 1\n"));
    // A switchover, refused without the token.
    let ask = |token: &str| {
        let header = format!("Authorization: Bearer {token}");
        let url = format!("{one}/api/v1/switchover");
        curl(&lab, LB1, &["-X", "POST", "-H", &header, "-d", "{\"vip\": \"www\"}", &url])
    };
    assert!(ask("wrong").contains("\"ok\":false"), "{}", ask("wrong"));
    assert_eq!(lab.holders(WWW), [LB1]);
    let answer = ask(TOKEN);
    assert!(answer.contains("\"ok\":true") && answer.contains("handing over www to lb2"), "{answer}");
    lab.eventually("lb2 holds the VIP", |lab| lab.holders(WWW) == [LB2]);
    let vip = curl(&lab, LB2, &[&format!("{two}/api/v1/vips/www")]);
    assert!(vip.contains("\"state\":\"active\""), "{vip}");
    // A dead proxy is not ready, and says so although it is not the one that is asked for.
    lab.kill_proxy(LB1);
    lab.eventually("lb1 restarts it", |lab| curl(lab, LB1, &[&format!("{one}/metrics")]).contains("_starts_total 2"));
}

#[test]
fn those_who_watch_see_a_failover() {
    let Some(lab) = acquainted("events", &answering(), &["haproxy", "curl"]) else { return };
    let url = format!("http://{LB2_FRONT}:9112/api/v1/events");
    let mut command = lab.inside(LB2, "curl");
    let out = fs::File::create(lab.dir().join("events")).unwrap();
    let mut watching = command.args(["-sSN", "--max-time", "60", &url]).stdout(out).spawn().unwrap();
    let seen = |lab: &Lab| fs::read_to_string(lab.dir().join("events")).unwrap();
    lab.eventually("the first status is told", |lab| seen(lab).contains("\"state\":\"backup\""));
    lab.kill_proxy(LB1);
    lab.eventually("the failover is told, with its reason", |lab| {
        let seen = seen(lab);
        let last = seen.rsplit("data: ").next().unwrap_or_default();
        last.contains("\"from\":\"backup\",\"to\":\"active\"")
    });
    watching.kill().unwrap();
    watching.wait().unwrap();
}
