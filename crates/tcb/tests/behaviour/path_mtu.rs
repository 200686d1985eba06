//! Paths that take less than both ends would: told of by ICMP, or not at all (RFC 1191, RFC 8201, RFC 4821).

use std::collections::BTreeMap;
use std::time::Duration;

use sockeye_tcb::congestion::Algorithm;
use sockeye_tcb::{Config, MtuProbing, PathMss, TooBig};

use crate::pair::{Fate, Pair, Random, Sent, Side, config, text};
use crate::unpaced;

/// Octets of the timestamps option.
const TIMESTAMPS: usize = 12;

fn wide() -> Config {
    Config { mss: 1460, ..config() }
}

/// Octets of text and options.
fn size(sent: &Sent) -> usize {
    sent.segment.payload.len() + TIMESTAMPS
}

/// The path loses what is longer than `octets` of text and options, without a word.
fn black_hole(pair: &mut Pair, octets: usize) {
    pair.filter = Box::new(move |sent| if size(sent) > octets { Fate::Lost } else { Fate::Arrives });
}

/// Sends `octets` and sees them arrive, within two minutes.
fn transfer(pair: &mut Pair, octets: usize) {
    let expected = pair.b.received.len() + octets;
    pair.send(Side::A, text(octets));
    let arrived = pair.run_until(Duration::from_mins(2), |pair| pair.b.received.len() == expected);
    assert!(arrived, "{} of {expected} octets: {:?}", pair.b.received.len(), pair.info());
}

fn segments_longer_than(pair: &Pair, octets: usize) -> usize {
    pair.log.iter().filter(|sent| sent.from == Side::A && size(sent) > octets).count()
}

//= rfc4821#7.7-1
//= rfc8899#4.3-1
//= rfc8899#4.6.2-2
#[test]
fn a_black_hole_is_found_by_the_second_timeout_and_the_path_searched() {
    for algorithm in [Algorithm::NEWRENO, Algorithm::CUBIC, Algorithm::BBR] {
        let mut pair = Pair::established_with(Config { congestion: algorithm, ..wide() }, wide());
        black_hole(&mut pair, 1240);
        let start = pair.now;
        transfer(&mut pair, 50_000);
        assert!(pair.now.since(start) < Duration::from_secs(3), "{:?}", pair.now.since(start));
        assert_eq!(pair.info().timeouts, 2);
        for _ in 0..100 {
            transfer(&mut pair, 50_000);
            pair.run_for(Duration::from_secs(1));
        }
        let mss = usize::from(pair.info().snd_mss) + TIMESTAMPS;
        assert!((1240 - 16..=1240).contains(&mss), "{algorithm:?}: {mss}, {:?}", pair.info());
        assert_eq!(pair.info().timeouts, 2, "{algorithm:?}: probes cost no timeout");
    }
}

//= rfc4821#4-3
//= rfc4821#4-4
//= rfc4821#7.6.2-1
//= rfc8899#3-5
//= rfc8899#3-11
//= rfc4821#4-2
//= rfc4821#6.1-1
//= rfc4821#7.6-1
//= rfc8899#3-3
//= rfc8899#4.2-1
#[test]
fn a_lost_probe_is_no_sign_of_congestion() {
    let mut pair = Pair::established_with(wide(), wide());
    black_hole(&mut pair, 1240);
    transfer(&mut pair, 20_000);
    let before = pair.info();
    let mut lost = 0;
    for _ in 0..60 {
        let cwnd = pair.info().cwnd;
        pair.log.clear();
        transfer(&mut pair, 60_000);
        lost += segments_longer_than(&pair, 1240);
        assert!(pair.info().cwnd >= cwnd, "the window fell from {cwnd} to {}", pair.info().cwnd);
    }
    assert!(lost > 3, "{lost} probes were lost");
    let after = pair.info();
    assert_eq!((after.fast_recoveries, after.timeouts), (before.fast_recoveries, before.timeouts));
    assert_eq!(after.ssthresh, before.ssthresh);
}

