//! The transfers of the demo: one after the other, hashed at both ends.

//= rfc2398#2.3-1

use std::hash::Hasher;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener as KernelListener, TcpStream as KernelStream};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use sockeye::{Host, TcpListener, TcpStream};
use twox_hash::XxHash3_64;

use super::ladder;
use super::world::{Other, World, socket};
use crate::failure::{Failure, OrFail};
use crate::http::{self, Files};
use crate::services::{self, PIECE};
use crate::socket::{Listen, Socket};

/// Octets of each echo and of the file that is fetched by HTTP.
const SMALL: u64 = 16 << 20;
/// Nobody in the demo is silent for so long unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came of one transfer.
#[derive(Debug, Serialize)]
pub struct Transfer {
    #[serde(skip)]
    pub what: &'static str,
    pub direction: &'static str,
    pub family: &'static str,
    pub bytes: u64,
    pub hash_ok: bool,
    pub gbit_per_s: f64,
    pub retransmissions: u64,
    #[serde(skip)]
    pub handshake: Duration,
}

/// What is transferred, by whom, which way.
#[derive(Clone, Copy)]
enum Plan {
    /// Their client sends to our discard server.
    TheySend,
    /// Their client fetches from our file server.
    TheyFetch,
    /// Our client sends to their server.
    WeSend,
    /// Our client fetches from their server.
    WeFetch,
    /// Their client sends to our echo server and reads what comes back.
    Echo,
    /// Their client fetches a file from our HTTP server.
    Http,
}

const PLANS: [Plan; 6] = [Plan::TheySend, Plan::TheyFetch, Plan::WeSend, Plan::WeFetch, Plan::Echo, Plan::Http];

impl Plan {
    const fn what(self) -> &'static str {
        match self {
            Self::TheySend => "client to our discard server",
            Self::TheyFetch => "client from our file server",
            Self::WeSend => "our client to a server",
            Self::WeFetch => "our client from a server",
            Self::Echo => "client to our echo server, and back",
            Self::Http => "client from our HTTP server",
        }
    }

    /// Which way most octets go.
    const fn direction(self) -> &'static str {
        match self {
            Self::TheySend | Self::WeFetch => "kernel_to_ours",
            Self::TheyFetch | Self::WeSend | Self::Http => "ours_to_kernel",
            Self::Echo => "both",
        }
    }

    const fn octets(self, large: u64) -> u64 {
        match self {
            Self::Echo | Self::Http => SMALL,
            _ => large,
        }
    }
}

/// All transfers, over both families, with a bar that shows how far they are.
///
/// # Errors
/// When one fails.
pub fn run_all(world: &World, large: u64, show: bool) -> Result<Vec<Transfer>, Failure> {
    let total = 2 * PLANS.iter().map(|plan| plan.octets(large)).sum::<u64>();
    let target = if show { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec}  {msg}");
    let bar = ProgressBar::with_draw_target(Some(total), target).with_style(style.or_fail("drawing the bar")?);
    bar.enable_steady_tick(Duration::from_millis(100));
    small(world).or_fail("a small connection")?;
    world.close_ladder();
    let mut transfers = Vec::new();
    for v4 in [true, false] {
        for plan in PLANS {
            bar.set_message(plan.what());
            let transfer = one(world, plan, v4, plan.octets(large), &bar).or_fail(plan.what())?;
            transfers.push(transfer);
        }
    }
    bar.finish_and_clear();
    Ok(transfers)
}

/// The connection that the ladder draws: a question, an answer, the end.
fn small(world: &World) -> io::Result<()> {
    let to = socket(true, true, ladder::PORT);
    let listener = TcpListener::bind(&world.ours, to)?;
    let server = thread::spawn(move || services::echo(&mut listener.accept()?.0));
    let ask = |mut client: Box<dyn Asks>| client.ask(b"How do you do?");
    match &world.other {
        Other::Kernel => ask(Box::new(KernelStream::connect(to)?))?,
        Other::Ours(host) => ask(Box::new(TcpStream::connect(host, to)?))?,
    }
    joined(server)?;
    // The last ACK is on its way.
    thread::sleep(Duration::from_millis(50));
    Ok(())
}

