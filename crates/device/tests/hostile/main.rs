//! Parsers against octets that nobody vouches for.

mod walkers;

use proptest::prelude::*;

/// A super-segment's headers, up to TCP's options: 10.9.0.1 to 10.9.0.2.
const HEADERS: [u8; 40] = [
    0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2, // IPv4
    0, 7, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 1, 0, 0, 0, 0, 0, // TCP: PSH, ACK
];

/// Words of links, some of them with what they want behind them.
const WORDS: [&str; 41] = [
    "rate",
    "10mbit",
    "limit",
    "1000",
    "delay",
    "40ms",
    "5ms",
    "25%",
    "distribution normal",
    "loss",
    "1%",
    "loss state",
    "loss gemodel",
    "loss every",
    "loss list",
    "duplicate",
    "corrupt",
    "corrupt-header",
    "reorder",
    "gap",
    "displace",
    "late",
    "mtu 1400",
    "icmp",
    "police rate",
    "burst 30kb",
    "thin",
    "compress",
    "gro",
    "down",
    "up",
    "seed",
    "at",
    "repeat",
    "red min",
    "max 90kb",
    "codel target",
    "interval",
    "trace",
    "trace list",
    "-3",
];

proptest! {
    #[test]
    fn an_offload_header_may_say_anything(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
        walkers::vnet_hdr(&octets);
    }

    /// The same with flags and kinds that exist, so that more than the first check is reached.
    #[test]
    fn an_offload_header_may_say_anything_that_exists(
        flags in 0_u8..4,
        kind in prop::sample::select(vec![0_u8, 1, 4, 5, 0x81, 0x84]),
        words: [u16; 4],
        frame in proptest::collection::vec(any::<u8>(), 0..2000),
    ) {
        let words = words.map(u16::to_ne_bytes).concat();
        walkers::vnet_hdr(&[&[flags, kind], &words[..], &frame].concat());
    }

    #[test]
    fn a_packet_that_is_cut_may_be_anything(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        walkers::segments(&octets);
    }

    /// The same with headers of TCP, of which one octet may be any.
    #[test]
    fn a_packet_that_is_cut_may_be_a_segment(
        size in 0_u16..700,
        flags: u8,
        (at, octet) in (0_usize..80, any::<u8>()),
        text in proptest::collection::vec(any::<u8>(), 0..3000),
    ) {
        let mut headers = HEADERS;
        if let Some(place) = headers.get_mut(at) {
            *place = octet;
        }
        walkers::segments(&[&size.to_be_bytes()[..], &[flags], &headers, &text].concat());
    }

    #[test]
    fn a_link_may_be_described_by_any_words(
        words in proptest::collection::vec(prop::sample::select(WORDS.to_vec()), 0..9),
        odd in ".{0,6}",
    ) {
        walkers::link_words(&words.join(" "));
        walkers::link_words(&format!("{} {odd}", words.join(" ")));
    }
}
