//! Each problem of RFC 2525: a TCP that has it, and the analysis that names it and nothing else. What makes the TCP wrong is
//! a congestion control with a fault, a setting, or a hand between the connection and its network card.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use sockeye_lab::analyze::{Problem, Report};
use sockeye_tcb::congestion::Algorithm;
use sockeye_tcb::{Buffer, Config, KeepAlive, Segment};
use sockeye_wire::tcp::Flags;
use sockeye_wire::{Instant, SeqNumber};

use super::faulty;
use super::world::End::{self, A, B};
use super::world::{World, config, problems, text};

const MS: Duration = Duration::from_millis(1);

fn roomy() -> Config {
    Config { receive_buffer: Buffer::Fixed(4 << 20), send_buffer: Buffer::Fixed(4 << 20), ..config() }
}

/// Named, and nothing else is.
fn named(report: &Report, problem: Problem) {
    assert_eq!(problems(report), [problem]);
}

fn transfer(world: &mut World, octets: usize) {
    world.send(A, octets);
    world.close(A);
    world.run_for(Duration::from_secs(60));
    world.close(B);
    world.run_for(Duration::from_secs(5));
}

/// Loses what `end` sends with text, from one such segment to another.
fn lose(world: &mut World, segments: std::ops::Range<u32>) {
    let mut count = 0;
    world.fate = Box::new(move |_, end, segment| {
        let is_text = end == A && !segment.payload.is_empty();
        count += u32::from(is_text);
        if is_text && segments.contains(&count) { vec![] } else { vec![Duration::ZERO] }
    });
}

//= rfc2525#2.1-1
#[test]
fn no_initial_slow_start() {
    let mut world = World::new(Config { initial_window: 200, congestion: faulty::CORRECT, ..roomy() }, roomy());
    transfer(&mut world, 400_000);
    named(&world.report(A), Problem::NoInitialSlowStart);
}

//= rfc2525#2.3-1
#[test]
fn uninitialized_cwnd() {
    let mut world = World::new(Config { initial_window: 200, congestion: faulty::CORRECT, ..roomy() }, roomy());
    world.b.tamper = Some(Box::new(|_, mut segment| {
        segment.options.mss = None;
        vec![(Duration::ZERO, segment)]
    }));
    transfer(&mut world, 400_000);
    named(&world.report(A), Problem::UninitializedCwnd);
}

//= rfc2525#2.2-1
#[test]
fn no_slow_start_after_a_timeout() {
    for (congestion, is_wrong) in [(faulty::NO_SLOW_START, true), (faulty::CORRECT, false)] {
        let plain = Config { sack: false, timestamps: false, ..roomy() };
        let mut world = World::new(Config { congestion, ..plain.clone() }, plain);
        world.fate = Box::new(|now, end, segment| {
            let outage = Instant::from_millis(1_090)..Instant::from_millis(1_200);
            if end == A && outage.contains(&now) && !segment.payload.is_empty() { vec![] } else { vec![Duration::ZERO] }
        });
        transfer(&mut world, 2_000_000);
        let found = problems(&world.report(A));
        assert_eq!(found, if is_wrong { vec![Problem::NoSlowStartAfterTimeout] } else { vec![] });
    }
}

//= rfc2525#2.4-1
#[test]
fn inconsistent_retransmission() {
    let mut world = World::new(roomy(), roomy());
    lose(&mut world, 40..42);
    let mut seen = BTreeSet::new();
    world.a.tamper = Some(Box::new(move |_, mut segment| {
        if !segment.payload.is_empty() && !seen.insert(segment.seq.value()) {
            segment.payload = Bytes::from(vec![0xee; segment.payload.len()]);
        }
        vec![(Duration::ZERO, segment)]
    }));
    transfer(&mut world, 200_000);
    named(&world.report(A), Problem::InconsistentRetransmission);
}

//= rfc2525#2.5-1
#[test]
fn failure_to_retain_above_sequence_data() {
    let mut world = World::new(Config { congestion: Algorithm::NEWRENO, ..roomy() }, Config { sack: false, ..roomy() });
    lose(&mut world, 20..21);
    let mut next: Option<SeqNumber> = None;
    world.b.hear = Some(Box::new(move |_, segment| {
        let expected = *next.get_or_insert(segment.seq);
        if segment.seq.after(expected) {
            return None; // above-sequence: thrown away
        }
        next = Some(expected.max(segment.end()));
        Some(segment)
    }));
    transfer(&mut world, 100_000);
    named(&world.report(B), Problem::FailureToRetainAboveSequenceData);
}

