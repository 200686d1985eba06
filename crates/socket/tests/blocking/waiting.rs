//! How long calls wait, and what they say when they have waited long enough.

use std::io::{ErrorKind, Read, Write};
use std::thread;
use std::time::Duration;

use sockeye::{Host, KeepAlive, TcpListener, TcpStream};

use crate::{Watchdog, connected};

const SHORT: Duration = Duration::from_millis(30);

#[test]
fn a_read_that_waited_long_enough_would_block() {
    let _watchdog = Watchdog::new("a_read_that_waited_long_enough_would_block");
    let (_hosts, mut client, mut server) = connected();
    assert_eq!(client.read_timeout().unwrap(), None);
    client.set_read_timeout(Some(SHORT)).unwrap();
    assert_eq!(client.try_clone().unwrap().read_timeout().unwrap(), Some(SHORT));
    assert_eq!(client.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    // The connection is none the worse for it.
    server.write_all(b"x").unwrap();
    client.set_read_timeout(None).unwrap();
    assert_eq!(client.read(&mut [0; 10]).unwrap(), 1);
}

#[test]
fn a_write_that_waited_long_enough_says_how_much_was_taken_and_then_would_block() {
    let _watchdog = Watchdog::new("a_write_that_waited_long_enough");
    let (_hosts, mut client, _server) = connected();
    client.set_write_timeout(Some(SHORT)).unwrap();
    assert_eq!(client.write_timeout().unwrap(), Some(SHORT));
    let much = vec![7; 16 << 20];
    let taken = client.write(&much).unwrap();
    assert!(taken >= 1 << 17 && taken < much.len(), "{taken}");
    // A probe of the closed window may have made a little room once more.
    let error = loop {
        match client.write(&much) {
            Ok(taken) => assert!(taken < 10_000, "{taken}"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_timeout_of_zero_is_refused() {
    let _watchdog = Watchdog::new("a_timeout_of_zero_is_refused");
    let ([here, _there], client, _server) = connected();
    let zero = Some(Duration::ZERO);
    assert_eq!(client.set_read_timeout(zero).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(client.set_write_timeout(zero).unwrap_err().kind(), ErrorKind::InvalidInput);
    let nobody = "10.0.0.2:9".parse().unwrap();
    let error = TcpStream::connect_timeout(&here, &nobody, Duration::ZERO).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_connect_that_nobody_answers_times_out() {
    let _watchdog = Watchdog::new("a_connect_that_nobody_answers_times_out");
    let (here, _there) = Host::pair().unwrap();
    let nobody = "10.0.0.99:80".parse().unwrap();
    let error = TcpStream::connect_timeout(&here, &nobody, SHORT).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[test]
fn who_may_not_block_is_told_so() {
    let _watchdog = Watchdog::new("who_may_not_block_is_told_so");
    let (here, there) = Host::pair().unwrap();
    let listener = TcpListener::bind(&there, "10.0.0.2:80").unwrap();
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    let mut client = TcpStream::connect(&here, "10.0.0.2:80").unwrap();
    let mut server = loop {
        match listener.accept() {
            Ok((stream, _peer)) => break stream,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        thread::yield_now();
    };

    server.set_nonblocking(true).unwrap();
    assert_eq!(server.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(server.peek(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    let mut written = 0;
    let error = loop {
        match server.write(&[1; 100_000]) {
            Ok(octets) => written += octets,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);

    server.set_nonblocking(false).unwrap();
    let reader = thread::spawn(move || client.read_to_end(&mut Vec::new()).unwrap());
    server.write_all(&[2; 100_000]).unwrap();
    drop(server);
    assert_eq!(reader.join().unwrap(), written + 100_000);
}

#[test]
fn settings_are_kept_and_shared() {
    let _watchdog = Watchdog::new("settings_are_kept_and_shared");
    let (_hosts, client, _server) = connected();
    let clone = client.try_clone().unwrap();
    assert!(!client.nodelay().unwrap());
    client.set_nodelay(true).unwrap();
    assert!(clone.nodelay().unwrap());
    client.set_ttl(17).unwrap();
    assert_eq!(clone.ttl().unwrap(), 17);
    assert_eq!(client.set_ttl(0).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(client.set_ttl(256).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(client.set_congestion_control("vegas").unwrap_err().kind(), ErrorKind::InvalidInput);
    client.set_congestion_control("newreno").unwrap();
    assert_eq!(client.congestion_control().unwrap(), "newreno");
    client.set_linger(Some(Duration::ZERO)).unwrap();
    assert_eq!(clone.linger().unwrap(), Some(Duration::ZERO));
}

#[test]
fn settings_of_the_kernels_sockets_have_their_names_here() {
    let _watchdog = Watchdog::new("settings_of_the_kernels_sockets_have_their_names_here");
    let (_hosts, client, _server) = connected();
    assert_eq!(client.keepalive().unwrap(), None);
    client.set_keepalive(Some(KeepAlive::default())).unwrap();
    assert_eq!(client.keepalive().unwrap(), Some(KeepAlive::default()));
    client.set_user_timeout(Some(Duration::from_secs(7))).unwrap();
    assert_eq!(client.user_timeout().unwrap(), Some(Duration::from_secs(7)));
    client.set_cork(true).unwrap();
    assert!(client.cork().unwrap());
}

#[test]
fn what_is_sent_out_of_band_arrives_in_its_place() {
    let _watchdog = Watchdog::new("what_is_sent_out_of_band_arrives_in_its_place");
    let (_hosts, mut client, mut server) = connected();
    client.write_all(b"one ").unwrap();
    assert_eq!(client.send_out_of_band(b"two").unwrap(), 3);
    let mut text = [0; 7];
    server.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"one two");
}
