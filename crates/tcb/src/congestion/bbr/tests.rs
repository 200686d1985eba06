//! BBR on a path of a few lines: that it finds what there is, follows what changes, and gives back what was none.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::*;
use crate::congestion::toy::Toy;

const SECOND: Duration = Duration::from_secs(1);

/// 10 MB/s and 40 ms: 400 segments in flight.
fn toy(bdps: u64) -> Toy {
    Toy::new(Box::new(Bbr::new(10)), 10_000_000, Duration::from_millis(40), bdps)
}

/// The phases that come one after the other in steps of a millisecond.
fn phases(toy: &mut Toy, millis: u64) -> Vec<&'static str> {
    let mut phases = Vec::new();
    for _ in 0..millis {
        toy.run(Duration::from_millis(1));
        phases.push(toy.algorithm.details().phase);
    }
    phases.dedup();
    phases
}

/// Runs until a phase that is `awaited`, for ten seconds at most.
fn run_until(toy: &mut Toy, awaited: impl Fn(&str) -> bool) {
    for _ in 0..10_000 {
        if awaited(toy.algorithm.details().phase) {
            return;
        }
        toy.run(Duration::from_millis(1));
    }
    panic!("{:?}", toy.algorithm.details());
}

//= draft-ietf-ccwg-bbr-05#5.2.3-1
//= draft-ietf-ccwg-bbr-05#5.3.2-1
//= draft-ietf-ccwg-bbr-05#5.6.4-4
#[test]
fn it_finds_the_rate_within_a_second_and_the_queue_is_empty_then() {
    let mut toy = toy(400);
    let phases = phases(&mut toy, 1000);
    assert!(phases[..2] == ["startup", "drain"] && phases[2].starts_with("probe bw"), "{phases:?}");
    let details = toy.algorithm.details();
    assert!(details.bandwidth.abs_diff(toy.rate) < toy.rate / 50, "{details:?}");
    assert!(details.min_rtt.abs_diff(toy.rtt) < Duration::from_millis(1), "{details:?}");
    assert!(toy.utilization(10 * SECOND) >= 95);
    assert!(toy.median_queue() <= 200_000, "{} octets, of 400,000 in flight", toy.median_queue());
    assert_eq!(toy.lost, 0);
}

//= draft-ietf-ccwg-bbr-05#5.3.3-1
//= draft-ietf-ccwg-bbr-05#5.3.3-2
//= draft-ietf-ccwg-bbr-05#5.3.3-3
//= draft-ietf-ccwg-bbr-05#5.3.3-4
//= draft-ietf-ccwg-bbr-05#5.3.3-6
#[test]
fn the_cycle_goes_down_cruises_refills_and_probes() {
    let mut toy = toy(400);
    toy.run(2 * SECOND);
    let phases = phases(&mut toy, 4000);
    let cycle = ["probe bw: cruise", "probe bw: refill", "probe bw: up", "probe bw: down"];
    assert!(phases.windows(4).any(|window| window == cycle), "{phases:?}");
}

//= draft-ietf-ccwg-bbr-05#5.3.4-1
//= draft-ietf-ccwg-bbr-05#5.3.4-5
//= draft-ietf-ccwg-bbr-05#5.6.4-3
#[test]
fn a_round_trip_that_stays_longer_is_looked_into_with_half_in_flight() {
    let mut toy = toy(400);
    toy.run(2 * SECOND);
    toy.rtt += Duration::from_millis(5);
    let mut probes = 0;
    let mut least = u32::MAX;
    for _ in 0..8000 {
        let before = toy.algorithm.details().phase;
        toy.run(Duration::from_millis(1));
        if toy.algorithm.details().phase == "probe rtt" {
            probes += u32::from(before != "probe rtt");
            least = least.min(toy.algorithm.cwnd());
        }
    }
    assert_eq!(probes, 1);
    assert!((180_000..=220_000).contains(&least), "{least}");
}

#[test]
fn who_empties_the_queue_in_each_cycle_is_spared_the_probe() {
    let mut toy = toy(400);
    assert!(!phases(&mut toy, 20_000).contains(&"probe rtt"));
}

/// A round trip that loses a hundredth costs a hundredth until the next probe, some 60 round trips later (section
/// 5.3.3.5.3): the rate falls to about a half, and is about three quarters in the mean.
#[test]
fn random_loss_below_the_threshold_costs_what_the_draft_says() {
    for (lose_every, least) in [(1009, 85), (101, 70)] {
        let mut toy = toy(100);
        toy.lose_every = lose_every;
        toy.run(3 * SECOND);
        let percent = toy.utilization(20 * SECOND);
        assert!(percent >= least, "1 in {lose_every}: {percent} %");
    }
}

