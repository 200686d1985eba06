//! The kernel's clients, the same for whoever serves: what they count is the figure.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::net::sockopt;
use rustix::time::{ClockId, clock_gettime};

use super::room::{Plan, Room, Task};
use crate::shell::Outcome;

/// Octets of one read or write.
const BLOCK: usize = 256 << 10;
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most connections that are made one after the other: each leaves a client's port in TIME-WAIT, and once all ports of
/// one parity are (32,256 of them from 1,024 on), a kernel's `connect` looks at them all before it takes one of the other.
const MOST_CONNECTIONS: u64 = 30_000;

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub value: f64,
    /// Seconds of processor time, both ends and the kernel, for 10^9 octets.
    pub cpu_s_per_gb: Option<f64>,
    /// The 99th percentile, where `value` is the median.
    pub p99: Option<f64>,
}

impl Sample {
    pub const fn of(value: f64) -> Self {
        Self { value, cpu_s_per_gb: None, p99: None }
    }
}

/// Connects, and again while nobody is there yet. Closing resets: what a kernel's socket still holds would stay, after its
/// namespace, as memory that `tcp_mem` counts, and a thousand of them slow down whatever is measured next.
fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let until = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect_timeout(&to, Duration::from_secs(1)) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
                return Ok(stream);
            }
            Err(_) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(error),
        }
    }
}

fn join<T>(thread: JoinHandle<io::Result<T>>) -> Outcome<T> {
    Ok(thread.join().map_err(|_| "a client has panicked")??)
}

/// Gbit/s that one connection carries, in the direction that the server's task gives it.
pub fn bulk(room: &Room) -> Outcome<Sample> {
    let (to, plan) = (room.server(), room.plan);
    let writes = matches!(room.plan.task, Task::Sink { .. });
    join(room.client(move || {
        let mut stream = connect(to)?;
        let mut block = vec![7; BLOCK];
        count_for(plan, || if writes { stream.write(&block) } else { stream.read(&mut block) })
    }))
}

/// Calls `moved` for a warm-up and for the plan's time; Gbit/s of the octets that it says.
pub fn count_for(plan: Plan, mut moved: impl FnMut() -> io::Result<usize>) -> io::Result<Sample> {
    let warm = Instant::now() + plan.warm_up();
    while Instant::now() < warm {
        moved()?;
    }
    let (start, busy) = (Instant::now(), processor_time());
    let mut octets = 0;
    while start.elapsed() < plan.time {
        match moved()? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => octets += count as u64,
        }
    }
    Ok(bulk_sample(octets, start.elapsed(), processor_time().saturating_sub(busy)))
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn bulk_sample(octets: u64, took: Duration, busy: Duration) -> Sample {
    let octets = octets as f64;
    Sample {
        value: octets * 8.0 / took.as_secs_f64() / 1e9,
        cpu_s_per_gb: Some(busy.as_secs_f64() / (octets / 1e9)),
        p99: None,
    }
}

/// User and system time that the process has used.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Gbit/s that many connections carry together, driven by one thread.
pub fn many(room: &Room) -> Outcome<Sample> {
    let (to, plan, count) = (room.server(), room.plan, room.plan.connections);
    let writes = matches!(room.plan.task, Task::Sink { .. });
    join(room.client(move || {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut streams = Vec::with_capacity(count);
        for index in 0..count {
            let stream = connect(to)?;
            stream.set_nonblocking(true)?;
            let wanted = if writes { epoll::EventFlags::OUT } else { epoll::EventFlags::IN };
            epoll::add(&set, &stream, epoll::EventData::new_u64(index as u64), wanted)?;
            streams.push(stream);
        }
        let mut block = vec![7; BLOCK / 4];
        let mut events =
            vec![epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }; 256];
        let mut ready = Vec::new();
        count_for(plan, || {
            if ready.is_empty() {
                let timeout = rustix::event::Timespec { tv_sec: 5, tv_nsec: 0 };
                let count = epoll::wait(&set, &mut events, Some(&timeout))?;
                ready.extend(events.iter().take(count).map(|event| event.data.u64()));
            }
            let Some(mut stream) = ready.pop().and_then(|index| streams.get(usize::try_from(index).ok()?)) else {
                return Ok(0);
            };
            let moved = if writes { stream.write(&block) } else { stream.read(&mut block) };
            match moved {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(1), // as good as nothing, and not the end
                moved => moved,
            }
        })
    }))
}

/// Microseconds that an octet takes there and back: the median.
pub fn exchange(room: &Room) -> Outcome<Sample> {
    let (to, plan) = (room.server(), room.plan);
    let Plan { spins, time, .. } = plan;
    join(room.client(move || {
        let mut stream = connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(spins)?;
        let warm = Instant::now() + plan.warm_up();
        let mut times = Vec::with_capacity(1 << 18);
        let mut start = Instant::now();
        while start < warm + time {
            stream.write_all(b"x")?;
            let mut octet = [0];
            while let Err(error) = stream.read_exact(&mut octet) {
                if !(spins && error.kind() == io::ErrorKind::WouldBlock) {
                    return Err(error);
                }
            }
            let end = Instant::now();
            if start >= warm {
                times.push(end - start);
            }
            start = end;
        }
        times.sort_unstable();
        let at = |hundredth: usize| {
            let index = (times.len() * hundredth / 100).min(times.len().saturating_sub(1));
            times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        Ok(Sample { value: at(50), cpu_s_per_gb: None, p99: Some(at(99)) })
    }))
}

/// Thousands of connections a second: connect, an octet each way, close; as many clients at a time as the plan says. Fails
/// if a single one is refused.
pub fn connections(room: &Room) -> Outcome<Sample> {
    let (to, time) = (room.server(), room.plan.time);
    drop(join(room.client(move || connect(to)))?);
    let made = Arc::new(AtomicU64::new(0));
    let ready = Arc::new(Barrier::new(room.plan.connections));
    let clients: Vec<_> = (0..room.plan.connections)
        .map(|_| {
            let (made, ready) = (Arc::clone(&made), Arc::clone(&ready));
            room.client(move || -> io::Result<Duration> {
                ready.wait();
                let start = Instant::now();
                while start.elapsed() < time && made.load(Ordering::Relaxed) < MOST_CONNECTIONS {
                    one_connection(to)?;
                    made.fetch_add(1, Ordering::Relaxed);
                }
                Ok(start.elapsed())
            })
        })
        .collect();
    let mut longest = Duration::ZERO;
    for client in clients {
        longest = longest.max(join(client)?);
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let made = made.load(Ordering::Relaxed) as f64;
    Ok(Sample::of(made / longest.as_secs_f64() / 1000.0))
}

fn one_connection(to: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"x")?;
    stream.read_exact(&mut [0])?;
    Ok(())
}
