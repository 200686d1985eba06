//! The servers on sockets of the kernel, over the loopback.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::shelf::Shelf;

/// A client and the server's end of its connection.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    let client = TcpStream::connect(listener.local_addr().expect("it is bound")).expect("it listens");
    (client, listener.accept().expect("the client is there").0)
}

//= rfc2398#2.11-1
#[test]
fn echo_returns_everything_and_then_the_end() {
    let (mut client, mut server) = pair();
    let served = thread::spawn(move || echo(&mut server));
    client.write_all(b"over and out").expect("the server is there");
    client.shutdown(Shutdown::Write).expect("the server is there");
    let mut heard = String::new();
    client.read_to_string(&mut heard).expect("the server is there");
    assert_eq!(heard, "over and out");
    assert_eq!(served.join().expect("it doesn't panic").ok(), Some(12));
}

#[test]
fn supply_ends_when_the_source_does_although_the_client_has_said_something() {
    let (mut client, mut server) = pair();
    client.write_all(b"unasked").expect("the server is there");
    let served = thread::spawn(move || supply(&mut server, &mut &b"all there is"[..], &ChunkPool::default()));
    let mut heard = String::new();
    client.read_to_string(&mut heard).expect("it isn't reset");
    assert_eq!(heard, "all there is");
    drop(client);
    assert_eq!(served.join().expect("it doesn't panic").ok(), Some(12));
}

#[test]
fn a_client_that_dribbles_is_not_waited_for_longer_than_others() {
    let (mut client, mut server) = pair();
    let served = thread::spawn(move || supply(&mut server, &mut io::empty(), &ChunkPool::default()));
    // An octet each tenth of what it may take, and three times as many as that allows.
    for _ in 0..30 {
        thread::sleep(LAST_WORDS / 10);
        if served.is_finished() || client.write_all(b"x").is_err() {
            break;
        }
    }
    assert!(served.is_finished(), "it would wait for ever");
}

/// A source that says which buffer it was read to.
struct Tells(Option<*const u8>);

impl Read for Tells {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0 = Some(buffer.as_ptr());
        Ok(0)
    }
}

#[test]
fn what_is_supplied_is_read_to_the_buffers_that_all_connections_share() {
    let chunks = ChunkPool::default();
    let mut shared = None;
    let filled = chunks.fill(ChunkPool::CHUNK, |buffer| -> io::Result<usize> {
        shared = Some(buffer.as_ptr());
        Ok(buffer.len())
    });
    drop(filled); // it is in the pool from now on, and nobody else's
    let (client, mut server) = pair();
    client.shutdown(Shutdown::Write).expect("the server is there");
    let mut source = Tells(None);
    supply(&mut server, &mut source, &chunks).expect("the client is there");
    assert_eq!(source.0, shared);
}

//= rfc2398#2.11-1
#[test]
fn load_is_made_and_taken_in_memory() {
    const OCTETS: u64 = 3 << 20;
    let (mut client, mut server) = pair();
    let made =
        thread::spawn(move || supply(&mut server, &mut Characters::default().take(OCTETS), &ChunkPool::default()));
    assert_eq!(discard(&mut client, &mut io::sink()).expect("the server is there"), OCTETS);
    assert_eq!(made.join().expect("it doesn't panic").ok(), Some(OCTETS));
}

#[test]
fn no_more_clients_than_allowed_are_served_at_a_time() {
    const MOST: usize = 3;
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    let (now, most, total) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        let server = scope.spawn(|| {
            accept_each(&StopsAfter(listener, 10, AtomicUsize::new(0)), &Places::new(MOST), |mut socket, _| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                echo(&mut socket).expect("the client is there");
                now.fetch_sub(1, Ordering::SeqCst);
                total.fetch_add(1, Ordering::SeqCst);
            })
        });
        let clients: Vec<_> = (0..10).map(|_| TcpStream::connect(address).expect("it listens")).collect();
        drop(clients);
        assert_eq!(server.join().expect("it doesn't panic").kind(), io::ErrorKind::NotConnected);
    });
    assert_eq!(total.into_inner(), 10);
    assert!(most.into_inner() <= MOST);
}

/// A listener that is shut down after so many connections.
struct StopsAfter(TcpListener, usize, AtomicUsize);

impl Listen for StopsAfter {
    type Socket = TcpStream;

    fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        if self.2.fetch_add(1, Ordering::SeqCst) == self.1 {
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.0.accept()
    }
}

#[test]
fn characters_are_lines_of_72_each_beginning_one_further() {
    let mut text = vec![0; 74 * 96];
    Characters::default().read_exact(&mut text).expect("it has no end");
    let lines: Vec<_> = text.chunks(74).collect();
    assert!(lines[0].starts_with(b" !\"#$") && lines[0].ends_with(b"fg\r\n"));
    assert!(lines[1].starts_with(b"!\"#$%") && lines[1].ends_with(b"gh\r\n"));
    assert_eq!(lines[95], lines[0]);
}

#[test]
fn an_http_response_waits_for_no_ack() {
    let root = tempfile::TempDir::new().expect("there is room for temporary files");
    let files = Files::new(root.path()).expect("the directory is there");
    let (mut client, mut server) = pair();
    let handle = server.try_clone().expect("a descriptor is left");
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("the server is there");
    client.shutdown(Shutdown::Write).expect("the server is there");
    http(&mut server, &files, ([10, 0, 0, 1], 1).into()).expect("the client is there");
    assert!(handle.nodelay().expect("it is a socket"));
}

/// From the file to the device nothing is copied but what is left of a chunk that found little room, and of the last: too
/// short to be worth a packet's memory.
#[test]
fn a_file_is_sent_as_it_lies_in_memory() {
    let directory = tempfile::TempDir::new().expect("there is room for temporary files");
    let path = directory.path().join("file");
    let text: Vec<u8> = (0..(5_u32 << 20) + 100).map(|at| at.to_le_bytes()[1]).collect();
    std::fs::write(&path, &text).expect("there is room");
    let shelf = Shelf::default();
    let file = || shelf.open(&path, &std::fs::metadata(&path).expect("it is there")).expect("it is there");
    let (here, there) = sockeye::Host::pair().expect("there are descriptors");
    let listener = sockeye::TcpListener::bind(&here, "10.0.0.1:9000").expect("the port is free");
    for _ in 0..2 {
        let mut client = sockeye::TcpStream::connect(&there, "10.0.0.1:9000").expect("it listens");
        let (mut server, _) = listener.accept().expect("the client is there");
        let mut heard = Vec::new();
        thread::scope(|scope| {
            scope.spawn(|| supply_chunks(&mut server, file().all()).expect("the client reads"));
            client.read_to_end(&mut heard).expect("the server is there");
            client.shutdown(Shutdown::Write).expect("the server is there");
        });
        assert!(heard == text);
    }
    let copied = here.counters().copied;
    assert_eq!((copied.by_write, copied.by_read), (0, 0));
    assert!(copied.on_the_way < text.len() as u64 / 100, "{} octets", copied.on_the_way);
}