/// A client of the small connection, whoever's.
trait Asks {
    fn ask(&mut self, question: &[u8]) -> io::Result<()>;
}

impl<S: Socket> Asks for S {
    fn ask(&mut self, question: &[u8]) -> io::Result<()> {
        self.set_patience(Some(PATIENCE))?;
        self.write_all(question)?;
        self.finish()?;
        services::copy(self, &mut io::sink()).map(drop)
    }
}

/// One transfer, with whoever is at the other side.
fn one(world: &World, plan: Plan, v4: bool, octets: u64, bar: &ProgressBar) -> io::Result<Transfer> {
    let outcome = match &world.other {
        Other::Kernel => transfer(plan, v4, octets, bar, &world.ours, &kernel_connect, &|at| KernelListener::bind(at)),
        Other::Ours(host) => {
            let connect = |to| TcpStream::connect(host, to);
            transfer(plan, v4, octets, bar, &world.ours, &connect, &|at| TcpListener::bind(host, at))
        }
    };
    let Outcome { took, hash_ok, retransmissions, handshake } = outcome?;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let gbit_per_s = octets as f64 * 8.0 / took.as_secs_f64() / 1e9;
    let family = if v4 { "IPv4" } else { "IPv6" };
    Ok(Transfer {
        what: plan.what(),
        direction: plan.direction(),
        family,
        bytes: octets,
        hash_ok,
        gbit_per_s,
        retransmissions,
        handshake,
    })
}

fn kernel_connect(to: SocketAddr) -> io::Result<KernelStream> {
    KernelStream::connect_timeout(&to, PATIENCE)
}

/// How a transfer went.
struct Outcome {
    took: Duration,
    hash_ok: bool,
    retransmissions: u64,
    handshake: Duration,
}

/// Runs a plan between our host and the other side, which makes sockets by `connect` and `bind`.
fn transfer<S: Socket, L: Listen<Socket = S>>(
    plan: Plan,
    v4: bool,
    octets: u64,
    bar: &ProgressBar,
    ours: &Host,
    connect: &dyn Fn(SocketAddr) -> io::Result<S>,
    bind: &dyn Fn(SocketAddr) -> io::Result<L>,
) -> io::Result<Outcome> {
    const PORT: u16 = 9000;
    let at_ours = socket(true, v4, PORT);
    let at_theirs = socket(false, v4, PORT);
    match plan {
        Plan::TheySend => {
            let listener = TcpListener::bind(ours, at_ours)?;
            let sender = connect(at_ours)?;
            carried(sender, listener.accept()?.0, octets, bar)
        }
        Plan::TheyFetch => {
            let listener = TcpListener::bind(ours, at_ours)?;
            let receiver = connect(at_ours)?;
            carried(listener.accept()?.0, receiver, octets, bar)
        }
        Plan::WeSend => {
            let listener = bind(at_theirs)?;
            let sender = TcpStream::connect(ours, at_theirs)?;
            carried(sender, listener.accept()?.0, octets, bar)
        }
        Plan::WeFetch => {
            let listener = bind(at_theirs)?;
            let receiver = TcpStream::connect(ours, at_theirs)?;
            carried(listener.accept()?.0, receiver, octets, bar)
        }
        Plan::Echo => echoed(&TcpListener::bind(ours, at_ours)?, connect(at_ours)?, octets, bar),
        Plan::Http => fetched(TcpListener::bind(ours, at_ours)?, connect(at_ours)?, octets, bar),
    }
}

/// From one socket to another: the sender hashes what it writes, the receiver what it reads.
fn carried(mut sender: impl Socket, mut receiver: impl Socket, octets: u64, bar: &ProgressBar) -> io::Result<Outcome> {
    receiver.set_patience(Some(PATIENCE))?;
    let start = Instant::now();
    let writer = thread::spawn(move || -> io::Result<_> {
        let hash = send(&mut sender, octets)?;
        sender.finish()?;
        // Only once the receiver has closed is everything acknowledged, and every retransmission counted.
        sender.set_patience(Some(PATIENCE))?;
        services::copy(&mut sender, &mut io::sink())?;
        Ok((hash, sender.statistics()))
    });
    let (count, heard) = receive(&mut receiver, octets, bar)?;
    let took = start.elapsed();
    receiver.finish()?;
    let of_receiver = receiver.statistics();
    let (said, of_sender) = joined(writer)?;
    let (retransmissions, handshake) = of_sender.or(of_receiver).unwrap_or_default();
    Ok(Outcome { took, hash_ok: count == octets && heard == said, retransmissions, handshake })
}

