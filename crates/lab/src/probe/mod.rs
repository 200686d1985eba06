//! What a path carries, towards a host that need not have a TCP of ours, or any: it only has to answer echoes, as every host
//! does (RFC 1122 section 3.2.2.6). So does the tool of RFC 2398 section 2.10.
//!
//! Each segment of a sender here leaves as the data of an ICMP echo request. What comes back is handed to a receiver here,
//! whose ACKs the sender hears at once. Both are whole [`Tcb`]s, so that pace, recovery and congestion control
//! are those of our TCP, whatever the host's is like. Segments go there and back at full length: it is the narrower of the two
//! directions that is measured, and a loss of either counts.
//!
//! [`Probe`] is without I/O, as the rest; [`measure`] runs it on a device.

//= rfc2398#2.10-1

mod real_time;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sockeye::{Algorithm, Config};
use sockeye_device::{Outgoing, Packet, Slices};
use sockeye_tcb::{EcnPolicy, MtuProbing, Tcb, TcpInfo};
use sockeye_wire::Instant;
use sockeye_wire::icmp::{self, Echo, IcmpError, IcmpMessage};
use sockeye_wire::ip::{IpHeader, IpView, protocol, v4, v6};

use crate::sim::bare::Bare;

pub use real_time::measure;

/// Headers that a segment has here beyond its text: IP, ICMP, TCP without options.
const TCP_HEADER: u16 = 20;
/// The discard port, for both ends: no host sees them but as data.
const PORT: u16 = 9;
/// What is written, over and over.
static TEXT: [u8; 65_536] = [b'.'; 65_536];

/// What to measure, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The address to send from.
    pub source: IpAddr,
    /// The host to measure the path to, of the same family.
    pub host: IpAddr,
    /// Octets of the largest packet.
    pub mtu: u16,
    /// The congestion control of the sender.
    pub algorithm: Algorithm,
    /// Tells our echoes from those of others, and makes sequence numbers hard to guess.
    pub seed: u64,
}

/// Why a path can't be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The two addresses are of two families.
    Families,
    /// No text fits into such packets.
    Narrow(u16),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Families => f.write_str("one address is of IPv4, the other of IPv6"),
            Self::Narrow(mtu) => write!(f, "packets of {mtu} octets are too short"),
        }
    }
}

impl std::error::Error for Refused {}

/// A path being measured: to be asked for packets and told of those that arrive, in any order, with a clock that never goes
/// back.
///
/// ```
/// use sockeye_lab::probe::{Plan, Probe};
/// use sockeye_wire::Instant;
///
/// let plan = Plan {
///     source: "10.0.0.1".parse().unwrap(),
///     host: "10.0.0.2".parse().unwrap(),
///     mtu: 1500,
///     algorithm: "cubic".parse().unwrap(),
///     seed: 1,
/// };
/// let mut probe = Probe::new(Instant::ZERO, &plan)?;
/// let request = probe.poll_transmit(Instant::ZERO).expect("it begins at once");
/// assert!(request.len() <= 1500);
/// # Ok::<(), sockeye_lab::probe::Refused>(())
/// ```
#[derive(Debug)]
pub struct Probe {
    source: IpAddr,
    host: IpAddr,
    /// Of our echoes; both are part of what a reply is known by.
    identifier: u16,
    sequence: u16,
    sender: Bare,
    receiver: Bare,
    began: Instant,
    requests: u64,
    replies: u64,
    octets: u64,
    error: Option<IcmpError>,
}

/// What was found until now.
#[derive(Clone, Debug)]
pub struct Report {
    /// Since the beginning.
    pub time: Duration,
    /// Octets of text that came back, each counted once.
    pub octets: u64,
    /// Echo requests sent, what was sent again included.
    pub requests: u64,
    /// Replies that were ours.
    pub replies: u64,
    /// The last error that a router or the host sent about a request, if any did.
    pub error: Option<IcmpError>,
    /// What the sender tells of itself: round trips, losses, congestion control.
    pub sender: TcpInfo,
}

impl Report {
    /// Bits of text a second.
    #[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
    pub fn goodput_bps(&self) -> f64 {
        if self.time.is_zero() { 0.0 } else { self.octets as f64 * 8.0 / self.time.as_secs_f64() }
    }
}

