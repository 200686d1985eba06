//! What has happened so far, as text: the peer on the left, the stack on the right, time downwards.

use std::time::Duration;

use super::packet::Packet;

/// Columns between the two sides.
const WIDTH: usize = 58;

/// The lines.
#[derive(Debug, Default)]
pub(super) struct Ladder(Vec<String>);

impl Ladder {
    /// A packet that the script injected.
    pub(super) fn injected(&mut self, at: Duration, packet: &Packet) {
        let label = format!(" {packet} ");
        self.0.push(format!("{}  |--{label:-<WIDTH$}>|", time(at)));
    }

    /// A packet that the stack sent.
    pub(super) fn sent(&mut self, at: Duration, packet: &Packet) {
        let label = format!(" {packet} ");
        self.0.push(format!("{}  |<-{label:-<WIDTH$}-|", time(at)));
    }

    /// What the application did, and what came of it.
    pub(super) fn called(&mut self, at: Duration, what: &str) {
        self.0.push(format!("{}  |{:WIDTH$}   | {what}", time(at), ""));
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.0
    }
}

fn time(at: Duration) -> String {
    format!("{:>11.6}", at.as_secs_f64())
}
