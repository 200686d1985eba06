//! Captures in all their forms, whole and damaged.

use std::ops::{ControlFlow, Range};
use std::time::Duration;

use sockeye_lab::analyze::{End as FileEnd, Error, Filter, Picture, Report, Skipped, analyze, explain};
use sockeye_wire::Instant;

use super::world::End::{A, B};
use super::world::{Random, World, config};

/// A transfer's packets, from their IP header on, with their times.
fn packets() -> Vec<(Instant, Vec<u8>)> {
    let mut world = World::new(config(), config());
    world.send(A, 30_000);
    world.close(A);
    world.run_for(Duration::from_secs(1));
    world.close(B);
    world.run_for(Duration::from_secs(5));
    world.captured(A)
}

/// A pcap file: link type, what stands before each packet, octets kept of each, byte order, nanoseconds or not.
fn pcap(link: u32, prefix: &[u8], snap: usize, big_endian: bool, nanos: bool) -> Vec<u8> {
    let long = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let short = |value: u16| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut file = long(if nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }).to_vec();
    file.extend([short(2), short(4)].concat());
    file.extend([long(0), long(0), long(262_144), long(link)].concat());
    for (at, packet) in packets() {
        let frame = [prefix, &packet[..]].concat();
        let kept = frame.len().min(snap);
        let fraction = u32::try_from(at.as_nanos() % 1_000_000_000).unwrap();
        let fraction = if nanos { fraction } else { fraction / 1000 };
        let seconds = u32::try_from(at.as_nanos() / 1_000_000_000).unwrap();
        let lengths = [kept, frame.len()].map(|length| long(u32::try_from(length).unwrap()));
        file.extend([long(seconds), long(fraction)].concat());
        file.extend(lengths.concat());
        file.extend_from_slice(&frame[..kept]);
    }
    file
}

fn read(file: &[u8]) -> Report {
    analyze(file, &Filter::default()).unwrap()
}

fn is_whole(report: &Report) -> bool {
    report.end == FileEnd::Complete
        && report.connections.len() == 1
        && report.connections[0].directions[0].figures.octets_acked == 30_000
}

#[test]
fn every_link_layer_byte_order_and_resolution_is_read() {
    let ethernet = [&[2; 12][..], &[8, 0]].concat();
    let tagged = [&[2; 12][..], &[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 8, 0]].concat();
    let cooked = [&[0; 14][..], &[8, 0]].concat();
    let cooked_2 = [&[8, 0][..], &[0; 18]].concat();
    let links: [(u32, &[u8]); 8] = [
        (101, &[]),
        (228, &[]),
        (12, &[]),
        (1, &ethernet),
        (1, &tagged),
        (113, &cooked),
        (276, &cooked_2),
        (0, &[2, 0, 0, 0]),
    ];
    for (link, prefix) in links {
        for (big_endian, nanos) in [(false, false), (true, false), (false, true), (true, true)] {
            assert!(is_whole(&read(&pcap(link, prefix, usize::MAX, big_endian, nanos))), "{link} {big_endian} {nanos}");
        }
    }
}

#[test]
fn headers_are_enough() {
    let report = read(&pcap(101, &[], 60, false, true));
    assert!(is_whole(&report));
    let figures = &report.connections[0].directions[0].figures;
    assert_eq!((figures.max_window, figures.window_is_unscaled), (128 << 10, false));
    let report = read(&pcap(101, &[], 30, false, true));
    assert!(report.connections.is_empty(), "half a TCP header is not enough");
    assert_eq!(report.tally.skipped.get(&Skipped::Malformed), Some(&report.tally.packets));
}

#[test]
fn a_file_that_breaks_off_is_read_as_far_as_it_goes() {
    let file = pcap(101, &[], usize::MAX, false, true);
    let report = read(&file[..file.len() * 2 / 3]);
    assert!(matches!(report.end, FileEnd::Truncated(at) if at > 1_000));
    assert!(report.tally.packets > 20);
    let pcapng = {
        let mut world = World::new(config(), config());
        world.send(A, 30_000);
        world.run_for(Duration::from_secs(1));
        world.capture(A)
    };
    let report = read(&pcapng[..pcapng.len() - 7]);
    assert!(matches!(report.end, FileEnd::Truncated(_)));
}

#[test]
fn what_is_no_capture_is_said_to_be_none() {
    assert_eq!(analyze(&b""[..], &Filter::default()).err(), Some(Error::Empty));
    assert_eq!(
        analyze(&b"GET / HTTP/1.0\r\n\r\n and more and more"[..], &Filter::default()).err(),
        Some(Error::NotACapture)
    );
}

#[test]
fn garbage_in_a_file_never_panics() {
    let mut world = World::new(config(), config());
    world.send(A, 30_000);
    world.run_for(Duration::from_secs(1));
    let originals = [pcap(1, &[[2; 12].as_slice(), &[8, 0]].concat(), usize::MAX, false, true), world.capture(B)];
    for seed in 0..400 {
        let mut random = Random(seed);
        let mut file = originals[usize::from(seed % 2 == 0)].clone();
        for _ in 0..=random.next() % 200 {
            let at = usize::try_from(random.next()).unwrap() % file.len();
            file[at] = u8::try_from(random.next() % 256).unwrap();
        }
        // Whatever comes of it: an error or a report, and no panic. Replay with this seed.
        if let Ok(report) = analyze(&file[..], &Filter { draw: true, ..Filter::default() }) {
            for connection in report.connections.iter().take(3) {
                assert!(connection.draw(0).is_ok(), "seed {seed}");
            }
        }
    }
}

