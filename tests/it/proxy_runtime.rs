//! Changes that a real HAProxy takes without a reload.

use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use vipkeeper::config::Config;
use vipkeeper::proxy::runtime::plan::{self, Plan, plan as plan_of};
use vipkeeper::proxy::runtime::{HALF_PATCHED, Patch, Patched};
use vipkeeper::proxy::{ProxyOp, ProxyOutcome, ReloadMethod, Sample};
use vipkeeper::render::Rendered;

use crate::proxy_fixture::{haproxy_is_here, server};
use crate::proxy_process::{Lab, eventually};
use crate::proxy_reload::{ask, server_state};

/// A server on loopback that answers with its name, until the test ends.
async fn origin(name: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 1024];
                let _asked = stream.read(&mut request).await;
                let answer = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
                let _told = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    port
}

/// The frontend hands on to servers with these names and ports.
fn config(lab: &Lab, servers: &[(&str, u16)]) -> Config {
    let mut config = lab.config("unused");
    config.frontends[0].raw.clear();
    let web = &mut config.backends[0];
    web.servers = servers.iter().map(|(name, port)| server(31, name, &format!("127.0.0.1:{port}"))).collect();
    web.check.as_mut().unwrap().interval = std::time::Duration::from_millis(50);
    config
}

/// Checks, installs and tells the worker, as the lifecycle does.
async fn change(lab: &mut Lab, worker: &Sample, from: &Rendered, to: &Arc<Rendered>) -> ProxyOutcome {
    let patch = plan::patch(from, to, worker.version).expect("it needs no reload");
    let (changes, begun) = (patch.changes.len(), Instant::now());
    lab.install(to).await;
    let installed = begun.elapsed();
    let outcome = lab.perform(ProxyOp::Patch { worker: worker.pid, patch: Arc::new(patch) }).await;
    eprintln!(
        "{changes} changes: checked and installed after {installed:?}, made after {:?}",
        begun.elapsed() - installed
    );
    outcome
}

async fn body(lab: &Lab) -> String {
    let answer = lab.get().await.unwrap();
    answer.rsplit("\r\n").next().unwrap().to_owned()
}

#[tokio::test]
async fn weight_address_and_maintenance_change_without_a_new_worker_or_a_failed_request() {
    if !haproxy_is_here("weight_address_and_maintenance_change") {
        return;
    }
    let (one, two) = (origin("one").await, origin("two").await);
    let mut lab = Lab::new();
    let mut wanted = config(&lab, &[("a", one), ("b", one)]);
    wanted.frontends[0].maxconn = Some(50);
    let first = lab.render(&wanted);
    let (_, worker) = lab.start(&first).await;
    eventually(async || (body(&lab).await == "one").then_some(())).await;

    // Somebody asks all the time.
    let port = lab.port;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let asking = tokio::spawn(async move {
        let (mut good, mut bad) = (0_u32, 0_u32);
        while stopped.try_recv().is_err() {
            let asked = async {
                let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
                stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.ok()?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.ok()?;
                answer.contains(" 200 ").then_some(())
            };
            if asked.await.is_some() { good += 1 } else { bad += 1 }
        }
        (good, bad)
    });
    wanted.backends[0].servers[0].address = format!("127.0.0.1:{two}");
    wanted.backends[0].servers[0].weight = 9;
    wanted.backends[0].servers[0].maxconn = Some(7);
    wanted.backends[0].servers[1].disabled = true;
    wanted.frontends[0].maxconn = Some(60);
    let second = lab.render(&wanted);
    assert_eq!(change(&mut lab, &worker, &first, &second).await, ProxyOutcome::Patched);
    for _ in 0..8 {
        assert_eq!(body(&lab).await, "two");
    }
    stop.send(()).unwrap();
    let (good, bad) = asking.await.unwrap();
    assert!(good > 0 && bad == 0, "{good} good, {bad} bad");
    assert_eq!(server_state(&lab, "a").await, ("9".into(), format!("127.0.0.1:{two}"), false));
    assert!(server_state(&lab, "b").await.2, "it is in maintenance");
    assert_eq!(lab.sample(|_| true).await.pid, worker.pid, "no new worker");

    // A successor learns what the worker runs; a reload passes on what servers are by the file that is in force.
    ask(&lab.paths.stats_socket(), "set weight web/a 4\n").await;
    lab.succeed().await;
    let (pid, patched) = (lab.last_master(), Some(Patched { worker: worker.pid, runs: second.generation }));
    assert_eq!(lab.perform(ProxyOp::Adopt).await, ProxyOutcome::Adopted { pid, patched });
    wanted.frontends[0].maxconn = None;
    let third = lab.render(&wanted);
    assert!(matches!(plan_of(&second.text, &third.text, worker.version), Plan::Reload(_)));
    lab.install(&third).await;
    assert_eq!(lab.perform(ProxyOp::SaveState).await, ProxyOutcome::StateSaved { kept: 2, left_out: 0 });
    assert_eq!(lab.perform(ProxyOp::Reload(ReloadMethod::Signal)).await, ProxyOutcome::Reloaded);
    lab.sample(|s| s.generation == Some(third.generation)).await;
    assert_eq!(server_state(&lab, "a").await, ("4".into(), format!("127.0.0.1:{two}"), false));
    assert!(server_state(&lab, "b").await.2);
}

