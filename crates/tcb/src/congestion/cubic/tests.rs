//! The window over time, by virtual seconds.

use super::*;
use crate::congestion::toy::Toy;

const START: Instant = Instant::from_millis(5000);

fn at(seconds: f64) -> Instant {
    START + Duration::from_secs_f64(seconds)
}

/// In congestion avoidance, with a window of `segments` of 1000 octets when it was reduced.
fn reduced(segments: u32) -> Cubic {
    let mut cubic = Cubic::new(10);
    cubic.set_mss(1000);
    cubic.curve.cwnd = segments * 1000;
    cubic.on_loss(START, segments * 1000);
    cubic.on_recovered(START, segments * 700);
    cubic
}

fn ack(now: Instant, newly_acked: u32, rtt: Duration) -> AckSample {
    AckSample { now, newly_acked, rtt: Some(rtt), srtt: Some(rtt), ..AckSample::default() }
}

/// Acknowledges a window each `rtt`, segment by segment, from `from` to `to` seconds.
fn run(cubic: &mut Cubic, from: f64, to: f64, rtt: f64) {
    let mut now = from;
    while now < to {
        let segments = cubic.cwnd() / 1000;
        for _ in 0..segments {
            now += rtt / f64::from(segments);
            cubic.on_ack(&ack(at(now), 1000, Duration::from_secs_f64(rtt)));
        }
    }
}

#[test]
fn cube_roots_are_exact() {
    for root in [0, 1, 2, 1000, 4_217_163, (1 << 40) - 1] {
        let cube = u128::from(root).pow(3);
        assert_eq!(cube_root(cube), root);
        assert_eq!(cube_root(cube + 1), root.max(u64::from(root == 0)));
    }
}

//= rfc9438#4.6-2
//= rfc9438#4.6-3
//= rfc9438#4.6-1
#[test]
fn a_loss_leaves_seven_tenths_and_at_least_two_segments() {
    let cubic = reduced(100);
    assert_eq!((cubic.cwnd(), cubic.ssthresh()), (70_000, 70_000));
    let cubic = reduced(2);
    assert_eq!((cubic.cwnd(), cubic.ssthresh()), (2000, 2000));
}

/// Seventeen ninths of a window below the old one make a segment, and one window above; what is left over counts for both.
//= rfc9438#4.3-4
//= rfc9438#4.3-5
#[test]
fn the_estimate_grows_by_no_more_than_a_segment_a_window_as_it_passes_the_old_one() {
    let mut epoch = Epoch { start: START, k: 0, estimate: 9000, estimate_rest: 0, rest: 0 };
    epoch.grow_estimate(33_000, 9000, 10_000, 1000);
    assert_eq!(epoch.estimate, 10_000);
    epoch.grow_estimate(1000, 9000, 10_000, 1000);
    assert_eq!(epoch.estimate, 11_000);
}

/// `W_max` = 100 and a window of 70 segments: K = (30 / 0.4)^(1/3) = 4.217163 s.
//= rfc9438#4.2-1
//= rfc9438#4.2-2
//= rfc9438#5.1-1
//= rfc9438#4.1-1
#[test]
fn the_curve_is_that_of_equations_1_and_2() {
    let mut cubic = reduced(100);
    cubic.on_ack(&ack(START, 1, Duration::from_millis(1)));
    let epoch = cubic.curve.epoch.clone().unwrap();
    assert_eq!(epoch.k, 4_217_163);
    let window = |seconds: u64| cubic.curve.window(&epoch, seconds * 1_000_000, 1000);
    assert_eq!(window(0), 70_001, "100 - 0.4 * 4.217163^3 = 70; the rest is cut off towards W_max");
    assert_eq!(window(2), 95_641, "100 - 0.4 * 2.217163^3 = 95.640");
    assert_eq!(window(4), 99_996, "100 - 0.4 * 0.217163^3 = 99.996");
    assert_eq!(window(7), 108_620, "100 + 0.4 * 2.782837^3 = 108.620");
}

