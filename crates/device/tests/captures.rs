//! Captures are what other programs read: pcap-file, and tcpdump where it is installed.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use pcap_file::DataLink;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use sockeye_device::memory::{self, MemoryDevice};
use sockeye_device::pcapng::{Recorder, Way, Writer};
use sockeye_device::{Clock, Device, Outgoing, Slices};
use sockeye_wire::Instant;
use sockeye_wire::ip::{protocol, v4::Ipv4Header};
use sockeye_wire::udp;

/// A datagram from 10.9.0.`from` with this text.
fn packet(from: u8, text: &str) -> Outgoing {
    let (source, destination) = (Ipv4Addr::new(10, 9, 0, from), Ipv4Addr::new(10, 9, 0, 3 - from));
    let mut whole = vec![0; text.len() + udp::HEADER_LEN];
    let (from, to) = ((source.into(), 1000 + u16::from(from)), (destination.into(), 1003 - u16::from(from)));
    let payload_len = udp::emit(from, to, text.as_bytes(), &mut whole).expect("there is room");
    Outgoing::build(Slices::from_iter([Bytes::from(whole)]), |head| {
        let header = Ipv4Header {
            source,
            destination,
            protocol: protocol::UDP,
            payload_len,
            ttl: 64,
            traffic_class: 0,
            identification: 0,
            dont_fragment: true,
        };
        header.emit(head).expect("there is room")
    })
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Time, way and octets of each packet in a capture.
fn read(capture: &[u8]) -> Vec<(Duration, u32, Vec<u8>)> {
    let mut reader = PcapNgReader::new(capture).expect("a section header");
    let mut packets = Vec::new();
    while let Some(block) = reader.next_block() {
        match block.expect("well formed") {
            Block::InterfaceDescription(interface) => assert_eq!(interface.linktype, DataLink::RAW),
            Block::EnhancedPacket(packet) => {
                let ways = packet.options.iter().filter_map(|option| match option {
                    EnhancedPacketOption::Flags(flags) => Some(*flags),
                    _ => None,
                });
                packets.push((packet.timestamp, ways.sum(), packet.data.into_owned()));
            }
            other => panic!("{other:?} is not expected"),
        }
    }
    packets
}

#[test]
fn both_ways_are_recorded_with_virtual_times_to_the_nanosecond() {
    let (ours, theirs) = memory::pair(1500);
    let path = file("virtual.pcapng");
    let writer = Writer::new(fs::File::create(&path).expect("a file"), Duration::from_secs(1_000_000_000));
    let time = Arc::new(AtomicU64::new(1_000_000_001));
    let shown = Arc::clone(&time);
    let now = move || Instant::from_nanos(shown.load(Ordering::Relaxed));
    let recorder = Recorder::new(ours, writer.expect("it can be written"), now);

    recorder.transmit(&mut VecDeque::from([packet(1, "one"), packet(1, "three")])).expect("memory doesn't break");
    theirs.transmit(&mut VecDeque::from([packet(2, "back")])).expect("memory doesn't break");
    let mut batch = Vec::new();
    recorder.receive(Instant::from_nanos(2_000_000_002), &mut batch, 10).expect("memory doesn't break");
    time.store(3_000_000_003, Ordering::Relaxed);
    recorder.transmit(&mut VecDeque::from([packet(1, "")])).expect("memory doesn't break");
    drop(recorder);

    let at = |second: u32| Duration::new(1_000_000_000 + u64::from(second), second);
    let octets = |packet: Outgoing| packet.to_bytes().to_vec();
    assert_eq!(
        read(&fs::read(&path).expect("it is there")),
        [
            (at(1), Way::Out as u32, octets(packet(1, "one"))),
            (at(1), Way::Out as u32, octets(packet(1, "three"))),
            (at(2), Way::In as u32, octets(packet(2, "back"))),
            (at(3), Way::Out as u32, octets(packet(1, ""))),
        ]
    );
}

#[test]
fn only_what_the_device_took_is_recorded() {
    let (ours, _theirs) = memory::pair_with_queue(1500, 1);
    let path = file("full.pcapng");
    let recorder = Recorder::create(ours, &path, Clock::start()).expect("a file");
    let mut batch = VecDeque::from([packet(1, "taken"), packet(1, "left")]);
    assert_eq!(recorder.transmit(&mut batch).ok(), Some(1));
    recorder.flush().expect("it can be written");
    let recorded = read(&fs::read(&path).expect("it is there"));
    assert_eq!(recorded.iter().map(|(.., octets)| &octets[28..]).collect::<Vec<_>>(), [b"taken"]);
}

#[test]
fn the_real_clock_dates_packets_with_the_day() {
    let (ours, _theirs) = memory::pair(1500);
    let path = file("dated.pcapng");
    let recorder = Recorder::create(ours, &path, Clock::start()).expect("a file");
    recorder.transmit(&mut VecDeque::from([packet(1, "now")])).expect("memory doesn't break");
    drop(recorder);
    let today = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    let recorded = read(&fs::read(&path).expect("it is there"));
    assert!(recorded[0].0.abs_diff(today) < Duration::from_mins(1), "{:?} for {today:?}", recorded[0].0);
}

/// A disk that is full after so many octets.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(octets.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_ends_the_capture_and_not_the_traffic() {
    let (ours, theirs) = memory::pair(1500);
    let writer = Writer::new(Full(120), Duration::ZERO).expect("the first blocks fit");
    let recorder = Recorder::new(ours, writer, || Instant::ZERO);
    for _ in 0..5 {
        assert_eq!(recorder.transmit(&mut VecDeque::from([packet(1, "text")])).ok(), Some(1));
    }
    let mut batch = Vec::new();
    assert_eq!(theirs.receive(Instant::ZERO, &mut batch, 10).ok(), Some(5));
}

#[test]
fn a_recorder_passes_on_what_its_device_says_of_itself() {
    let (ours, theirs): (MemoryDevice, MemoryDevice) = memory::pair(1400);
    drop(theirs);
    let writer = Writer::new(Vec::new(), Duration::ZERO).expect("memory doesn't fill up");
    let recorder = Recorder::new(Arc::new(ours), writer, || Instant::ZERO);
    recorder.transmit(&mut VecDeque::from([packet(1, "into nothing")])).expect("memory doesn't break");
    assert_eq!(recorder.capabilities().mtu, 1400);
    assert_eq!(recorder.counters().to_string(), "link_down=1");
    assert!(recorder.as_fd().is_some() && !recorder.is_low_on_buffers());
}

#[test]
fn tcpdump_reads_a_capture_with_times_and_ways() {
    let path = file("tcpdump.pcapng");
    let writer = Writer::new(fs::File::create(&path).expect("a file"), Duration::ZERO);
    let mut writer = writer.expect("it can be written");
    let times = [(1, Way::Out, packet(1, "ping")), (2, Way::In, packet(2, "pong"))];
    for (nanos, way, packet) in times {
        writer.write(Instant::from_nanos(nanos), way, &packet.to_bytes()).expect("it can be written");
    }
    drop(writer);
    let arguments = ["-n", "-tt", "--time-stamp-precision=nano", "-r"];
    let Ok(output) = Command::new("tcpdump").args(arguments).arg(&path).env("TZ", "UTC").output() else {
        println!("skipped: tcpdump is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(lines[0].starts_with("0.000000001") && lines[0].contains("10.9.0.1.1001 > 10.9.0.2.1002: UDP"), "{text}");
    assert!(lines[1].starts_with("0.000000002") && lines[1].contains("10.9.0.2.1002 > 10.9.0.1.1001: UDP"), "{text}");
}
