//! The cache in virtual time.

use super::*;

type Cache = NeighborCache<u32>;

const A: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xa]);
const B: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xb]);

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn host(number: u32) -> IpAddr {
    IpAddr::V4((0x0a00_0000 + number).into())
}

/// Where a packet goes.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    Now(MacAddr),
    Held,
}

fn send(cache: &mut Cache, now: Instant, next_hop: IpAddr, packet: u32) -> Way {
    let known = cache.lookup(now, next_hop);
    if known.is_none() {
        cache.hold(now, next_hop, packet);
    }
    known.map_or(Way::Held, Way::Now)
}

/// What the one who was asked answers.
fn answer(neighbor: IpAddr, address: MacAddr) -> Answer {
    Answer { neighbor, address, unasked: false, overrides: true }
}

/// A cache that has learnt at `now` that `host(1)` is at A.
fn with_a(now: Instant) -> Cache {
    let mut cache = Cache::new();
    assert_eq!(send(&mut cache, now, host(1), 0), Way::Held);
    assert_eq!(cache.poll(now), [Question { target: host(1), to: None }]);
    assert_eq!(cache.learn(now, answer(host(1), A)).as_slice(), [0]);
    cache
}

#[test]
fn a_packet_waits_for_the_answer_and_the_next_one_goes_at_once() {
    let mut cache = with_a(at(0));
    assert_eq!(send(&mut cache, at(1), host(1), 7), Way::Now(A));
    assert!(cache.poll(at(1000)).is_empty());
    assert_eq!((cache.next_timeout(), cache.take_lost()), (None, 0));
}

#[test]
fn while_nobody_answers_the_last_three_packets_are_held_and_the_question_is_put_once() {
    let mut cache = Cache::new();
    for packet in 1..=5 {
        assert_eq!(send(&mut cache, at(0), host(1), packet), Way::Held);
    }
    assert_eq!(cache.poll(at(0)).len(), 1);
    assert_eq!(cache.take_lost(), 2);
    assert_eq!(cache.learn(at(10), answer(host(1), A)).as_slice(), [3, 4, 5]);
}

#[test]
fn three_questions_a_second_apart_and_then_the_packets_are_lost() {
    let mut cache = Cache::new();
    send(&mut cache, at(0), host(1), 1);
    let mut asked_at = Vec::new();
    for now in (0..10_000).step_by(100).map(at) {
        asked_at.extend(cache.poll(now).iter().map(|_| now.as_millis()));
    }
    assert_eq!(asked_at, [0, 1000, 2000]);
    assert_eq!((cache.take_lost(), cache.next_timeout()), (1, None));
}

#[test]
fn asked_for_again_after_giving_up_it_is_asked_again_and_never_more_than_once_a_second() {
    let mut cache = Cache::new();
    let mut asked_at = Vec::new();
    for now in (0..9_000).step_by(50).map(at) {
        send(&mut cache, now, host(1), 1);
        asked_at.extend(cache.poll(now).iter().map(|_| now.as_millis()));
    }
    assert!(asked_at.len() >= 8, "{asked_at:?}");
    assert!(asked_at.windows(2).all(|pair| pair[1] - pair[0] >= 1000), "{asked_at:?}");
}

#[test]
fn next_timeout_says_when_the_next_question_is_due() {
    let mut cache = Cache::new();
    assert_eq!(cache.next_timeout(), None);
    send(&mut cache, at(5), host(1), 1);
    assert_eq!(cache.next_timeout(), Some(at(5)));
    cache.poll(at(5));
    send(&mut cache, at(400), host(2), 1);
    cache.poll(at(400));
    assert_eq!(cache.next_timeout(), Some(at(1005)));
    cache.poll(at(1005));
    assert_eq!(cache.next_timeout(), Some(at(1400)));
}