//= rfc9438#4.2-5
//= rfc9438#4.4-1
//= rfc9438#4.5-1
#[test]
fn the_window_follows_the_curve_through_both_regions() {
    let mut cubic = reduced(1000); // K = (300 / 0.4)^(1/3) = 9.086 s
    run(&mut cubic, 0.0, 9.0, 0.1);
    assert!((985_000..=1_000_100).contains(&cubic.cwnd()), "{}", cubic.cwnd());
    assert_eq!(cubic.details().phase, "concave");
    run(&mut cubic, 9.0, 13.0, 0.1);
    assert_eq!(cubic.details().phase, "convex");
    // 1000 + 0.4 * 4^3 = 1024, a round trip ahead.
    assert!((1_020_000..=1_030_000).contains(&cubic.cwnd()), "{}", cubic.cwnd());
}

//= rfc9438#4.2-3
#[test]
fn the_window_never_grows_by_more_than_half_in_a_round_trip() {
    let mut cubic = reduced(100);
    cubic.on_ack(&ack(START, 1000, Duration::from_millis(100)));
    let before = cubic.cwnd();
    cubic.on_ack(&ack(at(1000.0), before, Duration::from_secs(10)));
    assert_eq!(cubic.cwnd(), before + before / 2);
}

/// Ten segments at 10 ms: the curve needs seconds where Reno, at 0.529 segments a round trip, takes tenths of one.
//= rfc9438#4.3-1
//= rfc9438#4.3-2
//= rfc9438#4.3-3
//= rfc9438#4.3-5
//= rfc9438#4.2-6
//= rfc9438#4.2-3
#[test]
fn an_ack_of_many_windows_leads_to_the_target_and_not_beyond() {
    let mut cubic = reduced(100);
    run(&mut cubic, 1.0, 20.0, 0.1);
    let before = cubic.cwnd();
    cubic.on_ack(&ack(at(30.0), 20 * before, Duration::from_millis(100)));
    assert_eq!(cubic.cwnd(), before + before / 2, "far below the curve by then: half as much again");
}

#[test]
fn where_reno_is_faster_the_window_is_renos() {
    let mut cubic = reduced(10);
    run(&mut cubic, 0.0, 0.04, 0.01);
    assert_eq!(cubic.cwnd(), 9000, "7 + 4 * 0.529 = 9.1 segments, whole ones");
    assert_eq!(cubic.details().phase, "reno-friendly");
}

//= rfc9438#4.3-4
#[test]
fn beyond_the_old_window_the_estimate_grows_by_a_segment_a_round_trip() {
    let mut cubic = reduced(10);
    run(&mut cubic, 0.0, 0.06, 0.01);
    assert_eq!(cubic.cwnd(), 10_000, "6 round trips at 0.529");
    run(&mut cubic, 0.06, 0.11, 0.01);
    assert_eq!(cubic.cwnd(), 15_000, "and 5 at 1");
}

//= rfc9438#4.7-1
#[test]
fn a_window_that_did_not_reach_its_last_plateau_aims_lower_next_time() {
    let mut cubic = reduced(100);
    assert_eq!(cubic.curve.max, 100_000);
    cubic.on_loss(START, 70_000);
    assert_eq!((cubic.cwnd(), cubic.curve.max), (49_000, 59_500)); // 70 * (1 + 0.7) / 2
}

//= rfc8511#3-1
//= rfc8511#3.1-1
//= rfc8511#4-1
//= rfc9438#4.6-5
#[test]
fn a_mark_takes_less_but_in_slow_start_and_goes_down_to_one_segment() {
    let mut cubic = Cubic::new(10);
    for (ssthresh, left) in [(u32::MAX, 7000), (10_000, 7000), (9000, 8500)] {
        cubic = Cubic::new(10);
        cubic.set_mss(1000);
        cubic.curve.ssthresh = ssthresh;
        cubic.on_ecn(START, 10_000);
        assert_eq!((cubic.cwnd(), cubic.ssthresh()), (left, left), "{ssthresh}");
    }
    (0..20).for_each(|_| cubic.on_ecn(START, cubic.cwnd()));
    assert_eq!((cubic.cwnd(), cubic.ssthresh()), (1000, 2000));
}