//= rfc4821#4-5
//= rfc4821#7.6.4-1
//= rfc8899#3-6
#[test]
fn a_probe_that_is_lost_with_other_text_proves_nothing_and_slows_the_sender() {
    let mut pair = Pair::established_with(wide(), wide());
    black_hole(&mut pair, 1240);
    transfer(&mut pair, 20_000);
    let mut doomed = 0;
    pair.filter = Box::new(move |sent| {
        if sent.from == Side::A && size(sent) > 1240 {
            doomed = 2; // and the segment that follows it
        }
        let lost = sent.from == Side::A && doomed > 0;
        doomed -= i32::from(lost);
        if lost { Fate::Lost } else { Fate::Arrives }
    });
    let (before, mss) = (pair.info(), pair.info().snd_mss);
    pair.log.clear();
    let mut rounds = 0;
    while segments_longer_than(&pair, 1240) == 0 {
        transfer(&mut pair, 30_000);
        rounds += 1;
        assert!(rounds < 100);
    }
    assert_eq!(pair.info().fast_recoveries, before.fast_recoveries + 1);
    assert!(pair.info().snd_mss == mss && pair.info().ssthresh < u32::MAX);
}

//= rfc4821#4-7
//= rfc4821#4-6
//= rfc4821#7.6.2-4
//= rfc8899#8-1
#[test]
fn the_next_probe_waits_a_round_trip_for_each_segment_of_the_window() {
    let mut pair = Pair::established_with(wide(), wide());
    black_hole(&mut pair, 1100);
    transfer(&mut pair, 20_000);
    pair.log.clear();
    let mut windows = Vec::new();
    for _ in 0..40 {
        windows.push(pair.info().cwnd / u32::from(pair.info().snd_mss));
        transfer(&mut pair, 60_000);
    }
    let least = *windows.iter().min().unwrap();
    let times: Vec<_> =
        pair.log.iter().filter(|sent| sent.from == Side::A && size(sent) > 1100).map(|s| s.at).collect();
    assert!(times.len() > 2);
    for pair in times.windows(2) {
        let gap = pair[1].since(pair[0]);
        assert!(gap >= Duration::from_millis(20) * least, "{gap:?} with a window of {least} segments");
    }
}

/// A probe, and then nothing arrives until the timer has expired: that may have been congestion at its worst.
//= rfc4821#7.6.3-1
#[test]
fn after_a_timeout_the_next_probe_waits_five_times_as_long() {
    let mut pair = Pair::established_with(wide(), wide());
    pair.delay = Duration::from_millis(100);
    black_hole(&mut pair, 1240);
    (0..5).for_each(|_| transfer(&mut pair, 20_000));
    pair.run_for(Duration::from_secs(1));
    pair.log.clear();
    let (mut probed, mut silent) = (None, false);
    pair.filter = Box::new(move |sent| {
        if sent.from == Side::B {
            return Fate::Arrives;
        }
        let (seq, is_probe) = (sent.segment.seq, size(sent) > 1240);
        if is_probe && probed.is_none() {
            (probed, silent) = (Some(seq), true);
        } else if probed == Some(seq) {
            silent = false; // what it carried goes again
        }
        if is_probe || silent { Fate::Lost } else { Fate::Arrives }
    });
    let timeouts = pair.info().timeouts;
    while segments_longer_than(&pair, 1240) == 0 {
        pair.send(Side::A, text(5_000));
        pair.run_for(Duration::from_millis(220));
    }
    pair.delay = Duration::from_millis(1); // so that what was lost is repaired long before
    while segments_longer_than(&pair, 1240) < 2 {
        pair.send(Side::A, text(5_000));
        pair.run_for(Duration::from_millis(50));
    }
    assert_eq!(pair.info().timeouts, timeouts + 1);
    let sent: Vec<_> = pair.log.iter().filter(|sent| sent.from == Side::A).collect();
    let is_probe = |sent: &&&Sent| size(sent) > 1240;
    let first = sent.iter().find(is_probe).unwrap();
    let again = sent.iter().find(|sent| sent.segment.seq == first.segment.seq && !is_probe(sent)).unwrap();
    let second = sent.iter().rfind(is_probe).unwrap();
    let waited = second.at.since(again.at);
    assert!(waited >= 5 * Duration::from_millis(195), "{waited:?}");
}

