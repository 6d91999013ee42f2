//! The world: virtual clock, event queue, effects answered, invariants after every step.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vipkeeper::addrs::device::{ArpConf, Device};
use vipkeeper::addrs::routing::RoutingEntry;
use vipkeeper::config::{Checksum, Config};
use vipkeeper::journal::story::{Line, Stamp, What};
use vipkeeper::node::event::{Datagram, HookOutcome, Loaded, OpId, Received, Request, RequestId, Signal};
use vipkeeper::node::{Effect, Event, Node};
use vipkeeper::notices::Notice;
use vipkeeper::peer::Incarnation;
use vipkeeper::peer::message::BYTES_MAX;
use vipkeeper::proxy::attendance::Attend;
use vipkeeper::proxy::runtime::{HALF_PATCHED, Patch, Patched};
use vipkeeper::proxy::{ProxyOp, ProxyOutcome};
use vipkeeper::units::{AddressOptions, Digest, Family, IfName, LeaseSecs, Priority, Vrid};
use vipkeeper::vrrp::packet::{Claim, Outgoing, Seal, build};

use crate::host::{ARP_BEFORE, FIRST_DEVICE, Host, Leased, Looks, ProxyProcess};
use crate::journal::Witness;
use crate::net::Segment;
use crate::rng::Rng;
use crate::setup::{self, Cluster, HELLO_PORT, eth0, node_ip, node_name, vip_ip};

/// Removal of an address may take this long after the router has left Active (a lost answer and a retry included).
const RELEASE_BOUND: Duration = Duration::from_millis(1500);
/// Kernel timers run a little late.
const LEASE_SLACK: Duration = Duration::from_millis(100);

/// Addresses that are handed over stay beside the successor's for at most this long.
const LINGER_MAX: Duration = Duration::from_millis(100);

/// Effects of one event, beside eight for every address of a large set: more is a runaway.
const EFFECTS_MAX: usize = 200;
/// As the netlink worker.
const CHANGES_MAX: usize = 128;
/// As the driver.
const TICKS_PER_TURN: usize = 16;

#[derive(Debug)]
enum Item {
    /// To a vipkeeper of that incarnation.
    Deliver(u64, Event),
    Wake(u64),
    /// The kernel executes a netlink request.
    Install(u64, OpId, (u32, IpAddr), LeaseSecs, AddressOptions),
    Withdraw(u64, OpId, (u32, IpAddr)),
    /// The kernel executes several at once: whether each installs or withdraws.
    Changes(u64, Vec<Change>),
    LeaseEnds(IpAddr),
    Reset(u64, OpId, Vec<IpAddr>),
    AddRouting(u64, OpId, RoutingEntry),
    RemoveRouting(u64, OpId, RoutingEntry),
    RaiseDevice(u64, OpId, Device),
    RemoveDevice(u64, OpId, IfName),
    ConfigureArp(u64, OpId, u32, ArpConf),
    Filter(u64, OpId, Vec<IpAddr>),
    StallEnds,
    ProxyOp(u64, OpId, ProxyOp),
    Attend(u64, OpId, Attend),
    Probe(u64, OpId),
    MasterDies(u32, &'static str),
    Restart,
}

/// A netlink request of several that leave together; with a lease: an installation.
#[derive(Debug)]
struct Change {
    op: OpId,
    /// The link and the address.
    place: (u32, IpAddr),
    lease: Option<(LeaseSecs, AddressOptions)>,
    /// On the interface that there was when it was asked for.
    here: bool,
}

#[derive(Debug)]
struct Queued {
    at: Instant,
    seq: u64,
    host: usize,
    /// Boxed: the queue moves its entries about.
    item: Box<Item>,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.seq) == (other.at, other.seq)
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A cluster that has settled, its trace empty: VIP 0 on the first node.
pub fn settled(cluster: Cluster) -> World {
    let mut world = World::new(cluster, 1);
    world.run(secs(12)).unwrap();
    assert_eq!(world.holders(0), [0]);
    world.trace = Some(String::new());
    world.start = world.now;
    world
}

pub struct World {
    pub cluster: Cluster,
    pub rng: Rng,
    pub start: Instant,
    pub now: Instant,
    seq: u64,
    queue: BinaryHeap<Reverse<Queued>>,
    pub hosts: Vec<Host>,
    pub segment: Segment,
    /// Whom a client's ARP cache points to, per VIP.
    pub arp: Vec<Option<usize>>,
    /// Where switches look for a hardware address.
    pub switch: BTreeMap<[u8; 6], usize>,
    /// When which host sent a frame from which hardware address, while there is a trace.
    pub sent: Vec<(Instant, usize, [u8; 6])>,
    /// Frames of announcements that left a host, with their time.
    pub announced: Vec<(Instant, usize)>,
    /// No fault that can hide adverts or hold a process since then.
    pub calm_since: Instant,
    dual_since: Vec<Option<Instant>>,
    pub steps: u64,
    pub trace: Option<String>,
    /// Digest over everything that happened, for the determinism test.
    pub journal: u64,
    pub replies: Vec<(u64, Result<String, String>)>,
    /// Frames that announced an address: all, and the most in one turn of a node.
    pub announcements: usize,
    pub announcements_at_once: usize,
    /// Requests, with the host and its incarnation.
    pub asked: Vec<(u64, usize, u64)>,
    pub hooks_run: Vec<(usize, String)>,
    /// Transitions that notifiers were told of.
    pub reported: Vec<(usize, Notice)>,
    /// What the service manager of a host was told last: it is ready, and a line of state.
    pub notified: BTreeMap<usize, (bool, String)>,
    /// Hellos with sender and receiver, if they are recorded.
    pub tape: Option<Vec<(usize, usize, Vec<u8>)>>,
    /// What the file of that version says, other than version 1 of the cluster.
    pub edit: fn(u64, &mut Config),
    /// Keeps a journal of the first host, as `run --journal` would.
    pub witness: Option<Witness>,
    /// Configurations from somewhere else than [`setup::loaded`].
    pub source: Option<fn(&Cluster, u64) -> Loaded>,
    /// Addresses of a VIP that has many.
    pub crowd: usize,
    /// Looks at nodes when nothing happens; draws numbers of its own, so that the story stays what it is.
    pub unasked: Option<Rng>,
    /// Nodes wake at the very instant of their deadline.
    pub punctual: bool,
    /// How often the sockets for hellos were opened anew.
    pub hellos_opened: usize,
}

impl World {
    pub fn new(cluster: Cluster, seed: u64) -> Self {
        let mut world = Self::dark(cluster, seed);
        world.boot_all();
        world
    }