//= rfc9438#4.8-1
//= rfc9438#4.8-2
//= rfc9438#4.8-3
#[test]
fn after_a_timeout_slow_start_leads_to_the_threshold_and_the_curve_begins_there() {
    let mut cubic = reduced(100);
    cubic.on_timeout(START, 70_000, false);
    assert_eq!((cubic.cwnd(), cubic.ssthresh()), (1000, 49_000));
    cubic.on_timeout(START, 1000, true);
    assert_eq!((cubic.cwnd(), cubic.ssthresh()), (1000, 49_000), "the threshold is lowered once");
    cubic.on_ack(&ack(at(0.1), 5000, Duration::from_millis(100)));
    assert_eq!(cubic.cwnd(), 2000, "one segment an ACK");
    (0..48).for_each(|_| cubic.on_ack(&ack(at(0.2), 1000, Duration::from_millis(100))));
    let epoch = cubic.curve.epoch.clone().unwrap();
    assert_eq!((cubic.curve.max, epoch.k, epoch.estimate), (49_000, 0, 49_000));
}

//= rfc9438#4.9.2-1
//= rfc9438#4.9.2-2
//= rfc9438#4.9.2-3
//= rfc9438#4.9.1-1
#[test]
fn a_reduction_without_a_loss_is_undone_unless_the_window_is_larger_already() {
    let mut cubic = reduced(100);
    run(&mut cubic, 0.0, 1.0, 0.1);
    let before = cubic.clone();
    cubic.on_loss(at(1.1), cubic.cwnd());
    cubic.undo(at(1.2));
    assert_eq!((cubic.cwnd(), cubic.ssthresh()), (before.cwnd(), before.ssthresh()));
    assert_eq!(cubic.curve.epoch.clone().unwrap().start, before.curve.epoch.unwrap().start);
    cubic.on_loss(at(1.3), cubic.cwnd());
    run(&mut cubic, 1.3, 60.0, 0.1);
    let grown = cubic.cwnd();
    cubic.undo(at(60.0));
    assert_eq!(cubic.cwnd(), grown);
}

//= rfc9438#4.2-4
//= rfc9438#5.8-1
//= rfc9438#4.6-4
#[test]
fn time_in_which_the_application_sends_little_does_not_count() {
    let mut busy = reduced(100);
    let mut pausing = busy.clone();
    run(&mut busy, 0.0, 4.0, 0.1);
    run(&mut pausing, 0.0, 2.0, 0.1);
    let before = pausing.cwnd();
    for tenth in 0..36_000 {
        let sample = AckSample { app_limited: true, ..ack(at(2.0 + f64::from(tenth) / 10.0), 1000, Duration::ZERO) };
        pausing.on_ack(&sample);
    }
    assert_eq!(pausing.cwnd(), before);
    run(&mut pausing, 3602.0, 3604.0, 0.1);
    assert!(pausing.cwnd().abs_diff(busy.cwnd()) < 1000, "{} and {}", pausing.cwnd(), busy.cwnd());
}

/// Where segments are merged on the way one ACK may tell of a whole flight: nothing is in flight when the next begins, and yet
/// no time passes unused.
//= rfc9438#4.2-4
#[test]
fn round_trips_that_a_single_ack_ends_count() {
    let mut cubic = reduced(100);
    for second in 0..6 {
        cubic.on_sent(at(f64::from(second)), 0, 1000, false);
        let whole = cubic.cwnd();
        cubic.on_ack(&ack(at(f64::from(second + 1)), whole, Duration::from_secs(1)));
    }
    // K is 4.2 s, the first of them that of the ACK with which the curve begins.
    assert!((100_000..105_000).contains(&cubic.cwnd()), "{}", cubic.cwnd());
}

