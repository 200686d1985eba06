//! What a case works with: its namespace, our host in it, hashes, children.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sha2::{Digest, Sha256};
use sockeye::{Config, Host};
use sockeye_device::netlink::{Link, LinkSettings, create_veth};
use sockeye_device::netns::{Namespace, Settings, describe, enter_user_namespace};
use sockeye_device::pcapng::Recorder;
use sockeye_device::{Clock, Device, Tap, TapConfig, Tun, TunConfig, Xdp, XdpConfig, XdpMode};

use crate::shell::Outcome;

/// The kernel's addresses on the TUN device, and ours.
pub const KERNEL_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1));
pub const OURS_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 2));
pub const KERNEL_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 1));
pub const OURS_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd09, 0, 0, 0, 0, 0, 0, 2));
/// Both families: the kernel's address, ours.
pub const FAMILIES: [(IpAddr, IpAddr); 2] = [(KERNEL_V4, OURS_V4), (KERNEL_V6, OURS_V6)];
/// The name of the device.
pub const DEVICE: &str = "sockeye0";

/// How long a peer may be silent before a case has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What carries packets between the kernel and us, for cases that don't say it themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// A TUN device with segmentation and checksum offload.
    Tun,
    /// A TUN device, a packet a system call.
    PlainTun,
    /// A TAP device with the same offloads.
    Tap,
    /// An `AF_XDP` socket on our end of a veth pair, in the driver's mode.
    Xdp,
    /// The same behind the driver.
    XdpGeneric,
}

impl Over {
    /// Every kind of device.
    pub const EVERY: &[Self] = &[Self::Tun, Self::PlainTun, Self::Tap, Self::Xdp, Self::XdpGeneric];

    /// What the name of a case over it ends with.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Tun => "",
            Self::PlainTun => "_over_plain_tun",
            Self::Tap => "_over_tap",
            Self::Xdp => "_over_xdp",
            Self::XdpGeneric => "_over_generic_xdp",
        }
    }

    const fn is_xdp(self) -> bool {
        matches!(self, Self::Xdp | Self::XdpGeneric)
    }
}

/// A namespace with nothing in it but what the case makes.
pub struct Bench {
    over: Over,
    capture: Option<PathBuf>,
    /// Where our end of the veth pair is, if it is to be one.
    ours: Option<Namespace>,
}

impl Bench {
    /// Makes a namespace and enters it: every thread and process that is started from now on is in it.
    pub fn enter(over: Over, capture: Option<PathBuf>) -> Outcome<Self> {
        if rustix::process::geteuid().is_root() {
            Namespace::create()?.enter()?;
        } else {
            enter_user_namespace()?;
        }
        Settings::default().apply()?;
        let ours = if over.is_xdp() { Some(Namespace::create()?) } else { None };
        Ok(Self { over, capture, ours })
    }

    /// What a case says of its namespace, in a line of its own on standard error, begins with this.
    pub const SETTINGS: &str = "namespace: ";

    /// Says what the namespace and its devices are like in fact.
    pub fn say_settings() -> Outcome {
        eprintln!("{}{}", Self::SETTINGS, describe()?);
        Ok(())
    }

    /// A host of ours on the case's device, captured.
    pub fn host(&self) -> Outcome<Host> {
        self.host_on(self.device()?)
    }

    /// The case's device, new.
    pub fn device(&self) -> Outcome<Box<dyn Device>> {
        self.device_with(TunConfig::default().tx_queue_len)
    }

    /// The same, for which the kernel queues so many packets before it drops.
    pub fn device_with(&self, tx_queue_len: u32) -> Outcome<Box<dyn Device>> {
        let tun = |offload| Ok::<_, Box<dyn Error>>(TunConfig { tx_queue_len, ..tun_config(offload)? });
        Ok(match (self.over, &self.ours) {
            (Over::PlainTun, _) => Box::new(Tun::create(&tun(false)?)?),
            (Over::Tap, _) => Box::new(tap(tx_queue_len)?),
            (Over::Xdp, Some(ours)) => Box::new(xdp(ours, XdpMode::Driver, tx_queue_len)?),
            (Over::XdpGeneric, Some(ours)) => Box::new(xdp(ours, XdpMode::Generic, tx_queue_len)?),
            (Over::Tun | Over::Xdp | Over::XdpGeneric, _) => Box::new(Tun::create(&tun(true)?)?),
        })
    }

    /// A host of ours on an offloading TUN device of so many queues, with a shard for each; not captured.
    pub fn host_of_shards(count: usize) -> Outcome<Host> {
        let queues = Tun::create_queues(&tun_config(true)?, count)?;
        expect("queues that the kernel gave", queues.len(), count)?;
        Self::say_settings()?;
        let builder = Host::builder().queues(queues);
        Ok(builder.address("10.9.0.2/24".parse()?).address("fd09::2/64".parse()?).start()?)
    }

    /// A host of ours on this device, captured.
    pub fn host_on(&self, device: impl Device + 'static) -> Outcome<Host> {
        self.host_with(device, Config::default())
    }

