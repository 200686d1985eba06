//! Windows: closed, shrinking, silly, scaled (RFC 9293 sections 3.8.6 and 3.7.4, RFC 7323 section 2).

use std::time::Duration;

use bytes::Bytes;
use sockeye_tcb::{Buffer, ClosedBecause, Config, Event, Segment, State};
use sockeye_wire::SeqNumber;
use sockeye_wire::tcp::{Flags, SackBlock, SackBlocks};

use crate::open::segment;
use crate::pair::{Fate, ISS_A, ISS_B, Pair, Side, config, text};

/// A pair whose `b` doesn't read and whose window has been filled.
fn filled() -> Pair {
    let mut pair = Pair::established();
    pair.b.reads = false;
    pair.send(Side::A, text(400_000));
    pair.run_for(Duration::from_secs(5));
    assert_eq!(pair.a.tcb.info(pair.now).snd_wnd, 0);
    pair.log.clear();
    pair
}

/// FIELD D29: a reader that never reads.
//= rfc9293#MUST-36
//= rfc9293#MUST-37
//= rfc9293#MAY-8
//= rfc9293#SHLD-29
//= rfc9293#SHLD-30
//= rfc9293#3.8.6.1-1
//= rfc9293#3.8.6.1-2
//= rfc6429#4-1
#[test]
fn a_window_closed_for_a_day_does_not_end_the_connection() {
    let mut pair = filled();
    pair.run_for(Duration::from_secs(86_400));
    assert_eq!(pair.a.tcb.state(), State::Established);
    let probes: Vec<_> = pair.log.iter().filter(|sent| sent.from == Side::A).collect();
    assert!(probes.iter().all(|sent| sent.segment.payload.len() == 1), "each probe carries an octet");
    let gaps: Vec<u128> = probes.windows(2).map(|two| two[1].at.since(two[0].at).as_millis()).collect();
    assert!(gaps[0] * 2 <= gaps[1] + 1 && gaps[1] * 2 <= gaps[2] + 1, "doubled: {:?}", &gaps[..5]);
    assert_eq!(gaps.last(), Some(&120_000));
    pair.b.reads = true;
    pair.run_for(Duration::from_secs(200));
    assert_eq!(pair.b.received.len(), 400_000);
}

//= rfc9293#MUST-20
//= rfc9293#3.10.8-1
#[test]
fn a_closed_window_whose_owner_is_gone_does() {
    let mut pair = filled();
    pair.filter = Box::new(|_| Fate::Lost);
    pair.run_for(Duration::from_secs(2_000));
    assert_eq!(pair.a.events.last(), Some(&Event::Closed(ClosedBecause::UserTimeout)));
}

/// As a keep-alive probe does whose peer hasn't heard the ACKs before it.
//= rfc9293#3.8.6-1
#[test]
fn the_window_counts_of_whatever_acknowledges_more() {
    let mut pair = Pair::established();
    pair.send(Side::A, text(988));
    pair.run_for(Duration::from_secs(1));
    pair.filter = Box::new(|sent| if sent.from == Side::B { Fate::Lost } else { Fate::Arrives });
    pair.send(Side::A, text(988));
    let ack = pair.forge(Side::B);
    let probe = Segment { seq: ack.seq - 1, ack: ack.ack + 988, window: 10, ..ack };
    let edge = probe.ack + (10 << 3);
    let _ = pair.inject(Side::A, probe);
    assert_eq!((pair.info().snd_wnd, pair.info().bytes_acked), (80, 2 * 988));
    pair.log.clear();
    pair.send(Side::A, text(5_000));
    pair.run_for(Duration::from_secs(1));
    let sent = pair.sent_by(Side::A);
    assert!(!sent.is_empty() && sent.iter().all(|segment| segment.end().at_or_before(edge)), "{sent:?}");
}

/// FIELD D8.
#[test]
fn a_window_that_was_read_empty_at_once_reopens_by_all_of_it() {
    let mut pair = filled();
    pair.b.reads = true;
    pair.settle();
    pair.b.reads = false;
    pair.run_for(Duration::from_millis(15));
    let update = pair.sent_by(Side::B)[0].clone();
    assert!(u32::from(update.window) << 3 >= 250_000, "{}", update.window);
    assert!(pair.a.tcb.info(pair.now).snd_wnd >= 250_000);
}

//= rfc9293#MUST-39
//= rfc9293#3.8.6.2.2-1
#[test]
fn reading_little_by_little_opens_the_window_in_large_steps() {
    let mut pair = filled();
    for _ in 0..2000 {
        let now = pair.now;
        let _ = pair.b.tcb.recv(now, 10);
        pair.settle();
    }
    let updates = pair.sent_by(Side::B).len();
    assert!((1..=20).contains(&updates), "{updates} window updates for 20,000 octets");
}

