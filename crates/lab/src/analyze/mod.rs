//! What a capture tells of the TCPs in it: every connection with its figures, as tcptrace gives them and more, and the
//! problems of RFC 2525 by name.
//!
//! [`analyze`] reads a file from front to back, once, and keeps no packet: memory follows the number of connections and
//! what they have outstanding, not the size of the file. The capture may come from either end or from between: what can
//! be told only from one end is said only there ([`Vantage`]).

//= rfc2398#2.8-1

mod connection;
mod distribution;
mod explain;
mod figures;
mod limits;
mod outstanding;
mod packet;
mod passed;
mod pictures;
mod problems;
mod records;
mod report;
mod side;
mod texts;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::ops::{ControlFlow, Range};
use std::time::Duration;

pub use connection::{Ending, Picture, Vantage};
pub use distribution::Distribution;
pub use explain::Explained;
pub use figures::Figures;
pub use packet::Skipped;
pub use problems::{Finding, Problem};
pub use report::{ConnectionReport, Direction, Offer, Report, Tally};

use crate::capture;
pub use crate::capture::{End, Error};
use connection::Connection;
use packet::Segment;
use pictures::Pictures;
use records::Records;
use sockeye_wire::Instant;
use texts::Texts;

/// Which connections to follow, and how.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those of this host.
    pub host: Option<IpAddr>,
    /// Only those with this port on either side.
    pub port: Option<u16>,
    /// Only the one with this number, counted from 1 in the order of first segments among those that pass the rest.
    pub number: Option<usize>,
    /// Keep what a picture of each needs. In all that is no more than four million events: beyond that the pictures of those
    /// that carried least are [given up](Picture::GivenUp), and one that alone needs more [ends early](Picture::Until).
    pub draw: bool,
    /// Keep of a picture only what happens then, since the connection's first segment.
    pub zoom: Option<Range<Duration>>,
    /// Follow at most so many connections; `None` for 200,000.
    pub limit: Option<usize>,
}

impl Filter {
    const LIMIT: usize = 200_000;

    fn most(&self) -> usize {
        self.limit.unwrap_or(Self::LIMIT)
    }

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
    follow(file, filter, None)
}

/// As [`analyze`]; and tells of each segment of these connections why it left, in the order of the capture, until `to` says
/// [`ControlFlow::Break`]: then the report is of what was read so far.
///
/// # Errors
/// As [`analyze`].
pub fn explain(
    file: impl Read + Send,
    filter: &Filter,
    mut to: impl FnMut(Explained) -> ControlFlow<()>,
) -> Result<Report, Error> {
    follow(file, filter, Some(&mut to))
}

/// Who wants to know why each segment left, for as long as it says so.
type Asks<'a> = &'a mut dyn FnMut(Explained) -> ControlFlow<()>;

fn follow<'a>(file: impl Read + Send, filter: &'a Filter, explain: Option<Asks<'a>>) -> Result<Report, Error> {
    let mut table = Table::new(filter, explain);
    let mut last_at = Instant::ZERO;
    let end = capture::read(file, |packet| {
        table.tally.packets += 1;
        last_at = last_at.max(packet.at);
        match packet::segment(&packet) {
            Ok(segment) => table.take(&segment),
            Err(why) => *table.tally.skipped.entry(why).or_default() += 1,
        }
        table.goes_on
    })?;
    let mut connections = table.followed.connections;
    connections.iter_mut().for_each(|connection| connection.finish(last_at));
    Ok(Report::new(connections, table.tally, end))
}

/// Everything so far.
struct Table<'a> {
    /// The newest of each pair of addresses and ports.
    open: HashMap<(SocketAddr, SocketAddr), Fate>,
    followed: Followed<'a>,
    tally: Tally,
    explain: Option<Asks<'a>>,
    /// What whoever asks has said last.
    goes_on: ControlFlow<()>,
}

