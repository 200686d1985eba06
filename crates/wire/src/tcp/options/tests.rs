//! Tests of `options`.

use super::*;
use crate::SeqNumber;

fn emitted(options: &Options) -> ([u8; 40], usize) {
    options.encode(true)
}

/// What is read of what is written.
fn round(options: Options) -> Options {
    let (bytes, length) = emitted(&options);
    Options::parse(&bytes[..length])
}

fn blocks(count: u32) -> SackBlocks {
    let mut blocks = SackBlocks::NONE;
    for i in 0..count {
        blocks.push(SackBlock { left: SeqNumber::new(i * 10), right: SeqNumber::new(i * 10 + 5) });
    }
    blocks
}

//= rfc9293#MUST-4
//= rfc9293#MUST-64
#[test]
fn options_that_do_not_start_on_a_word_are_read() {
    let options = Options::parse(&[1, 2, 4, 5, 0xb4, 1, 1, 1, 3, 3, 7, 4, 2, 0, 0xff]);
    assert_eq!((options.mss, options.window_scale, options.sack_permitted), (Some(1460), Some(7), true));
}

//= rfc9293#MUST-6
//= rfc9293#MUST-68
//= rfc1122#4.2.2.5-2
//= rfc5482#3-6
//= rfc5482#4.1-1
#[test]
fn unknown_options_are_skipped_by_their_length() {
    let options = Options::parse(&[99, 6, 1, 2, 3, 4, 30, 3, 9, 19, 2, 29, 4, 0, 0, 2, 4, 2, 24]);
    assert_eq!(options, Options { mss: Some(536), ..Options::NONE });
}

#[test]
fn options_that_are_not_read_have_their_names() {
    let options: std::vec::Vec<_> = OptionIter::new(&[19, 2, 29, 3, 0, 30, 2, 99, 3, 7]).collect();
    let unknown = TcpOption::Unknown(99, &[7]);
    assert_eq!(options, [TcpOption::Md5Signature, TcpOption::Authentication, TcpOption::Multipath, unknown]);
}

#[test]
fn only_nothing_is_empty() {
    assert!(Options::NONE.is_empty() && SackBlocks::NONE.is_empty());
    assert!(!Options { sack: blocks(1), ..Options::NONE }.is_empty() && !blocks(1).is_empty());
}

//= rfc9293#MUST-7
//= rfc1122#4.2.2.5-3
#[test]
fn an_illegal_length_ends_the_options_and_keeps_those_before() {
    for illegal in [&[3, 0, 7][..], &[3, 1, 7], &[3, 200, 7], &[3], &[2, 4, 2], &[99, 0, 3, 3, 7], &[0x7f, 5, 3, 3]] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&[2, 4, 2, 24]);
        bytes[4..4 + illegal.len()].copy_from_slice(illegal);
        let options = Options::parse(&bytes[..4 + illegal.len()]);
        assert_eq!(options, Options { mss: Some(536), ..Options::NONE }, "{illegal:?}");
    }
}

#[test]
fn a_known_option_of_a_length_that_it_cannot_have_is_skipped() {
    for wrong in [&[2, 3, 9][..], &[3, 4, 1, 1], &[4, 3, 0], &[8, 4, 0, 0], &[5, 2], &[5, 6, 0, 0, 0, 0], &[28, 3, 0]] {
        let mut bytes = [1; 16];
        bytes[..wrong.len()].copy_from_slice(wrong);
        bytes[12..].copy_from_slice(&[2, 4, 2, 24]);
        assert_eq!(Options::parse(&bytes), Options { mss: Some(536), ..Options::NONE }, "{wrong:?}");
    }
}

//= rfc9293#MUST-4
#[test]
fn nothing_after_the_end_of_the_list_counts() {
    assert_eq!(Options::parse(&[1, 0, 2, 4, 2, 24]), Options::NONE);
}

//= rfc9293#MUST-4
//= rfc1122#4.2.2.6-1
//= rfc7323#3.2-1
//= rfc7323#2.2-1
//= rfc2018#2-1
#[test]
fn a_syn_says_it_in_the_order_that_others_use() {
    let options = Options {
        mss: Some(1460),
        window_scale: Some(7),
        sack_permitted: true,
        timestamps: Some(Timestamps { value: 1, echo: 0 }),
        ..Options::NONE
    };
    let (bytes, length) = emitted(&options);
    assert_eq!(bytes[..length], [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7]);
    let without = Options { timestamps: None, ..options };
    let (bytes, length) = emitted(&without);
    assert_eq!(bytes[..length], [2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7]);
}

