//! Which hook runs when, and in what order: plans only.

use std::time::Duration;

/// A hook ready to run: no shell, bounded in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookRun {
    /// The VIP it is about, for the log.
    pub vip: String,
    /// The hook's name in keepalived's words, such as `notify_master`.
    pub hook: &'static str,
    /// Program and all arguments.
    pub argv: Vec<String>,
    /// User to run as.
    pub user: Option<String>,
    /// Group to run as.
    pub group: Option<String>,
    /// Killed with its process group after this long.
    pub timeout: Duration,
}
