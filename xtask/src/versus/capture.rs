//! What one transfer was like, packet by packet: a capture at its sender, and the time-sequence graph that it gives.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sockeye_lab::analyze::{Filter, analyze};

use crate::shell::Outcome;

/// Where the capture of a cell's transfer belongs: cells are counted from 1, as they are said on the way, rounds too.
pub fn path(directory: &Path, cell: u64, pairing: &str, round: u32) -> PathBuf {
    directory.join(format!("{cell:02}-{pairing}-{round}.pcapng"))
}

/// Draws what was captured into a file beside it.
pub fn draw(capture: &Path) -> Outcome {
    let report = analyze(File::open(capture)?, &Filter { draw: true, ..Filter::default() })?;
    let connection = report.connections.first().ok_or("no connection was captured")?;
    fs::write(capture.with_extension("svg"), connection.draw(0)?).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_is_named_by_cell_pairing_and_round() {
        let path = path(Path::new("there"), 3, "sockeye_bbr", 1);
        assert_eq!(path, Path::new("there/03-sockeye_bbr-1.pcapng"));
        assert_eq!(path.with_extension("svg"), Path::new("there/03-sockeye_bbr-1.svg"));
    }
}
