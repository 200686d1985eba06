//! Hosts come and go and leave nothing behind. One test, in a process of its own: it counts the process's threads and
//! descriptors.

use std::fs;
use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use sockeye::{Host, TcpListener, TcpStream};
use sockeye_device::memory;

/// Descriptors and threads of this process.
fn count() -> (usize, usize) {
    let entries = |path| fs::read_dir(path).unwrap().count();
    (entries("/proc/self/fd"), entries("/proc/self/task"))
}

/// A host with a thousand live connections, dropped in one go.
fn one_life() {
    let host = |device, address: &str| {
        let linger = Duration::from_millis(100);
        Host::builder().device(device).address(address.parse().unwrap()).linger(linger).start().unwrap()
    };
    let (first, second) = memory::pair(1500);
    let (here, there) = (host(first, "10.0.0.1/24"), host(second, "10.0.0.2/24"));
    let listener = TcpListener::bind(&there, "10.0.0.2:80").unwrap();
    let mut pairs: Vec<(TcpStream, TcpStream)> = Vec::new();
    for _ in 0..1000 {
        let client = TcpStream::connect(&here, "10.0.0.2:80").unwrap();
        pairs.push((client, listener.accept().unwrap().0));
    }
    for (client, server) in &mut pairs {
        client.write_all(b"ping").unwrap();
        server.read_exact(&mut [0; 4]).unwrap();
    }
    drop((here, there));
}

//= rfc9293#3.10.4-2
#[test]
fn hosts_that_are_gone_leave_no_thread_and_no_descriptor() {
    let before = count();
    for _ in 0..3 {
        one_life();
    }
    // The kernel takes a joined thread off its list a moment later.
    let give_up_at = Instant::now() + Duration::from_secs(10);
    while count() != before {
        assert!(Instant::now() < give_up_at, "before {before:?}, after {:?}", count());
        thread::sleep(Duration::from_millis(1));
    }
}
