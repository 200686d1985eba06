//! Devices under strain: what is refused, full, damaged or held is made good for, and costs nobody else.

use std::io::{ErrorKind, Read, Write};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sockeye::{Buffer, Config, Copied, Host, TcpListener, TcpStream};

use super::bench::{
    Bench, DEVICE, FAMILIES, KERNEL_V4, OURS_V4, expect, filter, kernel_connect, read_hashed, text, write_hashed,
};
use super::faulty::{Fault, Faulty};
use super::kernel_peers::bulk_each_way;
use crate::shell::Outcome;

/// Octets each way where a device is slow, and where it is slower.
const SOME: u64 = 32 << 20;
const FEW: u64 = 4 << 20;

/// FIELD D24: a device that refuses one packet in fifty loses no connection.
/// Case: see the table.
pub fn a_device_that_refuses_packets(bench: &Bench) -> Outcome {
    on_faulty(bench, Fault::Refuses(50), SOME)
}

/// Case: see the table.
pub fn a_device_whose_queue_is_often_full(bench: &Bench) -> Outcome {
    on_faulty(bench, Fault::IsFull(5), FEW)
}

/// `EAGAIN` for hundreds of calls on end.
/// Case: see the table.
pub fn a_device_that_takes_nothing_for_long(bench: &Bench) -> Outcome {
    on_faulty(bench, Fault::TakesNothing(100), FEW)
}

fn on_faulty(bench: &Bench, fault: Fault, octets: u64) -> Outcome {
    let host = bench.host_on(Faulty::new(bench.device()?, fault))?;
    FAMILIES.into_iter().try_for_each(|family| bulk_each_way(&host, octets, family))
}

/// What a short queue drops is sent again.
/// Case: see the table.
pub fn queues_of_every_length_lose_nothing(bench: &Bench) -> Outcome {
    for tx_queue_len in [1000, 100, 3] {
        let host = bench.host_on(bench.device_with(tx_queue_len)?)?;
        bulk_each_way(&host, SOME, FAMILIES[0])?;
        eprintln!("txqueuelen {tx_queue_len}: {} packets dropped at the device's queue", dropped()?);
    }
    Ok(())
}

/// FIELD D45: while nobody reads, a window fills, whatever its size. Where a queue holds what a window lets through, nothing is
/// ever dropped there: 8 MiB in super-segments at a queue of 1,000 packets. Where it doesn't, a twentieth is dropped at most.
/// Case: see the table.
pub fn windows_of_every_size_are_filled(bench: &Bench) -> Outcome {
    const LENGTH: u64 = 256 << 20;
    const SEGMENT: u32 = 1448;
    for tx_queue_len in [1000, 100] {
        for window in [64 << 10, 1 << 20, 8 << 20] {
            let tcp = Config { receive_buffer: Buffer::Fixed(window), ..Config::default() };
            let device = bench.device_with(tx_queue_len)?;
            // Super-segments have not all their full length.
            let packet = if device.capabilities().segmentation > 0 { 16_000 } else { SEGMENT };
            let fits = window / packet <= tx_queue_len;
            let (before, sent_again) = (dropped()?, resent()?);
            let host = bench.host_with(device, tcp)?;
            let listener = TcpListener::bind(&host, (OURS_V4, 9))?;
            let client = thread::spawn(move || write_hashed(&mut kernel_connect((OURS_V4, 9).into())?, LENGTH));
            let (server, _) = listener.accept()?;
            let is_full = || server.info().is_ok_and(|info| info.recv_queued + 2 * SEGMENT > window);
            wait_until(is_full);
            expect("the window is filled", is_full(), true)?;
            let received = read_hashed(&mut &server)?;
            let sent = client.join().map_err(|_| "the client has panicked")??;
            expect("from the kernel to us", received, (LENGTH, sent))?;
            let (dropped, resent) = (dropped()? - before, resent()? - sent_again);
            eprintln!(
                "txqueuelen {tx_queue_len}, window {window}: {dropped} packets dropped, {resent} segments resent"
            );
            let most = if fits { 0 } else { LENGTH / u64::from(packet) / 20 };
            expect("no more is dropped than may be", dropped <= most, true)?;
        }
    }
    Ok(())
}

