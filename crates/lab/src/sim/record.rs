//! What a run leaves behind besides its figures: captures, time-sequence graphs, values over time.

use std::cmp::Reverse;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use sockeye::TcpInfo;
use sockeye_device::pcapng::{Way, Writer};
use sockeye_tcb::Vitals;
use sockeye_wire::tcp::TcpView;
use sockeye_wire::{Instant, SeqNumber};

use super::application::Role;
use crate::plot::{self, Event, Lines, MOST_EVENTS, Mark, Sending, What};

/// The time of day, since 1970, at which virtual time begins in captures: one of zero means "not set" to some that read them,
/// such as tcptrace.
const CAPTURES_BEGIN: Duration = Duration::from_secs(1);

/// What is to be kept.
#[derive(Default)]
pub struct Record {
    captures: Vec<Writer<BufWriter<File>>>,
    capture_failed: Option<io::Error>,
    sequence: Option<Sequence>,
    series: Option<Samples>,
    /// Only what happens then is drawn.
    zoom: Option<Range<Instant>>,
    /// No more samples are taken.
    sampled: bool,
    /// The sequence is not drawn any further.
    stopped: bool,
}

impl Record {
    /// Nothing.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Captures what each host sends and gets, into `<directory>/<host>.pcapng`, from the first second of 1970 on.
    ///
    /// # Errors
    /// What making the directory and the files returns.
    pub fn capture<'a>(mut self, directory: &Path, hosts: impl IntoIterator<Item = &'a str>) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        for host in hosts {
            let file = File::create(directory.join(format!("{host}.pcapng")))?;
            self.captures.push(Writer::new(BufWriter::new(file), CAPTURES_BEGIN)?);
        }
        Ok(self)
    }

    /// Keeps what both sides of the scenario's flow `flow`, counted from 0, send and are told, up to some four million events;
    /// of many connections, that of the first. What is drawn is the side that sends more text.
    #[must_use]
    pub fn sequence_of(mut self, flow: usize) -> Self {
        self.sequence = Some(Sequence::of(flow));
        self
    }

    /// Keeps windows, times and queues, as they are every `interval`.
    #[must_use]
    pub fn series(mut self, interval: Duration) -> Self {
        self.series = Some(Samples { interval, ..Samples::default() });
        self
    }

    /// Keeps, for pictures, only what happens within that virtual time.
    #[must_use]
    pub fn within(mut self, zoom: &Range<Duration>) -> Self {
        self.zoom = Some(Instant::ZERO + zoom.start..Instant::ZERO + zoom.end);
        self
    }

    /// The time-sequence graph's events and marks, if they were kept.
    pub fn sequence(&self) -> Option<(&[Event], &[Mark])> {
        let sender = self.sequence.as_ref()?.busier();
        Some((&sender.events, &sender.marks))
    }

    /// Until when the time-sequence graph goes, if there were too many events to keep them all.
    pub fn sequence_ends(&self) -> Option<Duration> {
        self.sequence.as_ref()?.full_at.map(|at| at.since(Instant::ZERO))
    }

    /// Values over time, if they were kept.
    pub const fn samples(&self) -> Option<&Samples> {
        self.series.as_ref()
    }

    /// Why a capture is incomplete, if it is.
    pub const fn capture_failed(&self) -> Option<&io::Error> {
        self.capture_failed.as_ref()
    }

    /// Packets are shown as they are on the wire.
    pub(super) const fn captures_packets(&self) -> bool {
        !self.captures.is_empty()
    }

    /// The time-sequence graph is kept, for which packets are taken apart.
    pub(super) const fn draws_packets(&self) -> bool {
        self.sequence.is_some()
    }

    /// What still happens is of no interest: the flows have ended.
    pub(super) const fn stop_sampling(&mut self) {
        self.sampled = true;
    }

    /// What is stopped ends as nobody asked it to: that is not drawn.
    pub(super) const fn stop_drawing(&mut self) {
        self.stopped = true;
    }

    #[inline]
    pub(super) fn packet(&mut self, host: usize, now: Instant, leaves: bool, packet: &[u8]) {
        if let Some(writer) = self.captures.get_mut(host) {
            let way = if leaves { Way::Out } else { Way::In };
            if let Err(error) = writer.write(now, way, packet) {
                self.capture_failed.get_or_insert(error);
                self.captures.clear();
            }
        }
    }

    #[inline]
    pub(super) fn says(&mut self, now: Instant, whose: Whose, role: Role, view: &TcpView<'_>, vitals: Option<&Vitals>) {
        if let Some(sequence) = self.drawn(now, whose) {
            sequence.senders[role as usize].says(now, view, vitals);
            sequence.note_room(now);
        }
    }

    #[inline]
    pub(super) fn hears(&mut self, now: Instant, whose: Whose, role: Role, view: &TcpView<'_>) {
        if let Some(sequence) = self.drawn(now, whose) {
            sequence.senders[role as usize].hears(now, view);
            sequence.note_room(now);
        }
    }

    /// The graph of this connection. Outside the part of the time that is wanted it is followed, and nothing is kept.
    fn drawn(&mut self, now: Instant, whose: Whose) -> Option<&mut Sequence> {
        let wanted = self.zoom.as_ref().is_none_or(|zoom| zoom.contains(&now));
        let sequence = self.sequence.as_mut().filter(|sequence| !self.stopped && sequence.flow == whose.flow)?;
        if *sequence.connection.get_or_insert(whose.connection) != whose.connection {
            return None;
        }
        let keeps = wanted && sequence.full_at.is_none();
        sequence.senders.iter_mut().for_each(|sender| sender.keeps = keeps);
        Some(sequence)
    }

    /// When [`Self::sample`] is to be called next; `None` if never.
    pub(super) fn next_sample(&self) -> Option<Instant> {
        self.series.as_ref().filter(|_| !self.sampled).map(|samples| samples.next)
    }

    /// Keeps octets in the queue, what each connection's ends have read, and what each end of an open one tells when it is
    /// asked.
    pub(super) fn sample(
        &mut self,
        queued: u64,
        connections: impl Iterator<Item = Progress>,
        told: impl Fn(usize, usize) -> Option<TcpInfo>,
    ) {
        if let Some(samples) = &mut self.series {
            samples.take(queued, connections, self.zoom.as_ref(), told);
        }
    }
}

