//! The kernel's own TCP as the peer, by way of std's sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::thread;
use std::time::Duration;

use sockeye::{Host, TcpListener, TcpStream};

use super::bench::{Bench, FAMILIES, PATIENCE, expect, kernel_connect, read_hashed, text, write_hashed};
use crate::shell::Outcome;

/// An echo server of ours on every address, one thread a connection, until the host ends.
pub fn serve_echo(host: &Host, port: u16) -> Outcome {
    for any in ["0.0.0.0", "::"] {
        let listener = TcpListener::bind(host, (any, port))?;
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                thread::spawn(move || echo(&stream));
            }
        });
    }
    Ok(())
}

/// Sends back what comes until the peer closes. A peer that resets ends it as well.
fn echo(stream: &TcpStream) {
    let (mut reader, mut writer) = (stream, stream);
    if std::io::copy(&mut reader, &mut writer).is_ok() {
        let _ = stream.shutdown(Shutdown::Write);
    }
}

/// Sends `text` and half-closes while reading: what comes back is to be the same.
fn echoed(mut stream: std::net::TcpStream, text: &[u8]) -> Outcome {
    let mut writer = stream.try_clone()?;
    let received = thread::scope(|scope| -> Outcome<Vec<u8>> {
        let sender = scope.spawn(move || writer.write_all(text).and_then(|()| writer.shutdown(Shutdown::Write)));
        let mut received = Vec::new();
        stream.read_to_end(&mut received)?;
        sender.join().map_err(|_| "the writer has panicked")??;
        Ok(received)
    })?;
    if received == text { Ok(()) } else { Err(format!("{} octets came back of {}", received.len(), text.len()).into()) }
}

//= rfc9293#3.6-2
//= rfc9293#MUST-2
//= rfc9293#MUST-3
/// Case: see the table.
pub fn kernel_client_is_echoed(bench: &Bench) -> Outcome {
    kernel_clients_on(&bench.host()?)
}

fn kernel_clients_on(host: &Host) -> Outcome {
    serve_echo(host, 7)?;
    for (_, ours) in FAMILIES {
        for length in [0, 1, 1460, 1_000_000] {
            echoed(kernel_connect((ours, 7).into())?, &text(length))?;
        }
    }
    Ok(())
}

/// Case: see the table.
pub fn our_client_reaches_a_kernel_server(bench: &Bench) -> Outcome {
    our_clients_on(&bench.host()?)
}

fn our_clients_on(host: &Host) -> Outcome {
    for (kernel, _) in FAMILIES {
        let listener = std::net::TcpListener::bind((kernel, 7))?;
        let server = thread::spawn(move || -> std::io::Result<()> {
            for _ in 0..3 {
                let (stream, _) = listener.accept()?;
                std::io::copy(&mut &stream, &mut &stream)?;
                stream.shutdown(Shutdown::Write)?;
            }
            Ok(())
        });
        for length in [0, 1, 1_000_000] {
            let stream = TcpStream::connect(host, (kernel, 7))?;
            let sent = text(length);
            let received = thread::scope(|scope| -> Outcome<Vec<u8>> {
                let writer = scope.spawn(|| (&stream).write_all(&sent).and_then(|()| stream.shutdown(Shutdown::Write)));
                let mut received = Vec::new();
                (&stream).read_to_end(&mut received)?;
                writer.join().map_err(|_| "the writer has panicked")??;
                Ok(received)
            })?;
            expect("octets that came back", received.len(), length)?;
            expect("they are the same", received == sent, true)?;
        }
        server.join().map_err(|_| "the server has panicked")??;
    }
    Ok(())
}

