//! The kernel as a host: a namespace of its own behind a TUN device, sockets that act as applications do.

use std::collections::HashMap;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use bytes::{Buf, Bytes};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_linger, set_tcp_congestion, set_tcp_nodelay};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};
use sockeye::{ClosedBecause, Config, State, TcpInfo};
use sockeye_device::netns::{Namespace, Settings, set_sysctl};
use sockeye_device::{Cidr, Tun, TunConfig};
use sockeye_tcb::CallError;
use sockeye_wire::Instant;

use super::super::machine::{Calls, Handle};

/// The most octets read at once.
const BLOCK: usize = 64 << 10;

/// A namespace whose kernel is the host.
#[derive(Debug)]
pub(super) struct KernelHost {
    namespace: Namespace,
    /// Its link: one segment at a time.
    pub(super) tun: Tun,
}

/// What its TCP has counted, over all connections.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) retransmits: u64,
    pub(super) timeouts: u64,
}

impl KernelHost {
    /// With this address, and as `config` says as far as a kernel lets itself be told for all connections.
    pub(super) fn create(address: Cidr, mtu: u16, config: &Config) -> Result<Self, sockeye_device::Error> {
        let namespace = Namespace::create()?;
        let tun = namespace.run(|| {
            Settings::default().apply()?;
            for (name, on) in
                [("sack", config.sack), ("timestamps", config.timestamps), ("window_scaling", config.window_scaling)]
            {
                set_sysctl(&format!("net.ipv4.tcp_{name}"), if on { "1" } else { "0" })?;
            }
            Tun::create(&TunConfig { addresses: vec![address], mtu, offload: false, ..TunConfig::default() })
        })??;
        Ok(Self { namespace, tun })
    }

    pub(super) fn listen(&self, at: SocketAddr, config: &Config) -> io::Result<TcpListener> {
        let listener = self.namespace.run(|| TcpListener::bind(at))??;
        listener.set_nonblocking(true)?;
        configure(&listener, config)?;
        Ok(listener)
    }

    /// Begins to connect.
    pub(super) fn connect(&self, to: SocketAddr, config: &Config) -> io::Result<Connection> {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket: OwnedFd = self.namespace.run(|| socket_with(family, SocketType::STREAM, flags, None))??;
        configure(&socket, config)?;
        match connect(&socket, &to) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(Connection::new(socket.into())),
            Err(error) => Err(error.into()),
        }
    }

    /// As `ss -s` and `nstat` have it (RFC 4022's and Linux's own names).
    pub(super) fn counted(&self) -> io::Result<Counted> {
        let read = |file: &str| fs::read_to_string(format!("/proc/thread-self/net/{file}"));
        let (snmp, netstat) = self.namespace.run(|| (read("snmp"), read("netstat")))?;
        let counters: HashMap<String, u64> = numbers(&snmp?).chain(numbers(&netstat?)).collect();
        let of = |name: &str| counters.get(name).copied().unwrap_or(0);
        Ok(Counted { retransmits: of("Tcp:RetransSegs"), timeouts: of("TcpExt:TCPTimeouts") })
    }
}

/// The numbers of a file that has a line of names and a line of values for each protocol.
fn numbers(text: &str) -> impl Iterator<Item = (String, u64)> {
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let pairs = lines.chunks_exact(2).flat_map(|pair| {
        let (names, values) = (&pair[0], &pair[1]);
        let protocol = names.first().copied().unwrap_or_default();
        let named = names.iter().zip(values).skip(1);
        named.filter_map(|(name, value)| Some((format!("{protocol}{name}"), value.parse().ok()?))).collect::<Vec<_>>()
    });
    pairs.collect::<Vec<_>>().into_iter()
}

fn configure(socket: impl AsFd, config: &Config) -> io::Result<()> {
    set_tcp_nodelay(&socket, config.nodelay)?;
    let name = match config.congestion.name() {
        "newreno" => "reno",
        name => name,
    };
    set_tcp_congestion(&socket, name).map_err(|error| {
        let why = format!("this kernel doesn't let us have the congestion control {name} ({error}): try another");
        io::Error::new(ErrorKind::Unsupported, why)
    })
}

