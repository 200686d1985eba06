//! The link that a command runs on: a TUN or TAP device, the kernel at its one end, a host of ours at the other; or an
//! interface of this machine, taken over from the kernel.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use sockeye::{Algorithm, EcnPolicy, Host, Remember};
use sockeye_device::pcapng::Recorder;
use sockeye_device::{Cidr, Clock, Device, Tap, TapConfig, Tun, TunConfig, Xdp, XdpConfig};

use crate::failure::{Failure, OrFail};
use crate::times::running_time;

/// What Linux gives a TUN device at most (`MAX_TAP_QUEUES` in `drivers/net/tun.c`).
const MOST_QUEUES: i64 = 256;

/// The arguments that say which device to run on.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Device")]
pub struct DeviceArgs {
    /// Name of the device to make, up to 15 characters [default: the kernel chooses]
    #[arg(long, value_name = "NAME")]
    pub dev: Option<String>,
    /// Make a TAP device, which carries Ethernet frames, instead of a TUN, which carries IP packets
    #[arg(long)]
    pub tap: bool,
    /// Take an interface over from the kernel (`AF_XDP`), with all that its queue 0 brings, instead of making a device
    #[arg(long, value_name = "INTERFACE", conflicts_with_all = ["dev", "tap", "peer_addr", "mtu"])]
    pub xdp: Option<String>,
    /// With --xdp: who gets what is for no network of ours [default: everybody is looked for on the link]
    #[arg(long, value_name = "IP", requires = "xdp")]
    pub gateway: Vec<IpAddr>,
    /// Address of ours, with the length of its network's prefix; may be given several times
    #[arg(long, value_name = "CIDR", default_values = ["10.9.0.2/24", "fd09::2/64"])]
    pub addr: Vec<Cidr>,
    /// Address of the kernel's end [default: the first other address of each network of ours]
    #[arg(long, value_name = "CIDR")]
    pub peer_addr: Vec<Cidr>,
    /// Octets of the largest packet; with IPv6 at least 1280
    #[arg(long, default_value_t = 1500, value_parser = clap::value_parser!(u16).range(68..))]
    pub mtu: u16,
    /// Make a plain device: packets one by one, none longer than the MTU, all checksums ours
    #[arg(long, conflicts_with = "xdp")]
    pub no_offload: bool,
    /// How long to ask the device again and again before a thread sleeps, such as 50us: answers sooner, keeps a processor busy
    #[arg(long, value_name = "DURATION", value_parser = running_time)]
    pub busy_poll: Option<Duration>,
    /// TUN only: queues of the device, each with a part of the connections and a thread of its own: for several processors
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with_all = ["tap", "xdp", "pcap"],
        value_parser = clap::value_parser!(u16).range(1..=MOST_QUEUES))]
    pub shards: u16,
    /// Write all packets to a pcapng file, for Wireshark, tcpdump or `sockeye dump`
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// The congestion control
    #[arg(long, value_name = "NAME", help_heading = "TCP", default_value_t, value_parser = congestion_control())]
    pub cc: Algorithm,
    /// Explicit congestion notification
    #[arg(long, value_name = "WHEN", help_heading = "TCP", value_enum, default_value_t)]
    pub ecn: Ecn,
    /// Let each connection find out round-trip time and MTU of its path, whatever others to the same host have learnt
    #[arg(long, help_heading = "TCP")]
    pub no_metrics_cache: bool,
}

/// Whether to use explicit congestion notification.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Ecn {
    /// Never
    Off,
    /// Where the peer asks for it
    #[default]
    Accept,
    /// Ask for it when connecting, too
    Request,
}

impl From<Ecn> for EcnPolicy {
    fn from(ecn: Ecn) -> Self {
        match ecn {
            Ecn::Off => Self::Off,
            Ecn::Accept => Self::Accept,
            Ecn::Request => Self::Request,
        }
    }
}

fn congestion_control() -> impl TypedValueParser<Value = Algorithm> {
    let names = Algorithm::all().iter().map(|algorithm| {
        let name = PossibleValue::new(algorithm.name());
        // The kernel's name of it.
        if *algorithm == Algorithm::NEWRENO { name.alias("reno") } else { name }
    });
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Algorithm>())
}

/// A device that writes down what it carries.
type Capture = Arc<Recorder<Box<dyn Device>>>;