/// FIELD D51.
//= rfc9438#4.2-4
#[test]
fn an_hour_of_silence_and_round_trips_of_a_microsecond_and_of_ten_seconds_do_no_harm() {
    let mut cubic = reduced(100);
    run(&mut cubic, 0.0, 2.0, 0.1);
    let before = cubic.cwnd();
    cubic.on_sent(at(3602.0), 0, 1000, false);
    cubic.on_ack(&ack(at(3602.1), 1000, Duration::from_millis(100)));
    assert!(cubic.cwnd() - before < 1000, "{before} became {}", cubic.cwnd());
    for rtt in [Duration::from_micros(1), Duration::from_secs(10)] {
        for segments in [2, 100, 1_000_000] {
            let mut cubic = reduced(segments);
            let mut now = START;
            for _ in 0..100_000 {
                now += rtt / 10;
                cubic.on_ack(&ack(now, 1000, rtt));
                assert!((cubic.mss..=MAX_WINDOW).contains(&cubic.cwnd()));
            }
        }
    }
}

//= rfc9406#4.3-4
//= rfc9438#4.10-2
//= rfc9438#4.10-3
//= rfc9438#4.10-1
#[test]
fn slow_start_that_hystart_ends_leaves_no_plateau_to_climb_to() {
    let mut cubic = Cubic::new(10);
    cubic.set_mss(1000);
    let (mut now, mut delivered) = (0.0, 0);
    for round in 0..8 {
        let prior_delivered = delivered;
        for _ in 0..cubic.cwnd() / 1000 {
            delivered += 1000;
            now += 0.001;
            let rtt = Duration::from_millis(if round < 2 { 50 } else { 80 });
            cubic.on_ack(&AckSample { delivered, prior_delivered, ..ack(at(now), 1000, rtt) });
        }
    }
    // 40 when round trips grow; the first 7 ACKs of that round count whole, and then the window stands still.
    assert_eq!(cubic.ssthresh(), 47_000);
    let epoch = cubic.curve.epoch.clone().unwrap();
    assert_eq!((epoch.k, cubic.curve.max), (0, cubic.ssthresh()));
}

/// `AVG_AIMD` of alpha and 0.7 is that of 1 and 0.5: alpha * (1 + beta) / (2 * (1 - beta)) is 3/2.
//= rfc9438#4.3-6
#[test]
fn alpha_makes_the_mean_window_that_of_reno() {
    let (plus, minus) = (u64::from(BETA.1 + BETA.0), u64::from(BETA.1 - BETA.0));
    assert_eq!(2 * ALPHA.0 * plus, 3 * ALPHA.1 * 2 * minus);
}

/// The mean window at a loss every 1/p segments is 1.054 * RTT^(3/4) / p^(3/4), less what fast convergence takes, which
/// the equation leaves out.
//= rfc9438#5-1
#[test]
#[expect(clippy::cast_precision_loss, reason = "these are small")]
fn the_mean_window_is_that_of_equation_7() {
    for (interval, rtt) in [(10_000_u32, 0.1), (100_000, 0.1), (10_000, 0.2)] {
        let mut cubic = reduced(200);
        let (mut now, mut sum, mut samples) = (0.0, 0.0, 0_u64);
        for cycle in 0..60 {
            for _ in 0..interval {
                let step = rtt * 1000.0 / f64::from(cubic.cwnd());
                now += step;
                cubic.on_ack(&ack(at(now), 1000, Duration::from_secs_f64(rtt)));
                if cycle >= 20 {
                    sum += 1.0 / (f64::from(cubic.cwnd()) / 1000.0);
                    samples += 1;
                }
            }
            cubic.on_loss(at(now), cubic.cwnd());
        }
        let mean = samples as f64 / sum;
        let expected = 1.054 * rtt.powf(0.75) * f64::from(interval).powf(0.75);
        assert!((mean / expected - 1.0).abs() < 0.12, "1/p {interval}, RTT {rtt}: {mean} for {expected}");
    }
}