//= rfc9293#MUST-12
//= rfc9293#3.10.4-3
//= rfc9293#3.10.7.4-22
/// Case: see the table.
pub fn either_end_may_close_first(bench: &Bench) -> Outcome {
    let host = bench.host()?;
    for (kernel, ours) in FAMILIES {
        let listener = TcpListener::bind(&host, (ours, 9))?;
        for server_first in [true, false] {
            let mut client = kernel_connect((ours, 9).into())?;
            let (server, _) = listener.accept()?;
            if server_first {
                drop(server);
                expect("the client reads the end", client.read(&mut [0; 1])?, 0)?;
            } else {
                drop(client);
                expect("the server reads the end", (&server).read(&mut [0; 1])?, 0)?;
            }
        }
        let listener = std::net::TcpListener::bind((kernel, 9))?;
        for server_first in [true, false] {
            let client = TcpStream::connect(&host, (kernel, 9))?;
            let (mut server, _) = listener.accept()?;
            if server_first {
                drop(server);
                expect("our client reads the end", (&client).read(&mut [0; 1])?, 0)?;
            } else {
                drop(client);
                server.set_read_timeout(Some(PATIENCE))?;
                expect("the kernel's server reads the end", server.read(&mut [0; 1])?, 0)?;
            }
        }
    }
    Ok(())
}

//= rfc9293#3.5.2-1
//= rfc9293#3.10.7.3-2
/// Case: see the table. FIELD D42.
pub fn a_closed_port_refuses(bench: &Bench) -> Outcome {
    let host = bench.host()?;
    for (kernel, ours) in FAMILIES {
        let refused = kernel_connect((ours, 99).into()).err().map(|error| error.kind());
        expect("the kernel's client", refused, Some(ErrorKind::ConnectionRefused))?;
        let refused = TcpStream::connect(&host, (kernel, 99)).err().map(|error| error.kind());
        expect("our client", refused, Some(ErrorKind::ConnectionRefused))?;
    }
    Ok(())
}

//= rfc9293#MUST-12
//= rfc9293#3.10.7.4-8
//= rfc9293#3.10.5-1
/// Case: see the table.
pub fn resets_are_told_to_both_ends(bench: &Bench) -> Outcome {
    let host = bench.host()?;
    for (_, ours) in FAMILIES {
        let listener = TcpListener::bind(&host, (ours, 9))?;
        let mut client = kernel_connect((ours, 9).into())?;
        let (server, _) = listener.accept()?;
        server.abort();
        let reset = client.read(&mut [0; 1]).err().map(|error| error.kind());
        expect("the kernel's client", reset, Some(ErrorKind::ConnectionReset))?;

        let client = kernel_connect((ours, 9).into())?;
        let (server, _) = listener.accept()?;
        rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
        drop(client);
        let reset = (&server).read(&mut [0; 1]).err().map(|error| error.kind());
        expect("our server", reset, Some(ErrorKind::ConnectionReset))?;
    }
    Ok(())
}

/// Case: see the table. FIELD D25, D28.
pub fn a_thousand_clients_at_once(bench: &Bench) -> Outcome {
    const CLIENTS: u32 = 1000;
    let host = bench.host()?;
    let (_, ours) = FAMILIES[0];
    let listener = TcpListener::bind(&host, (ours, 9))?;
    // All connect before anybody is accepted.
    let clients: Vec<_> = (0..CLIENTS).map(|_| kernel_connect((ours, 9).into())).collect::<Result<_, _>>()?;
    let servers: Vec<_> = (0..CLIENTS).map(|_| listener.accept()).collect::<Result<_, _>>()?;
    for (number, mut client) in (0_u32..).zip(&clients) {
        client.write_all(&number.to_be_bytes())?;
    }
    for (server, peer) in &servers {
        let mut number = [0; 4];
        let mut stream = server;
        stream.read_exact(&mut number)?;
        stream.write_all(&[&number[..], &peer.port().to_be_bytes()].concat())?;
    }
    for (number, mut client) in (0_u32..).zip(&clients) {
        let mut answer = [0; 6];
        client.read_exact(&mut answer)?;
        expect("each hears its own number", answer[..4].to_vec(), number.to_be_bytes().to_vec())?;
        expect("and its own port", answer[4..].to_vec(), client.local_addr()?.port().to_be_bytes().to_vec())?;
    }
    Ok(())
}

