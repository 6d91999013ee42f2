//! Whether adverts are authentic, and how ours are sealed: the state of one virtual router.
//!
//! What is refused leaves no trace here: replay marks move only after everything else of an advert was accepted.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use crate::config::{Auth, HmacAuth, HmacMode};
use crate::vrrp::packet::{Advert, Credential, Reject, Seal, Stamp, Trailer};

/// Senders whose last stamp is remembered; the one not heard for longest makes room. Only genuine senders have a place, and
/// a VIP has fewer nodes than this.
const MARKS_MAX: usize = 16;

/// Sequence of our own stamps, and those last accepted of others.
#[derive(Debug, Clone, Default)]
pub struct Authenticity {
    sent: Option<Stamp>,
    /// Most recently heard first.
    marks: VecDeque<(IpAddr, Stamp)>,
}

impl Authenticity {
    /// The seal of the next advert. `wall` is the time of day, since the epoch.
    pub fn seal<'a>(&mut self, auth: &'a Auth, wall: Duration) -> Seal<'a> {
        match auth {
            Auth::None => Seal::None,
            Auth::Password(password) => Seal::Password(*password),
            Auth::Hmac(hmac) => match (hmac.mode, hmac.keys.get(&hmac.active)) {
                (HmacMode::ReceiveOnly, _) | (_, None) => Seal::None,
                (HmacMode::Enforce | HmacMode::Permissive, Some(key)) => {
                    Seal::Hmac { id: hmac.active, key, stamp: self.next(Stamp::of(wall), hmac.window) }
                }
            },
        }
    }

    /// Later than every earlier one. When the clock was set back by more than receivers accept, it starts again from there.
    fn next(&mut self, clock: Stamp, window: Duration) -> Stamp {
        let next = match self.sent {
            Some(last) if !clock.is_after(last) && clock.seconds_from(last) <= window.as_secs() => last.next(),
            Some(_) | None => clock,
        };
        self.sent = Some(next);
        next
    }

    /// Whether an advert that is acceptable in every other way is authentic. Remembers its stamp if so.
    ///
    /// # Errors
    /// The reason to drop it.
    pub fn judge(&mut self, auth: &Auth, advert: &Advert, wall: Duration) -> Result<(), Reject> {
        match (auth, &advert.credential) {
            (Auth::None, Credential::None) => Ok(()),
            (Auth::Password(ours), Credential::Password(theirs)) if ours == theirs => Ok(()),
            (Auth::Password(_), Credential::Password(_) | Credential::None) => Err(Reject::Auth),
            (Auth::Hmac(hmac), Credential::Trailer(trailer)) => self.genuine(hmac, advert.source, trailer, wall),
            (Auth::Hmac(hmac), Credential::None) => match hmac.mode {
                HmacMode::Enforce => Err(Reject::Auth),
                HmacMode::Permissive | HmacMode::ReceiveOnly => Ok(()),
            },
            (Auth::None, Credential::Password(_) | Credential::Other(_) | Credential::Trailer(_))
            | (Auth::Password(_), Credential::Other(_) | Credential::Trailer(_))
            | (Auth::Hmac(_), Credential::Password(_) | Credential::Other(_)) => Err(Reject::AuthType),
        }
    }

    /// In the order of cost: the time, the key, the signature, and only then whether it was heard before.
    fn genuine(&mut self, hmac: &HmacAuth, from: IpAddr, trailer: &Trailer, wall: Duration) -> Result<(), Reject> {
        let (clock, window) = (Stamp::of(wall), hmac.window.as_secs());
        if clock.seconds_from(trailer.stamp) > window {
            return Err(Reject::AuthStale);
        }
        let key = hmac.keys.get(&trailer.key_id).ok_or(Reject::AuthKey)?;
        if !trailer.is_signed_with(key) {
            return Err(Reject::Auth);
        }
        let known = self.marks.iter().position(|(ip, _)| *ip == from);
        // A mark outside the window orders only what the window refuses anyway; without it a sender whose clock was corrected
        // is heard again.
        let mark = known.and_then(|at| self.marks.get(at)).map(|(_, mark)| *mark);
        let mark = mark.filter(|mark| clock.seconds_from(*mark) <= window);
        if mark.is_some_and(|mark| !trailer.stamp.is_after(mark)) {
            return Err(Reject::AuthReplay);
        }
        if let Some(at) = known {
            self.marks.remove(at);
        }
        self.marks.push_front((from, trailer.stamp));
        self.marks.truncate(MARKS_MAX);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
