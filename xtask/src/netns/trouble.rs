//! Peers that die, links that fail, hosts that end.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use sockeye::{TcpListener, TcpStream};
use sockeye_device::netlink::{Link, LinkSettings};

use super::bench::{Bench, DEVICE, Ended, FAMILIES, expect, kernel_connect, read_hashed, write_hashed};
use super::strain::wait_until;
use crate::shell::Outcome;

/// Case: see the table.
pub fn a_killed_peer_is_noticed(bench: &Bench) -> Outcome {
    let host = bench.host()?;
    let (_, ours) = FAMILIES[0];
    let listener = TcpListener::bind(&host, (ours, 9))?;
    let script =
        "import socket, sys\ns = socket.create_connection((sys.argv[1], 9))\nwhile True: s.sendall(b'x' * 65536)";
    let mut child =
        Ended(Command::new("python3").args(["-c", script, &ours.to_string()]).stdin(Stdio::null()).spawn()?);
    let (server, _) = listener.accept()?;
    let mut block = vec![0; 65_536];
    for _ in 0..100 {
        (&server).read_exact(&mut block)?;
    }
    child.0.kill()?;
    // The kernel closes for the dead process: with a FIN, or with a RST if something was unread.
    let rest = std::io::copy(&mut &server, &mut std::io::sink());
    expect(
        "the stream has an end",
        rest.is_ok() || rest.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset),
        true,
    )
}

//= rfc9293#MUST-18
//= rfc9293#MUST-19
/// Case: see the table.
pub fn a_link_that_goes_down_and_up_again(bench: &Bench) -> Outcome {
    const LENGTH: u64 = 256 << 20;
    let host = bench.host()?;
    let (kernel, ours) = FAMILIES[0];
    let link = Link::by_name(DEVICE)?;
    let set = |up| link.set(LinkSettings { up: Some(up), ..LinkSettings::default() });
    let listener = TcpListener::bind(&host, (ours, 9))?;
    let client = thread::spawn(move || write_hashed(&mut kernel_connect((ours, 9).into())?, LENGTH));
    let reader = thread::spawn(move || read_hashed(&mut &listener.accept()?.0));
    let back = std::net::TcpListener::bind((kernel, 9))?;
    let sink = thread::spawn(move || read_hashed(&mut back.accept()?.0));
    let stream = TcpStream::connect(&host, (kernel, 9))?;
    let writer = thread::spawn(move || write_hashed(&mut &stream, LENGTH));
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(150));
        set(false)?;
        thread::sleep(Duration::from_millis(300));
        set(true)?;
    }
    let panicked = |_| "a thread has panicked";
    let sent = client.join().map_err(panicked)??;
    expect("from the kernel to us", reader.join().map_err(panicked)??, (LENGTH, sent))?;
    let sent = writer.join().map_err(panicked)??;
    expect("from us to the kernel", sink.join().map_err(panicked)??, (LENGTH, sent))
}

/// Case: see the table.
pub fn a_vanished_device_ends_every_call(bench: &Bench) -> Outcome {
    let host = bench.host()?;
    let (_, ours) = FAMILIES[0];
    let listener = TcpListener::bind(&host, (ours, 9))?;
    let clients = [kernel_connect((ours, 9).into())?, kernel_connect((ours, 9).into())?];
    let ([reads, writes], block) = ([listener.accept()?.0, listener.accept()?.0], [7; 65_536]);
    let nobody: SocketAddr = "10.9.0.99:9".parse()?;
    let outcomes = thread::scope(|scope| -> Outcome<_> {
        let blocked: [(&str, thread::ScopedJoinHandle<'_, io::Result<()>>); 4] = [
            ("a read", scope.spawn(|| (&reads).read(&mut [0; 10]).map(drop))),
            (
                "a write that the peer's window keeps",
                scope.spawn(|| {
                    loop {
                        (&writes).write_all(&block)?;
                    }
                }),
            ),
            ("an accept", scope.spawn(|| listener.accept().map(drop))),
            ("a connect that nobody answers", scope.spawn(|| TcpStream::connect(&host, nobody).map(drop))),
        ];
        // Until the writer has filled the peer's window and its own buffer, and all have had time to wait.
        wait_until(|| writes.info().is_ok_and(|info| info.snd_wnd == 0));
        thread::sleep(Duration::from_millis(100));
        Link::by_name(DEVICE)?.delete()?;
        let ended = |(what, thread): (_, thread::ScopedJoinHandle<'_, _>)| thread.join().map(|ended| (what, ended));
        Ok(blocked.into_iter().map(ended).collect::<Result<Vec<_>, _>>().map_err(|_| "a thread has panicked")?)
    })?;
    drop(clients);
    let later = [
        ("a later read", (&reads).read(&mut [0; 10]).map(drop)),
        ("a later write", (&writes).write_all(b"x")),
        ("a later connect", TcpStream::connect(&host, nobody).map(drop)),
        ("a later bind", TcpListener::bind(&host, (ours, 10)).map(drop)),
    ];
    for (what, outcome) in outcomes.into_iter().chain(later) {
        let why = outcome.err().map(|error| error.to_string()).unwrap_or_default();
        expect(&format!("{what} fails by the device: {why:?}"), why.contains("the device is gone"), true)?;
    }
    Ok(())
}

/// Case: see the table. FIELD D43.
pub fn a_stack_that_is_dropped_leaves_nothing(bench: &Bench) -> Outcome {
    let count = |what: &str| std::fs::read_dir(format!("/proc/self/{what}")).map(Iterator::count);
    let (descriptors, threads) = (count("fd")?, count("task")?);
    let host = bench.host()?;
    let (_, ours) = FAMILIES[0];
    let listener = TcpListener::bind(&host, (ours, 9))?;
    let mut clients: Vec<_> = (0..200).map(|_| kernel_connect((ours, 9).into())).collect::<Result<_, _>>()?;
    let servers: Vec<_> = (0..100).map(|_| listener.accept()).collect::<Result<_, _>>()?;
    for (server, _) in &servers {
        let mut stream = server;
        stream.write_all(b"last words")?;
    }
    drop((listener, host, servers));
    let mut ended = 0;
    for client in &mut clients {
        let mut said = Vec::new();
        ended += usize::from(client.read_to_end(&mut said).is_err() || said.is_empty() || said == b"last words");
    }
    expect("clients that were told the end", ended, 200)?;
    drop(clients);
    expect("descriptors", count("fd")?, descriptors)?;
    expect("threads", count("task")?, threads)
}