//= draft-ietf-ccwg-bbr-05#5.5.10-1
//= draft-ietf-ccwg-bbr-05#5.6.4-5
#[test]
fn a_shallow_queue_is_learnt_by_its_losses() {
    let mut toy = toy(50);
    toy.run(5 * SECOND);
    let (sent, lost) = (toy.sent, toy.lost);
    assert!(toy.utilization(20 * SECOND) >= 85, "{:?}", toy.algorithm.details());
    let percent = (toy.lost - lost) * 100 / (toy.sent - sent);
    assert!(percent <= 2, "{percent} % lost");
}

//= draft-ietf-ccwg-bbr-05#5.3.3-7
#[test]
fn a_path_that_slows_down_and_recovers_is_followed() {
    let mut toy = toy(200);
    toy.run(5 * SECOND);
    toy.rate /= 4;
    toy.run(10 * SECOND);
    let details = toy.algorithm.details();
    assert!(details.bandwidth < toy.rate * 115 / 100, "{details:?}");
    toy.rate *= 4;
    toy.run(15 * SECOND);
    assert!(toy.utilization(5 * SECOND) >= 90, "{:?}", toy.algorithm.details());
}

//= draft-ietf-ccwg-bbr-05#5.3.4-6
#[test]
fn a_round_trip_that_grows_is_learnt() {
    let mut toy = toy(400);
    toy.run(5 * SECOND);
    toy.rtt = Duration::from_millis(120);
    toy.run(20 * SECOND);
    assert!(toy.algorithm.details().min_rtt >= Duration::from_millis(119));
    assert!(toy.utilization(10 * SECOND) >= 90, "{:?}", toy.algorithm.details());
}

#[test]
fn an_application_that_pauses_does_not_lower_the_estimate() {
    let mut toy = toy(200);
    toy.run(3 * SECOND);
    let before = toy.algorithm.details().bandwidth;
    for _ in 0..200 {
        toy.unsent = 20_000;
        toy.run(Duration::from_millis(100));
    }
    let after = toy.algorithm.details().bandwidth;
    assert!(after >= before * 9 / 10, "{before} became {after}");
}

//= draft-ietf-ccwg-bbr-05#5.5.11-1
//= draft-ietf-ccwg-bbr-05#5.6.4-2
#[test]
fn losses_that_were_none_give_back_what_they_took() {
    let mut toy = toy(400);
    toy.run(3 * SECOND);
    let before = toy.algorithm.cwnd();
    toy.algorithm.on_timeout(toy.now, before, false);
    assert_eq!(toy.algorithm.cwnd(), 1000);
    toy.algorithm.undo(toy.now);
    assert_eq!(toy.algorithm.cwnd(), before);
}

/// As in Linux, whose `CA_Loss` counts as a recovery: what the first timeout found is what comes back.
//= draft-ietf-ccwg-bbr-05#5.6.4-2
#[test]
fn the_window_comes_back_after_the_repair_of_two_timeouts() {
    let mut toy = toy(400);
    toy.run(3 * SECOND);
    let before = toy.algorithm.cwnd();
    toy.algorithm.on_timeout(toy.now, before, false);
    toy.algorithm.on_timeout(toy.now, 1000, true);
    toy.algorithm.on_timeout_recovered(toy.now);
    assert_eq!(toy.algorithm.cwnd(), before);
}

/// The bound that the first timeout set is not what was there before, and what the repair loses isn't either.
//= draft-ietf-ccwg-bbr-05#5.5.11-1
#[test]
fn two_timeouts_that_were_needless_leave_no_bound() {
    let mut toy = toy(400);
    toy.run(3 * SECOND);
    let before = toy.algorithm.cwnd();
    toy.algorithm.on_timeout(toy.now, before, false);
    assert_eq!(toy.algorithm.details().inflight_shortterm, Some(before));
    toy.algorithm.on_segment_lost(&LostSegment { now: toy.now, octets: 1000, ..LostSegment::default() });
    toy.algorithm.on_timeout(toy.now, 1000, true);
    toy.algorithm.undo(toy.now);
    assert_eq!(toy.algorithm.details().inflight_shortterm, None);
    assert_eq!(toy.algorithm.cwnd(), before);
}

