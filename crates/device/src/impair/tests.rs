//! Whole links: what goes in, what comes out and when.

mod properties;

use std::time::Duration;

use sockeye_wire::Instant;
use sockeye_wire::SeqNumber;
use sockeye_wire::icmp::{self, IcmpError, IcmpMessage};
use sockeye_wire::ip::v4::Ipv4Header;
use sockeye_wire::ip::{Ecn, IpView};
use sockeye_wire::tcp::{Flags, Options, TcpHeader, TcpView, fill_checksum};

use super::random::Dice;
use super::*;
use crate::Packet;

/// A TCP segment of so many octets in all, its sequence number being `number`.
fn segment(number: u32, octets: usize, ecn: Ecn) -> Packet {
    tcp(number, 1, octets, ecn)
}

/// A segment that acknowledges `ack` and does nothing else.
fn ack(ack: u32) -> Packet {
    tcp(1, ack, 40, Ecn::NotEct)
}

fn tcp(seq: u32, ack: u32, octets: usize, ecn: Ecn) -> Packet {
    let ip = Ipv4Header {
        source: [10, 0, 0, 1].into(),
        destination: [10, 0, 1, 1].into(),
        protocol: 6,
        payload_len: octets - 20,
        ttl: 64,
        traffic_class: ecn.bits(),
        identification: 0,
        dont_fragment: true,
    };
    let header = TcpHeader {
        source_port: 1,
        destination_port: 2,
        seq: SeqNumber::new(seq),
        ack: SeqNumber::new(ack),
        flags: Flags::ACK,
        window: 1_000,
        urgent: 0,
        options: Options::NONE,
    };
    let mut bytes = vec![0; octets];
    ip.emit(&mut bytes).expect("room");
    header.emit(&mut bytes[20..]).expect("room");
    let (head, text) = bytes[20..].split_at_mut(20);
    fill_checksum(ip.source.into(), ip.destination.into(), head, [&*text].into_iter());
    Packet::new(bytes.into(), Instant::ZERO)
}

fn link(words: &str) -> Link {
    Link::new(words.parse().expect(words), 7)
}