/// An error about the first segment that is outstanding.
fn complain(pair: &mut Pair, mss: u16) -> TooBig {
    let now = pair.clock();
    let first = pair.log.iter().rev().find(|sent| sent.from == Side::A && !sent.segment.payload.is_empty());
    let seq = first.unwrap().segment.seq;
    let outcome = pair.a.tcb.on_packet_too_big(now, seq, mss).unwrap();
    pair.settle();
    outcome
}

/// What a narrow path lost goes again in slow start: twice as much a round trip.
//= rfc1191#6.4-1
//= rfc5681#3.1-8
//= rfc8201#5.4-3
#[test]
fn what_a_narrow_path_lost_goes_again_in_windows_that_double() {
    let mut pair = Pair::established_with(Config { mss: 1460, ..unpaced::config() }, wide());
    black_hole(&mut pair, 1240);
    pair.send(Side::A, text(10 * 1448));
    assert_eq!(complain(&mut pair, 1240), TooBig::Believed);
    pair.run_for(Duration::from_secs(1));
    let mut windows = BTreeMap::new();
    for sent in pair.log.iter().filter(|sent| sent.from == Side::A && sent.segment.payload.len() <= 1228).skip(1) {
        *windows.entry(sent.at).or_insert(0) += 1;
    }
    let windows: Vec<usize> = windows.into_values().collect();
    assert_eq!(windows, [2, 4, 5], "after one segment at first");
}

/// FIELD D11.
//= rfc1191#6.3-1
//= rfc1191#3-5
//= rfc1191#3-6
//= rfc8201#4-7
//= rfc8201#5.3-1
//= rfc8899#5.1.1-3
//= rfc1191#3-3
//= rfc1191#6.3-2
//= rfc1191#6.4-2
//= rfc4821#7.1-1
//= rfc8201#4-5
//= rfc8201#5.4-1
//= rfc8201#5.6-1
#[test]
fn a_path_that_recovers_is_found_within_ten_minutes_and_not_before_five() {
    for probing in [MtuProbing::Off, MtuProbing::OnBlackHole] {
        let mut pair = Pair::established_with(Config { mtu_probing: probing, ..wide() }, wide());
        black_hole(&mut pair, 1240);
        pair.send(Side::A, text(1000));
        pair.send(Side::A, text(1448));
        assert_eq!(complain(&mut pair, 1240), TooBig::Believed);
        let told = pair.now;
        pair.run_for(Duration::from_secs(1));
        transfer(&mut pair, 50_000);
        assert_eq!(pair.info().snd_mss, 1228);
        pair.filter = Box::new(|_| Fate::Arrives);
        pair.log.clear();
        while pair.now.since(told) < Duration::from_secs(601) {
            transfer(&mut pair, 10_000);
            pair.run_for(Duration::from_secs(5));
        }
        transfer(&mut pair, 50_000);
        assert_eq!(pair.info().snd_mss, 1448, "{probing:?}");
        let first = pair.log.iter().find(|sent| sent.from == Side::A && size(sent) > 1240).unwrap().at;
        assert!(first.since(told) >= Duration::from_mins(5), "{:?}", first.since(told));
    }
}

/// FIELD D10: what is claimed while longer segments arrive is a lie.
//= rfc5927#7.2-1
//= rfc9293#MUST-54
#[test]
fn a_claim_is_not_believed_while_longer_segments_arrive() {
    let mut pair = Pair::established_with(wide(), wide());
    transfer(&mut pair, 20_000);
    let mut doubted = 0;
    for _ in 0..50 {
        pair.send(Side::A, text(20_000));
        doubted += usize::from(complain(&mut pair, 512) == TooBig::Doubted);
        pair.run_for(Duration::from_secs(1));
    }
    assert_eq!((pair.info().snd_mss, pair.info().retransmissions), (1448, 0));
    assert_eq!(doubted, 50);
}