/// Which connection, and which of the scenario's flows it belongs to; both counted from 0.
#[derive(Clone, Copy)]
pub(super) struct Whose {
    pub(super) flow: usize,
    pub(super) connection: usize,
}

/// How far a connection is.
pub(super) struct Progress {
    pub(super) whose: Whose,
    /// Octets that have been read where it was connected from, and where it was listened for.
    pub(super) read: [u64; 2],
    pub(super) is_open: bool,
}

/// One flow, as both its ends see it.
struct Sequence {
    flow: usize,
    /// The first that the flow opened, once it has.
    connection: Option<usize>,
    /// What the client sends and is told, and the same of the server.
    senders: [Sender; 2],
    /// Events that may be kept, and when they were as many.
    room: usize,
    full_at: Option<Instant>,
}

/// What one end sends and is told.
#[derive(Default)]
struct Sender {
    events: Vec<Event>,
    marks: Vec<Mark>,
    lines: Lines,
    /// What happens is drawn.
    keeps: bool,
    /// Octets of text, each as often as it was sent.
    carried: u64,
    iss: Option<SeqNumber>,
    /// The last sequence number as an offset that doesn't wrap.
    last: u64,
    sent_to: u64,
    /// The window's right edge, and timeouts and tail loss probes so far.
    edge: u64,
    timeouts: u64,
    probes: u64,
    shift: u8,
}

impl Sequence {
    fn of(flow: usize) -> Self {
        Self { flow, connection: None, senders: Default::default(), room: MOST_EVENTS, full_at: None }
    }

    /// The end that sends more.
    fn busier(&self) -> &Sender {
        let [client, server] = &self.senders;
        if server.carried > client.carried { server } else { client }
    }

    /// Once there are as many events as may be, no more are kept.
    fn note_room(&mut self, now: Instant) {
        let kept = |sender: &Sender| sender.events.len() + sender.marks.len();
        if self.senders.iter().map(kept).sum::<usize>() >= self.room {
            self.full_at.get_or_insert(now);
        }
    }
}