//= rfc9293#MUST-34
//= rfc9293#SHLD-15
//= rfc9293#SHLD-16
//= rfc9293#SHLD-17
//= rfc9293#MUST-35
#[test]
fn a_window_that_shrinks_below_what_is_in_flight_is_survived() {
    for shrunk in [0_u16, 1, 700] {
        let plain = Config { window_scaling: false, ..config() };
        let mut pair = Pair::established_with(plain.clone(), plain);
        pair.filter = Box::new(|sent| if sent.segment.payload.is_empty() { Fate::Arrives } else { Fate::Lost });
        pair.send(Side::A, text(20_000));
        let sent = pair.sent_by(Side::A).len();
        let mut shrink = pair.b_forges();
        shrink.window = shrunk;
        pair.inject(Side::A, shrink).unwrap();
        assert_eq!(pair.sent_by(Side::A).len(), sent, "nothing new leaves");
        pair.run_for(Duration::from_secs(30));
        assert_eq!(pair.a.tcb.state(), State::Established);
        pair.filter = Box::new(|_| Fate::Arrives);
        pair.run_for(Duration::from_secs(400));
        assert_eq!(pair.b.received.len(), 20_000, "shrunk to {shrunk}");
    }
}

//= rfc9293#3.8.6-1
//= rfc9293#3.4-2
#[test]
fn nothing_is_sent_beyond_the_window() {
    let mut pair = Pair::established_with(config(), Config { receive_buffer: Buffer::Fixed(7_777), ..config() });
    pair.b.reads = false;
    pair.send(Side::A, text(50_000));
    pair.run_for(Duration::from_secs(20));
    assert_eq!(pair.b.tcb.recv_queued(), 7_777);
    let start = pair.sent_by(Side::A).iter().map(|sent| sent.seq).next().unwrap();
    let furthest = pair.sent_by(Side::A).iter().map(|sent| sent.end().since(start)).max();
    assert_eq!(furthest, Some(7_778), "but for the octet of the probes");
}

/// FIELD D34.
//= rfc5681#2-1
//= rfc9293#MUST-19
#[test]
fn what_is_in_flight_never_exceeds_the_congestion_window() {
    let mut pair = Pair::established();
    for i in 0..300_u64 {
        pair.send(Side::A, text(1000));
        let info = pair.a.tcb.info(pair.now);
        assert!(info.in_flight <= info.cwnd, "{} of {}", info.in_flight, info.cwnd);
        if i % 3 == 0 {
            pair.run_for(Duration::from_millis(1));
        }
    }
    pair.run_for(Duration::from_secs(10));
    assert_eq!(pair.b.received.len(), 300_000);
}

//= rfc9293#SHLD-7
//= rfc9293#MUST-17
//= rfc9293#SHLD-28
#[test]
fn nagle_gathers_small_writes_while_something_is_unacknowledged() {
    for (nodelay, segments) in [(false, 2), (true, 30)] {
        let mut pair = Pair::established_with(Config { nodelay, ..config() }, config());
        for _ in 0..30 {
            pair.send(Side::A, text(10));
        }
        pair.run_for(Duration::from_secs(1));
        let sent = pair.sent_by(Side::A).iter().filter(|sent| !sent.payload.is_empty()).count();
        assert_eq!(sent, segments);
        assert_eq!(pair.b.received.len(), 300);
    }
}

//= rfc9293#MUST-17
#[test]
fn nagle_can_be_turned_off_while_the_connection_lives() {
    let mut pair = Pair::established();
    pair.send(Side::A, text(10));
    pair.send(Side::A, text(10));
    let now = pair.now;
    pair.a.tcb.configure(now, |config| config.nodelay = true);
    pair.settle();
    assert_eq!(pair.sent_by(Side::A).len(), 2);
}

//= rfc9293#3.8.6.2.1-4
#[test]
fn a_part_of_a_segment_waits_for_what_was_said_to_follow_at_once() {
    let mut pair = Pair::established_with(Config { nodelay: true, ..config() }, config());
    let now = pair.now;
    let mut first = Bytes::from(text(1_500));
    let mut second = Bytes::from(text(500));
    pair.log.clear();
    assert_eq!(pair.a.tcb.send_more(now, &mut first), Ok(1_500));
    pair.settle();
    assert_eq!(pair.a.tcb.send(now, &mut second), Ok(500));
    pair.settle();
    let sizes: Vec<usize> =
        pair.log.iter().filter(|sent| sent.from == Side::A).map(|sent| sent.segment.payload.len()).collect();
    let mss = usize::from(pair.a.tcb.info(pair.now).snd_mss);
    assert_eq!(sizes, [mss, mss, 2_000 - 2 * mss]);
}