//= rfc2525#2.6-1
#[test]
fn extra_additive_constant() {
    for (congestion, is_wrong) in [(faulty::EXTRA_CONSTANT, true), (faulty::CORRECT, false)] {
        let mut world = World::new(Config { congestion, ..roomy() }, roomy());
        lose(&mut world, 200..201);
        world.delay = 50 * MS;
        transfer(&mut world, 6_000_000);
        let found = problems(&world.report(A));
        assert_eq!(found, if is_wrong { vec![Problem::ExtraAdditiveConstant] } else { vec![] });
    }
}

//= rfc2525#2.7-1
#[test]
fn initial_rto_too_low() {
    let mut world = World::new(config(), config());
    world.delay = 300 * MS;
    let mut first = true;
    world.a.tamper = Some(Box::new(move |_, segment| {
        let copies = if !segment.payload.is_empty() && std::mem::take(&mut first) { 2 } else { 1 };
        (0..copies).map(|copy| (copy * 190 * MS, segment.clone())).collect()
    }));
    transfer(&mut world, 900);
    named(&world.report(A), Problem::InitialRtoTooLow);
}

//= rfc2525#2.7-1
#[test]
fn a_syn_again_after_half_a_second() {
    let mut world = World::new(config(), config());
    world.delay = 700 * MS;
    world.a.tamper = Some(Box::new(move |_, segment| {
        let copies = if segment.flags.syn { 2 } else { 1 };
        (0..copies).map(|copy| (copy * 500 * MS, segment.clone())).collect()
    }));
    world.run_for(Duration::from_secs(1));
    named(&world.report(A), Problem::InitialRtoTooLow);
}

//= rfc2525#2.8-1
#[test]
fn failure_of_window_deflation() {
    for (congestion, is_wrong) in [(faulty::INFLATED, true), (faulty::CORRECT, false)] {
        let mut world = World::new(Config { congestion, ..roomy() }, roomy());
        lose(&mut world, 60..61);
        transfer(&mut world, 1_000_000);
        let found = problems(&world.report(A));
        assert_eq!(found, if is_wrong { vec![Problem::FailureOfWindowDeflation] } else { vec![] });
    }
}

/// A connection whose peer vanishes after the handshake, or stays silent but alive.
fn idle(keep_alive: KeepAlive, peer_vanishes: bool, hours: u64) -> World {
    let mut world = World::new(Config { keep_alive: Some(keep_alive), ..config() }, config());
    world.run_for(Duration::from_secs(1));
    if peer_vanishes {
        world.fate = Box::new(|_, _, _| vec![]);
    }
    world.run_for(Duration::from_hours(hours));
    world
}

//= rfc2525#2.9-1
#[test]
fn excessively_short_keep_alive_timeout() {
    let hasty = KeepAlive { interval: Duration::from_secs(1), count: 5, ..KeepAlive::default() };
    named(&idle(hasty, true, 3).report(A), Problem::ShortKeepAliveTimeout);
    assert_eq!(problems(&idle(KeepAlive::default(), true, 3).report(A)), []);
}

//= rfc2525#2.9-1
#[test]
fn a_capture_that_ends_between_probes_does_not_tell_when_the_last_one_is() {
    let hasty = KeepAlive { interval: Duration::from_secs(5), count: 5, ..KeepAlive::default() };
    let mut world = World::new(Config { keep_alive: Some(hasty), ..config() }, config());
    world.run_for(Duration::from_secs(1));
    world.fate = Box::new(|_, _, _| vec![]);
    world.run_for(Duration::from_secs(7_212));
    let report = world.report(A);
    assert_eq!(report.connections[0].directions[0].figures.keep_alives, 3);
    assert_eq!(problems(&report), []);
}

//= rfc2525#2.11-1
#[test]
fn insufficient_interval_between_keep_alives() {
    let eager = KeepAlive { idle: Duration::from_mins(13), ..KeepAlive::default() };
    named(&idle(eager, false, 2).report(A), Problem::InsufficientKeepAliveInterval);
    let report = idle(KeepAlive::default(), false, 9).report(A);
    assert_eq!(problems(&report), []);
    assert_eq!(report.connections[0].directions[0].figures.keep_alives, 4);
}

