//! What the user typed: clap types only, no behaviour.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Shown below every long help, and in the README.
const EXIT_STATUS: &str = "\
Exit status:
  0  fine
  1  unhealthy (proxy failed, a VIP in fault), or something unexpected
  2  wrong configuration or wrong usage
  3  a privilege or a program is missing
  4  this node is already running
  5  vipkeeper is not running";

/// A virtual IP lives only where a healthy proxy lives.
///
/// One TOML file, the same on every host, describes nodes, VIPs and the proxy. vipkeeper renders the proxy's
/// configuration, runs the proxy, watches it, and moves the VIPs by VRRP to the host whose proxy really serves.
#[derive(Debug, Parser)]
#[command(name = "vipkeeper", version, after_help = EXIT_STATUS, max_term_width = 100)]
pub struct Cli {
    /// Which instance.
    #[command(flatten)]
    pub place: Place,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Which instance of vipkeeper a command is about.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Which instance")]
pub struct Place {
    /// The configuration, the same file on every host
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "VIPKEEPER_CONFIG",
        default_value = "/etc/vipkeeper/vipkeeper.toml"
    )]
    pub config: PathBuf,
    /// Which node of the configuration this is [default: the host name]
    #[arg(long, global = true, value_name = "NAME")]
    pub node: Option<String>,
    /// Sockets and records of the running instance [default: /run/vipkeeper]
    #[arg(long, global = true, value_name = "DIR")]
    pub runtime_dir: Option<PathBuf>,
    /// What survives a boot [default: /var/lib/vipkeeper, or the runtime directory where only that is given]
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

impl Place {
    /// The same about another file, if one is named.
    #[must_use]
    pub fn with_file(&self, file: Option<&PathBuf>) -> Self {
        Self { config: file.unwrap_or(&self.config).clone(), ..self.clone() }
    }

    /// Where sockets and records of the running instance are.
    pub fn runtime(&self) -> &Path {
        self.runtime_dir.as_deref().unwrap_or_else(|| Path::new("/run/vipkeeper"))
    }

    /// Where the last good configuration is kept.
    pub fn state(&self) -> &Path {
        self.state_dir.as_deref().or(self.runtime_dir.as_deref()).unwrap_or_else(|| Path::new("/var/lib/vipkeeper"))
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the node: proxy, VRRP, VIPs (normally started by the service manager)
    Run(RunArgs),
    /// Check the configuration and say what was understood; changes nothing
    Check(CheckArgs),
    /// Print the proxy's configuration as this node would run it
    Render(RenderArgs),
    /// Show what a change of the configuration would do, and at what cost; changes nothing
    Diff(DiffArgs),
    /// Find what keeps the pair from working, and say how to mend it; changes nothing
    Doctor(DoctorArgs),
    /// Show who holds each VIP and why, the health of the proxy and the last reload
    Status(StatusArgs),
    /// Say why a VIP is where it is, what would move it, and what happens if something dies
    Explain(ExplainArgs),
    /// Play out what would happen: all single faults, or a script of yours; touches nothing
    Simulate(SimulateArgs),
    /// Read the configuration again, wait for the outcome and print it
    Reload,
    /// Give up a VIP (or all) and stay out of its election
    Release(ReleaseArgs),
    /// Hand a VIP (or all that are here) to another node without breaking it, and stay behind that one
    Switchover(SwitchoverArgs),
    /// Hold no VIP while somebody works on this host, also over restarts
    Maintenance(MaintenanceArgs),
    /// Take part again after a release or a switchover
    Resume(ResumeArgs),
    /// Put a server into maintenance, drain it or change its weight, until it is taken back
    Server(ServerArgs),
    /// Tell a journal of `run --journal` again: what was decided, when and why; changes nothing
    Replay(ReplayArgs),
    /// Print a JSON Schema of the configuration, for editors
    Schema,
    /// Turn configurations of keepalived into one of vipkeeper, with a report
    Import(ImportArgs),
    /// Write a new key for the nodes to talk to each other with; copy it to every node
    Keygen(KeygenArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Write the manual pages into a directory
    Manual(ManualArgs),
    /// Show a failover on this machine: two virtual hosts, a client, a killed proxy (needs root)
    Demo(DemoArgs),
    /// One host of the demo: enters a network namespace and becomes `vipkeeper run`
    #[command(hide = true)]
    DemoHost(DemoHostArgs),
}

/// Options of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// How much to log
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = LogLevel::Info, env = "VIPKEEPER_LOG_LEVEL")]
    pub log_level: LogLevel,
    /// How to log
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text, env = "VIPKEEPER_LOG_FORMAT")]
    pub log_format: LogFormat,
    /// Real-time priority (SCHED_RR) of the thread that speaks VRRP, 1-99; "deadline": SCHED_DEADLINE, for which no
    /// other real-time thread can be in the way; 0 leaves scheduling alone [default: "deadline" where adverts follow one
    /// another within 100 ms, else 10, as far as permitted; a real-time policy that vipkeeper was started with is kept]
    #[arg(long, value_name = "PRIORITY", value_parser = realtime)]
    pub realtime: Option<Realtime>,
    /// Record every event, for `replay`; an earlier FILE is kept as FILE.1, and recording ends at 256 MiB
    #[arg(long, value_name = "FILE", env = "VIPKEEPER_JOURNAL")]
    pub journal: Option<PathBuf>,
}

