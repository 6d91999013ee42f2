//! What the driver does with effects that cannot be carried out, and with calls.

use std::sync::Arc;

use super::*;
use crate::config::{self, Source, Sources};
use crate::node::event::{Loaded, Request};
use crate::shell::files::{Target, load};
use crate::units::{AddressOptions, Family, LeaseSecs, Name, VipAddress};

/// The driver and the far ends of its queues, each with room for one.
struct Bench {
    driver: Driver,
    events: mpsc::Sender<Event>,
    calls: mpsc::Sender<Call>,
    addresses: mpsc::Receiver<AddressOp>,
    probes: mpsc::Receiver<Probe>,
}

fn loaded() -> (Loaded, Name) {
    let text = include_str!("../start/tests/good.toml").to_owned();
    let sources = Arc::new(Sources { files: vec![Source { path: "good.toml".into(), text }] });
    assert!(config::load(&sources).is_ok());
    let me = Name::new("lb1").unwrap();
    (
        load(
            &sources,
            &Target { names: vec![me.clone()], stats_socket: "/run/s".into(), files_dir: "/run/files".into() },
        )
        .unwrap(),
        me,
    )
}

fn bench() -> Bench {
    let (events, inlet) = mpsc::channel(8);
    let (calls, inlet_calls) = mpsc::channel(8);
    let (addresses, far_addresses) = mpsc::channel(1);
    let (probes, far_probes) = mpsc::channel(1);
    let (loaded, me) = loaded();
    let (node, _) = Node::new(loaded, me, crate::peer::Incarnation(1), clock::now());
    let inlets = Inlets {
        events: inlet,
        calls: inlet_calls,
        network_changed: Arc::new(Notify::new()),
        config_touched: Arc::new(Notify::new()),
    };
    let outlets = Outlets {
        addresses,
        filter: mpsc::channel(1).0,
        observe: Arc::new(Notify::new()),
        proxy: mpsc::channel(1).0,
        attend: mpsc::channel(1).0,
        worker: watch::channel(None).0,
        probes,
        looks: mpsc::channel(1).0,
        hooks: mpsc::channel(1).0,
        files: mpsc::channel(1).0,
        notices: mpsc::channel(1).0,
        endpoint: watch::channel(None).0,
    };
    let driver = Driver::new(node, None, inlets, outlets).unwrap();
    Bench { driver, events, calls, addresses: far_addresses, probes: far_probes }
}

fn on_runtime(test: impl AsyncFnOnce()) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test());
}

const LOCALHOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn install(op: u64) -> Effect {
    let address = VipAddress::new("10.0.0.1".parse().unwrap(), 32).unwrap();
    let lease = LeaseSecs::for_interval(crate::units::Centis::SECOND);
    Effect::Install { op: OpId(op), index: 2, address, options: AddressOptions::default(), lease }
}

#[test]
fn a_full_queue_fails_the_effect_and_the_node_is_told() {
    on_runtime(async || {
        let mut bench = bench();
        assert_eq!(bench.driver.execute(vec![install(1), install(2)]), None);
        assert!(matches!(bench.addresses.try_recv(), Ok(AddressOp::Install { op: OpId(1), .. })));
        let told: Vec<_> = bench.driver.backlog.drain(..).collect();
        let [Event::AddressInstalled { op: OpId(2), result: Err(why) }] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(why, "too many operations are waiting already");
    });
}

#[test]
fn an_ended_worker_fails_the_effect_and_the_node_is_told() {
    on_runtime(async || {
        let mut bench = bench();
        bench.probes.close();
        let run = HookRun {
            vip: "www".to_owned(),
            hook: "notify",
            argv: vec!["/bin/true".to_owned()],
            user: None,
            group: None,
            timeout: Duration::from_secs(1),
        };
        let effects = vec![
            Effect::Probe { op: OpId(1), timeout: Duration::from_secs(1), listeners: false, worker: None },
            Effect::Proxy { op: OpId(2), what: ProxyOp::Adopt },
            Effect::RunHook { op: OpId(3), run },
            Effect::LoadConfig { op: OpId(4) },
            Effect::KeepConfig,
        ];
        assert_eq!(bench.driver.execute(effects), None);
        let told: Vec<_> = bench.driver.backlog.drain(..).collect();
        assert!(
            matches!(
                told.as_slice(),
                [
                    Event::Probed { op: OpId(1), result: Err(_) },
                    Event::ProxyDone { op: OpId(2), outcome: ProxyOutcome::Failed(_) },
                    Event::HookFinished { op: OpId(3), outcome: HookOutcome::Failed(_) },
                    Event::ConfigLoaded { op: OpId(4), result: Err(_) },
                ]
            ),
            "{told:?}"
        );
    });
}

