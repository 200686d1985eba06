//! Segments that a stranger may send, or a peer that errs: the connection lives (RFC 5961, RFC 9293 section 3.10.7.4).

use std::time::Duration;

use bytes::Bytes;
use sockeye_tcb::{Buffer, ClosedBecause, Config, Event, Segment, State, Stop};
use sockeye_wire::tcp::{Flags, Options, Timestamps};

use crate::pair::{Fate, ISS_A, Pair, Side, config, text};

fn established() -> Pair {
    let mut pair = Pair::established();
    pair.send(Side::A, text(10));
    pair.send(Side::B, text(10));
    pair.run_for(Duration::from_secs(1));
    pair.log.clear();
    pair.send(Side::A, text(10)); // so that there is a segment of each to forge others from
    pair.send(Side::B, text(10));
    pair.run_for(Duration::from_secs(1));
    pair
}

/// FIELD D54, D26.
//= rfc5961#3.2-2
//= rfc5961#3.2-3
//= rfc5961#3.2-4
//= rfc5961#3.2-5
//= rfc5961#3.2-6
//= rfc9293#3.5.3-1
//= rfc9293#3.10.7.4-4
//= rfc9293#3.10.7.4-5
//= rfc9293#3.10.7.4-6
//= rfc9293#3.10.7.4-25
//= rfc9293#SHLD-2
#[test]
fn only_an_exact_reset_ends_the_connection() {
    let mut pair = established();
    let exact = pair.forge(Side::B).seq;
    for (seq, stop, answers) in [
        (exact - 1, Stop::ResetOutsideWindow, 0),
        (exact + 300_000, Stop::ResetOutsideWindow, 0),
        (exact + 1, Stop::InexactReset, 1),
        (exact + 100_000, Stop::InexactReset, 1),
    ] {
        pair.log.clear();
        pair.send(Side::A, Bytes::new());
        let reset = sockeye_tcb::Segment { seq, flags: Flags::RST, ..crate::open::segment(seq, seq, Flags::RST) };
        assert_eq!(pair.inject(Side::A, reset), Err(stop));
        assert_eq!(pair.sent_by(Side::A).len(), answers, "{seq:?}");
        assert_eq!(pair.a.tcb.state(), State::Established);
    }
    let mut reset = crate::open::segment(exact, exact, Flags::RST);
    reset.payload = Bytes::from_static(b"why");
    assert_eq!(pair.inject(Side::A, reset), Err(Stop::Reset));
    assert_eq!(pair.a.events.last(), Some(&Event::Closed(ClosedBecause::ResetByPeer)));
}

//= rfc5961#4.2-2
//= rfc5961#4.2-3
//= rfc9293#3.10.7.4-9
#[test]
fn a_syn_on_a_connection_is_challenged_wherever_it_points() {
    let mut pair = established();
    let exact = pair.forge(Side::B).seq;
    for seq in [exact, exact + 5, exact - 5, exact + (1 << 31)] {
        pair.log.clear();
        assert_eq!(pair.inject(Side::A, crate::open::segment(seq, seq, Flags::SYN)), Err(Stop::SynOnConnection));
        let answers = pair.sent_by(Side::A);
        assert_eq!((answers.len(), answers[0].flags, answers[0].ack), (1, Flags::ACK, exact));
    }
    assert_eq!(pair.a.tcb.state(), State::Established);
}

/// A connection of which side A is in `state`, synchronised.
fn in_state(state: State) -> Pair {
    let mut pair = established();
    let mute: fn(&crate::pair::Sent) -> Fate = |sent| if sent.from == Side::B { Fate::Lost } else { Fate::Arrives };
    match state {
        State::FinWait1 => {
            pair.filter = Box::new(mute);
            pair.close(Side::A);
        }
        State::FinWait2 => pair.close(Side::A),
        State::CloseWait => pair.close(Side::B),
        State::LastAck => {
            pair.close(Side::B);
            pair.run_for(Duration::from_millis(100));
            pair.filter = Box::new(mute);
            pair.close(Side::A);
        }
        State::Closing => {
            pair.close(Side::A);
            pair.close(Side::B);
            // The FINs have crossed, what acknowledges them is on its way.
            pair.run_for(Duration::from_millis(15));
        }
        _ => {}
    }
    if matches!(state, State::FinWait2 | State::CloseWait) {
        pair.run_for(Duration::from_millis(100));
    }
    assert_eq!(pair.a.tcb.state(), state);
    pair
}