/// A socket, as an application of the simulator uses it.
#[derive(Debug)]
pub(super) struct Connection {
    /// `None` once it is closed.
    stream: Option<TcpStream>,
    decided: bool,
    /// The last call of its kind found nothing, or no room: there is something to wait for.
    waits_for_text: bool,
    waits_for_room: bool,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream: Some(stream), decided: false, waits_for_text: true, waits_for_room: false }
    }

    /// Itself once there is a connection, or will never be one: the application may act.
    pub(super) fn once_decided(&mut self) -> Option<&mut Self> {
        // Asking for the error would take it away from who reads.
        let is_decided = |stream: &TcpStream| stream.peer_addr().is_ok() || has_failed(stream);
        self.decided |= self.stream.as_ref().is_none_or(is_decided);
        self.decided.then_some(self)
    }

    /// What to wait for.
    pub(super) fn poll_fd(&self) -> Option<PollFd<'_>> {
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, self.waits_for_text && self.decided);
        wanted.set(PollFlags::OUT, self.waits_for_room || !self.decided);
        self.stream.as_ref().filter(|_| !wanted.is_empty()).map(|stream| PollFd::new(stream, wanted))
    }
}

fn has_failed(stream: &TcpStream) -> bool {
    let mut looked_at = [PollFd::new(stream, PollFlags::OUT)];
    let at_once = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut looked_at, Some(&at_once)).is_ok() && looked_at[0].revents().contains(PollFlags::ERR)
}

/// What the kernel's error means.
fn told(error: &io::Error) -> CallError {
    CallError::Closed(match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => return CallError::WouldBlock,
        ErrorKind::NotConnected => return CallError::NotConnected,
        ErrorKind::ConnectionRefused => ClosedBecause::Refused,
        ErrorKind::TimedOut => ClosedBecause::UserTimeout,
        _ => ClosedBecause::ResetByPeer,
    })
}

impl Calls for Connection {
    fn send(&mut self, _: Instant, _: Handle, text: &mut Bytes) -> Result<usize, CallError> {
        let stream = self.stream.as_mut().ok_or(CallError::NotConnected)?;
        let sent = stream.write(text).map_err(|error| told(&error));
        self.waits_for_room = sent == Err(CallError::WouldBlock);
        text.advance(sent.unwrap_or(0));
        sent
    }

    fn send_room(&self, _: Handle) -> usize {
        BLOCK
    }

    fn may_read(&self, _: Handle) -> bool {
        true
    }

    fn recv(&mut self, _: Instant, _: Handle, max: usize) -> Result<Bytes, CallError> {
        let stream = self.stream.as_mut().ok_or(CallError::NotConnected)?;
        let mut block = vec![0; max.min(BLOCK)];
        let read = stream.read(&mut block).map_err(|error| told(&error));
        self.waits_for_text = read == Err(CallError::WouldBlock);
        match read? {
            0 => Err(CallError::EndOfStream),
            length => {
                block.truncate(length);
                Ok(block.into())
            }
        }
    }

    fn shutdown(&mut self, _: Instant, _: Handle) -> Result<(), CallError> {
        let stream = self.stream.as_ref().ok_or(CallError::NotConnected)?;
        stream.shutdown(std::net::Shutdown::Write).map_err(|error| told(&error))
    }

    fn close(&mut self, _: Instant, _: Handle) {
        self.stream = None;
    }

    fn abort(&mut self, _: Instant, _: Handle) {
        if let Some(stream) = self.stream.take() {
            // Closing then resets; if it can't be set, the connection is gone already.
            let _ = set_socket_linger(&stream, Some(Duration::ZERO));
        }
    }

    fn info(&self, _: Instant, _: Handle) -> Option<TcpInfo> {
        None
    }

    fn state(&self, _: Handle) -> Option<State> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_protocol_and_name() {
        let text = "Tcp: MaxConn RetransSegs\nTcp: -1 12\nUdp: InDatagrams\nUdp: 3\n";
        let found: Vec<_> = numbers(text).collect();
        assert_eq!(found, [("Tcp:RetransSegs".to_owned(), 12), ("Udp:InDatagrams".to_owned(), 3)]);
    }
}
