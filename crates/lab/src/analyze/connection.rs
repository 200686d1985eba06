//! A connection, followed segment by segment from wherever it was captured.

use std::ops::Range;
use std::time::Duration;

use sockeye_wire::Instant;
use sockeye_wire::tcp::{Options, SackBlock};

use super::explain::{self, Explained, Told};
use super::limits::Paths;
use super::packet::Segment;
use super::problems::{Finding, Moment, Watch};
use super::side::{Class, Side};
use crate::plot::{self, Mark, Sending, What};

/// How a connection ended, in this capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It didn't.
    Open,
    /// Both sides sent FIN, and both FINs were acknowledged.
    Closed,
    /// This side, 0 or 1, sent RST.
    Reset(usize),
}

/// Where the capture was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vantage {
    /// Close to this side, 0 or 1.
    At(usize),
    /// Both sides are close.
    Both,
    /// Somewhere between.
    Between,
    /// Can't be told: nothing was acknowledged.
    Unknown,
}

/// What there is of a connection's picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// Nothing: it wasn't wanted.
    Unwanted,
    /// All of it.
    Whole,
    /// What happened until this long after the first segment: more didn't fit into memory.
    Until(Duration),
    /// Nothing any more: others that carried more took the memory.
    GivenUp,
}

/// A connection. Side 0 is the one that opened it, as far as can be told: who sent SYN, else who spoke first.
pub struct Connection {
    /// In the order of first segments, from 1.
    pub number: usize,
    pub sides: [Side; 2],
    pub first_at: Instant,
    pub last_at: Instant,
    /// Until then the capture would show more of it.
    watched_until: Instant,
    /// When the third segment of the handshake came.
    pub opened_at: Option<Instant>,
    pub ending: Ending,
    watches: [Watch; 2],
    pub picture: Picture,
    /// Of the picture only what happens then, since the first segment.
    zoom: Option<Range<Duration>>,
}

/// A round trip that is as good as none.
const NEXT_DOOR: Duration = Duration::from_micros(100);
/// The largest window scale shift (RFC 7323 section 2.3).
const MAX_SHIFT: u8 = Options::MAX_WINDOW_SCALE;

impl Connection {
    /// The one that begins with this segment.
    pub fn new(number: usize, segment: &Segment<'_>) -> Self {
        let by_responder = segment.flags.syn && segment.flags.ack;
        let (source, destination) = (segment.source, segment.destination);
        let (opener, other) = if by_responder { (destination, source) } else { (source, destination) };
        Self {
            number,
            sides: [Side::new(opener), Side::new(other)],
            first_at: segment.at,
            last_at: segment.at,
            watched_until: segment.at,
            opened_at: None,
            ending: Ending::Open,
            watches: [Watch::default(), Watch::default()],
            picture: Picture::Unwanted,
            zoom: None,
        }
    }

    /// Keeps what a picture needs from now on: all, or what happens within that time since the first segment.
    pub fn begin_picture(&mut self, zoom: Option<Range<Duration>>) {
        (self.picture, self.zoom) = (Picture::Whole, zoom);
    }

    /// Parts of the picture that are kept.
    pub fn kept(&self) -> usize {
        self.sides.iter().map(|side| side.events.len() + side.marks.len()).sum()
    }

    /// Octets of memory that the text of both sides takes, which is kept to compare what is sent again.
    pub fn text_kept(&self) -> usize {
        self.watches.iter().map(Watch::text_kept).sum()
    }

    /// Gives the memory back that text takes.
    pub fn forget_text(&mut self) {
        self.watches.iter_mut().for_each(Watch::forget_text);
    }

    /// Records that both sides keep of what is outstanding.
    pub fn records(&self) -> usize {
        self.sides.iter().map(Side::records).sum()
    }

    /// Keeps none of them.
    pub fn forget_records(&mut self) {
        self.sides.iter_mut().for_each(Side::forget_records);
    }