/// Behind a device that merges, `read` and `write` copy each octet once, chunks none, by the host's own count.
/// Case: see the table.
pub fn octets_are_copied_once_or_not_at_all(bench: &Bench) -> Outcome {
    for chunks in [false, true] {
        let host = bench.host()?;
        let listener = TcpListener::bind(&host, (OURS_V4, 9))?;
        let client = thread::spawn(move || write_hashed(&mut kernel_connect((OURS_V4, 9).into())?, SOME));
        let (server, _) = listener.accept()?;
        if chunks {
            while !server.read_chunk(usize::MAX)?.is_empty() {}
        } else {
            read_hashed(&mut &server)?;
        }
        client.join().map_err(|_| "the client has panicked")??;

        let sink = std::net::TcpListener::bind((KERNEL_V4, 9))?;
        let sink = thread::spawn(move || read_hashed(&mut sink.accept()?.0));
        let stream = TcpStream::connect(&host, (KERNEL_V4, 9))?;
        if chunks {
            let block = Bytes::from(text(64 << 10));
            (0..SOME >> 16).try_for_each(|_| stream.write_chunk(&mut block.clone()))?;
        } else {
            write_hashed(&mut &stream, SOME)?;
        }
        drop(stream);
        expect("octets that arrive", sink.join().map_err(|_| "the sink has panicked")??.0, SOME)?;
        let Copied { by_write, by_read, on_the_way } = host.counters().copied;
        let once = if chunks { 0 } else { SOME };
        expect("octets copied by write and by read", (by_write, by_read), (once, once))?;
        // The last pieces of windows may be short.
        expect(&format!("{on_the_way} octets copied on the way are few"), on_the_way < SOME / 50, true)?;
    }
    Ok(())
}

/// Segments that the kernel of this thread's namespace has sent again.
fn resent() -> Outcome<u64> {
    let all = std::fs::read_to_string("/proc/thread-self/net/snmp")?;
    let mut lines = all.lines().filter_map(|line| line.strip_prefix("Tcp: ")).map(str::split_whitespace);
    let (names, values) = lines.next().zip(lines.next()).ok_or("no line about TCP")?;
    let found = names.zip(values).find(|(name, _)| *name == "RetransSegs").ok_or("no such field")?;
    Ok(found.1.parse()?)
}

/// Packets that the kernel had to drop on their way out of its device, of this thread's namespace.
fn dropped() -> Outcome<u64> {
    let all = std::fs::read_to_string("/proc/thread-self/net/dev")?;
    let line = all.lines().find_map(|line| line.trim().strip_prefix(&format!("{DEVICE}:"))).ok_or("no such device")?;
    // Eight fields about receiving; then octets, packets, errors, drops.
    Ok(line.split_whitespace().nth(11).ok_or("too few fields")?.parse()?)
}

/// FIELD D46: what is held is what was sent, not the buffers that it came in.
/// Case: see the table.
pub fn a_hundred_thousand_tiny_segments_are_held(bench: &Bench) -> Outcome {
    const SEGMENTS: usize = 100_000;
    /// What the process may grow by meanwhile: a buffer of 64 KiB for each would be 6 GiB.
    const MOST: usize = 64 << 20;
    let host = bench.host()?;
    let listener = TcpListener::bind(&host, (OURS_V4, 9))?;
    let mut client = kernel_connect((OURS_V4, 9).into())?;
    client.set_nodelay(true)?;
    let (server, _) = listener.accept()?;
    let (sent, before) = (text(SEGMENTS), resident()?);
    for octet in sent.chunks(1) {
        client.write_all(octet)?;
    }
    drop(client);
    let grown = resident()?.saturating_sub(before);
    eprintln!("{SEGMENTS} octets in segments of their own: {} KiB", grown >> 10);
    expect("memory follows what is held", grown < MOST, true)?;
    let mut heard = Vec::new();
    (&server).read_to_end(&mut heard)?;
    expect("each octet, once and in order", heard == sent, true)
}