#[test]
fn filters_choose_by_host_port_and_number() {
    let file = pcap(101, &[], usize::MAX, false, true);
    let count = |filter: Filter| analyze(&file[..], &filter).unwrap().connections.len();
    assert_eq!(count(Filter { port: Some(80), ..Filter::default() }), 1);
    assert_eq!(count(Filter { port: Some(81), ..Filter::default() }), 0);
    assert_eq!(count(Filter { host: Some([10, 0, 0, 2].into()), ..Filter::default() }), 1);
    assert_eq!(count(Filter { host: Some([10, 0, 0, 3].into()), ..Filter::default() }), 0);
    assert_eq!(count(Filter { number: Some(2), ..Filter::default() }), 0);
    // Who asks for another connection has filtered this one; one beyond the limit is not followed.
    let left_out = |filter: Filter| {
        let tally = analyze(&file[..], &filter).unwrap().tally;
        (tally.filtered == tally.packets, tally.not_followed == tally.packets)
    };
    assert_eq!(left_out(Filter { number: Some(2), ..Filter::default() }), (true, false));
    assert_eq!(left_out(Filter { limit: Some(1), number: Some(1), ..Filter::default() }), (false, false));
    assert_eq!(left_out(Filter { limit: Some(0), ..Filter::default() }), (false, true));
}

#[test]
fn a_picture_may_show_a_part_of_the_time() {
    let file = pcap(101, &[], usize::MAX, false, true);
    let draw = |zoom: Option<Range<Duration>>| {
        let filter = Filter { draw: true, zoom, ..Filter::default() };
        let report = analyze(&file[..], &filter).unwrap();
        assert_eq!(report.connections[0].picture, Picture::Whole);
        report.connections[0].draw(0).unwrap()
    };
    let (whole, late) = (draw(None), draw(Some(Duration::from_millis(1)..Duration::MAX)));
    assert!(whole.contains("SYN") && whole.contains("FIN"));
    assert!(late.contains("FIN") && !late.contains("SYN"));
}

#[test]
fn the_same_ports_again_are_another_connection() {
    let mut file = pcap(101, &[], usize::MAX, false, true);
    // The second time with other initial numbers: those of a world that begins elsewhere.
    let second = {
        let mut packets = packets();
        packets.iter_mut().for_each(|(_, packet)| shift(packet));
        packets
    };
    for (at, packet) in second {
        let seconds = u32::try_from(at.as_nanos() / 1_000_000_000).unwrap() + 100;
        let nanos = u32::try_from(at.as_nanos() % 1_000_000_000).unwrap();
        let length = u32::try_from(packet.len()).unwrap();
        [seconds, nanos, length, length].iter().for_each(|field| file.extend(field.to_le_bytes()));
        file.extend(packet);
    }
    let report = read(&file);
    assert_eq!(report.connections.len(), 2);
    assert!(report.connections.iter().all(|connection| connection.directions[0].figures.octets_acked == 30_000));
}

/// Other sequence numbers, and no checksum, as a device leaves it that computes it later.
fn shift(packet: &mut [u8]) {
    for field in [24, 28] {
        let bytes: &mut [u8] = &mut packet[field..field + 4];
        let number = u32::from_be_bytes(bytes.try_into().unwrap()).wrapping_add(77_777_777);
        bytes.copy_from_slice(&number.to_be_bytes());
    }
    packet[36..38].copy_from_slice(&[0, 0]);
}

#[test]
fn a_capture_may_begin_in_the_middle() {
    let mut world = World::new(config(), config());
    world.send(A, 100_000);
    world.close(A);
    world.run_for(Duration::from_secs(1));
    world.forget_captured(A, 60);
    let report = world.report(A);
    let connection = &report.connections[0];
    assert_eq!(connection.handshake, None);
    let figures = &connection.directions[0].figures;
    assert!((40_000..100_000).contains(&figures.octets_acked), "{figures:?}");
    assert_eq!((figures.retransmits(), figures.out_of_order), (0, 0));
    let receiver = &connection.directions[1].figures;
    assert!(receiver.window_is_unscaled && receiver.max_window <= 0xffff, "{receiver:?}");
    let mut windows = Vec::new();
    let explained = explain(&world.capture(A)[..], &Filter::default(), |segment| {
        windows.push(segment.what.ends_with(" (unscaled)"));
        ControlFlow::Continue(())
    });
    assert!(explained.is_ok() && windows.iter().all(|is_unscaled| *is_unscaled));
    assert_eq!(super::world::problems(&report), []);
}

#[test]
fn a_wrong_checksum_takes_no_part() {
    let mut packets = packets();
    packets[20].1[45] ^= 0xff;
    let mut file = pcap(101, &[], usize::MAX, false, true);
    let at = 24 + packets[..20].iter().map(|(_, packet)| 16 + packet.len()).sum::<usize>() + 16 + 45;
    file[at] ^= 0xff;
    assert_eq!(read(&file).tally.skipped.get(&Skipped::Checksum), Some(&1));
}