/// There and back through our echo server.
fn echoed(listener: &TcpListener, client: impl Socket, octets: u64, bar: &ProgressBar) -> io::Result<Outcome> {
    let (mut server, _) = listener.accept()?;
    let server = thread::spawn(move || services::echo(&mut server).map(|_| server.statistics()));
    let (mut sender, mut receiver) = (client.another()?, client);
    receiver.set_patience(Some(PATIENCE))?;
    let start = Instant::now();
    let writer = thread::spawn(move || {
        let hash = send(&mut sender, octets)?;
        sender.finish().map(|()| hash)
    });
    let (count, heard) = receive(&mut receiver, octets, bar)?;
    let took = start.elapsed();
    let said = joined(writer)?;
    let (retransmissions, handshake) = joined(server)?.unwrap_or_default();
    Ok(Outcome { took, hash_ok: count == octets && heard == said, retransmissions, handshake })
}

/// A file, by GET from our HTTP server.
fn fetched(listener: TcpListener, mut client: impl Socket, octets: u64, bar: &ProgressBar) -> io::Result<Outcome> {
    let directory = tempfile::tempdir()?;
    let said = send(&mut std::fs::File::create(directory.path().join("file"))?, octets)?;
    let files = Files::new(directory.path())?;
    let server = thread::spawn(move || {
        let (mut socket, client) = listener.accept()?;
        http::serve_connection(&mut socket, &files, client)?;
        socket.finish()?;
        Ok::<_, io::Error>(socket.statistics())
    });
    client.set_patience(Some(PATIENCE))?;
    let start = Instant::now();
    client.write_all(b"GET /file HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n")?;
    skip_head(&mut client)?;
    let (count, heard) = receive(&mut client, octets, bar)?;
    let took = start.elapsed();
    drop(client);
    let (retransmissions, handshake) = joined(server)?.unwrap_or_default();
    Ok(Outcome { took, hash_ok: count == octets && heard == said, retransmissions, handshake })
}

/// Reads up to the blank line that ends the head of an answer.
fn skip_head(client: &mut impl Read) -> io::Result<()> {
    let mut last = [0; 4];
    while last != *b"\r\n\r\n" {
        last.rotate_left(1);
        client.read_exact(&mut last[3..])?;
    }
    Ok(())
}

/// Writes `octets` octets and gives their hash (XXH3: SHA-2 would take longer than the transfer).
fn send(to: &mut impl Write, octets: u64) -> io::Result<u64> {
    let mut block = vec![0_u8; PIECE];
    let mut state = 1_u32;
    for octet in &mut block {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *octet = state.to_be_bytes()[0];
    }
    let mut hash = XxHash3_64::default();
    let mut left = octets;
    while left > 0 {
        let count = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let piece = block.get(..count).unwrap_or_default();
        to.write_all(piece)?;
        hash.write(piece);
        left -= count as u64;
    }
    Ok(hash.finish())
}

/// Reads to the end and gives the count and the hash.
fn receive(from: &mut impl Read, most: u64, bar: &ProgressBar) -> io::Result<(u64, u64)> {
    let mut block = vec![0; PIECE];
    let mut hash = XxHash3_64::default();
    let mut count = 0;
    while count <= most {
        let octets = from.read(&mut block)?;
        if octets == 0 {
            break;
        }
        hash.write(block.get(..octets).unwrap_or_default());
        count += octets as u64;
        bar.inc(octets as u64);
    }
    Ok((count, hash.finish()))
}

fn joined<T>(thread: thread::JoinHandle<io::Result<T>>) -> io::Result<T> {
    thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread has panicked")))
}
