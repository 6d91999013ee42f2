//! The story that the demo tells: what is done to the hosts, and what has to follow from it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::backends::Backend;
use super::balancer::{Balancer, Snapshot};
use super::net::{Host, Net};
use super::prober::{Aim, Prober, Tally};
use super::tempo::{Interrupted, Tempo};
use super::view::{Act, View};
use super::{BALANCERS, now};
use crate::cli::instance::Instance;
use crate::cli::terminal::Tone;
use crate::shell::files::key_file;

/// The file that both hosts read.
const CONFIG: &str = include_str!("demo.toml");

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 5);
const VIP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
const SERVERS: [(&str, Ipv4Addr); 2] =
    [("web1", Ipv4Addr::new(10, 78, 0, 101)), ("web2", Ipv4Addr::new(10, 78, 0, 102))];

/// How often the hosts are asked.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// A step of the story that has not come true by then never will.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request without an answer by then has failed.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// A host serves when it has answered for this long.
const STEADY: Duration = Duration::from_millis(500);

/// Why a story ended early.
#[derive(Debug)]
pub(super) enum Cut {
    /// Somebody wants it to end.
    Interrupted,
    /// Something did not happen, or could not be done.
    Failed(String),
}

impl From<Interrupted> for Cut {
    fn from(Interrupted: Interrupted) -> Self {
        Self::Interrupted
    }
}

impl From<String> for Cut {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

/// Everything on the stage. Fields are dropped in this order: client, servers, then the network with all processes in it.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    prober: Option<Prober>,
    tally: Tally,
    _servers: Vec<Backend>,
    net: Net,
    balancers: Vec<Balancer>,
    dir: PathBuf,
    config: PathBuf,
    interval: Duration,
    tempo: &'a mut Tempo,
    view: &'a View,
}

impl<'a> Stage<'a> {
    /// Builds hosts and servers.
    pub(super) fn set(
        prefix: &str,
        dir: &Path,
        interval: Duration,
        tempo: &'a mut Tempo,
        view: &'a View,
    ) -> Result<Self, Cut> {
        let mut hosts = vec![Host { name: "client", front: Some(CLIENT), back: None }];
        hosts.extend(BALANCERS.iter().map(|b| Host { name: b.name, front: Some(b.front), back: Some(b.back) }));
        hosts.extend(SERVERS.iter().map(|(name, back)| Host { name, front: None, back: Some(*back) }));
        let net = Net::build(prefix, &hosts).map_err(|e| e.to_string())?;
        let config = dir.join("vipkeeper.toml");
        std::fs::write(&config, CONFIG).map_err(|e| format!("cannot write {}: {e}", config.display()))?;
        let key = dir.join("peers.key");
        key_file::write_new(&key).map_err(|e| format!("cannot write {}: {e}", key.display()))?;
        let mut servers = Vec::new();
        for (name, address) in SERVERS {
            servers.push(Backend::start(&net.namespace(name), name, address, 8080)?);
        }
        Ok(Self {
            prober: None,
            tally: Tally::default(),
            _servers: servers,
            net,
            balancers: Vec::new(),
            dir: dir.to_owned(),
            config,
            interval,
            tempo,
            view,
        })
    }

    /// The whole story.
    pub(super) fn tell(&mut self) -> Result<Vec<Act>, Cut> {
        self.curtain()?;
        Ok(vec![self.proxy_dies()?, self.fails_back()?, self.reloads()?, self.is_stopped()?])
    }

    /// Starts the balancers one after the other, waits until lb1 holds the VIP, and lets the client begin.
    fn curtain(&mut self) -> Result<(), Cut> {
        for (n, seat) in BALANCERS.into_iter().enumerate() {
            let started = Balancer::start(seat, &self.net.namespace(seat.name), &self.dir, &self.config);
            self.balancers.push(started.map_err(|e| format!("cannot start vipkeeper on {}: {e}", seat.name))?);
            self.wait("the proxy is healthy", |stage| stage.seen(n).is_some_and(|s| s.healthy))?;
        }
        self.wait("lb1 holds the VIP and lb2 stands by", |stage| {
            let state = |n: usize| stage.seen(n).map(|s| s.state.as_str());
            state(0) == Some("active") && state(1) == Some("backup")
        })?;
        let aim = Aim { target: SocketAddr::from((VIP, 80)), interval: self.interval, timeout: REQUEST_TIMEOUT };
        self.prober = Some(Prober::start(&self.net.namespace("client"), aim)?);
        let text = format!("asks http://{VIP}/ every {} ms, each time on a new connection", self.interval.as_millis());
        self.view.line("client", &text, Tone::Idle);
        let begun = now();
        self.serves(0, begun)
    }

    fn proxy_dies(&mut self) -> Result<Act, Cut> {
        self.view.chapter("1. HAProxy is killed on the host that holds the VIP");
        let start = now();
        let killed = self.balancer(0)?.kill_proxy()?;
        self.view.line("lb1", &killed, Tone::Bad);
        self.serves(1, start)?;
        self.act("HAProxy killed on lb1", start, |sight| sight.outage.is_none_or(|outage| outage < REQUEST_TIMEOUT))
    }

