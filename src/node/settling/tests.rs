use super::*;
use crate::node::event::{HookOutcome, Network, OpId, Signal};
use crate::node::tests::fixture::t0;
use crate::units::IfName;

#[test]
fn an_event_concerns_all_vips_unless_it_is_known_to_concern_some() {
    let (op, result) = (OpId(1), Ok(()));
    let some = [
        Event::Tick,
        Event::AddressInstalled { op, result: result.clone() },
        Event::AddressWithdrawn { op, result: result.clone() },
        Event::AddressesAnswered(Vec::new()),
        Event::ProbeLate { op, runnable: true },
    ];
    let all = [
        Event::NetworkObserved(Network::default()),
        Event::InterfaceOpened { interface: IfName::new("eth0").unwrap(), result },
        Event::HelloReceived { from: ([10, 0, 0, 12], 5112).into(), bytes: Vec::new(), at: t0() },
        Event::HookFinished { op, outcome: HookOutcome::Succeeded },
        Event::ProxyExited { pid: 1, status: "signal 9".to_owned() },
        Event::Signalled(Signal::Terminate),
    ];
    assert!(some.iter().all(touches_its_own), "{some:?}");
    assert!(!all.iter().any(touches_its_own), "{all:?}");
}
