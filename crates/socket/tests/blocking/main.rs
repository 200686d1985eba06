//! The blocking listeners and streams: two hosts in one process, joined in memory, real threads, no clock asserted on.

mod copies;
mod devices;
mod ends;
mod seat;
mod shards;
mod transfer;
mod users_code;
mod waiting;

use std::process;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use sockeye::{Host, TcpListener, TcpStream};

/// Ends the whole process if a test hangs: a blocked thread can't be failed.
struct Watchdog {
    _alive: mpsc::Sender<()>,
}

impl Watchdog {
    fn new(test: &'static str) -> Self {
        let (alive, ended) = mpsc::channel();
        thread::spawn(move || {
            if ended.recv_timeout(Duration::from_secs(120)) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{test} hangs");
                process::exit(101);
            }
        });
        Self { _alive: alive }
    }
}

/// Octets that differ from place to place, and from `seed` to `seed`.
fn text(seed: u64, octets: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..octets).map(|_| next()).collect()
}

/// Two hosts and the two ends of a connection, the one that connected first. In this order, so that the hosts are dropped
/// after the streams, which otherwise would wait for each other to close.
fn connected() -> ([Host; 2], TcpStream, TcpStream) {
    let (here, there) = Host::pair().unwrap();
    let (client, server) = connect(&here, &there);
    ([here, there], client, server)
}

/// A connection from the first host of a pair to the second.
fn connect(here: &Host, there: &Host) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(there, "10.0.0.2:0").unwrap();
    let client = TcpStream::connect(here, listener.local_addr().unwrap()).unwrap();
    let (server, peer) = listener.accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    (client, server)
}