/// A device that was made, not yet in use.
pub struct Opened {
    /// Its queues, one for each shard.
    pub queues: Vec<Box<dyn Device>>,
    /// Those of them that write a capture.
    captures: Vec<Capture>,
    /// The clock that stamps its packets.
    pub clock: Clock,
    /// Its name in the kernel.
    pub name: String,
    /// The addresses of the kernel's end, if it is at one.
    pub kernels: Vec<Cidr>,
    /// The congestion control.
    pub cc: Algorithm,
    /// Whether to use explicit congestion notification.
    pub ecn: EcnPolicy,
    /// What to remember of paths.
    pub remember: Remember,
    /// How long threads ask the device before they sleep.
    pub busy_poll: Duration,
}

impl DeviceArgs {
    /// Makes the device.
    ///
    /// # Errors
    /// What a device may meet (see [`sockeye_device::Error`]); when the capture can't be written.
    pub fn open(&self) -> Result<Opened, Failure> {
        let kernels = self.kernels();
        let (mut queues, name) = self.make(kernels.clone())?;
        let clock = Clock::start();
        let mut captures = Vec::new();
        if let Some(path) = &self.pcap {
            captures = queues.into_iter().map(|queue| capture(queue, path, clock)).collect::<Result<_, _>>()?;
            queues = captures.iter().map(|capture| Box::new(Arc::clone(capture)) as Box<dyn Device>).collect();
        }
        let remember = if self.no_metrics_cache { Remember::NOTHING } else { Remember::default() };
        let busy_poll = self.busy_poll.unwrap_or_default();
        Ok(Opened { queues, captures, clock, name, kernels, cc: self.cc, ecn: self.ecn.into(), remember, busy_poll })
    }

    /// The device's queues without capture, and its name.
    fn make(&self, addresses: Vec<Cidr>) -> Result<(Vec<Box<dyn Device>>, String), Failure> {
        let (name, mtu, offload) = (self.dev.clone().unwrap_or_default(), self.mtu, !self.no_offload);
        if let Some(interface) = self.xdp.clone() {
            let (own_addresses, gateways) = (self.addr.clone(), self.gateway.clone());
            let config = XdpConfig { interface: interface.clone(), own_addresses, gateways, ..XdpConfig::default() };
            let xdp = Xdp::open(&config).or_fail(format!("taking {interface} over"))?;
            Ok((vec![Box::new(xdp)], interface))
        } else if self.tap {
            let own_addresses = self.addr.clone();
            let config = TapConfig { name, addresses, own_addresses, mtu, offload, ..TapConfig::default() };
            let tap = Tap::create(&config).or_fail("making the device")?;
            let name = tap.name().to_owned();
            Ok((vec![Box::new(tap)], name))
        } else {
            let config = TunConfig { name, addresses, mtu, offload, ..TunConfig::default() };
            let queues = Tun::create_queues(&config, self.shards.into()).or_fail("making the device")?;
            let name = queues.first().map(|queue| queue.name().to_owned()).unwrap_or_default();
            Ok((queues.into_iter().map(|queue| Box::new(queue) as Box<dyn Device>).collect(), name))
        }
    }

    /// What the kernel's end gets; nothing if the kernel is at no end.
    fn kernels(&self) -> Vec<Cidr> {
        if self.xdp.is_some() {
            Vec::new()
        } else if self.peer_addr.is_empty() {
            self.addr.iter().filter_map(|ours| ours.first_other_host()).collect()
        } else {
            self.peer_addr.clone()
        }
    }

    /// Makes the device and runs a host on it.
    ///
    /// # Errors
    /// Those of [`Self::open`] and [`Opened::run`].
    pub fn link(&self) -> Result<Link, Failure> {
        self.open()?.run(&self.addr)
    }
}

/// Captures what `queue` carries in a file at `path`.
fn capture(queue: Box<dyn Device>, path: &Path, clock: Clock) -> Result<Capture, Failure> {
    let recorder = Recorder::create(queue, path, clock).or_fail(format!("creating {}", path.display()))?;
    Ok(Arc::new(recorder))
}

impl Opened {
    /// Runs a host with these addresses on the device.
    ///
    /// # Errors
    /// When the process has no descriptors or threads left.
    pub fn run(self, addresses: &[Cidr]) -> Result<Link, Failure> {
        let builder = Host::builder().queues(self.queues).clock(self.clock).remember(self.remember);
        let builder = builder.congestion_control(self.cc).ecn(self.ecn).busy_poll(self.busy_poll);
        let builder = addresses.iter().fold(builder, |builder, address| builder.address(*address));
        let host = builder.start().or_fail("starting the host")?;
        let ours = addresses.iter().map(|address| address.address()).collect();
        Ok(Link { host, name: self.name, ours, kernels: self.kernels, captures: self.captures })
    }
}