/// FIELD D54: RST and SYN in the window, but not where the next octet is expected, in every synchronised state.
//= rfc5961#3.2-4
//= rfc5961#4.2-2
#[test]
fn what_is_not_exact_is_challenged_in_every_synchronised_state() {
    use State::{CloseWait, Closing, Established, FinWait1, FinWait2, LastAck};
    for state in [Established, FinWait1, FinWait2, CloseWait, Closing, LastAck] {
        let mut pair = in_state(state);
        let near = pair.forge(Side::B).seq + 1;
        for (flags, stop) in [(Flags::RST, Stop::InexactReset), (Flags::SYN, Stop::SynOnConnection)] {
            pair.log.clear();
            assert_eq!(pair.inject(Side::A, crate::open::segment(near, near, flags)), Err(stop), "{state:?}");
            let answers: Vec<_> = pair.sent_by(Side::A).iter().map(|answer| (answer.flags, answer.ack)).collect();
            assert_eq!(answers, [(Flags::ACK, near - 1)], "{state:?}");
            assert_eq!(pair.a.tcb.state(), state);
        }
    }
}

//= rfc5961#4.2-4
//= rfc5961#3.2-8
//= rfc9293#3.5.1-1
#[test]
fn a_peer_that_has_restarted_gets_through_by_answering_the_challenge() {
    let mut pair = established();
    let now = pair.now;
    let restarted = sockeye_tcb::Tcb::connect(std::sync::Arc::new(config()), ISS_A + 5000, 3, now);
    pair.a.tcb = restarted;
    pair.a.events.clear();
    pair.run_for(Duration::from_millis(100));
    assert_eq!(pair.b.events.last(), Some(&Event::Closed(ClosedBecause::ResetByPeer)));
    assert_eq!(pair.a.tcb.state(), State::SynSent, "it tries again");
}

/// FIELD D26: however many come, few are answered, and no other connection's counter is involved.
//= rfc5961#7-1
//= rfc5961#10-1
#[test]
fn a_flood_of_resets_and_syns_and_wild_acks_is_answered_ten_times_in_five_seconds() {
    let mut pair = established();
    let exact = pair.forge(Side::B);
    pair.log.clear();
    for i in 0..30_000_u32 {
        let wild = exact.ack + 1000 + i % 7;
        let flags = [Flags::RST, Flags::SYN, Flags::ACK][i as usize % 3];
        let _ = pair.inject(Side::A, crate::open::segment(exact.seq + 1, wild, flags));
    }
    assert_eq!(pair.log.len(), 10);
    assert_eq!(pair.a.tcb.state(), State::Established);
    pair.run_for(Duration::from_secs(6));
    pair.log.clear();
    let _ = pair.inject(Side::A, crate::open::segment(exact.seq + 1, exact.ack, Flags::SYN));
    assert_eq!(pair.log.len(), 1, "later challenges are answered again");
}

//= rfc9293#MAY-12
//= rfc9293#3.10.7.4-24
//= rfc5961#5.2-2
//= rfc5961#5.2-3
#[test]
fn text_with_an_ack_from_long_ago_or_of_the_future_is_refused() {
    let mut pair = established();
    let good = pair.forge(Side::B);
    for (ack, stop) in [(good.ack + 1, Stop::AckOfUnsent), (good.ack - 400_000, Stop::AckTooOld)] {
        pair.log.clear();
        let before = pair.a.received.len();
        let mut segment = good.clone();
        segment.ack = ack;
        segment.payload = Bytes::from_static(b"injected");
        assert_eq!(pair.inject(Side::A, segment), Err(stop));
        assert_eq!(pair.a.received.len(), before);
        assert_eq!(pair.sent_by(Side::A).len(), 1);
    }
}

