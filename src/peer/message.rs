//! The bytes of a hello: strict reading with named reasons to reject, exact writing.
//!
//! ```text
//! magic 4 | version 1 | flags 1 | from: length 1, text | to: length 1, text | incarnation 8 | sequence 8
//! | challenge 8 | echo 8 | configuration 8 | items: count 1, then kind 1, VIP 4, ... | HMAC-SHA256 32
//! ```
//!
//! Numbers are big endian. The HMAC covers everything before it, the receiver's name too: what was said to one node
//! cannot be repeated to another.

use hmac::Mac;

use crate::peer::{Incarnation, PeerKey, VipId};
use crate::units::{Digest, Name, Priority};
use crate::vrrp::router::Role;

/// A datagram is never longer: it fits into the smallest frames of tunnels too.
pub const BYTES_MAX: usize = 1200;
/// The reason why a node is unfit is cut to this many bytes.
pub const WHY_MAX: usize = 80;

const MAGIC: [u8; 4] = *b"vkhi";
const VERSION: u8 = 1;
const MAC_BYTES: usize = 32;
/// Magic, version, flags, two name lengths, five numbers, count, HMAC.
const FIXED_BYTES: usize = 4 + 1 + 1 + 2 + 5 * 8 + 1 + MAC_BYTES;
/// Kind, VIP, role, priority, flags, length of the reason.
const STATE_BYTES: usize = 1 + 4 + 1 + 1 + 1 + 1;

const FLAG_HEARS: u8 = 1;
const STATE_FIT: u8 = 1;
const STATE_WANTS: u8 = 2;
const STATE_HEARS: u8 = 4;

/// A message from one node to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Who speaks.
    pub from: Name,
    /// To whom.
    pub to: Name,
    /// The process that speaks.
    pub incarnation: Incarnation,
    /// Grows from message to message of one incarnation.
    pub sequence: u64,
    /// To be echoed by the receiver, to prove that it is no recording.
    pub challenge: u64,
    /// The receiver's last challenge; 0: none was received.
    pub echo: u64,
    /// Digest of the configuration in force.
    pub config: Digest,
    /// Hellos of the receiver arrive here.
    pub hears: bool,
    /// What it says, in this order.
    pub items: Vec<Item>,
}

/// One thing said about one VIP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// How it is here.
    State(VipState),
    /// Are you alive as its active router? Answered by `State` at once.
    Ask(VipId),
    /// I gave it up: take it now.
    Take(VipId),
    /// It is here, and announced.
    Holding(VipId),
}

/// A VIP as a node sees itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VipState {
    /// Which.
    pub vip: VipId,
    /// State of the virtual router.
    pub role: Role,
    /// Priority now; none: it abstains.
    pub priority: Option<Priority>,
    /// Its proxy is healthy and it takes part.
    pub fit: bool,
    /// It would take the VIP from the present holder now.
    pub wants: bool,
    /// Adverts of the receiver arrive here.
    pub hears: bool,
    /// Why it is unfit, at most [`WHY_MAX`] bytes; empty when fit.
    pub why: String,
}

/// Why a datagram was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HelloReject {
    /// Shorter than a hello, or cut.
    Truncated,
    /// Longer than [`BYTES_MAX`].
    Oversized,
    /// Not a hello.
    Magic,
    /// Another version of the format.
    Version,
    /// The HMAC is wrong: another key, or forged.
    Key,
    /// Authentic, but not in this format.
    Malformed,
    /// Meant for another node.
    Receiver,
    /// From a node that the configuration does not name, or from itself.
    UnknownNode,
    /// Not from an address of the node that it names.
    Address,
    /// Not newer than what was heard already.
    Replayed,
    /// From a process that has not yet proved to be no recording.
    Unproven,
}

impl HelloReject {
    /// Name of its counter.
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Oversized => "oversized",
            Self::Magic => "not-a-hello",
            Self::Version => "other-version",
            Self::Key => "wrong-key",
            Self::Malformed => "malformed",
            Self::Receiver => "for-another-node",
            Self::UnknownNode => "unknown-node",
            Self::Address => "wrong-address",
            Self::Replayed => "replayed",
            Self::Unproven => "unproven",
        }
    }
}

/// The longest beginning of a text of at most [`WHY_MAX`] bytes.
pub fn shorten(why: &str) -> String {
    let fits = |(at, c): &(usize, char)| at + c.len_utf8() <= WHY_MAX;
    why.char_indices().take_while(fits).map(|(_, c)| c).collect()
}

impl Item {
    fn bytes(&self) -> usize {
        match self {
            Self::State(state) => STATE_BYTES + state.why.len().min(WHY_MAX),
            Self::Ask(_) | Self::Take(_) | Self::Holding(_) => 5,
        }
    }
}

/// Splits what is to be said so that each part fits into one datagram between these nodes; at least one part.
pub fn split(from: &Name, to: &Name, items: Vec<Item>) -> Vec<Vec<Item>> {
    let room = BYTES_MAX - FIXED_BYTES - from.as_str().len() - to.as_str().len();
    let mut parts = Vec::new();
    let mut part: Vec<Item> = Vec::new();
    let mut used = 0;
    for item in items {
        if used + item.bytes() > room || part.len() >= usize::from(u8::MAX) {
            parts.push(std::mem::take(&mut part));
            used = 0;
        }
        used += item.bytes();
        part.push(item);
    }
    parts.push(part);
    parts
}

