//! How fast a large capture is analysed, and in how much memory:
//! `cargo bench -p sockeye-lab --bench analyze -- [MEGABYTES] [OCTETS KEPT OF EACH PACKET]`.
//!
//! The capture is made first, in a temporary file: 200 connections at a time, 500 exchanges each, an ACK for every two
//! segments of 1,448 octets. With the word `one-way` it has 4,000 connections at a time, and of each only what one side sends.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::time::Instant;

use sockeye_lab::analyze::{Filter, analyze};

const EXCHANGES: u32 = 500;
const TEXT: u32 = 1_448;

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let megabytes = numbers.next().unwrap_or(1_000);
    let kept = usize::try_from(numbers.next().unwrap_or(65_535))?;
    let file = tempfile::NamedTempFile::new()?;
    let one_way = std::env::args().any(|argument| argument == "one-way");
    let packets = write(BufWriter::new(file.reopen()?), megabytes * 1_000_000, kept, one_way)?;
    let before = peak_memory();
    let started = Instant::now();
    let report = analyze(File::open(file.path())?, &Filter::default())?;
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(report.tally.packets, packets);
    #[expect(clippy::cast_precision_loss, reason = "to be read by people")]
    let (size, packets) = (megabytes as f64, packets as f64);
    println!(
        "{size} MB, {packets} packets, {} connections: {seconds:.2} s, {:.0} MB/s, {:.2} million packets/s",
        report.connections.len(),
        size / seconds,
        packets / seconds / 1e6
    );
    println!("peak memory {} MB ({before} MB before)", peak_memory());
    Ok(())
}

/// The most memory that the process has held, in megabytes, as Linux tells it.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1000
}

/// Writes a pcap file of about `size` octets; how many packets it holds.
fn write(mut file: impl Write, size: u64, kept: usize, one_way: bool) -> Result<u64, Box<dyn Error>> {
    let at_a_time: u32 = if one_way { 4_000 } else { 200 };
    let header: [u32; 6] = [0xa1b2_3c4d, 0x0004_0002, 0, 0, 262_144, 1];
    for field in header {
        file.write_all(&field.to_le_bytes())?;
    }
    let (mut written, mut packets, mut nanos) = (0_u64, 0_u64, 0_u64);
    let mut put = |file: &mut dyn Write, connection: u32, back: bool, numbers: (u32, u32), flags: u8, text: u32| {
        if one_way && back {
            return Ok(written);
        }
        let frame = frame(connection, back, numbers, flags, text);
        let length = frame.len().min(kept);
        nanos += 2_000;
        let record = [nanos / 1_000_000_000, nanos % 1_000_000_000, length as u64, frame.len() as u64];
        for field in record {
            file.write_all(&u32::try_from(field).unwrap_or(u32::MAX).to_le_bytes())?;
        }
        file.write_all(&frame[..length])?;
        packets += 1;
        written += 16 + length as u64;
        Ok::<_, std::io::Error>(written)
    };
    for batch in 0.. {
        for step in 0..EXCHANGES {
            for connection in batch * at_a_time..(batch + 1) * at_a_time {
                let (own, other) = (connection.wrapping_mul(0x9e37_79b9), 7);
                let sent = own.wrapping_add(1 + step * 2 * TEXT);
                let written = if step == 0 {
                    put(&mut file, connection, false, (own, 0), 0x02, 0)?;
                    put(&mut file, connection, true, (other, own.wrapping_add(1)), 0x12, 0)?;
                    put(&mut file, connection, false, (own.wrapping_add(1), other + 1), 0x10, 0)?
                } else {
                    let sent = sent.wrapping_sub(2 * TEXT);
                    put(&mut file, connection, false, (sent, other + 1), 0x10, TEXT)?;
                    put(&mut file, connection, false, (sent.wrapping_add(TEXT), other + 1), 0x10, TEXT)?;
                    put(&mut file, connection, true, (other + 1, sent.wrapping_add(2 * TEXT)), 0x10, 0)?
                };
                if written >= size {
                    file.flush()?;
                    return Ok(packets);
                }
            }
        }
    }
    Ok(packets)
}

/// An Ethernet frame with timestamps; its TCP checksum is left to the device.
fn frame(connection: u32, back: bool, (seq, ack): (u32, u32), flags: u8, text: u32) -> Vec<u8> {
    let (client, server) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let port = u16::try_from(1024 + connection % 60_000).unwrap_or(1024).to_be_bytes();
    let ([source, destination], [from, to]) =
        if back { ([server, client], [[0, 80], port]) } else { ([client, server], [port, [0, 80]]) };
    let total = u16::try_from(52 + text).unwrap_or(u16::MAX).to_be_bytes();
    let mut frame = vec![2; 12];
    frame.extend([8, 0, 0x45, 0, total[0], total[1], 0, 0, 0x40, 0, 64, 6, 0, 0]);
    frame.extend([source, destination].concat());
    frame.extend([from, to].concat());
    frame.extend([seq, ack].map(u32::to_be_bytes).concat());
    frame.extend([0x80, flags, 0xff, 0xff, 0, 0, 0, 0, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1]);
    frame.resize(frame.len() + text as usize, 0x55);
    frame
}
