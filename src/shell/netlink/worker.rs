//! The worker of the kernel's tables: what waits is taken together, carried out in order, and answered.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc};

use super::batch::CHANGES_MAX;
use super::{DUMP_AGAIN_AFTER, Netlink};
use crate::addrs::device::{ArpConf, Device};
use crate::addrs::routing::RoutingEntry;
use crate::node::Event;
use crate::node::event::OpId;
use crate::shell::{clock, sock_diag};
use crate::units::{AddressOptions, IfName, LeaseSecs, VipAddress};

/// A change of the kernel's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressOp {
    /// Add or renew: answered by `AddressInstalled`.
    Install {
        /// The operation.
        op: OpId,
        /// Link.
        index: u32,
        /// The address.
        address: VipAddress,
        /// How it is put there.
        options: AddressOptions,
        /// `valid_lft`.
        lease: LeaseSecs,
    },
    /// Remove: answered by `AddressWithdrawn`.
    Withdraw {
        /// The operation.
        op: OpId,
        /// Link.
        index: u32,
        /// The address.
        address: VipAddress,
    },
    /// Reset connections: answered by `ConnectionsReset`.
    Reset {
        /// The operation.
        op: OpId,
        /// Local addresses.
        addresses: Vec<IpAddr>,
    },
    /// Add a route or rule: answered by `RoutingChanged`.
    AddRouting {
        /// The operation.
        op: OpId,
        /// The route or rule.
        entry: RoutingEntry,
    },
    /// Remove a route or rule: answered by `RoutingChanged`.
    RemoveRouting {
        /// The operation.
        op: OpId,
        /// The route or rule.
        entry: RoutingEntry,
    },
    /// Look for routes and rules of ours: answered by `RoutingObserved`.
    ObserveRouting,
    /// Create or look after a device: answered by `DeviceRaised`.
    RaiseDevice {
        /// The operation.
        op: OpId,
        /// The device.
        device: Device,
    },
    /// Remove a device: answered by `DeviceRemoved`.
    RemoveDevice {
        /// The operation.
        op: OpId,
        /// Its name.
        name: IfName,
    },
    /// Let an interface answer ARP like that: answered by `ArpConfigured`.
    ConfigureArp {
        /// The operation.
        op: OpId,
        /// Its index.
        index: u32,
        /// How.
        conf: ArpConf,
    },
}

impl AddressOp {
    /// The event that tells that it failed.
    #[must_use]
    pub fn failed(&self, why: String) -> Event {
        match *self {
            Self::Install { op, .. } => Event::AddressInstalled { op, result: Err(why) },
            Self::Withdraw { op, .. } => Event::AddressWithdrawn { op, result: Err(why) },
            Self::Reset { op, .. } => Event::ConnectionsReset { op, result: Err(why) },
            Self::AddRouting { op, .. } | Self::RemoveRouting { op, .. } => {
                Event::RoutingChanged { op, result: Err(why) }
            }
            Self::ObserveRouting => Event::RoutingObserved(Err(why)),
            Self::RaiseDevice { op, .. } => Event::DeviceRaised { op, result: Err(why) },
            Self::RemoveDevice { op, .. } => Event::DeviceRemoved { op, result: Err(why) },
            Self::ConfigureArp { op, .. } => Event::ArpConfigured { op, result: Err(why) },
        }
    }

    /// The operation, if it adds or removes an address: a run of those goes to the kernel together.
    fn change(&self) -> Option<OpId> {
        match *self {
            Self::Install { op, .. } | Self::Withdraw { op, .. } => Some(op),
            Self::Reset { .. }
            | Self::AddRouting { .. }
            | Self::RemoveRouting { .. }
            | Self::ObserveRouting
            | Self::RaiseDevice { .. }
            | Self::RemoveDevice { .. }
            | Self::ConfigureArp { .. } => None,
        }
    }
}

