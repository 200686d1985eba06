//! The two ends of a transfer, and the link between them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sockeye::{Algorithm, Host};
use sockeye_device::memory::{MemoryDevice, pair_with_queue};
use sockeye_device::netns::{Namespace, Settings};
use sockeye_device::pcapng::Recorder;
use sockeye_device::{Clock, Device, Tun, TunConfig};
use sockeye_lab::link::Emulator;

use super::grid::Cell;
use super::smoltcp;
use crate::shell::Outcome;

/// The sender's address and the receiver's, with the length of their network's prefix.
const SENDER: &str = "10.8.0.1/24";
const RECEIVER: &str = "10.8.0.2/24";
/// Where the receiver listens.
const TO: ([u8; 4], u16) = ([10, 8, 0, 2], 9);
/// How long an end may be silent before the transfer has failed.
const PATIENCE: Duration = Duration::from_secs(20);
const MTU: u16 = 1500;
/// Octets written and read at once.
const BLOCK: usize = 64 << 10;

/// A congestion control that both sides may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control(&'static str);

const CUBIC: Control = Control("cubic");

impl Control {
    const KNOWN: [&str; 3] = ["cubic", "reno", "bbr"];

    pub fn named(name: &str) -> Outcome<Self> {
        // As we call it.
        let name = if name == "newreno" { "reno" } else { name };
        let known = Self::KNOWN.into_iter().find(|known| *known == name);
        known.map(Self).ok_or_else(|| format!("no congestion control {name:?} to compare: try cubic, reno, bbr").into())
    }

    /// As the kernel calls it.
    pub const fn name(self) -> &'static str {
        self.0
    }

    /// Ours of this name.
    pub fn ours(self) -> Option<Algorithm> {
        self.0.parse().ok()
    }
}

/// Who sends to whom.
///
/// One end at most differs from the kernel's, so that a ratio is that end's doing: Sockeye to itself would show two at once.
/// Each pairing makes a run longer, so smoltcp receives from nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    SockeyeToLinux(Control),
    LinuxToLinux(Control),
    LinuxToSockeye(Control),
    /// With cubic.
    SmoltcpToLinux,
}

impl Pairing {
    /// Whom it is to be as good as: the kernel's own sender with the same congestion control.
    pub const fn rival(self) -> Option<Self> {
        match self {
            Self::SockeyeToLinux(control) | Self::LinuxToSockeye(control) => Some(Self::LinuxToLinux(control)),
            Self::SmoltcpToLinux => Some(Self::LinuxToLinux(CUBIC)),
            Self::LinuxToLinux(_) => None,
        }
    }

    /// The congestion control that is compared; smoltcp stands for itself.
    pub const fn control(self) -> Option<Control> {
        match self {
            Self::SockeyeToLinux(control) | Self::LinuxToLinux(control) | Self::LinuxToSockeye(control) => {
                Some(control)
            }
            Self::SmoltcpToLinux => None,
        }
    }

    /// As JSON calls it.
    pub fn name(&self) -> String {
        match self {
            Self::SockeyeToLinux(control) => format!("sockeye_{}", control.0),
            Self::LinuxToLinux(control) => format!("linux_{}", control.0),
            Self::LinuxToSockeye(control) => format!("linux_{}_to_sockeye", control.0),
            Self::SmoltcpToLinux => "smoltcp".to_owned(),
        }
    }
}

/// Moves bytes for `time` from the first one's arrival on; returns how many bits of them a second. What leaves the sender and
/// comes to it goes into the `capture`, if there is to be one.
pub fn transfer(pairing: Pairing, cell: &Cell, seed: u64, time: Duration, capture: Option<&Path>) -> Outcome<f64> {
    let (near, sender) = match pairing {
        Pairing::LinuxToLinux(control) | Pairing::LinuxToSockeye(control) => {
            kernel(SENDER, move |at| Ok(Sender::Linux(at, control)))?
        }
        Pairing::SockeyeToLinux(control) => {
            in_process(|device| Ok(Sender::Sockeye(host(device, SENDER, control.ours().unwrap_or_default())?)))?
        }
        Pairing::SmoltcpToLinux => in_process(|device| Ok(Sender::Smoltcp(Box::new(device))))?,
    };
    let (far, receiver) = match pairing {
        Pairing::LinuxToSockeye(_) => {
            in_process(|device| Ok(Receiver::Sockeye(host(device, RECEIVER, Algorithm::default())?)))?
        }
        _ => kernel(RECEIVER, |at| Ok(Receiver::Linux(at)))?,
    };
    let near: Box<dyn Device> = match capture {
        Some(path) => Box::new(Recorder::create(near, path, Clock::start())?),
        None => near,
    };
    let emulator = Emulator::start([near, far], cell.there.clone(), cell.back.clone(), seed)?;
    let receiver = receiver.listen()?;
    let done = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&done);
    let sender = thread::spawn(move || sender.run(&seen).map_err(|error| error.to_string()));
    let octets = receiver.count(time);
    done.store(true, Ordering::Relaxed);
    sender.join().map_err(|_| "the sender has panicked")??;
    emulator.stop()?;
    let octets = octets.map_err(|error| format!("{}: {error}", pairing.name()))?;
    #[expect(clippy::cast_precision_loss, reason = "exact below 8 petabytes")]
    Ok(octets as f64 * 8.0 / time.as_secs_f64())
}

