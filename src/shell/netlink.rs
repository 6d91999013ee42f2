//! Links and addresses of this network namespace through rtnetlink: dump, install, withdraw, monitor.
//!
//! Nothing is believed without the kernel's own ACK or end of dump, and every wait is bounded. The netlink crates break
//! their interface every few months; none of their types leaves this module.
//!
//! # How a VIP is installed
//! As a lease: `IFA_CACHEINFO` with `valid_lft = preferred_lft`, so that the kernel removes it when nobody renews it,
//! and tagged with [`TAG`] in `IFA_PROTO`, so that a successor recognises it (Linux 5.18; older kernels ignore the tag).
//!
//! With the prefix length that the user wrote, and the kernel's ordinary prefix route:
//! - Where the host has an address in that subnet, the VIP becomes its *secondary*, without a route of its own.
//! - Where it has none, the VIP brings the connected route that its clients in the subnet need.
//! - `IFA_F_NOPREFIXROUTE` would be wrong: an address of the host that is configured after such a VIP becomes *its*
//!   secondary, gets no route either, and the host is cut off.
//!
//! Linux deletes the secondaries together with their primary unless `promote_secondaries` is set, whose default is off.
//! That would take the VIP away with the host's address, or worse, the host's address with the VIP. So it is switched on
//! (through netlink, `/proc/sys` may be read-only) before the first VIP with a prefix shorter than /32 is installed
//! on a link. A VIP with /32 is independent of all that.

