//! ICMP: echoes, errors about our packets, errors about those of others.

use std::net::IpAddr;

use sockeye_tcb::{Stop, TooBig, Unreachable};
use sockeye_wire::Instant;
use sockeye_wire::icmp::{self, Echo, IcmpError, IcmpMessage, QuotedTransport};
use sockeye_wire::ip::protocol;

use super::counters::{Drop, Reason};
use super::demux::Pair;
use super::ip::datagram::Datagram;
use super::ip::fragment::GivenUp;
use super::ip::{QUOTED_V4, QUOTED_V6};
use super::{Stack, Target};

/// MTUs that links are likely to have (RFC 1191 section 7.1): what to try next below a packet that was too long for a
/// router which doesn't say what would fit.
//= rfc1191#7.1-1
const PLATEAUS: [u32; 11] = [65_535, 32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 508, 296, LEAST_MTU_V4];
/// The least MTU that a link may have (RFC 791, RFC 8200). How low we go is another question:
/// [`sockeye_tcb::Config::min_path_mss`].
const LEAST_MTU_V4: u32 = 68;
const LEAST_MTU_V6: u32 = 1280;

impl Stack {
    pub(super) fn on_icmp(&mut self, now: Instant, datagram: &Datagram) -> Result<(), Reason> {
        match icmp::parse(datagram.payload(), datagram.source, datagram.destination)? {
            IcmpMessage::EchoRequest(request) => {
                self.echo(datagram, &request);
                Ok(())
            }
            IcmpMessage::Error(error, quoted) => self.on_icmp_error(now, datagram, error, quoted),
            //= rfc1122#3.2.2-1
            //= rfc9293#MUST-55
            //= rfc6633#3-1
            _ => Err(Drop::IgnoredIcmp.into()),
        }
    }

    //= rfc1122#3.2.2.6-1
    //= rfc1122#3.2.2.6-4
    fn echo(&mut self, datagram: &Datagram, request: &Echo<'_>) {
        let (source, destination) = (datagram.destination, datagram.source);
        let mut message = vec![0; icmp::HEADER_LEN + request.data.len()];
        if icmp::emit_echo_reply(source, destination, request, &mut message).is_ok() {
            let packet = self.plain_packet(source, destination, datagram.protocol, message);
            self.queue_for_stranger(packet);
        }
    }

    //= rfc9293#MUST-54
    /// An error about a packet of ours: the quoted headers tell of which connection.
    fn on_icmp_error(
        &mut self,
        now: Instant,
        datagram: &Datagram,
        error: IcmpError,
        quoted: &[u8],
    ) -> Result<(), Reason> {
        let quoted = QuotedTransport::parse(quoted)?;
        if quoted.protocol != protocol::TCP || quoted.source != datagram.destination {
            return Err(Drop::StrayIcmp.into());
        }
        let pair = Pair::of_quoted(&quoted);
        let Some(Target::Connection(key)) = self.demux.get(&pair) else {
            return Err(Drop::StrayIcmp.into());
        };
        let Some(connection) = self.connections.get_mut(key) else {
            return Err(Drop::StrayIcmp.into());
        };
        //= rfc5927#4.1-1
        let outcome = match verdict(error) {
            Verdict::Unreachable(what) => connection.tcb.on_unreachable(now, quoted.seq, what).map(|()| None),
            Verdict::TooBig(mtu) => {
                connection.tcb.on_packet_too_big(now, quoted.seq, path_mss(mtu, &quoted)?).map(Some)
            }
        };
        self.touch(key);
        match outcome.map_err(|_not_in_flight: Stop| Drop::StrayIcmp)? {
            Some(TooBig::Doubted) => return Err(Drop::TooBigDoubted.into()),
            Some(TooBig::NothingNew) => return Err(Drop::TooBigNothingNew.into()),
            Some(TooBig::Believed | TooBig::Probe) => self.counters.paths_narrowed += 1,
            None => {}
        }
        Ok(())
    }

    /// Nobody listens for UDP here.
    pub(super) fn refuse_udp(&mut self, now: Instant, datagram: &Datagram) -> Result<(), Reason> {
        self.refuse(now, datagram, IcmpError::PortUnreachable);
        Err(Drop::NoUdpSocket.into())
    }

