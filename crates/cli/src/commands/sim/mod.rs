//! `sockeye sim`: a network with its hosts and flows in virtual time, in figures and pictures.

//= rfc2398#2.1-1

mod against_kernel;
mod flags;
mod show;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use sockeye_lab::sim::{Invariant, Record, Report, Scenario, Simulation, Time, Violation};

use crate::failure::{Failure, OrFail, unopened, written};
use crate::interrupt::Interrupt;
use crate::times::Span;

/// Which scenario, and what to show of it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  sockeye sim --rate 20mbit --rtt 100ms --loss 1% --queue 1bdp --cc cubic,bbr --flows 2 --for 60s
  sockeye sim --link 'rate 50mbit delay 20ms limit 80 reorder 5%' --for 10s --plot run.svg
  sockeye sim --loss 1% --for 10s --plot part.svg --zoom 2s..2500ms
  sockeye sim --rtt 40ms --flows 3 --print > three.toml; sockeye sim three.toml --pcap captures
  sockeye sim --rate 5mbit --loss 1% --bytes 2000000 --against-kernel")]
pub struct SimArgs {
    /// A scenario in TOML; without, the flags make one
    scenario: Option<PathBuf>,
    #[command(flatten)]
    flags: flags::Flags,
    /// What all chance is drawn from, instead of what the file says [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Virtual time at which flows without an end are stopped, instead of the file's `duration`
    /// [default: 30s, with --bytes 1h]
    #[arg(long = "for", value_name = "TIME")]
    duration: Option<Time>,
    /// Print one JSON object
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print a table as comma-separated values
    #[arg(long)]
    csv: bool,
    /// Print the scenario as TOML, and run nothing
    #[arg(long)]
    print: bool,
    /// Capture what each host sends and gets, into DIR/<host>.pcapng
    #[arg(long, value_name = "DIR")]
    pcap: Option<PathBuf>,
    /// Draw values over time into FILE, and the time-sequence graph of a flow beside it (FILE-sequence.svg)
    #[arg(long, value_name = "FILE.svg", value_parser = svg)]
    plot: Option<PathBuf>,
    /// The flow that the time-sequence graph shows, by its number in the table; of many connections, the first
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    plot_flow: u32,
    /// Draw only what happens then: 1200ms..1500ms
    #[arg(long, value_name = "FROM..TO", requires = "plot")]
    zoom: Option<Span>,
    /// Hold the TCP to the laboratory's rules after every event, as all its tests do; takes half as long again. Without, only
    /// what is read is compared with what was written
    #[arg(long, conflicts_with = "against_kernel")]
    judge: bool,
    /// Run it also with the kernel at one end and then at the other, over the same path in real time, and compare
    #[arg(long, conflicts_with_all = ["csv", "pcap", "plot"])]
    against_kernel: bool,
}

/// A file for a picture; all are SVG.
fn svg(text: &str) -> Result<PathBuf, &'static str> {
    let path = PathBuf::from(text);
    let fits = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("svg"));
    if fits { Ok(path) } else { Err("pictures are SVG: give the file a name that ends in .svg") }
}

/// Simulates.
///
/// # Errors
/// When the scenario makes no sense, a file can't be written, what is read isn't what was written, or a rule was broken.
pub fn run(args: &SimArgs) -> Result<(), Failure> {
    let scenario = scenario(args)?;
    if args.print {
        let text = scenario.to_toml().or_fail("writing the scenario")?;
        return written(io::stdout().write_all(text.as_bytes())).map(drop);
    }
    if args.against_kernel {
        return against_kernel::run(&scenario, args.json);
    }
    let simulation = Simulation::new(&scenario, record(args, &scenario)?);
    let simulation = simulation.map_err(|why| Failure::usage("the scenario", why))?;
    let simulation = if args.judge { simulation } else { simulation.unjudged() };
    let (report, record) = watch(simulation, scenario.duration.0)?;
    if let Some(error) = record.capture_failed() {
        return Err(Failure::new("writing a capture", error));
    }
    if let Some(path) = &args.plot {
        if record.sequence().is_some_and(|(events, _)| events.is_empty()) {
            return Err(nothing_to_draw(args, &report));
        }
        draw(&record, &scenario, path, args.zoom.as_ref())?;
    }
    let text = if args.json {
        serde_json::to_string_pretty(&report).or_fail("writing JSON")?
    } else if args.csv {
        show::csv(&report)
    } else {
        show::table(&report)
    };
    written(writeln!(io::stdout(), "{}", text.trim_end()))?;
    report.violation.map_or(Ok(()), |violation| Err(judged(violation, scenario.duration.0)))
}

/// The flow that is to be drawn sent nothing, or nothing in that time.
fn nothing_to_draw(args: &SimArgs, report: &Report) -> Failure {
    let Some(zoom) = &args.zoom else {
        return Failure::usage(
            format!("--plot-flow {}", args.plot_flow),
            "it sent nothing, so there is no graph to draw",
        );
    };
    let why = format!("flow {} sent nothing in that time; the run lasts {:.3} s", args.plot_flow, report.virtual_s);
    Failure::usage(format!("--zoom {zoom}"), why).advice("give a part of the time in which it sends")
}

/// What broke a rule; or a flow for which the time was too short, which the rules can't tell from one that stands still.
fn judged(violation: Violation, duration: Duration) -> Failure {
    let at_the_end = u128::from(violation.at_ns) >= duration.as_nanos();
    if violation.invariant == Invariant::EndsExplained && at_the_end {
        let number = violation.flow.map_or(0, |flow| flow + 1);
        return Failure::new(format!("ending flow {number} within {}", Time(duration)), violation.detail).advice(
            "give it more time (--for, or the scenario's duration); if it had enough, this is a fault in Sockeye: \
             please report the scenario",
        );
    }
    Failure::new("the simulated TCP", violation).advice("this is a fault in Sockeye: please report the scenario")
}

