//! The macvlan devices of virtual routers (RFC 9568 section 7.3), and how interfaces answer ARP.
//!
//! In bridge mode: what another router sends from the same hardware address must still reach the interface below, where adverts are
//! received. A device is only touched after its alias was seen to be ours.

use std::io::ErrorKind;

use netlink_packet_core::{DefaultNla, NLA_F_NESTED, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    AfSpecInet, AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoMacVlan, LinkAttribute, LinkFlags,
    LinkInfo, LinkMessage, MacVlanMode,
};
use nix::errno::Errno;

use super::{Netlink, NetlinkError, link_of, next, verdict};
use crate::addrs::device::{ArpConf, Device};
use crate::node::event::Link;
use crate::units::IfName;

/// `IFLA_INET_CONF`, and of `linux/ip.h` what is set there.
const INET_CONF: u16 = 1;
const RP_FILTER: u16 = 8;
const ARP_ANNOUNCE: u16 = 18;
const ARP_IGNORE: u16 = 19;

/// A packet is accepted where its source is reachable at all: clients are reached through the interface below.
const LOOSE: u32 = 2;

impl Netlink {
    /// Creates and sets up a device, or puts right what is wrong with ours; as it is then.
    ///
    /// # Errors
    /// When the kernel refuses or is silent, and when a device of that name is somebody else's.
    pub async fn raise(&mut self, device: &Device) -> Result<Link, NetlinkError> {
        let mut found = self.named(&device.name).await?;
        if let Some(link) = found.take_if(|l| l.parent != Some(device.parent) || l.mac != Some(device.mac)) {
            if !link.is_ours() {
                return Err(NetlinkError::Foreign);
            }
            self.delete(link.index).await?;
        }
        let index = match found {
            Some(link) if !link.is_ours() => return Err(NetlinkError::Foreign),
            Some(link) if link.up && link.alias == Some(device.mark.to_string()) => return Ok(link),
            Some(link) => link.index,
            None => {
                self.change(create(device), NLM_F_CREATE | NLM_F_EXCL).await.map_err(taken)?;
                self.named(&device.name).await?.ok_or(NetlinkError::Ended)?.index
            }
        };
        hide_from_routers(&device.name);
        for answer in self.change_all(vec![(set_up(index, device), 0), (up(index), 0)]).await? {
            answer?;
        }
        self.named(&device.name).await?.filter(Link::is_ours).ok_or(NetlinkError::Foreign)
    }

    /// Removes a device of ours, and the addresses on it.
    ///
    /// # Errors
    /// When the kernel refuses or is silent; not when it was gone already, or is somebody else's.
    pub async fn remove_device(&mut self, name: &IfName) -> Result<(), NetlinkError> {
        match self.named(name).await?.filter(Link::is_ours) {
            Some(link) => self.delete(link.index).await,
            None => Ok(()),
        }
    }

    /// Lets an interface answer ARP like that.
    ///
    /// # Errors
    /// When the kernel refuses or is silent; not when the interface is gone.
    pub async fn configure_arp(&mut self, index: u32, conf: ArpConf) -> Result<(), NetlinkError> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        let conf = inet_conf(&[(ARP_IGNORE, conf.ignore), (ARP_ANNOUNCE, conf.announce)]);
        message.attributes = vec![LinkAttribute::AfSpecUnspec(vec![conf])];
        gone(self.change(RouteNetlinkMessage::SetLink(message), 0).await)
    }

    /// The link of that name, by the kernel's own answer.
    async fn named(&mut self, name: &IfName) -> Result<Option<Link>, NetlinkError> {
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::IfName(name.to_string())];
        let result = self.asked(RouteNetlinkMessage::GetLink(message)).await;
        self.keep_if_sound(&result);
        match result {
            Err(NetlinkError::Refused { error: Errno::ENODEV, .. }) => Ok(None),
            Err(error) => Err(error),
            Ok(row) => Ok(link_of(&row)),
        }
    }

    /// The one answer to a question that is no dump.
    async fn asked(&mut self, message: RouteNetlinkMessage) -> Result<RouteNetlinkMessage, NetlinkError> {
        let mut answers = self.request(message, NLM_F_REQUEST)?;
        while let Some(answer) = next(&mut answers).await? {
            match answer.payload {
                NetlinkPayload::InnerMessage(row) => return Ok(row),
                NetlinkPayload::Error(error) => verdict(&error, answer.header.flags)?,
                NetlinkPayload::Done(_) | NetlinkPayload::Overrun(_) | NetlinkPayload::Noop | _ => {}
            }
        }
        Err(NetlinkError::Ended)
    }

    async fn delete(&mut self, index: u32) -> Result<(), NetlinkError> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        gone(self.change(RouteNetlinkMessage::DelLink(message), 0).await)
    }
}

/// What was gone already is gone.
fn gone(result: Result<(), NetlinkError>) -> Result<(), NetlinkError> {
    match result {
        Err(NetlinkError::Refused { error: Errno::ENODEV, .. }) => Ok(()),
        other => other,
    }
}

/// Somebody was faster.
fn taken(error: NetlinkError) -> NetlinkError {
    if matches!(error, NetlinkError::Refused { error: Errno::EEXIST, .. }) { NetlinkError::Foreign } else { error }
}

/// Down, so that nothing leaves from it before it is set up.
fn create(device: &Device) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    let mode = InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Bridge)]);
    message.attributes = vec![
        LinkAttribute::IfName(device.name.to_string()),
        LinkAttribute::Link(device.parent),
        LinkAttribute::Address(device.mac.to_vec()),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::MacVlan), LinkInfo::Data(mode)]),
    ];
    RouteNetlinkMessage::NewLink(message)
}

fn set_up(index: u32, device: &Device) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes = vec![
        LinkAttribute::IfAlias(device.mark.to_string()),
        LinkAttribute::AfSpecUnspec(vec![
            // It answers for the addresses on it alone.
            inet_conf(&[(ARP_IGNORE, 1), (RP_FILTER, LOOSE)]),
            // No link-local address: it would be the same on every node.
            AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)]),
        ]),
    ];
    RouteNetlinkMessage::SetLink(message)
}

fn up(index: u32) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    RouteNetlinkMessage::SetLink(message)
}

/// By hand, since the library leaves out what is to become 0.
fn inet_conf(entries: &[(u16, u32)]) -> AfSpecUnspec {
    let mut nested = Vec::new();
    for (kind, value) in entries {
        nested.extend_from_slice(&8_u16.to_ne_bytes());
        nested.extend_from_slice(&kind.to_ne_bytes());
        nested.extend_from_slice(&value.to_ne_bytes());
    }
    AfSpecUnspec::Inet(vec![AfSpecInet::Other(DefaultNla::new(INET_CONF | NLA_F_NESTED, nested))])
}

/// Else a router advertisement would give it addresses of its own, the same on every node, and a default route. There is no
/// netlink message for it, and `/proc/sys` may be read-only: then what new devices get must be right.
fn hide_from_routers(name: &IfName) {
    for key in ["accept_ra", "autoconf"] {
        let path = format!("/proc/sys/net/ipv6/conf/{name}/{key}");
        let is_off = std::fs::read_to_string(&path).is_ok_and(|value| value.trim() == "0");
        match if is_off { Ok(()) } else { std::fs::write(&path, "0") } {
            Ok(()) => {}
            // No IPv6 here.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(
                "cannot write {path}, router advertisements may configure the device: set net.ipv6.conf.default.{key} to 0: \
                 {error}"
            ),
        }
    }
}