/// A host on a device. When it is dropped, the host is shut down, whoever else has a handle of it, and the capture is whole.
pub struct Link {
    /// The host.
    pub host: Host,
    /// The device's name in the kernel.
    pub name: String,
    /// The addresses of the host.
    pub ours: Vec<IpAddr>,
    /// Those of the kernel's end.
    pub kernels: Vec<Cidr>,
    captures: Vec<Capture>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.host.shutdown();
        for capture in &self.captures {
            if let Err(error) = capture.flush() {
                log::error!("the capture's end is lost: {error}");
            }
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |addresses: Vec<String>| addresses.join(" and ");
        let ours = list(self.ours.iter().map(ToString::to_string).collect());
        if self.kernels.is_empty() {
            return write!(f, "device {}: we are {ours}", self.name);
        }
        let kernels = list(self.kernels.iter().map(|cidr| cidr.address().to_string()).collect());
        write!(f, "device {}: we are {ours}, the kernel is {kernels}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use clap::{Arg, Command, FromArgMatches};
    use sockeye::{TcpListener, TcpStream};
    use sockeye_device::memory;

    use super::*;

    #[test]
    fn a_capture_is_whole_when_a_command_ends_although_somebody_still_has_the_host() {
        let (ours, theirs) = memory::pair(1500);
        let (clock, place) = (Clock::start(), tempfile::TempDir::new().expect("there is room for temporary files"));
        let path = place.path().join("c.pcapng");
        let captures = vec![capture(Box::new(ours), &path, clock).expect("a new file")];
        let opened = Opened {
            queues: vec![Box::new(Arc::clone(&captures[0]))],
            captures,
            clock,
            name: String::new(),
            kernels: Vec::new(),
            cc: Algorithm::default(),
            ecn: EcnPolicy::default(),
            remember: Remember::default(),
            busy_poll: Duration::ZERO,
        };
        let link = opened.run(&["10.0.0.1/24".parse().expect("an address")]).expect("there are threads");
        let peer = Host::new(theirs, &[([10, 0, 0, 2].into(), 24)]).expect("there are threads");
        let _who_waits_for_ctrl_c = link.host.clone();

        let listener = TcpListener::bind(&peer, "10.0.0.2:80").expect("the port is free");
        let mut client = TcpStream::connect(&link.host, "10.0.0.2:80").expect("it listens");
        client.write_all(b"abc").expect("the server is there");
        let (mut server, _) = listener.accept().expect("the client is there");
        server.read_exact(&mut [0; 3]).expect("it was written");
        drop((server, client));
        drop(link);
        let flags = tcp_flags(&path);
        assert!(flags.first().is_some_and(|first| first & 0x02 != 0), "no SYN: {flags:?}");
        assert!(flags.iter().filter(|flags| **flags & 0x01 != 0).count() >= 2, "not both FINs: {flags:?}");
    }

    /// The TCP flags of the packets in a capture, all of which are IPv4.
    fn tcp_flags(path: &Path) -> Vec<u8> {
        let file = std::fs::File::open(path).expect("it was made");
        let mut reader = pcap_file::pcapng::PcapNgReader::new(file).expect("it has a head");
        let mut flags = Vec::new();
        while let Some(block) = reader.next_block() {
            if let pcap_file::pcapng::Block::EnhancedPacket(packet) = block.expect("it is whole") {
                flags.push(packet.data[20 + 13]);
            }
        }
        flags
    }

    #[test]
    fn a_plain_device_and_asking_without_sleep_can_be_wanted() {
        let given = |arguments: &[&str]| {
            let command = DeviceArgs::augment_args(Command::new("serve"));
            let matches = command.try_get_matches_from([&["serve"], arguments].concat()).ok()?;
            DeviceArgs::from_arg_matches(&matches).ok().map(|args| (args.no_offload, args.busy_poll))
        };
        assert_eq!(given(&[]), Some((false, None)));
        let asked = given(&["--no-offload", "--busy-poll", "50us"]);
        assert_eq!(asked, Some((true, Some(Duration::from_micros(50)))));
        assert_eq!(given(&["--busy-poll", "0s"]), None);
        assert_eq!(given(&["--no-offload", "--xdp", "eth1"]), None, "there is none to be left out");
    }

    #[test]
    fn newreno_may_be_called_what_the_kernel_calls_it() {
        let named = |name| {
            let command = Command::new("serve").arg(Arg::new("cc").value_parser(congestion_control()));
            command.try_get_matches_from(["serve", name]).ok()?.remove_one::<Algorithm>("cc")
        };
        assert_eq!(named("reno"), Some(Algorithm::NEWRENO));
        assert_eq!(named("newreno"), Some(Algorithm::NEWRENO));
        assert_eq!(named("bbr"), Some(Algorithm::BBR));
        assert_eq!(named("vegas"), None);
    }
}