/// An end that is the kernel: its device, and what `make` makes of its namespace.
fn kernel<T>(address: &str, make: impl FnOnce(Namespace) -> Outcome<T>) -> Outcome<(Box<dyn Device>, T)> {
    let namespace = Namespace::create()?;
    let addresses = vec![address.parse()?];
    let config = TunConfig { addresses, mtu: MTU, offload: false, ..TunConfig::default() };
    let tun = namespace.run(|| {
        Settings::default().apply()?;
        Tun::create(&config)
    })??;
    Ok((Box::new(tun), make(namespace)?))
}

/// An end in this process: the device that the link has of it, and what `make` makes of the other.
fn in_process<T>(make: impl FnOnce(MemoryDevice) -> Outcome<T>) -> Outcome<(Box<dyn Device>, T)> {
    let (own, links) = pair_with_queue(MTU, TunConfig::default().tx_queue_len as usize);
    Ok((Box::new(links), make(own)?))
}

fn host(device: MemoryDevice, address: &str, control: Algorithm) -> Outcome<Host> {
    let builder = Host::builder().device(device).address(address.parse()?).congestion_control(control);
    Ok(builder.linger(Duration::ZERO).start()?)
}

/// Who sends, as much as it can.
enum Sender {
    Linux(Namespace, Control),
    Sockeye(Host),
    Smoltcp(Box<MemoryDevice>),
}

impl Sender {
    fn run(self, done: &AtomicBool) -> Outcome {
        let to = SocketAddr::from(TO);
        match self {
            Self::Linux(namespace, control) => {
                let stream = namespace.run(|| std::net::TcpStream::connect_timeout(&to, PATIENCE))??;
                rustix::net::sockopt::set_tcp_congestion(&stream, control.0)?;
                stream.set_write_timeout(Some(Duration::from_secs(1)))?;
                send(stream, done)
            }
            Self::Sockeye(host) => {
                let stream = sockeye::TcpStream::connect_timeout(&host, &to, PATIENCE)?;
                stream.set_write_timeout(Some(Duration::from_secs(1)))?;
                send(stream, done)
            }
            Self::Smoltcp(device) => smoltcp::send(device, TO, done),
        }
    }
}

/// Writes until the receiver has had enough; what then goes wrong doesn't matter.
fn send(mut stream: impl Write, done: &AtomicBool) -> Outcome {
    let block = vec![7; BLOCK];
    while !done.load(Ordering::Relaxed) {
        match stream.write(&block) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            // It may close a moment before it says so.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Who receives.
enum Receiver {
    Linux(Namespace),
    Sockeye(Host),
}

/// One that listens.
enum Listening {
    Linux(std::net::TcpListener),
    /// With what keeps it alive.
    Sockeye(sockeye::TcpListener, Host),
}

impl Receiver {
    fn listen(self) -> Outcome<Listening> {
        let to = SocketAddr::from(TO);
        Ok(match self {
            Self::Linux(namespace) => Listening::Linux(namespace.run(|| std::net::TcpListener::bind(to))??),
            Self::Sockeye(host) => Listening::Sockeye(sockeye::TcpListener::bind(&host, to)?, host),
        })
    }
}

impl Listening {
    /// Octets that arrive within `time` of the first one.
    fn count(self, time: Duration) -> io::Result<u64> {
        match self {
            Self::Linux(listener) => {
                // Without an end to its patience it would wait for ever for a sender that can't connect.
                rustix::net::sockopt::set_socket_timeout(
                    &listener,
                    rustix::net::sockopt::Timeout::Recv,
                    Some(PATIENCE),
                )?;
                let (stream, _) = listener.accept()?;
                stream.set_read_timeout(Some(PATIENCE))?;
                count(stream, time)
            }
            Self::Sockeye(listener, _host) => {
                let (stream, _) = listener.accept()?;
                stream.set_read_timeout(Some(PATIENCE))?;
                count(stream, time)
            }
        }
    }
}

fn count(mut stream: impl Read, time: Duration) -> io::Result<u64> {
    let mut block = vec![0; BLOCK];
    let mut octets = stream.read(&mut block)? as u64;
    let start = Instant::now();
    loop {
        let read = stream.read(&mut block)?;
        if read == 0 || start.elapsed() > time {
            return Ok(octets);
        }
        octets += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newreno_is_what_the_kernel_calls_reno() {
        assert_eq!(Control::named("newreno").ok(), Some(Control("reno")));
        assert!(Control::named("vegas").is_err());
    }
}
