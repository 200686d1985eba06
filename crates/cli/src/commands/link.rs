//! `sockeye link`: an emulated link between two network namespaces, or two interfaces.

use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Map, Value, json};
use sockeye_device::impair::LinkConfig;
use sockeye_device::netns::Namespace;
use sockeye_device::{Cidr, Counter, Device, Interface, Tun, TunConfig};
use sockeye_lab::link::{Emulator, Report};

use crate::failure::{Failure, OrFail, written};
use crate::interrupt::Interrupt;
use crate::times::{millis, running_time};

/// Between whom, and what the link is like.
#[derive(Args, Debug)]
#[command(after_help = "\
The link is described as for tc's netem, and more: rate, limit, delay (jitter, correlation, distribution, in-order), loss (random, \
state, gemodel, every, list), duplicate, corrupt, corrupt-header, reorder, slot, ecn; red, codel, ce_threshold, trace FILE, mtu, \
police, thin, compress, displace, late, gro, down, seed, at TIME … repeat TIME. docs/laboratory.md has a table of what each does. \
Rates count the octets of IP packets, at either kind of end; `rate 10mbit 14` adds Ethernet's header.

An end is a network namespace (a name of `ip netns add`, the number of a process, a file), in which a TUN device is made; or \
an Ethernet interface that is there and up, such as an end of a veth pair: NAMESPACE:INTERFACE, or :INTERFACE here. Between \
interfaces all frames pass, whoever they are for; what the kernel's own stack sends on them doesn't.

Examples:
  ip netns add red; ip netns add blue
  sockeye link --between red blue rate 20mbit delay 20ms loss 0.1% limit 100
  sockeye link --between red blue --back 'delay 20ms thin 8' rate 5mbit delay 20ms codel ecn
  ip netns exec red ping 10.8.0.2               meanwhile, elsewhere
  sockeye link --between :veth0 router:veth1 --queue 1000 rate 50mbit delay 5ms")]
pub struct LinkArgs {
    /// The two ends: network namespaces, or two interfaces as NAMESPACE:INTERFACE
    #[arg(long, num_args = 2, value_names = ["ONE", "OTHER"], required = true)]
    between: Vec<End>,
    /// What the link does with each packet, in netem's words; both ways unless there is a --back
    #[arg(value_name = "WORDS", allow_hyphen_values = true, trailing_var_arg = true)]
    words: Vec<String>,
    /// The same for the way from the other to the one, as one argument
    #[arg(long, value_name = "WORDS", allow_hyphen_values = true)]
    back: Option<String>,
    /// Addresses of the one's TUN device, with the length of the network's prefix; may be given several times
    #[arg(long, value_name = "CIDR", default_values = ["10.8.0.1/24", "fd08::1/64"])]
    addr: Vec<Cidr>,
    /// Addresses of the other's TUN device
    #[arg(long, value_name = "CIDR", default_values = ["10.8.0.2/24", "fd08::2/64"])]
    peer_addr: Vec<Cidr>,
    /// Name of the TUN device to make at either end
    #[arg(long, value_name = "NAME", default_value = "sockeye-link")]
    dev: String,
    /// Octets of the largest packet of the TUN devices; with IPv6 at least 1280
    #[arg(long, default_value_t = 1500, value_parser = clap::value_parser!(u16).range(68..))]
    mtu: u16,
    /// Packets that the kernel queues in front of the link at either end (txqueuelen; of interfaces, room for about so many
    /// of full length); a part of the link, too
    #[arg(long, value_name = "PACKETS", default_value_t = TunConfig::default().tx_queue_len)]
    queue: u32,
    /// What chance begins from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// End after so many seconds, or a time such as 500ms or 2min [default: at Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = running_time)]
    time: Option<Duration>,
    /// Print one JSON object on standard output at the end: `there` and `back`, each with its link and its counters
    #[arg(long)]
    json: bool,
}

/// Runs the link until the time is over, or Ctrl-C.
///
/// # Errors
/// When the words make no link, or a device can't be made.
pub fn run(args: &LinkArgs) -> Result<(), Failure> {
    let there = described(&args.words.join(" "))?;
    let back = args.back.as_deref().map_or_else(|| Ok(there.clone()), described)?;
    let [one, other] = &args.between[..] else {
        return Err(Failure::usage("reading --between", "it takes two ends"));
    };
    if one.interface.is_some() != other.interface.is_some() {
        return Err(Failure::usage("reading --between", "it takes two namespaces or two interfaces, not one of each"));
    }
    if one == other {
        return Err(Failure::usage("reading --between", format!("both ends are {one}"))
            .advice("a link leads from one namespace or interface to another"));
    }
    let ends = [args.open(one, &args.addr)?, args.open(other, &args.peer_addr)?];
    let interrupt = Interrupt::install(|| ())?;
    let configs = [there, back];
    let [there, back] = configs.clone();
    let emulator = Emulator::start(ends, there, back, args.seed).or_fail("starting the link")?;
    announce(args, &configs);
    let failed = wait(&emulator, &interrupt, args.time);
    let reports = emulator.stop().or_fail("carrying packets")?;
    if failed {
        return Err(Failure::new("carrying packets", "a device is gone"));
    }
    let text = if args.json {
        let [there, back] = &reports;
        json!({ "there": object(&configs[0], there), "back": object(&configs[1], back) }).to_string()
    } else {
        table([one, other], &reports).to_string()
    };
    written(writeln!(io::stdout(), "{text}"))?;
    interrupt.unless(Ok(()))
}