    /// Nothing runs yet.
    pub fn dark(cluster: Cluster, seed: u64) -> Self {
        #[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
        let start = Instant::now();
        let hosts = (0..cluster.nodes).map(|i| Host::new(i, start)).collect();
        let vips = cluster.vips;
        Self {
            cluster,
            rng: Rng::new(seed),
            start,
            now: start,
            seq: 0,
            queue: BinaryHeap::new(),
            hosts,
            segment: Segment::default(),
            arp: vec![None; vips],
            switch: BTreeMap::new(),
            sent: Vec::new(),
            announced: Vec::new(),
            calm_since: start,
            dual_since: vec![None; vips],
            steps: 0,
            trace: None,
            journal: 0,
            replies: Vec::new(),
            announcements: 0,
            announcements_at_once: 0,
            asked: Vec::new(),
            hooks_run: Vec::new(),
            reported: Vec::new(),
            notified: BTreeMap::new(),
            tape: None,
            edit: |_, _| {},
            witness: None,
            source: None,
            crowd: 0,
            unasked: None,
            punctual: false,
            hellos_opened: 0,
        }
    }

    pub fn boot_all(&mut self) {
        for host in 0..self.hosts.len() {
            self.boot(host);
        }
    }

    pub fn tell(&mut self, text: impl AsRef<str>) {
        let text = text.as_ref();
        for byte in text.bytes() {
            self.journal = (self.journal ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(trace) = &mut self.trace {
            writeln!(trace, "{}{text}", Stamp(self.now - self.start)).unwrap();
        }
    }

    /// What a node's own journal would tell too, in its words.
    fn tell_of(&mut self, host: usize, what: What<'_>) {
        let name = format!("lb{}", host + 1);
        self.tell(Line { node: &name, what }.to_string());
    }

    fn loaded(&self, host: usize) -> Loaded {
        let version = self.hosts[host].config_version;
        if let Some(source) = self.source {
            return source(&self.cluster, version);
        }
        let mut loaded = setup::loaded(&self.cluster, host, version);
        let mut config = (*loaded.config).clone();
        (self.edit)(version, &mut config);
        loaded.config = Arc::new(config);
        loaded
    }

    /// Starts a vipkeeper.
    pub fn boot(&mut self, host: usize) {
        if self.hosts[host].node.is_some() {
            return;
        }
        self.tell_of(host, What::Starts);
        let loaded = self.loaded(host);
        let incarnation = Incarnation((self.hosts[host].incarnation << 8) + host as u64 + 1);
        if host == 0
            && let Some(witness) = &mut self.witness
        {
            witness.begin((node_name(host), incarnation), loaded.clone(), self.now);
        }
        let (mut node, mut effects) = Node::new(loaded, node_name(host), incarnation, self.now);
        let unix = Duration::from_secs(1_800_000_000) + (self.now - self.start);
        let clock = Event::WallClockRead { at: self.now, unix };
        if host == 0
            && let Some(witness) = &mut self.witness
        {
            witness.told(self.now, &clock);
        }
        effects.extend(node.handle(self.now, clock));
        if let Some(text) = self.hosts[host].kept.clone() {
            let kept = Event::IntentsRead { text };
            if host == 0
                && let Some(witness) = &mut self.witness
            {
                witness.told(self.now, &kept);
            }
            effects.extend(node.handle(self.now, kept));
        }
        self.witness_effects(host, &effects);
        let h = &mut self.hosts[host];
        h.incarnation += 1;
        h.node = Some(Box::new(node));
        h.exit_code = None;
        h.proxy_op = None;
        h.stalled_until = None;
        h.loses_frames = false;
        h.backlog.clear();
        h.idle_since = (0..self.cluster.vips).map(|v| (v, self.now)).collect();
        self.execute(host, effects);
        self.after_turn(host);
    }

    /// `kill -9`: addresses, proxy and hooks stay.
    pub fn kill(&mut self, host: usize) {
        self.tell(format!("lb{} vipkeeper is killed", host + 1));
        self.hosts[host].node = None;
        self.hosts[host].incarnation += 1;
        self.disturb();
    }

    pub fn disturb(&mut self) {
        self.calm_since = self.now;
    }

    pub fn restart_in(&mut self, host: usize, delay: Duration) {
        self.push(delay, host, Item::Restart);
    }

    pub fn stall(&mut self, host: usize, duration: Duration) {
        self.tell(format!("lb{} hangs for {} ms", host + 1, duration.as_millis()));
        let until = self.now + duration;
        let h = &mut self.hosts[host];
        h.stalled_until = Some(h.stalled_until.map_or(until, |u| u.max(until)));
        let delay = h.stalled_until.unwrap() - self.now;
        self.push(delay, host, Item::StallEnds);
        self.disturb();
    }

    /// The whole machine stands still: what is sent to it meanwhile is lost.
    pub fn pause(&mut self, host: usize, duration: Duration) {
        self.hosts[host].loses_frames = true;
        self.stall(host, duration);
    }

    pub fn kill_proxy(&mut self, host: usize) {
        if let Some(proxy) = self.hosts[host].proxy.take() {
            self.tell(format!("lb{} proxy dies", host + 1));
            self.master_ended(host, proxy.master, proxy.worker, "signal 9");
        }
    }

    /// Somebody tells the proxy's master to reload: another worker of the same file takes over.
    pub fn operator_reloads(&mut self, host: usize) {
        let worker = self.hosts[host].pid();
        let installed = self.hosts[host].disk.0;
        let Some(proxy) = &mut self.hosts[host].proxy else { return };
        let old = std::mem::replace(&mut proxy.worker, worker);
        proxy.generation = installed.unwrap_or(proxy.generation);
        proxy.runs = proxy.generation;
        self.tell(format!("lb{} somebody reloads the proxy", host + 1));
        if self.hosts[host].watched_worker == Some(old) {
            self.deliver(host, Duration::from_millis(50), Event::WorkerExited { pid: old });
        }
    }

    pub fn set_link(&mut self, host: usize, up: bool) {
        if self.hosts[host].link_up != up {
            self.tell(format!("lb{} link {}", host + 1, if up { "up" } else { "down" }));
            self.hosts[host].link_up = up;
            self.deliver(host, Duration::from_micros(100), Event::NetworkChanged);
            self.disturb();
        }
    }

    /// The interface is removed, and with an index made anew; its addresses go with it.
    pub fn set_interface(&mut self, host: usize, index: Option<u32>) {
        if self.hosts[host].link_index != index {
            self.tell(format!("lb{} interface is {index:?}", host + 1));
            self.hosts[host].link_index = index;
            self.hosts[host].table.clear();
            self.hosts[host].routing.clear();
            self.hosts[host].devices.clear();
            self.hosts[host].arp = ARP_BEFORE;
            self.deliver(host, Duration::from_micros(100), Event::NetworkChanged);
            self.disturb();
        }
    }

    pub fn delete_address(&mut self, host: usize, vip: usize) {
        if self.hosts[host].lose(IpAddr::V4(vip_ip(vip))) {
            self.tell(format!("lb{} somebody deletes vip{vip}", host + 1));
            self.deliver(host, Duration::from_micros(50), Event::NetworkChanged);
        }
    }

    pub fn signal(&mut self, host: usize, signal: Signal) {
        self.tell_of(host, What::Gets(signal));
        self.deliver(host, Duration::from_micros(20), Event::Signalled(signal));
    }

    pub fn request(&mut self, host: usize, id: u64, request: Request) {
        self.asked.push((id, host, self.hosts[host].incarnation));
        self.deliver(host, Duration::ZERO, Event::Requested { id: RequestId(id), request });
    }

    /// A frame from nowhere.
    pub fn inject(&mut self, host: usize, bytes: Vec<u8>) {
        let at = self.now;
        let received = Received { interface: eth0(), truncated: bytes.len() > 2048, datagram: Datagram::V4(bytes), at };
        self.deliver(host, Duration::ZERO, Event::PacketReceived(received));
    }

    /// An advert of that priority from an address that is no node's.
    pub fn rival(&mut self, host: usize, vip: usize, priority: u8) {
        self.advert_from([10, 0, 0, 250].into(), host, vip, priority);
    }

    /// Priority 0 is a resignation.
    pub fn advert_from(&mut self, source: std::net::Ipv4Addr, host: usize, vip: usize, priority: u8) {
        let claim = Priority::new(i64::from(priority)).map_or(Claim::Resign, Claim::Of);
        let bytes = build(&Outgoing {
            source: source.into(),
            destination: [224, 0, 0, 18].into(),
            version: vipkeeper::config::Version::V3,
            vrid: Vrid::new(51 + vip as i64).unwrap(),
            claim,
            interval: self.cluster.interval,
            checksum: Checksum::PseudoHeader,
            addresses: &[vip_ip(vip).into()],
            seal: Seal::None,
        });
        self.inject(host, bytes);
    }

    /// The file on a host's disk changes.
    pub fn write_config(&mut self, host: usize, version: u64, broken: bool) {
        self.tell(format!("lb{} configuration {version} is written", host + 1));
        self.hosts[host].config_version = version;
        self.hosts[host].config_broken = broken;
        self.deliver(host, Duration::from_millis(1), Event::ConfigTouched);
    }

    pub fn deliver(&mut self, host: usize, delay: Duration, event: Event) {
        let incarnation = self.hosts[host].incarnation;
        self.push(delay, host, Item::Deliver(incarnation, event));
    }

    fn push(&mut self, delay: Duration, host: usize, item: Item) {
        self.seq += 1;
        self.queue.push(Reverse(Queued { at: self.now + delay, seq: self.seq, host, item: Box::new(item) }));
    }

    /// Runs until `until` from now; checks after every step.
    pub fn run(&mut self, duration: Duration) -> Result<(), String> {
        let end = self.now + duration;
        while let Some(at) = self.queue.peek().map(|Reverse(next)| next.at).filter(|at| *at <= end) {
            self.look_unasked(at)?;
            let Reverse(next) = self.queue.pop().unwrap();
            self.now = next.at;
            self.steps += 1;
            self.step(next.host, *next.item)?;
            self.check(next.host)?;
        }
        self.now = end;
        Ok(())
    }

    /// At some instant before the next event, and right after the last one, a node is made to look at everything: what
    /// is due before its next deadline, it has done already.
    fn look_unasked(&mut self, next: Instant) -> Result<(), String> {
        let Some(rng) = &mut self.unasked else { return Ok(()) };
        let host = rng.index(self.hosts.len());
        let later = Duration::from_nanos(rng.below((next - self.now).as_nanos() as u64));
        for at in [self.now, self.now + later] {
            let stalled = self.hosts[host].is_stalled(at);
            let Some(node) = self.hosts[host].node.as_mut().filter(|_| !stalled) else { return Ok(()) };
            let deadline = node.deadline();
            if deadline.is_some_and(|deadline| deadline.at <= at) {
                return Ok(());
            }
            // Of an operation that nobody began: all VIPs are looked at, and nothing happened.
            let event = Event::HookFinished { op: OpId(u64::MAX), outcome: HookOutcome::Succeeded };
            let mut effects = node.handle(at, event);
            effects.retain(|effect| !may_wait(effect));
            if !effects.is_empty() {
                return Err(format!("lb{} had this to do before {deadline:?}: {effects:?}", host + 1));
            }
            if node.deadline() != deadline && !self.cluster.keyed.contains(&true) {
                return Err(format!("lb{} waited for {deadline:?} and now for {:?}", host + 1, node.deadline()));
            }
        }
        Ok(())
    }

    fn step(&mut self, host: usize, item: Item) -> Result<(), String> {
        let current = self.hosts[host].incarnation;
        match item {
            Item::Deliver(incarnation, event) if incarnation == current => self.arrive(host, event)?,
            Item::Wake(incarnation) if incarnation == current => {
                let due = self.hosts[host].wake_at.is_some_and(|at| at <= self.now);
                if due && !self.hosts[host].is_stalled(self.now) {
                    self.turn(host, [])?;
                }
            }
            Item::Deliver(..) | Item::Wake(_) => {}
            Item::Install(incarnation, op, place, lease, options) => {
                let result = self.installed(host, place, lease, options);
                self.answer(host, incarnation, Event::AddressInstalled { op, result });
            }
            Item::Withdraw(incarnation, op, place) => {
                let result = self.withdrawn(host, place);
                self.answer(host, incarnation, Event::AddressWithdrawn { op, result });
            }
            Item::Changes(incarnation, changes) => {
                let carried_out = changes.into_iter().map(|Change { op, place, lease, here }| {
                    let result = match lease {
                        Some((lease, options)) if here => self.installed(host, place, lease, options),
                        Some(_) => Err("no such device".to_owned()),
                        None if here => self.withdrawn(host, place),
                        None => Ok(()),
                    };
                    (op, result)
                });
                let answers = carried_out.collect();
                self.answer(host, incarnation, Event::AddressesAnswered(answers));
            }
            Item::Reset(incarnation, op, _) if self.hosts[host].refuse_resets => {
                let result = Err("operation not supported".to_owned());
                self.answer(host, incarnation, Event::ConnectionsReset { op, result });
            }
            Item::Reset(incarnation, op, addresses) => {
                let h = &mut self.hosts[host];
                // The kernel cannot send a reset from an address that it no longer has.
                let here: Vec<IpAddr> = addresses.into_iter().filter(|ip| h.table.contains_key(ip)).collect();
                let count = here.iter().filter_map(|ip| h.clients.remove(ip)).sum();
                self.answer(host, incarnation, Event::ConnectionsReset { op, result: Ok(count) });
            }
            Item::AddRouting(incarnation, op, entry) => {
                let whole = self.hosts[host].table.contains_key(&IpAddr::V4(setup::route_source(&entry)))
                    && !self.hosts[host].refuse_routing;
                let result = if whole { Ok(()) } else { Err("invalid argument".to_owned()) };
                if whole && !self.hosts[host].routing.contains(&entry) {
                    self.tell(format!("lb{} + {entry}", host + 1));
                    self.hosts[host].routing.push(entry);
                }
                self.answer(host, incarnation, Event::RoutingChanged { op, result });
            }
            Item::RemoveRouting(incarnation, op, entry) => {
                if let Some(at) = self.hosts[host].routing.iter().position(|shown| entry.is_same(shown)) {
                    self.tell(format!("lb{} - {entry}", host + 1));
                    self.hosts[host].routing.remove(at);
                }
                self.answer(host, incarnation, Event::RoutingChanged { op, result: Ok(()) });
            }
            Item::RaiseDevice(incarnation, op, device) => {
                let result = if self.hosts[host].refuse_addresses {
                    Err("no buffer space".to_owned())
                } else {
                    let before = self.hosts[host].devices.len();
                    let raised = self.hosts[host].raise(&device);
                    if self.hosts[host].devices.len() != before {
                        self.tell(format!("lb{} + {}", host + 1, device.name));
                        self.deliver(host, Duration::from_micros(50), Event::NetworkChanged);
                    }
                    raised
                };
                self.answer(host, incarnation, Event::DeviceRaised { op, result });
            }
            Item::RemoveDevice(incarnation, op, name) => {
                self.remove_device(host, &name);
                self.answer(host, incarnation, Event::DeviceRemoved { op, result: Ok(()) });
            }
            Item::ConfigureArp(incarnation, op, ..) if self.hosts[host].refuse_arp => {
                let result = Err("read-only file system".to_owned());
                self.answer(host, incarnation, Event::ArpConfigured { op, result });
            }
            Item::ConfigureArp(incarnation, op, index, conf) => {
                if self.hosts[host].link_index == Some(index) {
                    self.tell(format!("lb{} answers ARP like {}, {}", host + 1, conf.ignore, conf.announce));
                    self.hosts[host].arp = conf;
                }
                self.answer(host, incarnation, Event::ArpConfigured { op, result: Ok(()) });
            }
            Item::Filter(incarnation, op, addresses) => {
                let h = &mut self.hosts[host];
                let result = if h.refuse_filters { Err("no nft here".to_owned()) } else { Ok(()) };
                if result.is_ok() {
                    h.filtered = addresses;
                }
                self.push(ms(1), host, Item::Deliver(incarnation, Event::Filtered { op, result }));
            }
            Item::LeaseEnds(ip) => {
                let ended = self.hosts[host].table.get(&ip).is_some_and(|l| l.until + LEASE_SLACK <= self.now);
                if ended {
                    self.tell(format!("lb{} lease of {ip} ends", host + 1));
                    self.hosts[host].lose(ip);
                    self.deliver(host, Duration::from_micros(50), Event::NetworkChanged);
                }
            }
            Item::StallEnds => self.wake_up(host)?,
            Item::ProxyOp(incarnation, op, what) => self.proxy_op(host, incarnation, op, &what)?,
            Item::Attend(incarnation, op, what) => {
                let outcome = self.hosts[host].attend(&what)?;
                // Without a draw of its own, so that stories in which nothing of this matters stay as they are.
                let told = Event::Attended { op, outcome };
                self.push(Duration::from_micros(40), host, Item::Deliver(incarnation, told));
            }
            // It answers once it has a processor.
            Item::Probe(incarnation, op) if self.hosts[host].starving && self.hosts[host].is_serving() => {
                if incarnation == current {
                    self.push(ms(20), host, Item::Probe(incarnation, op));
                }
            }
            Item::Probe(incarnation, op) => {
                if let Some(result) = self.hosts[host].probe() {
                    self.answer(host, incarnation, Event::Probed { op, result });
                }
            }
            Item::MasterDies(pid, status) => {
                if let Some(proxy) = self.hosts[host].proxy.take_if(|p| p.master == pid) {
                    self.master_ended(host, proxy.master, proxy.worker, status);
                }
            }
            Item::Restart => self.boot(host),
        }
        Ok(())
    }

    /// A device goes with what is on it; that of somebody else stays.
    pub fn remove_device(&mut self, host: usize, name: &IfName) {
        if self.hosts[host].devices.get(name).is_none_or(|device| !device.is_ours()) {
            return;
        }
        for ip in self.hosts[host].remove_device(name) {
            self.tell_of(host, What::Loses(ip));
        }
        self.tell(format!("lb{} - {name}", host + 1));
        self.deliver(host, Duration::from_micros(50), Event::NetworkChanged);
    }

    fn answer(&mut self, host: usize, incarnation: u64, event: Event) {
        let delay = Duration::from_micros(self.rng.between(10, 60));
        self.push(delay, host, Item::Deliver(incarnation, event));
    }

    fn arrive(&mut self, host: usize, event: Event) -> Result<(), String> {
        if self.hosts[host].node.is_none() {
            return Ok(());
        }
        if self.hosts[host].is_stalled(self.now) {
            let frame =
                matches!(event, Event::PacketReceived(_) | Event::HelloReceived { .. } | Event::FrameReceived { .. });
            let room = self.hosts[host].backlog.len() < 4096;
            if room && !(frame && self.hosts[host].loses_frames) {
                self.hosts[host].backlog.push(event);
            }
            return Ok(());
        }
        self.turn(host, [event])
    }

    /// After a hang: queued packets first, then events, then deadlines, as the driver does.
    fn wake_up(&mut self, host: usize) -> Result<(), String> {
        if self.hosts[host].is_stalled(self.now) || self.hosts[host].node.is_none() {
            return Ok(());
        }
        self.hosts[host].stalled_until = None;
        self.hosts[host].loses_frames = false;
        self.disturb();
        let backlog = std::mem::take(&mut self.hosts[host].backlog);
        let (packets, others): (Vec<_>, Vec<_>) =
            backlog.into_iter().partition(|e| matches!(e, Event::PacketReceived(_) | Event::HelloReceived { .. }));
        self.turn(host, packets.into_iter().chain(others))
    }

    /// Events in their order, then deadlines, then effects: as the driver does.
    fn turn(&mut self, host: usize, events: impl IntoIterator<Item = Event>) -> Result<(), String> {
        let Some(mut node) = self.hosts[host].node.take() else { return Ok(()) };
        let now = self.now;
        let mut effects = Vec::new();
        let mut witness = self.witness.as_mut().filter(|_| host == 0);
        let crowd = self.hosts[host].table.len().max(self.crowd);
        let mut handle = |node: &mut Node, event: Event| {
            if let Some(witness) = &mut witness {
                witness.told(now, &event);
            }
            let more = node.handle(now, event);
            if let Some(witness) = &mut witness {
                witness.effects.extend(more.iter().cloned());
            }
            if more.len() > EFFECTS_MAX + 8 * crowd {
                return Err(format!("lb{}: {} effects of one event", host + 1, more.len()));
            }
            effects.extend(more);
            Ok(())
        };
        let mut aside = true;
        for event in events {
            aside &= matches!(event, Event::Attended { .. });
            handle(&mut node, event)?;
        }
        for _ in 0..TICKS_PER_TURN {
            if node.deadline().is_none_or(|deadline| deadline.at > now) {
                break;
            }
            handle(&mut node, Event::Tick)?;
        }
        let checked = node.check_invariants(now).map_err(|e| format!("lb{}: {e}", host + 1));
        self.hosts[host].node = Some(node);
        checked?;
        let aside = aside && effects.is_empty() && self.hosts[host].wake_at == self.deadline(host);
        self.execute(host, effects);
        // What changes nothing draws no number either: stories of other things stay as they are.
        if !aside {
            self.after_turn(host);
        }
        Ok(())
    }

    fn deadline(&self, host: usize) -> Option<Instant> {
        self.hosts[host].node.as_ref().and_then(|node| node.deadline()).map(|deadline| deadline.at)
    }

    fn after_turn(&mut self, host: usize) {
        let now = self.now;
        let vips = self.cluster.vips;
        let Some(node) = &self.hosts[host].node else { return };
        let wake_at = node.deadline().map(|deadline| deadline.at);
        let active: Vec<usize> = node.active().map(|vrid| usize::from(vrid.get())).collect();
        let in_force = Some(node.in_force());
        if self.hosts[host].in_force != in_force {
            self.hosts[host].in_force = in_force;
            self.disturb();
        }
        for v in 0..vips {
            if active.contains(&(51 + v)) {
                self.hosts[host].idle_since.remove(&v);
            } else {
                self.hosts[host].idle_since.entry(v).or_insert(now);
            }
        }
        self.hosts[host].wake_at = wake_at;
        if let Some(at) = wake_at {
            let late = self.rng.between(20, 200);
            let late = Duration::from_micros(if self.punctual { 0 } else { late });
            let incarnation = self.hosts[host].incarnation;
            self.push(at.saturating_duration_since(now) + late, host, Item::Wake(incarnation));
        }
    }

    fn witness_effects(&mut self, host: usize, effects: &[Effect]) {
        if let Some(witness) = self.witness.as_mut().filter(|_| host == 0) {
            witness.effects.extend(effects.iter().cloned());
        }
    }

    fn execute(&mut self, host: usize, effects: Vec<Effect>) {
        let incarnation = self.hosts[host].incarnation;
        let mut changes = Vec::new();
        let announcements = effects.iter().filter(|e| matches!(e, Effect::Announce { .. })).count();
        self.announcements += announcements;
        self.announcements_at_once = self.announcements_at_once.max(announcements);
        for effect in effects {
            if let Some(what) = What::of(&effect) {
                self.tell_of(host, what);
            }
            if !matches!(effect, Effect::Install { .. } | Effect::Withdraw { .. }) {
                self.send_changes(host, &mut changes);
            }
            match effect {
                Effect::Transmit { source, to, bytes, .. } => self.transmit(host, source, to, &bytes),
                Effect::Announce { frame, .. } => self.announce(host, &frame),
                Effect::OpenHello { .. } => {
                    self.hellos_opened += 1;
                    self.answer(host, incarnation, Event::HelloOpened { result: Ok(()) });
                }
                Effect::SendHello { to, bytes } => self.send_hello(host, to, &bytes),
                Effect::OpenInterface { interface, .. } => {
                    self.answer(host, incarnation, Event::InterfaceOpened { interface, result: Ok(()) });
                }
                Effect::CloseInterface { .. } | Effect::KeepConfig | Effect::Serve { .. } | Effect::Log(_) => {}
                Effect::Report { notice, to } => {
                    assert!(to.iter().all(|notifier| notice.is_for(notifier)) && !to.is_empty());
                    self.reported.push((host, notice));
                }
                Effect::KeepIntents { text } => self.hosts[host].kept = Some(text),
                Effect::Notify { ready, status } => {
                    let said = self.notified.entry(host).or_default();
                    *said = (said.0 || ready, status);
                }
                Effect::WatchAddresses { addresses, .. } => self.hosts[host].watched = addresses,
                Effect::ObserveNetwork => {
                    let network = self.hosts[host].network(self.now);
                    let delay = Duration::from_micros(self.rng.between(50, 400)) + self.hosts[host].slow_dumps;
                    self.push(delay, host, Item::Deliver(incarnation, Event::NetworkObserved(network)));
                }
                Effect::Install { op, index, address, options, lease } => {
                    let here = self.hosts[host].has_link(index);
                    changes.push(Change { op, place: (index, address.ip()), lease: Some((lease, options)), here });
                }
                Effect::Withdraw { op, index, address } => {
                    let here = self.hosts[host].has_link(index);
                    changes.push(Change { op, place: (index, address.ip()), lease: None, here });
                }
                Effect::RaiseDevice { op, device } => {
                    let delay = self.netlink_delay(host);
                    self.push(delay, host, Item::RaiseDevice(incarnation, op, device));
                }
                Effect::RemoveDevice { op, name } => {
                    let delay = self.netlink_delay(host);
                    self.push(delay, host, Item::RemoveDevice(incarnation, op, name));
                }
                Effect::ConfigureArp { op, index, conf } => {
                    let delay = self.netlink_delay(host);
                    self.push(delay, host, Item::ConfigureArp(incarnation, op, index, conf));
                }
                Effect::ResetConnections { op, addresses } => {
                    let delay = self.netlink_delay(host);
                    self.push(delay, host, Item::Reset(incarnation, op, addresses));
                }
                Effect::ObserveRouting => {
                    // Most predecessors left nothing, and the node waits for no answer.
                    let shown = self.hosts[host].routing.clone();
                    if !shown.is_empty() {
                        let delay = self.netlink_delay(host);
                        self.push(delay, host, Item::Deliver(incarnation, Event::RoutingObserved(Ok(shown))));
                    }
                }
                Effect::AddRouting { op, entry } => {
                    let delay = self.netlink_delay(host);
                    self.push(delay, host, Item::AddRouting(incarnation, op, entry));
                }
                Effect::RemoveRouting { op, entry } => {
                    let delay = self.netlink_delay(host);
                    self.push(delay, host, Item::RemoveRouting(incarnation, op, entry));
                }
                Effect::Filter { op, addresses } => self.push(ms(10), host, Item::Filter(incarnation, op, addresses)),
                Effect::Proxy { op, what } => {
                    assert!(self.hosts[host].proxy_op.is_none(), "two operations on one proxy: {what:?}");
                    self.hosts[host].proxy_op = Some(op);
                    let ms = match what {
                        ProxyOp::Check(_) => self.rng.between(5, 60),
                        ProxyOp::Start | ProxyOp::Reload(_) => self.rng.between(1, 5),
                        ProxyOp::SaveState => 1,
                        _ => self.rng.between(0, 2),
                    };
                    let slow = matches!(what, ProxyOp::Check(_)).then_some(self.hosts[host].slow_checks);
                    let delay = Duration::from_millis(ms) + slow.unwrap_or_default();
                    self.push(delay, host, Item::ProxyOp(incarnation, op, what));
                }
                Effect::Attend { op, what } => {
                    self.push(ms(2), host, Item::Attend(incarnation, op, what));
                }
                Effect::WatchWorker { pid } => {
                    self.hosts[host].watched_worker = Some(pid);
                    let alive = self.hosts[host].proxy.as_ref().is_some_and(|p| p.worker == pid);
                    if !alive {
                        self.deliver(host, Duration::from_micros(30), Event::WorkerExited { pid });
                    }
                }
                Effect::Probe { op, timeout, .. } => {
                    let (frozen, starving) = (!self.hosts[host].is_serving(), self.hosts[host].starving);
                    if frozen || starving {
                        let late = Event::ProbeLate { op, runnable: starving };
                        self.push(timeout * 2 / 3, host, Item::Deliver(incarnation, late));
                        // The shell looks again for as long as the worker gets no processor.
                        let looks = if self.hosts[host].hungry { 12 } else { 0 };
                        for look in 1..=looks {
                            let late = Event::ProbeLate { op, runnable: true };
                            let after = timeout * 2 / 3 + ms(400) * look;
                            self.push(after, host, Item::Deliver(incarnation, late));
                        }
                    }
                    let delay = Duration::from_micros(self.rng.between(200, 3_000));
                    self.push(delay, host, Item::Probe(incarnation, op));
                }
                Effect::Look { op, timeout, .. } => self.look(host, op, timeout),
                Effect::RunHook { op, run } => {
                    self.hooks_run.push((host, run.argv.join(" ")));
                    let (delay, outcome) = if self.hosts[host].hooks_hang {
                        (run.timeout, HookOutcome::TimedOut)
                    } else if self.hosts[host].hooks_fail {
                        (Duration::from_millis(self.rng.between(1, 30)), HookOutcome::Failed("exit status 1".into()))
                    } else {
                        (Duration::from_millis(self.rng.between(1, 30)), HookOutcome::Succeeded)
                    };
                    self.push(delay, host, Item::Deliver(incarnation, Event::HookFinished { op, outcome }));
                }
                Effect::LoadConfig { op } => {
                    let result = if self.hosts[host].config_broken {
                        Err("line 1: broken".to_owned())
                    } else {
                        Ok(self.loaded(host))
                    };
                    self.push(
                        Duration::from_millis(3),
                        host,
                        Item::Deliver(incarnation, Event::ConfigLoaded { op, result }),
                    );
                }
                Effect::Reply { request, result } => {
                    assert!(self.replies.iter().all(|(id, _)| *id != request.0), "request {} twice", request.0);
                    self.replies.push((request.0, result));
                }
                Effect::Exit { code } => {
                    self.hosts[host].exit_code = Some(code);
                    self.hosts[host].node = None;
                    self.hosts[host].incarnation += 1;
                }
            }
        }
        self.send_changes(host, &mut changes);
    }

    fn look(&mut self, host: usize, op: OpId, timeout: Duration) {
        let soon = Duration::from_micros(self.rng.between(300, 20_000));
        let (delay, result) = match &self.hosts[host].looks {
            Looks::Good => (soon, Ok(0)),
            Looks::Number(number) => (soon, Ok(*number)),
            Looks::Fail => (soon, Err("no route to host".to_owned())),
            // Too late to count for anything.
            Looks::Hang if self.rng.chance(333) => (timeout * 3, Ok(0)),
            Looks::Hang => return,
        };
        self.deliver(host, delay, Event::Looked { op, result });
    }

    /// From now on the looks of trackers on a host end like this.
    pub fn set_looks(&mut self, host: usize, looks: Looks) {
        if self.hosts[host].looks != looks {
            self.tell(format!("lb{} looks: {looks:?}", host + 1));
            self.hosts[host].looks = looks;
        }
    }

    fn netlink_delay(&mut self, host: usize) -> Duration {
        let took = Duration::from_micros(self.rng.between(50, 800));
        let free = self.hosts[host].netlink_free_at.max(self.now) + took;
        self.hosts[host].netlink_free_at = free;
        free - self.now
    }

    fn transmit(&mut self, from: usize, source: IpAddr, to: IpAddr, datagram: &[u8]) {
        if !self.hosts[from].is_connected() {
            self.deliver(
                from,
                Duration::ZERO,
                Event::TransmitFailed { interface: eth0(), error: "network is down".into() },
            );
            return;
        }
        for host in 0..self.hosts.len() {
            let wanted = host != from
                && self.hosts[host].is_connected()
                && (to.is_multicast() || IpAddr::V4(node_ip(host)) == to);
            if !wanted {
                continue;
            }
            let lost = self.segment.advert_loss_permille;
            if lost > 0 && self.rng.chance(lost) {
                continue;
            }
            for (us, bytes) in self.segment.carry(&mut self.rng, from, host, datagram) {
                let delay = Duration::from_micros(us);
                let datagram = match (source, to) {
                    (IpAddr::V6(source), IpAddr::V6(destination)) => {
                        Datagram::V6 { source, destination, hop_limit: 255, message: bytes }
                    }
                    _ => Datagram::V4(bytes),
                };
                let received = Received { interface: eth0(), truncated: false, datagram, at: self.now + delay };
                self.deliver(host, delay, Event::PacketReceived(received));
            }
        }
    }

    fn send_hello(&mut self, from: usize, to: SocketAddr, bytes: &[u8]) {
        assert!(bytes.len() <= BYTES_MAX, "lb{} sends a hello of {} bytes", from + 1, bytes.len());
        let Some(host) = (0..self.hosts.len()).find(|host| IpAddr::V4(node_ip(*host)) == to.ip()) else { return };
        if !self.hosts[from].is_connected() || !self.hosts[host].is_connected() {
            return;
        }
        if let Some(tape) = &mut self.tape {
            tape.push((from, host, bytes.to_vec()));
        }
        if self.rng.chance(self.segment.hello_loss_permille) {
            return;
        }
        for (us, bytes) in self.segment.carry(&mut self.rng, from, host, bytes) {
            self.hello_from(from, host, Duration::from_micros(us), bytes);
        }
    }

    /// A hello that seems to come from a host.
    pub fn hello_from(&mut self, from: usize, to: usize, delay: Duration, bytes: Vec<u8>) {
        let from = SocketAddr::new(IpAddr::V4(node_ip(from)), HELLO_PORT);
        self.deliver(to, delay, Event::HelloReceived { from, bytes, at: self.now + delay });
    }

    /// Clients hear announcements from every host whose link is up, switches learn where their senders are.
    fn announce(&mut self, host: usize, frame: &[u8]) {
        if self.hosts[host].is_connected() {
            let sender = frame[6..12].try_into().unwrap();
            self.switch.insert(sender, host);
            if self.trace.is_some() {
                self.sent.push((self.now, host, sender));
            }
        }
        if frame[12..14] == [0x08, 0x00] {
            // An advert: from its source to its destination.
            let address = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&frame[at..at + 4]).unwrap());
            return self.transmit(host, address(26), address(30), &frame[14..]);
        }
        if !self.hosts[host].is_connected() {
            return;
        }
        for v in 0..self.cluster.vips {
            if frame[28..32] == vip_ip(v).octets() {
                // Whose hardware address the frame names, whoever sent it.
                let place = self.hosts.iter().position(|h| h.mac == frame[27]).unwrap_or(host);
                self.arp[v] = Some(place);
                self.announced.push((self.now, host));
            }
        }
        for other in (0..self.hosts.len()).filter(|other| *other != host) {
            let ip = IpAddr::from([frame[28], frame[29], frame[30], frame[31]]);
            let reached = self.hosts[other].is_connected() && !self.segment.cut.contains(&(host, other));
            // Elsewhere a node has nothing to say to it.
            if reached && self.hosts[other].watched.contains(&ip) && self.hosts[other].table.contains_key(&ip) {
                let (delay, interface, frame) = (Duration::from_micros(60), eth0(), frame.to_vec());
                self.deliver(other, delay, Event::FrameReceived { interface, frame, at: self.now + delay });
            }
        }
    }

