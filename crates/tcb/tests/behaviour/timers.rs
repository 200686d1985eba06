//! Delayed ACKs, keep-alive, urgent text, ICMP errors: what else the clock and others bring.

use std::time::Duration;

use bytes::Bytes;
use sockeye_tcb::{Buffer, ClosedBecause, Config, Event, KeepAlive, SoftError, State, Stop, Unreachable};
use sockeye_wire::tcp::Flags;

use crate::pair::{Fate, ISS_A, Pair, Side, config, text};
use crate::unpaced;

//= rfc9293#MUST-40
//= rfc9293#SHLD-18
//= rfc5681#4.2-1
//= rfc5681#4.2-2
//= rfc5681#4.2-4
#[test]
fn an_ack_waits_forty_milliseconds_at_most() {
    let mut pair = Pair::established();
    for _ in 0..20 {
        pair.send(Side::A, text(10)); // past the quick ACKs of a new connection
        pair.run_for(Duration::from_millis(100));
    }
    pair.log.clear();
    pair.send(Side::A, text(10));
    pair.run_for(Duration::from_secs(1));
    let times: Vec<_> = pair.log.iter().map(|sent| sent.at).collect();
    assert_eq!(times[1].since(times[0]), Duration::from_millis(10 + 40));
}

//= rfc9293#SHLD-19
//= rfc9293#MUST-58
//= rfc9293#MUST-59
//= rfc5681#4.2-3
#[test]
fn a_batch_of_segments_gets_one_ack() {
    let mut pair = Pair::established();
    pair.send(Side::A, text(9_880));
    pair.run_for(Duration::from_millis(15));
    assert_eq!(pair.sent_by(Side::A).len(), 10);
    assert_eq!(pair.sent_by(Side::B).len(), 1, "they arrived at one instant and were processed before any ACK");
}

//= rfc9293#MUST-24
//= rfc9293#MUST-26
//= rfc9293#MUST-27
//= rfc9293#MUST-29
//= rfc9293#SHLD-12
//= rfc9293#MAY-5
#[test]
fn an_idle_peer_is_probed_and_given_up_only_after_several() {
    let keep_alive = KeepAlive { idle: Duration::from_secs(60), interval: Duration::from_secs(10), count: 4 };
    let mut pair = Pair::established_with(Config { keep_alive: Some(keep_alive), ..config() }, config());
    pair.run_for(Duration::from_secs(3600));
    assert_eq!(pair.a.tcb.state(), State::Established);
    let probes = pair.sent_by(Side::A);
    assert!((50..=60).contains(&probes.len()), "one a minute, each answered: {}", probes.len());
    assert!(probes.iter().all(|probe| probe.payload.is_empty() && probe.seq == crate::pair::ISS_A));
    pair.filter = Box::new(|_| Fate::Lost);
    pair.log.clear();
    pair.run_for(Duration::from_secs(300));
    let sent = pair.sent_by(Side::A);
    assert_eq!(sent.len(), 5, "four probes and a reset");
    assert!(sent[..4].iter().all(|probe| !probe.flags.rst));
    assert!(
        sent[4].flags.rst && sent[4].seq == crate::pair::ISS_A + 1,
        "a peer that comes back is told: {:?}",
        sent[4]
    );
    assert_eq!(pair.a.events.last(), Some(&Event::Closed(ClosedBecause::KeepAliveTimedOut)));
}

/// FIELD D7: keep-alives that cross at one instant are answered once each, and that is all.
#[test]
fn keep_alives_that_cross_do_not_chatter() {
    let keep_alive = KeepAlive { idle: Duration::from_secs(60), interval: Duration::from_secs(10), count: 4 };
    let eager = Config { keep_alive: Some(keep_alive), ..config() };
    let mut pair = Pair::established_with(eager.clone(), eager);
    pair.run_for(Duration::from_secs(3600));
    assert_eq!((pair.a.tcb.state(), pair.b.tcb.state()), (State::Established, State::Established));
    assert!((100..=4 * 60).contains(&pair.log.len()), "{} segments in 60 rounds", pair.log.len());
}

//= rfc9293#MUST-25
//= rfc9293#MUST-28
#[test]
fn keep_alive_is_off_by_default_and_waits_two_hours_when_on() {
    let mut pair = Pair::established();
    assert_eq!(pair.a.tcb.next_timeout(), None);
    let now = pair.now;
    pair.a.tcb.configure(now, |config| config.keep_alive = Some(KeepAlive::default()));
    let until = pair.a.tcb.next_timeout().unwrap().since(now);
    assert!(until > Duration::from_secs(7100) && until <= Duration::from_secs(7200));
    pair.a.tcb.configure(now, |config| config.keep_alive = None);
    assert_eq!(pair.a.tcb.next_timeout(), None);
}

