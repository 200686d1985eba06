//! Takes what comes and answers by the segment alone: all that it would have to remember stands in the acknowledgment
//! number of the segment that it answers.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sockeye_wire::checksum::Sum;
use sockeye_wire::tcp::Flags;

use super::{Arrived, Segment, Wire};

/// What text is answered by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// ACKs for all that has come in 256 KiB, of however many connections, or when nothing more waits: once for what our stack
    /// takes in at a time.
    Ack,
    /// One octet, at once.
    Echo,
}

/// Octets after which ACKs leave even if more waits: as many as end a batch of our devices.
const ACK_EVERY: u32 = 256 * 1024;

pub fn run(wire: &Wire, answer: Answer, spins: bool, stop: &AtomicBool) -> io::Result<()> {
    let mut buffer = vec![0; 70_000];
    let mut owed = Owed::default();
    while !stop.load(Ordering::Relaxed) {
        if let Some(arrived) = wire.read(&mut buffer)? {
            take(wire, answer, &arrived, &mut owed)?;
        } else {
            owed.send_all(wire)?;
            wire.wait(Duration::from_millis(50), spins)?;
        }
    }
    Ok(())
}

/// ACKs that wait for the end of a batch, by port.
#[derive(Default)]
struct Owed {
    acks: Vec<(u16, Segment)>,
    /// Octets of the batch so far.
    octets: u32,
}

impl Owed {
    /// Owes an ACK for `octets` more; true if the batch is over.
    fn add(&mut self, port: u16, ack: Segment, octets: u32) -> bool {
        self.octets += octets;
        match self.acks.iter_mut().find(|(owed, _)| *owed == port) {
            Some((_, owed)) => *owed = ack,
            None => self.acks.push((port, ack)),
        }
        self.octets >= ACK_EVERY
    }

    fn send_all(&mut self, wire: &Wire) -> io::Result<()> {
        self.octets = 0;
        while let Some((port, ack)) = self.acks.pop() {
            wire.write(port, &ack, &[], Sum::default())?;
        }
        Ok(())
    }
}

fn take(wire: &Wire, answer: Answer, arrived: &Arrived, owed: &mut Owed) -> io::Result<()> {
    let &Arrived { port, seq, ack, flags, text, .. } = arrived;
    if flags.syn {
        wire.write(port, &Segment::syn_ack(seq + 1), &[], Sum::default())?;
    } else if flags.fin {
        owed.send_all(wire)?;
        let segment = Segment { flags: Flags { fin: true, ..Flags::ACK }, ..Segment::plain(ack, seq + text + 1) };
        wire.write(port, &segment, &[], Sum::default())?;
    } else if text > 0 && answer == Answer::Echo {
        let mut sum = Sum::default();
        sum.add(b"x");
        wire.write(port, &Segment::plain(ack, seq + text), b"x", sum)?;
    } else if text > 0 && owed.add(port, Segment::plain(ack, seq + text), text) {
        owed.send_all(wire)?;
    }
    Ok(())
}
