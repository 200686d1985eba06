//! Injecting packets, and waiting for those of the stack.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use sockeye_wire::ip::protocol;

use super::super::packet::{Flags, Icmp, Packet, Quote, Segment};
use super::super::wire::{self, Content, Live};
use super::compare::{Seen, Verdict, merge, verdict};
use super::flow::Flow;
use super::{Run, Step, differs, mismatch};
use crate::sockets::Sockets;

/// How long past its time a packet is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

impl Run<'_> {
    /// A packet arrives at the stack.
    pub(super) fn inject(&mut self, packet: &Packet) -> Step {
        let bytes = match packet {
            Packet::Tcp(segment) => self.tcp_to_inject(segment)?,
            Packet::Icmp(icmp) => self.icmp_to_inject(icmp)?,
            Packet::Udp(len) => wire::udp_packet(self.remote_socket(), self.local_socket(), *len),
        };
        self.ladder.injected(self.now(), packet);
        let merged = match packet {
            Packet::Tcp(segment) if segment.len > u32::from(self.script.options.mss) => self.script.options.mss,
            _ => 0,
        };
        self.sockets.inject(bytes, merged);
        self.look_after_waiting()
    }

    fn local_socket(&self) -> SocketAddr {
        self.flow.as_ref().map_or((self.local, self.script.options.bind_port).into(), |flow| flow.local)
    }

    fn remote_socket(&self) -> SocketAddr {
        self.flow.as_ref().map_or((self.remote, self.next_port).into(), |flow| flow.remote)
    }

    fn tcp_to_inject(&mut self, segment: &Segment) -> Step<Bytes> {
        if self.flow.is_none() {
            if self.connecting {
                return mismatch("the connection isn't known yet: expect its SYN first");
            }
            self.flow = Some(Flow::new(self.local_socket(), self.remote_socket()));
            self.next_port += 1;
        }
        let (mut from, mut to) = (self.remote_socket(), self.local_socket());
        if let Some((source, destination)) = segment.ports {
            from.set_port(source);
            to.set_port(destination);
        }
        let scaled = self.script.options.ts_ecr_scaled;
        let Some(flow) = &mut self.flow else {
            return mismatch("there is no connection to send to");
        };
        match flow.live(segment, scaled) {
            Ok(live) => Ok(wire::tcp_packet(from, to, &live)),
            Err(echo) => mismatch(format!("no segment with the timestamp {echo} was sent, so none can be echoed")),
        }
    }

    fn icmp_to_inject(&self, icmp: &Icmp) -> Step<Bytes> {
        let (local, remote) = (self.local_socket(), self.remote_socket());
        let Some(flow) = &self.flow else {
            return mismatch("there is no connection that ICMP could be about");
        };
        let quoted = match icmp.quote {
            Quote::Syn => wire::quotation(local, remote, protocol::TCP, flow.live_isn(), 0),
            Quote::Segment(seq, len) => wire::quotation(local, remote, protocol::TCP, flow.live_seq(seq), len),
            Quote::Udp(len) => wire::quotation(local, remote, protocol::UDP, (len + 8) << 16, len),
            Quote::Raw(len) => vec![0; len as usize].into(),
        };
        Ok(wire::icmp_packet(self.remote, self.local, icmp, &quoted))
    }

    /// The next packet of the connection under test that has left.
    fn next_seen(&mut self) -> Step<Option<Seen>> {
        while let Some(sent) = self.sockets.take_sent() {
            let live = match wire::read(&sent.bytes) {
                Ok(live) => live,
                Err(what) => return mismatch(format!("the stack sent {what}")),
            };
            if let Content::Tcp(_, false) = live.content
                && self.strictness.checksums
            {
                return mismatch("the stack sent a segment with a wrong checksum");
            }
            if self.is_under_test(&live) {
                return Ok(Some(Seen { at: sent.at.since(Sockets::START), live }));
            }
        }
        Ok(None)
    }

    /// Whether it is one of the connection under test; a SYN of the socket that connects makes it so.
    fn is_under_test(&mut self, live: &Live) -> bool {
        let Content::Tcp(segment, _) = &live.content else {
            return live.to.ip() == self.remote;
        };
        if let Some(flow) = &self.flow {
            return (live.from, live.to) == (flow.local, flow.remote);
        }
        let is_ours = self.connecting
            && segment.flags.has(Flags::SYN)
            && live.to == (self.remote, self.script.options.connect_port).into();
        if is_ours {
            self.flow = Some(Flow::new(live.from, live.to));
            self.connecting = false;
        }
        is_ours
    }

    /// Waits for a packet, until `limit`.
    fn wait_for_packet(&mut self, limit: Duration) -> Step<Option<Seen>> {
        loop {
            if let Some(seen) = self.next_seen()? {
                return Ok(Some(seen));
            }
            let Some(due) = self.next_due().filter(|due| due.since(Sockets::START) <= limit) else {
                return Ok(None);
            };
            self.advance(due)?;
        }
    }

    /// The stack sends `expected` between `from` and `to`; several segments in a row may make it up.
    pub(super) fn expect(&mut self, expected: &Packet, base: Duration, from: Duration, to: Duration) -> Step {
        let any_time = to == Duration::MAX;
        let tolerance = self.strictness.tolerance.of(from.saturating_sub(base));
        let limit = if any_time { Duration::from_secs(u64::from(u32::MAX)) } else { to + tolerance + PATIENCE };
        let mut first: Option<Seen> = None;
        loop {
            let Some(mut seen) = self.wait_for_packet(limit)? else {
                return self.nothing_came(expected, first.as_ref());
            };
            self.learn_isn(expected, &seen.live);
            let alone = self.show(&seen.live);
            self.ladder.sent(seen.at, &alone);
            if let Some(before) = first.take()
                && !merge(&before, &mut seen)
            {
                return differs("a segment that doesn't continue the one before", expected, &alone);
            }
            let shown = self.show(&seen.live);
            match verdict(expected, &shown, &seen.live, self.strictness) {
                Verdict::Alike => {
                    self.learn_stamps(expected, &seen.live);
                    let shown = self.show(&seen.live);
                    if !any_time {
                        check_time(expected, &seen, (from, to), tolerance)?;
                    }
                    return self.check_stamp(expected, &shown, tolerance);
                }
                Verdict::Part => first = Some(seen),
                Verdict::Differs(what) => return differs(format!("the {what} differs"), expected, &shown),
            }
        }
    }

    fn nothing_came(&mut self, expected: &Packet, part: Option<&Seen>) -> Step {
        let now = self.now().as_secs_f64();
        match part {
            Some(part) => {
                let shown = self.show(&part.live);
                differs("no more came", expected, &shown)
            }
            None if self.next_due().is_none() => {
                differs("the stack sends nothing", expected, &"nothing, and no timer is armed")
            }
            None => differs("the stack sends nothing in time", expected, &format!("nothing up to {now:.6} s")),
        }
    }

    /// The stack has sent nothing that wasn't expected.
    pub(super) fn expect_silence(&mut self) -> Step {
        let Some(seen) = self.next_seen()? else {
            return Ok(());
        };
        let shown = self.show(&seen.live);
        self.ladder.sent(seen.at, &shown);
        differs(format!("the stack sends something at {:.6} s", seen.at.as_secs_f64()), &"nothing", &shown)
    }

    /// The stack's SYN, or SYN-ACK, tells which number stands for the script's.
    fn learn_isn(&mut self, expected: &Packet, live: &Live) {
        let (Packet::Tcp(expected), Content::Tcp(live, _), Some(flow)) = (expected, &live.content, &mut self.flow)
        else {
            return;
        };
        flow.learn_remote(live);
        if expected.flags.has(Flags::SYN) && live.flags.has(Flags::SYN) {
            flow.learn_isn(expected.seq, live);
        }
    }

    fn learn_stamps(&mut self, expected: &Packet, live: &Live) {
        let (Packet::Tcp(expected), Content::Tcp(live, _), Some(flow)) = (expected, &live.content, &mut self.flow)
        else {
            return;
        };
        if let (Some((script, _)), Some((live, _))) = (expected.timestamps(), live.timestamps()) {
            flow.learn_stamp(script, live);
        }
    }

    /// Timestamps advance with the clock, if the script says how fast.
    fn check_stamp(&self, expected: &Packet, shown: &Packet, tolerance: Duration) -> Step {
        let (Packet::Tcp(expected_segment), Packet::Tcp(segment), Some(tick)) =
            (expected, shown, self.strictness.ts_tick)
        else {
            return Ok(());
        };
        let (Some((wanted, _)), Some((value, _))) = (expected_segment.timestamps(), segment.timestamps()) else {
            return Ok(());
        };
        let off = wanted.wrapping_sub(value).cast_signed().unsigned_abs();
        if tick.saturating_mul(off) <= tolerance.max(self.strictness.tolerance.of(self.now())) {
            return Ok(());
        }
        differs("the timestamp differs", expected, shown)
    }

    /// What the stack sent, in the script's numbers.
    fn show(&self, live: &Live) -> Packet {
        match &live.content {
            Content::Tcp(segment, _) => {
                Packet::Tcp(self.flow.as_ref().map_or_else(|| segment.clone(), |flow| flow.scripted(segment)))
            }
            Content::Icmp { kind, code, len } => {
                let quote = Quote::Raw(u32::try_from(len.saturating_sub(8)).unwrap_or(0));
                Packet::Icmp(Icmp { kind: *kind, code: *code, mtu: None, id: None, quote })
            }
            Content::Udp(len) => Packet::Udp(*len),
        }
    }
}

fn check_time(expected: &Packet, seen: &Seen, (from, to): (Duration, Duration), tolerance: Duration) -> Step {
    if seen.at + tolerance >= from && seen.at <= to + tolerance {
        return Ok(());
    }
    let seconds = |time: Duration| format!("{:.6}", time.as_secs_f64());
    let wanted = if from == to { seconds(from) } else { format!("{} to {}", seconds(from), seconds(to)) };
    let tolerance = tolerance.as_secs_f64();
    let expected = format!("{expected} at {wanted} s, give or take {tolerance}");
    differs("the time differs", &expected, &format!("it at {} s", seconds(seen.at)))
}