//= rfc9293#MUST-30
//= rfc9293#MUST-31
//= rfc9293#MUST-32
//= rfc9293#MUST-33
//= rfc9293#MUST-62
//= rfc9293#3.1-5
//= rfc9293#3.10.7.4-17
#[test]
fn urgent_text_is_announced_wherever_it_ends_and_told_until_it_is_read() {
    let mut pair = Pair::established();
    pair.b.reads = false;
    let now = pair.now;
    pair.send(Side::A, text(3000));
    let mut urgent = Bytes::from(text(70_000));
    pair.a.tcb.send_urgent(now, &mut urgent).unwrap();
    pair.settle();
    let first = pair.sent_by(Side::A).into_iter().find(|sent| sent.flags.urg).unwrap();
    pair.run_for(Duration::from_secs(5));
    assert!(pair.b.events.contains(&Event::Urgent));
    assert!(first.urgent > 0);
    assert_eq!(pair.b.tcb.urgent_left(), Some(73_000), "the octet after the last urgent one");
    let mut read = 0;
    while pair.b.tcb.urgent_left().is_some() {
        let now = pair.now;
        read += pair.b.tcb.recv(now, 1000).unwrap().len();
    }
    assert_eq!(read, 73_000);
}

/// Also where a device cuts what it is given, at first and when it is sent again.
//= rfc9293#MUST-31
//= rfc9293#MUST-62
#[test]
fn each_segment_points_to_the_end_of_the_urgent_text_or_follows_it() {
    let mut pair = Pair::established_with(unpaced::config(), config());
    pair.limit = 64 << 10;
    pair.lose(&[0, 1, 2, 7]);
    let now = pair.now;
    pair.a.tcb.send(now, &mut Bytes::from(text(3000))).unwrap();
    pair.a.tcb.send_urgent(now, &mut Bytes::from(text(4500))).unwrap();
    pair.send(Side::A, text(50_000));
    pair.run_for(Duration::from_secs(5));
    assert_eq!((pair.b.received.len(), pair.info().segments_lost), (57_500, 4));
    let up = ISS_A + 1 + 7500;
    for sent in pair.sent_by(Side::A) {
        let points_to = sent.flags.urg.then(|| sent.seq + u32::from(sent.urgent));
        assert_eq!(points_to, sent.seq.before(up).then_some(up), "{sent:?}");
    }
}

//= rfc9293#MUST-66
//= rfc9293#3.10.7.4-3
#[test]
fn with_a_closed_window_resets_acks_and_urgent_pointers_still_count() {
    let mut pair = Pair::established_with(config(), Config { receive_buffer: Buffer::Fixed(3_000), ..config() });
    pair.b.reads = false;
    pair.send(Side::A, text(3_000));
    pair.run_for(Duration::from_secs(1));
    pair.filter = Box::new(|_| Fate::Lost);
    pair.send(Side::B, text(100));
    let sent = pair.sent_by(Side::B).last().unwrap().clone();
    let mut ack = crate::open::segment(sent.ack, sent.end(), Flags { urg: true, ..Flags::ACK });
    ack.urgent = 1;
    ack.payload = Bytes::from_static(b"x");
    assert_eq!(pair.inject(Side::B, ack), Err(Stop::OutsideWindow));
    assert_eq!(pair.b.tcb.info(pair.now).send_queued, 0, "the ACK counted");
    assert_eq!(pair.b.events.last(), Some(&Event::Urgent));
    assert_eq!(pair.b.tcb.recv_queued(), 3_000, "the text did not");
    assert_eq!(pair.inject(Side::B, crate::open::segment(sent.ack, sent.end(), Flags::RST)), Err(Stop::Reset));
}

/// FIELD D12.
//= rfc9293#MUST-54
//= rfc9293#MUST-56
//= rfc9293#SHLD-25
//= rfc5927#4.1-1
//= rfc5927#5.2-1
#[test]
fn icmp_errors_are_told_and_end_no_connection_that_is_open() {
    let mut pair = Pair::established();
    pair.filter = Box::new(|_| Fate::Lost);
    pair.send(Side::A, text(10));
    let seq = pair.sent_by(Side::A)[0].seq;
    let now = pair.now;
    for what in [Unreachable::Host, Unreachable::Port, Unreachable::Protocol, Unreachable::TimeExceeded] {
        pair.a.tcb.on_unreachable(now, seq, what).unwrap();
        pair.settle();
        assert_eq!(pair.a.events.last(), Some(&Event::SoftError(SoftError::Unreachable(what))));
    }
    assert_eq!(pair.a.tcb.on_unreachable(now, seq + 10, Unreachable::Host), Err(Stop::AckOfUnsent));
    assert_eq!(pair.a.tcb.on_packet_too_big(now, seq - 1, 100), Err(Stop::AckOfUnsent));
    assert_eq!(pair.a.tcb.state(), State::Established);
}