    fn fails_back(&mut self) -> Result<Act, Cut> {
        self.view.chapter("2. lb1 has restarted HAProxy and, being preferred, takes the VIP back after preempt_delay");
        let start = now();
        self.serves(0, start)?;
        self.act("lb1 takes the VIP back", start, |_| true)
    }

    fn reloads(&mut self) -> Result<Act, Cut> {
        self.view.chapter("3. The file is edited under load: web1 gets twice the requests");
        let start = now();
        let before: Vec<Option<String>> = (0..2).map(|n| self.seen(n).map(|s| s.digest.clone())).collect();
        let text = CONFIG.replace("10.78.0.101:8080\", weight = 1", "10.78.0.101:8080\", weight = 2");
        let draft = self.config.with_extension("draft");
        std::fs::write(&draft, text).and_then(|()| std::fs::rename(&draft, &self.config)).map_err(|e| e.to_string())?;
        self.view.line("you", "saved vipkeeper.toml; both hosts watch it", Tone::Strong);
        self.wait("both hosts run the new file", |stage| {
            (0..).zip(&before).all(|(n, old)| stage.seen(n).is_some_and(|s| Some(&s.digest) != old.as_ref()))
        })?;
        let reloaded = now();
        self.serves(0, reloaded)?;
        self.act("configuration changed on both hosts", start, |sight| sight.missed.is_empty())
    }

    fn is_stopped(&mut self) -> Result<Act, Cut> {
        self.view.chapter("4. vipkeeper is stopped on lb1, as for an upgrade");
        let start = now();
        self.balancers.first_mut().ok_or_else(|| "a host is missing".to_owned())?.terminate()?;
        self.view.line("lb1", "SIGTERM to vipkeeper", Tone::Idle);
        self.serves(1, start)?;
        self.wait("vipkeeper on lb1 has ended", |stage| stage.balancers.first().is_some_and(Balancer::has_ended))?;
        self.act("vipkeeper stopped on lb1", start, |_| true)
    }

    /// Waits until clients are answered by that host alone for [`STEADY`], counting from `start`.
    fn serves(&mut self, n: usize, start: Instant) -> Result<(), Cut> {
        let seat = self.balancer(n)?.seat;
        let run = usize::try_from(STEADY.as_millis() / self.interval.as_millis().max(1)).unwrap_or(1).max(1);
        self.wait(&format!("{} serves the clients", seat.name), |stage| {
            stage.tally.steady(start, run) == Some(IpAddr::V4(seat.back))
        })
    }

    /// Waits for requests under way, and tells what clients saw from `start` until now.
    fn act(
        &mut self,
        title: &'static str,
        start: Instant,
        good: impl Fn(&super::prober::Sight) -> bool,
    ) -> Result<Act, Cut> {
        let stretch = start..now();
        self.tempo.pause(REQUEST_TIMEOUT)?;
        self.look()?;
        let sight = self.tally.sight(stretch);
        self.view.sight(&sight);
        Ok(Act { title, good: good(&sight), sight })
    }

    /// Looks at everything until something is true.
    fn wait(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> Result<(), Cut> {
        let deadline = now() + PATIENCE;
        loop {
            self.look()?;
            if done(self) {
                return Ok(());
            }
            if let Some(lost) = self.balancers.iter().find(|b| b.has_ended() && !b.was_stopped()) {
                return Err(Cut::Failed(format!("vipkeeper on {} has ended", lost.seat.name)));
            }
            if now() >= deadline {
                return Err(Cut::Failed(format!("after {} s still not true: {what}", PATIENCE.as_secs())));
            }
            self.tempo.pause(LOOK_EVERY)?;
        }
    }

    /// Asks both hosts, shows what is new, and collects the client's shots.
    fn look(&mut self) -> Result<(), Cut> {
        for balancer in &mut self.balancers {
            let instance = Instance::at(&balancer.runtime_dir);
            let status = self.tempo.run(async { instance.status().await.ok() })?;
            let seen = status.map(Snapshot::from);
            match (&balancer.seen, &seen) {
                (before, Some(now)) => self.view.changes(balancer.seat.name, before.as_ref(), now),
                (_, None) => {
                    if let Some(how) = balancer.has_just_ended() {
                        self.view.line(balancer.seat.name, &format!("vipkeeper has ended: {how}"), Tone::Idle);
                    }
                }
            }
            balancer.seen = seen;
        }
        if let Some(prober) = &mut self.prober {
            prober.collect(&mut self.tally);
        }
        Ok(())
    }

    fn seen(&self, n: usize) -> Option<&Snapshot> {
        self.balancers.get(n).and_then(|b| b.seen.as_ref())
    }

    fn balancer(&self, n: usize) -> Result<&Balancer, Cut> {
        self.balancers.get(n).ok_or_else(|| Cut::Failed("a host is missing".to_owned()))
    }

    /// The ends of the hosts' logs, for a failure report.
    pub(super) fn last_words(&self) -> String {
        let words = self.balancers.iter().map(|b| format!("--- {}\n{}\n", b.seat.name, b.last_words()));
        words.collect()
    }
}
