//! Devices under strain: what is refused, full, damaged or held is made good for, and costs nobody else.

use std::io::{ErrorKind, Read, Write};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use sockeye::{Host, TcpListener};
use sockeye_device::{Tun, TunConfig};

use super::bench::{
    Bench, FAMILIES, KERNEL_V4, OURS_V4, expect, filter, kernel_connect, read_hashed, text, tun_config, write_hashed,
};
use super::faulty::{Fault, Faulty};
use super::kernel_peers::bulk_each_way;
use crate::shell::Outcome;

/// Octets each way where a device is slow.
const SOME: u64 = 32 << 20;

/// FIELD D24: a device that refuses one packet in fifty loses no connection.
/// Case: see the table.
pub fn a_device_that_refuses_packets(bench: &Bench) -> Outcome {
    on_faulty(bench, Fault::Refuses(50))
}

/// Case: see the table.
pub fn a_device_whose_queue_is_often_full(bench: &Bench) -> Outcome {
    on_faulty(bench, Fault::IsFull(5))
}

fn on_faulty(bench: &Bench, fault: Fault) -> Outcome {
    let tun = Tun::create(&tun_config(true)?)?;
    let host = bench.host_on(Faulty::new(tun, fault))?;
    FAMILIES.into_iter().try_for_each(|family| bulk_each_way(&host, SOME, family))
}

/// FIELD D45: a window of 128 super-segments fits into a queue of 1,000 packets, so that nothing is dropped there; what a
/// shorter queue drops is sent again.
/// Case: see the table.
pub fn queues_of_every_length_lose_nothing(bench: &Bench) -> Outcome {
    for (tx_queue_len, may_drop) in [(1000, false), (100, true), (3, true)] {
        let tun = Tun::create(&TunConfig { tx_queue_len, ..tun_config(true)? })?;
        let name = tun.name().to_owned();
        let host = bench.host_on(tun)?;
        bulk_each_way(&host, SOME, FAMILIES[0])?;
        let dropped = dropped_at(&name)?;
        eprintln!("txqueuelen {tx_queue_len}: {dropped} packets dropped at the device's queue");
        expect("nothing is dropped where the window fits", dropped == 0 || may_drop, true)?;
    }
    Ok(())
}

/// Packets that the kernel had to drop on their way out of its device `name`, of this thread's namespace.
fn dropped_at(name: &str) -> Outcome<u64> {
    let all = std::fs::read_to_string("/proc/thread-self/net/dev")?;
    let line = all.lines().find_map(|line| line.trim().strip_prefix(&format!("{name}:"))).ok_or("no such device")?;
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
