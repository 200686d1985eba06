//! Routes.

use std::net::IpAddr;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType};

use super::{Ask, Link, exchange};
use crate::{Cidr, Error};

/// True if the kernel of this namespace takes packets for the address as its own.
///
/// # Errors
/// [`Error::Io`], also when there is no route to the address at all.
pub fn is_local(address: IpAddr) -> Result<bool, Error> {
    let mut message = RouteMessage::default();
    message.header.address_family = address.into();
    message.header.destination_prefix_length = if address.is_ipv4() { 32 } else { 128 };
    message.attributes = vec![RouteAttribute::Destination(address.into())];
    let answers = exchange(Ask::Plain, RouteNetlinkMessage::GetRoute(message));
    let answers = answers.map_err(Error::io("looking up a route"))?;
    Ok(answers
        .into_iter()
        .any(|answer| matches!(answer, RouteNetlinkMessage::NewRoute(route) if route.header.kind == RouteType::Local)))
}

impl Link {
    /// Sends packets for `network` to `gateway` over this link, or straight to the link without one.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`], [`Error::NotPermitted`], [`Error::Io`]: there is such a route already, the gateway is in
    /// no network of the link, the link is down, or the address of `network` has bits set beyond its prefix.
    pub fn add_route(self, network: Cidr, gateway: Option<IpAddr>) -> Result<(), Error> {
        let mut message = RouteMessage::default();
        message.header.address_family = network.address().into();
        message.header.destination_prefix_length = network.prefix_len();
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Static;
        message.header.scope = if gateway.is_some() { RouteScope::Universe } else { RouteScope::Link };
        message.header.kind = RouteType::Unicast;
        message.attributes = vec![RouteAttribute::Oif(self.0)];
        if network.prefix_len() > 0 {
            message.attributes.push(RouteAttribute::Destination(network.address().into()));
        }
        message.attributes.extend(gateway.map(|gateway| RouteAttribute::Gateway(gateway.into())));
        let added = exchange(Ask::Create, RouteNetlinkMessage::NewRoute(message));
        added.map(drop).map_err(self.failed("adding a route"))
    }
}
