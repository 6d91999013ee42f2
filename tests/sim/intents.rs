//! Stories of what operators want of servers: told to every new worker, until it is taken back.

use vipkeeper::config::{Source, Sources, load};
use vipkeeper::node::event::Request;
use vipkeeper::proxy::intents::{AdminState, Wish};

use crate::setup::standard;
use crate::world::{World, ms, secs, settled};

/// A host whose file has the backend `web` with two servers.
fn world() -> World {
    let mut world = settled(standard());
    world.edit = |version, config| {
        let text = include_str!("../data/config/pair.toml").to_owned();
        let pair = load(&Sources { files: vec![Source { path: "v.toml".into(), text }] }).unwrap();
        config.backends = pair.backends;
        if version == 3 {
            config.backends[0].servers.remove(0);
        }
    };
    world.write_config(0, 2, false);
    world.run(secs(2)).unwrap();
    world
}

fn wish(world: &mut World, server: &str, wish: Wish) -> Result<String, String> {
    let id = world.asked.len() as u64;
    world.request(0, id, Request::Server { server: server.to_owned(), wish });
    world.run(ms(50)).unwrap();
    world.replies.iter().find(|(replied, _)| *replied == id).expect("it was answered").1.clone()
}

/// What the worker that serves was told.
fn told(world: &World) -> Vec<String> {
    let worker = world.hosts[0].proxy.as_ref().unwrap().worker;
    world.hosts[0].said.get(&worker).cloned().unwrap_or_default()
}

#[test]
fn what_is_wanted_of_a_server_outlives_the_proxy_and_vipkeeper() {
    let mut world = world();
    assert_eq!(
        wish(&mut world, "web/web1", Wish::State(AdminState::Drain)).unwrap(),
        "server web/web1 is in state drain"
    );
    assert_eq!(told(&world), ["set server web/web1 state drain"]);
    world.kill_proxy(0);
    world.run(secs(3)).unwrap();
    assert_eq!(told(&world), ["set server web/web1 state drain"], "a new worker");
    world.operator_reloads(0);
    world.run(secs(2)).unwrap();
    assert_eq!(told(&world), ["set server web/web1 state drain"], "one after a reload of somebody else's");
    world.kill(0);
    world.restart_in(0, ms(100));
    world.run(secs(2)).unwrap();
    let status = world.hosts[0].node.as_ref().unwrap().status(world.now);
    assert_eq!(status.proxy.intents[0].server, "web/web1");
    wish(&mut world, "web/web1", Wish::State(AdminState::Ready)).unwrap();
    assert_eq!(told(&world).last().unwrap(), "set server web/web1 state ready");
    world.kill_proxy(0);
    world.run(secs(3)).unwrap();
    assert!(told(&world).is_empty(), "it was taken back");
}

#[test]
fn what_is_wanted_of_a_server_that_leaves_is_forgotten() {
    let mut world = world();
    wish(&mut world, "web/web1", Wish::Weight(Some(7))).unwrap();
    assert!(world.hosts[0].kept.as_ref().unwrap().contains("web1"));
    world.write_config(0, 3, false);
    world.run(secs(2)).unwrap();
    assert!(!world.hosts[0].kept.as_ref().unwrap().contains("web1"), "{:?}", world.hosts[0].kept);
}

#[test]
fn what_haproxy_does_not_take_is_told_and_kept_for_the_next_worker() {
    let mut world = world();
    world.hosts[0].proxy.as_mut().unwrap().frozen = true;
    let refused = wish(&mut world, "web/web1", Wish::State(AdminState::Maint)).unwrap_err();
    assert_eq!(refused, "server web/web1 is in state maint, from the next start on; not now: it did not answer");
    world.kill_proxy(0);
    world.run(secs(3)).unwrap();
    assert_eq!(told(&world), ["set server web/web1 state maint"]);
    assert!(wish(&mut world, "web/nobody", Wish::Weight(None)).unwrap_err().contains("has no server"));
}

#[test]
fn what_a_predecessor_wrote_and_nobody_understands_is_told() {
    let mut world = settled(standard());
    world.hosts[0].kept = Some("{}".to_owned());
    world.kill(0);
    world.restart_in(0, ms(100));
    world.run(secs(2)).unwrap();
    assert!(world.trace.unwrap().contains("what operators wanted of servers is lost"));
}