/// The worker: one operation in flight; changes go before dumps.
///
/// `observe` asks for a dump; several requests before it starts become one. Ends when `ops` is closed.
pub async fn run(mut ops: mpsc::Receiver<AddressOp>, observe: Arc<Notify>, events: mpsc::Sender<Event>) {
    let mut netlink = Netlink::default();
    let mut taken = Vec::new();
    loop {
        let answers = tokio::select! {
            biased;
            count = ops.recv_many(&mut taken, CHANGES_MAX) => {
                if count == 0 {
                    return;
                }
                if carry_out(&mut netlink, std::mem::take(&mut taken).into(), &events).await.is_err() {
                    return;
                }
                continue;
            }
            () = observe.notified() => match netlink.dump().await {
                Ok(network) => Event::NetworkObserved(network),
                Err(error) => {
                    tracing::warn!(%error, "cannot read links and addresses; trying again");
                    let again = Arc::clone(&observe);
                    tokio::spawn(async move {
                        tokio::time::sleep(DUMP_AGAIN_AFTER).await;
                        again.notify_one();
                    });
                    continue;
                }
            },
        };
        if events.send(answers).await.is_err() {
            return;
        }
    }
}

/// In order. Fails when nobody listens any more.
async fn carry_out(
    netlink: &mut Netlink,
    mut queue: VecDeque<AddressOp>,
    events: &mpsc::Sender<Event>,
) -> Result<(), mpsc::error::SendError<Event>> {
    // All resets of a turn share it, since the renewals of other leases wait behind them.
    let mut reset_until = None;
    while let Some(first) = queue.pop_front() {
        let answer = match first {
            AddressOp::Install { .. } | AddressOp::Withdraw { .. } => {
                let mut changes = vec![first];
                while queue.front().is_some_and(|next| next.change().is_some()) {
                    changes.extend(queue.pop_front());
                }
                change(netlink, &changes).await
            }
            AddressOp::Reset { op, addresses } => {
                let addresses: BTreeSet<IpAddr> = addresses.into_iter().collect();
                let until = *reset_until.get_or_insert_with(|| clock::now() + sock_diag::RESET_WITHIN);
                let result = sock_diag::reset_connections(&addresses, until).await;
                Event::ConnectionsReset { op, result: result.map_err(|e| e.to_string()) }
            }
            AddressOp::AddRouting { op, entry } => {
                let result = netlink.add_routing(&entry).await;
                Event::RoutingChanged { op, result: result.map_err(|e| e.to_string()) }
            }
            AddressOp::RemoveRouting { op, entry } => {
                let result = netlink.remove_routing(&entry).await;
                Event::RoutingChanged { op, result: result.map_err(|e| e.to_string()) }
            }
            AddressOp::ObserveRouting => {
                Event::RoutingObserved(netlink.dump_routing().await.map_err(|e| e.to_string()))
            }
            AddressOp::RaiseDevice { op, device } => {
                let result = netlink.raise(&device).await;
                Event::DeviceRaised { op, result: result.map_err(|e| e.to_string()) }
            }
            AddressOp::RemoveDevice { op, name } => {
                let result = netlink.remove_device(&name).await;
                Event::DeviceRemoved { op, result: result.map_err(|e| e.to_string()) }
            }
            AddressOp::ConfigureArp { op, index, conf } => {
                let result = netlink.configure_arp(index, conf).await;
                Event::ArpConfigured { op, result: result.map_err(|e| e.to_string()) }
            }
        };
        events.send(answer).await?;
    }
    Ok(())
}

async fn change(netlink: &mut Netlink, changes: &[AddressOp]) -> Event {
    let results = netlink.apply(changes).await;
    match (changes, results.as_slice()) {
        ([AddressOp::Install { op, .. }], [result]) => Event::AddressInstalled { op: *op, result: result.clone() },
        ([AddressOp::Withdraw { op, .. }], [result]) => Event::AddressWithdrawn { op: *op, result: result.clone() },
        _ => Event::AddressesAnswered(changes.iter().filter_map(AddressOp::change).zip(results).collect()),
    }
}
