//! One [`Tcb`] and nothing else, as a host of its own: no tables, no listeners, no timer wheel.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use sockeye::Config;
use sockeye_device::Packet;
use sockeye_tcb::{Header, Segment, State, Tcb, Transmit, closed};
use sockeye_wire::ip::Ecn;
use sockeye_wire::tcp::TcpHeader;
use sockeye_wire::{Instant, SeqNumber};

use super::random::Random;
use super::segment::Parts;

/// RFC 6335 section 6.
const FIRST_DYNAMIC_PORT: u16 = 49_152;

/// A host with room for one connection.
#[derive(Debug)]
pub(crate) struct Bare {
    random: Random,
    connection: Option<Connection>,
    /// RSTs for segments that belong to nobody.
    strays: Vec<Bytes>,
}

#[derive(Debug)]
struct Connection {
    tcb: Tcb,
    local: SocketAddr,
    /// Unknown while it listens.
    remote: Option<SocketAddr>,
    /// It listened, and nobody has been told that somebody came.
    is_unannounced: bool,
}

impl Bare {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), connection: None, strays: Vec::new() }
    }

    fn numbers(&mut self) -> (SeqNumber, u32) {
        let bits = self.random.bits().to_be_bytes();
        let [a, b, c, d, e, f, g, h] = bits;
        (SeqNumber::new(u32::from_be_bytes([a, b, c, d])), u32::from_be_bytes([e, f, g, h]))
    }

    /// Connects; port 0 is chosen.
    pub(crate) fn connect(&mut self, now: Instant, mut local: SocketAddr, remote: SocketAddr, config: Arc<Config>) {
        if local.port() == 0 {
            local.set_port(FIRST_DYNAMIC_PORT);
        }
        let (iss, offset) = self.numbers();
        let tcb = Tcb::connect(config, iss, offset, now);
        self.connection = Some(Connection { tcb, local, remote: Some(remote), is_unannounced: false });
    }

    pub(crate) fn listen(&mut self, now: Instant, local: SocketAddr, config: Arc<Config>) {
        let (iss, offset) = self.numbers();
        let tcb = Tcb::listen(config, iss, offset, now);
        self.connection = Some(Connection { tcb, local, remote: None, is_unannounced: true });
    }

    pub(crate) fn tcb(&self) -> Option<&Tcb> {
        self.connection.as_ref().map(|connection| &connection.tcb)
    }

    pub(crate) fn tcb_mut(&mut self) -> Option<&mut Tcb> {
        self.connection.as_mut().map(|connection| &mut connection.tcb)
    }

    pub(crate) fn local(&self) -> Option<SocketAddr> {
        self.connection.as_ref().map(|connection| connection.local)
    }

    /// The port on which somebody came, told once.
    pub(crate) fn accepted(&mut self) -> Option<u16> {
        let connection = self.connection.as_mut()?;
        let came = connection.is_unannounced && connection.tcb.state().is_synchronized();
        connection.is_unannounced &= !came;
        came.then_some(connection.local.port())
    }

    pub(crate) fn on_packet(&mut self, now: Instant, packet: &Packet) {
        let Some(parts) = Parts::parse(&packet.bytes, packet.checksum_verified) else {
            return;
        };
        let TcpHeader { seq, ack, flags, window, urgent, options, .. } = parts.header;
        let segment = Segment {
            seq,
            ack,
            flags,
            window,
            urgent,
            options,
            payload: parts.text.clone(),
            more: Vec::new(),
            arrived_at: now,
            segment_size: packet.segment_size,
            ecn: Ecn::of(parts.traffic_class),
        };
        let ours = self.connection.as_mut().filter(|connection| {
            connection.local == parts.to() && connection.remote.is_none_or(|remote| remote == parts.from())
        });
        match ours {
            Some(connection) if connection.tcb.state() != State::Closed => {
                if flags.syn {
                    connection.remote = Some(parts.from());
                }
                // Why a segment's way ended is for the counters of a stack.
                let _ = connection.tcb.on_segment(now, segment);
            }
            _ => {
                let reply = closed::reply(&segment).map(|header| packet_of(parts.to(), parts.from(), &header.into()));
                self.strays.extend(reply);
            }
        }
    }

    pub(crate) fn on_timeout(&mut self, now: Instant) {
        if let Some(tcb) = self.tcb_mut() {
            tcb.on_timeout(now);
        }
    }

    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        if let Some(stray) = self.strays.pop() {
            return Some(stray);
        }
        let connection = self.connection.as_mut()?;
        let transmit = connection.tcb.poll_transmit(now, 0)?;
        Some(packet_of(connection.local, connection.remote?, &transmit))
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.tcb()?.next_timeout()
    }

    /// Nothing is left of the connection but what it tells about its end, or it still listens.
    pub(crate) fn is_empty(&self) -> bool {
        let is_over = |tcb: &Tcb| matches!(tcb.state(), State::Closed | State::Listen) && tcb.next_timeout().is_none();
        self.tcb().is_none_or(is_over)
    }
}

fn packet_of(local: SocketAddr, remote: SocketAddr, transmit: &Transmit) -> Bytes {
    let Header { seq, ack, flags, window, urgent, options } = transmit.header;
    let (source_port, destination_port) = (local.port(), remote.port());
    Parts {
        source: local.ip(),
        destination: remote.ip(),
        hop_limit: 64,
        traffic_class: transmit.ecn.bits(),
        header: TcpHeader { source_port, destination_port, seq, ack, flags, window, urgent, options },
        text: transmit.payload.concat().into(),
    }
    .emit()
}
