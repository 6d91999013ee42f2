//! Routes and policy rules with our tag: added, removed, looked for.
//!
//! They are added exclusively: what somebody else put there under the same key is neither replaced nor hidden, and the
//! node is told so.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use super::{Netlink, NetlinkError, TAG};
use crate::addrs::routing::{Route, RoutingEntry, Rule};
use crate::config::VirtualRule;
use crate::units::{Family, VipAddress};

impl Netlink {
    /// Adds a route or rule with our tag.
    ///
    /// # Errors
    /// When the kernel refuses or is silent, and when somebody else's is in the way; not when ours is there already.
    pub async fn add_routing(&mut self, entry: &RoutingEntry) -> Result<(), NetlinkError> {
        let message = match entry {
            RoutingEntry::Route(route) => RouteNetlinkMessage::NewRoute(route_message(route)),
            RoutingEntry::Rule(rule) => RouteNetlinkMessage::NewRule(rule_message(rule)),
        };
        match self.change(message, NLM_F_CREATE | NLM_F_EXCL).await {
            Err(NetlinkError::Refused { error: Errno::EEXIST, .. }) => {
                let ours = self.dump_routing().await?.iter().any(|shown| entry.is_same(shown));
                if ours { Ok(()) } else { Err(NetlinkError::Foreign) }
            }
            other => other,
        }
    }

    /// Removes a route or rule of ours.
    ///
    /// # Errors
    /// When the kernel refuses or is silent; not when it was gone already.
    pub async fn remove_routing(&mut self, entry: &RoutingEntry) -> Result<(), NetlinkError> {
        let message = match entry {
            RoutingEntry::Route(route) => RouteNetlinkMessage::DelRoute(route_message(route)),
            RoutingEntry::Rule(rule) => RouteNetlinkMessage::DelRule(rule_message(rule)),
        };
        match self.change(message, 0).await {
            Err(NetlinkError::Refused { error: Errno::ESRCH | Errno::ENOENT | Errno::ENODEV, .. }) => Ok(()),
            other => other,
        }
    }

    /// All routes and rules with our tag, of all tables.
    ///
    /// # Errors
    /// When the kernel refuses, is silent, or its tables never stand still.
    pub async fn dump_routing(&mut self) -> Result<Vec<RoutingEntry>, NetlinkError> {
        let mut entries = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut routes = RouteMessage::default();
            routes.header.address_family = family;
            routes.header.protocol = RouteProtocol::Other(TAG);
            let rows = self.whole_table(RouteNetlinkMessage::GetRoute(routes)).await?;
            entries.extend(rows.iter().filter_map(route_of));
            let mut rules = RuleMessage::default();
            rules.header.family = family;
            let rows = self.whole_table(RouteNetlinkMessage::GetRule(rules)).await?;
            entries.extend(rows.iter().filter_map(rule_of));
        }
        Ok(entries)
    }
}

fn family(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

fn route_message(route: &Route) -> RouteMessage {
    let Route { to, via, link, source, table, metric } = route;
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = family(to.family());
    header.destination_prefix_length = to.prefix();
    header.protocol = RouteProtocol::Other(TAG);
    header.kind = RouteType::Unicast;
    // What is reached without a gateway is on the link, as iproute2 has it; IPv6 knows no scopes.
    header.scope = match (to.family(), via) {
        (Family::V4, None) => RouteScope::Link,
        (Family::V4, Some(_)) | (Family::V6, _) => RouteScope::Universe,
    };
    // Larger numbers have an attribute only.
    header.table = u8::try_from(*table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    let attributes = &mut message.attributes;
    attributes.push(RouteAttribute::Table(*table));
    if to.prefix() > 0 {
        attributes.push(RouteAttribute::Destination(to.ip().into()));
    }
    if *metric > 0 {
        attributes.push(RouteAttribute::Priority(*metric));
    }
    attributes.extend(via.map(|ip| RouteAttribute::Gateway(ip.into())));
    attributes.extend(source.map(|ip| RouteAttribute::PrefSource(ip.into())));
    attributes.extend(link.map(RouteAttribute::Oif));
    message
}

fn ip_of(address: &RouteAddress) -> Option<IpAddr> {
    if let RouteAddress::Inet(ip) = address {
        Some(IpAddr::V4(*ip))
    } else if let RouteAddress::Inet6(ip) = address {
        Some(IpAddr::V6(*ip))
    } else {
        None
    }
}

fn unspecified(family: AddressFamily) -> IpAddr {
    if family == AddressFamily::Inet6 {
        IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)
    } else {
        IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)
    }
}