//= rfc5927#7.2-1
//= rfc8201#4-6
//= rfc1191#3-4
//= rfc8201#5.2-3
#[test]
fn a_path_that_has_become_narrower_is_believed_once_the_timer_has_expired() {
    let mut pair = Pair::established_with(wide(), wide());
    transfer(&mut pair, 20_000);
    black_hole(&mut pair, 1240);
    pair.send(Side::A, text(20_000));
    assert_eq!(complain(&mut pair, 1240), TooBig::Doubted);
    pair.run_for(Duration::from_secs(2));
    assert_eq!(pair.b.received.len(), 40_000);
    assert_eq!((pair.info().snd_mss, pair.info().timeouts), (1228, 1));
}

/// The path has become narrower, and a long message was sent.
fn narrowed(congestion: Algorithm) -> Pair {
    let mut pair = Pair::established_with(Config { congestion, nodelay: true, ..wide() }, wide());
    transfer(&mut pair, 20_000);
    pair.run_for(Duration::from_millis(100));
    black_hole(&mut pair, 1240);
    pair.log.clear();
    pair.send(Side::A, text(1448));
    pair
}

/// Short messages follow, which arrive, and put the timeout off, for so many milliseconds.
fn chat(pair: &mut Pair, millis: usize) {
    for _ in 0..millis / 5 {
        pair.send(Side::A, text(100));
        pair.run_for(Duration::from_millis(5));
    }
}

/// How often the message was sent whole.
fn times_sent_whole(pair: &Pair) -> usize {
    let first = pair.log[0].segment.seq;
    pair.log.iter().filter(|sent| sent.segment.seq == first && size(sent) > 1240).count()
}

/// BBR's window lets the short ones pass by; the others wait for the first segment, and for the timeout.
//= rfc4821#7.7-1
//= rfc8899#4.3-1
#[test]
fn a_black_hole_for_long_segments_alone_is_found_though_short_ones_arrive() {
    let mut pair = narrowed(Algorithm::BBR);
    chat(&mut pair, 500);
    let info = pair.info();
    assert_eq!((times_sent_whole(&pair), info.timeouts, info.snd_mss), (4, 0, 1024 - 12), "{info:?}");
    transfer(&mut pair, 100);
}

//= rfc5927#7.2-1
#[test]
fn a_claim_is_believed_once_what_it_is_about_was_lost_again() {
    for algorithm in [Algorithm::NEWRENO, Algorithm::CUBIC, Algorithm::BBR] {
        let mut pair = narrowed(algorithm);
        assert_eq!(complain(&mut pair, 1240), TooBig::Doubted);
        chat(&mut pair, 500);
        let info = pair.info();
        assert_eq!((times_sent_whole(&pair), info.timeouts), (2, 0), "{algorithm:?}: {info:?}");
        assert_eq!(info.snd_mss, 1228);
        transfer(&mut pair, 100);
    }
}

/// An error about a probe costs neither a timeout nor a part of the window.
//= rfc4821#7.6.2-3
//= rfc8201#5.4-4
#[test]
fn an_error_about_a_probe_ends_the_search_at_once() {
    let always = Config { mtu_probing: MtuProbing::Always, ..wide() };
    let mut pair = Pair::established_with(always, wide());
    assert_eq!(pair.info().snd_mss, 1024 - 12);
    black_hole(&mut pair, 1240);
    pair.send(Side::A, text(100_000));
    assert!(pair.run_until(Duration::from_secs(1), |pair| segments_longer_than(pair, 1240) > 0));
    let probe = pair.log.iter().find(|sent| size(sent) > 1240).unwrap().segment.seq;
    let now = pair.clock();
    assert_eq!(pair.a.tcb.on_packet_too_big(now, probe, 1240), Ok(TooBig::Probe));
    pair.settle();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.b.received.len(), 100_000);
    let info = pair.info();
    assert_eq!((info.snd_mss, info.timeouts, info.fast_recoveries, info.ssthresh), (1228, 0, 0, u32::MAX));
    assert_eq!(segments_longer_than(&pair, 1240), 1);
}

