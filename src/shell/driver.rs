//! The driver: owns the node, the VRRP sockets and the alarm, and turns the wheel.
//!
//! One turn: packets that are here, then events, then the deadline by the clock, then effects, then the watchdog.
//! Packets come first, since a timer judged before the queued adverts would take over from a live router after a stall.
//! It executes what may not wait (adverts, announcements, sockets) itself and hands the rest to workers over bounded
//! queues. It holds no policy: a match on `Effect` and a match on readiness.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::clock::{self, Alarm};
use super::control::Call;
use super::files::FileOp;
use super::hello_socket::{Arrived, HelloSocket};
use super::journal::Recorder;
use super::looks::Look;
use super::netlink::AddressOp;
use super::nftables::Filter;
use super::notices::Report;
use super::systemd::{self, Watchdog};
use super::vrrp_socket::VrrpSocket;
use super::workers::Probe;
use crate::config::Endpoint;
use crate::hooks::HookRun;
use crate::node::event::{HookOutcome, OpId, RequestId, Signal};
use crate::node::{Effect, Effects, Event, LogLevel, LogLine, Node};
use crate::proxy::attendance::{Attend, Attended};
use crate::proxy::{ProxyOp, ProxyOutcome};
use crate::units::IfName;

/// Datagrams read from one socket in one turn; the rest waits for the next one, after events and deadlines. More
/// than a router sends while its peer hangs for seconds at the shortest interval, so that no deadline is judged
/// before an advert that was waiting.
const PACKETS_PER_TURN: usize = 512;

/// The same for hellos, which come once a second from each peer.
const HELLOS_PER_TURN: usize = 256;

/// Events handled in one turn; the rest waits in the queue, which then holds the workers back.
const EVENTS_PER_TURN: usize = 256;

/// Deadlines that follow one another without a pause; a node that wants more gets them a millisecond later.
const TICKS_PER_TURN: usize = 16;

/// The pause before more ticks, so that not even a node that is always due can occupy the processor.
const TICK_PAUSE: Duration = Duration::from_millis(1);

/// The wall clock may drift this far from what the node believes: far less than any receiver of signed adverts minds.
const WALL_CLOCK_SLACK: Duration = Duration::from_millis(50);

/// Where effects go that the driver does not execute itself. A full queue fails the effect, and the node is told so.
#[derive(Debug)]
pub(crate) struct Outlets {
    pub(crate) addresses: mpsc::Sender<AddressOp>,
    pub(crate) filter: mpsc::Sender<Filter>,
    pub(crate) observe: Arc<Notify>,
    pub(crate) proxy: mpsc::Sender<(OpId, ProxyOp)>,
    pub(crate) attend: mpsc::Sender<(OpId, Attend)>,
    pub(crate) worker: watch::Sender<Option<u32>>,
    pub(crate) probes: mpsc::Sender<Probe>,
    pub(crate) looks: mpsc::Sender<Look>,
    pub(crate) hooks: mpsc::Sender<(OpId, HookRun)>,
    pub(crate) files: mpsc::Sender<FileOp>,
    pub(crate) notices: mpsc::Sender<Report>,
    pub(crate) endpoint: watch::Sender<Option<Endpoint>>,
}

/// Where events come from. `Notify` holds at most one signal, so a burst of changes is one event.
#[derive(Debug)]
pub(crate) struct Inlets {
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) calls: mpsc::Receiver<Call>,
    pub(crate) network_changed: Arc<Notify>,
    pub(crate) config_touched: Arc<Notify>,
}

