//! `sockeye analyze`: what a capture tells of the TCPs in it.

mod json;
mod text;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use sockeye_lab::analyze::{self, ConnectionReport, End, Error, Filter, Picture, Report};

use crate::failure::{Failure, OrFail, unopened, written};
use crate::times::Span;

/// What to read, and what to make of it.
#[derive(Args, Debug)]
#[command(after_help = "\
Reads pcap and pcapng (Ethernet, raw IP, Linux cooked, loopback), from either end of the path or from between. Problems \
are those of RFC 2525, by its names. Round-trip times lead from the place of the capture to the other side and back.

Examples:
  sockeye analyze trace.pcapng
  sockeye analyze trace.pcapng --connection 3 --plot three.svg
  sockeye analyze trace.pcapng -n 3 --explain | less
  sockeye analyze trace.pcapng -n 3 --plot part.svg --zoom 1200ms..1500ms
  tcpdump -i eth0 -s 96 -w - tcp port 443 | sockeye analyze - --json")]
pub struct AnalyzeArgs {
    /// The capture; - is standard input
    capture: PathBuf,
    /// Only connections of this address
    #[arg(long, value_name = "ADDRESS")]
    host: Option<IpAddr>,
    /// Only connections with this port on either side
    #[arg(long)]
    port: Option<u16>,
    /// Only the connection with this number
    #[arg(long, short = 'n', value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    connection: Option<u32>,
    /// Draw time-sequence graphs: into a file that ends in .svg (of the direction with the most text), or a folder (of all)
    #[arg(long, value_name = "DIR|FILE")]
    plot: Option<PathBuf>,
    /// Of the graphs only this, since the connection's first segment: 1200ms..1500ms
    #[arg(long, value_name = "FROM..TO", requires = "plot")]
    zoom: Option<Span>,
    /// Tell of each segment why it left, before the figures: by which ACK or timer, or what it answers
    #[arg(long, conflicts_with = "json")]
    explain: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Pictures that a folder gets: those of the connections that carried the most.
const PICTURES: usize = 50;

/// Reads, analyses, prints and draws.
///
/// # Errors
/// When the capture can't be read or a picture can't be written.
pub fn run(args: &AnalyzeArgs) -> Result<(), Failure> {
    let name = args.capture.display();
    let file: Box<dyn Read + Send> = if args.capture == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(&args.capture).map_err(|why| unopened(&args.capture, why))?)
    };
    let filter = Filter {
        host: args.host,
        port: args.port,
        number: args.connection.map(|number| number as usize),
        draw: args.plot.is_some(),
        zoom: args.zoom.clone().map(|Span(zoom)| zoom),
        limit: None,
    };
    let mut output = io::BufWriter::new(io::stdout().lock());
    let (report, outcome) =
        if args.explain { explain(file, &filter, &mut output) } else { (analyze::analyze(file, &filter), Ok(())) };
    if !written(outcome)? {
        return Ok(());
    }
    let report = report.map_err(|why| {
        Failure::new(format!("reading {name}"), why).advice("give a file that tcpdump or Wireshark wrote")
    })?;
    warn(&report, &name.to_string());
    if let (Some(number), true) = (args.connection, report.connections.is_empty()) {
        return Err(Failure::usage(format!("--connection {number}"), format!("{name} has no such connection"))
            .advice("without --connection, all are shown with their numbers"));
    }
    if let Some(place) = &args.plot {
        draw(&report, place, args.zoom.as_ref())?;
    }
    let outcome = if args.json { json::write(&mut output, &report) } else { text::write(&mut output, &report) };
    written(outcome.and_then(|()| output.flush())).map(drop)
}