//= rfc4821#7.2-3
//= rfc4821#7.6.1-1
//= rfc4821#4-8
//= rfc4821#4-11
//= rfc4821#5.1-1
//= rfc4821#7.2-2
//= rfc4821#7.5-1
//= rfc4821#10.1-1
#[test]
fn probing_from_the_start_begins_small_and_grows_without_loss() {
    let always = Config { mtu_probing: MtuProbing::Always, ..wide() };
    let mut pair = Pair::established_with(always, wide());
    let cwnd = pair.info().cwnd;
    pair.send(Side::A, text(100_000));
    assert!(pair.run_until(Duration::from_secs(1), |pair| pair.info().snd_mss == 1448));
    assert!(cwnd <= 10 * 1012);
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.b.received.len(), pair.info().retransmissions), (100_000, 0));
}

//= rfc4821#7.4-1
//= rfc4821#7.4-2
#[test]
fn a_probe_waits_for_text_enough_to_follow_it() {
    let mut pair = Pair::established_with(wide(), wide());
    black_hole(&mut pair, 1240);
    pair.send(Side::A, text(1448));
    assert_eq!(complain(&mut pair, 1240), TooBig::Believed);
    pair.run_for(Duration::from_mins(11));
    pair.filter = Box::new(|_| Fate::Arrives);
    pair.log.clear();
    for _ in 0..20 {
        transfer(&mut pair, 4000);
    }
    assert_eq!(segments_longer_than(&pair, 1240), 0);
    transfer(&mut pair, 1448 + 3 * 1228);
    assert_eq!(segments_longer_than(&pair, 1240), 1);
}

//= rfc8201#5.4-5
//= rfc8201#5.4-2
#[test]
fn what_is_announced_is_what_can_be_received_whatever_the_path_takes() {
    let now = sockeye_wire::Instant::from_millis(10_000);
    let mut pair = Pair::opening(wide(), Config { mss: 1300, ..wide() });
    pair.a.tcb.learn_path(PathMss { octets: 1240, doubted_at: now });
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.log[0].segment.options.mss, Some(1460));
    transfer(&mut pair, 100_000);
    assert_eq!(pair.info().snd_mss, 1300 - 12, "not more than the peer takes, though the path would");
    assert_eq!(segments_longer_than(&pair, 1300), 0);
}

#[test]
fn without_probing_a_black_hole_stays_one() {
    let off = Config { mtu_probing: MtuProbing::Off, ..wide() };
    let mut pair = Pair::established_with(off, wide());
    black_hole(&mut pair, 1240);
    pair.send(Side::A, text(20_000));
    pair.run_for(Duration::from_mins(2));
    assert_eq!((pair.b.received.len(), pair.info().snd_mss), (0, 1448));
}

/// An outage looks like a black hole: whoever fell into one that was none finds the way back at once.
#[test]
fn an_outage_costs_the_length_of_segments_only_for_a_moment() {
    let mut pair = Pair::established_with(wide(), wide());
    transfer(&mut pair, 20_000);
    pair.filter = Box::new(|_| Fate::Lost);
    pair.send(Side::A, text(20_000));
    pair.run_for(Duration::from_secs(5));
    assert_eq!(pair.info().snd_mss, 1024 - 12);
    pair.filter = Box::new(|_| Fate::Arrives);
    pair.run_for(Duration::from_secs(20));
    assert_eq!(pair.b.received.len(), 40_000);
    transfer(&mut pair, 50_000);
    transfer(&mut pair, 50_000);
    assert_eq!(pair.info().snd_mss, 1448);
}

//= rfc8201#5.2-2
//= rfc8899#3-13
#[test]
fn what_another_connection_has_learnt_is_taken_up_unless_it_is_disproved() {
    let path = |now| PathMss { octets: 1240, doubted_at: now };
    let mut pair = Pair::established_with(wide(), wide());
    let now = pair.now;
    pair.a.tcb.learn_path(path(now + Duration::from_mins(10)));
    assert_eq!(pair.info().snd_mss, 1228);
    assert_eq!(pair.a.tcb.path_mss(), Some(path(now + Duration::from_mins(10))));
    let mut pair = Pair::established_with(wide(), wide());
    transfer(&mut pair, 20_000);
    pair.a.tcb.learn_path(path(now));
    assert_eq!((pair.info().snd_mss, pair.a.tcb.path_mss()), (1448, None));
}

