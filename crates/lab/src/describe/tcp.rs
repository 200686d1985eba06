//! TCP segments.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use sockeye_wire::SeqNumber;
use sockeye_wire::tcp::{Flags, TcpOption, TcpView};

use super::{Describer, Line, Role, end};

impl Describer {
    pub(super) fn segment(&mut self, from: IpAddr, to: IpAddr, segment: &TcpView<'_>, line: &mut Line) {
        let (source, destination) = (segment.source_port(), segment.destination_port());
        line.is_of_ports(source, destination);
        line.push(Role::Ends, format!("{} > {}", end(from, source), end(to, destination)));
        line.push(Role::Plain, ": Flags ");
        line.push(Role::Flags, format!("[{}]", letters(segment.flags())));
        let starts = self.starts(SocketAddr::new(from, source), SocketAddr::new(to, destination), segment);
        line.push(Role::Numbers, numbers(segment, starts));
        line.push(Role::Plain, format!(", win {}", segment.window()));
        if segment.flags().urg {
            line.push(Role::Plain, format!(", urg {}", segment.urgent()));
        }
        let options: Vec<_> = segment.option_iter().map(|option| words(&option, starts.theirs)).collect();
        if !options.is_empty() {
            line.push(Role::Plain, format!(", options [{}]", options.join(",")));
        }
        line.push(Role::Plain, format!(", length {}", segment.payload().len()));
        if self.detail.verbose && !segment.verify_checksum(from, to) {
            line.push(Role::Trouble, ", bad checksum");
        }
    }

    /// Where both directions began. One whose SYN wasn't seen begins just before what was seen first.
    fn starts(&mut self, from: SocketAddr, to: SocketAddr, segment: &TcpView<'_>) -> Starts {
        if self.detail.absolute {
            return Starts { ours: SeqNumber::new(0), theirs: SeqNumber::new(0) };
        }
        let flags = segment.flags();
        if flags.syn {
            self.flows.remove(&(from, to));
            if !flags.ack {
                self.flows.remove(&(to, from));
            }
        }
        let before = |number: SeqNumber| number + u32::MAX; // one less
        let ours = self.start(from, to, if flags.syn { segment.seq() } else { before(segment.seq()) });
        let theirs = if flags.ack { self.start(to, from, before(segment.ack())) } else { SeqNumber::new(0) };
        Starts { ours, theirs }
    }
}

/// What a segment's numbers are counted from.
#[derive(Clone, Copy)]
struct Starts {
    ours: SeqNumber,
    theirs: SeqNumber,
}

/// As tcpdump writes them: the sequence number only where it says something.
fn numbers(segment: &TcpView<'_>, starts: Starts) -> String {
    let (flags, length) = (segment.flags(), segment.payload().len());
    let mut text = String::new();
    if flags.syn {
        text = format!(", seq {}", segment.seq());
    } else if length > 0 {
        let first = segment.seq().since(starts.ours);
        let last = first.wrapping_add(u32::try_from(length).unwrap_or(u32::MAX));
        text = format!(", seq {first}:{last}");
    } else if flags.fin || flags.rst {
        text = format!(", seq {}", segment.seq().since(starts.ours));
    }
    if flags.ack {
        let _ = write!(text, ", ack {}", segment.ack().since(starts.theirs)); // doesn't fail for a string
    }
    text
}

/// `S.` for SYN ACK, `none` for no bit at all.
fn letters(flags: Flags) -> String {
    let all = [
        (flags.fin, 'F'),
        (flags.syn, 'S'),
        (flags.rst, 'R'),
        (flags.psh, 'P'),
        (flags.ack, '.'),
        (flags.urg, 'U'),
        (flags.ece, 'E'),
        (flags.cwr, 'W'),
    ];
    let text: String = all.iter().filter(|(set, _)| *set).map(|(_, letter)| letter).collect();
    if text.is_empty() { "none".to_owned() } else { text }
}

/// An option; SACK blocks are counted from where the other direction began.
fn words(option: &TcpOption<'_>, theirs: SeqNumber) -> String {
    match option {
        TcpOption::Mss(mss) => format!("mss {mss}"),
        TcpOption::WindowScale(shift) => format!("wscale {shift}"),
        TcpOption::SackPermitted => "sackOK".to_owned(),
        TcpOption::Sack(blocks) => {
            let range =
                |(left, right): (SeqNumber, SeqNumber)| format!("{{{}:{}}}", left.since(theirs), right.since(theirs));
            let ranges: String = blocks.iter().map(|block| range((block.left, block.right))).collect();
            format!("sack {} {ranges}", blocks.len())
        }
        TcpOption::Timestamps(times) => format!("TS val {} ecr {}", times.value, times.echo),
        TcpOption::UserTimeout(timeout) => format!("user timeout {} s", timeout.seconds),
        TcpOption::FastOpen(cookie) if cookie.octets().is_empty() => "tfo cookiereq".to_owned(),
        TcpOption::FastOpen(cookie) => {
            let octets: Vec<_> = cookie.octets().iter().map(|octet| format!("{octet:02x}")).collect();
            format!("tfo cookie {}", octets.concat())
        }
        TcpOption::Md5Signature => "md5".to_owned(),
        TcpOption::Authentication => "tcp-ao".to_owned(),
        TcpOption::Multipath => "mptcp".to_owned(),
        TcpOption::Unknown(kind, _) => format!("unknown-{kind}"),
        TcpOption::Illegal { kind, length } => format!("illegal-{kind} of length {length}"),
        _ => "other".to_owned(),
    }
}
