//! Parsers against octets that nobody vouches for.

mod walkers;

use proptest::prelude::*;

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
}