/// What is outstanding fits: nothing is lost by it, and the tail is probed as ever.
//= rfc8985#7.2-1
#[test]
fn a_path_that_is_learnt_to_be_narrow_leaves_a_short_flight_alone() {
    let mut pair = Pair::established_with(wide(), wide());
    pair.lose(&[0]);
    pair.send(Side::A, text(100));
    pair.a.tcb.learn_path(PathMss { octets: 1240, doubted_at: pair.now + Duration::from_mins(10) });
    pair.run_for(Duration::from_secs(2));
    let info = pair.info();
    assert_eq!((info.snd_mss, info.tail_probes, info.timeouts, pair.b.received.len()), (1228, 1, 0, 100));
}

//= rfc4821#4-10
#[test]
fn a_clamp_bounds_what_is_announced_and_what_is_sent() {
    let clamped = Config { max_mss: Some(800), ..wide() };
    let mut pair = Pair::opening(clamped, wide());
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.log[0].segment.options.mss, Some(800));
    pair.send(Side::A, text(20_000));
    pair.send(Side::B, text(20_000));
    pair.run_for(Duration::from_secs(1));
    assert!(pair.log.iter().all(|sent| size(sent) <= 800));
    assert_eq!((pair.a.received.len(), pair.b.received.len()), (20_000, 20_000));
}

/// Thousands of paths, each with a width, losses and a mind of its own: whatever is probed, every octet arrives once and in
/// order.
//= rfc8899#3-15
//= rfc8899#3-16
//= rfc8899#4.1-2
#[test]
fn every_octet_arrives_over_every_path() {
    let seeds = std::env::var("SEED").map_or(0..300, |seed| seed.parse().map(|seed: u64| seed..seed + 1).unwrap());
    for seed in seeds {
        let mut random = Random(seed);
        let probing = [MtuProbing::OnBlackHole, MtuProbing::Always][usize::from(random.chance(500))];
        let (sack, timestamps) = (random.chance(700), random.chance(700));
        let with = Config { mtu_probing: probing, sack, timestamps, ..wide() };
        let mut pair = Pair::established_with(with.clone(), with);
        let width = 524 + usize::try_from(random.below(1000)).unwrap();
        let loss = random.below(30);
        pair.limit = if random.chance(500) { 65_536 } else { 0 };
        pair.filter = Box::new(move |sent| {
            let lost = size(sent) > width || random.chance(loss);
            if lost { Fate::Lost } else { Fate::Arrives }
        });
        let expected = text(200_000);
        pair.send(Side::A, expected.clone());
        let whole = pair.run_until(Duration::from_mins(10), |pair| pair.b.received.len() == expected.len());
        let replay = format!("replay: SEED={seed} cargo test -p sockeye-tcb every_octet_arrives_over_every_path");
        assert!(whole && pair.b.received == expected, "{:?}\n{replay}", pair.info());
    }
}

/// A segment is lost again and again, and RACK finds that among the ACKs of others that are as long.
//= rfc4821#7.7-1
#[test]
fn losses_found_while_acks_come_are_no_black_hole() {
    let mut pair = Pair::established_with(wide(), wide());
    transfer(&mut pair, 20_000);
    let mut losses = 0;
    let mut doomed = None;
    pair.filter = Box::new(move |sent| {
        let is_text = sent.from == Side::A && !sent.segment.payload.is_empty();
        let lost = is_text && losses < 6 && *doomed.get_or_insert(sent.segment.seq) == sent.segment.seq;
        losses += u32::from(lost);
        if lost { Fate::Lost } else { Fate::Arrives }
    });
    transfer(&mut pair, 1_000_000);
    let info = pair.info();
    assert_eq!((info.timeouts, info.snd_mss), (0, 1448), "{info:?}");
    let shorter = pair.sent_by(Side::A).iter().filter(|segment| segment.payload.len() == 1024 - TIMESTAMPS).count();
    assert_eq!(shorter, 0, "nor was it for a while");
    assert!(info.retransmissions >= 6, "{info:?}");
}