//= rfc2525#2.10-1
#[test]
fn failure_to_back_off() {
    for (max_rto, is_wrong) in [(Duration::from_secs(1), true), (Config::default().max_rto, false)] {
        let mut world = World::new(Config { max_rto, ..config() }, config());
        world.run_for(Duration::from_secs(1));
        world.fate = Box::new(|_, _, _| vec![]);
        world.send(A, 500);
        world.run_for(Duration::from_mins(5));
        let found = problems(&world.report(A));
        assert_eq!(found, if is_wrong { vec![Problem::FailureToBackOff] } else { vec![] });
    }
}

/// A trace written by hand: who sends, when, and the numbers relative to the initial ones.
struct Trace {
    world: World,
}

impl Trace {
    fn new() -> Self {
        // Two connections that never act: only their cards are used.
        Self { world: World::new(config(), config()) }
    }

    fn at(
        &mut self,
        ms: u64,
        from: End,
        (seq, length): (u32, usize),
        (ack, window): (u32, u16),
        flags: Flags,
    ) -> &mut Self {
        let mut options = sockeye_wire::tcp::Options::NONE;
        options.mss = flags.syn.then_some(16_344);
        let payload = text(20_000 + seq as usize).slice(seq as usize..seq as usize + length);
        let (own, other) = if from == A { (1_000, 9_000) } else { (9_000, 1_000) };
        let segment = Segment {
            seq: SeqNumber::new(own + seq),
            ack: SeqNumber::new(if flags.ack { other + ack } else { 0 }),
            flags,
            window,
            urgent: 0,
            options,
            payload,
            more: Vec::new(),
            arrived_at: Instant::ZERO,
            segment_size: 0,
            ecn: sockeye_wire::ip::Ecn::NotEct,
        };
        self.world.record(A, Instant::from_millis(ms), from, &segment);
        self
    }
}

//= rfc2525#2.12-1
#[test]
fn window_probe_deadlock() {
    // The RFC's own trace, shortened. No setting makes ours do this: A takes the octet of a probe, and then no ACK.
    let mut trace = Trace::new();
    trace
        .at(0, A, (0, 0), (0, 8_192), Flags::SYN)
        .at(1, B, (0, 0), (1, 57_344), Flags::SYN_ACK)
        .at(2, A, (1, 0), (1, 16_384), Flags::ACK)
        .at(20, B, (1, 12_288), (1, 57_344), Flags::ACK)
        .at(120, A, (1, 0), (12_289, 4_096), Flags::ACK)
        .at(121, B, (12_289, 4_096), (1, 57_344), Flags::ACK)
        .at(320, A, (1, 0), (16_385, 0), Flags::ACK)
        .at(5_120, B, (16_385, 1), (1, 57_344), Flags::ACK)
        .at(5_121, A, (1, 0), (16_385, 0), Flags::ACK)
        .at(13_120, B, (16_385, 1), (1, 57_344), Flags::ACK)
        .at(13_320, A, (1, 0), (16_386, 0), Flags::ACK)
        .at(19_000, A, (1, 2_048), (16_386, 0), Flags::ACK)
        .at(19_100, B, (16_386, 0), (2_049, 57_344), Flags::ACK);
    for again in 0..3 {
        let at = 20_000 + again * 3_000;
        trace.at(at, A, (1, 2_048), (16_386, 0), Flags::ACK).at(at + 1, B, (16_386, 0), (2_049, 57_344), Flags::ACK);
    }
    named(&trace.world.report(A), Problem::WindowProbeDeadlock);
}

//= rfc2525#2.13-1
#[test]
fn stretch_ack_violation() {
    let mut world = World::new(roomy(), roomy());
    let mut count = 0;
    world.b.tamper = Some(Box::new(move |_, segment| {
        count += u32::from(segment.is_empty());
        if segment.is_empty() && count % 3 != 0 { vec![] } else { vec![(Duration::ZERO, segment)] }
    }));
    transfer(&mut world, 300_000);
    named(&world.report(B), Problem::StretchAck);
    assert_eq!(problems(&world.report(A)), [], "ACKs may have been lost on the way to A");
}