    /// A client whose cache has no entry asks: every host that has the address answers, the last answer counts.
    pub fn client_asks(&mut self, vip: usize) {
        if let Some(last) = self.holders(vip).into_iter().rfind(|h| self.hosts[*h].is_connected()) {
            self.arp[vip] = Some(last);
        }
    }

    fn withdrawn(&mut self, host: usize, (index, ip): (u32, IpAddr)) -> Result<(), String> {
        if self.hosts[host].refuse_addresses {
            return Err("no buffer space".to_owned());
        }
        // One that is on another link by now is another one.
        if index > FIRST_DEVICE && self.hosts[host].table.get(&ip).is_some_and(|leased| leased.index != index) {
            return Ok(());
        }
        if self.hosts[host].lose(ip) {
            self.tell_of(host, What::Loses(ip));
        }
        Ok(())
    }

    fn installed(
        &mut self,
        host: usize,
        (index, ip): (u32, IpAddr),
        lease: LeaseSecs,
        options: AddressOptions,
    ) -> Result<(), String> {
        self.hosts[host].installs += 1;
        if self.hosts[host].refuse_addresses {
            return Err("no buffer space".to_owned());
        }
        if index > FIRST_DEVICE && !self.hosts[host].has_link(index) {
            return Err("no such device".to_owned());
        }
        let until = self.now + Duration::from_secs(u64::from(lease.get()));
        // Of an address that is there already the kernel changes the lease alone.
        let before = self.hosts[host].table.get(&ip).map(|l| (l.since, l.options.clone()));
        let (since, options) = before.unwrap_or((self.now, options));
        if self.hosts[host].table.insert(ip, Leased { until, since, options, index }).is_none() {
            self.tell_of(host, What::Gains(ip));
        }
        self.push(until + LEASE_SLACK - self.now, host, Item::LeaseEnds(ip));
        Ok(())
    }

