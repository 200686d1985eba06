//! Links: network interfaces.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkMessage};
use rustix::io::Errno;

use super::{Ask, exchange};
use crate::Error;

/// A link, by its number in its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link(pub(super) u32);

/// What the kernel says of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkInfo {
    /// Its name, up to 15 octets.
    pub name: String,
    /// Octets of the largest packet that the kernel sends on it.
    pub mtu: u32,
    /// Packets that wait on it at most (`txqueuelen`).
    pub tx_queue_len: u32,
    /// Whether it is up.
    pub up: bool,
    /// Its hardware address; empty if it has none.
    pub hardware_address: Vec<u8>,
}

/// What to change of a link.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkSettings {
    /// Octets of the largest packet.
    pub mtu: Option<u32>,
    /// Packets that the kernel queues towards the device.
    pub tx_queue_len: Option<u32>,
    /// Up or down.
    pub up: Option<bool>,
    /// Segments in one packet at most where the device, or the kernel on its behalf, cuts them: 1 for none.
    pub gso_max_segs: Option<u32>,
}

impl From<LinkMessage> for LinkInfo {
    fn from(message: LinkMessage) -> Self {
        let up = message.header.flags.contains(LinkFlags::Up);
        let mut info = Self { name: String::new(), mtu: 0, tx_queue_len: 0, up, hardware_address: Vec::new() };
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => info.name = name,
                LinkAttribute::Mtu(mtu) => info.mtu = mtu,
                LinkAttribute::TxQueueLen(length) => info.tx_queue_len = length,
                LinkAttribute::Address(address) => info.hardware_address = address,
                _ => {}
            }
        }
        info
    }
}

fn links_in(answers: Vec<RouteNetlinkMessage>) -> impl Iterator<Item = (Link, LinkInfo)> {
    answers.into_iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewLink(message) => Some((Link(message.header.index), message.into())),
        _ => None,
    })
}

/// A message about a link that has no number yet.
fn named(name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
    message
}

/// All links of the namespace.
///
/// # Errors
/// [`Error::Io`].
pub fn links() -> Result<Vec<(Link, LinkInfo)>, Error> {
    let answers = exchange(Ask::List, RouteNetlinkMessage::GetLink(LinkMessage::default()));
    Ok(links_in(answers.map_err(Error::io("listing the links"))?).collect())
}

/// Makes two virtual Ethernet links joined by a wire. Either goes with the other.
///
/// # Errors
/// [`Error::NameInUse`], [`Error::NotPermitted`], [`Error::Io`].
pub fn create_veth(name: &str, peer: &str) -> Result<(), Error> {
    use netlink_packet_route::link::LinkInfo as Info;

    let mut message = named(name);
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        Info::Kind(InfoKind::Veth),
        Info::Data(InfoData::Veth(InfoVeth::Peer(named(peer)))),
    ]));
    exchange(Ask::Create, RouteNetlinkMessage::NewLink(message)).map(drop).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Error::NameInUse(name.to_owned()),
        _ => Error::io("creating a veth pair")(error),
    })
}

impl Link {
    /// The link of this name.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`], [`Error::Io`].
    pub fn by_name(name: &str) -> Result<Self, Error> {
        let answers = exchange(Ask::Plain, RouteNetlinkMessage::GetLink(named(name)));
        let answers = answers.map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::NODEV) => Error::NoSuchDevice(name.to_owned()),
            _ => Error::io("looking for a link")(error),
        })?;
        links_in(answers).next().map(|(link, _)| link).ok_or_else(|| Error::NoSuchDevice(name.to_owned()))
    }

    /// The link of this number; whether there is one shows when it is asked for something.
    pub const fn numbered(index: u32) -> Self {
        Self(index)
    }

    /// Its number in its namespace, from 1.
    pub const fn index(self) -> u32 {
        self.0
    }

    /// What the kernel says of it now.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if it is gone, [`Error::Io`].
    pub fn info(self) -> Result<LinkInfo, Error> {
        let answers = exchange(Ask::Plain, RouteNetlinkMessage::GetLink(self.message()));
        let answers = answers.map_err(self.failed("reading a link"))?;
        links_in(answers).next().map(|(_, info)| info).ok_or_else(|| self.is_gone())
    }

    //= rfc1122#3.3.3-5
    /// Changes what `settings` names.
    ///
    /// # Errors
    /// [`Error::MtuOutOfRange`], [`Error::NoSuchDevice`], [`Error::NotPermitted`], [`Error::Io`].
    pub fn set(self, settings: LinkSettings) -> Result<(), Error> {
        let mut message = self.message();
        message.attributes.extend(settings.mtu.map(LinkAttribute::Mtu));
        message.attributes.extend(settings.tx_queue_len.map(LinkAttribute::TxQueueLen));
        message.attributes.extend(settings.gso_max_segs.map(LinkAttribute::GsoMaxSegs));
        if let Some(up) = settings.up {
            message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
            message.header.change_mask = LinkFlags::Up;
        }
        exchange(Ask::Plain, RouteNetlinkMessage::SetLink(message)).map(drop).map_err(|error| match settings.mtu {
            Some(mtu) if error.kind() == io::ErrorKind::InvalidInput => Error::MtuOutOfRange(mtu),
            _ => self.failed("configuring a link")(error),
        })
    }

    /// Moves the link into the namespace that `namespace` refers to. It arrives there down, without addresses, and with
    /// another number.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`], [`Error::NotPermitted`], [`Error::Io`].
    pub fn move_to(self, namespace: BorrowedFd<'_>) -> Result<(), Error> {
        let mut message = self.message();
        message.attributes.push(LinkAttribute::NetNsFd(namespace.as_raw_fd()));
        let moved = exchange(Ask::Plain, RouteNetlinkMessage::SetLink(message));
        moved.map(drop).map_err(self.failed("moving a link to another namespace"))
    }

    /// Deletes the link.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`], [`Error::NotPermitted`], [`Error::Io`].
    pub fn delete(self) -> Result<(), Error> {
        let deleted = exchange(Ask::Plain, RouteNetlinkMessage::DelLink(self.message()));
        deleted.map(drop).map_err(self.failed("deleting a link"))
    }

    fn message(self) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = self.0;
        message
    }

    fn is_gone(self) -> Error {
        Error::NoSuchDevice(format!("number {}", self.0))
    }

    /// For `map_err`: what was tried with the link, and what the kernel said.
    pub(super) fn failed(self, what: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |error| match Errno::from_io_error(&error) {
            Some(Errno::NODEV | Errno::NXIO) => self.is_gone(),
            _ => Error::io(what)(error),
        }
    }
}
