//! What went wrong with a device or a namespace: what failed, why, and what to do.

use std::fmt;
use std::io;

use sockeye_wire::ethernet::MacAddr;

use crate::Cidr;

/// Why a device or a namespace could not be set up.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// There is no /dev/net/tun.
    NoTunDevice,
    /// The user may not open /dev/net/tun.
    TunNotAccessible,
    /// The process lacks `CAP_NET_ADMIN`, in the words of what it tried.
    NotPermitted(&'static str),
    /// The process lacks `CAP_NET_RAW`.
    NoRawSockets,
    /// The name is longer than the 15 octets that the kernel keeps.
    NameTooLong(String),
    /// The name is not one that the kernel takes.
    NameInvalid(String),
    /// Another device has this name, or another process this device.
    NameInUse(String),
    /// There is no device of this name.
    NoSuchDevice(String),
    /// The device of this name is down.
    DeviceDown(String),
    /// The device of this name carries no Ethernet frames.
    NotEthernet(String),
    /// There is no namespace of this name.
    NoSuchNamespace(String),
    /// The address is on some device already.
    AddressTaken(Cidr),
    /// No host can have this hardware address.
    HardwareAddress(MacAddr),
    /// IPv6 is switched off where this address was to be.
    Ipv6Off(Cidr),
    /// The interface of this name has an MTU of so many octets, more than frames of `AF_XDP` (the third) have room for.
    XdpMtu(String, u32, usize),
    /// The interface of this name has an XDP program already.
    XdpInUse(String),
    /// Not within 68 (IPv4) or 1280 (IPv6) and 65,535 octets.
    MtuOutOfRange(u32),
    /// A process with so many threads can't move into a user namespace.
    HasThreads(usize),
    /// The system doesn't let this process make a user namespace.
    NoUserNamespaces(io::Error),
    /// A kernel parameter couldn't be read or set.
    Sysctl(String, io::Error),
    /// Anything else, with what was tried.
    Io(&'static str, io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTunDevice => f.write_str(
                "there is no /dev/net/tun: load the kernel's tun module (modprobe tun), or let the container see the \
                 device (--device /dev/net/tun)",
            ),
            Self::TunNotAccessible => f.write_str(
                "this user may not open /dev/net/tun: run as root, or let everybody open it (chmod 666 /dev/net/tun)",
            ),
            Self::NotPermitted(what) => write!(
                f,
                "{what} needs CAP_NET_ADMIN: run as root, or inside a user namespace (unshare -rn, as `sockeye demo` \
                 does by itself), or give the program the right (setcap cap_net_admin+ep PROGRAM)"
            ),
            Self::NoRawSockets => f.write_str(
                "listening to a device needs CAP_NET_RAW: run as root, or give the program the right (setcap \
                 cap_net_raw+ep PROGRAM)",
            ),
            Self::NameTooLong(name) => {
                write!(
                    f,
                    "the device name {name:?} is too long: the kernel keeps at most 15 octets, choose a shorter one"
                )
            }
            Self::NameInvalid(name) => {
                write!(f, "{name:?} can't be a device name: leave out slashes, blanks and colons")
            }
            Self::NameInUse(name) => {
                write!(f, "the device name {name:?} is in use: choose another, or end the process that has it")
            }
            Self::NoSuchDevice(name) => write!(f, "there is no device {name:?}: see `ip link` for those that are"),
            Self::DeviceDown(name) => write!(f, "the device {name:?} is down: set it up first (ip link set {name} up)"),
            Self::NotEthernet(name) => {
                write!(
                    f,
                    "the device {name:?} carries no Ethernet frames: choose one that does, like the end of a veth pair"
                )
            }
            Self::NoSuchNamespace(name) => write!(
                f,
                "there is no network namespace {name:?}: `ip netns list` shows those that are, `ip netns add {name}` makes one"
            ),
            Self::AddressTaken(address) => write!(f, "{address} is assigned already: choose another address"),
            Self::HardwareAddress(address) => {
                write!(
                    f,
                    "{address} is no hardware address of a host: leave it out, or take one like 02:00:0a:09:00:02"
                )
            }
            Self::Ipv6Off(address) => {
                write!(
                    f,
                    "{address} can't be assigned: IPv6 is switched off; set net.ipv6.conf.all.disable_ipv6 to 0, or do \
                     without"
                )
            }
            Self::MtuOutOfRange(mtu) => {
                write!(f, "an MTU of {mtu} is out of range: 68 to 65535 (TAP: 65521), with IPv6 at least 1280")
            }
            Self::XdpMtu(name, mtu, most) => write!(
                f,
                "the interface {name:?} has an MTU of {mtu}, and frames of AF_XDP have room for {most}: set it lower (ip link set \
                 dev {name} mtu {most})"
            ),
            Self::XdpInUse(name) => write!(
                f,
                "the interface {name:?} has an XDP program of somebody else: end who has attached it, or take it off (ip link \
                 set dev {name} xdp off)"
            ),
            Self::HasThreads(count) => write!(
                f,
                "a process with {count} threads can't move into a user namespace: do it before any thread starts, or in \
                 a new process"
            ),
            Self::NoUserNamespaces(error) => write!(
                f,
                "making a user namespace failed: {error}; run as root, or allow it (sysctl user.max_user_namespaces \
                 above 0, kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0, where \
                 they exist)"
            ),
            Self::Sysctl(name, error) => write!(f, "the kernel parameter {name}: {error}"),
            Self::Io(what, error) => write!(f, "{what} failed: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) | Self::NoUserNamespaces(error) | Self::Sysctl(_, error) => Some(error),
            _ => None,
        }
    }
}

impl Error {
    /// For `map_err`: what was tried, and what the kernel said.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| match error.kind() {
            io::ErrorKind::PermissionDenied => Self::NotPermitted(what),
            _ => Self::Io(what, error),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::NoTunDevice | Error::NoSuchDevice(_) | Error::NoSuchNamespace(_) => io::ErrorKind::NotFound,
            Error::TunNotAccessible | Error::NotPermitted(_) | Error::NoRawSockets | Error::NoUserNamespaces(_) => {
                io::ErrorKind::PermissionDenied
            }
            Error::NameTooLong(_)
            | Error::NameInvalid(_)
            | Error::MtuOutOfRange(_)
            | Error::XdpMtu(..)
            | Error::HardwareAddress(_)
            | Error::NotEthernet(_) => io::ErrorKind::InvalidInput,
            Error::DeviceDown(_) => io::ErrorKind::NetworkDown,
            Error::NameInUse(_) | Error::AddressTaken(_) | Error::XdpInUse(_) => io::ErrorKind::AddrInUse,
            Error::Ipv6Off(_) => io::ErrorKind::Unsupported,
            Error::HasThreads(_) => io::ErrorKind::ResourceBusy,
            Error::Sysctl(_, error) | Error::Io(_, error) => error.kind(),
        };
        Self::new(kind, error)
    }
}