    /// The same, its connections with these settings.
    pub fn host_with(&self, device: impl Device + 'static, tcp: Config) -> Outcome<Host> {
        Self::say_settings()?;
        let clock = Clock::start();
        let builder =
            Host::builder().tcp(tcp).clock(clock).address("10.9.0.2/24".parse()?).address("fd09::2/64".parse()?);
        let host = match &self.capture {
            Some(path) => builder.device(Recorder::create(device, path, clock)?).start()?,
            None => builder.device(device).start()?,
        };
        Ok(host)
    }

    /// The `sockeye` command: cargo has put it beside this program.
    pub fn sockeye() -> Outcome<Command> {
        Ok(Command::new(std::env::current_exe()?.with_file_name("sockeye")))
    }
}

/// An offloading TAP device.
fn tap(tx_queue_len: u32) -> Outcome<Tap> {
    let config = TapConfig {
        name: DEVICE.to_owned(),
        addresses: vec!["10.9.0.1/24".parse()?, "fd09::1/64".parse()?],
        own_addresses: vec!["10.9.0.2/24".parse()?, "fd09::2/64".parse()?],
        tx_queue_len,
        ..TapConfig::default()
    };
    Ok(Tap::create(&config)?)
}

/// An `AF_XDP` socket. The kernel has the other end of a veth pair here; ours is in `theirs`, a namespace of its own.
/// Behind the driver a frame must fit the MTU, so the kernel cuts before the pair.
fn xdp(theirs: &Namespace, mode: XdpMode, tx_queue_len: u32) -> Outcome<Xdp> {
    let gso_max_segs = (mode == XdpMode::Generic).then_some(1);
    let up = LinkSettings { up: Some(true), tx_queue_len: Some(tx_queue_len), gso_max_segs, ..LinkSettings::default() };
    create_veth(DEVICE, "ours")?;
    Link::by_name("ours")?.move_to(theirs.as_fd())?;
    theirs.run(|| Link::by_name("ours").and_then(|link| link.set(up)))??;
    let kernel = Link::by_name(DEVICE)?;
    kernel.set(up)?;
    for address in ["10.9.0.1/24", "fd09::1/64"] {
        kernel.add_address(address.parse()?)?;
    }
    let config = XdpConfig {
        interface: "ours".to_owned(),
        own_addresses: vec!["10.9.0.2/24".parse()?, "fd09::2/64".parse()?],
        mode,
        ..XdpConfig::default()
    };
    Ok(theirs.run(|| Xdp::open(&config))??)
}

/// The device of most cases.
pub fn tun_config(offload: bool) -> Outcome<TunConfig> {
    let addresses = vec!["10.9.0.1/24".parse()?, "fd09::1/64".parse()?];
    Ok(TunConfig { name: DEVICE.to_owned(), addresses, offload, ..TunConfig::default() })
}

/// A child that is ended with its owner.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It has ended by itself, as a rule.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program to its end with `input` on its standard input; gives its standard output.
pub fn filter(command: &mut Command, input: Vec<u8>) -> Outcome<Vec<u8>> {
    let mut child = Ended(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let mut stdin = child.0.stdin.take().ok_or("no standard input")?;
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let mut output = Vec::new();
    child.0.stdout.take().ok_or("no standard output")?.read_to_end(&mut output)?;
    writer.join().map_err(|_| "the writer has panicked")??;
    let status = child.0.wait()?;
    if status.success() { Ok(output) } else { Err(format!("{command:?}: {status}").into()) }
}

/// Octets that differ from place to place, the same for every run.
pub fn text(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut octets = Vec::with_capacity(length);
    while octets.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        octets.extend_from_slice(&state.to_be_bytes());
    }
    octets.truncate(length);
    octets
}

/// Writes `length` octets, each block the same, and gives their hash.
pub fn write_hashed(stream: &mut impl Write, length: u64) -> io::Result<[u8; 32]> {
    let block = text(256 << 10);
    let mut hash = Sha256::new();
    let mut left = length;
    while left > 0 {
        let piece = &block[..block.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
        stream.write_all(piece)?;
        hash.update(piece);
        left -= piece.len() as u64;
    }
    Ok(hash.finalize().into())
}

/// Reads to the end and gives how many octets there were and their hash.
pub fn read_hashed(stream: &mut impl Read) -> io::Result<(u64, [u8; 32])> {
    let mut block = vec![0; 256 << 10];
    let mut hash = Sha256::new();
    let mut length = 0;
    loop {
        match stream.read(&mut block)? {
            0 => return Ok((length, hash.finalize().into())),
            count => {
                hash.update(&block[..count]);
                length += count as u64;
            }
        }
    }
}

/// A socket of the kernel, connected, that fails rather than waits for ever.
pub fn kernel_connect(to: SocketAddr) -> io::Result<std::net::TcpStream> {
    let stream = std::net::TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Fails with what was expected and what came.
#[expect(clippy::needless_pass_by_value, reason = "literals at the call read best")]
pub fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Outcome {
    if found == expected { Ok(()) } else { Err(format!("{what}: {found:?} instead of {expected:?}").into()) }
}
