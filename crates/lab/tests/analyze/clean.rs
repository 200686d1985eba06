//! Correct TCPs over bad paths: no problem may be named, from wherever one looks, and the figures are those of the path.

use std::time::Duration;

use sockeye_lab::analyze::Ending;
use sockeye_tcb::congestion::Algorithm;
use sockeye_tcb::{Buffer, Config};

use super::world::End::{A, B};
use super::world::{End, Random, World, config, problems};

/// Loss and reordering, each in a thousand.
fn bad_path(world: &mut World, seed: u64, loss: u64, late: u64) {
    let mut random = Random(seed);
    world.fate = Box::new(move |_, _, _| match () {
        () if random.chance(loss) => vec![],
        () if random.chance(late) => vec![Duration::from_millis(4)],
        () => vec![Duration::ZERO],
    });
}

fn transfer(world: &mut World, octets: usize) {
    world.send(A, octets);
    world.close(A);
    world.run_for(Duration::from_secs(120));
    world.close(B);
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.b.received, octets);
}

//= rfc2398#2.7-1
//= rfc2398#2.8-1
#[test]
fn a_transfer_over_a_bad_path_shows_no_problem() {
    let plain = config();
    let kinds = [
        config(),
        Config { congestion: Algorithm::NEWRENO, ..config() },
        Config { sack: false, ..config() },
        Config { timestamps: false, ..config() },
        Config { mss: 536, window_scaling: false, ..config() },
        Config { receive_buffer: Buffer::Fixed(20_000), ..config() },
    ];
    for seed in 0..60 {
        let loss = [0, 10, 30].into_iter().cycle().nth(seed % 3).unwrap();
        let late = if seed / 3 % 2 == 0 { 0 } else { 20 };
        for (kind, own) in kinds.iter().enumerate() {
            let mut world = World::new(own.clone(), if seed % 2 == 0 { plain.clone() } else { own.clone() });
            bad_path(&mut world, seed as u64, loss, late);
            transfer(&mut world, 300_000);
            for end in [A, B] {
                let report = world.report(end);
                assert_eq!(problems(&report), [], "seed {seed}, kind {kind}, captured at {end:?}");
                assert_eq!(report.connections.len(), 1);
                let connection = &report.connections[0];
                assert_eq!(connection.ending, Ending::Closed);
                assert_eq!(connection.directions[0].figures.octets_acked, 300_000);
            }
        }
    }
}

#[test]
fn what_was_lost_is_what_was_sent_again() {
    let mut world = World::new(config(), config());
    let mut count = 0;
    world.fate = Box::new(move |_, end, segment| {
        count += i32::from(end == A && !segment.payload.is_empty());
        if end == A && count == 40 && !segment.payload.is_empty() { vec![] } else { vec![Duration::ZERO] }
    });
    transfer(&mut world, 200_000);
    let at_a = world.report(A);
    let [sender, receiver] = &at_a.connections[0].directions;
    assert_eq!((sender.figures.fast, sender.figures.timeout, sender.figures.spurious), (1, 0, 0));
    assert!(receiver.figures.duplicate_acks > 3 && receiver.figures.sacks > 3);
    let at_b = world.report(B);
    let [sender, _] = &at_b.connections[0].directions;
    assert_eq!((sender.figures.retransmits(), sender.figures.gaps, sender.figures.out_of_order), (1, 1, 0));
}

#[test]
fn the_round_trip_is_that_of_the_path_seen_from_the_capture() {
    let mut world = World::new(config(), config());
    transfer(&mut world, 200_000);
    let median = |end, which: usize| {
        let report = world.report(end);
        report.connections[0].directions[which].figures.rtt.percentile(50).unwrap()
    };
    assert!(median(A, 0) >= Duration::from_millis(20), "from A to B and back");
    assert!(median(B, 0) < Duration::from_millis(20), "B is where the capture is");
    let handshake = world.report(A).connections[0].handshake;
    assert!(handshake.is_some_and(|took| took.as_millis() == 20), "{handshake:?}");
}

#[test]
fn a_slow_reader_closes_its_window_and_that_is_no_problem() {
    let mut world = World::new(config(), Config { receive_buffer: Buffer::Fixed(30_000), ..config() });
    world.b.reads = false;
    world.send(A, 100_000);
    world.close(A);
    world.run_for(Duration::from_secs(30));
    world.b.reads = true;
    world.run_for(Duration::from_secs(30));
    world.close(B);
    world.run_for(Duration::from_secs(30));
    for end in [A, B] {
        let report = world.report(end);
        assert_eq!(problems(&report), [], "{end:?}");
        let [sender, receiver] = &report.connections[0].directions;
        assert!(receiver.figures.zero_windows >= 1);
        assert!(receiver.figures.zero_window_time > Duration::from_secs(25));
        assert!(sender.figures.window_probes > 3 && sender.figures.keep_alives == 0, "{:?}", sender.figures);
        assert!(sender.figures.window_limited > Duration::from_secs(25));
    }
}