mod batch;
mod device;
mod routing;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, Stream, StreamExt};
use netlink_packet_core::{
    ErrorMessage, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REPLACE,
    NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol, AddressScope, CacheInfo,
};
use netlink_packet_route::link::{
    AfSpecInet, AfSpecUnspec, InetDevConf, LinkAttribute, LinkExtentMask, LinkFlags, LinkLayerType, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::AsyncSocket;
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use rtnetlink::MulticastGroup;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use self::batch::{Change, Changer};
pub use self::worker::{AddressOp, run};
use crate::addrs::device::ArpConf;
use crate::node::event::{Address, Link, Network};
use crate::units::{AddressOptions, Family, IfName, LeaseSecs, Scope, VipAddress};

/// Our mark in `IFA_PROTO`: the letter `v`. 0-3 belong to the kernel, and routing daemons use route protocol numbers.
pub const TAG: u8 = 0x76;

/// No answer of the kernel takes this long; after it the connection is thrown away.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A dump that a concurrent change interrupted is repeated at once this often.
const DUMP_TRIES: u32 = 10;

/// Pause before a dump that failed altogether is tried again.
const DUMP_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Room for the answers to a large dump and for bursts of the monitor; an overrun costs one more dump.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;

/// No sensible link or address table is larger; the rest of a dump is not kept.
const DUMP_MESSAGES_MAX: usize = 100_000;

/// Why the kernel's tables could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The socket could not be opened.
    #[error("cannot open a netlink socket: {0}")]
    Open(#[source] std::io::Error),
    /// The kernel refused, with its own explanation where it gave one.
    #[error("{error}{}{}", if .text.is_empty() { String::new() } else { format!(" ({text})") }, hint(*.error))]
    Refused {
        /// The error number.
        error: Errno,
        /// The extended ACK text; may be empty.
        text: String,
    },
    /// Neither an ACK nor an error came.
    #[error("the kernel did not answer within {ANSWER_WITHIN:?}")]
    Silent,
    /// The connection ended before the answer.
    #[error("the netlink connection ended before the kernel's answer")]
    Ended,
    /// The socket failed.
    #[error("the netlink socket failed: {0}")]
    Broken(#[source] std::io::Error),
    /// The kernel has one of somebody else's with the same key.
    #[error("one that is not vipkeeper's is there already")]
    Foreign,
    /// Other programs change the tables faster than they can be read.
    #[error("links or addresses changed during each of {DUMP_TRIES} dumps")]
    Restless,
}

fn hint(error: Errno) -> &'static str {
    if error == Errno::EPERM || error == Errno::EACCES { ": vipkeeper needs the capability CAP_NET_ADMIN" } else { "" }
}

/// Requests to the kernel over one connection, which is opened when needed and thrown away when it misbehaves.
#[derive(Debug, Default)]
pub struct Netlink {
    connection: Option<Connection>,
    changer: Option<Changer>,
    /// Links on which `promote_secondaries` was switched on.
    guarded: BTreeSet<u32>,
}

impl Netlink {
    /// All links and addresses, from dumps that nothing interrupted.
    ///
    /// # Errors
    /// When the kernel refuses, is silent, or its tables never stand still.
    pub async fn dump(&mut self) -> Result<Network, NetlinkError> {
        for _ in 0..DUMP_TRIES {
            let mut link = LinkMessage::default();
            link.attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])];
            let links = self.table(RouteNetlinkMessage::GetLink(link)).await?;
            let addresses = self.table(RouteNetlinkMessage::GetAddress(AddressMessage::default())).await?;
            if let (Some(links), Some(addresses)) = (links, addresses) {
                return Ok(Network {
                    links: links.iter().filter_map(link_of).collect(),
                    addresses: addresses.iter().filter_map(address_of).collect(),
                });
            }
        }
        Err(NetlinkError::Restless)
    }

    /// Carries out installations and removals in order, together; what each came to. At most 128, and nothing else.
    pub async fn apply(&mut self, ops: &[AddressOp]) -> Vec<Result<(), String>> {
        let mut unguarded = BTreeMap::new();
        for op in ops {
            if let AddressOp::Install { index, address, .. } = op
                && let Err(error) = self.guard(*index, *address).await
            {
                unguarded.insert(*index, error.to_string());
            }
        }
        let mut results = vec![Ok(()); ops.len()];
        let (mut places, mut changes) = (Vec::new(), Vec::new());
        for (op, result) in ops.iter().zip(&mut results) {
            match op {
                AddressOp::Install { index, .. } if unguarded.contains_key(index) => {
                    *result = unguarded.get(index).cloned().map_or(Ok(()), Err);
                    continue;
                }
                AddressOp::Install { index, address, options, lease, .. } => {
                    changes.push(install_change(*index, *address, options, *lease));
                }
                AddressOp::Withdraw { index, address, .. } => changes.push(withdraw_change(*index, *address)),
                AddressOp::Reset { .. }
                | AddressOp::AddRouting { .. }
                | AddressOp::RemoveRouting { .. }
                | AddressOp::ObserveRouting
                | AddressOp::RaiseDevice { .. }
                | AddressOp::RemoveDevice { .. }
                | AddressOp::ConfigureArp { .. } => {
                    *result = Err("not a change of addresses".to_owned());
                    continue;
                }
            }
            places.push((matches!(op, AddressOp::Withdraw { .. }), result));
        }
        if changes.is_empty() {
            return results;
        }
        match self.change_all(changes).await {
            Ok(answers) => {
                for ((is_withdrawal, result), answer) in places.into_iter().zip(answers) {
                    let answer = if is_withdrawal { gone(answer) } else { answer };
                    *result = answer.map_err(|e| e.to_string());
                }
            }
            Err(error) => {
                for (_, result) in places {
                    *result = Err(error.to_string());
                }
            }
        }
        results
    }

    /// Adds an address as a lease, or renews it.
    ///
    /// # Errors
    /// When the kernel refuses or is silent.
    pub async fn install(
        &mut self,
        index: u32,
        address: VipAddress,
        options: &AddressOptions,
        lease: LeaseSecs,
    ) -> Result<(), NetlinkError> {
        self.guard(index, address).await?;
        let (message, flags) = install_change(index, address, options, lease);
        self.change(message, flags).await
    }

    /// Removes an address.
    ///
    /// # Errors
    /// When the kernel refuses or is silent; not when the address or its link was gone already.
    pub async fn withdraw(&mut self, index: u32, address: VipAddress) -> Result<(), NetlinkError> {
        let (message, flags) = withdraw_change(index, address);
        gone(self.change(message, flags).await)
    }

    /// Makes sure that this address and others of its subnet survive each other.
    async fn guard(&mut self, index: u32, address: VipAddress) -> Result<(), NetlinkError> {
        if address.ipv4().is_some() && address.prefix() < 32 && !self.guarded.contains(&index) {
            self.promote_secondaries(index).await?;
            self.guarded.insert(index);
        }
        Ok(())
    }

    /// See the module's page: without it the kernel may delete the host's address together with the VIP.
    async fn promote_secondaries(&mut self, index: u32) -> Result<(), NetlinkError> {
        let mut conf = InetDevConf::default();
        conf.promote_secondaries = 1;
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes =
            vec![LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet(vec![AfSpecInet::DevConfRequest(conf)])])];
        self.change(RouteNetlinkMessage::SetLink(message), 0).await
    }

    /// A request that changes something: success is the ACK and nothing else.
    async fn change(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<(), NetlinkError> {
        self.change_all(vec![(message, flags)]).await?.pop().unwrap_or(Err(NetlinkError::Ended))
    }

    /// After anything but a clear answer the next change gets a new socket.
    async fn change_all(&mut self, changes: Vec<Change>) -> Result<Vec<Result<(), NetlinkError>>, NetlinkError> {
        let mut changer = match self.changer.take() {
            Some(changer) => changer,
            None => Changer::open()?,
        };
        let results = changer.apply(changes).await?;
        self.changer = Some(changer);
        Ok(results)
    }

    /// A dump of one table that nothing interrupted.
    async fn whole_table(&mut self, message: RouteNetlinkMessage) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        for _ in 0..DUMP_TRIES {
            if let Some(rows) = self.table(message.clone()).await? {
                return Ok(rows);
            }
        }
        Err(NetlinkError::Restless)
    }

    /// A dump of one table: complete only with its end marker; none: interrupted by a change.
    async fn table(&mut self, message: RouteNetlinkMessage) -> Result<Option<Vec<RouteNetlinkMessage>>, NetlinkError> {
        let result = self.dumped(message).await;
        self.keep_if_sound(&result);
        result
    }

    async fn dumped(&mut self, message: RouteNetlinkMessage) -> Result<Option<Vec<RouteNetlinkMessage>>, NetlinkError> {
        let mut answers = self.request(message, NLM_F_REQUEST | NLM_F_DUMP)?;
        let mut rows = Vec::new();
        let mut whole = true;
        while let Some(answer) = next(&mut answers).await? {
            whole &= answer.header.flags & NLM_F_DUMP_INTR == 0;
            match answer.payload {
                NetlinkPayload::InnerMessage(row) if rows.len() < DUMP_MESSAGES_MAX => rows.push(row),
                NetlinkPayload::Done(done) if done.code < 0 => {
                    return Err(NetlinkError::Refused {
                        error: Errno::from_raw(done.code.saturating_neg()),
                        text: String::new(),
                    });
                }
                NetlinkPayload::Done(_) => return Ok(whole.then_some(rows)),
                NetlinkPayload::Error(error) => {
                    verdict(&error, answer.header.flags)?;
                }
                NetlinkPayload::Overrun(_) => whole = false,
                NetlinkPayload::InnerMessage(_) | NetlinkPayload::Noop | _ => {}
            }
        }
        Err(NetlinkError::Ended)
    }

    fn request(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<impl Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + Unpin + use<>, NetlinkError> {
        let connection = match self.connection.take() {
            Some(connection) => self.connection.insert(connection),
            None => self.connection.insert(Connection::open()?),
        };
        let mut request = NetlinkMessage::from(message);
        request.header.flags = flags;
        connection.handle.request(request).map_err(|_| NetlinkError::Ended)
    }

    /// After anything but a clear answer the next request gets a new connection.
    fn keep_if_sound<T>(&mut self, result: &Result<T, NetlinkError>) {
        match result {
            Ok(_) | Err(NetlinkError::Refused { .. }) => {}
            Err(
                NetlinkError::Open(_)
                | NetlinkError::Silent
                | NetlinkError::Ended
                | NetlinkError::Broken(_)
                | NetlinkError::Foreign
                | NetlinkError::Restless,
            ) => self.connection = None,
        }
    }
}