    /// Changes that were asked for one after another go to the kernel together, as the worker sends them.
    fn send_changes(&mut self, host: usize, changes: &mut Vec<Change>) {
        let incarnation = self.hosts[host].incarnation;
        let mut waiting = std::mem::take(changes);
        if waiting.len() != 1 {
            while !waiting.is_empty() {
                let batch: Vec<Change> = waiting.drain(..waiting.len().min(CHANGES_MAX)).collect();
                let delay = self.netlink_delay(host);
                self.push(delay, host, Item::Changes(incarnation, batch));
            }
            return;
        }
        let Change { op, place, lease, here } = waiting.remove(0);
        let delay = self.netlink_delay(host);
        match lease {
            Some((lease, options)) if here => {
                self.push(delay, host, Item::Install(incarnation, op, place, lease, options));
            }
            Some(_) => {
                let result = Err("no such device".to_owned());
                self.answer(host, incarnation, Event::AddressInstalled { op, result });
            }
            None if here => self.push(delay, host, Item::Withdraw(incarnation, op, place)),
            None => self.answer(host, incarnation, Event::AddressWithdrawn { op, result: Ok(()) }),
        }
    }

    fn master_ended(&mut self, host: usize, master: u32, worker: u32, status: &str) {
        if self.hosts[host].watched_worker == Some(worker) {
            self.deliver(host, Duration::from_micros(100), Event::WorkerExited { pid: worker });
        }
        self.deliver(host, Duration::from_micros(400), Event::ProxyExited { pid: master, status: status.to_owned() });
    }

