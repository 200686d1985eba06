//! Tests of `memory`.

use std::time::Duration;

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;
use crate::Slices;

fn packet(text: &str) -> Outgoing {
    Outgoing::build(Slices::from_iter([Bytes::from(text.to_owned())]), |head| {
        head[0] = b'>';
        1
    })
}

fn packets(texts: &[&str]) -> VecDeque<Outgoing> {
    texts.iter().map(|text| packet(text)).collect()
}

fn receive(device: &MemoryDevice) -> Vec<String> {
    let mut batch = Vec::new();
    let count = device.receive(Instant::ZERO, &mut batch, 64).expect("memory doesn't break");
    assert_eq!(count, batch.len());
    batch.iter().map(|packet| String::from_utf8_lossy(&packet.bytes).into_owned()).collect()
}

fn readable(device: &MemoryDevice, timeout: Duration) -> bool {
    let fd = device.as_fd().expect("descriptors are left");
    let timeout = Timespec { tv_sec: timeout.as_secs().cast_signed(), tv_nsec: timeout.subsec_nanos().into() };
    poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&timeout)).expect("poll works") == 1
}

#[test]
fn what_goes_in_at_one_end_comes_out_at_the_other_in_order() {
    let (left, right) = pair(1500);
    assert_eq!(left.transmit(&mut packets(&["one", "two"])).ok(), Some(2));
    assert_eq!(right.transmit(&mut packets(&["back"])).ok(), Some(1));
    assert_eq!(receive(&right), [">one", ">two"]);
    assert_eq!(receive(&left), [">back"]);
    assert!(receive(&right).is_empty() && receive(&left).is_empty());
}

#[test]
fn no_more_than_asked_for_and_stamped_with_the_time_given() {
    let (left, right) = pair(1500);
    left.transmit(&mut packets(&["a", "b", "c"])).expect("memory doesn't break");
    let mut batch = Vec::new();
    assert_eq!(right.receive(Instant::from_millis(5), &mut batch, 2).ok(), Some(2));
    assert_eq!(right.receive(Instant::from_millis(9), &mut batch, 2).ok(), Some(1));
    assert_eq!(batch.iter().map(|packet| packet.arrived_at.as_millis()).collect::<Vec<_>>(), [5, 5, 9]);
}

#[test]
fn a_full_queue_leaves_packets_with_the_caller_and_loses_none() {
    let (left, right) = pair_with_queue(1500, 2);
    let mut batch = packets(&["a", "b", "c", "d"]);
    assert_eq!(left.transmit(&mut batch).ok(), Some(2));
    assert_eq!(batch.len(), 2);
    assert_eq!(left.transmit(&mut batch).ok(), Some(0));
    assert_eq!(receive(&right), [">a", ">b"]);
    assert_eq!(left.transmit(&mut batch).ok(), Some(2));
    assert_eq!(receive(&right), [">c", ">d"]);
    assert_eq!((left.counters().get(Counter::QueueFull), left.counters().get(Counter::Sent)), (2, 4));
}

#[test]
fn a_packet_beyond_the_mtu_is_lost_alone_and_counted() {
    let (left, right) = pair(68);
    let long = "x".repeat(68);
    assert_eq!(left.transmit(&mut packets(&["a", &long, "b"])).ok(), Some(2));
    assert_eq!(receive(&right), [">a", ">b"]);
    assert_eq!(left.counters().get(Counter::TooLong), 1);
}

#[test]
fn sending_to_an_end_that_was_dropped_loses_the_packets_and_counts_them() {
    let (left, right) = pair(1500);
    drop(right);
    assert_eq!(left.transmit(&mut packets(&["a", "b"])).ok(), Some(0));
    assert_eq!(left.counters().get(Counter::LinkDown), 2);
}