/// A line about each segment, for as long as it can be written, and what came of writing.
fn explain(
    file: impl Read + Send,
    filter: &Filter,
    output: &mut impl Write,
) -> (Result<Report, Error>, io::Result<()>) {
    let mut outcome = Ok(());
    let report = analyze::explain(file, filter, |segment| {
        outcome = text::write_explained(output, &segment);
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    (report, outcome)
}

/// Says what the figures don't cover.
fn warn(report: &Report, name: &str) {
    match report.end {
        End::Complete => {}
        End::Truncated(at) => {
            tell!("sockeye: {name} breaks off within the packet at octet {at}; figures end there");
        }
        End::Garbled(at) => tell!("sockeye: {name} is garbled from octet {at} on; figures end there"),
    }
    if report.connections.is_empty() {
        tell!("sockeye: no TCP connection among {} packets of {name}", report.tally.packets);
    }
}

fn draw(report: &Report, place: &Path, zoom: Option<&Span>) -> Result<(), Failure> {
    if place.extension().is_some_and(|extension| extension == "svg") {
        let largest = report.connections.iter().max_by_key(|connection| text_octets(connection));
        let largest =
            largest.ok_or_else(|| Failure::new(format!("drawing {}", place.display()), "there is no connection"))?;
        let which = busier(largest);
        if let Some(zoom) = zoom.filter(|_| is_blank(largest, which)) {
            let (number, lasts) = (largest.number, seconds(largest));
            let why = format!("connection {number}, of {lasts}, sends and hears nothing then");
            return Err(Failure::usage(format!("--zoom {zoom}"), why).advice(ZOOM));
        }
        return draw_direction(largest, which, place);
    }
    if place.extension().is_some() && !place.is_dir() {
        return Err(Failure::usage(format!("--plot {}", place.display()), "pictures are SVG")
            .advice("give a file that ends in .svg, or a folder"));
    }
    if let Some(zoom) = zoom.filter(|_| report.connections.iter().all(|it| is_blank(it, 0) && is_blank(it, 1))) {
        let longest = report.connections.iter().max_by_key(|connection| connection.lasted).map(seconds);
        let longest = longest.map_or_else(String::new, |time| format!(", the longest of {time}"));
        let why = format!("no connection{longest}, sends or hears anything then");
        return Err(Failure::usage(format!("--zoom {zoom}"), why).advice(ZOOM));
    }
    fs::create_dir_all(place).or_fail(format!("making the folder {}", place.display()))?;
    let mut largest: Vec<_> =
        report.connections.iter().filter(|connection| connection.picture != Picture::GivenUp).collect();
    largest.sort_by_key(|connection| std::cmp::Reverse(text_octets(connection)));
    largest.truncate(PICTURES);
    for connection in &largest {
        for (which, name) in [(0, "a2b"), (1, "b2a")] {
            let sends = connection.directions.get(which).is_some_and(|side| side.figures.octets_sent > 0);
            if sends && !(zoom.is_some() && is_blank(connection, which)) {
                draw_direction(connection, which, &place.join(format!("{:04}-{name}.svg", connection.number)))?;
            }
        }
    }
    let (drawn, all) = (largest.len(), report.connections.len());
    if drawn < all {
        tell!("sockeye: drew {drawn} of {all} connections, those that carried the most; --connection draws any other");
    }
    Ok(())
}

fn draw_direction(connection: &ConnectionReport, which: usize, file: &Path) -> Result<(), Failure> {
    match connection.picture {
        Picture::GivenUp => {
            let number = connection.number;
            return Err(Failure::new(
                format!("drawing connection {number}"),
                "there are too many to keep all in memory",
            )
            .advice(format!("add --connection {number}")));
        }
        Picture::Until(time) => tell!(
            "sockeye: {} shows the first {:.3} s only, for want of memory; --zoom shows what follows",
            file.display(),
            time.as_secs_f64()
        ),
        Picture::Whole | Picture::Unwanted => {}
    }
    let svg = connection.draw(which).or_fail(format!("drawing {}", file.display()))?;
    fs::write(file, svg).or_fail(format!("writing {}", file.display()))
}

/// What to zoom to.
const ZOOM: &str = "give a part of that, counted from the connection's first segment";

/// True if a picture of this direction would be empty, though it isn't for want of memory.
fn is_blank(connection: &ConnectionReport, which: usize) -> bool {
    connection.picture != Picture::GivenUp && !connection.has_picture(which)
}

/// How long it lasts.
fn seconds(connection: &ConnectionReport) -> String {
    format!("{:.3} s", connection.lasted.as_secs_f64())
}

fn text_octets(connection: &ConnectionReport) -> u64 {
    connection.directions.iter().map(|side| side.figures.octets_sent).sum()
}

fn busier(connection: &ConnectionReport) -> usize {
    let [a, b] = &connection.directions;
    usize::from(b.figures.octets_sent > a.figures.octets_sent)
}

#[cfg(test)]
mod tests {
    use std::process::ExitCode;

    use sockeye_lab::sim::{Record, Scenario, Simulation};
    use tempfile::TempDir;

    use super::*;

    /// What the client of two transfers captures, which take a second or so.
    fn captured() -> (TempDir, PathBuf) {
        let flow = "[[flow]]\napplication = { kind = 'bulk', bytes = 200_000 }\n";
        let scenario = format!("forward = 'rate 5mbit delay 5ms'\nback = 'rate 5mbit delay 5ms'\n{}", flow.repeat(2));
        let scenario: Scenario = scenario.parse().expect("a scenario");
        let place = tempfile::tempdir().expect("there is room for temporary files");
        let record = Record::nothing().capture(place.path(), ["client", "server"]).expect("new files");
        Simulation::new(&scenario, record).expect("it makes sense").finish();
        let file = place.path().join("client.pcapng");
        (place, file)
    }

    #[test]
    fn a_picture_of_a_time_in_which_nothing_happens_is_refused() {
        let (place, file) = captured();
        let refused = |plot: &Path, zoom: &str| {
            let zoom: Span = zoom.parse().expect("a span");
            let filter = Filter { draw: true, zoom: Some(zoom.0.clone()), ..Filter::default() };
            let report = analyze::analyze(File::open(&file).expect("it was captured"), &filter).expect("a capture");
            draw(&report, plot, Some(&zoom)).err()
        };
        let (one, all) = (place.path().join("one.svg"), place.path().join("all"));
        for (plot, why) in [(&one, ", of 0."), (&all, "no connection, the longest of 0.")] {
            let failure = refused(plot, "1h..2h").expect("it is long over");
            assert_eq!(failure.exit_code(), ExitCode::from(2));
            let said = failure.to_string();
            assert!(said.starts_with("--zoom 1h..2h failed: ") && said.contains(why), "{said}");
            assert!(!plot.exists());
            assert!(refused(plot, "100ms..200ms").is_none());
        }
        assert_eq!(fs::read_dir(&all).expect("it was made").count(), 2, "one for each that sends");
    }

    #[test]
    fn nothing_is_read_any_more_once_nobody_reads_the_explanations() {
        /// Takes so many lines.
        struct Reader(usize);
        impl Write for Reader {
            fn write(&mut self, line: &[u8]) -> io::Result<usize> {
                let lines = line.iter().filter(|octet| **octet == b'\n').count();
                self.0 = self.0.checked_sub(lines).ok_or(io::ErrorKind::BrokenPipe)?;
                Ok(line.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (_place, file) = captured();
        let open = || File::open(&file).expect("it was captured");
        let (report, outcome) = explain(open(), &Filter::default(), &mut Reader(10));
        assert!(written(outcome).is_ok_and(|goes_on| !goes_on));
        assert_eq!(report.map(|report| report.tally.packets), Ok(11));
        let (report, outcome) = explain(open(), &Filter::default(), &mut Reader(usize::MAX));
        assert!(outcome.is_ok() && report.is_ok_and(|report| report.tally.packets > 200));
    }
}