    fn proxy_op(&mut self, host: usize, incarnation: u64, op: OpId, what: &ProxyOp) -> Result<(), String> {
        let ours = self.hosts[host].incarnation == incarnation;
        let outcome = match what {
            ProxyOp::Adopt => match &self.hosts[host].proxy {
                Some(proxy) => ProxyOutcome::Adopted { pid: proxy.master, patched: self.hosts[host].patched },
                None => ProxyOutcome::NothingToAdopt,
            },
            ProxyOp::Check(rendered) => {
                self.hosts[host].disk.1 = Some(rendered.generation);
                if self.hosts[host].refused == Some(rendered.generation) {
                    ProxyOutcome::Refused("unknown keyword".to_owned())
                } else {
                    ProxyOutcome::Accepted
                }
            }
            ProxyOp::Preflight(_) => ProxyOutcome::Bindable,
            ProxyOp::Install => {
                let disk = &mut self.hosts[host].disk;
                disk.2 = disk.0;
                disk.0 = disk.1.take();
                ProxyOutcome::Installed
            }
            ProxyOp::Restore => {
                let disk = &mut self.hosts[host].disk;
                disk.0 = disk.2;
                ProxyOutcome::Installed
            }
            ProxyOp::SaveState => match self.hosts[host].probe() {
                Some(Ok(_)) => ProxyOutcome::StateSaved { kept: 2, left_out: 0 },
                Some(Err(why)) => ProxyOutcome::Failed(why),
                None => ProxyOutcome::Failed("no answer within 2 s".to_owned()),
            },
            ProxyOp::Patch { worker, patch } => self.proxy_patch(host, *worker, patch),
            ProxyOp::Start => self.proxy_start(host, ours),
            ProxyOp::Reload(_) => self.proxy_reload(host),
            ProxyOp::Stop | ProxyOp::Kill => {
                if let Some(master) = self.hosts[host].proxy.as_ref().map(|p| p.master) {
                    self.push(Duration::from_millis(5), host, Item::MasterDies(master, "signal 15"));
                }
                ProxyOutcome::Stopped
            }
        };
        if ours {
            self.hosts[host].proxy_op = None;
        }
        self.answer(host, incarnation, Event::ProxyDone { op, outcome });
        Ok(())
    }