#[test]
fn the_descriptor_is_readable_while_packets_wait() {
    let (left, right) = pair(1500);
    left.transmit(&mut packets(&["before the descriptor existed"])).expect("memory doesn't break");
    assert!(readable(&right, Duration::ZERO));
    receive(&right);
    assert!(!readable(&right, Duration::ZERO));
    left.transmit(&mut packets(&["a", "b"])).expect("memory doesn't break");
    let mut batch = Vec::new();
    right.receive(Instant::ZERO, &mut batch, 1).expect("memory doesn't break");
    assert!(readable(&right, Duration::ZERO), "one still waits");
    receive(&right);
    assert!(!readable(&right, Duration::ZERO));
}

#[test]
fn a_sender_that_was_pushed_back_hears_of_new_room_through_its_own_descriptor() {
    let (left, right) = pair_with_queue(1500, 4);
    assert!(readable(&left, Duration::ZERO), "born ringing");
    assert!(receive(&left).is_empty() && !readable(&left, Duration::ZERO));
    let mut batch = packets(&["a", "b", "c", "d", "e"]);
    left.transmit(&mut batch).expect("memory doesn't break");
    assert!(!readable(&left, Duration::ZERO));
    receive(&right);
    assert!(readable(&left, Duration::ZERO));
}

#[test]
fn two_threads_pass_many_packets_through_a_short_queue_without_losing_one() {
    const COUNT: usize = 20_000;
    let (left, right) = pair_with_queue(1500, 16);
    let sender = std::thread::spawn(move || {
        let mut batch: VecDeque<Outgoing> = (0..COUNT).map(|number| packet(&number.to_string())).collect();
        while !batch.is_empty() {
            if left.transmit(&mut batch).expect("memory doesn't break") == 0 {
                assert!(readable(&left, Duration::from_secs(20)), "never told of room: {} left", batch.len());
                receive(&left);
            }
        }
        left
    });
    let mut expected = 0;
    while expected < COUNT {
        assert!(readable(&right, Duration::from_secs(20)), "never told of packet {expected}");
        for text in receive(&right) {
            assert_eq!(text, format!(">{expected}"));
            expected += 1;
        }
    }
    drop(sender.join());
}

#[test]
fn long_text_is_shared_with_who_asks_for_that_and_copied_for_others() {
    let (left, right) = pair(9000);
    let text = Bytes::from(vec![7; 5000]);
    let sent = || {
        Outgoing::build(Slices::from_iter([text.clone()]), |head| {
            head[0] = b'>';
            1
        })
    };
    left.transmit(&mut VecDeque::from([sent(), sent(), packet("short")])).expect("memory doesn't break");
    let mut batch = Vec::new();
    right.receive(Instant::ZERO, &mut batch, 1).expect("memory doesn't break");
    right.receive_shared(Instant::ZERO, &mut batch, 64).expect("memory doesn't break");
    let [copied, shared, short] = &batch[..] else { panic!("three have arrived") };
    assert!(copied.text.is_empty() && short.text.is_empty());
    assert_eq!((&shared.bytes[..], shared.text[0].as_ptr()), (&b">"[..], text.as_ptr()));
    assert_eq!(shared.clone().joined().bytes, copied.bytes);
    assert_eq!(&short.bytes[..], b">short");
}

#[test]
fn super_segments_pass_whole_between_devices_that_offload() {
    let (left, right) = pair_offloading(1500, QUEUE);
    let cut = |size| {
        let mut whole = packet(&"x".repeat(5000));
        whole.segment_size = size;
        VecDeque::from([whole])
    };
    assert_eq!(left.transmit(&mut cut(1499)).ok(), Some(1));
    let mut batch = Vec::new();
    right.receive(Instant::ZERO, &mut batch, 64).expect("memory doesn't break");
    let Packet { bytes, checksum_verified, segment_size, .. } = &batch[0];
    assert_eq!((bytes.len(), *checksum_verified, *segment_size), (5001, true, 1499));
    for too_long in [0, 1500] {
        assert_eq!(left.transmit(&mut cut(too_long)).ok(), Some(0), "{too_long}");
    }
    assert_eq!(left.counters().get(Counter::TooLong), 2);
}
