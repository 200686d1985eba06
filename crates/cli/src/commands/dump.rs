//! `sockeye dump`: packets of a device or a capture, a line each.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anstyle::{AnsiColor, Style};
use clap::{Args, ColorChoice, ValueEnum};
use sockeye_device::Sniffer;
use sockeye_lab::capture::{self, End, LinkType};
use sockeye_lab::describe::{Describer, Detail, Line, Role};
use sockeye_wire::Instant;

use crate::failure::{Failure, OrFail, unopened, written};
use crate::interrupt::Interrupt;

/// What to show, and how.
#[derive(Args, Debug)]
#[command(after_help = "\
Lines are as tcpdump writes them; sequence numbers are counted from each direction's SYN.

Examples:
  sudo sockeye dump --dev tun9                  what passes over a device, until Ctrl-C
  sockeye demo --pcap demo.pcapng && sockeye dump --read demo.pcapng --port 7777
  ssh router tcpdump -w - | sockeye dump --read -")]
pub struct DumpArgs {
    #[command(flatten)]
    source: Source,
    /// Only packets from or to this address
    #[arg(long, value_name = "ADDRESS")]
    host: Option<IpAddr>,
    /// Only segments and datagrams from or to this port
    #[arg(long, short)]
    port: Option<u16>,
    /// End after so many lines
    #[arg(long, short, value_name = "COUNT")]
    count: Option<u64>,
    /// Sequence numbers as they stand in the header
    #[arg(long, short = 'S')]
    absolute: bool,
    /// Hop limits, lengths, ECN, checksums, hardware addresses
    #[arg(long, short)]
    verbose: bool,
    /// The time before each line
    #[arg(long, value_enum, default_value_t = Times::Utc)]
    time: Times,
    /// Colours
    #[arg(long, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
}

/// Where packets come from.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Source {
    /// A pcap or pcapng file; - for standard input
    #[arg(long, short, value_name = "FILE")]
    read: Option<PathBuf>,
    /// A device of this machine, whoever drives it; needs root or CAP_NET_RAW
    #[arg(long, short = 'i', value_name = "NAME")]
    dev: Option<String>,
}

/// What stands before a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Times {
    /// The time of day, UTC
    Utc,
    /// Seconds since the first packet
    Start,
    /// Seconds since the line before
    Delta,
    /// Nothing
    None,
}

/// Shows packets until there are no more, or Ctrl-C.
///
/// # Errors
/// When there is no such device or file, or it can't be read.
pub fn run(args: &DumpArgs) -> Result<(), Failure> {
    let is_coloured = match args.color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
    };
    let mut printer = Printer::new(args, is_coloured);
    match (&args.source.read, &args.source.dev) {
        (Some(path), _) if path == Path::new("-") => read(io::stdin(), "standard input", &mut printer),
        (Some(path), _) => {
            let name = path.display().to_string();
            read(File::open(path).map_err(|why| unopened(path, why))?, &name, &mut printer)
        }
        (None, device) => listen(device.as_deref().unwrap_or_default(), &mut printer),
    }
}