#[test]
fn a_cork_holds_text_back_and_lets_it_go_after_a_while() {
    let mut pair = Pair::established_with(Config { cork: true, ..config() }, config());
    pair.send(Side::A, text(2500));
    assert_eq!(pair.sent_by(Side::A).len(), 2);
    pair.run_for(Duration::from_millis(199));
    assert_eq!(pair.b.received.len(), 988 * 2);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.b.received.len(), 2500);
}

//= rfc9293#MUST-60
//= rfc9293#MUST-61
//= rfc9293#SHLD-27
#[test]
fn the_last_segment_of_what_is_queued_is_pushed_and_only_that() {
    let mut pair = Pair::established();
    pair.send(Side::A, text(5000));
    pair.run_for(Duration::from_secs(1));
    let pushed: Vec<bool> =
        pair.sent_by(Side::A).iter().filter(|sent| !sent.payload.is_empty()).map(|sent| sent.flags.psh).collect();
    assert_eq!(pushed, [false, false, false, false, false, true]);
}

//= rfc7323#2.2-3
//= rfc7323#2.3-3
//= rfc7323#2.2-7
//= rfc7323#2.3-4
//= rfc7323#2.3-5
//= rfc9293#MUST-1
#[test]
fn windows_are_scaled_only_if_both_ends_offer_it() {
    for (a, b, expected) in [(true, true, 1_000_000), (true, false, 65_535), (false, true, 65_535)] {
        let with = |window_scaling| Config { window_scaling, receive_buffer: Buffer::Fixed(1_000_000), ..config() };
        let mut pair = Pair::established_with(with(a), with(b));
        pair.send(Side::A, text(2000));
        pair.send(Side::B, text(2000));
        pair.run_for(Duration::from_secs(1));
        let (to_b, to_a) = (pair.a.tcb.info(pair.now).snd_wnd, pair.b.tcb.info(pair.now).snd_wnd);
        for offered in [to_a, to_b] {
            assert!(offered <= expected && offered > expected - 20_000, "{offered} of {expected}");
        }
        let syns: Vec<_> = pair.log.iter().filter(|sent| sent.segment.flags.syn).collect();
        assert!(syns.iter().all(|sent| sent.segment.window == 65_535), "the window of a SYN is not scaled");
    }
}

//= rfc7323#2.3-6
//= rfc7323#2.3-7
#[test]
fn no_shift_is_above_fourteen() {
    let mut pair = Pair::opening(Config { receive_buffer: Buffer::Fixed(u32::MAX), ..config() }, config());
    pair.settle();
    assert_eq!(pair.sent_by(Side::A)[0].options.window_scale, Some(14));
    let mut syn_ack =
        crate::open::segment(crate::pair::ISS_B, crate::pair::ISS_A + 1, sockeye_wire::tcp::Flags::SYN_ACK);
    syn_ack.options.window_scale = Some(40);
    pair.inject(Side::A, syn_ack).unwrap();
    let mut ack = crate::open::segment(crate::pair::ISS_B + 1, crate::pair::ISS_A + 1, sockeye_wire::tcp::Flags::ACK);
    ack.window = 1;
    pair.inject(Side::A, ack).unwrap();
    assert_eq!(pair.a.tcb.info(pair.now).snd_wnd, 1 << 14);
}

/// FIELD D23: few large segments and a small buffer don't wait for delayed ACKs.
#[test]
fn large_segments_and_small_buffers_do_not_stall() {
    for receive_buffer in [64 << 10, 128 << 10, 256 << 10] {
        let jumbo = Config { mss: 65_480, receive_buffer: Buffer::Fixed(receive_buffer), ..config() };
        let mut pair = Pair::established_with(jumbo.clone(), jumbo);
        pair.delay = Duration::from_micros(50);
        pair.send(Side::A, text(4 << 20));
        let start = pair.now;
        assert!(pair.run_until(Duration::from_secs(60), |pair| pair.b.received.len() == 4 << 20));
        let took = pair.now.since(start);
        assert!(took < Duration::from_millis(200), "{took:?} with {receive_buffer}");
    }
}

/// FIELD D49: one loss with the whole window in flight: everything else is kept.
#[test]
fn nothing_that_was_advertised_is_thrown_away() {
    let mut pair = Pair::established_with(config(), Config { receive_buffer: Buffer::Fixed(100_000), ..config() });
    pair.send(Side::A, text(60_000));
    pair.run_for(Duration::from_secs(2));
    pair.log.clear();
    let mut lost = false;
    pair.filter = Box::new(move |sent| {
        if sent.from == Side::A && !sent.segment.payload.is_empty() && !lost {
            lost = true;
            return Fate::Lost;
        }
        Fate::Arrives
    });
    pair.send(Side::A, text(60_000));
    pair.run_for(Duration::from_secs(5));
    assert_eq!(pair.b.received.len(), 120_000);
    assert_eq!(pair.a.tcb.info(pair.now).retransmissions, 1);
    assert_eq!(pair.a.tcb.info(pair.now).timeouts, 0);
}

