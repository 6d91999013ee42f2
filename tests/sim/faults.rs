//! The menu of faults, and healing.

use std::time::Duration;

use vipkeeper::config::Checksum;
use vipkeeper::node::event::{Request, Signal};
use vipkeeper::units::{Centis, Priority, Vrid};
use vipkeeper::vrrp::packet::{Claim, Outgoing, Seal, build};

use crate::host::Looks;
use crate::setup::{node_ip, vip_ip};
use crate::world::World;

/// One random fault; some last until they are healed.
pub fn inject(world: &mut World) {
    let host = world.rng.index(world.cluster.nodes);
    let vip = world.rng.index(world.cluster.vips);
    let ms = |world: &mut World, low, high| Duration::from_millis(world.rng.between(low, high));
    match world.rng.below(34) {
        0 | 1 => world.kill_proxy(host),
        2 => {
            let frozen = world.rng.chance(600);
            if let Some(proxy) = &mut world.hosts[host].proxy {
                proxy.frozen = frozen;
                world.tell(format!("lb{} proxy frozen: {frozen}", host + 1));
            }
        }
        3 => world.hosts[host].troubles.cannot_start ^= true,
        4 | 5 => {
            world.kill(host);
            let delay = ms(world, 1, 8_000);
            world.restart_in(host, delay);
        }
        6 => {
            world.signal(host, Signal::Terminate);
            let delay = ms(world, 50, 8_000);
            world.restart_in(host, delay);
        }
        7 | 8 => {
            let long = world.rng.chance(300);
            let duration = if long { ms(world, 1_000, 9_000) } else { ms(world, 5, 900) };
            if world.rng.chance(400) { world.pause(host, duration) } else { world.stall(host, duration) }
        }
        9 => {
            let up = world.rng.chance(500);
            world.set_link(host, up);
        }
        10 | 11 => {
            let other = world.rng.index(world.cluster.nodes);
            if other != host {
                world.tell(format!("frames lb{} -> lb{} are lost", host + 1, other + 1));
                world.segment.cut.insert((host, other));
                if world.rng.chance(500) {
                    world.segment.cut.insert((other, host));
                }
            }
            world.disturb();
        }
        12 => {
            world.segment.loss_permille = world.rng.between(0, 500);
            match world.rng.below(4) {
                0 => world.segment.hello_loss_permille = world.rng.between(0, 1000),
                1 => world.segment.advert_loss_permille = world.rng.between(0, 1000),
                _ => {}
            }
            world.segment.duplicate_permille = world.rng.between(0, 300);
            world.segment.corrupt_permille = world.rng.between(0, 300);
            world.segment.straggle_us = world.rng.between(0, 50_000);
            world.disturb();
        }
        13 => world.delete_address(host, vip),
        14 => {
            let version = world.rng.between(1, 6);
            let broken = world.rng.chance(300);
            world.write_config(host, version, broken);
        }
        15 => {
            let current = world.hosts[host].proxy.as_ref().map(|p| p.runs);
            let candidate = vipkeeper::units::Digest(world.rng.between(1, 6));
            if current != Some(candidate)
                && world.hosts[host].disk.0 != Some(candidate)
                // Accepted already, though not yet installed.
                && world.hosts[host].disk.1 != Some(candidate)
                && world.hosts[host].disk.2 != Some(candidate)
            {
                world.hosts[host].refused = Some(candidate);
            }
        }
        16 => {
            world.hosts[host].troubles.reload_does_nothing = true;
            world.hosts[host].troubles.old_worker_sticks ^= true;
            world.hosts[host].troubles.patch_unanswered ^= true;
        }
        17 => {
            world.hosts[host].troubles.reload_kills = true;
            world.hosts[host].troubles.patch_refused ^= true;
        }
        18 => world.hosts[host].hooks_hang ^= true,
        19 => {
            world.hosts[host].refuse_addresses ^= true;
            world.disturb();
        }
        20 => hostile(world, host, vip),
        21 => {
            let hold = ms(world, 100, 5_000);
            let id = world.asked.len() as u64;
            world.request(host, id, Request::Release { vip: None, hold });
        }
        22 => {
            let id = world.asked.len() as u64;
            world.request(host, id, Request::Reload);
        }
        23 | 24 => {
            let index = world.rng.chance(700).then(|| world.rng.between(2, 9) as u32);
            world.set_interface(host, index);
        }
        25 => {
            world.signal(host, Signal::Interrupt);
            let delay = ms(world, 50, 8_000);
            world.restart_in(host, delay);
        }
        26 => {
            world.hosts[host].paused ^= true;
            world.hosts[host].opens ^= world.hosts[host].paused;
        }
        32 => world.operator_reloads(host),
        33 => world.hosts[host].starving ^= true,
        27 => world.hosts[host].hooks_fail ^= true,
        28 => {
            // A router of somebody else's that speaks now and then and never resigns.
            let priority = world.rng.between(1, 254) as u8;
            world.rival(host, vip, priority);
            world.disturb();
        }
        29 => {
            let looks = match world.rng.below(4) {
                0 => Looks::Good,
                1 => Looks::Hang,
                2 => Looks::Number(3),
                _ => Looks::Fail,
            };
            world.set_looks(host, looks);
        }
        30 => world.hosts[host].servers_up = world.rng.below(3) as u32,
        _ => world.signal(host, Signal::Hangup),
    }
}