fn scenario(args: &SimArgs) -> Result<Scenario, Failure> {
    let mut scenario = match &args.scenario {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|why| unopened(path, why))?;
            text.parse().map_err(|why| Failure::usage(format!("reading {}", path.display()), why))?
        }
        None => args.flags.scenario()?,
    };
    if scenario.flows.is_empty() {
        return Err(Failure::usage("the scenario", "it has no flow").advice("give it a [[flow]], or --flows 1"));
    }
    let flows = scenario.flows.len();
    if args.plot_flow as usize > flows {
        let why =
            if flows == 1 { "there is only one flow".to_owned() } else { format!("there are only {flows} flows") };
        return Err(Failure::usage(format!("--plot-flow {}", args.plot_flow), why));
    }
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    scenario.duration = args.duration.unwrap_or(scenario.duration);
    scenario.with_traces_read().or_fail("reading the scenario's traces")
}

fn record(args: &SimArgs, scenario: &Scenario) -> Result<Record, Failure> {
    let mut record = Record::nothing();
    if let Some(directory) = &args.pcap {
        let hosts = scenario.all_hosts();
        let names = hosts.iter().map(|host| host.name.as_str());
        record = record.capture(directory, names).or_fail(format!("capturing into {}", directory.display()))?;
    }
    if args.plot.is_some() {
        // A sample for each pixel or so, but none closer than the clock of most hosts.
        let drawn = args.zoom.as_ref().map_or(scenario.duration.0, |Span(zoom)| zoom.end.saturating_sub(zoom.start));
        let interval = (drawn / 1500).clamp(Duration::from_millis(1), Duration::from_millis(100));
        record = record.sequence_of(args.plot_flow as usize - 1).series(interval);
        if let Some(Span(zoom)) = &args.zoom {
            record = record.within(zoom);
        }
    }
    Ok(record)
}

/// Runs, and shows how far it is. Ctrl-C ends it; captures then end with a whole packet.
fn watch(mut simulation: Simulation<'_>, duration: Duration) -> Result<(Report, Record), Failure> {
    const SLICES: u32 = 200;
    let interrupt = Interrupt::install(|| ())?;
    let bar = ProgressBar::new(u64::from(SLICES));
    let style = ProgressStyle::with_template("{bar:40} {msg} of virtual time, {elapsed} passed");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    for slice in 1..=SLICES {
        let until = duration * slice / SLICES;
        if !simulation.run_until(until) {
            break;
        }
        if interrupt.happened() {
            bar.finish_and_clear();
            tell!("sockeye: ended by Ctrl-C after {} of {} of virtual time", Time(until), Time(duration));
            return Err(Failure::interrupted());
        }
        bar.set_message(Time(until).to_string());
        bar.set_position(u64::from(slice));
    }
    bar.finish_and_clear();
    Ok(simulation.finish_with_record())
}

fn draw(record: &Record, scenario: &Scenario, path: &Path, zoom: Option<&Span>) -> Result<(), Failure> {
    let zoom = zoom.map(|Span(zoom)| zoom);
    let title = format!("{} | back: {}", scenario.forward, scenario.back);
    let beside = path.with_file_name(format!(
        "{}-sequence.svg",
        path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default()
    ));
    if let Some(until) = record.sequence_ends() {
        tell!(
            "sockeye: {} ends at {:.3} s, for want of memory; --zoom shows what follows",
            beside.display(),
            until.as_secs_f64()
        );
    }
    let pictures =
        [(path, record.draw_series(&title, scenario, zoom)), (beside.as_path(), record.draw_sequence(&title, zoom))];
    for (path, picture) in pictures {
        if let Some(svg) = picture.or_fail("drawing")? {
            fs::write(path, svg).or_fail(format!("writing {}", path.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        sim: SimArgs,
    }

    #[test]
    fn a_flow_to_draw_that_there_is_not_is_refused() {
        let asked = |words: &str| scenario(&Command::parse_from(words.split(' ')).sim).map_err(|why| why.to_string());
        assert!(asked("sim --flows 2 --plot-flow 2").is_ok());
        for (words, why) in [("--flows 2", "there are only 2 flows"), ("--flows 1", "there is only one flow")] {
            let error = asked(&format!("sim {words} --plot-flow 3")).err().unwrap_or_default();
            assert!(error.contains("--plot-flow 3") && error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_part_of_the_time_in_which_nothing_is_sent_is_refused_with_what_there_is() {
        let line = "sim --rate 1mbit --rtt 20ms --bytes 10000 --plot x.svg --zoom 1h..2h";
        let args = Command::parse_from(line.split(' ')).sim;
        let report = scenario(&args).ok().and_then(|scenario| sockeye_lab::sim::run(&scenario).ok()).expect("it runs");
        let said = nothing_to_draw(&args, &report).to_string();
        assert!(said.starts_with("--zoom 1h..2h failed: flow 1 sent nothing in that time; the run lasts 0."), "{said}");
    }

    #[test]
    fn a_flow_that_ran_out_of_time_is_no_fault_yet() {
        let said = |words: &str| {
            let line = format!("sim --rate 1mbit --rtt 20ms --for 5s {words}");
            let scenario = scenario(&Command::parse_from(line.split(' ')).sim).unwrap_or_else(|why| panic!("{why}"));
            let violation = sockeye_lab::sim::run(&scenario).ok()?.violation?;
            Some(judged(violation, scenario.duration.0).to_string())
        };
        assert_eq!(said("--bytes 1000"), None);
        let why = said("--bytes 100000000").unwrap_or_default();
        assert!(why.contains("ending flow 1 within 5s") && why.contains("give it more time"), "{why}");
    }
}
