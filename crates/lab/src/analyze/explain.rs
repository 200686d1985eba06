//! Why each segment of a connection left, as far as the capture tells: RFC 2398 section 2.7.

//= rfc2398#2.7-1

use std::fmt::Write as _;
use std::time::Duration;

use super::problems::Moment;
use super::side::{Class, Side};
use crate::plot::Sending;

/// A segment, and why it left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Its connection's number, from 1.
    pub connection: usize,
    /// When it was captured, since the first segment of its connection.
    pub at: Duration,
    /// Which side sent it: 0, or the side that opened the connection, or 1.
    pub from: usize,
    /// What it is: control bits, octets counted from the initial sequence number, ACK and window.
    pub what: String,
    /// Why it left.
    pub why: String,
}

/// What it is in a few words.
pub(super) fn what(moment: &Moment<'_>, me: &Side) -> String {
    let (flags, range) = (moment.segment.flags, moment.range);
    let bits = [(flags.syn, "SYN "), (flags.fin, "FIN "), (flags.rst, "RST ")];
    let mut text: String = bits.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect();
    let length = moment.segment.text_len;
    // Text is written into memory: that doesn't fail.
    if length > 0 {
        let _ = write!(text, "{}..{} ({length}) ", range.start, range.end);
    }
    if let Some(ack) = moment.ack {
        let scale = if me.figures.window_is_unscaled { " (unscaled)" } else { "" };
        let _ = write!(text, "ack {ack} win {}{scale}", me.offers.unwrap_or(0));
    }
    text.trim_end().to_owned()
}

/// What of the rest of the connection bears on a segment.
pub(super) struct Told {
    /// It is the third of the handshake.
    pub opens: bool,
    /// Its first SACK block names what came twice.
    pub twice: bool,
}

/// Why `me` sent it.
pub(super) fn why(moment: &Moment<'_>, me: &Side, peer: &Side, told: &Told) -> String {
    let flags = moment.segment.flags;
    match moment.class {
        Class::Copied => "copied on its way: it was not sent again".into(),
        _ if flags.rst => "gives the connection up".into(),
        _ if flags.syn && me.syns > 1 => "the SYN again: it wasn't answered in time".into(),
        _ if flags.syn && flags.ack => "answers the SYN".into(),
        _ if flags.syn => "opens the connection".into(),
        Class::KeepAlive => "asks whether anybody is there (keep-alive)".into(),
        Class::WindowProbe => "probes the closed window".into(),
        Class::OutOfOrder => "overtaken on its way".into(),
        Class::Bare => why_acknowledged(moment, me, peer, told),
        Class::New => why_new(moment, me),
        Class::Again(sending) => why_again(moment, sending),
    }
}

fn why_new(moment: &Moment<'_>, me: &Side) -> String {
    let before = &moment.before;
    let [since_ack, since_edge] = [before.acked_at, before.edge_at].map(|at| moment.segment.at.since(at));
    let soon = me.paths.prompt() + me.paths.to_side;
    let is_silent = me.rtt.srtt().is_some_and(|srtt| since_ack >= 2 * srtt);
    let mut text = match () {
        () if since_edge < since_ack && since_edge <= soon => {
            format!("new: let out by the window that opened {} before", millis(since_edge))
        }
        () if before.in_flight() == 0 => "new: nothing was in flight".to_owned(),
        () if since_ack <= soon => format!("new: let out by the ACK {} before", millis(since_ack)),
        () if is_silent => {
            format!("new, {} after an ACK: probes the tail, or was written just then", millis(since_ack))
        }
        () => format!("new, {} after an ACK: written, or due by pacing, just then", millis(since_ack)),
    };
    let is_full = before.edge > 0 && moment.range.end >= before.edge;
    for (applies, more) in [(is_full, "; it fills the window"), (moment.segment.flags.fin, "; it ends the stream")] {
        if applies {
            text.push_str(more);
        }
    }
    text
}

fn why_again(moment: &Moment<'_>, sending: Sending) -> String {
    let before = &moment.before;
    let silence = millis(moment.segment.at.since(before.acked_at));
    match sending {
        Sending::Timeout if !moment.expired => {
            format!("again, as all behind a timeout: let out by the ACK {silence} before")
        }
        Sending::Timeout => format!("again by the timer: nothing was acknowledged for {silence}"),
        Sending::TailProbe => format!("probes the tail: nothing was acknowledged for {silence}"),
        _ if before.sacked_to > moment.range.end => {
            let beyond = before.sacked_to - moment.range.end;
            format!("again: SACK told that {beyond} octets behind it have arrived")
        }
        _ if before.duplicates > 0 => format!("again: after {} duplicate ACKs", before.duplicates),
        _ => "again: an ACK told of this hole".into(),
    }
}

fn why_acknowledged(moment: &Moment<'_>, me: &Side, peer: &Side, told: &Told) -> String {
    let Some(ack) = moment.ack else {
        return "says nothing that an open connection may".into();
    };
    if told.opens {
        return "completes the handshake".into();
    }
    if moment.advance > 0 {
        let rest = peer.numbers.max - ack;
        let rest = if rest > 0 { format!("; {rest} are outstanding") } else { String::new() };
        return format!("acknowledges {} octets{rest}", moment.advance);
    }
    match () {
        () if told.twice => "tells what came twice (D-SACK)".into(),
        () if !moment.segment.options.sack.is_empty() => "tells what came behind a hole (SACK)".into(),
        () if moment.offered_before.is_some() && moment.offered_before != me.offers => "offers another window".into(),
        () if peer.numbers.in_flight() > 0 => "again the same ACK: something came that it didn't expect".into(),
        () => "again the same ACK: it answers a probe, or what is no news".into(),
    }
}

fn millis(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}
