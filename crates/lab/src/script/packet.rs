//! A packet as a script writes it: what is to be injected, what is expected, and, turned back into the script's numbers,
//! what the stack sent.

use std::fmt;

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Packet {
    Tcp(Segment),
    Icmp(Icmp),
    /// A UDP datagram with so many octets of payload.
    Udp(u16),
}

/// A TCP segment. Numbers are those of the script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) ip: IpInfo,
    /// Source and destination.
    pub(super) ports: Option<(u16, u16)>,
    pub(super) flags: Flags,
    pub(super) seq: u32,
    /// Octets of text.
    pub(super) len: u32,
    pub(super) ack: u32,
    /// The header's field; `None` if it doesn't matter.
    pub(super) window: Option<u16>,
    pub(super) urgent: u16,
    pub(super) options: TcpOptions,
}

/// What is said of the IP header; `None` where it doesn't matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct IpInfo {
    pub(super) ecn: Option<Ecn>,
    pub(super) tos: Option<u8>,
    pub(super) ttl: Option<u8>,
    pub(super) flow_label: Option<u32>,
}

/// The two ECN bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ecn {
    /// Just these.
    Bits(u8),
    /// ECT(0) or ECT(1).
    AnyCapable,
}

impl Ecn {
    pub(super) const fn matches(self, bits: u8) -> bool {
        match self {
            Self::Bits(expected) => expected == bits,
            Self::AnyCapable => matches!(bits, 1 | 2),
        }
    }
}

/// The control bits of the header's bytes 12 and 13: 0x100 is AE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags(pub(super) u16);

impl Flags {
    pub(super) const FIN: u16 = 0x01;
    pub(super) const SYN: u16 = 0x02;
    pub(super) const RST: u16 = 0x04;
    pub(super) const PSH: u16 = 0x08;
    pub(super) const ACK: u16 = 0x10;
    pub(super) const URG: u16 = 0x20;
    pub(super) const ECE: u16 = 0x40;
    pub(super) const CWR: u16 = 0x80;
    pub(super) const AE: u16 = 0x100;
    /// In the order in which they are written.
    pub(super) const LETTERS: [(char, u16); 9] = [
        ('S', Self::SYN),
        ('F', Self::FIN),
        ('R', Self::RST),
        ('P', Self::PSH),
        ('U', Self::URG),
        ('E', Self::ECE),
        ('W', Self::CWR),
        ('A', Self::AE),
        ('.', Self::ACK),
    ];

    pub(super) const fn has(self, bit: u16) -> bool {
        self.0 & bit != 0
    }
}

/// The options of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TcpOptions {
    /// These, in this order.
    Exactly(Vec<TcpOption>),
    /// `<...>`: any.
    Any,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self::Exactly(Vec::new())
    }
}

/// One option, no-operations included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TcpOption {
    Nop,
    End,
    Mss(u16),
    WindowScale(u8),
    SackPermitted,
    Sack(Vec<(u32, u32)>),
    Timestamps {
        value: u32,
        echo: u32,
    },
    FastOpen(Vec<u8>),
    FastOpenExperimental(Vec<u8>),
    Md5(Vec<u8>),
    AccEcn {
        order: u8,
        counters: Vec<u32>,
    },
    /// Kind and data: nothing that the language has a word for.
    Other(u8, Vec<u8>),
}

/// An ICMP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Icmp {
    pub(super) kind: u8,
    pub(super) code: u8,
    pub(super) mtu: Option<u32>,
    pub(super) id: Option<u16>,
    pub(super) quote: Quote,
}