    /// A protocol that nobody here speaks.
    pub(super) fn refuse_protocol(&mut self, now: Instant, datagram: &Datagram) -> Result<(), Reason> {
        self.refuse(now, datagram, IcmpError::ProtocolUnreachable);
        Err(Drop::UnknownProtocol.into())
    }

    //= rfc1122#3.3.2-5
    /// Tells the sender that not all fragments of its datagram came in time, if the first has: without it nobody would know
    /// whose datagram it was. ICMP itself is not complained of: it might be an error.
    pub(super) fn tell_of_missing_fragments(&mut self, now: Instant, datagram: &GivenUp) {
        let GivenUp { key, first: Some(first) } = datagram else { return };
        if first.protocol != protocol::ICMP && first.protocol != protocol::ICMPV6 {
            self.complain(now, (key.destination, key.source), IcmpError::ReassemblyTimeExceeded, &first.packet);
        }
    }

    //= rfc4443#2.4-4
    //= rfc1122#3.2.2-5
    //= rfc1122#3.3.8-1
    //= rfc1122#3.4-3
    /// Tells the sender that its packet can't be delivered. The datagram was for us alone and whole, or it wouldn't have
    /// come so far; errors are never answered, since they are ICMP.
    fn refuse(&mut self, now: Instant, datagram: &Datagram, error: IcmpError) {
        self.complain(now, (datagram.destination, datagram.source), error, &datagram.packet);
    }

    /// An error from `source` to `destination` about `packet`, if not too many were sent of late.
    fn complain(&mut self, now: Instant, (source, destination): (IpAddr, IpAddr), error: IcmpError, packet: &[u8]) {
        if !self.errors.take(now) {
            self.counters.count(Drop::ErrorLimit);
            return;
        }
        let most = if source.is_ipv4() { QUOTED_V4 } else { QUOTED_V6 };
        let quoted = packet.get(..most).unwrap_or(packet);
        let mut message = vec![0; icmp::HEADER_LEN + quoted.len()];
        if icmp::emit_error(source, destination, error, quoted, &mut message).is_ok() {
            let protocol = if source.is_ipv4() { protocol::ICMP } else { protocol::ICMPV6 };
            let packet = self.plain_packet(source, destination, protocol, message);
            self.queue_for_stranger(packet);
        }
    }
}

/// What an error means to a connection.
enum Verdict {
    Unreachable(Unreachable),
    TooBig(u32),
}

//= rfc1122#3.2.2.1-2
//= rfc1122#3.2.2.1-4
//= rfc1122#3.2.2.4-1
//= rfc1122#3.2.2.5-2
fn verdict(error: IcmpError) -> Verdict {
    Verdict::Unreachable(match error {
        IcmpError::PacketTooBig(mtu) => return Verdict::TooBig(mtu),
        IcmpError::NetworkUnreachable => Unreachable::Network,
        IcmpError::HostUnreachable => Unreachable::Host,
        IcmpError::ProtocolUnreachable => Unreachable::Protocol,
        IcmpError::PortUnreachable => Unreachable::Port,
        IcmpError::Prohibited => Unreachable::Prohibited,
        IcmpError::HopLimitExceeded | IcmpError::ReassemblyTimeExceeded => Unreachable::TimeExceeded,
        IcmpError::ParameterProblem(_) => Unreachable::ParameterProblem,
    })
}

/// Octets of TCP text and options that fit into a packet of `mtu`, 0 standing for a router of old that doesn't say.
//= rfc1191#3-7
//= rfc1191#3-8
//= rfc8201#4-2
fn path_mss(mtu: u32, quoted: &QuotedTransport) -> Result<u16, Drop> {
    let sent = u32::try_from(quoted.total_len).unwrap_or(u32::MAX);
    let is_v4 = quoted.source.is_ipv4();
    let mtu = match mtu {
        0 if is_v4 => PLATEAUS.into_iter().find(|&plateau| plateau < sent).unwrap_or(LEAST_MTU_V4),
        _ => mtu,
    };
    let (least, headers) = if is_v4 { (LEAST_MTU_V4, 40) } else { (LEAST_MTU_V6, 60) };
    if mtu < least {
        return Err(Drop::TooBigBelowLeast);
    }
    Ok(u16::try_from(mtu - headers).unwrap_or(u16::MAX))
}