/// FIELD D12.
//= rfc9293#MUST-56
//= rfc9293#SHLD-26
#[test]
fn while_connecting_a_soft_error_is_remembered_and_a_hard_one_ends_it() {
    let mut pair = Pair::opening(config(), config());
    pair.filter = Box::new(|_| Fate::Lost);
    pair.settle();
    let now = pair.now;
    pair.a.tcb.on_unreachable(now, crate::pair::ISS_A, Unreachable::Host).unwrap();
    assert_eq!(pair.a.tcb.state(), State::SynSent);
    pair.a.tcb.on_unreachable(now, crate::pair::ISS_A, Unreachable::Port).unwrap();
    pair.settle();
    assert_eq!(pair.a.events.last(), Some(&Event::Closed(ClosedBecause::Unreachable(Unreachable::Port))));
}

//= rfc9293#SHLD-20
#[test]
fn who_does_not_want_to_hear_of_soft_errors_does_not() {
    let mut pair = Pair::established_with(Config { report_soft_errors: false, ..config() }, config());
    pair.filter = Box::new(|_| Fate::Lost);
    pair.send(Side::A, text(10));
    let seq = pair.sent_by(Side::A)[0].seq;
    let now = pair.now;
    pair.a.tcb.on_unreachable(now, seq, Unreachable::Host).unwrap();
    pair.settle();
    assert!(pair.a.events.is_empty());
}

//= rfc9293#MUST-14
//= rfc9293#MUST-15
//= rfc9293#MUST-16
//= rfc9293#MUST-65
//= rfc9293#SHLD-5
//= rfc6691#2-2
//= rfc6691#2-3
#[test]
fn segments_obey_the_peers_mss_and_leave_room_for_options() {
    for (told, expected) in [(Some(700), 688), (None, 524), (Some(9000), 988)] {
        let mut pair = Pair::opening(config(), config());
        pair.settle();
        assert_eq!(pair.sent_by(Side::A)[0].options.mss, Some(1000), "ours is told without regard to options");
        let mut syn_ack = crate::open::segment(crate::pair::ISS_B, crate::pair::ISS_A + 1, Flags::SYN_ACK);
        syn_ack.options.mss = told;
        syn_ack.options.timestamps = Some(sockeye_wire::tcp::Timestamps::default());
        pair.inject(Side::A, syn_ack).unwrap();
        pair.log.clear();
        pair.filter = Box::new(|_| Fate::Lost);
        pair.send(Side::A, text(20_000));
        let longest = pair.sent_by(Side::A).iter().map(|sent| sent.payload.len()).max();
        assert_eq!(longest, Some(expected));
        assert!(pair.sent_by(Side::A).iter().all(|sent| sent.options.mss.is_none()));
    }
}

//= rfc7323#3.2-4
//= rfc7323#4.3-4
//= rfc7323#4.3-6
//= rfc7323#4.1-1
#[test]
fn timestamps_run_with_the_clock_and_echo_what_was_heard() {
    let mut pair = Pair::established();
    pair.send(Side::A, text(100));
    pair.run_for(Duration::from_secs(2));
    pair.send(Side::A, text(100));
    pair.run_for(Duration::from_secs(1));
    let times: Vec<_> = pair
        .log
        .iter()
        .map(|sent| (sent.from, sent.at.as_millis(), sent.segment.options.timestamps.unwrap()))
        .collect();
    let from_a: Vec<_> = times.iter().filter(|(from, ..)| *from == Side::A).collect();
    let elapsed = from_a.last().unwrap().1 - from_a[0].1;
    assert_eq!(u64::from(from_a.last().unwrap().2.value.wrapping_sub(from_a[0].2.value)), elapsed);
    let last_answer = times.iter().rfind(|(from, ..)| *from == Side::B).unwrap();
    assert_eq!(last_answer.2.echo, from_a.last().unwrap().2.value);
}

/// FIELD D41: a single octet there and back takes the path's time and nothing more.
#[test]
fn an_octet_is_echoed_at_the_instant_at_which_it_is_read() {
    let mut pair = Pair::established();
    for _ in 0..50 {
        let start = pair.now;
        let before = pair.a.received.len();
        pair.send(Side::A, text(1));
        let heard = pair.b.received.len();
        assert!(pair.run_until(Duration::from_secs(1), |pair| pair.b.received.len() > heard));
        pair.send(Side::B, text(1));
        assert!(pair.run_until(Duration::from_secs(1), |pair| pair.a.received.len() > before));
        assert_eq!(pair.now.since(start), Duration::from_millis(20));
    }
}

//= rfc9293#3.4-4
#[test]
fn sequence_numbers_wrap_in_both_directions() {
    let mut pair = Pair::established();
    pair.send(Side::B, text(300_000));
    pair.run_for(Duration::from_secs(10));
    assert!(pair.a.received == text(300_000), "B's numbers start 100,000 before the wrap");
}