/// Octets that the process has in memory.
fn resident() -> Outcome<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = pages.split_whitespace().nth(1).ok_or("too few fields")?.parse()?;
    Ok(pages * rustix::param::page_size())
}

/// Readers that never read, and one transfer that gets all it wants meanwhile.
/// Case: see the table.
pub fn many_readers_that_never_read(bench: &Bench) -> Outcome {
    const READERS: usize = 200;
    let host = bench.host()?;
    let listener = TcpListener::bind(&host, (OURS_V4, 10))?;
    let mut idle = Vec::new();
    let block = text(64 << 10);
    for _ in 0..READERS {
        let client = kernel_connect((OURS_V4, 10).into())?;
        let (server, _) = listener.accept()?;
        client.set_nonblocking(true)?;
        idle.push((client, server));
    }
    // Until nobody has taken anything for a while: then all windows are closed.
    let mut last = Instant::now();
    while last.elapsed() < Duration::from_millis(300) {
        for (client, _) in &mut idle {
            match client.write(&block) {
                Ok(_) => last = Instant::now(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    FAMILIES.into_iter().try_for_each(|family| bulk_each_way(&host, SOME, family))
}

/// Segments for connection `sys.argv[3]` -> `sys.argv[4]`, each with text and a checksum that is wrong by one bit.
const DAMAGED: &str = r"
import socket, struct, sys
kernel, ours, source, target, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
def checksum(data):
    data += b'\0' * (len(data) % 2)
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
for number in range(count):
    text = b'damaged' * 100
    head = struct.pack('!HHIIBBHHH', source, target, number * 7919, 0, 5 << 4, 16, 1000, 0, 0)
    pseudo = socket.inet_aton(kernel) + socket.inet_aton(ours) + struct.pack('!BBH', 0, 6, len(head) + len(text))
    right = checksum(pseudo + head + text)
    raw.sendto(head[:16] + struct.pack('!H', right ^ 0x0100) + head[18:] + text, (ours, 0))
print(count)
";

/// What was damaged on its way is dropped and counted, although the device vouches for the checksums of others.
/// Case: see the table.
pub fn damaged_segments_are_dropped_and_counted(bench: &Bench) -> Outcome {
    const DAMAGED_SEGMENTS: u64 = 300;
    let host = bench.host()?;
    let listener = TcpListener::bind(&host, (OURS_V4, 9))?;
    let client = kernel_connect((OURS_V4, 9).into())?;
    let (server, peer) = listener.accept()?;
    let mut writer = client.try_clone()?;
    let sender = thread::spawn(move || {
        let sent = write_hashed(&mut writer, SOME);
        writer.shutdown(std::net::Shutdown::Write).and(sent)
    });
    let ports = [peer.port().to_string(), "9".to_owned(), DAMAGED_SEGMENTS.to_string()];
    let mut python = Command::new("python3");
    python.args(["-c", DAMAGED, &KERNEL_V4.to_string(), &OURS_V4.to_string()]).args(ports);
    filter(&mut python, Vec::new())?;
    let received = read_hashed(&mut &server)?;
    let sent = sender.join().map_err(|_| "the sender has panicked")??;
    expect("from the kernel to us", received, (SOME, sent))?;
    expect_counted(&host, "transport_checksum", DAMAGED_SEGMENTS)
}

/// Waits a moment for a counter to reach `count`; fails if it doesn't, or exceeds it.
pub fn expect_counted(host: &Host, name: &str, count: u64) -> Outcome {
    wait_until(|| host.counters().ended(name) >= count);
    expect(name, host.counters().ended(name), count)
}

/// Waits until it is so, for five seconds at most.
pub fn wait_until(is_so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(5);
    while !is_so() && Instant::now() < until {
        thread::sleep(Duration::from_millis(10));
    }
}