#[test]
fn who_shuts_down_before_reading_a_window_full_has_not_lost_it() {
    // The peer sent exactly the window; only its FIN follows, and no window update is due any more.
    let mut world = World::new(config(), Config { receive_buffer: Buffer::Fixed(20_000), ..config() });
    world.b.reads = false;
    world.send(A, 20_000);
    world.run_for(Duration::from_secs(1));
    world.close(B);
    world.run_for(Duration::from_secs(1));
    world.close(A);
    world.run_for(Duration::from_secs(5));
    world.b.reads = true;
    world.run_for(Duration::from_secs(5));
    assert_eq!((world.b.received, world.b.ended), (20_000, true));
    for end in [A, B] {
        let report = world.report(end);
        assert_eq!(problems(&report), [], "{end:?}");
        assert!(report.connections[0].directions[1].figures.zero_windows >= 1);
    }
}

#[test]
fn a_spurious_retransmission_is_told_by_timestamp_and_d_sack() {
    for timestamps in [true, false] {
        let mut world = World::new(Config { timestamps, ..config() }, config());
        let mut count = 0;
        // One segment 15 ms late: resent, and then it comes after all.
        world.fate = Box::new(move |_, end, segment| {
            count += i32::from(end == A && !segment.payload.is_empty());
            let late = end == A && count == 40 && !segment.payload.is_empty();
            vec![if late { Duration::from_millis(15) } else { Duration::ZERO }]
        });
        transfer(&mut world, 200_000);
        let report = world.report(A);
        let figures = &report.connections[0].directions[0].figures;
        assert_eq!((figures.retransmits() > 0, figures.spurious > 0), (true, true), "{timestamps}: {figures:?}");
        assert_eq!(problems(&report), []);
    }
}

#[test]
fn an_idle_request_and_response_are_limited_by_the_application() {
    let mut world = World::new(config(), config());
    for _ in 0..20 {
        world.send(A, 300);
        world.run_for(Duration::from_millis(200));
        world.send(B, 5_000);
        world.run_for(Duration::from_millis(300));
    }
    world.close(A);
    world.run_for(Duration::from_secs(1));
    world.close(B);
    world.run_for(Duration::from_secs(5));
    for end in [A, B] {
        let report = world.report(end);
        assert_eq!(problems(&report), []);
        let figures = &report.connections[0].directions[0].figures;
        assert!(figures.application_limited > Duration::from_secs(8), "{figures:?}");
    }
}

/// What limited A, by the window, by congestion control and by its application, as seen from one end.
fn limits(world: &World, end: End) -> [Duration; 3] {
    let figures = &world.report(end).connections[0].directions[0].figures;
    [figures.window_limited, figures.cwnd_limited, figures.application_limited]
}

#[test]
fn a_handshake_and_a_fin_limit_nobody() {
    const ZERO: Duration = Duration::ZERO;
    for pause in [0, 500] {
        let mut world = World::new(config(), config());
        world.delay = Duration::from_millis(100);
        world.run_for(Duration::from_millis(pause));
        transfer(&mut world, 900); // one segment
        for end in [A, B] {
            let [window, congestion, application] = limits(&world, end);
            assert_eq!((window, congestion), (ZERO, ZERO), "captured at {end:?}");
            // Each segment takes a microsecond to send.
            let waited = if pause == 0 { 0 } else { 300 };
            assert_eq!((application + Duration::from_micros(10)).as_millis(), waited, "captured at {end:?}");
            let figures = &world.report(end).connections[0].directions[1].figures;
            let idle = [figures.window_limited, figures.cwnd_limited, figures.application_limited];
            assert_eq!(idle, [ZERO; 3], "B sent a FIN only; captured at {end:?}");
        }
    }
}

#[test]
fn a_path_that_loses_limits_by_the_congestion_window() {
    let mut world = World::new(config(), config());
    bad_path(&mut world, 7, 30, 0);
    transfer(&mut world, 1_000_000);
    for end in [A, B] {
        let [window, congestion, application] = limits(&world, end);
        assert!(congestion > (window + application) * 4, "{end:?}: {window:?}, {congestion:?}, {application:?}");
    }
}

#[test]
fn a_small_buffer_limits_by_the_window() {
    let mut world = World::new(config(), Config { receive_buffer: Buffer::Fixed(10_000), ..config() });
    transfer(&mut world, 1_000_000);
    for end in [A, B] {
        let [window, congestion, application] = limits(&world, end);
        assert!(window > (congestion + application) * 4, "{end:?}: {window:?}, {congestion:?}, {application:?}");
    }
}