/// Then there is nothing to give back, and yet the repair is over.
//= draft-ietf-ccwg-bbr-05#5.6.4-2
#[test]
fn the_window_comes_back_from_a_needless_timeout_also_where_a_mark_came() {
    let mut toy = toy(400);
    toy.run(3 * SECOND);
    let before = toy.algorithm.cwnd();
    toy.algorithm.on_timeout(toy.now, before, false);
    toy.algorithm.on_ecn(toy.now, 1000);
    toy.algorithm.undo(toy.now);
    assert_eq!(toy.algorithm.cwnd(), before);
}

/// What a narrower path refused is sent again with no timeout before: the window of an earlier recovery, or of before
/// `ProbeRTT`, is none to come back to.
//= rfc8201#5.4-3
#[test]
fn a_path_that_narrows_brings_back_no_old_window() {
    let narrow = |disturb: fn(&mut Bbr)| {
        let mut bbr = Bbr::new(10);
        bbr.set_mss(1000);
        bbr.cwnd = 64_000;
        disturb(&mut bbr);
        assert_eq!(bbr.cwnd(), 64_000);
        bbr.cwnd = 20_000;
        bbr.set_mss(500);
        bbr.on_timeout_recovered(Instant::from_millis(2000));
        assert_eq!(bbr.cwnd(), 10_000);
    };
    narrow(|bbr| {
        bbr.on_loss(Instant::ZERO, 64_000);
        bbr.on_recovered(Instant::ZERO, 64_000);
    });
    narrow(|bbr| {
        bbr.model.probe_rtt_expired = true;
        bbr.check_probe_rtt(&AckSample::default());
        assert_eq!(bbr.state, State::ProbeRtt);
        bbr.check_probe_rtt_done(Instant::from_millis(1000));
        assert_ne!(bbr.state, State::ProbeRtt);
    });
}

/// A black hole, found by timeouts: as many segments as before, and shorter ones.
//= rfc4821#4-9
#[test]
fn a_timeout_on_a_path_that_narrows_leaves_as_many_segments_to_come_back_to() {
    let mut bbr = Bbr::new(10);
    bbr.set_mss(1000);
    bbr.cwnd = 64_000;
    bbr.on_timeout(Instant::ZERO, 64_000, false);
    bbr.set_mss(500);
    bbr.on_timeout_recovered(Instant::ZERO);
    assert_eq!(bbr.cwnd(), 32_000);
}

/// While a timeout is repaired one loss in a window of few segments is more than 2 %, and the rate is that of the window: the
/// model holds.
#[test]
fn what_the_repair_of_a_timeout_meets_is_no_measure_of_the_path() {
    let mut toy = toy(400);
    toy.run(3 * SECOND);
    let (before, bandwidth) = (toy.algorithm.cwnd(), toy.algorithm.details().bandwidth);
    toy.algorithm.on_timeout(toy.now, before, false);
    toy.lose_every = 20;
    toy.recovers = false;
    toy.run(SECOND);
    let details = toy.algorithm.details();
    assert_eq!(details.inflight_longterm, None, "{details:?}");
    toy.lose_every = 0;
    toy.algorithm.on_timeout_recovered(toy.now);
    toy.run(5 * SECOND);
    assert!(toy.algorithm.details().bandwidth >= bandwidth * 95 / 100, "{:?}", toy.algorithm.details());
}

/// A mark and a loss of one round trip, and the loss proves to be none: what the mark took stays taken.
#[test]
fn a_mark_is_not_undone_with_a_loss_beside_it() {
    let lose = |marked: bool| {
        let mut toy = toy(400);
        toy.run(3 * SECOND);
        run_until(&mut toy, |phase| phase == "probe bw: up");
        toy.run(Duration::from_millis(10));
        let (now, flight) = (toy.now, toy.algorithm.cwnd() / 2);
        let lost =
            LostSegment { now, octets: 1000, tx_in_flight: flight, lost_since_sent: 1000, ..LostSegment::default() };
        toy.algorithm.on_segment_lost(&lost);
        toy.algorithm.on_loss(now, flight);
        if marked {
            toy.algorithm.on_ecn(now, flight);
        }
        toy.algorithm.undo(now);
        toy.algorithm.details().inflight_longterm
    };
    assert_eq!(lose(false), None);
    assert!(lose(true).is_some());
}