//= rfc9293#MUST-36
//= rfc9293#MUST-38
//= rfc9293#MUST-39
/// Case: see the table.
pub fn a_slow_reader_closes_the_window(bench: &Bench) -> Outcome {
    const LENGTH: u64 = 32 << 20;
    let host = bench.host()?;
    let (kernel, ours) = FAMILIES[0];
    let pause = Duration::from_secs(2);

    let listener = TcpListener::bind(&host, (ours, 9))?;
    let client = thread::spawn(move || write_hashed(&mut kernel_connect((ours, 9).into())?, LENGTH));
    let (server, _) = listener.accept()?;
    thread::sleep(pause);
    let received = read_hashed(&mut &server)?;
    let sent = client.join().map_err(|_| "the client has panicked")??;
    expect("what our slow reader got", received, (LENGTH, sent))?;

    let listener = std::net::TcpListener::bind((kernel, 9))?;
    let server = thread::spawn(move || -> std::io::Result<_> {
        let (mut stream, _) = listener.accept()?;
        thread::sleep(pause);
        read_hashed(&mut stream)
    });
    let client = TcpStream::connect(&host, (kernel, 9))?;
    let sent = write_hashed(&mut &client, LENGTH)?;
    drop(client);
    let received = server.join().map_err(|_| "the server has panicked")??;
    expect("what the kernel's slow reader got", received, (LENGTH, sent))
}

/// Case: see the table.
pub fn a_quarter_gigabyte_each_way(bench: &Bench) -> Outcome {
    let host = bench.host()?;
    FAMILIES.into_iter().try_for_each(|family| bulk_each_way(&host, 1 << 28, family))
}

/// Case: see the table.
pub fn shards_share_the_connections_of_a_device(_bench: &Bench) -> Outcome {
    let host = Bench::host_of_shards(2)?;
    our_clients_on(&host)?;
    kernel_clients_on(&host)?;
    // Many at once, whose first packets the kernel spreads as it likes.
    for (_, ours) in FAMILIES {
        let clients: Vec<_> = (0..64_usize)
            .map(|number| {
                thread::spawn(move || {
                    let echoed = echoed(kernel_connect((ours, 7).into())?, &text(200_000 + number));
                    echoed.map_err(|error| std::io::Error::other(error.to_string()))
                })
            })
            .collect();
        for client in clients {
            client.join().map_err(|_| "a client has panicked")??;
        }
    }
    FAMILIES.into_iter().try_for_each(|family| bulk_each_way(&host, 1 << 28, family))?;
    let counters = host.counters();
    expect("segments that nobody knew", counters.ended("no_connection"), 0)?;
    expect("packets lost between shards", counters.ended("hand_over_full"), 0)
}

/// Case: see the table.
pub fn texts_of_every_length_fill_super_segments(bench: &Bench) -> Outcome {
    let host = bench.host()?;
    serve_echo(&host, 7)?;
    // Around one segment, around what a super-segment holds with and without timestamps, around 64 KiB, and beyond.
    for length in [1439, 1441, 1447, 1449, 2895, 64_079, 65_161, 65_482, 65_537, 130_321, 999_999] {
        for (_, ours) in FAMILIES {
            echoed(kernel_connect((ours, 7).into())?, &text(length))?;
        }
    }
    Ok(())
}

/// Case: see the table.
pub fn a_gigabyte_each_way_arrives_whole(bench: &Bench) -> Outcome {
    bulk_each_way(&bench.host()?, 1 << 30, FAMILIES[0])
}

/// Case: see the table.
pub fn a_gigabyte_each_way_over_ipv6(bench: &Bench) -> Outcome {
    bulk_each_way(&bench.host()?, 1 << 30, FAMILIES[1])
}

/// Octets from the kernel to us, and then from us to the kernel: each arrives whole.
pub fn bulk_each_way(host: &Host, length: u64, (kernel, ours): (IpAddr, IpAddr)) -> Outcome {
    let listener = TcpListener::bind(host, (ours, 9))?;
    let client = thread::spawn(move || write_hashed(&mut kernel_connect((ours, 9).into())?, length));
    let (server, _) = listener.accept()?;
    let received = read_hashed(&mut &server)?;
    let sent = client.join().map_err(|_| "the client has panicked")??;
    expect("from the kernel to us", received, (length, sent))?;

    let to: SocketAddr = (kernel, 9).into();
    let listener = std::net::TcpListener::bind(to)?;
    let server = thread::spawn(move || read_hashed(&mut listener.accept()?.0));
    let client = TcpStream::connect(host, to)?;
    let sent = write_hashed(&mut &client, length)?;
    drop(client);
    let received = server.join().map_err(|_| "the server has panicked")??;
    expect("from us to the kernel", received, (length, sent))
}
