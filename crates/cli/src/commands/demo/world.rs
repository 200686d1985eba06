//! Where the demo runs: the kernel and a host of ours on a TUN device, or two hosts of ours in memory.

use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use sockeye::Host;
use sockeye_device::netns::{Namespace, Settings, enter_user_namespace};
use sockeye_device::pcapng::Recorder;
use sockeye_device::{Cidr, Clock, Device, Tun, TunConfig, memory};

use super::ladder::{Ladder, Watched};
use crate::failure::{Failure, OrFail};

/// Our addresses and those of the other side, IPv4 first.
const OURS: [&str; 2] = ["10.9.0.2/24", "fd09::2/64"];
const THEIRS: [&str; 2] = ["10.9.0.1/24", "fd09::1/64"];
/// Packets that the kernel queues for us.
const QUEUE: u32 = 10_000;

/// A host of ours, and whom it talks to.
pub struct World {
    pub ours: Host,
    pub other: Other,
    ladder: Arc<Ladder>,
    about: String,
}

/// The other side.
pub enum Other {
    /// The kernel of this machine, in a namespace of our own.
    Kernel,
    /// A second host of ours.
    Ours(Host),
}

impl World {
    /// The kernel on a TUN device if that can be had, else two hosts in memory, and says why.
    pub fn make(memory: bool, capture: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = capture {
            // Now, or its fault would be taken for the device's.
            let writing = format!("writing the capture {}", path.display());
            File::create(path)
                .map_err(|why| Failure::new(writing, why).advice("choose a place that this user may write"))?;
        }
        if memory {
            return Self::in_memory("as asked", capture);
        }
        match Self::on_tun(capture) {
            Ok(world) => Ok(world),
            Err(why) => Self::in_memory(&why.to_string(), capture),
        }
    }

    fn on_tun(capture: Option<&Path>) -> io::Result<Self> {
        if rustix::process::geteuid().is_root() {
            Namespace::create()?.enter()?;
        } else {
            enter_user_namespace()?;
        }
        Settings::default().apply()?;
        let config = TunConfig { addresses: addresses(THEIRS)?, tx_queue_len: QUEUE, ..TunConfig::default() };
        let tun = Tun::create(&config)?;
        let about = format!(
            "device: {} (TUN, MTU {}, txqueuelen {QUEUE}) in a namespace of its own; the kernel there: {}",
            tun.name(),
            config.mtu,
            Settings::read()?
        );
        let (ours, ladder) = host(tun, OURS, capture)?;
        Ok(Self { ours, other: Other::Kernel, ladder, about })
    }

    fn in_memory(why: &str, capture: Option<&Path>) -> Result<Self, Failure> {
        let (here, there) = memory::pair(1500);
        let (ours, ladder) = host(here, OURS, capture).or_fail("starting a host")?;
        let (other, _) = host(there, THEIRS, None).or_fail("starting a host")?;
        let about = format!("device: memory, two hosts of ours, no kernel ({why})");
        Ok(Self { ours, other: Other::Ours(other), ladder, about })
    }

    /// In a line, what the figures depend on.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// As the JSON names it.
    pub const fn device(&self) -> &'static str {
        match self.other {
            Other::Kernel => "tun",
            Other::Ours(_) => "memory",
        }
    }

    /// What the small connection looked like on the wire.
    pub fn ladder(&self) -> String {
        self.ladder.draw()
    }

    /// The small connection is over.
    pub fn close_ladder(&self) {
        self.ladder.close();
    }
}

/// A host on `device`, captured if wanted; the packets of one port are watched.
fn host(device: impl Device + 'static, ours: [&str; 2], capture: Option<&Path>) -> io::Result<(Host, Arc<Ladder>)> {
    let clock = Clock::start();
    let ladder = Arc::new(Ladder::new(clock));
    let watched = Watched::new(device, ladder.clone());
    let builder = match capture {
        None => Host::builder().device(watched),
        Some(path) => Host::builder().device(Recorder::create(watched, path, clock)?),
    };
    let builder = addresses(ours)?.into_iter().fold(builder.clock(clock), sockeye::HostBuilder::address);
    Ok((builder.start()?, ladder))
}

fn addresses(texts: [&str; 2]) -> io::Result<Vec<Cidr>> {
    texts.iter().map(|text| text.parse().map_err(io::Error::other)).collect()
}

/// The address of ours, or of the other side, of a family, with a port.
pub fn socket(ours: bool, v4: bool, port: u16) -> SocketAddr {
    let last = if ours { 2 } else { 1 };
    let ip: IpAddr = if v4 { [10, 9, 0, last].into() } else { [0xfd09, 0, 0, 0, 0, 0, 0, u16::from(last)].into() };
    SocketAddr::new(ip, port)
}
