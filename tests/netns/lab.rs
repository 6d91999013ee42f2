//! Two balancers, two web servers and a client in network namespaces of their own, and the means to hurt them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use vipkeeper::cli::demo::backends::Backend;
use vipkeeper::cli::demo::net::{self, Host, Net, Port, Side};
use vipkeeper::cli::demo::prober::{Aim, Prober, Sight, Tally};
use vipkeeper::cli::programs;
use vipkeeper::node::Status;
use vipkeeper::node::status::VipStatus;
use vipkeeper::shell::clock::now;
use vipkeeper::shell::control::{Client, ClientError};

pub const LB1: &str = "lb1";
pub const LB2: &str = "lb2";
pub const CLIENT: &str = "client";
pub const LB1_FRONT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 11);
pub const LB2_FRONT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 12);
pub const CLIENT_FRONT: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 5);
pub const LB1_BACK: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 78, 0, 11));
pub const LB2_BACK: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 78, 0, 12));
pub const WWW: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
pub const MAIL: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 101);
pub const WEB1: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 101);
pub const WEB2: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 102);

/// Longer than anything here takes on a busy machine.
pub const SOON: Duration = Duration::from_secs(12);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Networks that exist at a time: more would only make each other late.
const LABS_MAX: u32 = 2;

/// A client of tests that must not lose a request waits this long for each.
const PATIENT: Duration = Duration::from_secs(3);

static LABS: (Mutex<u32>, Condvar) = (Mutex::new(0), Condvar::new());
static SERIAL: AtomicU32 = AtomicU32::new(0);

/// What the names of namespaces begin with; the process id follows.
const STEM: &str = "vt";
/// What killed test runs left behind goes first.
static CLEARED: Once = Once::new();

/// A place among the labs that may exist at a time.
struct Permit;

impl Permit {
    fn wait() -> Self {
        let mut labs = LABS.0.lock().unwrap_or_else(PoisonError::into_inner);
        while *labs >= LABS_MAX {
            labs = LABS.1.wait(labs).unwrap_or_else(PoisonError::into_inner);
        }
        *labs += 1;
        Self
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *LABS.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        LABS.1.notify_one();
    }
}

/// What a test needs beside root and iproute2.
pub fn missing(programs: &[&str]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    let absent = programs.iter().chain(&["ip"]).find(|p| programs::find(p).is_none())?;
    Some(format!("{absent} is not installed"))
}

/// Says loudly that a test did not run; written past the test harness, which would swallow it.
pub fn skip(name: &str, why: &str) {
    std::io::stderr().write_all(format!("SKIPPED: {name}: {why}\n").as_bytes()).unwrap();
}

/// Looks until something is true.
pub fn eventually(what: &str, within: Duration, mut done: impl FnMut() -> bool) {
    let deadline = now() + within;
    while !done() {
        assert!(now() < deadline, "after {within:?} still not true: {what}");
        pause(LOOK_EVERY);
    }
}

/// Looks for a while whether something stays true.
pub fn always(what: &str, during: Duration, mut holds: impl FnMut() -> bool) {
    let deadline = now() + during;
    while now() < deadline {
        assert!(holds(), "no longer true: {what}");
        pause(LOOK_EVERY);
    }
}

fn pause(time: Duration) {
    #[allow(clippy::disallowed_methods, reason = "a test that looks at another process; there is no driver here")]
    std::thread::sleep(time);
}

