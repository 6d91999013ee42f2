//! What a reload must not lose, with a real HAProxy.

use std::time::{Duration, SystemTime};

use vipkeeper::proxy::attendance::{Attend, Attended, Survey, WorkerId};
use vipkeeper::proxy::{ProxyOp, ProxyOutcome, ReloadMethod};

use crate::proxy_fixture::{haproxy_is_here, raw, server};
use crate::proxy_process::{Lab, eventually, installed_version, is_gone, stop};

/// Asks a socket of HAProxy and returns all that it says.
pub(crate) async fn ask(socket: &std::path::Path, command: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    stream.write_all(command.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Name, weight and address of a server of backend `web`, and whether it is in maintenance.
pub(crate) async fn server_state(lab: &Lab, name: &str) -> (String, String, bool) {
    let answer = ask(&lab.paths.stats_socket(), "show servers state web\n").await;
    let line = answer.lines().find(|line| line.split(' ').nth(3) == Some(name)).expect("the server is listed");
    let fields: Vec<&str> = line.split(' ').collect();
    let maintenance = fields[6].parse::<u32>().unwrap() & 1 == 1;
    (fields[7].to_owned(), format!("{}:{}", fields[4], fields[18]), maintenance)
}

#[tokio::test]
async fn states_survive_a_reload_and_a_changed_server_is_not_masked() {
    if !haproxy_is_here("states_survive_a_reload") {
        return;
    }
    let mut lab = Lab::new();
    let mut config = lab.config("one");
    config.backends[0].check = None;
    config.backends[0].servers = vec![
        server(31, "resting", "127.0.0.1:9001"),
        server(32, "moved", "127.0.0.1:9002"),
        server(33, "light", "127.0.0.1:9003"),
    ];
    for server in &mut config.backends[0].servers {
        server.weight = 10;
    }
    let first = lab.render(&config);
    lab.start(&first).await;
    let socket = lab.paths.stats_socket();
    let set = "set server web/resting state maint;set weight web/moved 3;set server web/moved state maint;\
               set weight web/light 3\n";
    ask(&socket, set).await;
    assert_eq!(server_state(&lab, "resting").await, ("10".into(), "127.0.0.1:9001".into(), true));

    // A frontend of another name, too, so that HAProxy's numbers of backends change.
    config.backends[0].servers[1].address = "127.0.0.1:9099".to_owned();
    config.frontends[0].maxconn = Some(77);
    let mut other = config.backends[0].clone();
    other.name = crate::proxy_fixture::name("before");
    config.backends.insert(0, other);
    let second = lab.render(&config);
    lab.install(&second).await;
    assert_eq!(lab.perform(ProxyOp::SaveState).await, ProxyOutcome::StateSaved { kept: 2, left_out: 1 });
    assert_eq!(lab.reload().await, ProxyOutcome::Reloaded);
    lab.sample(|s| s.generation == Some(second.generation)).await;
    assert_eq!(server_state(&lab, "resting").await, ("10".into(), "127.0.0.1:9001".into(), true));
    assert_eq!(server_state(&lab, "light").await, ("3".into(), "127.0.0.1:9003".into(), false));
    assert_eq!(server_state(&lab, "moved").await, ("10".into(), "127.0.0.1:9099".into(), false));

    // Back to the file before, as after a failed reload: the worker runs what was undone.
    assert_eq!(lab.perform(ProxyOp::Restore).await, ProxyOutcome::Installed);
    assert_eq!(lab.perform(ProxyOp::SaveState).await, ProxyOutcome::StateSaved { kept: 2, left_out: 4 });
}

#[tokio::test]
async fn states_are_forgotten_at_a_start_and_after_a_minute() {
    if !haproxy_is_here("states_are_forgotten_at_a_start") {
        return;
    }
    let mut lab = Lab::new();
    let rendered = lab.rendered("one");
    let (master, _) = lab.start(&rendered).await;
    ask(&lab.paths.stats_socket(), "set server web/web1 state maint\n").await;
    assert_eq!(lab.perform(ProxyOp::SaveState).await, ProxyOutcome::StateSaved { kept: 2, left_out: 0 });
    let file = lab.paths.server_state();
    let saved = std::fs::read_to_string(&file).unwrap();
    assert!(saved.contains(" web1 "), "{saved}");

    lab.perform(ProxyOp::Kill).await;
    lab.master_exit(master).await;
    lab.start(&rendered).await;
    assert!(!server_state(&lab, "web1").await.2, "a cold start takes nothing over");

    // A worker looks at the file when it begins, and then every ten seconds.
    std::fs::write(&file, &saved).unwrap();
    lab.succeed().await;
    assert_eq!(lab.perform(ProxyOp::Adopt).await, ProxyOutcome::Adopted { pid: lab.last_master(), patched: None });
    assert_eq!(std::fs::read_to_string(&file).unwrap(), saved, "it is young");
    let old = SystemTime::now() - Duration::from_secs(61);
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
    lab.succeed().await;
    eventually(async || (std::fs::read_to_string(&file).unwrap() == "1\n").then_some(())).await;
}

#[tokio::test]
async fn a_silent_proxy_passes_no_states_on_and_says_why() {
    if !haproxy_is_here("a_silent_proxy_passes_no_states_on") {
        return;
    }
    let mut lab = Lab::new();
    let rendered = lab.rendered("one");
    lab.install(&rendered).await;
    std::fs::write(lab.paths.server_state(), "1\nstale\n").unwrap();
    let ProxyOutcome::Failed(why) = lab.perform(ProxyOp::SaveState).await else { panic!() };
    assert!(why.contains("stats.sock"), "{why}");
    assert_eq!(std::fs::read_to_string(lab.paths.server_state()).unwrap(), "1\n", "nothing stale stays");
}

/// A reload whose bind conflict passes within HAProxy's two seconds of tries: it succeeds, and what there was before
/// stays paused.
#[tokio::test]
async fn frontends_left_paused_by_a_reload_are_opened() {
    if !haproxy_is_here("frontends_left_paused_by_a_reload_are_opened") {
        return;
    }
    let mut lab = Lab::new();
    lab.start(&lab.rendered("one")).await;
    let squatter = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = squatter.local_addr().unwrap().port();
    // In a frontend of its own: one that has any listener left calls itself open.
    let mut config = lab.config("two");
    let mut more = config.frontends[0].clone();
    more.name = crate::proxy_fixture::name("more");
    more.binds[0].port = taken;
    config.frontends.push(more);
    let second = lab.render(&config);
    lab.install(&second).await;
    // Later versions pause their stats socket too: clients are what can be asked.
    let port = lab.port;
    let freed = async {
        eventually(async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.err()).await;
        drop(squatter);
    };
    let (outcome, ()) = tokio::join!(lab.reload(), freed);
    assert_eq!(outcome, ProxyOutcome::Reloaded);
    let paused = lab.sample(|s| s.generation == Some(second.generation)).await;
    let state = |name: &str, state: &str| (name.to_owned(), state.to_owned());
    assert_eq!(paused.frontends, [state("www", "PAUSED"), state("more", "OPEN")], "HAProxy has mended its ways");
    assert_eq!(lab.attend(Attend::Reopen(vec!["www".to_owned()])).await, Attended::Reopened);
    assert_eq!(lab.sample(|_| true).await.frontends, [state("www", "OPEN"), state("more", "OPEN")]);
    assert!(lab.get().await.unwrap().ends_with("two"));
    let Attended::Failed(why) = lab.attend(Attend::Reopen(vec!["nix".to_owned()])).await else { panic!() };
    assert_eq!(why, "HAProxy says: No such frontend.");
}

/// How many of 40 new connections are not answered within a while.
async fn hung(lab: &Lab) -> usize {
    let mut hung = 0;
    for _ in 0..40 {
        hung += usize::from(tokio::time::timeout(Duration::from_millis(250), lab.get()).await.is_err());
    }
    hung
}

#[tokio::test]
async fn a_stopped_old_worker_holds_back_connections_until_it_is_ended() {
    if !haproxy_is_here("a_stopped_old_worker_holds_back_connections") {
        return;
    }
    let mut lab = Lab::new();
    let (master, before) = lab.start(&lab.rendered("one")).await;
    lab.master_is_ready().await;
    stop(before.pid).await;
    let second = lab.rendered("two");
    lab.install(&second).await;
    assert_eq!(lab.reload().await, ProxyOutcome::Reloaded);
    let after = lab.sample(|s| s.generation == Some(second.generation)).await;
    assert!(hung(&lab).await > 0, "HAProxy has mended its ways");

    let Attended::Surveyed(survey) = lab.attend(Attend::Survey { master }).await else { panic!() };
    assert_eq!((survey.old.len(), survey.more), (1, 0), "{survey:?}");
    let old = &survey.old[0];
    assert_eq!((old.id.pid, old.connections, old.runnable), (before.pid, None, false));
    assert!(old.memory_kib.is_some_and(|kib| kib > 1000), "{old:?}");

    // Neither somebody else's process nor one that was given the number later.
    let stranger = WorkerId { start_ticks: old.id.start_ticks + 1, ..old.id };
    assert_eq!(lab.attend(Attend::EndWorker { master, worker: stranger }).await, Attended::WorkerEnded);
    let Attended::Failed(why) = lab.attend(Attend::EndWorker { master: 1, worker: old.id }).await else { panic!() };
    assert!(why.contains("is not the child of the master 1"), "{why}");
    assert!(!is_gone(old.id.pid));

    assert_eq!(lab.attend(Attend::EndWorker { master, worker: old.id }).await, Attended::WorkerEnded);
    eventually(async || is_gone(old.id.pid).then_some(())).await;
    assert_eq!(hung(&lab).await, 0);
    assert_eq!(lab.sample(|_| true).await.pid, after.pid, "the serving worker and its master go on");
    assert!(!is_gone(master));
    let Attended::Surveyed(survey) = lab.attend(Attend::Survey { master }).await else { panic!() };
    assert_eq!(survey, Survey::default());
}

#[tokio::test]
async fn an_old_worker_says_how_many_connections_it_has() {
    if !haproxy_is_here("an_old_worker_says_how_many_connections_it_has") {
        return;
    }
    let mut lab = Lab::new();
    let (master, before) = lab.start(&lab.rendered("one")).await;
    lab.master_is_ready().await;
    // Half a request keeps the old worker alive.
    let mut client = tokio::net::TcpStream::connect(("127.0.0.1", lab.port)).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut client, b"GET / HT").await.unwrap();
    lab.sample(|s| s.connections >= 1).await;
    let second = lab.rendered("two");
    lab.install(&second).await;
    assert_eq!(lab.reload().await, ProxyOutcome::Reloaded);
    lab.sample(|s| s.generation == Some(second.generation)).await;
    let survey = eventually(async || {
        let Attended::Surveyed(survey) = lab.attend(Attend::Survey { master }).await else { return None };
        (!survey.old.is_empty()).then_some(survey)
    })
    .await;
    assert_eq!((survey.old[0].id.pid, survey.old[0].connections), (before.pid, Some(1)), "{survey:?}");
    let another = lab.attend(Attend::Survey { master: before.pid }).await;
    assert!(matches!(&another, Attended::Failed(why) if why.contains("not of")), "{another:?}");
}

/// On 2.6 the log says how a reload ended; without one the master's count does.
#[tokio::test]
async fn a_failed_reload_is_noticed_by_the_count_of_the_master_too() {
    if !haproxy_is_here("a_failed_reload_is_noticed_by_the_count") {
        return;
    }
    let mut lab = Lab::new();
    lab.start(&lab.rendered("one")).await;
    lab.master_is_ready().await;
    let squatter = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = squatter.local_addr().unwrap().port();
    let mut config = lab.config("two");
    config.frontends[0].raw.push(raw(24, &format!("bind 127.0.0.1:{taken}")));
    lab.install(&lab.render(&config)).await;
    std::fs::remove_file(lab.paths.log()).unwrap();
    let outcome = lab.reload().await;
    // Later versions say it in their answer.
    let why = match ReloadMethod::of(installed_version()) {
        ReloadMethod::Signal => "does not say why",
        ReloadMethod::MasterCli => "Address already in use",
    };
    assert!(matches!(&outcome, ProxyOutcome::ReloadRefused(said) if said.contains(why)), "{outcome:?}");
    // The old worker goes on listening when the new one has given up.
    eventually(async || lab.get().await.ok().filter(|answer| answer.ends_with("one"))).await;
}
