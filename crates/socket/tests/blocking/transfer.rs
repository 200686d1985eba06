//! Bytes arrive, whoever reads and writes them and however.

use std::io::{IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use sockeye::{Host, TcpListener, TcpStream};

use crate::{Watchdog, connected, text};

fn echoes(there: &str) {
    let (here, other) = Host::pair().unwrap();
    let listener = TcpListener::bind(&other, there).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _peer) = listener.accept().unwrap();
        let mut buffer = [0; 1000];
        loop {
            match stream.read(&mut buffer).unwrap() {
                0 => return,
                octets => stream.write_all(&buffer[..octets]).unwrap(),
            }
        }
    });
    let mut client = TcpStream::connect(&here, there).unwrap();
    let sent = text(1, 10_000);
    client.write_all(&sent).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut received = Vec::new();
    client.read_to_end(&mut received).unwrap();
    assert!(received == sent);
    server.join().unwrap();
}

#[test]
fn an_echo_comes_back_over_ipv4() {
    let _watchdog = Watchdog::new("an_echo_comes_back_over_ipv4");
    echoes("10.0.0.2:7");
}

#[test]
fn an_echo_comes_back_over_ipv6() {
    let _watchdog = Watchdog::new("an_echo_comes_back_over_ipv6");
    echoes("[fd00::2]:7");
}

/// Writes `sent` while reading all there is, and says what was read.
fn exchange(mut stream: &TcpStream, sent: &[u8]) -> Vec<u8> {
    let mut received = Vec::new();
    thread::scope(|scope| {
        scope.spawn(move || {
            stream.write_all(sent).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        stream.read_to_end(&mut received).unwrap();
    });
    received
}

/// Compares without printing mebibytes.
fn same(received: &[u8], sent: &[u8]) {
    let first_other = received.iter().zip(sent).position(|(received, sent)| received != sent);
    assert_eq!((received.len(), first_other), (sent.len(), None));
}

#[test]
fn four_mebibytes_each_way_at_once_arrive_whole() {
    let _watchdog = Watchdog::new("four_mebibytes_each_way_at_once_arrive_whole");
    let (_hosts, client, server) = connected();
    let (forth, back) = (text(1, 4 << 20), text(2, (4 << 20) + 17));
    let there = {
        let back = back.clone();
        thread::spawn(move || exchange(&server, &back))
    };
    same(&exchange(&client, &forth), &back);
    same(&there.join().unwrap(), &forth);
    assert_eq!(client.info().unwrap().bytes_received, (4 << 20) + 17);
}

#[test]
fn who_has_closed_still_reads_whoever_closes_first() {
    let _watchdog = Watchdog::new("who_has_closed_still_reads_whoever_closes_first");
    for client_first in [true, false] {
        let (_hosts, client, server) = connected();
        let (mut first, mut second) = if client_first { (client, server) } else { (server, client) };
        let question = text(3, 100_000);
        let answer = text(4, 300_000);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut heard = Vec::new();
                second.read_to_end(&mut heard).unwrap();
                assert!(heard == question);
                second.write_all(&answer).unwrap();
                second.shutdown(Shutdown::Write).unwrap();
            });
            first.write_all(&question).unwrap();
            first.shutdown(Shutdown::Write).unwrap();
            let mut heard = Vec::new();
            first.read_to_end(&mut heard).unwrap();
            assert!(heard == answer);
        });
    }
}

#[test]
fn one_listener_serves_a_hundred_clients_at_once() {
    let _watchdog = Watchdog::new("one_listener_serves_a_hundred_clients_at_once");
    let (here, there) = Host::pair().unwrap();
    let listener = TcpListener::bind(&there, "0.0.0.0:80").unwrap();
    let server = thread::spawn(move || {
        // All are connected before the first is answered.
        let streams: Vec<TcpStream> = listener.incoming().take(100).map(Result::unwrap).collect();
        for mut stream in streams {
            let mut name = [0; 1];
            stream.read_exact(&mut name).unwrap();
            stream.write_all(&text(name[0].into(), 20_000)).unwrap();
        }
    });
    thread::scope(|scope| {
        for name in 0..100_u8 {
            let here = &here;
            scope.spawn(move || {
                let mut stream = TcpStream::connect(here, "10.0.0.2:80").unwrap();
                stream.write_all(&[name]).unwrap();
                let mut heard = Vec::new();
                stream.read_to_end(&mut heard).unwrap();
                assert!(heard == text(name.into(), 20_000), "client {name}");
            });
        }
    });
    server.join().unwrap();
}