/// The signals that mean something to a node.
#[derive(Debug)]
struct Signals {
    terminate: Stream,
    interrupt: Stream,
    hangup: Stream,
    replace: Stream,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            replace: signal(SignalKind::user_defined1())?,
        })
    }

    async fn next(&mut self) -> Signal {
        poll_fn(|context| {
            if self.terminate.poll_recv(context).is_ready() {
                Poll::Ready(Signal::Terminate)
            } else if self.interrupt.poll_recv(context).is_ready() {
                Poll::Ready(Signal::Interrupt)
            } else if self.hangup.poll_recv(context).is_ready() {
                Poll::Ready(Signal::Hangup)
            } else if self.replace.poll_recv(context).is_ready() {
                Poll::Ready(Signal::Replace)
            } else {
                Poll::Pending
            }
        })
        .await
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Driver {
    node: Node,
    journal: Option<Recorder>,
    sockets: Vec<VrrpSocket>,
    hello_sockets: Vec<HelloSocket>,
    alarm: Alarm,
    watchdog: Option<Watchdog>,
    signals: Signals,
    inlets: Inlets,
    outlets: Outlets,
    /// Events that have arrived and outcomes of what the driver did itself, in order.
    backlog: VecDeque<Event>,
    /// What the node was told of the time of day.
    wall: Option<(Instant, Duration)>,
    /// A socket still held packets at the end of the last turn.
    flooded: bool,
    replies: BTreeMap<RequestId, oneshot::Sender<Result<String, String>>>,
    next_request: u64,
}

impl Driver {
    /// A driver on the runtime of the calling thread.
    ///
    /// # Errors
    /// When the timer or the signal handlers cannot be set up.
    pub(crate) fn new(node: Node, journal: Option<Recorder>, inlets: Inlets, outlets: Outlets) -> io::Result<Self> {
        Ok(Self {
            node,
            journal,
            sockets: Vec::new(),
            hello_sockets: Vec::new(),
            alarm: Alarm::new()?,
            watchdog: Watchdog::from_environment(clock::now()),
            signals: Signals::new()?,
            inlets,
            outlets,
            backlog: VecDeque::new(),
            wall: None,
            flooded: false,
            replies: BTreeMap::new(),
            next_request: 0,
        })
    }

    /// Runs until the node asks for the exit; returns its status and the queue that the workers still write to.
    ///
    /// # Errors
    /// When the reactor or the timer fails: nothing can be relied on then.
    pub(crate) async fn run(mut self, first: Effects) -> io::Result<(u8, mpsc::Receiver<Event>)> {
        let mut effects = first;
        loop {
            if let Some(code) = self.execute(effects) {
                return Ok((code, self.inlets.events));
            }
            let now = clock::now();
            if let Some(watchdog) = &mut self.watchdog {
                watchdog.pet(now);
            }
            if self.flooded || !self.backlog.is_empty() {
                // The workers must not starve while the driver talks to itself or is talked to without end.
                tokio::task::yield_now().await;
            }
            if self.backlog.is_empty() {
                self.alarm.arm(self.wake_at(now))?;
                self.wait().await?;
            }
            effects = self.turn();
        }
    }

    /// When the driver has to wake without anything happening.
    fn wake_at(&self, now: Instant) -> Option<Instant> {
        let due = self.node.deadline().map(|deadline| {
            // Ticked as often as one turn allows, and still due.
            if deadline.at <= now { now + TICK_PAUSE } else { deadline.at }
        });
        due.into_iter().chain(self.watchdog.as_ref().map(Watchdog::next)).min()
    }

    /// Waits until there is something to do. Sockets come last: a flood of packets must not hide the rest.
    async fn wait(&mut self) -> io::Result<()> {
        let (sockets, hello_sockets) = (&self.sockets, &self.hello_sockets);
        let readable = poll_fn(|context| {
            // All are asked, so that each registers for its own wake-up.
            let vrrp: Vec<_> = sockets.iter().map(|s| s.poll_readable(context)).collect();
            let all = vrrp.into_iter().chain(hello_sockets.iter().map(|s| s.poll_readable(context)));
            all.fold(Poll::Pending, |result, socket| match (result, socket) {
                (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
                (Poll::Ready(Ok(())), _) | (_, Poll::Ready(Ok(()))) => Poll::Ready(Ok(())),
                (Poll::Pending, Poll::Pending) => Poll::Pending,
            })
        });
        tokio::select! {
            biased;
            signal = self.signals.next() => {
                if signal != Signal::Hangup {
                    systemd::stopping();
                }
                self.backlog.push_back(Event::Signalled(signal));
            }
            fired = self.alarm.fired() => fired?,
            Some(event) = self.inlets.events.recv() => self.backlog.push_back(event),
            () = self.inlets.network_changed.notified() => self.backlog.push_back(Event::NetworkChanged),
            () = self.inlets.config_touched.notified() => self.backlog.push_back(Event::ConfigTouched),
            Some(call) = self.inlets.calls.recv() => self.take(call),
            ready = readable => ready?,
        }
        Ok(())
    }

    fn reply(&mut self, request: RequestId, result: Result<String, String>) {
        if let Some(reply) = self.replies.remove(&request) {
            // A client that went away needs no answer.
            drop(reply.send(result));
        }
    }

    fn report(&mut self, report: Report) {
        if self.outlets.notices.try_send(report).is_err() {
            tracing::warn!("a notice is lost: too many wait to be written down");
        }
    }

    /// Status is answered at once: between two turns the node is at rest.
    fn take(&mut self, call: Call) {
        match call {
            Call::Status(reply) => {
                let mut status = self.node.status(clock::now());
                status.pid = std::process::id();
                // A client that went away needs no answer.
                drop(reply.send(Box::new(status)));
            }
            Call::Request(request, reply) => {
                self.replies.retain(|_, waiting| !waiting.is_closed());
                let id = RequestId(self.next_request);
                self.next_request = self.next_request.wrapping_add(1);
                self.replies.insert(id, reply);
                self.backlog.push_back(Event::Requested { id, request });
            }
        }
    }

    /// The node keeps the time of day by itself; it is told when that was set, and first of all.
    fn look_at_the_wall_clock(&mut self) -> Effects {
        let (at, unix) = clock::wall();
        let expected = self.wall.map(|(then, wall)| wall + at.saturating_duration_since(then));
        if expected.is_some_and(|expected| expected.abs_diff(unix) < WALL_CLOCK_SLACK) {
            return Effects::new();
        }
        self.wall = Some((at, unix));
        tell(&mut self.node, &mut self.journal, at, Event::WallClockRead { at, unix })
    }

    /// Packets, events, deadlines: what they ask for, in order.
    fn turn(&mut self) -> Effects {
        let mut effects = self.look_at_the_wall_clock();
        self.flooded = false;
        for inbox in self.sockets.iter_mut().flat_map(VrrpSocket::inboxes) {
            for taken in 1..=PACKETS_PER_TURN {
                self.flooded |= taken == PACKETS_PER_TURN;
                match inbox.receive() {
                    Ok(Some(received)) => {
                        tracing::trace!("received");
                        effects.extend(tell(&mut self.node, &mut self.journal, clock::now(), received));
                    }
                    Ok(None) => break,
                    Err(error) => {
                        // The link itself is watched by the netlink monitor.
                        tracing::debug!(%error, "cannot receive");
                        break;
                    }
                }
            }
        }
        self.receive_hellos(&mut effects);
        for _ in 0..EVENTS_PER_TURN {
            let Some(event) = self.backlog.pop_front().or_else(|| self.inlets.events.try_recv().ok()) else { break };
            effects.extend(tell(&mut self.node, &mut self.journal, clock::now(), event));
        }
        for _ in 0..TICKS_PER_TURN {
            let now = clock::now();
            if self.node.deadline().is_none_or(|deadline| deadline.at > now) {
                break;
            }
            effects.extend(tell(&mut self.node, &mut self.journal, now, Event::Tick));
        }
        effects
    }

    fn receive_hellos(&mut self, effects: &mut Effects) {
        for socket in &mut self.hello_sockets {
            for taken in 1..=HELLOS_PER_TURN {
                self.flooded |= taken == HELLOS_PER_TURN;
                match socket.receive() {
                    Ok(Some(Arrived { from, bytes, at })) => {
                        tracing::trace!(%from, "received a hello");
                        let event = Event::HelloReceived { from, bytes, at };
                        effects.extend(tell(&mut self.node, &mut self.journal, clock::now(), event));
                    }
                    Ok(None) => break,
                    // A peer that is not there says so by ICMP: it is silent either way.
                    Err(error) => tracing::debug!(address = %socket.address(), %error, "cannot receive hellos"),
                }
            }
        }
    }

    fn attend(&mut self, op: OpId, what: Attend) {
        let sent = self.outlets.attend.try_send((op, what));
        self.fail_unsent(sent, |(op, _), why| Some(Event::Attended { op, outcome: Attended::Failed(why) }));
    }

    /// Executes or hands on, in order; the status with which to end, if that was among them.
    fn execute(&mut self, effects: Effects) -> Option<u8> {
        for effect in effects {
            match effect {
                Effect::Transmit { interface, source, to, bytes } => self.transmit(interface, source, to, &bytes),
                Effect::Announce { interface, frame } => self.announce(interface, &frame),
                Effect::OpenInterface { interface, index, families, groups } => {
                    self.sockets.retain(|s| *s.interface() != interface);
                    let opened = VrrpSocket::open(&interface, index, &families, &groups);
                    let result = opened.map(|socket| self.sockets.push(socket));
                    self.backlog.push_back(Event::InterfaceOpened { interface, result });
                }
                Effect::WatchAddresses { interface, addresses } => self.watch(&interface, &addresses),
                Effect::OpenHello { bind } => self.open_hello(&bind),
                Effect::SendHello { to, bytes } => self.send_hello(to, &bytes),
                Effect::CloseInterface { interface } => self.sockets.retain(|s| *s.interface() != interface),
                Effect::ObserveNetwork => self.outlets.observe.notify_one(),
                Effect::Install { op, index, address, options, lease } => {
                    self.ask(AddressOp::Install { op, index, address, options, lease });
                }
                Effect::Withdraw { op, index, address } => self.ask(AddressOp::Withdraw { op, index, address }),
                Effect::ResetConnections { op, addresses } => self.ask(AddressOp::Reset { op, addresses }),
                Effect::ObserveRouting => self.ask(AddressOp::ObserveRouting),
                Effect::AddRouting { op, entry } => self.ask(AddressOp::AddRouting { op, entry }),
                Effect::RemoveRouting { op, entry } => self.ask(AddressOp::RemoveRouting { op, entry }),
                Effect::RaiseDevice { op, device } => self.ask(AddressOp::RaiseDevice { op, device }),
                Effect::RemoveDevice { op, name } => self.ask(AddressOp::RemoveDevice { op, name }),
                Effect::ConfigureArp { op, index, conf } => self.ask(AddressOp::ConfigureArp { op, index, conf }),
                Effect::Filter { op, addresses } => self.filter(Filter { op, addresses }),
                Effect::Proxy { op, what } => {
                    let sent = self.outlets.proxy.try_send((op, what));
                    self.fail_unsent(sent, |(op, _), why| {
                        Some(Event::ProxyDone { op, outcome: ProxyOutcome::Failed(why) })
                    });
                }
                Effect::Attend { op, what } => self.attend(op, what),
                Effect::WatchWorker { pid } => {
                    self.outlets.worker.send_replace(Some(pid));
                }
                Effect::Probe { op, timeout, listeners, worker } => {
                    let sent = self.outlets.probes.try_send(Probe { op, timeout, listeners, worker });
                    self.fail_unsent(sent, |probe, why| Some(Event::Probed { op: probe.op, result: Err(why) }));
                }
                Effect::Look { op, what, timeout } => {
                    let sent = self.outlets.looks.try_send(Look { op, what, deadline: clock::now() + timeout });
                    self.fail_unsent(sent, |look, why| Some(Event::Looked { op: look.op, result: Err(why) }));
                }
                Effect::RunHook { op, run } => {
                    let sent = self.outlets.hooks.try_send((op, run));
                    self.fail_unsent(sent, |(op, _), why| {
                        Some(Event::HookFinished { op, outcome: HookOutcome::Failed(why) })
                    });
                }
                Effect::LoadConfig { op } => self.file_op(FileOp::Load(op)),
                Effect::KeepConfig => self.file_op(FileOp::Keep),
                Effect::Report { notice, to } => self.report(Report { notice, to }),
                Effect::KeepIntents { text } => self.file_op(FileOp::KeepIntents(text)),
                Effect::Serve { endpoint } => {
                    self.outlets.endpoint.send_replace(endpoint);
                }
                Effect::Reply { request, result } => self.reply(request, result),
                Effect::Notify { ready, status } => {
                    if ready {
                        systemd::ready();
                    }
                    systemd::status(&status);
                }
                Effect::Log(line) => log(&line),
                Effect::Exit { code } => return Some(code),
            }
        }
        None
    }

    fn transmit(&mut self, interface: IfName, source: IpAddr, to: IpAddr, bytes: &[u8]) {
        self.send(interface, |socket| socket.transmit(source, to, bytes));
    }

    fn announce(&mut self, interface: IfName, frame: &[u8]) {
        self.send(interface, |socket| socket.announce(frame));
    }

    fn send(&mut self, interface: IfName, send: impl Fn(&VrrpSocket) -> io::Result<()>) {
        let result = match self.sockets.iter().find(|s| *s.interface() == interface) {
            Some(socket) => send(socket).map_err(|e| e.to_string()),
            None => Err("its sockets are not open".to_owned()),
        };
        match result {
            Ok(()) => tracing::trace!(%interface, "sent"),
            Err(error) => self.backlog.push_back(Event::TransmitFailed { interface, error }),
        }
    }

    /// Nothing depends on it but what `status` tells, so the node need not know of a failure.
    fn watch(&mut self, interface: &IfName, addresses: &[IpAddr]) {
        let socket = self.sockets.iter_mut().find(|s| s.interface() == interface);
        if let Some(Err(error)) = socket.map(|socket| socket.watch(addresses)) {
            tracing::warn!("{error}");
        }
    }

    fn open_hello(&mut self, bind: &[SocketAddr]) {
        // First, since the new ones may have the same addresses.
        self.hello_sockets.clear();
        let opened: Result<Vec<_>, String> = bind.iter().map(|address| HelloSocket::open(*address)).collect();
        let result = opened.map(|sockets| self.hello_sockets = sockets);
        self.backlog.push_back(Event::HelloOpened { result });
    }

    fn send_hello(&self, to: SocketAddr, bytes: &[u8]) {
        let socket = self.hello_sockets.iter().find(|s| s.address().is_ipv4() == to.is_ipv4());
        match socket.map(|socket| socket.send(to, bytes)) {
            Some(Ok(())) => tracing::trace!(%to, "sent a hello"),
            Some(Err(error)) => tracing::debug!(%to, %error, "cannot send a hello"),
            None => tracing::debug!(%to, "no socket for hellos"),
        }
    }

    fn ask(&mut self, op: AddressOp) {
        let sent = self.outlets.addresses.try_send(op);
        self.fail_unsent(sent, |op, why| Some(op.failed(why)));
    }

    fn filter(&mut self, filter: Filter) {
        let sent = self.outlets.filter.try_send(filter);
        self.fail_unsent(sent, |filter, why| Some(Event::Filtered { op: filter.op, result: Err(why) }));
    }

    fn file_op(&mut self, op: FileOp) {
        let sent = self.outlets.files.try_send(op);
        self.fail_unsent(sent, |op, why| match op {
            FileOp::Load(op) => Some(Event::ConfigLoaded { op, result: Err(why) }),
            FileOp::KeepIntents(_) => {
                tracing::warn!(why, "what operators want of servers is not kept");
                None
            }
            FileOp::Keep => {
                tracing::warn!(why, "the configuration is not kept as last good");
                None
            }
        });
    }

    /// What a worker did not take has failed, and the node is told so as by the worker itself.
    fn fail_unsent<T>(&mut self, sent: Result<(), TrySendError<T>>, outcome: impl FnOnce(T, String) -> Option<Event>) {
        let (op, why) = match sent {
            Ok(()) => return,
            Err(TrySendError::Full(op)) => (op, "too many operations are waiting already"),
            Err(TrySendError::Closed(op)) => (op, "the worker for it has ended"),
        };
        self.backlog.extend(outcome(op, why.to_owned()));
    }
}

/// The journal first, so that it also has the event that a node did not survive.
pub(crate) fn tell(node: &mut Node, journal: &mut Option<Recorder>, now: Instant, event: Event) -> Effects {
    if let Some(journal) = journal {
        journal.put(now, &event);
    }
    node.handle(now, event)
}

fn log(line: &LogLine) {
    let LogLine { level, vip, message } = line;
    let vip = vip.as_deref();
    match level {
        LogLevel::Debug => tracing::debug!(vip, "{message}"),
        LogLevel::Info => tracing::info!(vip, "{message}"),
        LogLevel::Warn => tracing::warn!(vip, "{message}"),
    }
}

#[cfg(test)]
mod tests;
