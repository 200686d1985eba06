//! What the analysis found, for people and machines.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use sockeye_wire::Instant;
use sockeye_wire::tcp::Options;

use super::End;
use super::connection::{Connection, Ending, Picture, Vantage};
use super::figures::Figures;
use super::packet::Skipped;
use super::problems::Finding;
use super::side::Side;
use crate::plot::{self, Event, Mark, TimeSequence};

/// Everything that one capture told.
#[derive(Debug)]
pub struct Report {
    /// In the order of first segments.
    pub connections: Vec<ConnectionReport>,
    /// What became of the packets.
    pub tally: Tally,
    /// Why reading ended.
    pub end: End,
}

/// What became of the packets.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// All of them.
    pub packets: u64,
    /// Those that took no part, by reason.
    pub skipped: BTreeMap<Skipped, u64>,
    /// Those of connections that weren't wanted, by host, port or number.
    pub filtered: u64,
    /// Those of connections that weren't followed because there were too many.
    pub not_followed: u64,
}

/// What a side's SYN offered.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// The maximum segment size.
    pub mss: Option<u16>,
    /// The window scale shift.
    pub window_scale: Option<u8>,
    /// Selective acknowledgments.
    pub sack: bool,
    /// Timestamps.
    pub timestamps: bool,
}

impl From<Options> for Offer {
    fn from(options: Options) -> Self {
        Self {
            mss: options.mss,
            window_scale: options.window_scale,
            sack: options.sack_permitted,
            timestamps: options.timestamps.is_some(),
        }
    }
}

/// One side of a connection and what it sent.
#[derive(Debug)]
pub struct Direction {
    /// Whose.
    pub address: SocketAddr,
    /// What its SYN offered; `None` if that isn't in the capture.
    pub offer: Option<Offer>,
    /// What was counted.
    pub figures: Figures,
    /// The problems that its TCP showed, in the RFC's order.
    pub findings: Vec<Finding>,
    events: Vec<Event>,
    marks: Vec<Mark>,
}

/// A connection.
#[derive(Debug)]
pub struct ConnectionReport {
    /// In the order of first segments, from 1.
    pub number: usize,
    /// When its first segment came, since 1970.
    pub began: Instant,
    /// Until its last.
    pub lasted: Duration,
    /// From the first SYN to the ACK that ended the handshake, if both SYNs were sent once.
    pub handshake: Option<Duration>,
    /// How it ended.
    pub ending: Ending,
    /// Where it was captured.
    pub vantage: Vantage,
    /// What can be drawn.
    pub picture: Picture,
    /// What the side that opened it sent, then the other.
    pub directions: [Direction; 2],
}

impl Report {
    pub(super) fn new(connections: Vec<Connection>, tally: Tally, end: End) -> Self {
        Self { connections: connections.into_iter().map(ConnectionReport::new).collect(), tally, end }
    }
}

impl ConnectionReport {
    fn new(connection: Connection) -> Self {
        let findings = [connection.findings(0), connection.findings(1)];
        let [first, second] = findings;
        let (vantage, handshake) = (connection.vantage(), connection.handshake());
        let [a, b] = connection.sides;
        Self {
            number: connection.number,
            began: connection.first_at,
            lasted: connection.last_at.since(connection.first_at),
            handshake,
            ending: connection.ending,
            vantage,
            picture: connection.picture,
            directions: [Direction::new(a, first), Direction::new(b, second)],
        }
    }

    /// The problems of both sides, each with the address at fault.
    pub fn findings(&self) -> impl Iterator<Item = (SocketAddr, &Finding)> {
        self.directions.iter().flat_map(|side| side.findings.iter().map(|finding| (side.address, finding)))
    }

    /// True if there is something to draw of what one side sent: 0 for the one that opened the connection, 1 for the other.
    pub fn has_picture(&self, which: usize) -> bool {
        self.directions.get(which).is_some_and(|side| !side.events.is_empty() || !side.marks.is_empty())
    }

    /// The time-sequence graph of what one side sent: 0 for the one that opened the connection, 1 for the other.
    ///
    /// # Errors
    /// When the drawing library refuses.
    pub fn draw(&self, which: usize) -> Result<String, plot::Error> {
        let [a, b] = &self.directions;
        let (from, to) = if which == 0 { (a, b) } else { (b, a) };
        let title = format!("{} \u{2192} {}", from.address, to.address);
        TimeSequence { title: &title, events: &from.events, marks: &from.marks, zoom: None }.draw()
    }
}

impl Direction {
    fn new(side: Side, findings: Vec<Finding>) -> Self {
        Self {
            address: side.address,
            offer: side.syn.map(Offer::from),
            figures: side.figures,
            findings,
            events: side.events,
            marks: side.marks,
        }
    }
}