/// 100 Mbit/s and 40 ms, a queue of a BDP and of a tenth.
#[test]
fn a_clean_path_is_filled_and_slow_start_ends_before_it_loses_much() {
    for (bdps, least) in [(100, 98), (10, 90)] {
        let mut toy = Toy::new(Box::new(Cubic::new(10)), 12_500_000, Duration::from_millis(40), bdps);
        toy.run(Duration::from_secs(2));
        let (lost, sent) = (toy.lost, toy.sent);
        assert!(lost * 100 <= sent * 4, "{lost} of {sent} lost");
        let percent = toy.utilization(Duration::from_secs(60));
        assert!(percent >= least, "{percent} % with {bdps} % of a BDP");
    }
}

/// The path proves wider while a timeout has left a window of one segment: RFC 5681's loss window is one of those that leave
/// now, which is more than RFC 4821 section 4 grants.
#[test]
fn a_window_of_one_segment_has_room_for_a_longer_one() {
    let mut cubic = Cubic::new(10);
    cubic.set_mss(1000);
    cubic.on_timeout(Instant::ZERO, 10_000, false);
    cubic.set_mss(1228);
    assert_eq!(cubic.cwnd(), 1228);
}

/// A window of 100 segments that Reno grows; then the path proves to take 500 octets of 1000.
//= rfc4821#4-9
#[test]
fn shorter_segments_are_no_more_of_them_in_the_round_trips_that_follow_either() {
    let mut cubic = reduced(100);
    run(&mut cubic, 0.0, 1.0, 0.01);
    let segments = cubic.cwnd() / 1000;
    cubic.set_mss(500);
    for round in 100..102 {
        let now = at(f64::from(round) / 100.0);
        (0..segments).for_each(|_| cubic.on_ack(&ack(now, 500, Duration::from_millis(10))));
    }
    let grown = cubic.cwnd() / 500;
    assert!(grown <= segments + 4, "{segments} segments have become {grown}");
    cubic.undo(at(2.0));
    assert!(cubic.cwnd() <= 500 * grown.max(100), "{}", cubic.cwnd());
}

/// FIELD D51.
//= rfc9438#4.3-2
#[test]
fn congestion_avoidance_after_an_idle_restart_begins_where_slow_start_ends() {
    let mut cubic = reduced(100);
    run(&mut cubic, 0.0, 2.0, 0.1);
    cubic.on_idle(at(60.0));
    let mut now = 60.0;
    while cubic.cwnd() < cubic.ssthresh() {
        cubic.on_ack(&ack(at(now), 1000, Duration::from_millis(100)));
        now += 0.01;
    }
    let before = cubic.cwnd();
    cubic.on_ack(&ack(at(now), 1000, Duration::from_millis(100)));
    assert!(cubic.cwnd() <= before + 100, "{} after {before}: not to where the curve was by then", cubic.cwnd());
    assert!(cubic.curve.epoch.as_ref().is_some_and(|epoch| epoch.start > at(60.0)));
}

/// After a loss at eight segments no restart takes anything from that, and silence doesn't count.
//= rfc5681#4.1-1
//= rfc9438#4.2-4
#[test]
fn an_idle_restart_that_has_nothing_to_cut_leaves_the_curve_alone() {
    let mut cubic = reduced(8);
    run(&mut cubic, 0.0, 0.5, 0.1);
    assert!(cubic.cwnd() < 10_000);
    let before = (cubic.cwnd(), cubic.ssthresh(), cubic.curve.epoch.as_deref().map(|epoch| epoch.k));
    cubic.on_idle(at(60.0));
    assert_eq!((cubic.cwnd(), cubic.ssthresh(), cubic.curve.epoch.as_deref().map(|epoch| epoch.k)), before);
}
