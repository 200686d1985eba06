//! Bytes arrive once and in order, whatever the path does.

use std::time::Duration;

use crate::pair::{Fate, Pair, Random, Side, config, text};
use sockeye_tcb::{Buffer, CallError, Config, State};

#[test]
fn a_megabyte_each_way_arrives_whole() {
    let mut pair = Pair::established();
    let (forth, back) = (text(1 << 20), text((1 << 20) + 17));
    pair.send(Side::A, forth.clone());
    pair.send(Side::B, back.clone());
    pair.close(Side::A);
    pair.close(Side::B);
    pair.run_for(Duration::from_secs(120));
    assert!(pair.b.received == forth && pair.a.received == back);
    assert!(pair.a.ended && pair.b.ended);
    assert_eq!(pair.a.tcb.info(pair.now).retransmissions, 0);
    assert_eq!((pair.a.tcb.state(), pair.b.tcb.state()), (State::Closed, State::Closed));
}

fn every_seed(seeds: std::ops::Range<u64>, run: impl Fn(u64)) {
    let only: Option<u64> = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in seeds {
        if only.is_none_or(|only| only == seed) {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed)));
            if let Err(panic) = outcome {
                eprintln!("replay: SEED={seed} cargo test -p sockeye-tcb --test behaviour");
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// A pair whose settings and path are drawn from the seed.
fn drawn(seed: u64) -> Pair {
    let mut random = Random(seed);
    let mut draw = || Config {
        mss: [48, 536, 1000, 1460, 8960][usize::try_from(random.below(5)).unwrap()],
        receive_buffer: Buffer::Fixed([2_000, 10_000, 65_535, 300_000][usize::try_from(random.below(4)).unwrap()]),
        send_buffer: Buffer::Fixed([1_000, 20_000, 500_000][usize::try_from(random.below(3)).unwrap()]),
        nodelay: random.chance(500),
        window_scaling: random.chance(700),
        timestamps: random.chance(700),
        sack: random.chance(700),
        user_timeout: None,
        ..config()
    };
    let mut pair = Pair::opening(draw(), draw());
    pair.delay = Duration::from_micros(100 + random.below(100_000));
    pair.limit = [0, 0, 65_000][usize::try_from(random.below(3)).unwrap()];
    pair.tick = Duration::from_nanos([1, 1_000_000, 4_000_000, 10_000_000][usize::try_from(random.below(4)).unwrap()]);
    let (loss, late, twice) = (random.below(100), random.below(100), random.below(50));
    pair.filter = Box::new(move |_| {
        if random.chance(loss) {
            Fate::Lost
        } else if random.chance(late) {
            Fate::Late(Duration::from_micros(random.below(50_000)))
        } else if random.chance(twice) {
            Fate::Twice
        } else {
            Fate::Arrives
        }
    });
    pair
}

#[test]
fn every_byte_once_and_in_order_on_a_bad_path() {
    every_seed(0..2_000, |seed| {
        let mut pair = drawn(seed);
        let (forth, back) = (text(50_000), text(30_000));
        pair.send(Side::A, forth.clone());
        pair.send(Side::B, back.clone());
        pair.close(Side::A);
        pair.close(Side::B);
        let done = pair.run_until(Duration::from_secs(36_000), |pair| pair.a.ended && pair.b.ended);
        assert!(done, "stuck: {:?} / {:?}", pair.a.tcb.info(pair.now), pair.b.tcb.info(pair.now));
        assert!(pair.b.received == forth && pair.a.received == back, "seed {seed}");
        pair.run_for(Duration::from_secs(4_000));
        assert_eq!((pair.a.tcb.state(), pair.b.tcb.state()), (State::Closed, State::Closed), "seed {seed}");
    });
}

#[test]
fn what_is_peeked_at_is_still_there_to_read() {
    let mut pair = Pair::established();
    pair.b.reads = false;
    assert_eq!(pair.b.tcb.peek(10).unwrap_err(), CallError::WouldBlock);
    let sent = text(5_000);
    pair.send(Side::A, sent.clone());
    pair.close(Side::A);
    pair.run_for(Duration::from_secs(1));

    let seen: Vec<u8> = pair.b.tcb.peek(4_321).unwrap().concat();
    assert_eq!(seen, sent[..4_321]);
    pair.b.reads = true;
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.b.received, sent);
    assert_eq!(pair.b.tcb.peek(10).unwrap_err(), CallError::EndOfStream);
}
