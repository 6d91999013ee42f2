//! The system calls that no crate offers safely: the only file of vipkeeper with `unsafe`.
//!
//! Each block carries its proof. Nothing here decides anything or keeps state.
#![allow(unsafe_code, reason = "the one place for it: every block states why it is sound")]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// An IO object that owns exactly one descriptor, always the same, until it is dropped.
///
/// Implemented here alone, so that [`async_fd`] can rely on it.
pub(crate) trait OwnsFd: AsRawFd {}

impl OwnsFd for OwnedFd {}
impl OwnsFd for socket2::Socket {}

/// Registers a descriptor with the runtime of the calling thread.
///
/// # Errors
/// Those of `epoll_ctl`. The object must be non-blocking for its reads not to block.
pub(crate) fn async_fd<T: OwnsFd>(io: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: `OwnsFd` is implemented above only for types that own their descriptor, return that one from every
    // `as_raw_fd` and close it on drop. The `AsyncFd` owns the object, so the descriptor stays open and the same for
    // as long as it is registered; nobody in this crate calls `get_mut` to put another object in its place.
    unsafe { AsyncFd::register_with_interest(io, interest) }.map_err(io::Error::from)
}

/// Binds a packet socket to one interface; frames of that protocol (an EtherType, 0: none) arrive from then on, and plain
/// `send` leaves there.
///
/// # Errors
/// `ENODEV` or `ENXIO` when there is no such interface, `EINVAL` for a socket of another kind.
pub(crate) fn bind_packet(socket: &socket2::Socket, index: u32, protocol: u16) -> io::Result<()> {
    // SAFETY: `sockaddr_ll` consists of integers and arrays of integers, for which all bits zero is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = i32::try_from(index).map_err(io::Error::other)?;
    let len = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).map_err(io::Error::other)?;
    // SAFETY: the pointer is to a live, initialised `sockaddr_ll` and `len` is its size; `bind` only reads it.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), std::ptr::from_ref(&address).cast(), len) };
    if bound < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What became of the wish for real-time scheduling.
#[derive(Debug)]
pub(crate) enum Scheduling {
    /// This thread runs under `SCHED_RR` from now on; threads and processes that it makes do not.
    RealTime,
    /// This thread runs under `SCHED_DEADLINE` from now on; threads and processes that it makes do not.
    Deadline,
    /// Somebody (the service manager, `chrt`) had already chosen a real-time policy; it was left alone.
    Kept(Policy),
    /// Not permitted; everything works, with later wake-ups under load.
    Refused(io::Error),
}

/// A real-time policy with its priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    policy: libc::c_int,
    /// 1-99
    pub(crate) priority: libc::c_int,
}

impl Policy {
    /// That of the calling thread, if it is a real-time one.
    pub(crate) fn inherited() -> Option<Self> {
        // SAFETY: takes an integer (0: the calling thread) and touches no memory.
        let policy = unsafe { libc::sched_getscheduler(0) };
        let policy = policy & !libc::SCHED_RESET_ON_FORK;
        if !matches!(policy, libc::SCHED_RR | libc::SCHED_FIFO) {
            return None;
        }
        // SAFETY: `sched_param` is one integer (on some targets with padding), for which zero is a valid value.
        let mut param: libc::sched_param = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a live `sched_param` that the kernel fills; 0 is the calling thread.
        let got = unsafe { libc::sched_getparam(0, std::ptr::from_mut(&mut param)) };
        (got == 0).then_some(Self { policy, priority: param.sched_priority })
    }

    /// Puts the calling thread under this policy; threads and processes that it makes inherit it.
    pub(crate) fn adopt(self) -> io::Result<()> {
        set(self.policy, self.priority)
    }
}

/// The priority asked for by default: above ordinary work, below the kernel's own real-time threads (50).
const REAL_TIME_PRIORITY: libc::c_int = 10;

/// Puts the calling thread under `SCHED_RR`, reset on fork so that neither the proxy nor a hook inherits it. Without a
/// wish (1-99) a real-time policy that somebody else chose is kept.
pub(crate) fn schedule_real_time(wish: Option<u8>) -> Scheduling {
    let priority = match (wish, Policy::inherited()) {
        (None, Some(policy)) => return Scheduling::Kept(policy),
        (None, None) => REAL_TIME_PRIORITY,
        (Some(wish), _) => wish.into(),
    };
    match set(libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, priority) {
        Ok(()) => Scheduling::RealTime,
        Err(error) => Scheduling::Refused(error),
    }
}

/// The policy (sched.h).
const SCHED_DEADLINE: u32 = 6;
/// Threads and processes that are made are ordinary ones.
const SCHED_FLAG_RESET_ON_FORK: u64 = 0x01;
/// What others reserved and do not use may be used.
const SCHED_FLAG_RECLAIM: u64 = 0x02;

/// In each period this much time of a processor is reserved, or as much as the kernel still has to give. Adverts take a
/// hundredth of it; but who uses it up waits for the next period, and a hand-over with a restart of the proxy takes
/// milliseconds at once.
const DEADLINE_RUNTIMES_NS: [u64; 3] = [5_000_000, 3_000_000, 1_000_000];
/// The shortest interval of adverts (RFC 9568 counts in hundredths of a second).
const DEADLINE_PERIOD_NS: u64 = 10_000_000;

/// `struct sched_attr` as it is since Linux 3.14 (sched_setattr(2)).
#[repr(C)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Puts the calling thread under `SCHED_DEADLINE`.
///
/// Of all real-time threads together the kernel takes a twentieth of each second away when others have work (sched(7)):
/// 50 ms, longer than three adverts of 10 ms. Not of those under this policy.
///
/// # Errors
/// `EPERM` without privilege or under a cpuset, `EBUSY` when so much is reserved already.
pub(crate) fn schedule_deadline() -> io::Result<()> {
    let mut result = Err(io::ErrorKind::Unsupported.into());
    for runtime in DEADLINE_RUNTIMES_NS {
        result = reserve(runtime);
        match &result {
            // Others have reserved so much already.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
            Ok(()) | Err(_) => break,
        }
    }
    result
}

fn reserve(runtime: u64) -> io::Result<()> {
    let attr = SchedAttr {
        size: u32::try_from(size_of::<SchedAttr>()).map_err(io::Error::other)?,
        policy: SCHED_DEADLINE,
        flags: SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_RECLAIM,
        nice: 0,
        priority: 0,
        runtime,
        deadline: DEADLINE_PERIOD_NS,
        period: DEADLINE_PERIOD_NS,
    };
    // SAFETY: the pointer is to a live, initialised `sched_attr` whose size it states and which the kernel only reads;
    // 0 is the calling thread, and there are no flags of the call.
    let set = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, std::ptr::from_ref(&attr), 0) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn set(policy: libc::c_int, priority: libc::c_int) -> io::Result<()> {
    // SAFETY: `sched_param` is one integer (on some targets with padding), for which zero is a valid value.
    let mut param: libc::sched_param = unsafe { std::mem::zeroed() };
    param.sched_priority = priority;
    // SAFETY: the pointer is to a live, initialised `sched_param` that the kernel only reads; 0 is the calling thread.
    let set = unsafe { libc::sched_setscheduler(0, policy, std::ptr::from_ref(&param)) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
