//! A small swarm in real time: flows of every size, many at once, over whatever device; drawn from a seed.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use sockeye::{Host, TcpListener, TcpStream};
use sockeye_lab::sim::Random;

use super::bench::{Bench, FAMILIES, PATIENCE, expect, kernel_connect, text};
use crate::shell::Outcome;

/// How long flows are begun.
const TIME: Duration = Duration::from_secs(6);
/// Threads, each with one flow after the other.
const THREADS: u64 = 6;
/// The longest flow.
const LONGEST: u32 = 4 << 20;

/// Case: see the table.
pub fn a_swarm_of_flows_in_real_time(bench: &Bench) -> Outcome {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    eprintln!("seed {seed}; SEED={seed} cargo xtask netns-test a_swarm_of_flows draws the same flows again");
    let host = bench.host()?;
    let end = Instant::now() + TIME;
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let (host, mut random) = (host.clone(), Random::new(seed * THREADS + number));
            thread::spawn(move || -> Result<u32, String> {
                let mut flows = 0;
                while Instant::now() < end {
                    let flow = Flow::draw(&mut random);
                    flow.run(&host).map_err(|error| format!("{flow:?}: {error}"))?;
                    flows += 1;
                }
                Ok(flows)
            })
        })
        .collect();
    let mut flows = 0;
    for thread in threads {
        flows += thread.join().map_err(|_| "a flow has panicked")??;
    }
    eprintln!("{flows} flows");
    Ok(())
}

/// One flow: as much each way as was drawn, at once.
#[derive(Debug)]
struct Flow {
    /// Index into the families.
    family: usize,
    /// Who connects.
    kernel_connects: bool,
    /// Octets from who connects, and back.
    lengths: [usize; 2],
    /// Octets of a write, and of a read.
    steps: [usize; 2],
    /// How long readers sleep now and then.
    pause: Duration,
}

impl Flow {
    fn draw(random: &mut Random) -> Self {
        // Each power of two as likely as another.
        let mut length = |most: u32| {
            let power = random.below(u64::from(most.ilog2()) + 1);
            usize::try_from(random.below(1 << power)).unwrap_or_default()
        };
        let lengths = [length(LONGEST), length(LONGEST)];
        // Not so small that a flow takes all the time.
        let least = lengths[0].max(lengths[1]) / 200 + 1;
        let steps = [length(1 << 17), length(1 << 17)].map(|step| step.max(least));
        let pause = Duration::from_micros(length(1 << 11) as u64);
        let (family, kernel_connects) = (usize::from(random.chance(500)), random.chance(500));
        Self { family, kernel_connects, lengths, steps, pause }
    }

    fn run(&self, host: &Host) -> Outcome {
        let (kernel, ours) = FAMILIES[self.family];
        if self.kernel_connects {
            let listener = TcpListener::bind(host, SocketAddr::new(ours, 0))?;
            let client = kernel_connect(listener.local_addr()?)?;
            let (server, _) = listener.accept()?;
            server.set_read_timeout(Some(PATIENCE))?;
            self.exchange(
                (&client, || client.shutdown(Shutdown::Write)),
                (&server, || server.shutdown(Shutdown::Write)),
            )
        } else {
            let listener = std::net::TcpListener::bind(SocketAddr::new(kernel, 0))?;
            let client = TcpStream::connect(host, listener.local_addr()?)?;
            let (server, _) = listener.accept()?;
            client.set_read_timeout(Some(PATIENCE))?;
            server.set_read_timeout(Some(PATIENCE))?;
            self.exchange(
                (&client, || client.shutdown(Shutdown::Write)),
                (&server, || server.shutdown(Shutdown::Write)),
            )
        }
    }

    /// Both ends, each with what closes its direction, write and read at once.
    fn exchange<C, S>(
        &self,
        (client, client_ends): (C, impl Fn() -> io::Result<()> + Sync),
        (server, server_ends): (S, impl Fn() -> io::Result<()> + Sync),
    ) -> Outcome
    where
        C: Read + Write + Copy + Send + Sync,
        S: Read + Write + Copy + Send + Sync,
    {
        let [there, back] = self.lengths.map(text);
        let heard = thread::scope(|scope| -> io::Result<[[u8; 32]; 2]> {
            let writers = [
                scope.spawn(|| self.write(client, &there).and_then(|()| client_ends())),
                scope.spawn(|| self.write(server, &back).and_then(|()| server_ends())),
            ];
            let at_server = scope.spawn(|| self.read(server));
            let at_client = self.read(client)?;
            let panicked = |_| io::Error::other("a thread has panicked");
            for writer in writers {
                writer.join().map_err(panicked)??;
            }
            Ok([at_server.join().map_err(panicked)??, at_client])
        })?;
        let sent = [&there, &back].map(|text| <[u8; 32]>::from(Sha256::digest(text)));
        expect("what arrived there and back is what was sent", heard == sent, true)
    }

    fn write(&self, mut to: impl Write, text: &[u8]) -> io::Result<()> {
        text.chunks(self.steps[0]).try_for_each(|step| to.write_all(step))
    }

    fn read(&self, mut from: impl Read) -> io::Result<[u8; 32]> {
        let (mut hash, mut block, mut reads) = (Sha256::new(), vec![0; self.steps[1]], 0_u32);
        loop {
            match from.read(&mut block)? {
                0 => return Ok(hash.finalize().into()),
                count => hash.update(&block[..count]),
            }
            reads += 1;
            if reads.is_multiple_of(16) {
                thread::sleep(self.pause);
            }
        }
    }
}
