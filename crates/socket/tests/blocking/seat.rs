//! Threads that wait take packets in themselves, for everyone; whoever waits otherwise is none the worse for it.

use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use sockeye::{Host, State, TcpListener, TcpStream};

use crate::{Watchdog, connected};

#[test]
fn when_nobody_waits_any_more_the_driver_takes_in_what_comes() {
    let _watchdog = Watchdog::new("when_nobody_waits_any_more_the_driver_takes_in_what_comes");
    let ([here, _there], mut client, server) = connected();
    client.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    for _ in 0..3 {
        assert_eq!(client.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock); // it has sat, and got up
    }
    drop(server);
    let began = Instant::now();
    while here.connections()[0].info.state != State::CloseWait {
        assert!(began.elapsed() < Duration::from_secs(5), "the FIN waits in the device");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn one_who_sits_reads_for_the_others_too() {
    let _watchdog = Watchdog::new("one_who_sits_reads_for_the_others_too");
    let (here, there) = Host::pair().unwrap();
    let listener = TcpListener::bind(&there, "10.0.0.2:80").unwrap();
    let mut pairs: Vec<(TcpStream, TcpStream)> = (0..8)
        .map(|_| {
            let client = TcpStream::connect(&here, "10.0.0.2:80").unwrap();
            (client, listener.accept().unwrap().0)
        })
        .collect();
    // Each of eight threads waits for its own octet; whoever sits, the octets come in an order that it can't know.
    let readers: Vec<_> = pairs
        .iter()
        .map(|(client, _)| {
            let mut client = client.try_clone().unwrap();
            thread::spawn(move || {
                let mut octet = [0];
                for round in 0..50 {
                    client.read_exact(&mut octet).unwrap();
                    assert_eq!(octet, [round]);
                }
            })
        })
        .collect();
    for round in 0..50 {
        for (_, server) in pairs.iter_mut().rev() {
            server.write_all(&[round]).unwrap();
        }
    }
    readers.into_iter().for_each(|reader| reader.join().unwrap());
}

#[test]
fn who_sits_for_a_client_hears_when_the_host_is_shut_down() {
    let _watchdog = Watchdog::new("who_sits_for_a_client_hears_when_the_host_is_shut_down");
    let (_here, there) = Host::pair().unwrap();
    let listener = TcpListener::bind(&there, "10.0.0.2:80").unwrap();
    let waits = thread::spawn(move || listener.accept().unwrap_err().kind());
    thread::sleep(Duration::from_millis(20));
    there.shutdown();
    assert_eq!(waits.join().unwrap(), ErrorKind::NotConnected);
}

#[test]
fn a_busy_host_answers_too_and_a_timeout_ends_the_spinning() {
    let _watchdog = Watchdog::new("a_busy_host_answers_too_and_a_timeout_ends_the_spinning");
    let (left, right) = sockeye_device::memory::pair(1500);
    let host = |device, address: &str| {
        let builder = Host::builder().device(device).address(address.parse().unwrap());
        builder.busy_poll(Duration::from_secs(3600)).start().unwrap()
    };
    let (here, there) = (host(left, "10.0.0.1/24"), host(right, "10.0.0.2/24"));
    let listener = TcpListener::bind(&there, "10.0.0.2:80").unwrap();
    let mut client = TcpStream::connect(&here, "10.0.0.2:80").unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"x").unwrap();
    client.read_exact(&mut [0]).unwrap();
    client.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
}
