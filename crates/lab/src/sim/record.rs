//! What a run leaves behind besides its figures: captures, time-sequence graphs, values over time.

use std::cmp::Reverse;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;
use std::time::Duration;

use sockeye::TcpInfo;
use sockeye_device::pcapng::{Way, Writer};
use sockeye_tcb::Vitals;
use sockeye_wire::tcp::TcpView;
use sockeye_wire::{Instant, SeqNumber};

use super::application::Role;
use crate::plot::{Event, Mark, Sending, What};

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

    /// Keeps what the client of the scenario's flow `flow`, counted from 0, sends and is told; of many connections, that of
    /// the first.
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

    /// The time-sequence graph's events and marks, if they were kept.
    pub fn sequence(&self) -> Option<(&[Event], &[Mark])> {
        self.sequence.as_ref().map(|sequence| (&sequence.events[..], &sequence.marks[..]))
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
        if let Some(sequence) = self.drawn(whose, role) {
            sequence.says(now, view, vitals);
        }
    }

    #[inline]
    pub(super) fn hears(&mut self, now: Instant, whose: Whose, role: Role, view: &TcpView<'_>) {
        if let Some(sequence) = self.drawn(whose, role) {
            sequence.hears(now, view);
        }
    }

    fn drawn(&mut self, whose: Whose, role: Role) -> Option<&mut Sequence> {
        let wanted = role == Role::Client && !self.stopped;
        let sequence = self.sequence.as_mut().filter(|sequence| wanted && sequence.flow == whose.flow)?;
        (*sequence.connection.get_or_insert(whose.connection) == whose.connection).then_some(sequence)
    }

    /// When [`Self::sample`] is to be called next; `None` if never.
    pub(super) fn next_sample(&self) -> Option<Instant> {
        self.series.as_ref().filter(|_| !self.sampled).map(|samples| samples.next)
    }

    /// Keeps octets in the queue, what each connection's ends have read, and what an open one tells when it is asked.
    pub(super) fn sample(
        &mut self,
        queued: u64,
        connections: impl Iterator<Item = Progress>,
        told: impl Fn(usize) -> Option<TcpInfo>,
    ) {
        if let Some(samples) = &mut self.series {
            samples.take(queued, connections, told);
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

/// One flow, as its client sees it.
struct Sequence {
    flow: usize,
    /// The first that the flow opened, once it has.
    connection: Option<usize>,
    events: Vec<Event>,
    marks: Vec<Mark>,
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
    const fn of(flow: usize) -> Self {
        Self {
            flow,
            connection: None,
            events: Vec::new(),
            marks: Vec::new(),
            iss: None,
            last: 0,
            sent_to: 0,
            edge: 0,
            timeouts: 0,
            probes: 0,
            shift: 0,
        }
    }

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
        self.marks.push(Mark { at, seq, text: text.to_owned() });
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
        self.events.push(Event { at: now, what: What::Sent(start..end, why) });
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
        self.events.push(Event { at: now, what: What::Acked { ack, window } });
        for (index, block) in options.sack.iter().enumerate() {
            let (Some(left), Some(right)) = (self.offset(block.left), self.offset(block.right)) else { continue };
            // A first block below the ACK, or inside the second, tells of a duplicate (RFC 2883).
            let twice = index == 0 && right <= ack;
            let what = if twice { What::SackedTwice(left..right) } else { What::Sacked(left..right) };
            self.events.push(Event { at: now, what });
        }
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
    /// What the client of its oldest open connection tells, and when. Nothing of those times at which 64 other flows had
    /// read more.
    pub rows: Vec<FlowSample>,
    open: Option<usize>,
}

impl FlowSamples {
    /// Octets read at each of [`Samples::times`] by whichever side reads more in the end.
    pub fn delivered(&self) -> impl Iterator<Item = u64> + '_ {
        let [clients, servers] = self.read.last().copied().unwrap_or_default();
        let side = usize::from(servers >= clients);
        self.read.iter().map(move |read| read[side])
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
    /// Octets that the servers of all its connections have read.
    pub delivered: u64,
}

impl Samples {
    /// More flows than that are not asked for everything at once: no picture shows so many.
    const ASKED: usize = 64;

    fn take(
        &mut self,
        queued: u64,
        connections: impl Iterator<Item = Progress>,
        told: impl Fn(usize) -> Option<TcpInfo>,
    ) {
        let at = self.next;
        self.count(connections);
        let mut open: Vec<&mut FlowSamples> = self.flows.iter_mut().filter(|flow| flow.open.is_some()).collect();
        // Stable: of equals the first are asked.
        open.sort_by_key(|flow| Reverse(flow.total()));
        for flow in open.into_iter().take(Self::ASKED) {
            let delivered = flow.read.last().map_or(0, |[_, servers]| *servers);
            let info = flow.open.and_then(&told);
            flow.rows.extend(info.map(|info| FlowSample { at, info, delivered }));
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
