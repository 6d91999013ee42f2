//! Two routers that could not hear each other, and their clients.

use std::time::Duration;

use vipkeeper::shell::clock::now;

use crate::lab::{LB1, LB1_BACK, LB2, LB2_BACK, Lab, Spec, VipSpec, WWW, www};

/// The switch loses adverts, but nothing else.
const CUT: &str = "add table ip cut; add chain ip cut input { type filter hook input priority 0; }; \
                   add rule ip cut input ip protocol 112 drop";

fn nft(lab: &Lab, host: &str, commands: &str) {
    let output = lab.inside(host, "nft").arg(commands).output().unwrap();
    assert!(output.status.success(), "nft {commands}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Which side hears the other first is chance, so it is played more than once.
#[test]
fn silent_partition_heals_and_clients_follow_the_winner() {
    let www = VipSpec { more: "advert_interval = \"300ms\"".to_owned(), ..www() };
    let spec = Spec { vips: vec![www], ..Spec::default() };
    let test = "silent_partition";
    let Some(mut lab) = Lab::with(test, &spec, &["haproxy", "nft"]) else { return };
    lab.start(LB1);
    lab.start(LB2);
    lab.settled(&spec);
    lab.probe(WWW);
    for round in 0..4 {
        let parted = now();
        nft(&lab, LB1, CUT);
        nft(&lab, LB2, CUT);
        lab.eventually("both hold the VIP", |lab| lab.holders(WWW) == [LB1, LB2]);
        lab.served_by(LB2_BACK, parted);
        let healed = now();
        nft(&lab, LB1, "delete table ip cut");
        nft(&lab, LB2, "delete table ip cut");
        lab.eventually("lb1 alone holds the VIP", |lab| lab.holders(WWW) == [LB1]);
        lab.served_by(LB1_BACK, healed);
        let sight = lab.sight(healed);
        let short = sight.outage.is_none_or(|o| o <= Duration::from_secs(1));
        assert!(short, "round {round}: clients were sent to the loser: {sight:?}");
    }
}