impl Probe {
    /// Begins to measure.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn new(now: Instant, plan: &Plan) -> Result<Self, Refused> {
        let &Plan { source, host, mtu, algorithm, seed } = plan;
        let ip = match (source, host) {
            (IpAddr::V4(_), IpAddr::V4(_)) => v4::HEADER_LEN,
            (IpAddr::V6(_), IpAddr::V6(_)) => v6::HEADER_LEN,
            _ => return Err(Refused::Families),
        };
        let headers = u16::try_from(ip + icmp::HEADER_LEN).unwrap_or(u16::MAX).saturating_add(TCP_HEADER);
        // The least that a TCP may be held to (RFC 9293 section 3.7.1, less room for options).
        let mss = mtu.checked_sub(headers).filter(|mss| *mss >= 88).ok_or(Refused::Narrow(mtu))?;
        let config = Arc::new(Config {
            mss,
            congestion: algorithm,
            ecn: EcnPolicy::Off,
            mtu_probing: MtuProbing::Off,
            ..Config::default()
        });
        let ends = [source, host].map(|address| SocketAddr::new(address, PORT));
        let (mut sender, mut receiver) = (Bare::new(seed), Bare::new(!seed));
        receiver.listen(now, ends[1], Arc::clone(&config));
        sender.connect(now, ends[0], ends[1], config);
        let [a, b, ..] = seed.to_be_bytes();
        Ok(Self {
            source,
            host,
            identifier: u16::from_be_bytes([a, b]),
            sequence: 0,
            sender,
            receiver,
            began: now,
            requests: 0,
            replies: 0,
            octets: 0,
            error: None,
        })
    }

    /// The next packet to put on the wire; to be asked until `None`, whenever a packet has arrived or a deadline come.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Outgoing> {
        self.write(now);
        while let Some(ack) = self.receiver.poll_transmit(now) {
            self.sender.on_packet(now, &Packet::new(ack, now));
        }
        let packet = self.sender.poll_transmit(now)?;
        let view = IpView::parse(&packet).ok()?;
        self.sequence = self.sequence.wrapping_add(1);
        self.requests += 1;
        let echo = Echo { identifier: self.identifier, sequence: self.sequence, data: view.payload() };
        let mut message = BytesMut::zeroed(icmp::HEADER_LEN + echo.data.len());
        icmp::emit_echo_request(self.source, self.host, &echo, &mut message).ok()?;
        let protocol = if self.host.is_ipv4() { protocol::ICMP } else { protocol::ICMPV6 };
        let header = self.header(protocol, message.len());
        Some(Outgoing::build(Slices::from_iter([message.freeze()]), |head| header.emit(head).unwrap_or(0)))
    }

    /// Takes a packet: a reply to us, or an error about a request. All else is left alone.
    pub fn on_packet(&mut self, now: Instant, packet: &Packet) {
        let Ok(view) = IpView::parse(&packet.bytes) else { return };
        if view.fragment().is_some() || !matches!(view.protocol(), protocol::ICMP | protocol::ICMPV6) {
            return;
        }
        match icmp::parse(view.payload(), view.source(), view.destination()) {
            Ok(IcmpMessage::EchoReply(echo)) if view.source() == self.host && echo.identifier == self.identifier => {
                self.replies += 1;
                self.on_segment(now, echo.data);
            }
            Ok(IcmpMessage::Error(error, quoted)) if self.is_about_us(quoted) => self.error = Some(error),
            _ => {}
        }
    }

    /// What came back goes on to the receiver, as if it had come from the sender just so. Its checksum tells whether it
    /// is as it left, its ports and sequence numbers whether it is ours.
    fn on_segment(&mut self, now: Instant, segment: &[u8]) {
        let mut head = [0; v6::HEADER_LEN];
        let header = self.header(protocol::TCP, segment.len());
        let written = header.emit(&mut head).unwrap_or(0);
        let packet = Bytes::from([&head[..written], segment].concat());
        self.receiver.on_packet(now, &Packet::new(packet, now));
        self.read(now);
    }

    /// An error counts that quotes a packet from us to the host.
    fn is_about_us(&self, quoted: &[u8]) -> bool {
        let ends = match quoted.first().map(|first| first >> 4) {
            Some(4) => quoted.get(12..20).map(|ends| ends.split_at(4)),
            Some(6) => quoted.get(8..40).map(|ends| ends.split_at(16)),
            _ => None,
        };
        let is = |address: IpAddr, octets: &[u8]| match address {
            IpAddr::V4(address) => address.octets() == *octets,
            IpAddr::V6(address) => address.octets() == *octets,
        };
        ends.is_some_and(|(source, destination)| is(self.source, source) && is(self.host, destination))
    }

    fn header(&self, protocol: u8, payload_len: usize) -> IpHeader {
        IpHeader {
            source: self.source,
            destination: self.host,
            protocol,
            payload_len,
            hop_limit: 64,
            traffic_class: 0,
            dont_fragment: true,
        }
    }

    /// The sender always has something to send.
    fn write(&mut self, now: Instant) {
        let Some(tcb) = self.sender.tcb_mut() else { return };
        while tcb.send(now, &mut Bytes::from_static(&TEXT)).is_ok_and(|octets| octets > 0) {}
    }

    /// The receiver never keeps it waiting.
    fn read(&mut self, now: Instant) {
        let Some(tcb) = self.receiver.tcb_mut() else { return };
        while let Ok(text) = tcb.recv(now, usize::MAX) {
            if text.is_empty() {
                break;
            }
            self.octets += text.len() as u64;
        }
    }

    /// When [`Self::on_timeout`] is to be called at the latest.
    pub fn next_timeout(&self) -> Option<Instant> {
        [self.sender.next_timeout(), self.receiver.next_timeout()].into_iter().flatten().min()
    }

    /// The clock says `now`: acts on what is due.
    pub fn on_timeout(&mut self, now: Instant) {
        self.sender.on_timeout(now);
        self.receiver.on_timeout(now);
    }

    /// What was found by `now`.
    pub fn report(&self, now: Instant) -> Report {
        let sender = self.sender.tcb().map(|tcb: &Tcb| tcb.info(now)).unwrap_or_default();
        Report {
            time: now.since(self.began),
            octets: self.octets,
            requests: self.requests,
            replies: self.replies,
            error: self.error,
            sender,
        }
    }
}

#[cfg(test)]
mod tests;