//= rfc7323#A-1
#[test]
fn timestamps_alone_stand_behind_two_no_operations() {
    let options = Options { timestamps: Some(Timestamps { value: 0x0102_0304, echo: 5 }), ..Options::NONE };
    let (bytes, length) = emitted(&options);
    assert_eq!(bytes[..length], [1, 1, 8, 10, 1, 2, 3, 4, 0, 0, 0, 5]);
    assert_eq!(Options::parse(&bytes[2..12]), options, "alignment isn't needed to be understood");
}

//= rfc9293#MUST-69
#[test]
fn padding_is_zero() {
    let options = Options { fast_open: FastOpenCookie::new(&[0xcc; 4]), ..Options::NONE };
    let (bytes, length) = emitted(&options);
    assert_eq!(bytes[..length], [34, 6, 0xcc, 0xcc, 0xcc, 0xcc, 0, 0]);
}

//= rfc7413#4.1.1-1
//= rfc7413#9-1
#[test]
fn a_syn_with_everything_fits_the_longest_cookie_included() {
    let options = Options {
        mss: Some(1460),
        window_scale: Some(7),
        sack_permitted: true,
        timestamps: Some(Timestamps { value: 1, echo: 2 }),
        fast_open: FastOpenCookie::new(&[7; 16]),
        ..Options::NONE
    };
    assert_eq!(options.len(), 40);
    assert_eq!(round(options), options);
}

#[test]
fn the_user_timeout_gives_way_to_the_cookie() {
    let fast_open = FastOpenCookie::new(&[7; 16]);
    let timestamps = Some(Timestamps::default());
    let user_timeout = Some(UserTimeout { seconds: 9 });
    let full = Options { mss: Some(1), window_scale: Some(1), timestamps, fast_open, user_timeout, ..Options::NONE };
    assert_eq!(round(full), Options { user_timeout: None, ..full });
}

//= rfc7413#4.1.1-2
//= rfc7413#4.1.1-3
#[test]
fn a_cookie_of_an_invalid_length_is_ignored() {
    for length in 0..=30_u8 {
        let mut bytes = [0; 32];
        (bytes[0], bytes[1]) = (34, length + 2);
        let cookie = Options::parse(&bytes[..usize::from(length) + 2]).fast_open;
        let legal = length == 0 || ((4..=16).contains(&length) && length % 2 == 0);
        assert_eq!(cookie.map(|cookie| cookie.octets().len()), legal.then_some(usize::from(length)));
    }
}

//= rfc2018#3-1
#[test]
fn a_block_is_its_first_octet_and_the_one_behind_its_last() {
    let mut sack = SackBlocks::NONE;
    sack.push(SackBlock { left: SeqNumber::new(0x0102_0304), right: SeqNumber::new(0x0506_0708) });
    let (bytes, length) = emitted(&Options { sack, ..Options::NONE });
    assert_eq!(bytes[..length], [1, 1, 5, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
}

//= rfc2018#3-2
#[test]
fn four_sack_blocks_fit_alone_and_three_beside_timestamps() {
    let alone = Options { sack: blocks(4), ..Options::NONE };
    assert_eq!(round(alone), alone);
    let beside = Options { timestamps: Some(Timestamps::default()), ..alone };
    assert_eq!(beside.len(), 40);
    assert_eq!(round(beside).sack, blocks(3));
}

//= rfc7323#2.3-6
#[test]
fn a_shift_above_fourteen_is_never_sent_and_is_read_as_it_is() {
    let shift = |shift| round(Options { window_scale: Some(shift), ..Options::NONE }).window_scale;
    assert_eq!((shift(0), shift(14), shift(15), shift(255)), (Some(0), Some(14), Some(14), Some(14)));
    assert_eq!(Options::parse(&[3, 3, 200]).window_scale, Some(200));
}

//= rfc5482#3.3-1
#[test]
fn a_long_user_timeout_is_told_in_minutes() {
    for (told, read) in [(5, 5), (32_767, 32_767), (32_768, 32_760), (40_000, 39_960), (u32::MAX, 32_767 * 60)] {
        let user_timeout = Some(UserTimeout { seconds: told });
        let read = Some(UserTimeout { seconds: read });
        assert_eq!(round(Options { user_timeout, ..Options::NONE }).user_timeout, read);
    }
    let (bytes, _) = emitted(&Options { user_timeout: Some(UserTimeout { seconds: 40_000 }), ..Options::NONE });
    assert_eq!(bytes[..4], [28, 4, 0x82, 0x9a], "666 minutes");
}

//= rfc5482#3.4-1
#[test]
fn a_user_timeout_of_zero_is_neither_sent_nor_heard() {
    let zero = Options { user_timeout: Some(UserTimeout { seconds: 0 }), ..Options::NONE };
    assert_eq!(zero.len(), 0);
    assert_eq!(Options::parse(&[28, 4, 0, 0]).user_timeout, None);
    assert_eq!(Options::parse(&[28, 4, 0x80, 0]).user_timeout, None);
}