    fn proxy_start(&mut self, host: usize, ours: bool) -> ProxyOutcome {
        if !ours {
            return ProxyOutcome::Failed("an earlier process asked".to_owned());
        }
        let Some(generation) = self.hosts[host].disk.0 else {
            return ProxyOutcome::Failed("no installed file".to_owned());
        };
        assert!(self.hosts[host].proxy.is_none(), "lb{}: two proxies", host + 1);
        let (master, worker) = (self.hosts[host].pid(), self.hosts[host].pid());
        let frozen = self.hosts[host].troubles.cannot_start;
        self.hosts[host].proxy =
            Some(ProxyProcess { master, worker, generation, runs: generation, frozen, old: Vec::new() });
        self.hosts[host].patched = None;
        self.tell(format!("lb{} proxy starts with {generation}", host + 1));
        if self.hosts[host].troubles.cannot_start {
            self.push(Duration::from_millis(2), host, Item::MasterDies(master, "exit status 1"));
        }
        ProxyOutcome::Started { pid: master }
    }

    fn proxy_patch(&mut self, host: usize, worker: u32, patch: &Patch) -> ProxyOutcome {
        let h = &mut self.hosts[host];
        let (refused, unanswered) = (h.troubles.patch_refused, h.troubles.patch_unanswered);
        let silent = h.starving;
        let Some(proxy) = h.proxy.as_mut().filter(|proxy| proxy.worker == worker && !proxy.frozen && !silent) else {
            return ProxyOutcome::Failed("no such worker answers".to_owned());
        };
        h.patched = Some(Patched { worker, runs: HALF_PATCHED });
        if refused {
            h.troubles.patch_refused = false;
            proxy.runs = HALF_PATCHED;
            return ProxyOutcome::Failed("no such server".to_owned());
        }
        proxy.runs = patch.to;
        if unanswered {
            h.troubles.patch_unanswered = false;
            return ProxyOutcome::Failed("no answer".to_owned());
        }
        h.patched = Some(Patched { worker, runs: patch.to });
        ProxyOutcome::Patched
    }

