//! IP, and all above it but TCP.

use std::net::IpAddr;

use sockeye_wire::icmp::{self, IcmpError, IcmpMessage, QuotedTransport};
use sockeye_wire::ip::{Ecn, IpView, protocol};
use sockeye_wire::ndp::{self, NdpMessage};
use sockeye_wire::tcp::TcpView;
use sockeye_wire::udp::UdpView;

use super::{Describer, Line, Role, end};

impl Describer {
    pub(super) fn internet(&mut self, ip: &IpView<'_>, line: &mut Line) {
        let (from, to) = (ip.source(), ip.destination());
        line.is_between(from, to);
        line.push(Role::Plain, if from.is_ipv4() { "IP " } else { "IP6 " });
        if self.detail.verbose {
            line.push(Role::Plain, headed(ip));
            if let IpView::V4(v4) = ip
                && !v4.verify_checksum()
            {
                line.push(Role::Trouble, "(bad header checksum) ");
            }
        }
        if let Some(piece) = ip.fragment().filter(|piece| !piece.is_whole()) {
            line.push(Role::Ends, format!("{from} > {to}"));
            let (first, more) = (piece.offset, if piece.more { "+" } else { "" });
            let text = format!(": fragment {} at {first}, length {}{more}", piece.identification, ip.payload().len());
            return line.push(Role::Plain, text);
        }
        match ip.protocol() {
            protocol::TCP => match TcpView::parse(ip.payload()) {
                Ok(segment) => self.segment(from, to, &segment, line),
                Err(why) => malformed(from, to, why, line),
            },
            protocol::UDP => match UdpView::parse(ip.payload()) {
                Ok(datagram) => self.datagram(from, to, &datagram, line),
                Err(why) => malformed(from, to, why, line),
            },
            protocol::ICMP | protocol::ICMPV6 => {
                line.push(Role::Ends, format!("{from} > {to}"));
                control(ip, line);
            }
            other => {
                line.push(Role::Ends, format!("{from} > {to}"));
                line.push(Role::Plain, format!(": protocol {other}, length {}", ip.payload().len()));
            }
        }
    }

    fn datagram(&self, from: IpAddr, to: IpAddr, datagram: &UdpView<'_>, line: &mut Line) {
        let (source, destination) = (datagram.source_port(), datagram.destination_port());
        line.is_of_ports(source, destination);
        line.push(Role::Ends, format!("{} > {}", end(from, source), end(to, destination)));
        line.push(Role::Plain, format!(": UDP, length {}", datagram.payload().len()));
        if self.detail.verbose && !datagram.verify_checksum(from, to) {
            line.push(Role::Trouble, ", bad checksum");
        }
    }
}

fn malformed(from: IpAddr, to: IpAddr, why: impl std::fmt::Display, line: &mut Line) {
    line.push(Role::Ends, format!("{from} > {to}"));
    line.push(Role::Plain, ": ");
    line.not_understood(why);
}

/// What only those want to know who ask for more.
fn headed(ip: &IpView<'_>) -> String {
    let mark = match ip.ecn() {
        Ecn::NotEct => "",
        Ecn::Ect0 => ", ECT(0)",
        Ecn::Ect1 => ", ECT(1)",
        Ecn::Ce => ", CE",
    };
    let name = if ip.source().is_ipv4() { "ttl" } else { "hlim" };
    format!("({name} {}{mark}, length {}) ", ip.hop_limit(), ip.total_len())
}

/// ICMP, either version.
fn control(ip: &IpView<'_>, line: &mut Line) {
    if let IpView::V6(v6) = ip
        && ndp::is_ndp(ip.payload())
    {
        return match NdpMessage::parse(ip.payload(), v6.source(), v6.destination(), v6.hop_limit()) {
            Ok(message) => line.push(Role::Plain, format!(": ICMP6, {}", of_neighbours(&message))),
            Err(why) => {
                line.push(Role::Plain, ": ICMP6, ");
                line.not_understood(why);
            }
        };
    }
    line.push(Role::Plain, if ip.source().is_ipv4() { ": ICMP " } else { ": ICMP6 " });
    let echo = |what: &str, echo: &icmp::Echo<'_>| {
        format!("echo {what}, id {}, seq {}, length {}", echo.identifier, echo.sequence, echo.data.len())
    };
    match icmp::parse(ip.payload(), ip.source(), ip.destination()) {
        Ok(IcmpMessage::EchoRequest(request)) => line.push(Role::Plain, echo("request", &request)),
        Ok(IcmpMessage::EchoReply(reply)) => line.push(Role::Plain, echo("reply", &reply)),
        Ok(IcmpMessage::Error(error, quoted)) => {
            line.push(Role::Trouble, words(error));
            if let Ok(quoted) = QuotedTransport::parse(quoted) {
                line.push(Role::Plain, of_quoted(&quoted));
            }
        }
        Ok(_) => line.push(Role::Plain, "source quench"),
        Err(why) => line.not_understood(why),
    }
}

fn words(error: IcmpError) -> String {
    match error {
        IcmpError::NetworkUnreachable => "network unreachable".to_owned(),
        IcmpError::HostUnreachable => "host unreachable".to_owned(),
        IcmpError::ProtocolUnreachable => "protocol unreachable".to_owned(),
        IcmpError::PortUnreachable => "port unreachable".to_owned(),
        IcmpError::Prohibited => "prohibited".to_owned(),
        IcmpError::PacketTooBig(mtu) => format!("packet too big, mtu {mtu}"),
        IcmpError::HopLimitExceeded => "time exceeded in transit".to_owned(),
        IcmpError::ReassemblyTimeExceeded => "time exceeded in reassembly".to_owned(),
        IcmpError::ParameterProblem(at) => format!("parameter problem at octet {at}"),
    }
}

fn of_quoted(quoted: &QuotedTransport) -> String {
    let (from, to) = (end(quoted.source, quoted.source_port), end(quoted.destination, quoted.destination_port));
    match quoted.protocol {
        protocol::TCP => format!(", for {from} > {to} TCP seq {}", quoted.seq),
        protocol::UDP => format!(", for {from} > {to} UDP"),
        other => format!(", for {} > {} protocol {other}", quoted.source, quoted.destination),
    }
}

fn of_neighbours(message: &NdpMessage<'_>) -> String {
    let at = |link: Option<_>| link.map(|link| format!(", at {link}")).unwrap_or_default();
    match message {
        NdpMessage::RouterSolicitation { source_link } => format!("router solicitation{}", at(*source_link)),
        NdpMessage::RouterAdvertisement(router) => {
            format!("router advertisement, lifetime {} s", router.lifetime.as_secs())
        }
        NdpMessage::NeighborSolicitation { target, source_link } => {
            format!("who has {target}?{}", at(*source_link))
        }
        NdpMessage::NeighborAdvertisement(advertisement) => {
            format!("{} is here{}", advertisement.target, at(advertisement.target_link))
        }
    }
}