/// A netlink socket with the task that serves it.
#[derive(Debug)]
struct Connection {
    handle: rtnetlink::Handle,
    task: JoinHandle<()>,
}

impl Connection {
    fn open() -> Result<Self, NetlinkError> {
        let (mut connection, handle, _unsolicited) = rtnetlink::new_connection().map_err(NetlinkError::Open)?;
        // By default the end of the answer is the only sign of success, and a lost answer looks the same.
        connection.set_forward_ack(true);
        connection.set_forward_done(true);
        let socket = connection.socket_mut().socket_mut();
        socket.set_ext_ack(true).map_err(NetlinkError::Open)?;
        socket.set_cap_ack(true).map_err(NetlinkError::Open)?;
        // The kernel then filters dumps by what the request says, such as routes by our tag (Linux 4.20).
        if let Err(error) = socket.set_netlink_get_strict_chk(true) {
            tracing::debug!(%error, "dumps are filtered here");
        }
        widen(socket);
        Ok(Self { handle, task: tokio::spawn(connection) })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn widen(socket: &netlink_sys::Socket) {
    if let Err(error) = setsockopt(socket, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES) {
        tracing::debug!(%error, "the netlink socket keeps the system's receive buffer");
    }
}

async fn next<S: Stream + Unpin>(answers: &mut S) -> Result<Option<S::Item>, NetlinkError> {
    tokio::time::timeout(ANSWER_WITHIN, answers.next()).await.map_err(|_| NetlinkError::Silent)
}

fn verdict(message: &ErrorMessage, flags: u16) -> Result<(), NetlinkError> {
    match message.code {
        None => Ok(()),
        Some(code) => Err(NetlinkError::Refused {
            error: Errno::from_raw(code.get().saturating_neg()),
            text: if flags & NLM_F_ACK_TLVS != 0 && flags & NLM_F_CAPPED != 0 {
                explanation(&message.header).unwrap_or_default()
            } else {
                String::new()
            },
        }),
    }
}

/// The text of an extended ACK: attribute `NLMSGERR_ATTR_MSG` behind the header of the refused request.
fn explanation(message: &[u8]) -> Option<String> {
    const REQUEST_HEADER_BYTES: usize = 16;
    const NLMSGERR_ATTR_MSG: u16 = 1;
    let mut rest = message.get(REQUEST_HEADER_BYTES..)?;
    while let Some((header, _)) = rest.split_first_chunk::<4>() {
        let [len_low, len_high, kind_low, kind_high] = *header;
        let len = usize::from(u16::from_ne_bytes([len_low, len_high]));
        let value = rest.get(4..len)?;
        if u16::from_ne_bytes([kind_low, kind_high]) == NLMSGERR_ATTR_MSG {
            return Some(String::from_utf8_lossy(value).trim_end_matches('\0').to_owned());
        }
        rest = rest.get(len.next_multiple_of(4)..)?;
    }
    None
}

fn install_change(index: u32, address: VipAddress, options: &AddressOptions, lease: LeaseSecs) -> Change {
    let mut message = address_message(index, address);
    let mut cache = CacheInfo::default();
    cache.ifa_preferred = lease.get();
    cache.ifa_valid = lease.get();
    message.attributes.push(AddressAttribute::CacheInfo(cache));
    message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(TAG)));
    match address.family() {
        Family::V4 => {
            message.header.scope = match options.scope {
                Scope::Global => AddressScope::Universe,
                Scope::Site => AddressScope::Site,
                Scope::Link => AddressScope::Link,
                Scope::Host => AddressScope::Host,
            };
            message.attributes.extend(options.label.clone().map(AddressAttribute::Label));
        }
        Family::V6 => {
            // The election is our duplicate address detection.
            message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
            message.header.flags = AddressHeaderFlags::Nodad;
        }
    }
    (RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_REPLACE)
}