/// Packets that no router of the cluster sent.
fn hostile(world: &mut World, host: usize, vip: usize) {
    let address = [vip_ip(vip).into()];
    let mut bytes = build(&Outgoing {
        source: node_ip(world.rng.index(world.cluster.nodes)).into(),
        destination: [224, 0, 0, 18].into(),
        version: vipkeeper::config::Version::V3,
        vrid: Vrid::new(51 + vip as i64).unwrap(),
        claim: Claim::Of(Priority::MAX),
        interval: Centis::SECOND,
        checksum: Checksum::Rfc9568,
        addresses: &address,
        seal: Seal::None,
    });
    match world.rng.below(4) {
        0 => bytes[8] = 64,
        1 => bytes.truncate(27),
        2 => bytes[26] ^= 0xff,
        _ => bytes = (0..world.rng.between(0, 3000)).map(|_| world.rng.next() as u8).collect(),
    }
    world.inject(host, bytes);
}

/// Everything works again, and every vipkeeper runs.
pub fn heal(world: &mut World) {
    world.tell("all faults end");
    world.segment = crate::net::Segment::default();
    for host in 0..world.cluster.nodes {
        world.set_link(host, true);
        if world.hosts[host].link_index.is_none() {
            world.set_interface(host, Some(2));
        }
        let h = &mut world.hosts[host];
        h.troubles = crate::host::ProxyTroubles::default();
        h.refused = None;
        h.refuse_addresses = false;
        h.hooks_hang = false;
        h.hooks_fail = false;
        h.looks = Looks::Good;
        h.servers_up = 2;
        h.queued = 0;
        h.paused = false;
        h.starving = false;
        if let Some(proxy) = &mut h.proxy {
            proxy.frozen = false;
        }
        world.write_config(host, 1, false);
        // A vipkeeper that was told to stop must not be started twice: this is a no-op while it runs.
        world.restart_in(host, Duration::from_millis(20_000));
        world.restart_in(host, Duration::from_millis(1));
    }
    world.disturb();
}

/// What the versions of the file say beside another text for the proxy.
pub fn edit(version: u64, config: &mut vipkeeper::config::Config) {
    let nodes = config.nodes.len();
    let Some(vip) = config.vips.first_mut() else { return };
    match version {
        2 => vip.addresses.push(vipkeeper::config::VirtualAddress::plain(
            vipkeeper::units::VipAddress::new([10, 0, 0, 150].into(), 24).unwrap(),
        )),
        3 => vip.priorities.values_mut().for_each(|p| *p = Priority::new(100).unwrap()),
        4 => {
            let name = vipkeeper::units::Name::new("renamed").unwrap();
            for of_group in config.groups.iter_mut().flat_map(|g| &mut g.vips).filter(|n| **n == vip.name) {
                of_group.clone_from(&name);
            }
            vip.name = name;
        }
        5 => vip.transport = vipkeeper::config::Transport::Unicast,
        6 if nodes > 1 => {
            let last = config.nodes[nodes - 1].name.clone();
            vip.priorities.remove(&last);
            vip.interfaces.remove(&last);
        }
        _ => {}
    }
}
