//! A short packet ladder: what one small connection looked like.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sockeye_device::{Capabilities, Clock, Counters, Device, Outgoing, Packet};
use sockeye_wire::ip::{IpView, protocol};
use sockeye_wire::tcp::{Flags, TcpView};
use sockeye_wire::{Instant, SeqNumber};

use crate::times;

/// The port whose packets are drawn.
pub const PORT: u16 = 7777;
/// Packets that are kept.
const MAX: usize = 24;

/// What was seen of the port's packets.
pub struct Ladder {
    clock: Clock,
    steps: Mutex<Vec<Step>>,
    /// The connection is over: nothing more is looked at.
    is_over: AtomicBool,
}

struct Step {
    at: Instant,
    leaves: bool,
    flags: Flags,
    seq: SeqNumber,
    ack: SeqNumber,
    text: usize,
}

impl Ladder {
    pub fn new(clock: Clock) -> Self {
        Self { clock, steps: Mutex::default(), is_over: AtomicBool::new(false) }
    }

    /// The small connection is over: what follows passes untouched.
    pub fn close(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    fn is_open(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    fn see(&self, at: Instant, leaves: bool, packet: &[u8]) {
        let Ok(view) = IpView::parse(packet) else { return };
        if view.protocol() != protocol::TCP {
            return;
        }
        let Ok(tcp) = TcpView::parse(view.payload()) else { return };
        if tcp.source_port() != PORT && tcp.destination_port() != PORT {
            return;
        }
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        if steps.len() < MAX {
            let text = tcp.payload().len();
            steps.push(Step { at, leaves, flags: tcp.flags(), seq: tcp.seq(), ack: tcp.ack(), text });
        }
    }

    /// The ladder: the other side on the left, we on the right, time downwards.
    pub fn draw(&self) -> String {
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let first = |leaves: bool| steps.iter().find(|step| step.leaves == leaves).map(|step| step.seq);
        let (theirs, ours) = (first(false), first(true));
        let start = steps.first().map_or(Instant::ZERO, |step| step.at);
        let mut drawn = String::from("one small connection, octets counted from each side's SYN:\n\n");
        let _ = writeln!(drawn, "  {:>10}  them {:^42} us", "ms", "");
        for step in steps.iter() {
            let (own, other) = if step.leaves { (ours, theirs) } else { (theirs, ours) };
            let seq = step.seq.since(own.unwrap_or(step.seq));
            let mut label = format!("{} {seq}", names(step.flags));
            if step.text > 0 {
                let _ = write!(label, ", {} octets", step.text);
            }
            if let Some(other) = other.filter(|_| step.flags.ack) {
                let _ = write!(label, ", ack {}", step.ack.since(other));
            }
            let millis = times::millis(step.at.since(start));
            let line = format!(" {label} ");
            let arrow = if step.leaves { format!("<{line:-^42}-") } else { format!("-{line:-^42}>") };
            let _ = writeln!(drawn, "  {millis:>10.3}   |  {arrow}  |");
        }
        drawn
    }
}

/// The flags in words.
fn names(flags: Flags) -> String {
    let all = [(flags.syn, "SYN"), (flags.fin, "FIN"), (flags.rst, "RST"), (flags.psh, "PSH"), (flags.ack, "ACK")];
    all.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

/// A device whose packets a [`Ladder`] sees.
pub struct Watched<D> {
    device: D,
    ladder: Arc<Ladder>,
}

impl<D> Watched<D> {
    pub const fn new(device: D, ladder: Arc<Ladder>) -> Self {
        Self { device, ladder }
    }
}

impl<D: Device> Device for Watched<D> {
    fn capabilities(&self) -> Capabilities {
        self.device.capabilities()
    }

    fn receive(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        let before = batch.len();
        let count = self.device.receive(now, batch, max)?;
        if self.ladder.is_open() {
            batch.iter().skip(before).for_each(|packet| self.ladder.see(now, false, &packet.bytes));
        }
        Ok(count)
    }

    fn transmit(&self, batch: &mut VecDeque<Outgoing>) -> io::Result<usize> {
        if self.ladder.is_open() {
            let now = self.ladder.clock.now();
            batch.iter().for_each(|packet| self.ladder.see(now, true, &packet.to_bytes()));
        }
        self.device.transmit(batch)
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.device.as_fd()
    }

    fn counters(&self) -> Counters {
        self.device.counters()
    }

    fn is_low_on_buffers(&self) -> bool {
        self.device.is_low_on_buffers()
    }
}