fn withdraw_change(index: u32, address: VipAddress) -> Change {
    (RouteNetlinkMessage::DelAddress(address_message(index, address)), 0)
}

/// What was gone already is gone.
fn gone(result: Result<(), NetlinkError>) -> Result<(), NetlinkError> {
    match result {
        Err(NetlinkError::Refused { error: Errno::EADDRNOTAVAIL | Errno::ENODEV, .. }) => Ok(()),
        other => other,
    }
}

fn address_message(index: u32, address: VipAddress) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = if address.ip().is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.prefix_len = address.prefix();
    message.header.scope = AddressScope::Universe;
    message.header.index = index;
    // No broadcast address: the host's own one serves the subnet.
    message.attributes = vec![AddressAttribute::Local(address.ip()), AddressAttribute::Address(address.ip())];
    message
}

fn link_of(message: &RouteNetlinkMessage) -> Option<Link> {
    let RouteNetlinkMessage::NewLink(link) = message else { return None };
    let (mut name, mut mac, mut alias, mut parent, mut arp) = (None, None, None, None, None);
    for attribute in &link.attributes {
        if let LinkAttribute::IfName(text) = attribute {
            name = IfName::new(text).ok();
        } else if let LinkAttribute::IfAlias(text) = attribute {
            alias = Some(text.clone());
        } else if let LinkAttribute::Link(index) = attribute {
            parent = Some(*index);
        } else if let LinkAttribute::AfSpecUnspec(specs) = attribute {
            arp = specs.iter().find_map(arp_of);
        } else if let LinkAttribute::Address(bytes) = attribute {
            mac = <[u8; 6]>::try_from(bytes.as_slice()).ok();
        }
    }
    Some(Link {
        index: link.header.index,
        name: name?,
        up: link.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Running),
        mac: mac.filter(|_| link.header.link_layer_type == LinkLayerType::Ether),
        alias,
        parent,
        arp,
    })
}