//= rfc9293#3.10.7.4-11
#[test]
fn a_segment_without_ack_is_dropped() {
    let mut pair = established();
    let mut segment = pair.forge(Side::B);
    segment.flags = Flags::NONE;
    segment.payload = Bytes::from_static(b"x");
    let before = pair.a.received.len();
    assert_eq!(pair.inject(Side::A, segment), Err(Stop::NoAck));
    assert_eq!(pair.a.received.len(), before);
}

/// FIELD D2: options other than on a SYN, in a segment that isn't acceptable, change nothing.
//= rfc9293#3.10.7.4-1
//= rfc9293#3.5.2-3
#[test]
fn an_unacceptable_segment_changes_nothing_and_gets_an_empty_ack() {
    let mut pair = established();
    let good = pair.forge(Side::B);
    let info = pair.a.tcb.info(pair.now);
    pair.log.clear();
    let mut wild = good.clone();
    wild.seq = good.seq + (1 << 30);
    wild.window = 1;
    wild.payload = Bytes::from_static(b"x");
    wild.options = Options { mss: Some(1), ..wild.options };
    assert_eq!(pair.inject(Side::A, wild), Err(Stop::OutsideWindow));
    let answers = pair.sent_by(Side::A);
    assert_eq!((answers.len(), answers[0].ack, answers[0].len()), (1, good.seq, 0));
    let after = pair.a.tcb.info(pair.now);
    assert_eq!((after.snd_mss, after.snd_wnd, after.recv_queued), (info.snd_mss, info.snd_wnd, 0));
}

/// FIELD D3; CVE-2019-11479.
//= rfc9293#MUST-16
#[test]
fn a_tiny_mss_is_floored() {
    for mss in [0, 1, 47] {
        let mut pair = Pair::opening(config(), config());
        pair.settle();
        let mut syn_ack = crate::open::segment(crate::pair::ISS_B, ISS_A + 1, Flags::SYN_ACK);
        syn_ack.options = Options { mss: Some(mss), timestamps: Some(Timestamps::default()), ..Options::NONE };
        pair.inject(Side::A, syn_ack).unwrap();
        assert_eq!(pair.a.tcb.info(pair.now).snd_mss, 36, "48, less 12 for the timestamps");
    }
}

/// FIELD D4: what proves nothing about the peer doesn't keep its connection alive.
#[test]
fn wild_segments_do_not_feed_the_keep_alive() {
    let keep_alive =
        sockeye_tcb::KeepAlive { idle: Duration::from_secs(10), interval: Duration::from_secs(5), count: 3 };
    let mut pair = Pair::established_with(Config { keep_alive: Some(keep_alive), ..config() }, config());
    pair.send(Side::B, text(1));
    pair.run_for(Duration::from_secs(1));
    let mut wild = pair.forge(Side::B);
    wild.seq += 1 << 30;
    pair.filter = Box::new(|_| Fate::Lost); // the peer is dead
    for _ in 0..60 {
        pair.run_for(Duration::from_secs(1));
        let _ = pair.inject(Side::A, wild.clone());
    }
    assert_eq!(pair.a.events.last(), Some(&Event::Closed(ClosedBecause::KeepAliveTimedOut)));
}

/// FIELD D16: some middleboxes strip options; the connection goes on.
//= rfc7323#3.2-10
#[test]
fn segments_that_lost_their_timestamps_still_count() {
    let mut pair = established();
    let mut segment = pair.forge(Side::B);
    segment.options = Options::NONE;
    segment.payload = Bytes::from_static(b"bare");
    pair.inject(Side::A, segment).unwrap();
    assert!(pair.a.received.ends_with(b"bare"));
}

//= rfc7323#3.2-11
#[test]
fn timestamps_that_nobody_agreed_on_are_ignored() {
    let plain = Config { timestamps: false, ..config() };
    let mut pair = Pair::established_with(plain, config());
    pair.send(Side::B, text(10));
    pair.run_for(Duration::from_secs(1));
    let mut segment = pair.forge(Side::B);
    segment.options.timestamps = Some(Timestamps { value: 1 << 31, echo: 9 });
    segment.payload = Bytes::from_static(b"fine");
    pair.inject(Side::A, segment).unwrap();
    assert!(pair.a.received.ends_with(b"fine"));
    assert!(pair.sent_by(Side::A).iter().all(|sent| sent.options.timestamps.is_none()));
}