//= rfc2525#2.14-1
#[test]
fn retransmission_sends_multiple_packets() {
    let mut world = World::new(roomy(), roomy());
    lose(&mut world, 40..41);
    let whole = text(200_000);
    let (mut first, mut seen) = (None, BTreeSet::new());
    world.a.tamper = Some(Box::new(move |_, segment| {
        let first = *first.get_or_insert(segment.seq + 1);
        let mut all = vec![(Duration::ZERO, segment.clone())];
        if !segment.payload.is_empty() && !seen.insert(segment.seq.value()) {
            let at = segment.end().since(first) as usize;
            let crumb = Segment { seq: segment.end(), payload: whole.slice(at..at + 12), ..segment };
            all.push((Duration::ZERO, crumb));
        }
        all
    }));
    transfer(&mut world, 200_000);
    named(&world.report(A), Problem::RetransmissionSendsMultiplePackets);
}

//= rfc2525#2.15-1
#[test]
fn failure_to_send_fin_promptly() {
    let mut world = World::new(config(), config());
    world.a.tamper = Some(Box::new(|_, segment| {
        if !segment.flags.fin || segment.payload.is_empty() {
            let late = if segment.flags.fin { 20 * MS + MS / 100 } else { Duration::ZERO };
            return vec![(late, segment)];
        }
        let fin = Segment { seq: segment.end() - 1, payload: Bytes::new(), ..segment.clone() };
        let data = Segment { flags: Flags { fin: false, ..segment.flags }, ..segment };
        vec![(Duration::ZERO, data), (20 * MS + MS / 100, fin)]
    }));
    world.run_for(Duration::from_secs(1));
    transfer(&mut world, 4_000);
    named(&world.report(A), Problem::FinNotPrompt);
}

//= rfc2525#2.16-1
#[test]
fn failure_to_send_rst_after_half_duplex_close() {
    let mut world = World::new(config(), config());
    world.send(B, 3_000);
    world.run_for(Duration::from_secs(1));
    // A's application is gone. Its TCP says FIN, and from then on ignores what comes.
    world.a.hear = Some(Box::new(|_, segment| segment.payload.is_empty().then_some(segment)));
    world.close(A);
    world.run_for(Duration::from_secs(1));
    world.send(B, 3_000);
    world.run_for(Duration::from_mins(3));
    named(&world.report(A), Problem::NoRstAfterHalfDuplexClose);
    named(&world.report(B), Problem::NoRstAfterHalfDuplexClose);
}

//= rfc2525#2.17-1
#[test]
fn failure_to_rst_on_close_with_data_pending() {
    for is_wrong in [true, false] {
        let mut world = World::new(config(), Config { receive_buffer: Buffer::Fixed(20_000), ..config() });
        world.b.reads = false;
        world.send(A, 60_000);
        world.run_for(Duration::from_secs(10));
        let is_gone = Rc::new(Cell::new(false));
        let gone = Rc::clone(&is_gone);
        world.b.tamper = Some(Box::new(move |_, segment| {
            if !is_wrong || !segment.flags.rst {
                return vec![(Duration::ZERO, segment)];
            }
            let is_first = !gone.replace(true);
            let fin = Segment { flags: Flags::FIN_ACK, window: 0, ..segment };
            if is_first { vec![(Duration::ZERO, fin)] } else { vec![] }
        }));
        let now = world.now;
        world.b.tcb.close(now);
        world.run_for(Duration::from_mins(1));
        let found = problems(&world.report(A));
        assert_eq!(found, if is_wrong { vec![Problem::NoRstOnCloseWithDataPending] } else { vec![] });
    }
}

//= rfc2525#2.18-1
#[test]
fn options_missing_from_the_segment_size() {
    let mut world = World::new(config(), config());
    // A hears of an MSS that leaves room for the timestamps which it should subtract.
    world.a.tamper = Some(Box::new(|_, mut segment| {
        segment.options.mss = segment.options.mss.map(|mss| mss - 12);
        vec![(Duration::ZERO, segment)]
    }));
    world.b.tamper = Some(Box::new(|_, mut segment| {
        segment.options.mss = segment.options.mss.map(|mss| mss - 12);
        vec![(Duration::ZERO, segment)]
    }));
    world.a.hear = Some(Box::new(|_, mut segment| {
        segment.options.mss = segment.options.mss.map(|mss| mss + 12);
        Some(segment)
    }));
    transfer(&mut world, 50_000);
    named(&world.report(A), Problem::OptionsMissingFromMss);
    named(&world.report(B), Problem::OptionsMissingFromMss);
}
