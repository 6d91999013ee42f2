//! A VIP that an operator moves to another node.

use crate::node::outbox::Outbox;
use crate::node::vip::handover::Leaving;
use crate::node::vip::{Host, Vip};
use crate::units::Name;
use crate::vrrp::router::Role;

impl Vip {
    /// Who would have it if an operator moved it away now, and to that node if one is named.
    ///
    /// # Errors
    /// When it is not here, or nobody is known to be fit, in words for people.
    pub(in crate::node) fn switchover_to(&self, host: &Host<'_>, to: Option<&Name>) -> Result<Name, String> {
        let (name, id) = (&self.config.name, self.handover.id);
        if self.router.role() != Role::Active {
            return Err(match self.holder(host) {
                Some(holder) => format!("vip {name} is on {holder}: say it there"),
                None => format!("vip {name} is not on {}", host.me),
            });
        }
        if !host.peering.talks() {
            return Err(format!(
                "the nodes do not know each other without [peers], so nobody is known to be fit for vip {name}; \
                 `vipkeeper release {name}` gives it up all the same"
            ));
        }
        if let Some(to) = to {
            return match host.peering.known(host.now, to, id) {
                Some((_, known)) if known.state.fit => Ok(to.clone()),
                Some((_, known)) => Err(format!("{to} is not fit for vip {name}: {}", known.state.why)),
                None if to == host.me => Err(format!("vip {name} is on {to} already")),
                None => Err(format!("{to} takes no part in vip {name}, or was not heard lately")),
            };
        }
        host.peering.successor(host.now, id).cloned().ok_or_else(|| {
            format!(
                "no other node is known to be fit for vip {name}; `vipkeeper release {name}` gives it up all the same"
            )
        })
    }

    /// An operator moves it to that peer.
    pub(in crate::node) fn hand_to(&mut self, host: &Host<'_>, successor: &Name, out: &mut Outbox) {
        let why = format!("an operator hands it over to {successor}");
        self.leave(host, Leaving::Offered(successor.clone()), &why, out);
    }
}