    /// Keeps no more than so many of each kind for each side, the newest ones.
    pub fn keep_records(&mut self, most: usize) {
        self.sides.iter_mut().for_each(|side| side.keep_records(most));
    }

    /// Octets of text that both sides sent.
    pub fn carried(&self) -> u64 {
        self.sides.iter().map(|side| side.figures.octets_sent).sum()
    }

    /// Gives up the picture, and its memory.
    pub fn give_up_picture(&mut self) {
        self.picture = Picture::GivenUp;
        for side in &mut self.sides {
            (side.events, side.marks) = (Vec::new(), Vec::new());
        }
    }

    /// Adds nothing more to the picture.
    pub fn end_picture(&mut self) {
        self.picture = Picture::Until(self.last_at.since(self.first_at));
    }

    /// True if this SYN opens another connection between the same ports.
    pub fn is_over_for(&self, segment: &Segment<'_>) -> bool {
        let from = self.from(segment);
        let opens = segment.flags.syn && !segment.flags.ack && !segment.flags.rst;
        opens && (self.ending != Ending::Open || self.side(from).first_seq().is_some_and(|first| first != segment.seq))
    }

    fn from(&self, segment: &Segment<'_>) -> usize {
        usize::from(segment.source != self.side(0).address)
    }

    /// One of the two.
    pub fn side(&self, which: usize) -> &Side {
        let [a, b] = &self.sides;
        if which == 0 { a } else { b }
    }

    fn both(&mut self, from: usize) -> (&mut Side, &mut Side) {
        let [a, b] = &mut self.sides;
        if from == 0 { (a, b) } else { (b, a) }
    }

    /// The next segment, of either side; `explain` is told why it left.
    pub fn take(&mut self, segment: &Segment<'_>, explain: Option<&mut dyn FnMut(Explained)>) {
        let from = self.from(segment);
        self.last_at = self.last_at.max(segment.at);
        self.note_handshake(segment, from);
        let handshake = self.handshake();
        let (me, peer) = self.both(from);
        let (edge_before, offered_before, d_sacks_before) = (peer.numbers.edge, me.offers, me.figures.d_sacks);
        let start = me.offset(segment.seq);
        let range = start..start + i64::from(segment.len());
        let (ack, advance) = acknowledge(segment, me, peer, &range);
        learn_paths(me, peer);
        let edge_moved = peer.numbers.edge != edge_before;
        if edge_moved {
            peer.numbers.edge_at = segment.at;
        }
        if advance > 0 || edge_moved || (ack.is_some() && peer.numbers.in_flight() > 0) {
            peer.limits.told(segment.at, peer.numbers.edge, peer.paths);
        }
        let class = me.classify(segment, &range);
        let before = me.numbers;
        let expired = me.sent(segment, &range, class);
        let moment = Moment {
            segment,
            range: &range,
            class,
            before,
            expired,
            ack,
            advance,
            offered_before,
            edge_before,
            handshake,
        };
        let ([a, b], [first, second]) = (&self.sides, &mut self.watches);
        let (me, peer, mine, others) = if from == 0 { (a, b, first, second) } else { (b, a, second, first) };
        if let Some(explain) = explain {
            let opens = from == 0 && class == Class::Bare && self.opened_at == Some(segment.at);
            let told = Told { opens, twice: me.figures.d_sacks > d_sacks_before };
            explain(Explained {
                connection: self.number,
                at: segment.at.since(self.first_at),
                from,
                what: explain::what(&moment, me),
                why: explain::why(&moment, me, peer, &told),
            });
        }
        if class != Class::Copied {
            mine.sent(&moment, me, peer);
        }
        others.heard(&moment, peer, me);
        if self.picture == Picture::Whole {
            self.draw(segment, from, &range, class, ack);
        }
        self.note_ending(segment, from);
    }