/// Scheduling of the thread that speaks VRRP, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Realtime {
    /// `deadline`
    Deadline,
    /// 0-99
    Priority(u8),
}

fn realtime(text: &str) -> Result<Realtime, String> {
    match text.parse() {
        Ok(priority @ 0..=99) => Ok(Realtime::Priority(priority)),
        Err(_) if text == "deadline" => Ok(Realtime::Deadline),
        Ok(_) | Err(_) => Err("write a priority from 1 to 99, 0, or \"deadline\"".to_owned()),
    }
}

/// How much to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Only what failed for good
    Error,
    /// What a human should look at
    Warn,
    /// Changes of state, with their reason
    Info,
    /// Details of operations
    Debug,
    /// Every packet
    Trace,
}

/// How to log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people and journals
    Text,
    /// One JSON object per line
    Json,
}

/// Options of `check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// The configuration, in place of --config
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Do not ask the proxy's own binary about the rendered file
    #[arg(long)]
    pub no_proxy: bool,
}

/// Options of `render`.
#[derive(Debug, Clone, Args)]
pub struct RenderArgs {
    /// The configuration, in place of --config
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Write to a file instead of the standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Options of `diff`.
#[derive(Debug, Clone, Args)]
pub struct DiffArgs {
    /// The configuration, in place of --config
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Compare with this file [default: what is in force, or was last]
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
    /// Everything, as JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `status`.
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// Everything, as JSON
    #[arg(long)]
    pub json: bool,
    /// Show it again and again, until Ctrl-C; a line of JSON each time with --json
    #[arg(long, short)]
    pub watch: bool,
}

/// Options of `explain`.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// Name of the VIP [default: all]
    pub vip: Option<String>,
}

/// Options of `simulate`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = crate::rehearsal::WORDS)]
pub struct SimulateArgs {
    /// Steps, such as "kill haproxy on lb1" "wait 5s" "reboot both" [default: every single fault, one after another]
    #[arg(value_name = "STEP")]
    pub steps: Vec<String>,
    /// More steps from a file, one a line
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// As if there were a key for the peers, so that nodes know each other
    #[arg(long)]
    pub peers: bool,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `doctor`.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Everything, as JSON
    #[arg(long)]
    pub json: bool,
    /// Listen so long for adverts of others, such as 5s
    #[arg(long, value_name = "TIME", value_parser = listening)]
    pub listen: Option<Duration>,
    /// Ask by ARP whether somebody else has an address of a VIP; takes a second
    #[arg(long)]
    pub probe: bool,
}

/// The longest time that `doctor --listen` takes.
const LISTEN_MAX: Duration = Duration::from_secs(300);

fn listening(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|time| if time > LISTEN_MAX { Err("at most 5m".to_owned()) } else { Ok(time) })
}

/// Options of `release`.
#[derive(Debug, Clone, Args)]
pub struct ReleaseArgs {
    /// Name of the VIP [default: all]
    pub vip: Option<String>,
    /// Take part again after this long, such as 90s, 10m or 1h [default: when `resume` is called]
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub hold: Option<Duration>,
}

