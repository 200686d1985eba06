//! No bytes, however chosen, make a parser panic or a view lie about its lengths.

mod walkers;

use proptest::collection::vec;
use proptest::prelude::*;
use sockeye_wire::checksum::{checksum, with_pseudo_header};
use walkers::ALL;

/// One good message for each parser, to be damaged.
fn good(parser: &str) -> Vec<u8> {
    let (v4, v6) = (hex(IPV4_SYN), hex(IPV6_SYN));
    match parser {
        "arp" => hex("0001080006040001 020000000001 0a090001 000000000000 0a090002"),
        "ethernet" => [hex("020000000002 020000000001 0800"), v4].concat(),
        "extension" => hex("3c 0601050200000000 0000000000000000 0016d43100000000"),
        "icmp" => icmp_v4([hex("0301000000000000"), v4].concat()),
        "ndp" => ndp(hex("87000000 00000000 fd000009000000000000000000000002 0101020000000001")),
        "quoted" | "ipv4" => v4,
        "ipv6" => v6,
        "tcp" => v4[20..].to_vec(),
        "tcp_options" => v4[40..].to_vec(),
        _ => hex("003514e9000c0000 77686f3f"),
    }
}

/// A SYN with the options that Linux sends, over each version.
const IPV4_SYN: &str = "4500003c00004000400626b10a0900010a090002 d4310016 00000001 00000000 a002faf0 00000000 \
                        020405b40402080a0000000100000000 01030307";
const IPV6_SYN: &str = "6000000000280640 fd000009000000000000000000000001 fd000009000000000000000000000002 d4310016 \
                        00000001 00000000 a002faf0 00000000 020405b40402080a0000000100000000 01030307";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).expect("two digits")).collect()
}

/// With a valid checksum, or else nothing behind it is ever read.
fn icmp_v4(mut message: Vec<u8>) -> Vec<u8> {
    message[2..4].fill(0);
    let sum = checksum(&message).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    message
}

fn ndp(mut message: Vec<u8>) -> Vec<u8> {
    let (theirs, ours) = ("fd00:9::1".parse().expect("an address"), "fd00:9::2".parse().expect("an address"));
    message[2..4].fill(0);
    let sum = with_pseudo_header(theirs, ours, 58, &message).checksum().to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    message
}

/// The message with its checksum mended where a parser looks at it first.
fn mended(parser: &str, message: Vec<u8>) -> Vec<u8> {
    match parser {
        "icmp" if message.len() >= 4 => icmp_v4(message),
        "ndp" if message.len() >= 4 => ndp(message),
        _ => message,
    }
}

#[test]
fn good_messages_are_taken_whole_and_cut_at_every_octet() {
    for (parser, walk) in ALL {
        let good = good(parser);
        assert!(walk(&good), "{parser} refuses a good message");
        for length in 0..=good.len() {
            walk(&good[..length]);
            walk(&mended(parser, good[..length].to_vec()));
        }
    }
}

#[test]
fn every_single_octet_may_have_any_value() {
    for (parser, walk) in ALL {
        let good = good(parser);
        for (at, value) in (0..good.len()).flat_map(|at| (0..=255).map(move |value| (at, value))) {
            let mut bad = good.clone();
            bad[at] = value;
            walk(&bad);
            walk(&mended(parser, bad));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2048) })]

    #[test]
    fn random_bytes_are_survived(bytes in vec(any::<u8>(), 0..200)) {
        for (parser, walk) in ALL {
            walk(&bytes);
            walk(&mended(parser, bytes.clone()));
        }
    }

    #[test]
    fn damaged_messages_are_survived(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        length in any::<prop::sample::Index>(),
        tail in vec(any::<u8>(), 0..64),
    ) {
        for (parser, walk) in ALL {
            let mut bad = good(parser);
            for (at, value) in &changes {
                let at = at.index(bad.len());
                bad[at] = *value;
            }
            bad.truncate(length.index(bad.len()) + 1);
            bad.extend(&tail);
            walk(&bad);
            walk(&mended(parser, bad));
        }
    }
}

#[test]
fn every_walker_has_a_fuzz_target() {
    for (parser, _) in ALL {
        let target = format!("{}/../../tests/fuzz/fuzz_targets/{parser}.rs", env!("CARGO_MANIFEST_DIR"));
        assert!(std::fs::exists(&target).is_ok_and(|there| there), "{target} is missing");
    }
}