fn arp_of(spec: &AfSpecUnspec) -> Option<ArpConf> {
    let AfSpecUnspec::Inet(entries) = spec else { return None };
    entries.iter().find_map(|entry| {
        let AfSpecInet::DevConf(conf) = entry else { return None };
        let number = |n: i32| u32::try_from(n).ok();
        Some(ArpConf { ignore: number(conf.arp_ignore)?, announce: number(conf.arp_announce)? })
    })
}

fn address_of(message: &RouteNetlinkMessage) -> Option<Address> {
    let RouteNetlinkMessage::NewAddress(message) = message else { return None };
    let (mut local, mut peer, mut valid_secs, mut label) = (None, None, None, None);
    for attribute in &message.attributes {
        if let AddressAttribute::Local(ip) = attribute {
            local = Some(*ip);
        } else if let AddressAttribute::Address(ip) = attribute {
            peer = Some(*ip);
        } else if let AddressAttribute::Label(text) = attribute {
            label = Some(text.clone());
        } else if let AddressAttribute::CacheInfo(cache) = attribute {
            valid_secs = Some(cache.ifa_valid).filter(|secs| *secs != u32::MAX);
        }
    }
    // On a point-to-point link `IFA_ADDRESS` is the other end.
    let ip: IpAddr = local.or(peer)?;
    Some(Address {
        index: message.header.index,
        ip,
        prefix: message.header.prefix_len,
        ours: is_tagged(message),
        valid_secs,
        options: AddressOptions { label, scope: scope_of(message.header.scope) },
    })
}

/// Scopes that have no name here are nobody's wish.
fn scope_of(scope: AddressScope) -> Scope {
    if scope == AddressScope::Site {
        Scope::Site
    } else if scope == AddressScope::Link {
        Scope::Link
    } else if scope == AddressScope::Universe {
        Scope::Global
    } else {
        Scope::Host
    }
}

fn is_tagged(message: &AddressMessage) -> bool {
    message.attributes.contains(&AddressAttribute::Protocol(AddressProtocol::Other(TAG)))
}

/// Watches links and addresses and raises `changed` on any change or overrun, except the echo of our own leases.
///
/// Ends only when the socket does; then it is opened again after a pause, with a `changed` for what was missed.
pub async fn monitor(changed: Arc<Notify>) {
    const GROUPS: [MulticastGroup; 3] = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
    loop {
        match rtnetlink::new_multicast_connection(&GROUPS) {
            Ok((mut connection, _handle, mut messages)) => {
                widen(connection.socket_mut().socket_mut());
                let connection = Abort(tokio::spawn(connection));
                // The socket listens from here on; whatever changed before is in the dump that this causes.
                changed.notify_one();
                while let Some((message, _)) = messages.next().await {
                    let mut news = is_news(&message);
                    while let Some(Some((message, _))) = messages.next().now_or_never() {
                        news |= is_news(&message);
                    }
                    if news {
                        changed.notify_one();
                    }
                }
                drop(connection);
                tracing::warn!("the netlink monitor ended; opening it again");
            }
            Err(error) => tracing::warn!(%error, "cannot monitor links and addresses; trying again"),
        }
        tokio::time::sleep(DUMP_AGAIN_AFTER).await;
    }
}

/// Ends its task with itself.
struct Abort(JoinHandle<()>);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Every renewal of a lease comes back as a new address with our tag: it must not cause a dump each second.
fn is_news(message: &NetlinkMessage<RouteNetlinkMessage>) -> bool {
    if let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(address)) = &message.payload {
        !is_tagged(address)
    } else {
        true
    }
}

#[cfg(test)]
mod tests;