#[tokio::test]
async fn an_added_server_serves_and_is_checked_and_a_removed_one_is_gone() {
    if !haproxy_is_here("an_added_server_serves_and_is_checked") {
        return;
    }
    let (one, two) = (origin("one").await, origin("two").await);
    let mut lab = Lab::new();
    let first = lab.render(&config(&lab, &[("a", one)]));
    let (_, worker) = lab.start(&first).await;
    eventually(async || (body(&lab).await == "one").then_some(())).await;

    let second = lab.render(&config(&lab, &[("a", one), ("b", two)]));
    assert_eq!(change(&mut lab, &worker, &first, &second).await, ProxyOutcome::Patched);
    eventually(async || (body(&lab).await == "two").then_some(())).await;
    eventually(async || {
        let stat = ask(&lab.paths.stats_socket(), "show stat\n").await;
        let line = stat.lines().find(|line| line.starts_with("web,b,"))?;
        line.contains(",L7OK,").then_some(())
    })
    .await;

    let third = lab.render(&config(&lab, &[("b", two)]));
    assert_eq!(change(&mut lab, &worker, &second, &third).await, ProxyOutcome::Patched);
    let states = ask(&lab.paths.stats_socket(), "show servers state web\n").await;
    assert!(!states.contains(" a ") && states.contains(" b "), "{states}");
    for _ in 0..4 {
        assert_eq!(body(&lab).await, "two");
    }
    assert_eq!(lab.sample(|_| true).await.pid, worker.pid, "no new worker");
    assert_eq!(std::fs::read_to_string(lab.paths.config()).unwrap(), third.text, "the next start has it too");
}

#[tokio::test]
async fn what_is_refused_is_recorded_as_half_done_and_another_worker_is_left_alone() {
    if !haproxy_is_here("what_is_refused_is_recorded_as_half_done") {
        return;
    }
    let mut lab = Lab::new();
    let first = lab.render(&config(&lab, &[("a", 9)]));
    let (_, worker) = lab.start(&first).await;
    // Not what runs: HAProxy has no server b.
    let (old, new) = (lab.render(&config(&lab, &[("b", 9)])), lab.render(&config(&lab, &[("b", 10)])));
    let Plan::Changes(changes) = plan_of(&old.text, &new.text, worker.version) else { panic!() };
    let patch = Arc::new(Patch { to: new.generation, changes });
    let stranger = ProxyOp::Patch { worker: worker.pid + 1, patch: Arc::clone(&patch) };
    let ProxyOutcome::Failed(why) = lab.perform(stranger).await else { panic!() };
    assert!(why.contains("and not"), "{why}");
    assert!(!lab.paths.patched().exists());
    let ProxyOutcome::Failed(why) = lab.perform(ProxyOp::Patch { worker: worker.pid, patch }).await else { panic!() };
    assert!(why.contains("No such server"), "{why}");
    lab.succeed().await;
    let (pid, patched) = (lab.last_master(), Some(Patched { worker: worker.pid, runs: HALF_PATCHED }));
    assert_eq!(lab.perform(ProxyOp::Adopt).await, ProxyOutcome::Adopted { pid, patched });
}