    fn proxy_reload(&mut self, host: usize) -> ProxyOutcome {
        let troubles = self.hosts[host].troubles;
        let installed = self.hosts[host].disk.0;
        let worker = self.hosts[host].pid();
        let Some(proxy) = &mut self.hosts[host].proxy else {
            return ProxyOutcome::Failed("no such process".to_owned());
        };
        let (master, old) = (proxy.master, proxy.worker);
        if troubles.reload_kills {
            self.hosts[host].troubles.reload_kills = false;
            self.push(Duration::from_millis(20), host, Item::MasterDies(master, "exit status 1"));
        } else if troubles.reload_does_nothing {
            self.hosts[host].troubles.reload_does_nothing = false;
        } else {
            if troubles.old_worker_sticks {
                proxy.old.push(old);
            }
            proxy.worker = worker;
            proxy.generation = installed.unwrap_or(Digest(0));
            proxy.runs = proxy.generation;
            proxy.frozen = false;
            if self.hosts[host].watched_worker == Some(old) {
                self.deliver(host, Duration::from_millis(3), Event::WorkerExited { pid: old });
            }
        }
        ProxyOutcome::Reloaded
    }

    // ---- what must always be true ------------------------------------------------------------------------------

    pub fn holders(&self, vip: usize) -> Vec<usize> {
        let ip = IpAddr::V4(vip_ip(vip));
        (0..self.hosts.len()).filter(|h| self.hosts[*h].table.contains_key(&ip)).collect()
    }

