//! What is copied on the way from one application to the other, as the hosts count it.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;

use bytes::Bytes;
use sockeye::{Copied, Host, TcpStream};
use sockeye_device::memory::{self, MemoryDevice};

use crate::{Watchdog, connect, text};

const TEXT: usize = 16 << 20;
/// What each end takes at a time.
const BLOCK: usize = 64 << 10;

fn hosts((first, second): (MemoryDevice, MemoryDevice)) -> [Host; 2] {
    [(first, [10, 0, 0, 1]), (second, [10, 0, 0, 2])]
        .map(|(device, address)| Host::new(device, &[(address.into(), 24)]).unwrap())
}

/// What the sending host and the receiving one copy, as this is written and read.
fn copied(
    cable: (MemoryDevice, MemoryDevice),
    write: impl FnOnce(&TcpStream, &Bytes) + Send,
    read: impl FnOnce(&TcpStream) -> Vec<u8>,
) -> [Copied; 2] {
    let [here, there] = hosts(cable);
    let sent = Bytes::from(text(1, TEXT));
    let heard = {
        let (client, server) = connect(&here, &there);
        thread::scope(|scope| {
            scope.spawn(|| {
                write(&client, &sent);
                client.shutdown(Shutdown::Write).unwrap();
            });
            read(&server)
        })
    };
    assert!(heard == sent);
    [here, there].map(|host| host.counters().copied)
}

fn write_all(mut stream: &TcpStream, text: &Bytes) {
    stream.write_all(text).unwrap();
}

fn write_chunks(stream: &TcpStream, text: &Bytes) {
    for start in (0..text.len()).step_by(BLOCK) {
        stream.write_chunk(&mut text.slice(start..text.len().min(start + BLOCK))).unwrap();
    }
}

fn read_all(mut stream: &TcpStream) -> Vec<u8> {
    let (mut heard, mut block) = (Vec::new(), vec![0; BLOCK]);
    while let octets @ 1.. = stream.read(&mut block).unwrap() {
        heard.extend_from_slice(&block[..octets]);
    }
    heard
}

fn read_chunks(stream: &TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    loop {
        match stream.read_chunk(BLOCK).unwrap() {
            end if end.is_empty() => return heard,
            chunk => heard.extend_from_slice(&chunk),
        }
    }
}

fn offloading() -> (MemoryDevice, MemoryDevice) {
    memory::pair_offloading(1500, memory::QUEUE)
}

/// The last pieces of windows may be short, and are then put together.
const FEW: u64 = TEXT as u64 / 100;

#[test]
fn write_and_read_copy_each_octet_once_each() {
    let _watchdog = Watchdog::new("write_and_read_copy_each_octet_once_each");
    let [here, there] = copied(offloading(), write_all, read_all);
    assert_eq!((here.by_write, here.by_read), (TEXT as u64, 0));
    assert_eq!((there.by_write, there.by_read), (0, TEXT as u64));
    assert!(here.on_the_way + there.on_the_way < FEW, "{here:?} {there:?}");
}

#[test]
fn chunks_are_not_copied_at_all() {
    let _watchdog = Watchdog::new("chunks_are_not_copied_at_all");
    let all = copied(offloading(), write_chunks, read_chunks);
    for Copied { by_write, by_read, on_the_way } in all {
        assert_eq!((by_write, by_read), (0, 0));
        assert!(on_the_way < FEW, "{on_the_way}");
    }
}

/// A device that merges nothing: what makes one packet of several is one copy more, and the only one.
#[test]
fn what_is_merged_is_copied_once() {
    let _watchdog = Watchdog::new("what_is_merged_is_copied_once");
    let [here, there] = copied(memory::pair(1500), write_chunks, read_chunks);
    assert!(here.on_the_way < FEW, "{here:?}");
    assert!(there.on_the_way > FEW && there.on_the_way <= TEXT as u64 + FEW, "{there:?}");
    assert_eq!((there.by_write, there.by_read), (0, 0));
}

/// Text in pieces that are not worth a buffer each is copied where it is kept.
#[test]
fn small_pieces_are_counted_where_they_are_put_together() {
    let _watchdog = Watchdog::new("small_pieces_are_counted_where_they_are_put_together");
    let [here, there] = hosts(offloading());
    let (mut client, mut server) = connect(&here, &there);
    for _ in 0..10 {
        client.write_all(&[7; 100]).unwrap();
        server.read_exact(&mut [0; 100]).unwrap();
    }
    let (here, there) = (here.counters().copied, there.counters().copied);
    assert_eq!((here.by_write, here.on_the_way), (1000, 1000));
    assert_eq!((there.by_read, there.on_the_way), (1000, 1000));
}