/// What becomes of a connection.
#[derive(Clone, Copy)]
enum Fate {
    /// It is followed, under this index.
    Followed(usize),
    /// Another number was asked for.
    Unwanted,
    /// There are too many to follow it.
    TooMany,
}

impl<'a> Table<'a> {
    fn new(filter: &'a Filter, explain: Option<Asks<'a>>) -> Self {
        let goes_on = ControlFlow::Continue(());
        Self { open: HashMap::new(), followed: Followed::new(filter), tally: Tally::default(), explain, goes_on }
    }

    fn take(&mut self, segment: &Segment<'_>) {
        let (filter, followed) = (self.followed.filter, &mut self.followed);
        if !filter.wants(segment) {
            self.tally.filtered += 1;
            return;
        }
        let (source, destination) = (segment.source, segment.destination);
        let pair = if source <= destination { (source, destination) } else { (destination, source) };
        let is_full = self.open.len() >= 4 * filter.most();
        let mut entry = match self.open.entry(pair) {
            Entry::Occupied(known) => known,
            Entry::Vacant(_) if is_full => {
                self.tally.not_followed += 1;
                return;
            }
            Entry::Vacant(new) => new.insert_entry(followed.begin(segment)),
        };
        if let Some(connection) = followed.at(*entry.get()).filter(|connection| connection.is_over_for(segment)) {
            let (text, records) = (connection.text_kept(), connection.records());
            connection.finish(segment.at);
            let records_left = connection.records();
            followed.texts.changed(text, 0);
            followed.records.changed(records, records_left);
            entry.insert(followed.begin(segment));
        }
        match followed.at(*entry.get()) {
            Some(connection) => {
                let (before, text_before) = (connection.kept(), connection.text_kept());
                let records_before = connection.records();
                let mut explain = self.explain.as_mut().map(|ask| |told| self.goes_on = ask(told));
                connection.take(segment, explain.as_mut().map(|explain| explain as &mut dyn FnMut(Explained)));
                let (kept, text_kept) = (connection.kept() - before, connection.text_kept());
                let records = connection.records();
                followed.records.changed(records_before, records);
                followed.pictures.kept += kept;
                followed.texts.changed(text_before, text_kept);
                followed.texts.make_room(&mut followed.connections);
                followed.records.make_room(&mut followed.connections);
                followed.pictures.make_room(&mut followed.connections);
            }
            None if matches!(entry.get(), Fate::Unwanted) => self.tally.filtered += 1,
            None => self.tally.not_followed += 1,
        }
    }
}

/// The connections that are followed.
struct Followed<'a> {
    filter: &'a Filter,
    connections: Vec<Connection>,
    /// Connections seen, followed or not.
    seen: usize,
    pictures: Pictures,
    texts: Texts,
    records: Records,
}

impl<'a> Followed<'a> {
    const fn new(filter: &'a Filter) -> Self {
        Self {
            filter,
            connections: Vec::new(),
            seen: 0,
            pictures: Pictures::new(filter.draw),
            texts: Texts::new(),
            records: Records::new(),
        }
    }

    fn at(&mut self, fate: Fate) -> Option<&mut Connection> {
        if let Fate::Followed(index) = fate { self.connections.get_mut(index) } else { None }
    }

    /// A new connection, and what becomes of it.
    fn begin(&mut self, segment: &Segment<'_>) -> Fate {
        self.seen += 1;
        let filter = self.filter;
        if filter.number.is_some_and(|number| number != self.seen) {
            return Fate::Unwanted;
        }
        if self.connections.len() >= filter.most() {
            return Fate::TooMany;
        }
        let mut connection = Connection::new(self.seen, segment);
        match (filter.draw, self.pictures.wanted) {
            (true, true) => connection.begin_picture(filter.zoom.clone()),
            (true, false) => connection.give_up_picture(),
            (false, _) => {}
        }
        self.connections.push(connection);
        Fate::Followed(self.connections.len() - 1)
    }
}
