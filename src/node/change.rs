//! A changed configuration: read, handed to the proxy's lifecycle, and put in force when the proxy confirms it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::node::effect::{Effect, LogLevel};
use crate::node::event::{Loaded, OpId, RequestId};
use crate::node::groups;
use crate::node::outbox::{Ops, Outbox};
use crate::node::proxying::ProxyNews;
use crate::node::vip::{Host, Vip};
use crate::node::{Node, Phase};
use crate::proxy::runtime::{Patch, plan};
use crate::render::Rendered;

/// A file must have been quiet for this long: editors write in several steps.
const QUIET: Duration = Duration::from_millis(200);
/// A file that never gets quiet is read all the same.
const QUIET_MAX: Duration = Duration::from_secs(2);
/// Requests that wait for one reload; more are refused.
const WAITING_MAX: usize = 64;

/// Changes at run time that are named one by one; more are counted.
const CHANGES_TOLD_MAX: usize = 5;

/// A configuration on its way into force.
#[derive(Debug)]
struct Applying {
    loaded: Loaded,
    waiting: Vec<RequestId>,
    since: Instant,
}

/// How the last attempt ended.
#[derive(Debug, Clone)]
pub(super) struct LastReload {
    pub(super) ok: bool,
    pub(super) message: String,
    pub(super) at: Instant,
    pub(super) took: Duration,
}

/// Attempts to change the configuration: one is read, one is applied, all further wishes share one slot.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// What the lifecycle had in hand when a newer one came: it may still be what the proxy will run.
    overtaken: Option<Applying>,
    /// First and last touch since the files were read.
    touched: Option<(Instant, Instant)>,
    urgent: bool,
    waiting: Vec<RequestId>,
    reading: Option<(OpId, Vec<RequestId>)>,
    applying: Option<Applying>,
    pub(super) last: Option<LastReload>,
}

impl Changes {
    pub(super) fn touched(&mut self, now: Instant) {
        let first = self.touched.map_or(now, |(first, _)| first);
        self.touched = Some((first, now));
    }

    pub(super) fn now(&mut self) {
        self.urgent = true;
    }

    pub(super) fn asked(&mut self, id: RequestId) -> Result<(), String> {
        if self.waiting.len() >= WAITING_MAX {
            return Err(format!("{WAITING_MAX} reloads are waiting already"));
        }
        self.waiting.push(id);
        self.urgent = true;
        Ok(())
    }

    /// The attempt whose text that is: it ended.
    fn take(&mut self, rendered: &Arc<Rendered>) -> Option<Applying> {
        let theirs = |a: &mut Applying| Arc::ptr_eq(&a.loaded.rendered, rendered);
        self.applying.take_if(theirs).or_else(|| self.overtaken.take_if(theirs))
    }

    /// Everybody who waits for a reload; nothing is read any more.
    pub(super) fn abandon(&mut self) -> Vec<RequestId> {
        (self.touched, self.urgent) = (None, false);
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.extend(self.reading.iter_mut().flat_map(|(_, ids)| ids.drain(..)));
        waiting.extend(self.applying.iter_mut().flat_map(|applying| applying.waiting.drain(..)));
        waiting
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let (first, last) = self.touched.filter(|_| self.reading.is_none())?;
        Some((last + QUIET).min(first + QUIET_MAX))
    }

    /// Whether the files are to be read now.
    pub(super) fn due(&mut self, now: Instant, ops: &mut Ops) -> Option<OpId> {
        let quiet = self.deadline().is_some_and(|at| now >= at);
        if self.reading.is_some() || !(self.urgent || quiet) {
            return None;
        }
        let op = ops.next();
        self.urgent = false;
        self.touched = None;
        self.reading = Some((op, std::mem::take(&mut self.waiting)));
        Some(op)
    }
}

impl Node {
    /// The files are broken: an operator must see that what runs is not what they say.
    pub(super) fn started_with_last_good(&mut self, now: Instant, report: &str) {
        let message = format!("the configuration is refused, the last good one is in force instead:\n{report}");
        self.changes.last = Some(LastReload { ok: false, message, at: now, took: Duration::ZERO });
    }

    /// vipkeeper ends: nobody is left waiting.
    pub(super) fn abandon_changes(&mut self, out: &mut Outbox) {
        reply_all(self.changes.abandon(), &Err("vipkeeper is stopping".to_owned()), out);
    }