    fn note_handshake(&mut self, segment: &Segment<'_>, from: usize) {
        let flags = segment.flags;
        let (me, peer) = self.both(from);
        if flags.syn {
            if me.first_seq() != Some(segment.seq) {
                me.begin(segment.seq);
            }
            me.syn_at.get_or_insert(segment.at);
            me.syns += 1;
            me.syn = Some(segment.options);
            let permitted = [&*me, &*peer].iter().all(|side| side.syn.is_some_and(|syn| syn.sack_permitted));
            (me.sack_permitted, peer.sack_permitted) = (permitted, permitted);
            peer.numbers.mss = segment.options.mss.map_or(peer.numbers.mss, u32::from).max(1);
        } else if flags.ack && from == 0 && self.opened_at.is_none() && self.sides.iter().all(|side| side.syn.is_some())
        {
            self.opened_at = Some(segment.at);
            self.sides.iter_mut().for_each(|side| side.limits.opened(segment.at));
        }
    }

    /// How long the handshake took, there and back, if both SYNs were sent once only.
    pub fn handshake(&self) -> Option<Duration> {
        let [a, b] = &self.sides;
        (a.syns == 1 && b.syns == 1).then(|| Some(self.opened_at?.since(a.syn_at?))).flatten()
    }

    fn note_ending(&mut self, segment: &Segment<'_>, from: usize) {
        if segment.flags.rst {
            self.ending = Ending::Reset(from);
        }
        let is_done = |side: &Side| side.fin.is_some_and(|fin| side.numbers.una >= fin);
        if self.ending == Ending::Open && self.sides.iter().all(is_done) {
            self.ending = Ending::Closed;
        }
        if self.ending != Ending::Open {
            self.forget_text();
        }
    }

    fn draw(&mut self, segment: &Segment<'_>, from: usize, range: &Range<i64>, class: Class, ack: Option<i64>) {
        let elapsed = segment.at.since(self.first_at);
        if self.zoom.as_ref().is_some_and(|zoom| !zoom.contains(&elapsed)) {
            return;
        }
        let at = Instant::ZERO + elapsed;
        let (me, peer) = self.both(from);
        let sending = match class {
            Class::Bare | Class::KeepAlive | Class::Copied => None,
            Class::New => Some(Sending::New),
            Class::Again(why) => Some(why),
            Class::OutOfOrder => Some(Sending::OutOfOrder),
            Class::WindowProbe => Some(Sending::WindowProbe),
        };
        if let Some(sending) = sending {
            me.draw(at, What::Sent(place(range.start)..place(range.end), sending));
        }
        let flags = segment.flags;
        for (is_set, text) in [(flags.syn, "SYN"), (flags.fin, "FIN"), (flags.rst, "RST")] {
            if is_set {
                me.marks.push(Mark { at, seq: place(range.end), text: text.to_owned() });
            }
        }
        let Some(ack) = ack.filter(|_| !flags.rst) else { return };
        let blocks = segment.options.sack.iter().map(|block| octets(peer, block));
        let blocks: Vec<_> = blocks.map(|octets| place(octets.start)..place(octets.end)).collect();
        plot::sacked(&blocks, place(ack)).for_each(|what| peer.draw(at, what));
        let moved = peer.lines.heard(segment.seq, place(ack), me.offers.unwrap_or(0));
        moved.into_iter().for_each(|what| peer.draw(at, what));
    }

    /// Where the capture was made: where round trips to one side are much shorter than to the other.
    pub fn vantage(&self) -> Vantage {
        let [a, b] = &self.sides;
        // What one side sends is acknowledged by the other: its round trips lead there.
        let (Some(to_b), Some(to_a)) = (a.min_rtt, b.min_rtt) else { return Vantage::Unknown };
        match (to_a <= NEXT_DOOR || to_a <= to_b / 4, to_b <= NEXT_DOOR || to_b <= to_a / 4) {
            (true, true) => Vantage::Both,
            (true, false) => Vantage::At(0),
            (false, true) => Vantage::At(1),
            (false, false) => Vantage::Between,
        }
    }

