//! How a command ends: its exit status, and what it says when it fails.

use std::fmt;
use std::process::ExitCode;

/// The documented exit statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Fine.
    Fine,
    /// The proxy has failed, a VIP is in fault, or something unexpected happened.
    Unhealthy,
    /// The configuration or the command line is wrong.
    Configuration,
    /// A privilege or a program is missing.
    Missing,
    /// This node is already running.
    AlreadyRunning,
    /// vipkeeper is not running.
    NotRunning,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Unhealthy => 1,
            Self::Configuration => 2,
            Self::Missing => 3,
            Self::AlreadyRunning => 4,
            Self::NotRunning => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command could not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit status.
    pub exit: Exit,
    /// What, why and what to do about it, for people; may have several lines.
    pub message: String,
}

impl Failure {
    /// A failure with its exit status.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
