//! What becomes of the TCP connections to addresses that leave this node.

use std::net::IpAddr;

use crate::config::OnRelease;
use crate::node::effect::{Effect, LogLevel};
use crate::node::event::OpId;
use crate::node::outbox::{Ops, Outbox};
use crate::node::vip::{Placed, Vip};

impl Vip {
    /// Whether the connections to an address are reset before it is removed. The one place that decides it.
    ///
    /// Only those that this vipkeeper held as active router are: not what a predecessor left. And only of addresses that
    /// leave: one that is put back in another way keeps its connections.
    pub(super) fn resets(&self, placed: &Placed, stays: &dyn Fn(IpAddr) -> bool) -> bool {
        self.config.on_release == OnRelease::Reset && placed.served && !stays(placed.lease.address().ip())
    }

    /// Asks for it.
    pub(super) fn reset(&mut self, addresses: Vec<IpAddr>, ops: &mut Ops, out: &mut Outbox) {
        if addresses.is_empty() {
            return;
        }
        let op = ops.next();
        self.resetting.insert(op);
        out.push(Effect::ResetConnections { op, addresses });
    }

    /// Why the last reset of connections failed.
    pub(in crate::node) fn reset_error(&self) -> Option<&str> {
        self.reset_error.as_deref()
    }

    /// The outcome.
    pub(in crate::node) fn connections_reset(&mut self, op: OpId, result: &Result<u32, String>, out: &mut Outbox) {
        if !self.resetting.remove(&op) {
            return;
        }
        let name = self.config.name.to_string();
        match result {
            Ok(0) => self.reset_error = None,
            Ok(count) => {
                self.reset_error = None;
                *self.counters.entry("connections-reset").or_default() += u64::from(*count);
                let plural = if *count == 1 { "" } else { "s" };
                out.log(LogLevel::Info, Some(&name), format!("reset {count} connection{plural} of clients"));
            }
            Err(why) => {
                *self.counters.entry("resets-failed").or_default() += 1;
                if self.reset_error.replace(why.clone()).as_ref() != Some(why) {
                    let message = format!("cannot reset connections, clients wait for their timeouts: {why}");
                    out.log(LogLevel::Warn, Some(&name), message);
                }
            }
        }
    }
}