    /// How long after the last disturbance at most one node may hold a VIP.
    pub fn convergence(&self) -> Duration {
        let down = self.cluster.interval.duration() * (u32::from(self.cluster.multiplier) + 1);
        down + self.cluster.hold + Duration::from_secs(3) + RELEASE_BOUND
    }

    fn check(&mut self, host: usize) -> Result<(), String> {
        for v in 0..self.cluster.vips {
            self.check_presence(host, v)?;
            self.check_device(host, v)?;
            self.check_uniqueness(v)?;
        }
        let h = &self.hosts[host];
        if let (Some(proxy), Some(refused)) = (&h.proxy, h.refused)
            && proxy.runs == refused
        {
            return Err(format!("lb{} runs a configuration that its check refused", host + 1));
        }
        Ok(())
    }

    /// A VIP present means Active, or inside the release bound, or under the last lease of a process that is gone.
    fn check_presence(&self, host: usize, v: usize) -> Result<(), String> {
        let h = &self.hosts[host];
        let Some(leased) = h.table.get(&IpAddr::V4(vip_ip(v))) else { return Ok(()) };
        if self.now > leased.until + LEASE_SLACK * 2 {
            return Err(format!("lb{} holds vip{v} beyond its lease", host + 1));
        }
        if h.node.is_none() || h.is_stalled(self.now) || h.refuse_addresses {
            return Ok(());
        }
        match h.idle_since.get(&v) {
            Some(since) if self.now > (*since).max(leased.since).max(self.calm_since) + RELEASE_BOUND * 4 => {
                Err(format!("lb{} keeps vip{v} although it is not active", host + 1))
            }
            _ => Ok(()),
        }
    }

    /// A device means Active too: from a backup nothing may leave with the virtual router's hardware address.
    fn check_device(&self, host: usize, v: usize) -> Result<(), String> {
        let h = &self.hosts[host];
        let name = IfName::of_virtual_router(Family::V4, Vrid::new(51 + v as i64).unwrap());
        if !h.devices.contains_key(&name) || h.node.is_none() || h.is_stalled(self.now) || h.refuse_addresses {
            return Ok(());
        }
        match h.idle_since.get(&v) {
            Some(since) if self.now > (*since).max(self.calm_since) + RELEASE_BOUND * 4 => {
                Err(format!("lb{} keeps {name} although it is not active", host + 1))
            }
            _ => Ok(()),
        }
    }

    fn check_uniqueness(&mut self, v: usize) -> Result<(), String> {
        let holders = self.holders(v);
        if holders.len() < 2 {
            self.dual_since[v] = None;
            return Ok(());
        }
        let since = *self.dual_since[v].get_or_insert(self.now);
        let calm =
            self.segment.is_calm() && self.hosts.iter().all(|h| h.stalled_until.is_none() && !h.refuse_addresses);
        // Nodes with other transports or priorities do not agree about anything.
        let agreed = self.hosts.windows(2).all(|pair| pair[0].in_force == pair[1].in_force);
        let settled = agreed && self.now > self.calm_since + self.convergence();
        // Even then a preemption overlaps for as long as an advert travels and a removal takes, and a hand-over between
        // nodes that know each other for as long as addresses may linger.
        let linger = if self.cluster.keyed.contains(&true) { LINGER_MAX } else { Duration::ZERO };
        if calm && settled && self.now > since + Duration::from_millis(50) + linger {
            return Err(format!("vip{v} is on {holders:?} for more than 50 ms and a linger in calm conditions"));
        }
        Ok(())
    }
}

/// What the next turn of any kind may bring: what is said to peers of facts that change with time alone (adverts that
/// no longer arrive), and sockets and words for VIPs that have just left.
fn may_wait(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::SendHello { .. }
            | Effect::Notify { .. }
            | Effect::OpenInterface { .. }
            | Effect::WatchAddresses { .. }
            | Effect::CloseInterface { .. }
    )
}