fn read(file: impl Read + Send, name: &str, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let reading = || format!("reading {name}");
    let mut out = BufWriter::new(io::stdout().lock());
    let mut unknown = 0_u64;
    let mut outcome = Ok(true);
    let end = capture::read(file, |packet| {
        let Some(link) = packet.link else {
            unknown += 1;
            return ControlFlow::Continue(());
        };
        outcome = printer.print(packet.at.since(Instant::ZERO), link, packet.data, &mut out);
        if matches!(outcome, Ok(true)) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    let end = end.map_err(|why| Failure::new(reading(), why).advice("give a file that tcpdump or Wireshark wrote"))?;
    outcome?;
    // What was good before a damaged place is shown.
    written(out.flush())?;
    if unknown > 0 {
        tell!("sockeye: left out {unknown} packets of links that carry no IP, or in a way that isn't known here");
    }
    if end == End::Complete { Ok(()) } else { Err(Failure::new(reading(), end)) }
}

fn listen(device: &str, printer: &mut Printer<'_>) -> Result<(), Failure> {
    let mut sniffer = Sniffer::open(device).or_fail(format!("listening to {device}"))?;
    let interrupt = Interrupt::install(|| ())?;
    let link = if sniffer.is_ethernet() { LinkType::Ethernet } else { LinkType::Ip };
    tell!("sockeye: listening to {device}; Ctrl-C ends");
    while !interrupt.happened() {
        let Some(packet) = sniffer.receive().or_fail(format!("listening to {device}"))? else {
            continue;
        };
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if !printer.print(at, link, packet, &mut io::stdout().lock())? {
            return Ok(());
        }
    }
    Err(Failure::interrupted())
}

/// Prints lines.
struct Printer<'a> {
    args: &'a DumpArgs,
    is_coloured: bool,
    describer: Describer,
    /// When the packet was that times are counted from.
    since: Option<Duration>,
    printed: u64,
}

impl<'a> Printer<'a> {
    fn new(args: &'a DumpArgs, is_coloured: bool) -> Self {
        let describer = Describer::new(Detail { absolute: args.absolute, verbose: args.verbose });
        Self { args, is_coloured, describer, since: None, printed: 0 }
    }

    /// Shows a packet unless the user doesn't want to see it; says whether to go on.
    fn print(&mut self, at: Duration, link: LinkType, octets: &[u8], out: &mut impl Write) -> Result<bool, Failure> {
        // Each is looked at, or else the beginnings of connections would be missed.
        let line = self.describer.line(link, octets);
        let is_wanted = self.args.host.is_none_or(|host| line.has_host(host))
            && self.args.port.is_none_or(|port| line.has_port(port));
        if !is_wanted {
            return Ok(true);
        }
        let text = format!("{}{}\n", self.time(at), self.painted(&line));
        self.printed += 1;
        let is_enough = self.args.count.is_some_and(|count| self.printed >= count);
        Ok(written(out.write_all(text.as_bytes()))? && !is_enough)
    }

    fn time(&mut self, at: Duration) -> String {
        let since = at.saturating_sub(*self.since.get_or_insert(at));
        let seconds = |time: Duration| format!("{:>5}.{:06} ", time.as_secs(), time.subsec_micros());
        match self.args.time {
            Times::None => String::new(),
            Times::Start => seconds(since),
            Times::Delta => {
                self.since = Some(at);
                seconds(since)
            }
            Times::Utc => {
                let of_day = at.as_secs() % 86_400;
                let (hours, minutes) = (of_day / 3600, of_day / 60 % 60);
                format!("{hours:02}:{minutes:02}:{:02}.{:06} ", of_day % 60, at.subsec_micros())
            }
        }
    }

    fn painted(&self, line: &Line) -> String {
        if !self.is_coloured {
            return line.to_string();
        }
        line.pieces().fold(String::new(), |mut text, (role, piece)| {
            let style = style(role);
            // Writing to a string doesn't fail.
            let _ = write!(text, "{style}{piece}{style:#}");
            text
        })
    }
}

const fn style(role: Role) -> Style {
    match role {
        Role::Plain => Style::new(),
        Role::Ends => AnsiColor::Cyan.on_default(),
        Role::Flags => AnsiColor::Yellow.on_default().bold(),
        Role::Numbers => AnsiColor::Green.on_default(),
        Role::Trouble => AnsiColor::Red.on_default().bold(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        dump: DumpArgs,
    }

    fn printed(arguments: &[&str], times: &[u64]) -> String {
        let args = Command::parse_from(["dump", "--read", "x"].iter().chain(arguments)).dump;
        let mut printer = Printer::new(&args, args.color == ColorChoice::Always);
        let mut out = Vec::new();
        for micros in times {
            let goes_on = printer.print(Duration::from_micros(*micros), LinkType::Ip, &[0x50], &mut out);
            if !goes_on.expect("a vector takes it") {
                break;
            }
        }
        String::from_utf8(out).expect("it is text")
    }

    #[test]
    fn times_are_shown_as_asked() {
        let times = [86_400_000_000 + 3_723_000_004, 86_400_000_000 + 3_724_000_004];
        let lines = |time| printed(&["--time", time], &times).replace(" not understood: IP: version 5\n", ";");
        assert_eq!(lines("utc"), "01:02:03.000004;01:02:04.000004;");
        assert_eq!(lines("start"), "    0.000000;    1.000000;");
        assert_eq!(printed(&["--time", "none"], &[0]), "not understood: IP: version 5\n");
        let three = [times[0], times[1], times[1] + 5];
        assert!(printed(&["--time", "delta"], &three).ends_with("    0.000005 not understood: IP: version 5\n"));
    }

    #[test]
    fn it_ends_after_so_many_and_shows_only_what_is_wanted() {
        assert_eq!(printed(&["--count", "2"], &[0; 5]).lines().count(), 2);
        assert_eq!(printed(&["--port", "80"], &[0; 5]), "");
    }

    #[test]
    fn colours_are_for_who_wants_them() {
        assert!(printed(&["--color", "always"], &[0]).contains("\u{1b}["));
        assert!(!printed(&[], &[0]).contains('\u{1b}'));
    }
}