impl Hello {
    /// The datagram. Its items must have come from [`split`].
    pub fn encode(&self, key: &PeerKey) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES_MAX);
        bytes.extend(MAGIC);
        bytes.push(VERSION);
        bytes.push(if self.hears { FLAG_HEARS } else { 0 });
        for name in [&self.from, &self.to] {
            put_text(&mut bytes, name.as_str());
        }
        for number in [self.incarnation.0, self.sequence, self.challenge, self.echo, self.config.0] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.push(u8::try_from(self.items.len()).unwrap_or(u8::MAX));
        for item in self.items.iter().take(usize::from(u8::MAX)) {
            put_item(&mut bytes, item);
        }
        let mac = key.mac(&[&bytes]).finalize().into_bytes();
        bytes.extend(mac);
        bytes
    }

    /// Reads a datagram. Nothing but its length, magic and version is looked at before the HMAC was found right.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn decode(key: &PeerKey, bytes: &[u8]) -> Result<Self, HelloReject> {
        if bytes.len() > BYTES_MAX {
            return Err(HelloReject::Oversized);
        }
        let mut read = Reader(bytes);
        if read.array::<4>().ok_or(HelloReject::Truncated)? != MAGIC {
            return Err(HelloReject::Magic);
        }
        if read.byte().ok_or(HelloReject::Truncated)? != VERSION {
            return Err(HelloReject::Version);
        }
        let end = bytes.len().checked_sub(MAC_BYTES).filter(|_| bytes.len() > FIXED_BYTES);
        let (said, mac) = end.and_then(|end| bytes.split_at_checked(end)).ok_or(HelloReject::Truncated)?;
        // In constant time.
        key.mac(&[said]).verify_slice(mac).map_err(|_| HelloReject::Key)?;
        let mut read = Reader(said.get(5..).unwrap_or_default());
        read.hello().filter(|_| read.0.is_empty()).ok_or(HelloReject::Malformed)
    }
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    bytes.extend(text.bytes().take(usize::from(u8::MAX)));
}

fn put_item(bytes: &mut Vec<u8>, item: &Item) {
    let (kind, vip) = match item {
        Item::State(state) => (1, state.vip),
        Item::Ask(vip) => (2, *vip),
        Item::Take(vip) => (3, *vip),
        Item::Holding(vip) => (4, *vip),
    };
    bytes.push(kind);
    bytes.extend(vip.0.to_be_bytes());
    if let Item::State(state) = item {
        bytes.push(match state.role {
            Role::Fault => 0,
            Role::Backup => 1,
            Role::Active => 2,
        });
        bytes.push(state.priority.map_or(0, Priority::get));
        let flags = [(state.fit, STATE_FIT), (state.wants, STATE_WANTS), (state.hears, STATE_HEARS)];
        bytes.push(flags.iter().filter(|(set, _)| *set).fold(0, |all, (_, flag)| all | flag));
        put_text(bytes, &shorten(&state.why));
    }
}

/// What is left to be read; every method is none at the end of the text or when a value is out of range.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn text(&mut self, max: usize) -> Option<&str> {
        let len = usize::from(self.byte()?);
        let (text, rest) = self.0.split_at_checked(len).filter(|_| len <= max)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn name(&mut self) -> Option<Name> {
        self.text(63).and_then(|text| Name::new(text).ok())
    }

    fn hello(&mut self) -> Option<Hello> {
        let hears = flag(self.byte()?, FLAG_HEARS, FLAG_HEARS)?;
        let (from, to) = (self.name()?, self.name()?);
        let incarnation = Incarnation(self.number()?);
        let (sequence, challenge, echo) = (self.number()?, self.number()?, self.number()?);
        let config = Digest(self.number()?);
        let count = self.byte()?;
        let items = (0..count).map(|_| self.item()).collect::<Option<Vec<Item>>>()?;
        Some(Hello { from, to, incarnation, sequence, challenge, echo, config, hears, items })
    }

    fn item(&mut self) -> Option<Item> {
        let kind = self.byte()?;
        let vip = VipId(u32::from_be_bytes(self.array()?));
        match kind {
            1 => self.state(vip).map(Item::State),
            2 => Some(Item::Ask(vip)),
            3 => Some(Item::Take(vip)),
            4 => Some(Item::Holding(vip)),
            _ => None,
        }
    }

    fn state(&mut self, vip: VipId) -> Option<VipState> {
        let role = match self.byte()? {
            0 => Role::Fault,
            1 => Role::Backup,
            2 => Role::Active,
            _ => return None,
        };
        let priority = match self.byte()? {
            0 => None,
            some => Some(Priority::new(i64::from(some)).ok()?),
        };
        let flags = self.byte()?;
        let all = STATE_FIT | STATE_WANTS | STATE_HEARS;
        let (fit, wants, hears) =
            (flag(flags, STATE_FIT, all)?, flag(flags, STATE_WANTS, all)?, flag(flags, STATE_HEARS, all)?);
        // It is shown to people: control characters have no place in it.
        let why = self.text(WHY_MAX).filter(|why| !why.contains(char::is_control))?.to_owned();
        Some(VipState { vip, role, priority, fit, wants, hears, why })
    }
}

/// One flag; none when another one than `all` is set.
fn flag(flags: u8, one: u8, all: u8) -> Option<bool> {
    (flags & !all == 0).then_some(flags & one != 0)
}