impl Sender {
    /// The offset of a sequence number, near the last one.
    fn offset(&mut self, seq: SeqNumber) -> Option<u64> {
        let iss = self.iss?;
        let low = u64::from(seq.since(iss));
        let high = self.last & !0xffff_ffff;
        let near = [high.checked_sub(1 << 32).map(|high| high + low), Some(high + low), Some(high + low + (1 << 32))];
        let offset = near.into_iter().flatten().min_by_key(|offset| offset.abs_diff(self.last))?;
        self.last = self.last.max(offset);
        Some(offset)
    }

    fn mark(&mut self, at: Instant, seq: u64, text: &str) {
        if self.keeps {
            self.marks.push(Mark { at, seq, text: text.to_owned() });
        }
    }

    fn draw(&mut self, at: Instant, what: What) {
        if self.keeps {
            self.events.push(Event { at, what });
        }
    }

    fn says(&mut self, now: Instant, view: &TcpView<'_>, vitals: Option<&Vitals>) {
        let flags = view.flags();
        if flags.syn {
            self.iss.get_or_insert(view.seq());
        }
        let Some(start) = self.offset(view.seq()) else {
            return;
        };
        for (is_set, word) in [(flags.syn, "SYN"), (flags.fin, "FIN"), (flags.rst, "RST")] {
            if is_set {
                self.mark(now, start, word);
            }
        }
        let length = view.payload().len() as u64;
        if length == 0 {
            return;
        }
        let end = start + length;
        self.carried += length;
        let told = |vitals: &Vitals| (vitals.timeouts, vitals.tail_probes);
        let (timeouts, probes) = vitals.map_or((self.timeouts, self.probes), told);
        let why = if probes > self.probes {
            Sending::TailProbe
        } else if end > self.sent_to {
            if length == 1 && end > self.edge { Sending::WindowProbe } else { Sending::New }
        } else if timeouts > self.timeouts {
            Sending::Timeout
        } else {
            Sending::Fast
        };
        (self.timeouts, self.probes) = (timeouts, probes);
        self.sent_to = self.sent_to.max(end);
        self.draw(now, What::Sent(start..end, why));
    }

    fn hears(&mut self, now: Instant, view: &TcpView<'_>) {
        let flags = view.flags();
        let options = view.options();
        if flags.syn {
            self.shift = options.window_scale.unwrap_or(0).min(14);
        }
        if flags.rst {
            self.mark(now, self.last, "RST");
        }
        let Some(ack) = self.offset(view.ack()).filter(|_| flags.ack && !flags.rst) else {
            return;
        };
        let window = u64::from(view.window()) << if flags.syn { 0 } else { self.shift };
        self.edge = self.edge.max(ack + window);
        let moved = self.lines.heard(view.seq(), ack, window);
        moved.into_iter().for_each(|what| self.draw(now, what));
        let mut blocks = Vec::new();
        for block in &options.sack {
            blocks.extend(self.offset(block.left).zip(self.offset(block.right)).map(|(left, right)| left..right));
        }
        plot::sacked(&blocks, ack).for_each(|what| self.draw(now, what));
    }
}

/// Values at regular times.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    interval: Duration,
    next: Instant,
    /// When.
    pub times: Vec<Instant>,
    /// Octets in the queue of the bottleneck, left to right.
    pub queue: Vec<u64>,
    /// Each flow of the scenario, in its order.
    pub flows: Vec<FlowSamples>,
}

/// Values of one flow at regular times.
#[derive(Clone, Debug, Default)]
pub struct FlowSamples {
    /// Which of the scenario's flows, counted from 0.
    pub flow: usize,
    /// Connections of which it consists.
    pub connections: usize,
    /// Octets that those who connected have read at each of [`Samples::times`], and those who listened.
    pub read: Vec<[u64; 2]>,
    /// What each end of its oldest open connection tells, and when.
    told: [Vec<FlowSample>; 2],
    open: Option<usize>,
}

