//! `cargo xtask gallery`: draws the pictures of docs/gallery.md anew, each from a scenario in docs/gallery.
//!
//! A run depends on its scenario alone, so a picture changes only when the code's behaviour does.

use std::fs;
use std::path::Path;

use sockeye_lab::sim::{Record, Scenario, Simulation};

use crate::shell::{Outcome, root};

/// Draw the pictures of docs/gallery.md anew.
#[derive(clap::Args)]
pub struct Arguments {}

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

pub fn run(_arguments: &Arguments) -> Outcome {
    let directory = root().join("docs/gallery");
    for (name, picture) in PICTURES {
        draw(&directory, name, picture).map_err(|error| format!("{name}: {error}"))?;
        println!("docs/gallery/{name}.svg");
    }
    Ok(())
}

fn draw(directory: &Path, name: &str, picture: Picture) -> Outcome {
    let scenario: Scenario = fs::read_to_string(directory.join(format!("{name}.toml")))?.parse()?;
    let record = Record::nothing().sequence_of(0).series(scenario.duration.0 / 1500);
    let (report, record) = Simulation::new(&scenario, record)?.finish_with_record();
    if let Some(violation) = report.violation {
        return Err(violation.to_string().into());
    }
    let title = format!("{} | back: {}", scenario.forward, scenario.back);
    let svg = match picture {
        Picture::Sequence => record.draw_sequence(&title)?,
        Picture::Series => record.draw_series(&title, &scenario)?,
    };
    fs::write(directory.join(format!("{name}.svg")), svg.unwrap_or_default()).map_err(Into::into)
}
