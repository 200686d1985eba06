//! What holds for every link, whatever its configuration, and for every text.

use std::time::Duration;

use proptest::prelude::*;
use sockeye_wire::ip::Ecn;

use super::super::*;
use super::{drain_packets, millis, segment};

fn chance() -> impl Strategy<Value = Chance> {
    (0..=1_000_000_000_u32).prop_map(Chance::parts_per_billion)
}

fn odds() -> impl Strategy<Value = Odds> {
    (chance(), chance()).prop_map(|(chance, correlation)| Odds { chance, correlation })
}

fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![(0..1_000_u64).prop_map(Duration::from_millis), (0..u64::from(u32::MAX)).prop_map(Duration::from_nanos)]
}

fn loss() -> impl Strategy<Value = Loss> {
    prop_oneof![
        Just(Loss::None),
        odds().prop_filter("none", |odds| *odds != Odds::default()).prop_map(Loss::Random),
        (1..=u64::MAX).prop_map(Loss::Every),
        (chance(), chance(), chance(), chance()).prop_map(|(p, r, bad, good)| Loss::GilbertElliott { p, r, bad, good }),
        (chance(), chance(), chance(), chance(), chance()).prop_map(|(p13, p31, p32, p23, p14)| Loss::State {
            p13,
            p31,
            p32,
            p23,
            p14
        }),
        prop::collection::btree_set(1..1_000_u64, 1..5).prop_map(|set| Loss::Listed(set.into_iter().collect())),
    ]
}

fn delay() -> impl Strategy<Value = Delay> {
    let distribution = prop::sample::select(vec![Distribution::Uniform, Distribution::Normal, Distribution::Pareto]);
    (time(), time(), chance(), distribution, any::<bool>()).prop_map(
        |(base, jitter, correlation, distribution, in_order)| Delay {
            base,
            jitter,
            correlation,
            distribution,
            in_order,
        },
    )
}

fn config() -> impl Strategy<Value = LinkConfig> {
    let limit = prop_oneof![
        any::<u64>().prop_map(Limit::Packets),
        (0..1_u64 << 40).prop_map(Limit::Octets),
        time().prop_map(Limit::Time)
    ];
    let discipline = prop_oneof![
        Just(Discipline::TailDrop),
        (time(), time()).prop_map(|(target, interval)| Discipline::CoDel(CoDel { target, interval })),
        (0..1_000_u64, 1_001..9_000_u64, chance()).prop_map(|(min, max, probability)| Discipline::Red(Red {
            min,
            max,
            probability
        })),
    ];
    let change = (time(), prop::option::of(delay()), prop::option::of(loss()), prop::option::of(any::<bool>()))
        .prop_map(|(at, delay, loss, down)| Change { at, rate: Some(Rate::bits(7)), delay, loss, down });
    let queue = (prop::option::of(any::<u64>()), limit, discipline, prop::option::of(time()), any::<bool>());
    let spread = (delay(), loss(), odds(), odds(), prop::option::of((odds(), 1..9_u32)));
    let slot = (delay(), prop::option::of(any::<u64>()), prop::option::of(0..1_u64 << 40));
    let slot = slot.prop_map(|(gap, packets, octets)| Slot { gap: Delay { in_order: false, ..gap }, packets, octets });
    let rest = (prop::option::of(time()), prop::collection::vec(change, 0..4), any::<bool>(), chance());
    (queue, spread, rest, prop::option::of(slot)).prop_map(|(queue, spread, rest, slot)| {
        let (gro, mut changes, down, corrupt_header) = rest;
        changes.sort_by_key(|change| change.at);
        let repeat = (!changes.is_empty()).then_some(Duration::from_secs(9));
        LinkConfig {
            rate: queue.0.map(Rate::bits),
            limit: queue.1,
            discipline: queue.2,
            mark_above: queue.3,
            ecn: queue.4,
            delay: spread.0,
            loss: spread.1,
            duplicate: spread.2,
            corrupt: spread.3,
            corrupt_header,
            reorder: spread.4.map(|(odds, gap)| Reorder { odds, gap }),
            slot,
            gro,
            down,
            schedule: Schedule { changes, repeat },
            ..LinkConfig::default()
        }
    })
}

proptest! {
    /// What is written is read again.
    #[test]
    fn words_and_configurations_say_the_same(config in config()) {
        let words = config.to_string();
        prop_assert_eq!(words.parse::<LinkConfig>(), Ok(config), "{}", words);
    }

    /// No text makes the reader panic.
    #[test]
    fn any_text_is_read_or_refused(text in "(rate|delay|loss|at|[0-9.]{1,20}(ms|mbit|%|kb)?|[a-z]{1,8}| ){0,12}") {
        let _ = text.parse::<LinkConfig>();
    }

    /// A link loses nothing that its counters don't tell, and ends, whatever it is.
    #[test]
    fn any_link_accounts_for_its_packets(config in config(), seed: u64) {
        // What is never carried would be waited for to the end of time.
        let rate = config.rate.map(|rate| Rate::bits(rate.as_bits().max(1_000)));
        let changes = config.schedule.changes.iter().cloned().map(|change| Change { rate: None, ..change }).collect();
        let schedule = Schedule { changes, ..config.schedule.clone() };
        let mut link = Link::new(LinkConfig { rate, schedule, gro: None, ..config }, seed);
        for at in 0..50 {
            link.send(millis(u64::from(at) * 3), segment(at, 300, Ecn::Ect0));
        }
        let out = drain_packets(&mut link).len() as u64;
        let counters = link.counters();
        prop_assert_eq!(counters.sent + counters.duplicated, counters.delivered + counters.gone());
        prop_assert_eq!(counters.delivered, out);
    }
}
