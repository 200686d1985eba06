//! Addresses, links and routes by netlink, in the namespace of the calling thread (rtnetlink(7)).

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::route::{RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use crate::{Cidr, Error};

/// A link, by its number in its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link(u32);

/// What to change of a link.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkSettings {
    /// Octets of the largest packet.
    pub mtu: Option<u32>,
    /// Packets that the kernel queues towards the device.
    pub tx_queue_len: Option<u32>,
    /// Up or down.
    pub up: Option<bool>,
}

impl Link {
    /// The link of this name.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`].
    pub fn by_name(name: &str) -> Result<Self, Error> {
        let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None)
            .map_err(|error| Error::Io("opening a socket", error.into()))?;
        let index = rustix::net::netdevice::name_to_index(&socket, name);
        index.map(Self).map_err(|_| Error::NoSuchDevice(name.to_owned()))
    }

    /// Changes what `settings` names.
    ///
    /// # Errors
    /// [`Error::NotPermitted`], [`Error::MtuOutOfRange`], [`Error::Io`].
    pub fn set(self, settings: LinkSettings) -> Result<(), Error> {
        let mut message = self.message();
        message.attributes.extend(settings.mtu.map(LinkAttribute::Mtu));
        message.attributes.extend(settings.tx_queue_len.map(LinkAttribute::TxQueueLen));
        if let Some(up) = settings.up {
            message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
            message.header.change_mask = LinkFlags::Up;
        }
        request(RouteNetlinkMessage::SetLink(message), 0).map_err(|error| match settings.mtu {
            Some(mtu) if error.kind() == io::ErrorKind::InvalidInput => Error::MtuOutOfRange(mtu),
            _ => Error::io("configuring a link")(error),
        })
    }

    /// Moves the link into the namespace that `namespace` refers to; there it has another number.
    ///
    /// # Errors
    /// [`Error::NotPermitted`], [`Error::Io`].
    pub fn move_to(self, namespace: BorrowedFd<'_>) -> Result<(), Error> {
        let mut message = self.message();
        message.attributes.push(LinkAttribute::NetNsFd(namespace.as_raw_fd()));
        request(RouteNetlinkMessage::SetLink(message), 0).map_err(Error::io("moving a link to another namespace"))
    }

    /// Deletes the link.
    ///
    /// # Errors
    /// [`Error::NotPermitted`], [`Error::Io`].
    pub fn delete(self) -> Result<(), Error> {
        request(RouteNetlinkMessage::DelLink(self.message()), 0).map_err(Error::io("deleting a link"))
    }

    /// Gives the link an address. IPv6 addresses are usable at once: nobody is asked whether they are taken.
    ///
    /// # Errors
    /// [`Error::AddressTaken`], [`Error::NotPermitted`], [`Error::Io`].
    pub fn add_address(self, address: Cidr) -> Result<(), Error> {
        let mut message = AddressMessage::default();
        message.header.family = family(address.address());
        message.header.prefix_len = address.prefix_len();
        message.header.index = self.0;
        message.attributes =
            vec![AddressAttribute::Address(address.address()), AddressAttribute::Local(address.address())];
        if address.address().is_ipv6() {
            message.header.flags = AddressHeaderFlags::Nodad;
        }
        request(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL).map_err(|error| {
            match error.kind() {
                io::ErrorKind::AlreadyExists => Error::AddressTaken(address),
                _ => Error::io("giving a link an address")(error),
            }
        })
    }

    /// Sends packets for `network` to `gateway` over this link, or straight to the link without one.
    ///
    /// # Errors
    /// [`Error::NotPermitted`], [`Error::Io`].
    pub fn add_route(self, network: Cidr, gateway: Option<IpAddr>) -> Result<(), Error> {
        let mut message = RouteMessage::default();
        message.header.address_family = family(network.address());
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
        request(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE).map_err(Error::io("adding a route"))
    }

    fn message(self) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = self.0;
        message
    }
}

/// Makes two virtual Ethernet links joined by a wire.
///
/// # Errors
/// [`Error::NameInUse`], [`Error::NotPermitted`], [`Error::Io`].
pub fn create_veth(name: &str, peer: &str) -> Result<(), Error> {
    let mut other = LinkMessage::default();
    other.attributes = vec![LinkAttribute::IfName(peer.to_owned())];
    let mut message = LinkMessage::default();
    message.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(other))),
        ]),
    ];
    request(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::NameInUse(name.to_owned()),
        _ => Error::io("creating a veth pair")(error),
    })
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

/// Sends one request and waits for the kernel's word on it.
fn request(message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
    packet.finalize();
    let mut bytes = vec![0; packet.header.length as usize];
    packet.serialize(&mut bytes);
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&bytes, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer).map_err(io::Error::other)?;
    match answer.payload {
        NetlinkPayload::Error(error) => match error.code {
            None => Ok(()),
            Some(_) => Err(error.to_io()),
        },
        other => Err(io::Error::other(format!("the kernel answered {other:?}"))),
    }
}