//= rfc7323#5.3-R1
//= rfc7323#5.3-1
//= rfc7323#5.3-2
#[test]
fn an_old_timestamp_marks_an_old_duplicate() {
    let mut pair = established();
    let mut old = pair.forge(Side::B);
    let timestamps = old.options.timestamps.unwrap();
    old.options.timestamps = Some(Timestamps { value: timestamps.value.wrapping_sub(1000), ..timestamps });
    old.payload = Bytes::from_static(b"stale");
    pair.log.clear();
    let before = pair.a.received.len();
    assert_eq!(pair.inject(Side::A, old), Err(Stop::Paws));
    assert_eq!((pair.a.received.len(), pair.sent_by(Side::A).len()), (before, 1), "answered with an ACK");
}

//= rfc7323#5.2-5
//= rfc7323#5.2-6
#[test]
fn a_reset_counts_whatever_its_timestamp() {
    let mut pair = established();
    let mut reset = pair.forge(Side::B);
    reset.flags = Flags::RST;
    reset.options.timestamps = Some(Timestamps { value: 0, echo: 0 });
    assert_eq!(pair.inject(Side::A, reset), Err(Stop::Reset));
}

//= rfc9293#3.10.7.4-2
//= rfc2883#4-1
//= rfc2883#4.2-1
#[test]
fn of_a_segment_that_overlaps_only_the_new_part_is_taken() {
    let mut pair = established();
    pair.b.reads = false;
    let next = pair.forge(Side::A);
    let received = pair.b.tcb.recv_queued();
    let mut first = next.clone();
    first.payload = Bytes::from_static(b"abcdef");
    pair.inject(Side::B, first).unwrap();
    let mut overlapping = next.clone();
    overlapping.seq = next.seq + 3;
    overlapping.payload = Bytes::from_static(b"defghi");
    pair.log.clear();
    pair.inject(Side::B, overlapping).unwrap();
    assert_eq!(pair.b.tcb.recv_queued() - received, 9);
    let sack = pair.sent_by(Side::B)[0].options.sack;
    assert_eq!((sack.as_slice()[0].left, sack.as_slice()[0].right), (next.seq + 3, next.seq + 6));
}

//= rfc9293#3.10.7.4-2
#[test]
fn text_in_pieces_is_taken_as_if_it_came_in_one() {
    let mut pair = established();
    pair.b.reads = false;
    let next = pair.forge(Side::A);
    let received = pair.b.tcb.recv_queued();
    let in_pieces = |at: u32, pieces: &[&'static [u8]]| {
        let mut pieces = pieces.iter().map(|piece| Bytes::from_static(piece));
        let payload = pieces.next().unwrap();
        sockeye_tcb::Segment { seq: next.seq + at, payload, more: pieces.collect(), ..next.clone() }
    };
    pair.inject(Side::B, in_pieces(5, &[b"fg", b"hi", b"jkl"])).unwrap();
    assert_eq!(pair.b.tcb.recv_queued(), received, "it waits for what is before it");
    pair.inject(Side::B, in_pieces(0, &[b"ab"])).unwrap();
    pair.inject(Side::B, in_pieces(0, &[b"a", b"bcd", b"efg"])).unwrap();
    assert_eq!(pair.b.tcb.recv_queued() - received, 12);
    let mut read = Vec::new();
    while let Ok(chunk) = pair.b.tcb.recv(pair.now, 100) {
        read.extend_from_slice(&chunk);
    }
    assert!(read.ends_with(b"abcdefghijkl"));
}

