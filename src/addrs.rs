//! Desired against observed addresses: which to add, renew or remove.
//!
//! Level-triggered. Each address of a VIP has one small machine; the kernel's own picture, whenever it is seen,
//! overrules what the machine believes. An address is held as a lease that must be renewed. Routes and rules have the
//! same machine: the kernel knows no lease for them, and their renewal puts back what somebody removed.

use std::time::{Duration, Instant};

use crate::units::{LeaseSecs, OpId, VipAddress};

pub mod device;
pub mod filter;
pub mod routing;

/// Pause after a failed operation on an address.
const RETRY: Duration = Duration::from_millis(200);

/// Sets of more addresses than this are renewed in turns, not all at once.
const RENEWED_AT_ONCE_MAX: usize = 128;

/// Turns in which a large set is renewed.
const RENEWAL_TURNS: usize = 16;

/// When what is there is renewed, and when what failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From its arrival to the first renewal.
    pub first: Duration,
    /// From one renewal to the next.
    pub every: Duration,
    /// After a failure.
    pub retry: Duration,
}

impl Pace {
    /// Of address number `position` of a set of `count` with that lease: a third of the lease, at most a second; the
    /// renewals of a large set are spread evenly over a third of the lease.
    pub fn of_lease(lease: LeaseSecs, count: usize, position: usize) -> Self {
        if count <= RENEWED_AT_ONCE_MAX {
            let every = lease.renew_every();
            return Self { first: every, every, retry: RETRY };
        }
        let every = Duration::from_secs(u64::from(lease.get())) / 3;
        let turn = u32::try_from(position % RENEWAL_TURNS).unwrap_or(0) + 1;
        let first = every * turn / u32::try_from(RENEWAL_TURNS).unwrap_or(1);
        Self { first, every, retry: RETRY }
    }
}

/// What is wanted of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// On the interface.
    Present,
    /// Not on the interface.
    Absent,
    /// Left as it is: not decided yet (a predecessor's lease may be adopted).
    AsIs,
}

/// A netlink request to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressStep {
    /// Add or renew.
    Install,
    /// Remove.
    Withdraw,
}

/// What is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Not on the interface; not to be tried before `retry_at`.
    Absent { retry_at: Instant },
    /// Requested.
    Installing { op: OpId },
    /// There; `renewal` is in flight.
    Present { renew_at: Instant, renewal: Option<OpId> },
    /// Removal requested.
    Withdrawing { op: OpId },
    /// There although it should not be; removal failed and is tried again.
    Stuck { retry_at: Instant },
}

/// Something that is put into the kernel's tables and taken out again.
#[derive(Debug, Clone)]
pub struct Kept<T> {
    what: T,
    known: Known,
    changed_at: Option<Instant>,
}

/// One address of a VIP on one interface.
pub type LeasedAddress = Kept<VipAddress>;

/// The kernel's answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Done,
    /// Refused.
    Refused,
}

impl<T, E> From<&Result<T, E>> for Answer {
    fn from(result: &Result<T, E>) -> Self {
        if result.is_ok() { Self::Done } else { Self::Refused }
    }
}

/// What a dump shows of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// On the interface.
    Here,
    /// Not on the interface.
    Missing,
}

/// How an operation changed an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressNews {
    /// Nothing to tell (a renewal, or a late answer).
    None,
    /// It has just become usable here.
    Arrived,
    /// It has just gone.
    Gone,
    /// The kernel refused to add it.
    Refused,
}

impl LeasedAddress {
    /// Which address.
    pub fn address(&self) -> VipAddress {
        self.what
    }
}

impl<T> Kept<T> {
    /// Believed absent until observed.
    pub fn new(what: T, now: Instant) -> Self {
        Self { what, known: Known::Absent { retry_at: now }, changed_at: None }
    }

    /// Whether it changed at that time or later: what was asked for before proves nothing.
    pub fn changed_since(&self, asked_at: Instant) -> bool {
        self.changed_at.is_some_and(|changed| changed >= asked_at)
    }

    /// What it is.
    pub fn what(&self) -> &T {
        &self.what
    }

    /// The request that was made and not answered yet.
    pub fn pending(&self) -> Option<OpId> {
        match self.known {
            Known::Installing { op } | Known::Withdrawing { op } => Some(op),
            Known::Present { renewal, .. } => renewal,
            Known::Absent { .. } | Known::Stuck { .. } => None,
        }
    }

    /// It is not there, although it was; to be tried again at `retry_at`.
    pub fn lost(&mut self, retry_at: Instant) {
        if matches!(self.known, Known::Present { .. }) {
            self.known = Known::Absent { retry_at };
        }
    }

    /// Something happened that may have removed it: it is renewed now, not when its time has come.
    pub fn recheck(&mut self, now: Instant) {
        if let Known::Present { renewal: None, .. } = self.known {
            self.known = Known::Present { renew_at: now, renewal: None };
        }
    }

    /// The kernel has confirmed that it is here.
    pub fn is_present(&self) -> bool {
        matches!(self.known, Known::Present { .. } | Known::Stuck { .. })
    }