    /// The problems that this side showed.
    pub fn findings(&self, which: usize) -> Vec<Finding> {
        let near = matches!(self.vantage(), Vantage::Both) || self.vantage() == Vantage::At(which);
        let [a, b] = &self.watches;
        let watch = if which == 0 { a } else { b };
        watch.findings(near, self.watched_until)
    }

    /// Nothing more has come until then.
    pub fn finish(&mut self, until: Instant) {
        self.watched_until = self.last_at.max(until);
        let at = self.last_at;
        self.sides.iter_mut().for_each(|side| side.finish(at));
        self.forget_text();
    }
}

/// What the ACK field, the window and the SACK blocks say, from `me` about what `peer` sent. The ACK as an offset, and
/// how many octets it acknowledges newly.
fn acknowledge(segment: &Segment<'_>, me: &mut Side, peer: &mut Side, range: &Range<i64>) -> (Option<i64>, i64) {
    let flags = segment.flags;
    if !flags.ack {
        return (None, 0);
    }
    let ack = peer.offset(segment.ack);
    if flags.rst {
        return (Some(ack), 0);
    }
    let window = u64::from(segment.window) << shift(segment, me, peer);
    let is_bare = range.is_empty() && range.start == me.numbers.max && !flags.syn && me.numbers.max > 0;
    let same_ack = is_bare && ack == peer.numbers.una;
    let same_window = me.offers == Some(window);
    if same_ack && same_window && window > 0 && peer.numbers.in_flight() > 0 {
        me.figures.duplicate_acks += 1;
        peer.numbers.duplicates += 1;
    }
    if same_ack && !same_window && me.offers.is_some() {
        me.figures.window_updates += 1;
    }
    let advance = peer.acked(segment.at, ack, segment.options.timestamps.map(|timestamps| timestamps.echo));
    me.offer(segment.at, window);
    // Without the handshake the scale is unknown, and with it the edge.
    let scale_is_known = me.syn.is_some() && peer.syn.is_some();
    me.figures.window_is_unscaled |= !scale_is_known && !flags.syn;
    if ack >= peer.numbers.una {
        peer.numbers.peer_window = window;
        peer.numbers.edge = if scale_is_known { ack + window.cast_signed() } else { 0 };
    }
    take_sack(segment, me, peer, ack);
    (Some(ack), advance)
}

/// What one side sends is acknowledged by the other: its round trips lead there.
fn learn_paths(me: &mut Side, peer: &mut Side) {
    let (to_peer, to_me) = (me.min_rtt.unwrap_or_default(), peer.min_rtt.unwrap_or_default());
    me.paths = Paths { to_side: to_me, whole: to_me + to_peer };
    peer.paths = Paths { to_side: to_peer, ..me.paths };
}

/// How far the window of `me` is to be shifted (RFC 7323 section 2.2): never in a SYN.
fn shift(segment: &Segment<'_>, me: &Side, peer: &Side) -> u8 {
    let scale = |side: &Side| side.syn.and_then(|syn| syn.window_scale);
    match (scale(me), scale(peer)) {
        (Some(shift), Some(_)) if !segment.flags.syn => shift.min(MAX_SHIFT),
        _ => 0,
    }
}

fn take_sack(segment: &Segment<'_>, me: &mut Side, peer: &mut Side, ack: i64) {
    let blocks = segment.options.sack;
    if blocks.is_empty() {
        return;
    }
    me.figures.sacks += 1;
    let all: Vec<_> = blocks.iter().map(|block| octets(peer, block)).collect();
    let d_sack = plot::first_is_d_sack(&all, &ack);
    for (number, block) in all.iter().enumerate() {
        if number == 0 && d_sack {
            me.figures.d_sacks += 1;
            peer.came_twice(block);
        } else {
            peer.sacked(segment.at, block);
        }
    }
}

fn octets(side: &mut Side, block: &SackBlock) -> Range<i64> {
    side.offset(block.left)..side.offset(block.right)
}

/// A place in a picture; what came before the first number seen is at its lower edge.
fn place(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or(0)
}