/// One VIP of a configuration.
#[derive(Clone)]
pub struct VipSpec {
    pub name: &'static str,
    pub address: IpAddr,
    pub vrid: u8,
    pub prefer: [&'static str; 2],
    /// More keys of `[[vip]]`, one a line.
    pub more: String,
}

/// A configuration to be written, in parts that tests change.
#[derive(Clone)]
pub struct Spec {
    /// The proxy, which is also the program that a lab needs.
    pub engine: &'static str,
    pub vips: Vec<VipSpec>,
    /// More keys of `[proxy]`.
    pub proxy: String,
    /// More binds of the frontend.
    pub binds: String,
    /// Raw lines of the frontend.
    pub raw: String,
    /// Weight of the first server.
    pub weight: u32,
    /// Anything, at the end.
    pub tail: String,
}

impl Default for Spec {
    /// One VIP with fast adverts, preferred by lb1.
    fn default() -> Self {
        Self {
            engine: "haproxy",
            vips: vec![www()],
            proxy: String::new(),
            binds: String::new(),
            raw: String::new(),
            weight: 1,
            tail: String::new(),
        }
    }
}

/// The VIP that lb1 prefers, with adverts every 100 ms.
pub fn www() -> VipSpec {
    VipSpec {
        name: "www",
        address: IpAddr::V4(WWW),
        vrid: 51,
        prefer: [LB1, LB2],
        more: "advert_interval = \"100ms\"".to_owned(),
    }
}

/// The VIP that lb2 prefers.
pub fn mail() -> VipSpec {
    VipSpec { name: "mail", address: IpAddr::V4(MAIL), vrid: 52, prefer: [LB2, LB1], ..www() }
}

impl Spec {
    pub fn toml(&self) -> String {
        let mut toml = format!(
            "[[node]]\nname = \"{LB1}\"\naddress = \"{LB1_FRONT}\"\n\n[[node]]\nname = \"{LB2}\"\naddress = \"{LB2_FRONT}\"\n\n"
        );
        for vip in &self.vips {
            let VipSpec { name, address, vrid, prefer: [first, second], more } = vip;
            let prefix = if address.is_ipv4() { 24 } else { 64 };
            toml += &format!(
                "[[vip]]\nname = \"{name}\"\naddresses = [\"{address}/{prefix}\"]\ninterface = \"eth0\"\nvrid = {vrid}\n\
                 prefer = [\"{first}\", \"{second}\"]\n{more}\n\n"
            );
            // Ten seconds by default, of which these stories have no need.
            toml += if more.contains("preempt") { "\n" } else { "preempt_delay = \"0s\"\n\n" };
        }
        let binds: Vec<String> =
            self.vips.iter().filter(|v| v.address.is_ipv4()).map(|v| format!("\"{}:80\"", v.name)).collect();
        let Self { engine, vips: _, proxy, binds: more_binds, raw, weight, tail } = self;
        // nginx watches requests of clients instead.
        let check = match *engine {
            "nginx" => "tcp = true, interval = \"500ms\", fall = 2",
            _ => "http = \"GET /\", interval = \"500ms\", rise = 1, fall = 2",
        };
        toml += &format!(
            "[proxy]\nengine = \"{engine}\"\n{proxy}\n\n\
             [[frontend]]\nname = \"www\"\nbind = [{}{more_binds}]\ndefault_backend = \"web\"\nraw = [{raw}]\n\n\
             [[backend]]\nname = \"web\"\nbalance = \"roundrobin\"\n\
             check = {{ {check} }}\n\
             server = [\n  {{ name = \"web1\", address = \"{WEB1}:8080\", weight = {weight} }},\n  \
             {{ name = \"web2\", address = \"{WEB2}:8080\" }},\n]\n\n{tail}\n",
            binds.join(", ")
        );
        toml
    }
}

/// A started vipkeeper.
struct Running {
    child: Child,
    runtime_dir: PathBuf,
    log: PathBuf,
}

/// Everything. Fields are dropped in this order: the client, then the hosts with all processes in them.
pub struct Lab {
    prober: Option<Prober>,
    tally: Tally,
    running: BTreeMap<&'static str, Running>,
    _servers: Vec<Backend>,
    net: Net,
    dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    _permit: Permit,
}

impl Lab {
    /// Builds the network and writes the configuration, or says why the test is skipped. Nothing is started.
    pub fn new(test: &str, spec: &Spec) -> Option<Self> {
        Self::with(test, spec, &[spec.engine])
    }