#[test]
fn what_cannot_be_sent_or_opened_comes_back_as_an_event() {
    on_runtime(async || {
        let mut bench = bench();
        let interface = IfName::new("gone0").unwrap();
        let effects = vec![
            Effect::Transmit { interface: interface.clone(), source: LOCALHOST, to: LOCALHOST, bytes: vec![0; 20] },
            Effect::Announce { interface: interface.clone(), frame: vec![0; 60] },
            Effect::OpenInterface {
                interface: interface.clone(),
                index: 4711,
                families: vec![Family::V4],
                groups: Vec::new(),
            },
            Effect::WatchAddresses { interface: interface.clone(), addresses: vec![LOCALHOST] },
            Effect::CloseInterface { interface: interface.clone() },
        ];
        assert_eq!(bench.driver.execute(effects), None);
        let told: Vec<_> = bench.driver.backlog.drain(..).collect();
        assert!(
            matches!(
                told.as_slice(),
                [
                    Event::TransmitFailed { .. },
                    Event::TransmitFailed { .. },
                    Event::InterfaceOpened { result: Err(_), .. },
                ]
            ),
            "{told:?}"
        );
        assert!(bench.driver.sockets.is_empty());
    });
}

#[test]
fn nothing_is_executed_after_the_exit() {
    on_runtime(async || {
        let mut bench = bench();
        assert_eq!(bench.driver.execute(vec![Effect::Exit { code: 3 }, install(1)]), Some(3));
        assert!(bench.addresses.try_recv().is_err());
    });
}

#[test]
fn status_is_answered_at_once_and_a_reply_finds_its_request() {
    on_runtime(async || {
        let mut bench = bench();
        let (reply, status) = oneshot::channel();
        bench.calls.try_send(Call::Status(reply)).unwrap();
        bench.driver.wait().await.unwrap();
        assert_eq!(status.await.unwrap().pid, std::process::id());

        let mut answers = Vec::new();
        for _ in 0..2 {
            let (reply, answer) = oneshot::channel();
            bench.calls.try_send(Call::Request(Request::Reload, reply)).unwrap();
            bench.driver.wait().await.unwrap();
            answers.push(answer);
        }
        let ids: Vec<_> = bench
            .driver
            .backlog
            .iter()
            .map(|event| {
                let Event::Requested { id, request: Request::Reload } = event else { panic!("{event:?}") };
                *id
            })
            .collect();
        let reply = |id, text: &str| Effect::Reply { request: id, result: Ok(text.to_owned()) };
        bench.driver.execute(vec![reply(ids[1], "second"), reply(ids[0], "first"), reply(RequestId(99), "nobody")]);
        for (answer, text) in answers.into_iter().zip(["first", "second"]) {
            assert_eq!(answer.await.unwrap(), Ok(text.to_owned()));
        }
        assert!(bench.driver.replies.is_empty());
    });
}

#[test]
fn a_burst_of_changes_is_one_event_and_outcomes_keep_their_order() {
    on_runtime(async || {
        let mut bench = bench();
        for _ in 0..5 {
            bench.driver.inlets.network_changed.notify_one();
        }
        bench.events.try_send(Event::ProxyExited { pid: 1, status: String::new() }).unwrap();
        bench.events.try_send(Event::ProxyExited { pid: 2, status: String::new() }).unwrap();
        for _ in 0..3 {
            bench.driver.wait().await.unwrap();
        }
        let waiting = tokio::time::timeout(Duration::from_millis(50), bench.driver.wait()).await;
        assert!(waiting.is_err(), "a second NetworkChanged");
        let told: Vec<_> = bench.driver.backlog.drain(..).collect();
        assert!(
            matches!(
                told.as_slice(),
                [Event::ProxyExited { pid: 1, .. }, Event::ProxyExited { pid: 2, .. }, Event::NetworkChanged]
            ),
            "{told:?}"
        );
    });
}