    /// The files were read.
    pub(super) fn config_loaded(&mut self, now: Instant, op: OpId, result: Result<Loaded, String>, out: &mut Outbox) {
        let Some((_, waiting)) = self.changes.reading.take_if(|(reading, _)| *reading == op) else { return };
        if self.phase != Phase::Running {
            reply_all(waiting, &Err("vipkeeper is stopping".to_owned()), out);
            return;
        }
        let loaded = match result {
            Ok(loaded) => loaded,
            Err(report) => {
                let message = format!("the configuration is refused, nothing changes:\n{report}");
                self.reload_ended(now, now, waiting, Err(message), out);
                return;
            }
        };
        let (now_runs, wanted) = (self.loaded.config.proxy.engine, loaded.config.proxy.engine);
        if now_runs != wanted {
            let message = format!(
                "the configuration is refused, nothing changes: {} cannot take the place of {} while it runs; stop \
                 vipkeeper and start it again",
                wanted.name(),
                now_runs.name()
            );
            self.reload_ended(now, now, waiting, Err(message), out);
            return;
        }
        // The binary would say so too, in words of its own.
        let capable = self.proxying.capabilities.as_ref();
        if let Some(Err(lacks)) = capable.map(|c| c.suffice(&loaded.config, &loaded.rendered.sources)) {
            let message = format!("the configuration is refused, nothing changes:\n{lacks}");
            self.reload_ended(now, now, waiting, Err(message), out);
            return;
        }
        let same_text = loaded.config.digest == self.loaded.config.digest;
        let same_key = loaded.key == self.loaded.key;
        let same_proxy = loaded.rendered.generation == self.loaded.rendered.generation;
        // A proxy that serves an older file instead gets another chance with what is in force.
        let at_rest = self.changes.applying.is_none() && !self.proxying.lifecycle.serves_another();
        if same_text && same_proxy && same_key && at_rest {
            // A save without a change is no attempt worth remembering, unless it takes back one that failed.
            if self.changes.last.as_ref().is_some_and(|last| !last.ok) {
                let message = format!("configuration {} is in force, as the files say", self.loaded.config.digest);
                out.log(LogLevel::Info, None, message.clone());
                self.changes.last = Some(LastReload { ok: true, message, at: now, took: Duration::ZERO });
            }
            reply_all(waiting, &Ok("unchanged".to_owned()), out);
            return;
        }
        let mut waiting = waiting;
        if let Some(mut earlier) = self.changes.applying.take() {
            waiting.append(&mut earlier.waiting);
            if self.proxying.lifecycle.has_in_hand(&earlier.loaded.rendered) {
                self.changes.overtaken = Some(earlier);
            }
        }
        self.changes.applying = Some(Applying { loaded: loaded.clone(), waiting, since: now });
        let news = self.proxying.apply(now, &loaded, &mut self.ops, out);
        self.proxy_news(now, news, out);
    }

    /// What the lifecycle achieved.
    pub(super) fn proxy_news(&mut self, now: Instant, news: Vec<ProxyNews>, out: &mut Outbox) {
        for item in news {
            match item {
                ProxyNews::Applied(rendered) => match self.changes.take(&rendered) {
                    Some(applying) => self.put_in_force(now, applying, out),
                    None if self.loaded.rendered.generation == rendered.generation => out.push(Effect::KeepConfig),
                    None => {}
                },
                // A newer change may be on its way by now: whoever waits is answered by that one's end.
                ProxyNews::Refused(rendered, why) => match self.changes.take(&rendered) {
                    Some(applying) => {
                        let why = format!("nothing changes: {why}");
                        self.reload_ended(now, applying.since, applying.waiting, Err(why), out);
                    }
                    None => out.log(LogLevel::Warn, None, why),
                },
            }
        }
    }

    fn put_in_force(&mut self, now: Instant, applying: Applying, out: &mut Outbox) {
        let Applying { loaded, waiting, since } = applying;
        let reloaded = loaded.rendered.generation != self.loaded.rendered.generation;
        let before = std::mem::replace(&mut self.loaded, loaded);
        self.loaded_at = now;
        self.proxying.configure(&self.loaded);
        self.prune_intents(out);
        // What the file changed of a running server is not what an operator wants of it.
        if self.proxying.worker.is_some() {
            self.proxying.express(&mut self.ops, out);
        }
        self.tracking.configure(&self.loaded.config, &self.me, now);
        self.peering.configure(now, &self.loaded, out);
        let endpoint = self.loaded.config.endpoint(&self.me);
        if endpoint != before.config.endpoint(&self.me) {
            out.push(Effect::Serve { endpoint });
        }
        self.adopt_vips(now, out);
        self.choose_sources(now);
        // The addresses of the host are to be looked at with the new VIPs in mind.
        self.observation.stale = true;
        let message = if !reloaded {
            "applied without touching the proxy".to_owned()
        } else if self.proxying.lifecycle.runs_patched(self.loaded.rendered.generation) {
            format!("applied at run time, without a reload: {}", changes_made(&before, &self.loaded))
        } else {
            "applied; the proxy was reloaded".to_owned()
        };
        out.push(Effect::KeepConfig);
        let message = match self.binary_left_out(&before) {
            Some(warning) => {
                out.log(LogLevel::Warn, None, warning.clone());
                format!("{message}; but {warning}")
            }
            None => message,
        };
        self.reload_ended(now, since, waiting, Ok(message), out);
    }