/// FIELD D46: memory follows the octets held, not the buffers that brought them.
#[test]
fn tiny_segments_in_large_buffers_hold_little() {
    let mut pair = Pair::established_with(Config { nodelay: true, ..config() }, config());
    pair.b.reads = false;
    let buffer = Bytes::from(vec![7; 64 << 10]);
    for i in 0..1000_usize {
        pair.send(Side::A, Bytes::new());
        let mut one = a_forges();
        one.payload = buffer.slice(i..=i);
        one.seq += u32::try_from(i).unwrap();
        pair.inject(Side::B, one).unwrap();
    }
    assert_eq!(pair.b.tcb.recv_queued(), 1000);
    assert!(buffer.is_unique(), "nobody holds on to the large buffer");
}

impl Pair {
    /// An empty segment that `b` might send though it has sent nothing yet.
    fn b_forges(&self) -> sockeye_tcb::Segment {
        let sent = self.sent_by(Side::A)[0].clone();
        sockeye_tcb::Segment {
            seq: sent.ack,
            ack: sent.seq,
            payload: Bytes::new(),
            flags: sockeye_wire::tcp::Flags::ACK,
            options: sockeye_wire::tcp::Options::NONE,
            ..sent
        }
    }
}

/// An empty segment that `a` might send after its handshake.
fn a_forges() -> sockeye_tcb::Segment {
    crate::open::segment(crate::pair::ISS_A + 1, crate::pair::ISS_B + 1, sockeye_wire::tcp::Flags::ACK)
}

/// The answer to a probe may come after the window was opened, and its octet was sent again by then.
//= rfc9293#MUST-18
#[test]
fn the_answer_to_a_window_probe_tells_no_round_trip_time() {
    let mut pair = Pair::established_with(Config { timestamps: false, ..config() }, config());
    pair.send(Side::A, text(500));
    pair.run_for(Duration::from_secs(1));
    pair.filter = Box::new(|_| Fate::Lost);
    let (una, least) = (ISS_A + 1 + 500, pair.info().min_rtt.unwrap());
    let ack = |pair: &Pair, ack: SeqNumber, window: u16| Segment {
        window,
        ..segment(pair.sent_by(Side::A)[0].ack, ack, Flags::ACK)
    };
    let closed = ack(&pair, una, 0);
    pair.inject(Side::A, closed).unwrap();
    pair.send(Side::A, text(3_000));
    assert!(pair.run_until(Duration::from_secs(5), |pair| pair.times_sent(Side::A, una) == 1));
    let opened = ack(&pair, una, 8_000);
    pair.inject(Side::A, opened).unwrap();
    assert_eq!(pair.times_sent(Side::A, una), 2, "what the probe held, and more");
    pair.run_for(Duration::from_millis(1));
    let answer = ack(&pair, una + 1, 8_000);
    pair.inject(Side::A, answer).unwrap();
    assert!(pair.info().min_rtt.unwrap() >= least);
}

/// Of the segments that leave when a window opens only the first has the probe's octet: the others were never sent before, and
/// that they overtake each other shows that the path reorders.
//= rfc8985#6.2-5
#[test]
fn what_follows_the_octet_of_a_window_probe_was_never_sent_before() {
    let mut pair = Pair::established_with(Config { timestamps: false, ..config() }, config());
    pair.limit = 65_536;
    pair.filter = Box::new(|_| Fate::Lost);
    let una = ISS_A + 1;
    let mss = u32::from(pair.info().snd_mss);
    let ack = |window: u16, sacked: &[u32]| {
        let mut sack = SackBlocks::NONE;
        for &nth in sacked {
            sack.push(SackBlock { left: una + nth * mss, right: una + (nth + 1) * mss });
        }
        let mut segment = Segment { window, ..segment(ISS_B + 1, una, Flags::ACK) };
        segment.options.sack = sack;
        segment
    };
    let closed = ack(0, &[]);
    pair.inject(Side::A, closed).unwrap();
    pair.send(Side::A, text(10_000));
    assert!(pair.run_until(Duration::from_secs(5), |pair| pair.times_sent(Side::A, una) == 1));
    let opened = ack(8_000, &[]);
    pair.inject(Side::A, opened).unwrap();
    assert_eq!(pair.times_sent(Side::A, una + 3 * mss), 1, "a burst");
    pair.run_for(Duration::from_millis(1));
    for sacked in [&[3][..], &[2, 3]] {
        assert!(!pair.info().reordering_seen);
        let answer = ack(8_000, sacked);
        pair.inject(Side::A, answer).unwrap();
    }
    assert!(pair.info().reordering_seen);
}