//= rfc2883#4.2-1
#[test]
fn of_a_segment_that_fills_a_hole_the_part_that_was_here_is_reported() {
    let mut pair = established();
    let next = pair.forge(Side::A);
    let mut later = next.clone();
    later.seq = next.seq + 3;
    later.payload = Bytes::from_static(b"def");
    pair.inject(Side::B, later).unwrap();
    let mut whole = next.clone();
    whole.payload = Bytes::from_static(b"abcdefgh");
    pair.log.clear();
    pair.inject(Side::B, whole).unwrap();
    let answer = pair.sent_by(Side::B)[0].clone();
    assert_eq!(answer.ack, next.seq + 8);
    let block = answer.options.sack.as_slice()[0];
    assert_eq!((block.left, block.right), (next.seq + 3, next.seq + 6));
}

/// FIELD D9: an ACK of half a segment.
#[test]
fn an_ack_inside_a_segment_is_taken_as_it_is() {
    let mut pair = established();
    pair.filter = Box::new(|sent| if sent.from == Side::A { Fate::Lost } else { Fate::Arrives });
    pair.send(Side::A, text(3 * 988));
    let mut half = pair.forge(Side::B);
    half.ack = pair.sent_by(Side::A).last().unwrap().end() - 1500;
    pair.inject(Side::A, half).unwrap();
    pair.filter = Box::new(|_| Fate::Arrives);
    pair.b.tcb.abort(pair.now); // the true peer has seen none of it: only the sender's books are looked at
    assert_eq!(pair.a.tcb.info(pair.now).send_queued, 1500);
}

/// FIELD D7: both windows closed, both with text, both probing; and FINs that cross: no endless exchange.
#[test]
fn two_closed_windows_do_not_chatter() {
    let small = Config { receive_buffer: Buffer::Fixed(2000), ..config() };
    let mut pair = Pair::established_with(small.clone(), small);
    pair.a.reads = false;
    pair.b.reads = false;
    pair.send(Side::A, text(10_000));
    pair.send(Side::B, text(10_000));
    pair.run_for(Duration::from_secs(10));
    pair.log.clear();
    pair.run_for(Duration::from_secs(100));
    assert!(pair.log.len() < 60, "{} segments in 100 s", pair.log.len());
    pair.a.reads = true;
    pair.b.reads = true;
    pair.close(Side::A);
    pair.close(Side::B);
    pair.run_for(Duration::from_secs(200));
    assert_eq!((pair.a.received.len(), pair.b.received.len()), (10_000, 10_000));
    assert!(pair.a.ended && pair.b.ended);
}

/// `b` is sent islands of one octet each, every second one missing: how many it refuses.
fn islands_refused(pair: &mut Pair, islands: u32) -> usize {
    let next = pair.forge(Side::A);
    let island = |i| Segment { seq: next.seq + 2 + 2 * i, payload: Bytes::from_static(b"x"), ..next.clone() };
    (0..islands).filter(|&i| pair.inject(Side::B, island(i)) == Err(Stop::TooManyHoles)).count()
}

/// A slow start that overshoots a fast and long path loses every second segment of some hundred thousand.
#[test]
fn a_wide_window_has_room_for_many_holes() {
    let wide = Config { receive_buffer: Buffer::Fixed(32 << 20), ..config() };
    let mut pair = Pair::established_with(config(), wide);
    pair.send(Side::A, text(10));
    pair.run_for(Duration::from_secs(1));
    assert_eq!(islands_refused(&mut pair, 20_000), 0);
}

/// FIELD D37, CVE-2018-5390: tiny segments out of order cost bounded memory and time.
#[test]
fn ten_thousand_one_octet_islands_are_bounded() {
    let mut pair = established();
    let refused = islands_refused(&mut pair, 10_000);
    assert!(refused > 9000, "{refused}");
    let mut first = pair.forge(Side::A);
    first.payload = text(600).into();
    pair.inject(Side::B, first).unwrap();
    assert_eq!(pair.b.received.len(), 20 + 600, "text in order is always taken");
}

//= rfc9293#3.1-2
#[test]
fn segments_with_unknown_flags_are_taken_as_if_they_had_none() {
    let mut pair = established();
    let mut segment = pair.forge(Side::B);
    segment.flags = Flags { ece: true, cwr: true, psh: true, ..Flags::ACK };
    segment.payload = Bytes::from_static(b"ok");
    pair.inject(Side::A, segment).unwrap();
    assert!(pair.a.received.ends_with(b"ok"));
}
