//! What a capture tells of the TCPs in it: every connection with its figures, as tcptrace gives them and more, and the
//! problems of RFC 2525 by name.
//!
//! [`analyze`] reads a file from front to back, once, and keeps no packet: memory follows the number of connections and
//! what they have outstanding, not the size of the file. The capture may come from either end or from between: what can
//! be told only from one end is said only there ([`Vantage`]).

//= rfc2398#2.7-1
//= rfc2398#2.8-1

mod connection;
mod distribution;
mod figures;
mod packet;
mod problems;
mod report;
mod side;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;

pub use connection::{Ending, Vantage};
pub use distribution::Distribution;
pub use figures::Figures;
pub use packet::Skipped;
pub use problems::{Finding, Problem};
pub use report::{ConnectionReport, Direction, Offer, Report, Tally};

use crate::capture;
pub use crate::capture::{End, Error};
use connection::Connection;
use packet::Segment;
use sockeye_wire::Instant;

/// Which connections to follow, and how.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those of this host.
    pub host: Option<IpAddr>,
    /// Only those with this port on either side.
    pub port: Option<u16>,
    /// Only the one with this number, counted from 1 in the order of first segments among those that pass the rest.
    pub number: Option<usize>,
    /// Keep what a picture of each needs: up to 2 million events a side.
    pub draw: bool,
    /// Follow at most so many connections; `None` for 200,000.
    pub limit: Option<usize>,
}

impl Filter {
    const LIMIT: usize = 200_000;

    fn wants(&self, segment: &Segment<'_>) -> bool {
        let ends = [segment.source, segment.destination];
        self.host.is_none_or(|host| ends.iter().any(|end| end.ip() == host))
            && self.port.is_none_or(|port| ends.iter().any(|end| end.port() == port))
    }
}

/// Follows every connection in `file` that `filter` wants.
///
/// # Errors
/// If it is no capture, or can't be read. One that breaks off is analysed as far as it goes.
pub fn analyze(file: impl Read + Send, filter: &Filter) -> Result<Report, Error> {
    let mut table = Table { filter, open: HashMap::new(), connections: Vec::new(), seen: 0, tally: Tally::default() };
    let mut last_at = Instant::ZERO;
    let end = capture::read(file, |packet| {
        table.tally.packets += 1;
        last_at = last_at.max(packet.at);
        match packet::segment(&packet) {
            Ok(segment) => table.take(&segment),
            Err(why) => *table.tally.skipped.entry(why).or_default() += 1,
        }
        ControlFlow::Continue(())
    })?;
    table.connections.iter_mut().for_each(|connection| connection.finish(last_at));
    Ok(Report::new(table.connections, table.tally, end))
}

/// The connections so far.
struct Table<'a> {
    filter: &'a Filter,
    /// The newest of each pair of addresses and ports; `None` for one that is not to be followed.
    open: HashMap<(SocketAddr, SocketAddr), Option<usize>>,
    connections: Vec<Connection>,
    /// Connections seen, followed or not.
    seen: usize,
    tally: Tally,
}

impl Table<'_> {
    fn take(&mut self, segment: &Segment<'_>) {
        if !self.filter.wants(segment) {
            self.tally.filtered += 1;
            return;
        }
        let (source, destination) = (segment.source, segment.destination);
        let pair = if source <= destination { (source, destination) } else { (destination, source) };
        let limit = self.filter.limit.unwrap_or(Filter::LIMIT);
        let is_full = self.open.len() >= 4 * limit;
        let mut entry = match self.open.entry(pair) {
            Entry::Occupied(known) => known,
            Entry::Vacant(_) if is_full => {
                self.tally.not_followed += 1;
                return;
            }
            Entry::Vacant(new) => {
                let follows = Self::begin(self.filter, limit, &mut self.seen, &mut self.connections, segment);
                new.insert_entry(follows)
            }
        };
        let known = (*entry.get()).and_then(|index| self.connections.get_mut(index));
        if let Some(connection) = known.filter(|connection| connection.is_over_for(segment)) {
            connection.finish(segment.at);
            let follows = Self::begin(self.filter, limit, &mut self.seen, &mut self.connections, segment);
            entry.insert(follows);
        }
        match (*entry.get()).and_then(|index| self.connections.get_mut(index)) {
            Some(connection) => connection.take(segment),
            None => self.tally.not_followed += 1,
        }
    }

    /// A new connection: its index, if it is to be followed.
    fn begin(
        filter: &Filter,
        limit: usize,
        seen: &mut usize,
        connections: &mut Vec<Connection>,
        segment: &Segment<'_>,
    ) -> Option<usize> {
        *seen += 1;
        let is_wanted = filter.number.is_none_or(|number| number == *seen) && connections.len() < limit;
        is_wanted.then(|| {
            connections.push(Connection::new(*seen, segment, filter.draw));
            connections.len() - 1
        })
    }
}
