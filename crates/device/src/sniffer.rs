//! Listening to a device that somebody else drives.

use std::fmt;
use std::io;
use std::time::Duration;

use pnet_datalink::{Channel, Config, DataLinkReceiver};

use crate::Error;
use crate::netlink::Link;

/// Hears what passes over a device of this host, both ways, without taking part.
pub struct Sniffer {
    receiver: Box<dyn DataLinkReceiver>,
    is_ethernet: bool,
}

impl Sniffer {
    /// How long [`Self::receive`] waits at most.
    pub const PATIENCE: Duration = Duration::from_millis(100);
    /// Octets that are kept of a packet: more than any device's MTU and its header.
    const BUFFER: usize = 1 << 17;

    /// Begins to listen to the device called `name`.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`]; [`Error::NotPermitted`] without `CAP_NET_RAW`; [`Error::Io`].
    pub fn open(name: &str) -> Result<Self, Error> {
        let link = Link::by_name(name)?.info()?;
        let gone = || Error::NoSuchDevice(name.to_owned());
        let interface = pnet_datalink::interfaces().into_iter().find(|one| one.name == name).ok_or_else(gone)?;
        let config = Config {
            read_timeout: Some(Self::PATIENCE),
            read_buffer_size: Self::BUFFER,
            promiscuous: false,
            ..Config::default()
        };
        let channel = pnet_datalink::channel(&interface, config).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => Error::NoRawSockets,
            _ => Error::Io("listening to a device", error),
        })?;
        // What has no hardware address has no header either: TUN devices and other tunnels.
        let is_ethernet = !link.hardware_address.is_empty();
        match channel {
            Channel::Ethernet(_, receiver) => Ok(Self { receiver, is_ethernet }),
            _ => Err(Error::Io("listening to a device", io::ErrorKind::Unsupported.into())),
        }
    }

    /// True if packets start with an Ethernet header, else with that of IP.
    pub const fn is_ethernet(&self) -> bool {
        self.is_ethernet
    }

    /// The next packet; `None` if none came for [`Self::PATIENCE`].
    ///
    /// # Errors
    /// When the device is gone or down.
    pub fn receive(&mut self) -> io::Result<Option<&[u8]>> {
        match self.receiver.next() {
            Ok(packet) => Ok(Some(packet)),
            Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for Sniffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sniffer").field("is_ethernet", &self.is_ethernet).finish_non_exhaustive()
    }
}