/// Options of `switchover`.
#[derive(Debug, Clone, Args)]
pub struct SwitchoverArgs {
    /// Name of the VIP [default: all that are on this node]
    pub vip: Option<String>,
    /// To which node [default: the fit one with the highest priority]
    #[arg(long, value_name = "NODE")]
    pub to: Option<String>,
}

/// Options of `maintenance`.
#[derive(Debug, Clone, Args)]
pub struct MaintenanceArgs {
    /// Whether it begins or ends
    #[arg(value_enum)]
    pub switch: Switch,
}

/// Whether something begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It begins
    On,
    /// It ends
    Off,
}

/// Options of `server`.
#[derive(Debug, Clone, Args)]
pub struct ServerArgs {
    /// What to do
    #[command(subcommand)]
    pub command: ServerCommand,
}

/// What to do with a server; it holds over reloads and restarts, until it is taken back.
#[derive(Debug, Clone, Subcommand)]
pub enum ServerCommand {
    /// Show what is wanted of servers beside what the file says
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Let it finish what it has: nothing new but by persistence
    Drain(OneServer),
    /// Put it into maintenance: nothing at all, and no checks
    Maint(OneServer),
    /// Let it take part again
    Ready(OneServer),
    /// Give it another weight
    Weight {
        /// Which
        #[command(flatten)]
        server: OneServer,
        /// 0 to 256, or "file" for what the file says
        #[arg(value_name = "WEIGHT", value_parser = weight)]
        weight: WeightWish,
    },
}

/// A server of a backend.
#[derive(Debug, Clone, Args)]
pub struct OneServer {
    /// Backend and server, such as web/web1
    #[arg(value_name = "BACKEND/SERVER")]
    pub name: String,
}

/// A weight that an operator asks for; none: that of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeightWish(pub Option<u32>);

fn weight(text: &str) -> Result<WeightWish, String> {
    let number = || text.parse::<u32>().ok().filter(|weight| *weight <= 256).map(Some);
    let wish = if text == "file" { Some(None) } else { number() };
    wish.map(WeightWish).ok_or_else(|| "a weight is from 0 to 256, or \"file\"".to_owned())
}

/// Options of `resume`.
#[derive(Debug, Clone, Args)]
pub struct ResumeArgs {
    /// Name of the VIP [default: all]
    pub vip: Option<String>,
}

/// Options of `replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// The journal
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Options of `import`.
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// keepalived's configuration of each host, as FILE or NODE=FILE
    #[arg(value_name = "FILE", required = true, num_args = 1..=16)]
    pub files: Vec<String>,
    /// HAProxy's configuration, to take it over too
    #[arg(long, value_name = "FILE")]
    pub with: Option<PathBuf>,
    /// Write the TOML to a file that is not there yet, instead of the standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The report as JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `keygen`.
#[derive(Debug, Clone, Args)]
pub struct KeygenArgs {
    /// Where to write it; a file that is there already stays as it is
    #[arg(value_name = "FILE", default_value = "/etc/vipkeeper/peers.key")]
    pub file: PathBuf,
}

/// Options of `completions`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Options of `manual`.
#[derive(Debug, Clone, Args)]
pub struct ManualArgs {
    /// Where to; it is made
    #[arg(value_name = "DIRECTORY")]
    pub directory: PathBuf,
}

/// Options of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Milliseconds between two requests of the client, 1-1000
    #[arg(long, value_name = "MS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub interval: u64,
}

/// Options of the hidden `demo-host`.
#[derive(Debug, Clone, Args)]
pub struct DemoHostArgs {
    /// Network namespace to enter
    #[arg(long)]
    pub namespace: String,
}

/// The longest hold that `release --for` takes: 30 days.
const HOLD_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// A duration with its unit: `500ms`, `90s`, `10m`, `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "" => return Err("a unit is missing: write 90s, 10m or 1h".to_owned()),
        other => return Err(format!("the unit {other:?} is unknown: write ms, s, m or h")),
    };
    let hold = number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(unit_ms))
        .map(Duration::from_millis)
        .ok_or_else(|| "a whole number and a unit are wanted, such as 90s, 10m or 1h".to_owned())?;
    if hold.is_zero() || hold > HOLD_MAX {
        return Err("it must be longer than zero and at most 720h".to_owned());
    }
    Ok(hold)
}

#[cfg(test)]
mod tests;