/// What an ICMP message quotes of the packet that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quote {
    /// Our SYN.
    Syn,
    /// A segment with this sequence number and so many octets.
    Segment(u32, u32),
    /// A datagram with so many octets.
    Udp(u32),
    /// So many zeros.
    Raw(u32),
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("-");
        }
        Self::LETTERS.iter().filter(|(_, bit)| self.has(*bit)).try_for_each(|(letter, _)| write!(f, "{letter}"))
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(segment) => segment.fmt(f),
            Self::Icmp(icmp) => icmp.fmt(f),
            Self::Udp(len) => write!(f, "udp ({len})"),
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ip)?;
        if let Some((source, destination)) = self.ports {
            write!(f, "{source} > {destination} ")?;
        }
        write!(f, "{} {}:{}({})", self.flags, self.seq, self.seq.wrapping_add(self.len), self.len)?;
        if self.flags.has(Flags::ACK) || self.ack != 0 {
            write!(f, " ack {}", self.ack)?;
        }
        self.window.iter().try_for_each(|window| write!(f, " win {window}"))?;
        if self.urgent != 0 {
            write!(f, " urg {}", self.urgent)?;
        }
        write!(f, "{}", self.options)
    }
}

impl fmt::Display for IpInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.ecn.map(|ecn| {
            let names = ["noecn", "ect1", "ect0", "ce"];
            match ecn {
                Ecn::Bits(bits) => names[usize::from(bits & 3)].to_owned(),
                Ecn::AnyCapable => "ect01".to_owned(),
            }
        }));
        parts.extend(self.tos.map(|tos| format!("tos {tos:#x}")));
        parts.extend(self.ttl.map(|ttl| format!("ttl {ttl}")));
        parts.extend(self.flow_label.map(|label| format!("flowlabel {label:#x}")));
        if parts.is_empty() { Ok(()) } else { write!(f, "[{}] ", parts.join(", ")) }
    }
}

impl fmt::Display for TcpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str(" <...>"),
            Self::Exactly(options) if options.is_empty() => Ok(()),
            Self::Exactly(options) => {
                write!(f, " <{}>", options.iter().map(TcpOption::to_string).collect::<Vec<_>>().join(","))
            }
        }
    }
}

impl fmt::Display for TcpOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nop => f.write_str("nop"),
            Self::End => f.write_str("eol"),
            Self::Mss(mss) => write!(f, "mss {mss}"),
            Self::WindowScale(shift) => write!(f, "wscale {shift}"),
            Self::SackPermitted => f.write_str("sackOK"),
            Self::Sack(blocks) => {
                f.write_str("sack")?;
                blocks.iter().try_for_each(|(left, right)| write!(f, " {left}:{right}"))
            }
            Self::Timestamps { value, echo } => write!(f, "TS val {value} ecr {echo}"),
            Self::FastOpen(cookie) => write!(f, "FO {}", hex(cookie)),
            Self::FastOpenExperimental(cookie) => write!(f, "FOEXP {}", hex(cookie)),
            Self::Md5(digest) => write!(f, "md5 {}", hex(digest)),
            Self::AccEcn { order, counters } => {
                let names = if *order == 0 { ["e0b", "ceb", "e1b"] } else { ["e1b", "ceb", "e0b"] };
                f.write_str("ECN")?;
                names.iter().zip(counters).try_for_each(|(name, counter)| write!(f, " {name} {counter}"))
            }
            Self::Other(kind, data) => write!(f, "kind {kind} {}", hex(data)),
        }
    }
}

impl fmt::Display for Icmp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "icmp type_{} code_{}", self.kind, self.code)?;
        self.mtu.iter().try_for_each(|mtu| write!(f, " mtu {mtu}"))?;
        match self.quote {
            Quote::Syn => Ok(()),
            Quote::Segment(seq, len) => write!(f, " [{seq}:{}({len})]", seq.wrapping_add(len)),
            Quote::Udp(len) => write!(f, " [udp ({len})]"),
            Quote::Raw(len) => write!(f, " [raw ({len})]"),
        }
    }
}

fn hex(octets: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('?');
    octets.iter().flat_map(|octet| [digit(octet >> 4), digit(octet & 15)]).collect()
}