/// Ours alone.
fn route_of(message: &RouteNetlinkMessage) -> Option<RoutingEntry> {
    let RouteNetlinkMessage::NewRoute(message) = message else { return None };
    let header = &message.header;
    if header.protocol != RouteProtocol::Other(TAG) {
        return None;
    }
    let mut to = unspecified(header.address_family);
    let (mut via, mut link, mut source, mut table, mut metric) = (None, None, None, u32::from(header.table), 0);
    for attribute in &message.attributes {
        if let RouteAttribute::Destination(address) = attribute {
            to = ip_of(address)?;
        } else if let RouteAttribute::Gateway(address) = attribute {
            via = ip_of(address);
        } else if let RouteAttribute::PrefSource(address) = attribute {
            source = ip_of(address);
        } else if let RouteAttribute::Oif(index) = attribute {
            link = Some(*index);
        } else if let RouteAttribute::Table(number) = attribute {
            table = *number;
        } else if let RouteAttribute::Priority(number) = attribute {
            metric = *number;
        }
    }
    let to = VipAddress::new(to, header.destination_prefix_length).ok()?;
    Some(RoutingEntry::Route(Route { to, via, link, source, table, metric }))
}

fn rule_message(rule: &Rule) -> RuleMessage {
    let Rule { family: of, rule: VirtualRule { from, to, mark, table, preference } } = rule;
    let mut message = RuleMessage::default();
    message.header.family = family(*of);
    message.header.action = RuleAction::ToTable;
    message.header.table = u8::try_from(*table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
    let attributes = &mut message.attributes;
    if let Some(from) = from {
        message.header.src_len = from.prefix();
        attributes.push(RuleAttribute::Source(from.ip()));
    }
    if let Some(to) = to {
        message.header.dst_len = to.prefix();
        attributes.push(RuleAttribute::Destination(to.ip()));
    }
    attributes.extend(mark.map(RuleAttribute::FwMark));
    attributes.push(RuleAttribute::Table(*table));
    attributes.push(RuleAttribute::Priority(*preference));
    attributes.push(RuleAttribute::Protocol(RouteProtocol::Other(TAG)));
    message
}

/// Ours alone.
fn rule_of(message: &RouteNetlinkMessage) -> Option<RoutingEntry> {
    let RouteNetlinkMessage::NewRule(message) = message else { return None };
    let header = &message.header;
    if !message.attributes.contains(&RuleAttribute::Protocol(RouteProtocol::Other(TAG))) {
        return None;
    }
    let family = if header.family == AddressFamily::Inet6 { Family::V6 } else { Family::V4 };
    let (mut from, mut to, mut mark, mut table, mut preference) = (None, None, None, u32::from(header.table), 0);
    for attribute in &message.attributes {
        if let RuleAttribute::Source(ip) = attribute {
            from = VipAddress::new(*ip, header.src_len).ok();
        } else if let RuleAttribute::Destination(ip) = attribute {
            to = VipAddress::new(*ip, header.dst_len).ok();
        } else if let RuleAttribute::FwMark(number) = attribute {
            mark = Some(*number).filter(|mark| *mark != 0);
        } else if let RuleAttribute::Table(number) = attribute {
            table = *number;
        } else if let RuleAttribute::Priority(number) = attribute {
            preference = *number;
        }
    }
    Some(RoutingEntry::Rule(Rule { family, rule: VirtualRule { from, to, mark, table, preference } }))
}
