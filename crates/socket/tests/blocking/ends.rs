//! How connections end, and what each side hears of it.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use sockeye::{ClosedBecause, ConnectionError, Host, TcpListener, TcpStream};

use crate::{Watchdog, connect, connected};

//= rfc9293#3.5.2-1
#[test]
fn a_connect_to_a_closed_port_is_refused() {
    let _watchdog = Watchdog::new("a_connect_to_a_closed_port_is_refused");
    let (here, _there) = Host::pair().unwrap();
    let error = TcpStream::connect(&here, "10.0.0.2:9").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let reason = error.get_ref().unwrap().downcast_ref::<ConnectionError>().unwrap();
    assert_eq!(reason.because, ClosedBecause::Refused);
}

#[test]
fn an_address_that_is_not_ours_can_not_be_bound_nor_one_twice() {
    let _watchdog = Watchdog::new("an_address_that_is_not_ours");
    let (here, _there) = Host::pair().unwrap();
    let error = TcpListener::bind(&here, "10.0.0.2:80").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    let first = TcpListener::bind(&here, "10.0.0.1:80").unwrap();
    let error = TcpListener::bind(&here, "10.0.0.1:80").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    drop(first);
    TcpListener::bind(&here, "10.0.0.1:80").unwrap();
}

/// Reads until something is said of the connection's end.
fn hear_the_end(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.read_to_end(&mut Vec::new()).map(drop)
}

