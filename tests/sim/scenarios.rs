//! Stories in the words of users, each told by the log of the nodes.

use expect_test::{Expect, expect};
use vipkeeper::config::Preempt;
use vipkeeper::node::event::{Request, Signal};
use vipkeeper::units::{Centis, Digest};

use crate::setup::{Cluster, standard};
use crate::world::{World, ms, secs, settled};

pub fn told(world: &mut World, expect: Expect) {
    let trace = world.trace.as_deref().unwrap_or_default();
    // Snapshots lose the indentation that all their lines share, so the trace must have none.
    let shared = trace.lines().map(|l| l.len() - l.trim_start().len()).min().unwrap_or(0);
    let told: String = trace.lines().map(|l| format!("{}\n", &l[shared..])).collect();
    expect.assert_eq(&told);
}

#[test]
fn two_nodes_boot_together_and_the_preferred_one_holds_the_vip() {
    let mut world = World::new(standard(), 1);
    world.trace = Some(String::new());
    world.run(secs(5)).unwrap();
    told(
        &mut world,
        expect![[r#"
                 34.14 ms  lb1 proxy starts with 0000000000000001
                 36.80 ms  lb1: the proxy is healthy
                 36.80 ms  lb1 vip0: fault -> backup: fit to take part
                 53.20 ms  lb2 proxy starts with 0000000000000001
                 54.86 ms  lb2: the proxy is healthy
                 54.86 ms  lb2 vip0: fault -> backup: fit to take part
                 62.80 ms  lb1 vip0: notify_backup exited 0: /hooks/backup
                 71.86 ms  lb2 vip0: notify_backup exited 0: /hooks/backup
                 77.86 ms  lb2 vip0: notify exited 0: /hooks/any INSTANCE vip0 BACKUP 253
                 85.80 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 BACKUP 254
               3044.80 ms  lb1 vip0: backup -> active: nobody is active
               3045.37 ms  lb1 + 10.0.0.100
               3054.41 ms  lb1 vip0: notify_master exited 0: /hooks/master
               3080.41 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 MASTER 254
        "#]],
    );
}

#[test]
fn the_proxy_dies() {
    let mut world = settled(standard());
    world.hosts[0].troubles.cannot_start = true;
    world.kill_proxy(0);
    world.run(ms(400)).unwrap();
    assert_eq!(world.holders(0), [1]);
    assert_eq!(world.arp[0], Some(1));
    told(
        &mut world,
        expect![[r#"
              0.00 ms  lb1 proxy dies
              0.40 ms  lb1: the proxy has failed: the proxy (pid 1001) ended: signal 9
              0.40 ms  lb1 vip0: active -> fault: proxy failed: the proxy (pid 1001) ended: signal 9
              0.80 ms  lb1 - 10.0.0.100
              5.40 ms  lb1 proxy starts with 0000000000000001
              7.80 ms  lb1: the proxy (pid 1003) ended: exit status 1
             12.40 ms  lb1 vip0: notify_fault exited 0: /hooks/fault
             12.43 ms  lb2 vip0: backup -> active: 10.0.0.11 resigned
             12.78 ms  lb2 + 10.0.0.100
             14.79 ms  lb2 vip0: notify_master exited 0: /hooks/master
             37.79 ms  lb2 vip0: notify exited 0: /hooks/any INSTANCE vip0 MASTER 253
             40.40 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 FAULT 254
            159.99 ms  lb1 proxy starts with 0000000000000001
            162.39 ms  lb1: the proxy (pid 1005) ended: exit status 1
        "#]],
    );
}

#[test]
fn the_proxy_freezes() {
    let mut world = settled(standard());
    world.hosts[0].proxy.as_mut().unwrap().frozen = true;
    world.run(ms(1000)).unwrap();
    assert_eq!(world.holders(0), [1]);
    told(
        &mut world,
        expect![[r#"
            548.23 ms  lb1: the proxy has failed: the stats socket was silent for 250 ms (2 times in a row)
            548.23 ms  lb1 vip0: active -> fault: proxy failed: the stats socket was silent for 250 ms (2 times in a row)
            548.72 ms  lb1 - 10.0.0.100
            557.23 ms  lb1 vip0: notify_fault exited 0: /hooks/fault
            560.14 ms  lb2 vip0: backup -> active: 10.0.0.11 resigned
            560.21 ms  lb2 + 10.0.0.100
            577.23 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 FAULT 254
            586.24 ms  lb2 vip0: notify_master exited 0: /hooks/master
            606.24 ms  lb2 vip0: notify exited 0: /hooks/any INSTANCE vip0 MASTER 253
        "#]],
    );
}

#[test]
fn a_frozen_proxy_is_killed_and_the_vip_comes_back() {
    let mut world = settled(standard());
    world.hosts[0].proxy.as_mut().unwrap().frozen = true;
    world.run(secs(12)).unwrap();
    assert!(world.hosts[0].is_serving());
    assert_eq!(world.holders(0), [0]);
}

#[test]
fn vipkeeper_is_stopped() {
    let mut world = settled(standard());
    world.signal(0, Signal::Terminate);
    world.run(ms(500)).unwrap();
    assert_eq!(world.hosts[0].exit_code, Some(0));
    assert!(world.hosts[0].is_serving(), "the proxy survives its supervisor");
    assert_eq!(world.holders(0), [1]);
    told(
        &mut world,
        expect![[r#"
             0.00 ms  lb1 gets Terminate
             0.02 ms  lb1: stopping: giving up all VIPs
             0.02 ms  lb1 vip0: active -> fault: vipkeeper stops
             0.60 ms  lb1 - 10.0.0.100
            11.96 ms  lb2 vip0: backup -> active: 10.0.0.11 resigned
            12.29 ms  lb2 + 10.0.0.100
            26.02 ms  lb1 vip0: notify_stop exited 0: /hooks/stop
            35.32 ms  lb2 vip0: notify_master exited 0: /hooks/master
            40.32 ms  lb2 vip0: notify exited 0: /hooks/any INSTANCE vip0 MASTER 253
            50.02 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 STOP 254
            50.02 ms  lb1 vipkeeper exits 0
        "#]],
    );
}

#[test]
fn vipkeeper_is_stopped_from_a_terminal() {
    let mut world = settled(standard());
    world.signal(0, Signal::Interrupt);
    world.run(secs(1)).unwrap();
    assert_eq!(world.hosts[0].exit_code, Some(0));
    assert!(world.hosts[0].proxy.is_none());
}

#[test]
fn vipkeeper_is_killed_and_nobody_restarts_it() {
    let mut world = settled(standard());
    world.kill(0);
    world.run(secs(6)).unwrap();
    assert_eq!(world.holders(0), [1], "the lease has ended and the other node holds the VIP");
    told(
        &mut world,
        expect![[r#"
                  0.00 ms  lb1 vipkeeper is killed
               2056.69 ms  lb2 vip0: backup -> active: no advert from 10.0.0.11 for 3011 ms
               2057.30 ms  lb2 + 10.0.0.100
               2077.31 ms  lb2 vip0: notify_master exited 0: /hooks/master
               2090.31 ms  lb2 vip0: notify exited 0: /hooks/any INSTANCE vip0 MASTER 253
               2150.04 ms  lb1 lease of 10.0.0.100 ends
        "#]],
    );
}

#[test]
fn vipkeeper_is_killed_and_restarted() {
    let mut world = settled(standard());
    world.kill(0);
    world.restart_in(0, ms(100));
    world.run(secs(6)).unwrap();
    assert_eq!(world.holders(0), [0]);
    assert_eq!(world.hosts[0].proxy.as_ref().unwrap().master, 1001, "the proxy was adopted, not started again");
    told(
        &mut world,
        expect![[r#"
              0.00 ms  lb1 vipkeeper is killed
            100.00 ms  lb1 vipkeeper starts
            101.01 ms  lb1: found a running proxy (pid 1001)
            101.33 ms  lb1: the proxy is healthy
            101.33 ms  lb1 vip0: fault -> active: resumes the lease of its predecessor
            124.33 ms  lb1 vip0: notify_master exited 0: /hooks/master
            126.33 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 MASTER 254
        "#]],
    );
}

#[test]
fn the_cable_is_pulled_and_put_back() {
    let mut world = settled(standard());
    world.set_link(0, false);
    world.run(secs(5)).unwrap();
    assert_eq!(world.holders(0), [1]);
    world.set_link(0, true);
    world.run(secs(5)).unwrap();
    assert_eq!(world.holders(0), [0]);
    assert_eq!(world.arp[0], Some(0));
    told(
        &mut world,
        expect![[r#"
               0.00 ms  lb1 link down
               0.30 ms  lb1 vip0: active -> fault: interface eth0 is down or has no carrier
               0.85 ms  lb1 - 10.0.0.100
              14.30 ms  lb1 vip0: notify_fault exited 0: /hooks/fault
              42.30 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 FAULT 254
            2056.69 ms  lb2 vip0: backup -> active: no advert from 10.0.0.11 for 3011 ms
            2057.15 ms  lb2 + 10.0.0.100
            2081.16 ms  lb2 vip0: notify_master exited 0: /hooks/master
            2096.16 ms  lb2 vip0: notify exited 0: /hooks/any INSTANCE vip0 MASTER 253
            5000.00 ms  lb1 link up
            5000.47 ms  lb1 vip0: fault -> backup: fit to take part
            5006.47 ms  lb1 vip0: notify_backup exited 0: /hooks/backup
            5036.47 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 BACKUP 254
            8008.31 ms  lb1 vip0: backup -> active: preempts 10.0.0.12 (priority 253 against 254)
            8008.39 ms  lb2 vip0: active -> backup: 10.0.0.11 is active with priority 254
            8009.01 ms  lb1 + 10.0.0.100
            8009.39 ms  lb2 - 10.0.0.100
            8011.39 ms  lb2 vip0: notify_backup exited 0: /hooks/backup
            8015.05 ms  lb1 vip0: notify_master exited 0: /hooks/master
            8019.39 ms  lb2 vip0: notify exited 0: /hooks/any INSTANCE vip0 BACKUP 253
            8037.05 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 MASTER 254
        "#]],
    );
}

#[test]
fn a_one_way_partition_makes_two_and_its_end_makes_one() {
    let mut world = settled(standard());
    world.segment.cut.insert((0, 1));
    world.disturb();
    world.run(secs(10)).unwrap();
    // The backup cannot hear and takes over; the active hears it and asserts itself in vain.
    assert_eq!(world.holders(0), [0, 1]);
    world.segment.cut.clear();
    world.disturb();
    world.run(secs(2)).unwrap();
    assert_eq!(world.holders(0), [0]);
    assert_eq!(world.arp[0], Some(0), "the winner has announced itself again");
}

#[test]
fn a_host_hangs_and_comes_back() {
    let mut world = settled(standard());
    world.stall(0, secs(8));
    world.run(ms(8_500)).unwrap();
    assert_eq!(world.holders(0), [1], "it listens before it speaks");
    world.run(secs(5)).unwrap();
    assert_eq!(world.holders(0), [0]);
    told(
        &mut world,
        expect![[r#"
                0.00 ms  lb1 hangs for 8000 ms
             2056.69 ms  lb2 vip0: backup -> active: no advert from 10.0.0.11 for 3011 ms
             2057.30 ms  lb2 + 10.0.0.100
             2077.31 ms  lb2 vip0: notify_master exited 0: /hooks/master
             2090.31 ms  lb2 vip0: notify exited 0: /hooks/any INSTANCE vip0 MASTER 253
             2150.04 ms  lb1 lease of 10.0.0.100 ends
             8000.00 ms  lb1 vip0: active -> backup: hung for 8955 ms, longer than a backup waits
             8017.00 ms  lb1 vip0: notify_backup exited 0: /hooks/backup
             8034.00 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 BACKUP 254
            11007.89 ms  lb1 vip0: backup -> active: preempts 10.0.0.12 (priority 253 against 254)
            11007.95 ms  lb2 vip0: active -> backup: 10.0.0.11 is active with priority 254
            11008.26 ms  lb1 + 10.0.0.100
            11009.20 ms  lb2 - 10.0.0.100
            11018.29 ms  lb1 vip0: notify_master exited 0: /hooks/master
            11027.29 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 MASTER 254
            11037.95 ms  lb2 vip0: notify_backup exited 0: /hooks/backup
            11052.95 ms  lb2 vip0: notify exited 0: /hooks/any INSTANCE vip0 BACKUP 253
        "#]],
    );
}

#[test]
fn somebody_deletes_the_vip_and_it_is_put_back() {
    let mut world = settled(standard());
    world.delete_address(0, 0);
    world.run(ms(100)).unwrap();
    assert_eq!(world.holders(0), [0]);
    told(
        &mut world,
        expect![[r#"
                  0.00 ms  lb1 somebody deletes vip0
                  0.25 ms  lb1 vip0: 10.0.0.100/24 was removed by somebody else: putting it back
                  0.59 ms  lb1 + 10.0.0.100
        "#]],
    );
}

#[test]
fn a_reload_is_applied_when_the_new_worker_answers() {
    let mut world = settled(standard());
    world.write_config(0, 2, false);
    world.run(secs(3)).unwrap();
    assert_eq!(world.hosts[0].proxy.as_ref().unwrap().generation, Digest(2));
    assert_eq!(world.holders(0), [0]);
    told(
        &mut world,
        expect![[r#"
              0.00 ms  lb1 configuration 2 is written
            285.10 ms  lb1: configuration 0000000000000002 applied; the proxy was reloaded
        "#]],
    );
}

#[test]
fn a_bad_file_changes_nothing() {
    let mut world = settled(standard());
    world.write_config(0, 2, true);
    world.request(0, 1, Request::Reload);
    world.run(secs(3)).unwrap();
    assert_eq!(world.hosts[0].proxy.as_ref().unwrap().generation, Digest(1));
    assert!(world.replies.iter().any(|(id, result)| *id == 1 && result.is_err()));
    assert_eq!(world.holders(0), [0]);
}

#[test]
fn a_file_that_asks_for_more_than_the_binary_can_changes_nothing() {
    let mut world = settled(standard());
    world.hosts[0].says_of_itself = "HAProxy version 2.4.22 2023/12/14\nFeature list : +OPENSSL\n";
    // It is asked when vipkeeper starts, and what runs goes on.
    world.kill(0);
    world.restart_in(0, ms(50));
    world.run(secs(2)).unwrap();
    world.write_config(0, 2, false);
    world.run(secs(2)).unwrap();
    let last = world.hosts[0].node.as_ref().unwrap().status(world.now).config.last_reload.unwrap();
    assert!(!last.ok && last.message.contains("2.4.22 is too old"), "{last:?}");
    assert_eq!(world.holders(0), [0]);
}

#[test]
fn a_file_that_the_proxy_refuses_changes_nothing() {
    let mut world = settled(standard());
    world.hosts[0].refused = Some(Digest(2));
    world.write_config(0, 2, false);
    world.run(secs(3)).unwrap();
    assert_eq!(world.hosts[0].proxy.as_ref().unwrap().generation, Digest(1));
    assert_eq!(world.hosts[0].disk.0, Some(Digest(1)));
}

#[test]
fn a_reload_that_serves_nothing_is_rolled_back() {
    let mut world = settled(standard());
    world.hosts[0].troubles.reload_does_nothing = true;
    world.write_config(0, 2, false);
    world.run(secs(20)).unwrap();
    assert_eq!(world.hosts[0].proxy.as_ref().unwrap().generation, Digest(1));
    assert_eq!(world.hosts[0].disk.0, Some(Digest(1)));
    assert_eq!(world.holders(0), [0]);
    told(
        &mut world,
        expect![[r#"
                0.00 ms  lb1 configuration 2 is written
            10252.22 ms  lb1: nothing changes: the reloaded proxy has not proven itself within 10 s; the last good configuration serves again
        "#]],
    );
}

#[test]
fn a_reload_that_kills_the_proxy_brings_back_what_ran_before() {
    let mut world = settled(standard());
    world.hosts[0].troubles.reload_kills = true;
    world.write_config(0, 2, false);
    world.run(secs(10)).unwrap();
    assert_eq!(world.hosts[0].proxy.as_ref().unwrap().generation, Digest(1));
    assert_eq!(world.holders(0), [0]);
    told(
        &mut world,
        expect![[r#"
               0.00 ms  lb1 configuration 2 is written
             264.55 ms  lb1: the proxy has failed: the proxy (pid 1001) ended: exit status 1
             264.55 ms  lb1: nothing changes: the proxy (pid 1001) ended: exit status 1 during the reload; the configuration before it is started
             264.55 ms  lb1 vip0: active -> fault: proxy failed: the proxy (pid 1001) ended: exit status 1
             265.66 ms  lb1 - 10.0.0.100
             276.66 ms  lb2 vip0: backup -> active: 10.0.0.11 resigned
             276.92 ms  lb2 + 10.0.0.100
             278.55 ms  lb1 vip0: notify_fault exited 0: /hooks/fault
             282.55 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 FAULT 254
             284.93 ms  lb2 vip0: notify_master exited 0: /hooks/master
             293.93 ms  lb2 vip0: notify exited 0: /hooks/any INSTANCE vip0 MASTER 253
             307.65 ms  lb1 proxy starts with 0000000000000001
             320.16 ms  lb1: the proxy is healthy
             320.16 ms  lb1 vip0: fault -> backup: fit to take part
             334.16 ms  lb1 vip0: notify_backup exited 0: /hooks/backup
             339.16 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 BACKUP 254
            3328.04 ms  lb1 vip0: backup -> active: preempts 10.0.0.12 (priority 253 against 254)
            3328.32 ms  lb2 vip0: active -> backup: 10.0.0.11 is active with priority 254
            3328.57 ms  lb1 + 10.0.0.100
            3329.05 ms  lb2 - 10.0.0.100
            3333.61 ms  lb1 vip0: notify_master exited 0: /hooks/master
            3348.61 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 MASTER 254
            3358.32 ms  lb2 vip0: notify_backup exited 0: /hooks/backup
            3374.32 ms  lb2 vip0: notify exited 0: /hooks/any INSTANCE vip0 BACKUP 253
        "#]],
    );
}

#[test]
fn an_operator_releases_the_vip_and_takes_it_back() {
    let mut world = settled(standard());
    world.request(0, 1, Request::Release { vip: None, hold: secs(4) });
    world.run(secs(1)).unwrap();
    assert_eq!(world.holders(0), [1]);
    world.run(secs(8)).unwrap();
    assert_eq!(world.holders(0), [0]);
    told(
        &mut world,
        expect![[r#"
               0.00 ms  lb1: an operator asked: released: vip0
               0.00 ms  lb1 answers Ok("released: vip0")
               0.00 ms  lb1 vip0: active -> fault: released by an operator
               0.58 ms  lb1 - 10.0.0.100
              11.94 ms  lb2 vip0: backup -> active: 10.0.0.11 resigned
              12.27 ms  lb2 + 10.0.0.100
              26.00 ms  lb1 vip0: notify_fault exited 0: /hooks/fault
              35.30 ms  lb2 vip0: notify_master exited 0: /hooks/master
              40.30 ms  lb2 vip0: notify exited 0: /hooks/any INSTANCE vip0 MASTER 253
              50.00 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 FAULT 254
            4000.02 ms  lb1 vip0: fault -> backup: fit to take part
            4024.02 ms  lb1 vip0: notify_backup exited 0: /hooks/backup
            4041.02 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 BACKUP 254
            7007.90 ms  lb1 vip0: backup -> active: preempts 10.0.0.12 (priority 253 against 254)
            7008.09 ms  lb2 vip0: active -> backup: 10.0.0.11 is active with priority 254
            7008.59 ms  lb1 + 10.0.0.100
            7008.85 ms  lb2 - 10.0.0.100
            7023.62 ms  lb1 vip0: notify_master exited 0: /hooks/master
            7024.62 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 MASTER 254
            7027.09 ms  lb2 vip0: notify_backup exited 0: /hooks/backup
            7035.09 ms  lb2 vip0: notify exited 0: /hooks/any INSTANCE vip0 BACKUP 253
        "#]],
    );
}

#[test]
fn nopreempt_leaves_the_vip_where_it_is() {
    let mut world = settled(Cluster { preempt: Preempt::Refused, ..standard() });
    world.signal(0, Signal::Terminate);
    world.restart_in(0, ms(500));
    world.run(secs(20)).unwrap();
    assert_eq!(world.holders(0), [1]);
}

#[test]
fn a_dual_master_pair_shares_and_each_takes_over_for_the_other() {
    let mut world = settled(Cluster { vips: 2, ..standard() });
    assert_eq!((world.holders(0), world.holders(1)), (vec![0], vec![1]));
    world.hosts[1].troubles.cannot_start = true;
    world.kill_proxy(1);
    world.run(secs(1)).unwrap();
    assert_eq!((world.holders(0), world.holders(1)), (vec![0], vec![0]));
}

#[test]
fn ten_millisecond_adverts_hand_over_a_dead_host_in_thirty() {
    let mut world = settled(Cluster { interval: Centis::new(1).unwrap(), ..standard() });
    world.segment.cut.extend([(0, 1), (1, 0)]);
    world.disturb();
    let before = world.now;
    while world.holders(0) != [0, 1] && world.now < before + secs(1) {
        world.run(ms(1)).unwrap();
    }
    assert!(world.now <= before + ms(33), "{:?}", world.now - before);
}

#[test]
fn a_hanging_hook_delays_nothing_but_the_hooks_behind_it() {
    let mut world = settled(standard());
    world.hosts[1].hooks_hang = true;
    world.hosts[0].troubles.cannot_start = true;
    world.kill_proxy(0);
    world.run(ms(500)).unwrap();
    assert_eq!(world.holders(0), [1]);
    world.run(secs(20)).unwrap();
    let ran: Vec<_> = world.hooks_run.iter().filter(|(host, _)| *host == 1).map(|(_, argv)| argv.as_str()).collect();
    assert_eq!(
        ran,
        [
            "/hooks/backup",
            "/hooks/any INSTANCE vip0 BACKUP 253",
            "/hooks/master",
            "/hooks/any INSTANCE vip0 MASTER 253"
        ]
    );
}