//= draft-ietf-ccwg-bbr-05#5.4.1-1
//= draft-ietf-ccwg-bbr-05#5.6.2-2
#[test]
fn after_a_silence_it_goes_on_at_the_rate_that_it_knows() {
    let mut toy = toy(400);
    toy.run(4 * SECOND);
    toy.unsent = 0;
    toy.run(3 * SECOND);
    let rate = toy.algorithm.details().bandwidth;
    toy.unsent = u64::MAX;
    toy.run(Duration::from_millis(1));
    assert_eq!(toy.algorithm.pacing_rate(), Some(rate * 100 / 100 * 99 / 100));
    let percent = toy.utilization(SECOND);
    assert!(percent >= 90, "{percent} %, {:?}", phases(&mut toy, 3));
}

/// 4 % are too much where they come in six places of a round trip, 1 % isn't.
//= draft-ietf-ccwg-bbr-05#5.3.1-3
#[test]
fn startup_ends_on_many_losses_in_a_round_trip() {
    let after_startup = |lose_every| {
        let mut toy = toy(400);
        toy.lose_every = lose_every;
        run_until(&mut toy, |phase| phase != "startup");
        (toy.algorithm.details().bandwidth, toy.algorithm.details().inflight_longterm)
    };
    let (bandwidth, bound) = after_startup(25);
    let bdp = u32::try_from(bandwidth * 40 / 1000).unwrap();
    assert!(bound.is_some_and(|bound| bound >= bdp), "{bound:?} of {bdp}");
    let (bandwidth, bound) = after_startup(101);
    assert!(bandwidth > 9_500_000 && bound.is_none(), "{bandwidth} {bound:?}");
}

/// A window of 64 segments, and a bound far below it.
//= draft-ietf-ccwg-bbr-05#5.3.3-5
#[test]
fn a_bound_that_is_used_up_grows_by_1_2_and_4_segments_a_round_trip() {
    let mut bbr = Bbr::new(10);
    bbr.set_mss(1000);
    bbr.cwnd = 64_000;
    bbr.filled_round = Some(0);
    bbr.model.inflight_longterm = 10_000;
    bbr.start_up(0);
    let (sample, rate) = (AckSample { newly_acked: 1000, ..AckSample::default() }, RateSample::default());
    let mut bounds = Vec::new();
    for _ in 0..3 {
        for ack in 1..=64 {
            bbr.model.round_start = ack == 64;
            bbr.adapt_long_term(&sample, &RateSample { tx_in_flight: 10_000, ..rate });
        }
        bounds.push(bbr.model.inflight_longterm);
    }
    assert_eq!(bounds, [11_000, 13_000, 17_000]);
}

//= draft-ietf-ccwg-bbr-05#5.6.3-1
//= draft-ietf-ccwg-bbr-05#5.6.3-2
#[test]
fn what_leaves_at_once_is_a_millisecond_long_two_segments_to_64_kib() {
    let mut bbr = Bbr::new(10);
    bbr.set_mss(1000);
    for (rate, octets) in [(1_000_000, 2000), (10_000_000, 10_000), (1_000_000_000, 65_536)] {
        bbr.pacing_rate = rate;
        assert_eq!(bbr.send_quantum(), Some(octets), "{rate}");
    }
}

//= draft-ietf-ccwg-bbr-05#5.6.4-1
#[test]
fn as_much_is_in_flight_as_the_path_holds_three_quanta_and_four_segments_at_least() {
    let mut bbr = Bbr::new(10);
    bbr.set_mss(1000);
    bbr.state = State::Cruise;
    bbr.model.min_rtt = Some(Duration::from_millis(40));
    bbr.pacing_rate = 1_000_000;
    assert_eq!(bbr.inflight(1_000_000, 100), 40_000);
    assert_eq!(bbr.inflight(1_000_000, 200), 80_000);
    assert_eq!(bbr.inflight(100_000, 100), 6000, "three of 2000");
    bbr.pacing_rate = 100_000_000;
    assert_eq!(bbr.inflight(1_000_000, 100), 3 * 65_536);
    bbr.state = State::Up;
    assert_eq!(bbr.inflight(1_000_000, 100), 3 * 65_536 + 2000);
}

//= draft-ietf-ccwg-bbr-05#2-1
//= draft-ietf-ccwg-bbr-05#5.3.1-1
//= draft-ietf-ccwg-bbr-05#5.6.2-1
#[test]
fn it_begins_at_the_initial_window_in_a_round_trip_times_its_gain() {
    let mut bbr = Bbr::new(10);
    bbr.set_mss(1000);
    assert_eq!(bbr.pacing_rate(), None);
    let srtt = Some(Duration::from_millis(100));
    bbr.on_ack(&AckSample { now: Instant::from_millis(5), newly_acked: 1000, srtt, ..AckSample::default() });
    assert_eq!(bbr.pacing_rate(), Some(277_000));
}