fn millis(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn number(packet: &Packet) -> u32 {
    let ip = IpView::parse(&packet.bytes).expect("IP");
    TcpView::parse(ip.payload()).expect("TCP").seq().value()
}

#[test]
fn text_that_stands_apart_goes_through_in_one_piece() {
    for words in ["", "rate 1mbit delay 5ms"] {
        let whole = segment(1, 1_000, Ecn::NotEct);
        let mut apart = whole.clone();
        apart.text = vec![apart.bytes.split_off(40)];
        let mut link = link(words);
        assert!(!link.pass(Instant::ZERO, &mut apart), "not as it is");
        link.send(Instant::ZERO, apart);
        let out = drain_packets(&mut link);
        assert_eq!((out.len(), &out[0].bytes, out[0].text_len()), (1, &whole.bytes, 0), "{words}");
        assert_eq!(link.counters().sent_octets, 1_000, "{words}");
    }
}

/// What came out until nothing was left: number and millisecond.
fn drain(link: &mut Link) -> Vec<(u32, u64)> {
    drain_packets(link).iter().map(|packet| (number(packet), packet.arrived_at.as_millis())).collect()
}

fn drain_packets(link: &mut Link) -> Vec<Packet> {
    let mut out = Vec::new();
    while let Some(at) = link.next_timeout() {
        out.extend(std::iter::from_fn(|| link.receive(at)));
    }
    assert!(link.is_empty());
    out
}

/// Sends so many packets of 1,250 octets, one each `every`.
fn send(link: &mut Link, packets: u32, every: Duration, ecn: Ecn) {
    (0..packets).for_each(|number| link.send(Instant::ZERO + every * number, segment(number, 1_250, ecn)));
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_perfect_wire_takes_no_time() {
    let mut link = link("");
    send(&mut link, 3, MS, Ecn::NotEct);
    assert_eq!(drain(&mut link), [(0, 0), (1, 1), (2, 2)]);
}

#[test]
fn rate_and_delay_space_packets_and_a_full_queue_drops_the_tail() {
    let mut link = link("rate 1mbit delay 40ms limit 3"); // 10 ms a packet
    send(&mut link, 6, Duration::ZERO, Ecn::NotEct);
    assert_eq!((link.queued_packets(), link.queued_octets()), (3, 3_750));
    assert_eq!(drain(&mut link), [(0, 50), (1, 60), (2, 70), (3, 80)]);
    assert_eq!((link.counters().dropped_full, link.queue_waits().max()), (2, MS * 30));
}

#[test]
fn a_queue_may_be_limited_in_octets_and_in_time() {
    for (limit, through) in [("2500b", 3), ("2499b", 2), ("20ms", 3), ("19ms", 2), ("0ms", 2), ("0", 1)] {
        let mut link = link(&format!("rate 1mbit limit {limit}"));
        send(&mut link, 6, Duration::ZERO, Ecn::NotEct);
        assert_eq!(drain(&mut link).len(), through, "{limit}");
    }
}

#[test]
fn overhead_and_cells_cost_time() {
    let mut link = link("rate 1mbit 0 48 5"); // 27 cells of 53 octets
    link.send(Instant::ZERO, segment(0, 1_250, Ecn::NotEct));
    assert_eq!(link.next_timeout(), Some(Instant::from_nanos(27 * 53 * 8_000)));
}

//= rfc2398#2.5-1
#[test]
fn a_late_look_finds_what_an_early_one_would_have() {
    let words = "rate 1mbit delay 20ms 15ms loss 5% duplicate 5% reorder 10% displace 5% 2 late 5% 30ms codel limit 20 \
                 thin 3 at 300ms rate 2mbit at 700ms down at 800ms up repeat 1s";
    let run = |poll_every: Option<Duration>| {
        let (mut link, mut out) = (link(words), Vec::new());
        for at in 0..1_500 {
            let now = millis(at);
            if poll_every.is_some_and(|every| u128::from(at).is_multiple_of(every.as_millis())) {
                out.extend(std::iter::from_fn(|| link.receive(now)).map(|packet| (number(&packet), packet.arrived_at)));
            }
            link.send(now, segment(u32::try_from(at).expect("small"), 200, Ecn::NotEct));
        }
        let rest = drain_packets(&mut link);
        out.extend(rest.iter().map(|packet| (number(packet), packet.arrived_at)));
        (out, *link.counters())
    };
    let late = run(None);
    assert_eq!(late, run(Some(MS)));
    assert_eq!(late, run(Some(MS * 70)));
    assert!(late.1.reordered > 0 && late.1.lost_down > 0 && late.1.lost > 0 && late.1.duplicated > 0);
}

//= rfc2398#2.4-1
#[test]
fn every_packet_is_accounted_for() {
    let words = "rate 8mbit limit 50 delay 20ms 10ms loss 2% duplicate 3% corrupt 1% police rate 12mbit burst 20kb red \
                 min 5kb max 20kb ecn mtu 1240 thin 2";
    let mut link = link(words);
    for at in 0..20_000 {
        let ecn = if at % 2 == 0 { Ecn::Ect0 } else { Ecn::NotEct };
        let octets = 1_000 + usize::try_from(at).expect("small") % 250;
        link.send(Instant::from_nanos(u64::from(at) * 700_000), segment(at, octets, ecn));
    }
    let out = drain_packets(&mut link).len() as u64;
    let counters = *link.counters();
    assert_eq!(counters.sent, 20_000);
    assert_eq!(counters.delivered, out);
    assert_eq!(counters.sent + counters.duplicated, counters.delivered + counters.gone());
    for (name, value) in counters.entries() {
        let absent = matches!(name, "lost_down" | "thinned" | "merged" | "dropped_full");
        assert!(absent || value > 0, "{name} is 0: {counters:?}");
    }
}

#[test]
fn jitter_reorders_as_in_netem_unless_it_may_not() {
    for (words, reorders) in [("delay 40ms 10ms", true), ("delay 40ms 10ms in-order", false)] {
        let mut link = link(words);
        send(&mut link, 1_000, MS, Ecn::NotEct);
        let arrived = drain(&mut link);
        assert_eq!(arrived.len(), 1_000);
        assert_eq!(link.counters().reordered > 0, reorders);
        assert_eq!(arrived.is_sorted(), !reorders);
        let waited = arrived.iter().map(|(number, at)| at - u64::from(*number));
        assert!(waited.clone().all(|waited| (30..=50).contains(&waited)), "{words}");
        assert!(waited.clone().any(|waited| waited >= 48), "{words}");
    }
}

//= rfc2398#2.5-1
#[test]
fn reordering_follows_netem_by_gap_and_ours_by_distance() {
    let mut by_gap = link("delay 10ms reorder 100% gap 5");
    send(&mut by_gap, 10, MS, Ecn::NotEct);
    assert_eq!(
        drain(&mut by_gap).iter().map(|(number, _)| *number).collect::<Vec<_>>(),
        [4, 9, 0, 1, 2, 3, 5, 6, 7, 8]
    );

    let mut by_distance = link("displace 10% 3 50ms");
    send(&mut by_distance, 1_000, MS, Ecn::NotEct);
    let arrived = drain(&mut by_distance);
    let reordered = by_distance.counters().reordered;
    assert!((70..130).contains(&reordered), "{reordered}");
    let late = arrived.iter().map(|(number, at)| at - u64::from(*number)).max();
    assert!(late.is_some_and(|late| (3..=50).contains(&late)), "{late:?}: three packets, or four at the end");

    let mut by_time = link("delay 10ms late 10% 20ms");
    send(&mut by_time, 1_000, MS, Ecn::NotEct);
    let late = drain(&mut by_time).iter().filter(|(number, at)| at - u64::from(*number) > 10).count();
    assert!((75..115).contains(&late), "{late}");
}

#[test]
fn a_displaced_packet_that_nothing_follows_comes_out_in_the_end() {
    let mut link = link("displace 100% 3 50ms");
    link.send(Instant::ZERO, segment(0, 100, Ecn::NotEct));
    assert_eq!(drain(&mut link), [(0, 50)]);
}

//= rfc2398#2.5-1
#[test]
fn a_schedule_changes_rate_delay_loss_and_cuts_the_link() {
    let mut link = link("rate 1mbit delay 40ms at 100ms rate 10mbit delay 10ms at 200ms down at 300ms up loss 100%");
    for (at, number) in [(0, 0), (100, 1), (250, 2), (350, 3)] {
        link.send(millis(at), segment(number, 1_250, Ecn::NotEct));
    }
    assert_eq!(drain(&mut link), [(0, 50), (1, 111)]);
    assert_eq!((link.counters().lost_down, link.counters().lost), (1, 1));
}

#[test]
fn a_link_that_stands_still_keeps_its_queue_until_it_moves() {
    let mut link = link("rate 0bit at 100ms rate 1mbit");
    send(&mut link, 2, Duration::ZERO, Ecn::NotEct);
    assert_eq!(drain(&mut link), [(0, 110), (1, 120)]);
}

#[test]
fn a_trace_carries_1504_octets_a_line() {
    let trace = Trace::from_millis("test", &[10, 10, 30]).expect("a trace");
    let mut link = Link::new(LinkConfig { trace: Some(trace), ..LinkConfig::default() }, 7);
    // 2 x 752 octets fill an opportunity; 3,008 need two.
    for (number, octets) in [(0, 752), (1, 752), (2, 3_008), (3, 100), (4, 100)] {
        link.send(millis(5), segment(number, octets, Ecn::NotEct));
    }
    assert_eq!(drain(&mut link), [(0, 10), (1, 10), (2, 30), (3, 40), (4, 40)]);
    link.send(millis(41), segment(5, 100, Ecn::NotEct));
    assert_eq!(drain(&mut link), [(5, 60)], "what nothing used is gone");
}

//= rfc2398#2.4-1
#[test]
fn codel_keeps_the_delay_near_its_target_and_marks_who_understands() {
    for (words, ecn) in [("codel", Ecn::NotEct), ("codel ecn", Ecn::Ect0)] {
        let mut link = link(&format!("rate 10mbit limit 10000 {words}"));
        // 1 % more than fits, for a minute.
        send(&mut link, 60_600, Duration::from_nanos(990_099), ecn);
        let marked = drain_packets(&mut link)
            .iter()
            .filter(|packet| IpView::parse(&packet.bytes).is_ok_and(|ip| ip.ecn() == Ecn::Ce))
            .count() as u64;
        assert_eq!(marked, link.counters().marked);
        if ecn == Ecn::NotEct {
            let p99 = link.queue_waits().per_mille(990);
            assert!(p99 < MS * 60 && marked == 0, "{p99:?}");
            assert!(link.counters().dropped_early >= 500);
        } else {
            // Who doesn't slow down for marks fills the queue all the same.
            assert!(link.counters().dropped_early == 0 && marked >= 500, "{marked}");
        }
    }
}

#[test]
fn a_step_threshold_marks_what_waited_longer_and_drops_nothing() {
    let mut link = link("rate 10mbit ce_threshold 5ms");
    send(&mut link, 10, Duration::ZERO, Ecn::Ect0);
    let packets = drain_packets(&mut link);
    let marks = packets.iter().map(|packet| {
        let IpView::V4(ip) = IpView::parse(&packet.bytes).expect("IP") else { panic!("not IPv4") };
        assert!(ip.verify_checksum());
        ip.ecn() == Ecn::Ce
    });
    // The packet of number n waits n ms.
    assert_eq!(marks.collect::<Vec<_>>(), [[false; 6].as_slice(), &[true; 4]].concat());
}

#[test]
fn with_ecn_and_no_queue_management_losses_become_marks() {
    let mut link = link("loss every 2 ecn");
    send(&mut link, 10, MS, Ecn::Ect0);
    send(&mut link, 10, MS, Ecn::NotEct);
    assert_eq!((link.counters().marked, link.counters().lost), (5, 5));
}

/// Drops in front of an empty queue must not keep it from fading: else all that ever comes is dropped.
#[test]
fn red_lets_pass_again_after_a_pause() {
    let mut link = link("rate 1mbit limit 1000 red min 5kb max 15kb");
    send(&mut link, 900, Duration::ZERO, Ecn::NotEct);
    assert!(link.counters().dropped_early > 0, "the average is above the upper end");
    drain(&mut link);
    // As a sender that backs off: a packet every ten seconds.
    for at in 1..10 {
        link.send(millis(at * 10_000 + 60_000), segment(1_000, 1_250, Ecn::NotEct));
    }
    assert!(drain(&mut link).len() >= 8, "{:?}", link.counters());
}

#[test]
fn a_clock_sets_the_rate_of_a_link_that_has_none() {
    let mut link = link("delay 10ms at 1s rate 1mbit at 2s rate 2mbit repeat 3s");
    for at in [0, 1_000, 2_000, 3_000] {
        (0..3).for_each(|number| link.send(millis(at), segment(number, 1_250, Ecn::NotEct)));
    }
    let at: Vec<u64> = drain(&mut link).into_iter().map(|(_, at)| at).collect();
    assert_eq!(at, [10, 10, 10, 1_020, 1_030, 1_040, 2_015, 2_020, 2_025, 3_010, 3_010, 3_010]);
}

#[test]
fn slots_deliver_what_waits_in_turns() {
    let mut bunched = link("slot 19500us");
    send(&mut bunched, 45, MS, Ecn::NotEct);
    // Three turns, 19.5 ms after the first that waits: all that has come by then.
    let turns = drain(&mut bunched);
    assert_eq!((turns[19], turns[20], turns[44]), ((19, 19), (20, 39), (44, 59)));

    for (words, at) in [("slot 5ms packets 2", [5, 5, 10, 10, 15]), ("slot 5ms bytes 2kb", [5, 5, 10, 10, 15])] {
        let mut link = link(words);
        send(&mut link, 5, Duration::ZERO, Ecn::NotEct);
        let turns: Vec<u64> = drain(&mut link).into_iter().map(|(_, at)| at).collect();
        assert_eq!(turns, at, "{words}");
    }
    let mut full = link("slot 10ms packets 1 limit 5");
    send(&mut full, 20, Duration::ZERO, Ecn::NotEct);
    assert_eq!(
        (drain(&mut full).len(), full.counters().dropped_full),
        (5, 15),
        "the limit is of what waits for a turn, too"
    );
    let mut spread = link("slot 2ms 6ms");
    send(&mut spread, 100, MS * 10, Ecn::NotEct);
    let waits: Vec<u64> = drain(&mut spread).iter().map(|(number, at)| at - u64::from(*number) * 10).collect();
    assert!(waits.iter().all(|wait| (2..=6).contains(wait)) && waits.contains(&2) && waits.contains(&5), "{waits:?}");
}

//= rfc2398#2.5-1
#[test]
fn no_damage_gets_past_the_checksums() {
    let mut link = link("corrupt 50% corrupt-header 50%");
    send(&mut link, 5_000, MS, Ecn::NotEct);
    let intact = drain_packets(&mut link).into_iter().filter(|packet| {
        let Ok(IpView::V4(ip)) = IpView::parse(&packet.bytes) else { return false };
        let addresses = (ip.source().into(), ip.destination().into());
        let tcp = TcpView::parse(ip.payload());
        ip.verify_checksum() && tcp.is_ok_and(|tcp| tcp.verify_checksum(addresses.0, addresses.1))
    });
    assert_eq!(intact.count() as u64, 5_000 - link.counters().corrupted);
    assert!((3_600..3_900).contains(&link.counters().corrupted), "three in four");
}

#[test]
fn a_narrow_place_swallows_long_packets_and_tells_only_if_asked() {
    for (words, tells) in [("mtu 1000", false), ("mtu 1000 icmp", true)] {
        let mut link = link(words);
        link.send(millis(3), segment(0, 1_001, Ecn::NotEct));
        link.send(millis(3), segment(1, 1_000, Ecn::NotEct));
        assert_eq!(drain(&mut link), [(1, 3)]);
        let reply = link.reply();
        assert_eq!(reply.is_some(), tells);
        let Some(reply) = reply else { continue };
        let ip = IpView::parse(&reply.bytes).expect("IP");
        assert_eq!(ip.destination(), std::net::IpAddr::from([10, 0, 0, 1]));
        let Ok(IcmpMessage::Error(error, quoted)) = icmp::parse(ip.payload(), ip.source(), ip.destination()) else {
            panic!("no error");
        };
        assert_eq!((error, quoted.len()), (IcmpError::PacketTooBig(1_000), 548));
    }
}

#[test]
fn acknowledgments_are_thinned_but_duplicates_are_not() {
    let mut link = link("thin 8 10ms");
    (1..=32).for_each(|at| link.send(millis(0), ack(at * 1_000)));
    assert_eq!(drain_packets(&mut link).len(), 4);
    assert_eq!(link.counters().thinned, 28);
    (0..4).for_each(|_| link.send(millis(20), ack(40_000)));
    let rest = drain_packets(&mut link);
    assert_eq!(rest.len(), 4, "those that say the same");
    link.send(millis(50), ack(50_000));
    assert_eq!(drain_packets(&mut link).first().map(|packet| packet.arrived_at), Some(millis(60)), "held for 10 ms");
}

#[test]
fn what_follows_an_acknowledgment_does_not_overtake_it() {
    let mut link = link("thin 8");
    link.send(millis(0), ack(1_000));
    link.send(millis(1), segment(9, 100, Ecn::NotEct));
    assert_eq!(drain(&mut link), [(1, 1), (9, 1)]);
}

#[test]
fn acknowledgments_are_bunched_up() {
    let mut link = link("compress 32 100ms");
    (1..=40).for_each(|at| link.send(millis(u64::from(at)), ack(at * 1_000)));
    let times: Vec<u64> = drain(&mut link).iter().map(|(_, at)| *at).collect();
    assert_eq!(times, [[32; 32].as_slice(), &[133; 8]].concat());
}

#[test]
fn a_super_segment_is_cut_at_the_near_edge_and_merged_at_the_far_one() {
    let whole = Packet { segment_size: 1_460, ..segment(1_000, 40 + 14_600, Ecn::NotEct) };
    let mut plain = link("rate 12mbit");
    plain.send(Instant::ZERO, whole.clone());
    let cut = drain(&mut plain);
    assert_eq!(cut, (0..10).map(|at| (1_000 + 1_460 * at, 1 + u64::from(at))).collect::<Vec<_>>());

    let mut merging = link("rate 12mbit gro 20ms");
    merging.send(Instant::ZERO, whole.clone());
    let merged = drain_packets(&mut merging);
    assert_eq!(merged.iter().map(|packet| packet.bytes.len()).collect::<Vec<_>>(), [whole.bytes.len()]);
    assert_eq!((merged[0].segment_size, merged[0].arrived_at), (1_460, millis(21)), "20 ms after the first");
    assert_eq!(merging.counters().merged, 9);
}

/// A schedule, though it changes nothing in that time, makes a link find out when each packet goes out, and take it through
/// each element, also where only its queue has anything to do.
#[test]
fn departures_that_are_foreseen_are_those_that_come() {
    for words in [
        "rate 1mbit delay 20ms limit 4",
        "rate 1mbit 20 48 5 delay 3ms limit 5000b",
        "rate 1mbit delay 20ms 15ms limit 50ms",
        "rate 700kbit delay 20ms 15ms limit 30ms loss 5% duplicate 5%",
        "rate 1mbit delay 20ms reorder 25% gap 3 limit 3 late 10% 9ms",
        "rate 1mbit delay 1ms displace 10% 3 thin 3 corrupt 10% limit 50",
    ] {
        let (mut foreseen, mut found) = (link(words), link(&format!("{words} at 1000s rate 1mbit")));
        let (mut dice, mut now) = (Dice::new(3, "test"), Instant::ZERO);
        let mut seen = [Vec::new(), Vec::new()];
        for serial in 0..2_000 {
            now += Duration::from_micros(u64::from(dice.below(18_000)));
            let packet = segment(serial, 40 + dice.below(1_400) as usize, Ecn::NotEct);
            let links = [&mut foreseen, &mut found].map(|link| {
                link.send(now, packet.clone());
                (link.queued_packets(), link.queued_octets())
            });
            assert_eq!(links[0], links[1], "{words}: at {now:?}");
            if serial % 5 == 0 {
                for (link, seen) in [&mut foreseen, &mut found].into_iter().zip(&mut seen) {
                    seen.extend(std::iter::from_fn(|| link.receive(now)));
                }
            }
        }
        for (link, seen) in [&mut foreseen, &mut found].into_iter().zip(&mut seen) {
            seen.extend(drain_packets(link));
        }
        let told =
            seen.map(|packets| -> Vec<_> { packets.into_iter().map(|one| (one.arrived_at, one.bytes)).collect() });
        assert_eq!(told[0], told[1], "{words}");
        assert_eq!(foreseen.counters(), found.counters(), "{words}");
        assert_eq!(foreseen.queue_waits(), found.queue_waits(), "{words}");
    }
}

#[test]
fn packets_that_cannot_be_lost_count_for_those_that_can() {
    let mut link = link("delay 1ms");
    send(&mut link, 4, Duration::ZERO, Ecn::NotEct);
    link.set_config(Instant::ZERO, "delay 1ms loss every 5".parse().expect("a link"));
    send(&mut link, 2, Duration::ZERO, Ecn::NotEct);
    assert_eq!((link.counters().lost, drain(&mut link).len()), (1, 5));
}

#[test]
fn another_configuration_keeps_what_is_on_its_way() {
    let mut link = link("rate 1mbit delay 40ms");
    send(&mut link, 4, Duration::ZERO, Ecn::NotEct); // the first one goes out until 10 ms
    link.set_config(millis(15), "rate 10mbit delay 5ms".parse().expect("a link"));
    assert_eq!(drain(&mut link), [(1, 21), (2, 22), (3, 23), (0, 50)]);
    send(&mut link, 2, Duration::ZERO, Ecn::NotEct);
    link.set_config(millis(60), LinkConfig::default());
    assert_eq!(drain(&mut link).len(), 2, "without a rate nothing waits");
}

#[test]
fn a_network_carries_packets_to_whom_they_are_for_over_the_bottleneck() {
    let config = |words: &str| -> LinkConfig { words.parse().expect(words) };
    let mut network = Network::new(config("rate 1mbit delay 20ms"), config("delay 30ms"), 7);
    let address = |text: &str| [text.parse().expect(text)];
    let left = network.add_host(Side::Left, &address("10.0.0.1"), config("delay 1ms"), config("delay 2ms"));
    let right = network.add_host(Side::Right, &address("10.0.1.1"), config("delay 3ms"), config("delay 4ms"));
    let near = network.add_host(Side::Right, &address("10.0.1.2"), config(""), config(""));

    network.send(Instant::ZERO, left, segment(5, 1_250, Ecn::NotEct));
    network.send(Instant::ZERO, near, segment(6, 1_250, Ecn::NotEct));
    let mut arrived = Vec::new();
    while let Some(at) = network.next_timeout() {
        arrived.extend(std::iter::from_fn(|| network.receive(at)));
    }
    let seen: Vec<_> = arrived.iter().map(|(host, packet)| (*host, number(packet), packet.arrived_at)).collect();
    // From the neighbour by its access link alone; from the other side 1 + 10 + 20 + 4 ms.
    assert_eq!(seen, [(right, 6, millis(4)), (right, 5, millis(35))]);
    assert_eq!(network.bottleneck(Side::Left).counters().delivered, 1);

    let mut stray = segment(7, 100, Ecn::NotEct).bytes.to_vec();
    stray[19] = 99;
    network.send(millis(50), left, Packet::new(stray.into(), Instant::ZERO));
    assert!(network.receive(millis(100)).is_none() && network.unroutable() == 1);
}

#[test]
fn a_line_of_tc_is_understood() {
    let line = "tc qdisc add dev eth0 root handle 1: netem slot 800us 1ms packets 42 bytes 64k limit 200 delay 100ms 10ms 25% distribution normal loss random \
                0.3% 25% duplicate 1% corrupt 0.1% reorder 25% 50% gap 5 rate 10mbit ecn seed 3";
    let config: LinkConfig = line.parse().expect(line);
    assert_eq!(
        config.to_string(),
        "rate 10mbit limit 200 ecn delay 100ms 10ms 25% distribution normal loss 0.3% 25% duplicate 1% corrupt 0.1% \
         reorder 25% 50% gap 5 slot 800us 1ms packets 42 bytes 65536b seed 3"
    );
    assert_eq!(LinkConfig::default().to_string(), "");
}

#[test]
fn numbers_may_be_written_as_c_writes_them() {
    let config: LinkConfig = "loss .5% .25% duplicate 1e-1% delay 1e1ms .5ms rate 1.5e1mbit".parse().expect("a link");
    assert_eq!(config.to_string(), "rate 15mbit delay 10ms 500us loss 0.5% 0.25% duplicate 0.1%");
}

#[test]
fn words_that_make_no_link_are_refused_with_what_was_wanted() {
    for (words, error) in [
        ("rate", "\"rate\" wants something behind it"),
        ("rate fast", "\"fast\" should be a rate such as 10mbit"),
        ("delay 40parsecs", "\"40parsecs\" should be a time such as 40ms"),
        ("loss 200%", "\"200%\" should be a share from 0% to 100%"),
        ("distribution gauss", "\"gauss\" should be uniform, normal, pareto or paretonormal"),
        ("red min 9kb max 3kb", "\"3072\" should be more than the min before it"),
        ("at 5s rate 1mbit repeat 3s", "\"3s\" should be longer than until the last change before it"),
        ("at 0s down repeat 1ns", "\"1ns\" should be a microsecond or longer"),
        (
            "trace list 1,2 at 1s rate 1mbit",
            "\"rate\" should be left out behind `at`: a trace says itself what the link carries",
        ),
        (
            "mtu 0",
            "\"mtu 0\" should be 68 or more, which every link must take (RFC 791), such as 1400; for no bound, leave \
             `mtu` out",
        ),
        ("loss every 0", "\"every 0\" should be 1 (all) or more: no packet is the 0th; without loss, leave `loss` out"),
        (
            "thin 0 5ms",
            "\"thin 0\" should be 1 or more: one of so many ACKs passes, or so many at once; to leave ACKs alone, leave \
             the word out",
        ),
        (
            "compress 0",
            "\"compress 0\" should be 1 or more: one of so many ACKs passes, or so many at once; to leave ACKs alone, \
             leave the word out",
        ),
        ("limit 1e2", "\"1e2\" should be a number of packets, a size such as 64kb, or a time such as 50ms"),
        ("at 5s limit 3", "\"limit\" can't change by the clock: behind `at` stand rate, delay, loss, down and up only"),
    ] {
        assert_eq!(words.parse::<LinkConfig>().expect_err(words).to_string(), error);
    }
}
