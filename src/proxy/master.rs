//! Reading the master CLI's answers: `show proc` and `reload`.
//!
//! Pure. The formats are those of 2.6 up to 3.4; columns are found by their place in the line, sections by their
//! heading. It must never take an old worker for the serving one on its own: which worker serves is what the
//! stats socket says.

/// The longest answer that is read: `show proc` has a line per process, `reload` a start-up log.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What `show proc` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processes {
    /// The master.
    pub master: Process,
    /// Reloads that failed since the last one that succeeded; none where the version does not count them.
    pub failed_reloads: Option<u32>,
    /// Workers under `# workers`. Empty after a failed reload on 3.1 and later, where the serving one is then
    /// listed among the old ones.
    pub workers: Vec<Process>,
    /// Workers under `# old workers`.
    pub old_workers: Vec<Process>,
}

/// One line of `show proc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Reloads that it lived through; for the master all that were tried.
    pub reloads: u32,
    /// Time since its start, as printed, such as `0d00h01m12s`.
    pub uptime: String,
    /// Its version, as printed: a package upgrade shows here first.
    pub version: String,
}

/// Why an answer is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MasterError {
    /// No line for the master.
    #[error("`show proc` names no master")]
    NoMaster,
    /// A line does not have the columns that it should.
    #[error("line {0} of `show proc` is not understood")]
    Line(usize),
}

impl Process {
    /// Seconds since its start, of `1d02h03m04s`.
    pub fn uptime_secs(&self) -> Option<u64> {
        let (days, rest) = self.uptime.split_once('d')?;
        let (hours, rest) = rest.split_once('h')?;
        let (minutes, rest) = rest.split_once('m')?;
        let seconds = rest.strip_suffix('s')?;
        [(days, 86_400), (hours, 3600), (minutes, 60), (seconds, 1)]
            .into_iter()
            .try_fold(0_u64, |sum, (number, unit)| sum.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?))
    }
}

impl Processes {
    /// How the reload ended that began after `before`: whether it succeeded. None: it has not ended, or nobody counts.
    pub fn reloaded_since(&self, before: &Self) -> Option<bool> {
        // The counter begins anew with every master.
        let counted = self.master.pid == before.master.pid && self.master.reloads > before.master.reloads;
        self.failed_reloads.filter(|_| counted).map(|failed| failed == 0)
    }

    /// Reads the answer to `show proc`.
    pub fn parse(answer: &str) -> Result<Self, MasterError> {
        let mut section = Section::Head;
        let (mut master, mut failed_reloads) = (None, None);
        let (mut workers, mut old_workers) = (Vec::new(), Vec::new());
        for (index, line) in answer.lines().enumerate() {
            let line = line.trim();
            if let Some(heading) = line.strip_prefix('#') {
                section = match heading.trim() {
                    "workers" => Section::Workers,
                    "old workers" => Section::OldWorkers,
                    heading if heading.starts_with('<') => Section::Head,
                    _ => Section::Other,
                };
                continue;
            }
            if line.is_empty() || matches!(section, Section::Other) {
                continue;
            }
            let row = Row::parse(line).ok_or(MasterError::Line(index + 1))?;
            match (section, row.kind) {
                (Section::Head, "master") => {
                    failed_reloads = row.failed;
                    master = Some(row.process);
                }
                (Section::Workers, "worker") => workers.push(row.process),
                (Section::OldWorkers, "worker") => old_workers.push(row.process),
                (Section::Head | Section::Workers | Section::OldWorkers | Section::Other, _) => {
                    return Err(MasterError::Line(index + 1));
                }
            }
        }
        Ok(Self { master: master.ok_or(MasterError::NoMaster)?, failed_reloads, workers, old_workers })
    }
}

#[derive(Clone, Copy)]
enum Section {
    Head,
    Workers,
    OldWorkers,
    Other,
}

struct Row<'a> {
    kind: &'a str,
    failed: Option<u32>,
    process: Process,
}

impl<'a> Row<'a> {
    /// `<pid> <type> <reloads> [failed: <n>] <uptime> <version>`, the bracket only for the master.
    fn parse(line: &'a str) -> Option<Self> {
        let (before, failed, after) = match line.split_once('[') {
            None => (line, None, ""),
            Some((before, rest)) => {
                let (inside, after) = rest.split_once(']')?;
                (before, Some(inside.strip_prefix("failed:")?.trim().parse().ok()?), after)
            }
        };
        let mut words = before.split_whitespace().chain(after.split_whitespace());
        let (pid, kind) = (words.next()?.parse().ok()?, words.next()?);
        let reloads = words.next()?.parse().ok()?;
        let (uptime, version) = (words.next()?.to_owned(), words.next()?.to_owned());
        Some(Self { kind, failed, process: Process { pid, reloads, uptime, version } })
    }
}

/// What `reload` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReloadAnswer {
    /// The new worker is ready (2.7 and later).
    Succeeded,
    /// The new configuration was not loaded; the start-up log says why.
    Failed {
        /// What HAProxy printed while it tried.
        log: String,
    },
    /// The connection was closed without an answer, as 2.6 does: it is reloading, with an unknown end.
    Unanswered,
}

impl ReloadAnswer {
    /// Reads the answer to `reload`: `Success=1` or `Success=0`, a line `--`, and the start-up log. None: it is
    /// something else.
    pub fn parse(answer: &str) -> Option<Self> {
        let answer = answer.trim();
        let (verdict, rest) = answer.split_once('\n').unwrap_or((answer, ""));
        let log = || {
            let rest = rest.trim_start();
            rest.strip_prefix("--").unwrap_or(rest).trim().to_owned()
        };
        match verdict.trim() {
            "" => Some(Self::Unanswered),
            "Success=1" => Some(Self::Succeeded),
            "Success=0" => Some(Self::Failed { log: log() }),
            _ => None,
        }
    }
}