#[test]
fn a_reset_is_told_once_and_then_nothing_can_be_read_or_written() {
    let _watchdog = Watchdog::new("a_reset_is_told_once");
    let (_hosts, client, mut server) = connected();
    client.set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(hear_the_end(&mut server).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(server.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert!(server.take_error().unwrap().is_none(), "it was told already");
    assert_eq!(server.shutdown(Shutdown::Write).unwrap_err().kind(), ErrorKind::NotConnected);
}

#[test]
fn a_reset_that_nobody_heard_of_waits_as_an_error() {
    let _watchdog = Watchdog::new("a_reset_that_nobody_heard_of_waits_as_an_error");
    let (_hosts, client, mut server) = connected();
    assert!(server.take_error().unwrap().is_none());
    client.abort();
    let error = loop {
        if let Some(error) = server.take_error().unwrap() {
            break error;
        }
        thread::yield_now();
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(server.take_error().unwrap().is_none());
    assert_eq!(server.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn who_aborts_hears_of_it_too() {
    let _watchdog = Watchdog::new("who_aborts_hears_of_it_too");
    let (_hosts, client, _server) = connected();
    let mut clone = client.try_clone().unwrap();
    let reader = thread::spawn(move || clone.read(&mut [0; 1]).unwrap_err().kind());
    client.abort();
    assert_eq!(reader.join().unwrap(), ErrorKind::ConnectionAborted);
}

#[test]
fn a_blocked_writer_hears_of_a_reset() {
    let _watchdog = Watchdog::new("a_blocked_writer_hears_of_a_reset");
    let (_hosts, mut client, server) = connected();
    let writer = thread::spawn(move || client.write_all(&vec![1; 16 << 20]).unwrap_err().kind());
    while server.info().unwrap().recv_queued < 1 << 16 {
        thread::yield_now();
    }
    server.abort();
    assert!(matches!(writer.join().unwrap(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
}

#[test]
fn who_has_unread_data_and_closes_resets() {
    let _watchdog = Watchdog::new("who_has_unread_data_and_closes_resets");
    let (_hosts, mut client, server) = connected();
    client.write_all(b"nobody reads this").unwrap();
    while server.info().unwrap().recv_queued == 0 {
        thread::yield_now();
    }
    drop(server);
    assert_eq!(hear_the_end(&mut client).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn reading_ends_for_who_has_shut_reading() {
    let _watchdog = Watchdog::new("reading_ends_for_who_has_shut_reading");
    let (_hosts, client, mut server) = connected();
    let mut blocked = client.try_clone().unwrap();
    let reader = thread::spawn(move || blocked.read(&mut [0; 1]).unwrap());
    client.shutdown(Shutdown::Read).unwrap();
    assert_eq!(reader.join().unwrap(), 0);
    assert_eq!((&client).read(&mut [0; 1]).unwrap(), 0);
    // The other direction is as it was.
    (&client).write_all(b"still here").unwrap();
    let mut heard = [0; 10];
    server.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"still here");
}

#[test]
fn nothing_can_be_written_after_shutting_writing_and_shutting_twice_is_as_good() {
    let _watchdog = Watchdog::new("nothing_can_be_written_after_shutting_writing");
    let (_hosts, mut client, mut server) = connected();
    client.shutdown(Shutdown::Write).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(server.read(&mut [0; 1]).unwrap(), 0);
    server.write_all(b"y").unwrap();
    assert_eq!(client.read(&mut [0; 9]).unwrap(), 1);
}

#[test]
fn dropping_delivers_what_was_written() {
    let _watchdog = Watchdog::new("dropping_delivers_what_was_written");
    let (_hosts, mut client, mut server) = connected();
    let sent = crate::text(8, 100_000);
    client.write_all(&sent).unwrap();
    drop(client);
    let mut heard = Vec::new();
    server.read_to_end(&mut heard).unwrap();
    assert!(heard == sent);
}

#[test]
fn a_connection_that_nobody_accepted_is_reset_with_its_listener() {
    let _watchdog = Watchdog::new("a_connection_that_nobody_accepted");
    let (here, there) = Host::pair().unwrap();
    let listener = TcpListener::bind(&there, "10.0.0.2:80").unwrap();
    let mut client = TcpStream::connect(&here, "10.0.0.2:80").unwrap();
    drop(listener);
    assert_eq!(hear_the_end(&mut client).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_host_outlives_its_handle_while_there_are_streams() {
    let _watchdog = Watchdog::new("a_host_outlives_its_handle_while_there_are_streams");
    let (hosts, mut client, mut server) = connected();
    drop(hosts);
    client.write_all(b"ping").unwrap();
    let mut heard = [0; 4];
    server.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"ping");
}

#[test]
fn the_last_handle_waits_until_all_is_delivered() {
    let _watchdog = Watchdog::new("the_last_handle_waits_until_all_is_delivered");
    let ([here, _there], mut client, mut server) = connected();
    let sent = crate::text(9, 100_000);
    client.write_all(&sent).unwrap();
    let reader = thread::spawn(move || {
        let mut heard = Vec::new();
        server.read_to_end(&mut heard).unwrap();
        heard
    });
    drop(client);
    drop(here); // its thread ends here; nothing could be sent again afterwards
    assert!(reader.join().unwrap() == sent);
}

/// D43: whoever was connected to a host that goes hears of it.
#[test]
fn a_host_that_goes_resets_who_does_not_close_in_time() {
    let _watchdog = Watchdog::new("a_host_that_goes_resets_who_does_not_close_in_time");
    let (first, second) = sockeye_device::memory::pair(1500);
    let here = Host::builder()
        .device(first)
        .address("10.0.0.1/24".parse().unwrap())
        .linger(Duration::from_millis(50))
        .start()
        .unwrap();
    let there = Host::new(second, &[("10.0.0.2".parse().unwrap(), 24)]).unwrap();
    let mut theirs: Vec<TcpStream> = Vec::new();
    let ours: Vec<TcpStream> = (0..50)
        .map(|_| {
            let (ours, server) = connect(&here, &there);
            theirs.push(server);
            ours
        })
        .collect();
    drop(ours);
    drop(here);
    for mut stream in theirs {
        // First our FIN, and then, because the peer goes on, a RST.
        assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
        let error = loop {
            match stream.write_all(b"hello?") {
                Ok(()) => thread::yield_now(),
                Err(error) => break error,
            }
        };
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    }
}

#[test]
fn shutting_a_host_down_ends_what_is_open_and_who_waits() {
    let _watchdog = Watchdog::new("shutting_a_host_down_ends_what_is_open_and_who_waits");
    let ([here, _there], client, mut server) = connected();
    let listener = TcpListener::bind(&here, "10.0.0.1:80").unwrap();
    thread::scope(|scope| {
        let reader = scope.spawn(|| (&client).read(&mut [0; 1]).map_err(|error| error.kind()));
        let acceptor = scope.spawn(|| listener.accept().map(drop).map_err(|error| error.kind()));
        let peer = scope.spawn(|| {
            // The end of the stream; then we close as well.
            assert_eq!(server.read(&mut [0; 1]).unwrap(), 0);
            drop(server);
        });
        while client.info().unwrap().segments_out == 0 {}
        here.shutdown();
        assert_eq!(reader.join().unwrap(), Err(ErrorKind::NotConnected));
        assert_eq!(acceptor.join().unwrap(), Err(ErrorKind::NotConnected));
        peer.join().unwrap();
    });
    assert_eq!(TcpListener::bind(&here, "10.0.0.1:81").unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(TcpStream::connect(&here, "10.0.0.2:80").unwrap_err().kind(), ErrorKind::NotConnected);
}