impl FlowSamples {
    /// Octets read at each of [`Samples::times`] by whichever side reads more in the end.
    pub fn delivered(&self) -> impl Iterator<Item = u64> + '_ {
        let [clients, servers] = self.read.last().copied().unwrap_or_default();
        let side = usize::from(servers >= clients);
        self.read.iter().map(move |read| read[side])
    }

    /// What the end of its oldest open connection tells that sends more, and when. Nothing of those times at which 64 other
    /// flows had read more.
    pub fn rows(&self) -> &[FlowSample] {
        let [clients, servers] = self.read.last().copied().unwrap_or_default();
        let [client, server] = &self.told;
        if clients > servers { server } else { client }
    }

    /// The last of [`Self::delivered`].
    pub fn total(&self) -> u64 {
        self.read.last().map_or(0, largest)
    }
}

fn largest(read: &[u64; 2]) -> u64 {
    read.iter().copied().max().unwrap_or(0)
}

/// Values of one flow at one time.
#[derive(Clone, Copy, Debug)]
pub struct FlowSample {
    /// When.
    pub at: Instant,
    /// What its oldest open connection tells.
    pub info: TcpInfo,
    /// Octets that the other ends of all its connections have read.
    pub delivered: u64,
}

impl Samples {
    /// More flows than that are not asked for everything at once: no picture shows so many.
    const ASKED: usize = 64;

    fn take(
        &mut self,
        queued: u64,
        connections: impl Iterator<Item = Progress>,
        zoom: Option<&Range<Instant>>,
        told: impl Fn(usize, usize) -> Option<TcpInfo>,
    ) {
        let at = self.next;
        self.count(connections);
        let mut open: Vec<&mut FlowSamples> = self.flows.iter_mut().filter(|flow| flow.open.is_some()).collect();
        // Stable: of equals the first are asked.
        open.sort_by_key(|flow| Reverse(flow.total()));
        let asked = if zoom.is_none_or(|zoom| zoom.contains(&at)) { Self::ASKED } else { 0 };
        for flow in open.into_iter().take(asked) {
            let [clients, servers] = flow.read.last().copied().unwrap_or_default();
            for (end, (rows, delivered)) in flow.told.iter_mut().zip([servers, clients]).enumerate() {
                let info = flow.open.and_then(|connection| told(connection, end));
                rows.extend(info.map(|info| FlowSample { at, info, delivered }));
            }
        }
        self.times.push(at);
        self.queue.push(queued);
        self.next = at + self.interval;
    }

    /// Sums what has been read by flow, and finds out which connection of each is to be asked.
    fn count(&mut self, connections: impl Iterator<Item = Progress>) {
        for flow in &mut self.flows {
            flow.read.push([0; 2]);
            (flow.connections, flow.open) = (0, None);
        }
        for Progress { whose, read, is_open } in connections {
            while self.flows.len() <= whose.flow {
                let flow = self.flows.len();
                self.flows.push(FlowSamples { flow, read: vec![[0; 2]], ..FlowSamples::default() });
            }
            let flow = &mut self.flows[whose.flow];
            flow.connections += 1;
            flow.open = flow.open.or(is_open.then_some(whose.connection));
            for (sum, read) in flow.read.iter_mut().last().into_iter().flatten().zip(read) {
                *sum += read;
            }
        }
    }

    /// The time from one sample to the next.
    pub const fn interval(&self) -> Duration {
        self.interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Scenario, Simulation};

    #[test]
    fn a_picture_that_would_take_too_much_memory_ends_early() {
        let text = "forward = \"rate 10mbit delay 20ms limit 100\"\nback = \"rate 10mbit delay 20ms\"\n[[flow]]\napplication = { kind = \"bulk\", bytes = 400_000 }\n";
        let scenario: Scenario = text.parse().unwrap();
        let run = |room| {
            let mut record = Record::nothing().sequence_of(0);
            record.sequence.as_mut().unwrap().room = room;
            Simulation::new(&scenario, record).unwrap().finish_with_record().1
        };
        let whole = run(MOST_EVENTS);
        assert_eq!(whole.sequence_ends(), None);
        let cut = run(100);
        let kept: usize =
            cut.sequence.iter().flat_map(|it| &it.senders).map(|it| it.events.len() + it.marks.len()).sum();
        assert!((100..110).contains(&kept), "{kept}");
        let (events, _) = cut.sequence().unwrap();
        assert_eq!(events, &whole.sequence().unwrap().0[..events.len()]);
        assert!(cut.sequence_ends().is_some_and(|at| at > Duration::ZERO));
    }
}