    /// It may be here: present, or asked for, or its removal is not confirmed.
    pub fn may_be_present(&self) -> bool {
        !matches!(self.known, Known::Absent { .. })
    }

    /// Its removal was asked for, and it may still be here.
    pub fn is_leaving(&self) -> bool {
        matches!(self.known, Known::Withdrawing { .. } | Known::Stuck { .. })
    }

    /// What to request now, under number `op`.
    pub fn plan(&mut self, now: Instant, want: Want, op: OpId) -> Option<AddressStep> {
        match (want, self.known) {
            (Want::AsIs, _) | (Want::Absent, Known::Absent { .. } | Known::Withdrawing { .. }) => None,
            (Want::Present, Known::Absent { retry_at }) if now >= retry_at => {
                self.set(now, Known::Installing { op });
                Some(AddressStep::Install)
            }
            // Requests are carried out in order, so an Install after a Withdraw in flight is right.
            (Want::Present, Known::Withdrawing { .. } | Known::Stuck { .. }) => {
                self.set(now, Known::Installing { op });
                Some(AddressStep::Install)
            }
            (Want::Present, Known::Present { renew_at, renewal: None }) if now >= renew_at => {
                self.known = Known::Present { renew_at, renewal: Some(op) };
                Some(AddressStep::Install)
            }
            (Want::Present, Known::Absent { .. } | Known::Installing { .. } | Known::Present { .. }) => None,
            (Want::Absent, Known::Stuck { retry_at }) if now < retry_at => None,
            (Want::Absent, Known::Installing { .. } | Known::Present { .. } | Known::Stuck { .. }) => {
                self.set(now, Known::Withdrawing { op });
                Some(AddressStep::Withdraw)
            }
        }
    }

    /// The outcome of an `Install`.
    pub fn installed(&mut self, now: Instant, op: OpId, answer: Answer, pace: Pace) -> AddressNews {
        match (self.known, answer) {
            (Known::Installing { op: ours }, Answer::Done) if ours == op => {
                self.set(now, Known::Present { renew_at: now + pace.first, renewal: None });
                AddressNews::Arrived
            }
            (Known::Installing { op: ours }, Answer::Refused) if ours == op => {
                self.set(now, Known::Absent { retry_at: now + pace.retry });
                AddressNews::Refused
            }
            (Known::Present { renewal: Some(ours), .. }, Answer::Done) if ours == op => {
                self.set(now, Known::Present { renew_at: now + pace.every, renewal: None });
                AddressNews::None
            }
            // A renewal that failed: the next observation tells whether the address is still here.
            (Known::Present { renewal: Some(ours), .. }, Answer::Refused) if ours == op => {
                self.known = Known::Present { renew_at: now + pace.retry, renewal: None };
                AddressNews::Refused
            }
            _ => AddressNews::None,
        }
    }

    /// The outcome of a `Withdraw`.
    pub fn withdrawn(&mut self, now: Instant, op: OpId, answer: Answer) -> AddressNews {
        match self.known {
            Known::Withdrawing { op: ours } if ours == op => {
                let (next, news) = match answer {
                    Answer::Done => (Known::Absent { retry_at: now }, AddressNews::Gone),
                    Answer::Refused => (Known::Stuck { retry_at: now + RETRY }, AddressNews::None),
                };
                self.set(now, next);
                news
            }
            Known::Withdrawing { .. }
            | Known::Absent { .. }
            | Known::Installing { .. }
            | Known::Present { .. }
            | Known::Stuck { .. } => AddressNews::None,
        }
    }

    /// What a dump that was *requested* at `asked_at` shows. A dump older than our last change proves nothing.
    pub fn observed(&mut self, now: Instant, asked_at: Instant, presence: Presence) -> AddressNews {
        if self.changed_since(asked_at) {
            return AddressNews::None;
        }
        match (self.known, presence) {
            (Known::Absent { .. }, Presence::Here) => {
                self.set(now, Known::Present { renew_at: now, renewal: None });
                AddressNews::None
            }
            // The interface went away with it: what is in flight will fail by itself.
            (Known::Present { .. } | Known::Stuck { .. }, Presence::Missing) => {
                self.set(now, Known::Absent { retry_at: now });
                AddressNews::Gone
            }
            (Known::Absent { .. } | Known::Installing { .. } | Known::Withdrawing { .. }, Presence::Missing)
            | (
                Known::Installing { .. } | Known::Present { .. } | Known::Withdrawing { .. } | Known::Stuck { .. },
                Presence::Here,
            ) => AddressNews::None,
        }
    }

    /// When [`Kept::plan`] would have something to do by itself.
    pub fn deadline(&self, want: Want) -> Option<Instant> {
        match (want, self.known) {
            (Want::Present, Known::Absent { retry_at }) | (Want::Absent, Known::Stuck { retry_at }) => Some(retry_at),
            (Want::Present, Known::Present { renew_at, renewal: None }) => Some(renew_at),
            (Want::Present | Want::Absent | Want::AsIs, _) => None,
        }
    }

    fn set(&mut self, now: Instant, known: Known) {
        self.known = known;
        self.changed_at = Some(now);
    }
}

#[cfg(test)]
mod tests;
