//! `cargo xtask gallery`: draws the pictures of docs/gallery.md anew, each from a scenario in docs/gallery, and the one in
//! docs/pictures from a capture of one.
//!
//! A run depends on its scenario alone, so a picture changes only when the code's behaviour does; the test run has them compared.

use std::fs::{self, File};
use std::path::Path;

use sockeye_lab::analyze::{Filter, analyze};
use sockeye_lab::sim::{Record, Scenario, Simulation};

use crate::output::print;
use crate::shell::{Outcome, root};

/// Draw the pictures of docs/gallery.md and docs/pictures anew.
#[derive(clap::Args)]
pub struct Arguments {
    /// Write nothing, and fail if a picture isn't what the code draws
    #[arg(long)]
    check: bool,
}

/// What of a run is drawn.
#[derive(Clone, Copy)]
enum Picture {
    /// The time-sequence graph of the first flow.
    Sequence,
    /// Values over time.
    Series,
}

const PICTURES: [(&str, Picture); 7] = [
    ("one-loss", Picture::Sequence),
    ("reordering", Picture::Sequence),
    ("outage", Picture::Sequence),
    ("slow-reader", Picture::Sequence),
    ("sawtooth", Picture::Series),
    ("two-flows", Picture::Series),
    ("codel", Picture::Series),
];

pub fn run(arguments: &Arguments) -> Outcome {
    let keep = if arguments.check { compare } else { write };
    for (name, picture) in PICTURES {
        let svg = draw(&root().join("docs/gallery"), name, picture).map_err(|error| format!("{name}: {error}"))?;
        keep(&format!("docs/gallery/{name}.svg"), &svg)?;
    }
    keep("docs/pictures/time-sequence.svg", &draw_capture(&root().join("docs/pictures"))?)
}

/// Fails if a picture isn't this one.
pub fn check() -> Outcome {
    run(&Arguments { check: true })
}

fn write(path: &str, svg: &str) -> Outcome {
    fs::write(root().join(path), svg)?;
    print(path)
}

fn compare(path: &str, svg: &str) -> Outcome {
    if fs::read_to_string(root().join(path))? == svg {
        return Ok(());
    }
    Err(format!("{path} isn't what the code draws: look at what `cargo xtask gallery` makes of it, and commit that")
        .into())
}

/// What `sockeye analyze --plot` makes of a capture at the sender.
fn draw_capture(directory: &Path) -> Outcome<String> {
    let scenario: Scenario = fs::read_to_string(directory.join("time-sequence.toml"))?.parse()?;
    let captures = root().join("target/gallery");
    let record = Record::nothing().capture(&captures, ["client", "server"])?;
    let (report, record) = Simulation::new(&scenario, record)?.finish_with_record();
    drop(record);
    if let Some(violation) = report.violation {
        return Err(violation.to_string().into());
    }
    let filter = Filter { draw: true, ..Filter::default() };
    let report = analyze(File::open(captures.join("client.pcapng"))?, &filter)?;
    let connection = report.connections.first().ok_or("no connection was captured")?;
    Ok(connection.draw(0)?)
}

fn draw(directory: &Path, name: &str, picture: Picture) -> Outcome<String> {
    let scenario: Scenario = fs::read_to_string(directory.join(format!("{name}.toml")))?.parse()?;
    let record = Record::nothing().sequence_of(0).series(scenario.duration.0 / 1500);
    let (report, record) = Simulation::new(&scenario, record)?.finish_with_record();
    if let Some(violation) = report.violation {
        return Err(violation.to_string().into());
    }
    let title = format!("{} | back: {}", scenario.forward, scenario.back);
    let svg = match picture {
        Picture::Sequence => record.draw_sequence(&title, None)?,
        Picture::Series => record.draw_series(&title, &scenario, None)?,
    };
    Ok(svg.unwrap_or_default())
}