#[test]
fn a_writer_waits_for_a_slow_reader_and_then_goes_on() {
    let _watchdog = Watchdog::new("a_writer_waits_for_a_slow_reader_and_then_goes_on");
    let (_hosts, mut client, mut server) = connected();
    let sent = text(5, 8 << 20); // more than both buffers
    let (done, is_done) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            client.write_all(&sent).unwrap();
            done.send(()).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        });
        // Full: the peer's window is closed, and our own buffer can take no more.
        while server.info().unwrap().recv_queued < 1 << 16 {
            thread::yield_now();
        }
        assert!(is_done.recv_timeout(Duration::from_millis(50)).is_err(), "the writer didn't wait");
        let mut received = Vec::new();
        server.read_to_end(&mut received).unwrap();
        assert!(received == sent);
        is_done.recv().unwrap();
    });
}

#[test]
fn clones_share_one_connection() {
    let _watchdog = Watchdog::new("clones_share_one_connection");
    let (_hosts, client, server) = connected();
    let writers: Vec<_> = (0..4_u8)
        .map(|mark| {
            let mut stream = client.try_clone().unwrap();
            thread::spawn(move || (0..500).for_each(|_| stream.write_all(&[mark; 100]).unwrap()))
        })
        .collect();
    drop(client); // the clones keep it open
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = server.try_clone().unwrap();
            thread::spawn(move || {
                let mut heard = Vec::new();
                stream.read_to_end(&mut heard).unwrap();
                heard
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    let heard: Vec<u8> = readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect();
    for mark in 0..4 {
        assert_eq!(heard.iter().filter(|octet| **octet == mark).count(), 50_000);
    }
}

#[test]
fn chunks_go_through_without_a_copy_of_ours() {
    let _watchdog = Watchdog::new("chunks_go_through_without_a_copy_of_ours");
    let (_hosts, client, server) = connected();
    let mut chunk = Bytes::from(text(6, 3 << 20));
    let sent = chunk.clone();
    thread::scope(|scope| {
        scope.spawn(move || {
            client.write_chunk(&mut chunk).unwrap();
            assert!(chunk.is_empty());
        });
        let mut received = Vec::new();
        loop {
            let chunk = server.read_chunk(100_000).unwrap();
            assert!(chunk.len() <= 100_000);
            if chunk.is_empty() {
                break;
            }
            received.extend_from_slice(&chunk);
        }
        assert!(received == sent);
    });
}

#[test]
fn what_is_peeked_at_is_read_again() {
    let _watchdog = Watchdog::new("what_is_peeked_at_is_read_again");
    let (_hosts, mut client, mut server) = connected();
    client.write_all(b"GET / HTTP/1.1").unwrap();
    let mut seen = [0; 3];
    assert_eq!(server.peek(&mut seen).unwrap(), 3);
    assert_eq!(&seen, b"GET");
    drop(client);
    let mut heard = String::new();
    server.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "GET / HTTP/1.1");
    assert_eq!(server.peek(&mut seen).unwrap(), 0);
}

#[test]
fn buffers_written_together_arrive_in_order() {
    let _watchdog = Watchdog::new("buffers_written_together_arrive_in_order");
    let (_hosts, mut client, mut server) = connected();
    let long = text(7, 200_000);
    let reader = thread::spawn(move || {
        let mut heard = Vec::new();
        server.read_to_end(&mut heard).unwrap();
        heard
    });
    let written = client.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(&long)]).unwrap();
    assert_eq!(written, 200_002);
    drop(client);
    assert!(reader.join().unwrap() == [b"ab", &long[..]].concat());
}

#[test]
fn empty_buffers_neither_wait_nor_fail() {
    let _watchdog = Watchdog::new("empty_buffers_neither_wait_nor_fail");
    let (_hosts, mut client, mut server) = connected();
    assert_eq!(client.write(&[]).unwrap(), 0);
    assert_eq!(server.read(&mut []).unwrap(), 0);
    assert_eq!(server.peek(&mut []).unwrap(), 0);
}