fn described(words: &str) -> Result<LinkConfig, Failure> {
    let config: LinkConfig = words.parse().map_err(|why| Failure::usage("reading the link", why))?;
    config.with_trace_read().or_fail("reading the link's trace")
}

/// Where the link ends.
#[derive(Clone, Debug, PartialEq, Eq)]
struct End {
    /// A namespace, as [`Namespace::open`] takes it; this one if empty.
    namespace: String,
    /// An interface in it; `None` for a TUN device that is to be made.
    interface: Option<String>,
}

impl From<&str> for End {
    fn from(text: &str) -> Self {
        match text.rsplit_once(':') {
            Some((namespace, interface)) => Self { namespace: namespace.into(), interface: Some(interface.into()) },
            None => Self { namespace: text.into(), interface: None },
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.interface {
            Some(interface) => write!(f, "{}:{interface}", self.namespace),
            None => f.write_str(&self.namespace),
        }
    }
}

impl LinkArgs {
    /// The device of one end.
    fn open(&self, end: &End, addresses: &[Cidr]) -> Result<Box<dyn Device>, Failure> {
        let namespace = if end.namespace.is_empty() { Namespace::current() } else { Namespace::open(&end.namespace) };
        let namespace = namespace.or_fail(format!("going to {end}"))?;
        let what = || format!("opening the device in {end}");
        let device = namespace.run(|| match &end.interface {
            Some(name) => Interface::open(name, self.queue).map(|interface| Box::new(interface) as Box<dyn Device>),
            None => self.make(addresses).map(|tun| Box::new(tun) as Box<dyn Device>),
        });
        device.or_fail(what())?.or_fail(what())
    }

    fn make(&self, addresses: &[Cidr]) -> Result<Tun, sockeye_device::Error> {
        let config = TunConfig {
            name: self.dev.clone(),
            addresses: addresses.to_vec(),
            mtu: self.mtu,
            tx_queue_len: self.queue,
            offload: false,
        };
        Tun::create(&config)
    }
}

fn announce(args: &LinkArgs, [there, back]: &[LinkConfig; 2]) {
    let LinkArgs { between, addr, peer_addr, dev, mtu, queue, .. } = args;
    for ((end, addresses), config) in between.iter().zip([addr, peer_addr]).zip([there, back]) {
        let words = config.to_string();
        let words = if words.is_empty() { "a perfect wire" } else { &words };
        if end.interface.is_some() {
            tell!("sockeye: {end}: room for {queue} frames; out: {words}");
        } else {
            let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            let addresses = addresses.join(", ");
            tell!("sockeye: {end}: device {dev}, {addresses}, MTU {mtu}, txqueuelen {queue}; out: {words}");
        }
    }
    if args.time.is_none() {
        tell!("sockeye: Ctrl-C ends");
    }
}

/// Waits for the end; true if it is that of a device.
fn wait(emulator: &Emulator, interrupt: &Interrupt, time: Option<Duration>) -> bool {
    let start = Instant::now();
    while !interrupt.happened() && time.is_none_or(|time| start.elapsed() < time) {
        if emulator.has_failed() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn object(config: &LinkConfig, report: &Report) -> Value {
    let mut object = Map::new();
    object.insert("link".to_owned(), config.to_string().into());
    object.extend(report.counters.entries().map(|(name, value)| (name.to_owned(), value.into())));
    let ms = |rank| report.queue_waits.per_mille(rank).as_secs_f64() * 1_000.0;
    object.insert("queue_delay_ms".to_owned(), json!({ "p50": ms(500), "p99": ms(990) }));
    let device = report.device.iter().filter(|(_, value)| *value > 0);
    let device: Map<String, Value> = device.map(|(counter, value)| (counter.name().to_owned(), value.into())).collect();
    object.insert("device".to_owned(), device.into());
    object.into()
}

fn table([one, other]: [&End; 2], [there, back]: &[Report; 2]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["", &format!("{one} → {other}"), &format!("{other} → {one}")]);
    for ((name, there), (_, back)) in there.counters.entries().into_iter().zip(back.counters.entries()) {
        if there + back > 0 {
            table.add_row([name.replace('_', " "), there.to_string(), back.to_string()]);
        }
    }
    // Each device is at the far end of one way, and in front of the other.
    let [overran, overran_back] = [back, there].map(|report| report.device.get(Counter::Overrun));
    if overran + overran_back > 0 {
        table.add_row(["no room in front".to_owned(), overran.to_string(), overran_back.to_string()]);
    }
    for (name, rank) in [("queue delay p50, ms", 500), ("queue delay p99, ms", 990)] {
        let ms = |report: &Report| format!("{:.2}", millis(report.queue_waits.per_mille(rank)));
        table.add_row([name.to_owned(), ms(there), ms(back)]);
    }
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}