#[test]
fn a_neighbour_in_use_is_confirmed_after_a_minute_without_a_packet_waiting() {
    let mut cache = with_a(at(0));
    for now in (0..60_000).step_by(500).map(at) {
        assert_eq!(send(&mut cache, now, host(1), 1), Way::Now(A));
        assert!(cache.poll(now).is_empty());
    }
    assert_eq!(send(&mut cache, at(60_000), host(1), 1), Way::Now(A));
    assert_eq!(cache.poll(at(60_000)), [Question { target: host(1), to: Some(A) }]);
    cache.learn(at(60_010), answer(host(1), A));
    assert_eq!(send(&mut cache, at(60_020), host(1), 1), Way::Now(A));
    assert!(cache.poll(at(61_000)).is_empty());
    assert_eq!(cache.next_timeout(), None);
}

#[test]
fn a_neighbour_in_use_that_no_longer_answers_is_forgotten() {
    let mut cache = with_a(at(0));
    for now in (0..63_000).step_by(500).map(at) {
        assert_eq!(send(&mut cache, now, host(1), 1), Way::Now(A), "{now:?}");
        cache.poll(now);
    }
    cache.poll(at(63_000));
    assert_eq!(send(&mut cache, at(63_001), host(1), 1), Way::Held);
    assert_eq!(cache.poll(at(63_001)), [Question { target: host(1), to: None }]);
}

#[test]
fn an_idle_neighbour_is_forgotten_after_a_minute() {
    let mut cache = with_a(at(0));
    assert_eq!(send(&mut cache, at(59_999), host(1), 1), Way::Now(A));
    let mut cache = with_a(at(0));
    assert_eq!(send(&mut cache, at(60_000), host(1), 1), Way::Held);
}

#[test]
fn what_nobody_asked_for_changes_what_is_known_and_adds_nothing() {
    let mut cache = with_a(at(0));
    cache.learn(at(1), answer(host(1), B));
    assert_eq!(send(&mut cache, at(2), host(1), 1), Way::Now(B));
    cache.learn(at(1), answer(host(2), B));
    assert_eq!(send(&mut cache, at(2), host(2), 1), Way::Held);
}

#[test]
fn who_asks_for_us_is_remembered_for_the_answer() {
    let mut cache = Cache::new();
    cache.learn(at(0), Answer { unasked: true, ..answer(host(1), A) });
    assert_eq!(send(&mut cache, at(1), host(1), 1), Way::Now(A));
    assert!(cache.poll(at(1)).is_empty());
}

#[test]
fn an_answer_that_does_not_override_leaves_what_is_known_and_tells_what_is_not() {
    let mild = |address| Answer { overrides: false, ..answer(host(1), address) };
    let mut cache = with_a(at(0));
    cache.learn(at(1), mild(B));
    assert_eq!(send(&mut cache, at(2), host(1), 1), Way::Now(A));
    let mut cache = Cache::new();
    send(&mut cache, at(0), host(1), 1);
    assert_eq!(cache.learn(at(1), mild(B)).as_slice(), [1]);
}

#[test]
fn a_full_cache_forgets_the_one_least_lately_used() {
    let mut cache = Cache::new();
    for number in 0..u32::try_from(MOST).unwrap_or(0) {
        cache.learn(at(number.into()), Answer { unasked: true, ..answer(host(number), A) });
    }
    assert_eq!(send(&mut cache, at(5000), host(0), 1), Way::Now(A), "used again");
    assert_eq!(send(&mut cache, at(5000), host(99_999), 1), Way::Held);
    assert_eq!(cache.neighbors.len(), MOST);
    assert_eq!(send(&mut cache, at(5001), host(0), 1), Way::Now(A));
    assert_eq!(send(&mut cache, at(5001), host(2), 1), Way::Now(A));
    assert_eq!(send(&mut cache, at(5001), host(1), 1), Way::Held, "the least lately used one is gone");
}

#[test]
fn a_sweep_over_a_network_loses_packets_but_never_grows_the_cache() {
    let mut cache = Cache::new();
    for number in 0..20_000 {
        send(&mut cache, at(number.into()), host(number), 1);
        cache.poll(at(number.into()));
        assert!(cache.neighbors.len() <= MOST);
    }
    for now in (20_000..30_000).step_by(100).map(at) {
        cache.poll(now);
    }
    assert_eq!(cache.take_lost(), 20_000);
    assert!(cache.neighbors.is_empty());
}
