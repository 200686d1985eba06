//! Addresses of links.

use std::io;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use rustix::io::Errno;

use super::{Ask, Link, exchange};
use crate::{Cidr, Error};

/// All addresses in the namespace, each with the link that has it.
///
/// # Errors
/// [`Error::Io`].
pub fn addresses() -> Result<Vec<(Link, Cidr)>, Error> {
    let answers = exchange(Ask::List, RouteNetlinkMessage::GetAddress(AddressMessage::default()));
    let answers = answers.map_err(Error::io("listing the addresses"))?;
    let of = |answer| match answer {
        RouteNetlinkMessage::NewAddress(message) => address_in(&message),
        _ => None,
    };
    Ok(answers.into_iter().filter_map(of).collect())
}

/// On a point-to-point link the one called `Address` is the peer's; without `Local` there is but one.
fn address_in(message: &AddressMessage) -> Option<(Link, Cidr)> {
    let own = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let only = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(address) => Some(*address),
        _ => None,
    });
    Some((Link(message.header.index), Cidr::new(own.or(only)?, message.header.prefix_len)?))
}

impl Link {
    /// Gives the link an address. Nobody is asked whether an IPv6 address is taken; on a link that is up it is usable at
    /// once or, on a busy machine, after the moment that the kernel takes to know it (see [`is_local`](super::is_local)).
    ///
    /// # Errors
    /// [`Error::AddressTaken`] if the link has it already, [`Error::Ipv6Off`], [`Error::NoSuchDevice`],
    /// [`Error::NotPermitted`], [`Error::Io`].
    pub fn add_address(self, address: Cidr) -> Result<(), Error> {
        let mut message = AddressMessage::default();
        message.header.family = address.address().into();
        message.header.prefix_len = address.prefix_len();
        message.header.index = self.0;
        message.attributes =
            vec![AddressAttribute::Address(address.address()), AddressAttribute::Local(address.address())];
        if address.address().is_ipv6() {
            message.header.flags = AddressHeaderFlags::Nodad;
        }
        let added = exchange(Ask::Create, RouteNetlinkMessage::NewAddress(message));
        added.map(drop).map_err(|error| match Errno::from_io_error(&error) {
            // Not EPERM, which a lack of rights gives: IPv6 is there, and disabled.
            Some(Errno::ACCESS) if address.address().is_ipv6() => Error::Ipv6Off(address),
            _ if error.kind() == io::ErrorKind::AlreadyExists => Error::AddressTaken(address),
            _ => self.failed("giving a link an address")(error),
        })
    }
}
