//! Which messages of a peer count: each at most once, and none of an earlier process of it.
//!
//! Without clocks. A message counts when it is newer than the last one of the same process, or comes from a process
//! that echoes the challenge which was given to that peer last. With each process that was accepted the challenge
//! changes, so that recordings of an earlier one never count again.

use std::time::{Duration, Instant};

use hmac::Mac;

use crate::peer::message::{Hello, HelloReject};
use crate::peer::{Incarnation, PeerKey};
use crate::units::Name;

/// A peer that has not proved itself is answered at most this often.
const ANSWER_SPACING: Duration = Duration::from_millis(50);

/// What is known of the process on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    incarnation: Incarnation,
    sequence: u64,
}

/// What became of an authentic message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// It counts.
    Counts,
    /// It counts, and is the first of a process.
    First,
    /// It does not count; answering it with this echo lets its sender prove itself.
    Answer {
        /// Its challenge.
        echo: u64,
    },
    /// It does not count.
    Dropped(HelloReject),
}

/// The conversation with one peer.
#[derive(Debug, Clone)]
pub struct Session {
    known: Option<Known>,
    /// How many of its processes were accepted.
    accepted: u64,
    challenge: u64,
    echo: u64,
    answered_at: Option<Instant>,
}

impl Session {
    /// With a peer of which nothing is known.
    pub fn new(key: &PeerKey, me: Incarnation, peer: &Name) -> Self {
        Self { known: None, accepted: 0, challenge: challenge(key, me, peer, 0), echo: 0, answered_at: None }
    }

    /// Whether a process of the peer has proved itself.
    pub fn is_proven(&self) -> bool {
        self.known.is_some()
    }

    /// What the peer must echo to prove itself.
    pub fn challenge(&self) -> u64 {
        self.challenge
    }

    /// What to echo to the peer.
    pub fn echo(&self) -> u64 {
        self.echo
    }

    /// Judges an authentic message of this peer.
    pub fn judge(&mut self, now: Instant, key: &PeerKey, me: Incarnation, hello: &Hello) -> Judged {
        if let Some(known) = &mut self.known
            && known.incarnation == hello.incarnation
        {
            if hello.sequence <= known.sequence {
                return Judged::Dropped(HelloReject::Replayed);
            }
            known.sequence = hello.sequence;
            self.echo = hello.challenge;
            return Judged::Counts;
        }
        if hello.echo == self.challenge {
            self.known = Some(Known { incarnation: hello.incarnation, sequence: hello.sequence });
            self.accepted = self.accepted.wrapping_add(1);
            self.challenge = challenge(key, me, &hello.from, self.accepted);
            self.echo = hello.challenge;
            return Judged::First;
        }
        if self.answered_at.is_some_and(|at| now < at + ANSWER_SPACING) {
            return Judged::Dropped(HelloReject::Unproven);
        }
        self.answered_at = Some(now);
        Judged::Answer { echo: hello.challenge }
    }
}

/// Nobody without the key can know it before it is said; never 0, which means none.
fn challenge(key: &PeerKey, me: Incarnation, peer: &Name, accepted: u64) -> u64 {
    let parts: [&[u8]; 4] = [b"challenge", &me.0.to_be_bytes(), &accepted.to_be_bytes(), peer.as_str().as_bytes()];
    let mac = key.mac(&parts).finalize().into_bytes();
    mac.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte)).max(1)
}