    /// The same, for a test with other needs.
    pub fn with(test: &str, spec: &Spec, programs: &[&str]) -> Option<Self> {
        if let Some(why) = missing(programs) {
            skip(test, &why);
            return None;
        }
        CLEARED.call_once(|| drop(net::sweep_orphans(STEM)));
        let permit = Permit::wait();
        let prefix = format!("{STEM}{}n{}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
        let net = match Net::build(&prefix, &hosts()) {
            Ok(net) => net,
            Err(error) if error.to_string().contains("not permitted") => {
                skip(test, &format!("needs CAP_SYS_ADMIN: {error}"));
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let dir = tempfile::Builder::new().prefix("vipkeeper-test-").tempdir().unwrap();
        let servers = [("web1", WEB1), ("web2", WEB2)];
        let servers = servers.map(|(name, ip)| Backend::start(&net.namespace(name), name, ip, 8080).unwrap());
        let lab = Self {
            prober: None,
            tally: Tally::default(),
            running: BTreeMap::new(),
            _servers: servers.into(),
            net,
            dir,
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            _permit: permit,
        };
        lab.write(&spec.toml());
        Some(lab)
    }

    /// Builds, starts both nodes, and waits until the first holder of each VIP has it and both proxies are healthy.
    pub fn serving(test: &str, spec: &Spec) -> Option<Self> {
        let mut lab = Self::new(test, spec)?;
        lab.start(LB1);
        lab.start(LB2);
        lab.settled(spec);
        Some(lab)
    }

    /// Waits for the state in which every VIP is where it is preferred.
    pub fn settled(&self, spec: &Spec) {
        for vip in &spec.vips {
            let [first, second] = vip.prefer;
            self.eventually(&format!("{first} holds {}, {second} stands by", vip.name), |lab| {
                lab.state(first, vip.name) == "active"
                    && lab.state(second, vip.name) == "backup"
                    && lab.healthy(first)
                    && lab.healthy(second)
                    && lab.holders(vip.address) == [first]
            });
        }
    }

    pub fn eventually(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        eventually(what, SOON, || done(self));
    }

    // ---- files and processes --------------------------------------------------------------------------------------

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn config(&self) -> PathBuf {
        self.dir().join("vipkeeper.toml")
    }

    /// Replaces the configuration as editors do: by a rename.
    pub fn write(&self, toml: &str) {
        let draft = self.dir().join("draft");
        fs::write(&draft, toml).unwrap();
        fs::rename(draft, self.config()).unwrap();
    }

    pub fn runtime_dir(&self, node: &str) -> PathBuf {
        self.dir().join(node)
    }

    /// What a node was told since its last start.
    pub fn journal(&self, node: &str) -> PathBuf {
        self.dir().join(format!("{node}.journal"))
    }

    /// What a node's journal says that it decided.
    pub fn replay(&self, node: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vipkeeper"));
        let output = command.arg("replay").arg(self.journal(node)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The command that starts a node, for tests that look at how it ends.
    pub fn command(&self, node: &str) -> Command {
        let mut command = self.inside(node, env!("CARGO_BIN_EXE_vipkeeper"));
        command.args(["run", "--log-level", "debug", "--node", node]).args([
            Path::new("--config"),
            &self.config(),
            Path::new("--runtime-dir"),
            &self.runtime_dir(node),
            Path::new("--journal"),
            &self.journal(node),
        ]);
        command
    }

    /// A program inside a host.
    pub fn inside(&self, host: &str, program: &str) -> Command {
        let mut command = Command::new(programs::find("ip").unwrap());
        command.args(["netns", "exec", &self.net.namespace(host), program]).stdin(Stdio::null());
        command
    }

    /// Starts a node. Its log is shown when the test fails.
    pub fn start(&mut self, node: &'static str) {
        let log = self.dir().join(format!("{node}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child = self.command(node).stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        let running = Running { child, runtime_dir: self.runtime_dir(node), log };
        self.running.insert(node, running);
    }

    /// Sends a signal to a node's vipkeeper.
    pub fn signal(&self, node: &str, signal: Signal) {
        kill_process(pid(self.running[node].child.id()), signal).unwrap();
    }

    /// Waits until a node's vipkeeper has ended.
    pub fn ended(&mut self, node: &'static str) -> ExitStatus {
        let mut running = self.running.remove(node).unwrap();
        let mut status = None;
        eventually(&format!("vipkeeper on {node} has ended"), SOON, || {
            status = running.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// SIGKILL to the master and all workers of a node's proxy.
    pub fn kill_proxy(&self, node: &str) {
        let master = pid(self.status(node).unwrap().proxy.master_pid.expect("a master"));
        assert_eq!(rustix::process::getpgid(Some(master)), Ok(master), "the proxy has no process group of its own");
        kill_process_group(master, Signal::KILL).unwrap();
    }

    pub fn signal_worker(&self, node: &str, signal: Signal) {
        kill_process(pid(self.status(node).unwrap().proxy.worker_pid.expect("a worker")), signal).unwrap();
    }

    pub fn log(&self, node: &str) -> String {
        fs::read_to_string(self.dir().join(format!("{node}.log"))).unwrap_or_default()
    }

    /// Whether a process runs in a host.
    pub fn is_running(&self, host: &str, process: u32) -> bool {
        self.net.processes(host).contains(&pid(process))
    }

    // ---- what nodes say -------------------------------------------------------------------------------------------

    fn client(&self, node: &str) -> Client {
        Client::new(&self.runtime_dir(node)).unwrap()
    }

    pub fn status(&self, node: &str) -> Option<Status> {
        self.runtime.block_on(self.client(node).status()).ok()
    }

    pub fn vip(&self, node: &str, vip: &str) -> Option<VipStatus> {
        self.status(node)?.vips.into_iter().find(|v| v.name == vip)
    }

    /// `active`, `backup`, `fault`, or nothing when nobody answers.
    pub fn state(&self, node: &str, vip: &str) -> String {
        self.vip(node, vip).map(|v| v.state).unwrap_or_default()
    }

    pub fn healthy(&self, node: &str) -> bool {
        self.status(node).is_some_and(|s| s.proxy.healthy)
    }

    pub fn reload(&self, node: &str) -> Result<String, ClientError> {
        self.runtime.block_on(self.client(node).reload())
    }

    pub fn release(&self, node: &str, vip: Option<&str>, hold: Duration) -> Result<String, ClientError> {
        self.runtime.block_on(self.client(node).release(vip, hold))
    }

    pub fn resume(&self, node: &str, vip: Option<&str>) -> Result<String, ClientError> {
        self.runtime.block_on(self.client(node).resume(vip))
    }

    // ---- what the kernel and clients say --------------------------------------------------------------------------

    /// The balancers on whose interface an address is, or on the device of a virtual router there.
    pub fn holders(&self, address: impl Into<IpAddr>) -> Vec<&'static str> {
        let wanted = format!(" {}/", address.into());
        let holds = |line: &str| {
            let device = line.split_whitespace().nth(1).unwrap_or_default();
            (device == "eth0" || device.starts_with("vrrp")) && line.contains(&wanted)
        };
        let shown = |lb: &str| self.net.ip(lb, &["-o", "addr", "show"]).unwrap();
        [LB1, LB2].into_iter().filter(|lb| shown(lb).lines().any(holds)).collect()
    }

    pub fn ip(&self, host: &str, args: &[&str]) -> String {
        self.net.ip(host, args).unwrap()
    }

    pub fn set_port(&self, host: &str, state: Port) {
        self.net.set_port(host, Side::Front, state).unwrap();
    }

    pub fn namespace(&self, host: &str) -> String {
        self.net.namespace(host)
    }

    /// Starts a client that asks every 5 ms and waits for a second for each answer.
    pub fn probe(&mut self, address: Ipv4Addr) {
        self.probe_with(address, Duration::from_secs(1));
    }

    /// The same for tests in which no request may be lost, on a machine that may be busy.
    pub fn probe_patiently(&mut self, address: Ipv4Addr) {
        self.probe_with(address, PATIENT);
    }

    fn probe_with(&mut self, address: Ipv4Addr, timeout: Duration) {
        let aim = Aim { target: SocketAddr::from((address, 80)), interval: Duration::from_millis(5), timeout };
        self.prober = Some(Prober::start(&self.net.namespace(CLIENT), aim).unwrap());
        self.tally = Tally::default();
        let start = now();
        eventually("clients are served", SOON, || {
            self.collect();
            self.tally.steady(start, 40).is_some()
        });
    }

    fn collect(&mut self) {
        self.prober.as_mut().expect("a client").collect(&mut self.tally);
    }

    /// Waits until a host has answered 100 requests in a row sent after `start`; says how long that took to begin.
    pub fn served_by(&mut self, host: IpAddr, start: Instant) {
        eventually(&format!("{host} serves"), SOON, || {
            self.collect();
            self.tally.steady(start, 100) == Some(host)
        });
    }

    /// Sums up what was sent from `start` until now, after the requests under way have ended.
    pub fn sight(&mut self, start: Instant) -> Sight {
        let cut = now();
        eventually("the requests under way have ended", SOON, || {
            self.collect();
            self.tally.since(cut).iter().any(|s| s.done > cut + PATIENT) || now() > cut + PATIENT
        });
        self.collect();
        self.tally.sight(start..cut)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.prober = None;
        if std::thread::panicking() {
            for (node, running) in &self.running {
                let status =
                    self.runtime.block_on(async { Client::new(&running.runtime_dir).ok()?.status().await.ok() });
                let log = fs::read_to_string(&running.log).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let tail = lines[lines.len().saturating_sub(60)..].join("\n");
                println!("---- {node}: status {status:#?}\n---- {node}: log\n{tail}");
            }
        }
        for host in [LB1, LB2, CLIENT] {
            net::end(&self.net.processes(host), Signal::KILL, Duration::from_secs(3));
        }
        for running in self.running.values_mut() {
            drop(running.child.kill());
            drop(running.child.wait());
        }
    }
}

fn hosts() -> Vec<Host> {
    let back = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    };
    vec![
        Host { name: CLIENT, front: Some(CLIENT_FRONT), back: None },
        Host { name: LB1, front: Some(LB1_FRONT), back: back(LB1_BACK) },
        Host { name: LB2, front: Some(LB2_FRONT), back: back(LB2_BACK) },
        Host { name: "web1", front: None, back: Some(WEB1) },
        Host { name: "web2", front: None, back: Some(WEB2) },
    ]
}

pub fn pid(number: u32) -> Pid {
    Pid::from_raw(i32::try_from(number).unwrap()).expect("a process id is not 0")
}
