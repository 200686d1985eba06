//! A TCP packet taken apart, and put together again.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use sockeye_wire::ip::{IpHeader, IpView, protocol};
use sockeye_wire::tcp::{TcpHeader, TcpView, fill_checksum};

/// Room for IPv6 and TCP with all its options.
const HEADERS: usize = 100;

/// A TCP segment between two addresses.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) hop_limit: u8,
    pub(crate) traffic_class: u8,
    pub(crate) header: TcpHeader,
    pub(crate) text: Bytes,
}

impl Parts {
    /// Takes `packet` apart; `None` if it is none of TCP, or damaged, for which it is `trusted` not to be.
    pub(crate) fn parse(packet: &Bytes, trusted: bool) -> Option<Self> {
        let view = IpView::parse(packet).ok()?;
        if matches!(&view, IpView::V4(view) if !view.verify_checksum()) {
            return None;
        }
        let (hop_limit, traffic_class) = (view.hop_limit(), view.traffic_class());
        if view.protocol() != protocol::TCP {
            return None;
        }
        let tcp = TcpView::parse(view.payload()).ok()?;
        if !trusted && !tcp.verify_checksum(view.source(), view.destination()) {
            return None;
        }
        let header = TcpHeader {
            source_port: tcp.source_port(),
            destination_port: tcp.destination_port(),
            seq: tcp.seq(),
            ack: tcp.ack(),
            flags: tcp.flags(),
            window: tcp.window(),
            urgent: tcp.urgent(),
            options: tcp.options(),
        };
        let text = packet.slice_ref(tcp.payload());
        Some(Self { source: view.source(), destination: view.destination(), hop_limit, traffic_class, header, text })
    }

    pub(crate) const fn from(&self) -> SocketAddr {
        SocketAddr::new(self.source, self.header.source_port)
    }

    pub(crate) const fn to(&self) -> SocketAddr {
        SocketAddr::new(self.destination, self.header.destination_port)
    }

    /// The packet, its checksums right.
    pub(crate) fn emit(&self) -> Bytes {
        let mut tcp = [0; 60];
        let tcp_len = self.header.emit(&mut tcp).unwrap_or(0);
        let tcp = &mut tcp[..tcp_len];
        fill_checksum(self.source, self.destination, tcp, std::iter::once(&self.text[..]));
        let payload_len = tcp_len + self.text.len();
        let mut head = [0; HEADERS];
        // Of two families nobody makes a packet.
        let written = IpHeader {
            source: self.source,
            destination: self.destination,
            protocol: protocol::TCP,
            payload_len,
            hop_limit: self.hop_limit,
            traffic_class: self.traffic_class,
            dont_fragment: true,
        }
        .emit(&mut head);
        let head = &head[..written.unwrap_or(0)];
        [head, tcp, &self.text].concat().into()
    }
}