    /// A reload cannot exchange the program: the master executes the one that it was started from.
    fn binary_left_out(&self, before: &Loaded) -> Option<String> {
        let wanted = &self.loaded.config.proxy.binary;
        (*wanted != before.config.proxy.binary).then(|| {
            let wanted = wanted.display();
            format!("the new `proxy.binary` {wanted} is used only once vipkeeper and the proxy have been restarted")
        })
    }

    /// VIPs that stay keep their role and leases; those that are gone resign and leave.
    fn adopt_vips(&mut self, now: Instant, out: &mut Outbox) {
        let config = Arc::clone(&self.loaded.config);
        self.interfaces_stale = true;
        self.settled.all = true;
        self.notified = None;
        let mut old = std::mem::take(&mut self.vips);
        let (mut fresh, mut renamed) = (Vec::new(), Vec::new());
        let stopping = self.phase != Phase::Running;
        let network = self.observation.network.clone();
        let (wall, peering, proxy) = (self.wall.at(now), &self.peering, self.proxying.verdict());
        let host = Host { now, wall, network: &network, hooks: &config.hooks, stopping, me: &self.me, peering, proxy };
        for wanted in &config.vips {
            let same = old.iter().position(|v| v.is_same_router(wanted, &self.me));
            let takes_part = wanted.priorities.contains_key(&self.me);
            match same {
                Some(at) if takes_part => {
                    let mut vip = old.swap_remove(at);
                    if vip.reconfigure(wanted, &config, &self.me, now) {
                        renamed.push(self.vips.len());
                    }
                    self.vips.push(vip);
                }
                Some(_) | None => {
                    let Some(mut vip) = Vip::new(wanted, &config, &self.me, now) else { continue };
                    // What is here under its address belongs to a VIP that leaves, not to a predecessor.
                    vip.settle_inheritance();
                    fresh.push(self.vips.len());
                    self.vips.push(vip);
                }
            }
        }
        for at in fresh.iter().chain(&renamed).copied() {
            let Some(vip) = self.vips.get_mut(at) else { continue };
            let mut same = old.iter_mut().filter(|v| v.config.name == vip.config.name && !v.is_silenced());
            // One that is still leaving since an earlier change tells its scripts what it has to before this one does.
            if let Some(earlier) = same.next() {
                vip.succeed(earlier, &host, out);
            }
        }
        for at in renamed {
            if let Some(vip) = self.vips.get_mut(at) {
                vip.tell_again(&host, out);
            }
        }
        self.groups = groups::adopt(std::mem::take(&mut self.groups), &config);
        for mut vip in old {
            vip.farewell.get_or_insert_with(|| "it has left the configuration of this node".to_owned());
            self.vips.push(vip);
        }
    }

    fn reload_ended(
        &mut self,
        now: Instant,
        since: Instant,
        waiting: Vec<RequestId>,
        result: Result<String, String>,
        out: &mut Outbox,
    ) {
        let took = now.saturating_duration_since(since);
        let (ok, message) = match &result {
            Ok(message) => (true, format!("configuration {} {message}", self.loaded.config.digest)),
            Err(message) => (false, message.clone()),
        };
        out.log(if ok { LogLevel::Info } else { LogLevel::Warn }, None, message.clone());
        self.changes.last = Some(LastReload { ok, message, at: now, took });
        reply_all(waiting, &result, out);
    }
}

/// What a worker with the one file was told to be equal to one with the other.
fn changes_made(before: &Loaded, after: &Loaded) -> String {
    let patch = plan::patch(&before.rendered, &after.rendered, plan::DYNAMIC_SERVERS_SINCE);
    let Some(Patch { changes, .. }) = patch else { return "as the file says".to_owned() };
    let mut said: Vec<String> = changes.iter().take(CHANGES_TOLD_MAX).map(ToString::to_string).collect();
    if let Some(more) = changes.len().checked_sub(CHANGES_TOLD_MAX).filter(|more| *more > 0) {
        said.push(format!("and {more} more"));
    }
    said.join("; ")
}

fn reply_all(waiting: Vec<RequestId>, result: &Result<String, String>, out: &mut Outbox) {
    for request in waiting {
        out.push(Effect::Reply { request, result: result.clone() });
    }
}

#[cfg(test)]
mod tests;
