//! How large the receive buffer is to be: dynamic right-sizing, as Linux does it (`tcp_rcv_space_adjust`).
//!
//! What the application reads in a round trip is what the path brings and the application takes; a window of twice that is
//! never what the peer waits for. What it reads at once, when a hole before it is filled or when it has slept, the path has brought in
//! more than one: so what has arrived in this one, in order or not, is the most that counts. A round trip is over, as far as a receiver can tell, when text arrives that answers an
//! ACK of ours sent since it began: by its timestamp, or, where the two sides have none, because it lies beyond what the
//! window let the peer send by then. That takes several round trips if the window is wider than the path; the buffer then
//! becomes larger than it need be.

use alloc::boxed::Box;
use core::time::Duration;

use sockeye_wire::tcp::Timestamps;
use sockeye_wire::{Instant, SeqNumber};

use super::RecvSide;
use crate::negotiated::timestamp;

/// What an application is taken to read in its first round trip: an initial window (Linux, `tcp_init_buffer_space`).
const FIRST: u32 = 10 * 1460;
/// The shortest round trip that is measured: a tick of the timestamp clock.
const SHORTEST: Duration = Duration::from_millis(1);

/// The measure of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Autotune {
    /// When the present round trip began.
    began: Instant,
    /// Up to where the application had read by then.
    read_to: SeqNumber,
    /// The octets that had arrived by then, in order or not, modulo 2^32.
    arrived: u32,
    /// What showed then: our timestamp clock, or the right edge of the window.
    mark: u32,
    /// The most octets that the application ever read in one.
    most: u32,
    /// The round-trip time in microseconds, which falls at once and rises slowly; 0 before the first sample.
    rtt: u32,
}

impl Autotune {
    /// Nothing was read yet.
    pub(super) const fn new(now: Instant, rcv_nxt: SeqNumber, arrived: u32, mark: u32) -> Self {
        Self { began: now, read_to: rcv_nxt, arrived, mark, most: FIRST, rtt: 0 }
    }

    /// True if text that arrives `now` answers what was sent after the round began; `shows` is its echo of our clock, or
    /// RCV.NXT.
    fn is_over(&self, now: Instant, shows: u32) -> bool {
        !Timestamps::is_older(shows, self.mark) && now >= self.began + SHORTEST
    }

    /// A round is over, of which one round trip took `sample`; the application has read up to `read_to`, and `arrived` octets
    /// have come. What the buffer should be by this, if it was the best round so far.
    fn next_round(
        &mut self,
        now: Instant,
        (read_to, arrived): (SeqNumber, u32),
        mark: u32,
        sample: Duration,
    ) -> Option<u32> {
        let sample = u32::try_from(sample.as_micros()).unwrap_or(u32::MAX).max(1);
        // A pause of the peer makes a sample too long, nothing makes one too short.
        let rises = self.rtt > 0 && sample > self.rtt;
        self.rtt = if rises { self.rtt + (sample - self.rtt) / 8 } else { sample };
        let octets = read_to.since(self.read_to).min(arrived.wrapping_sub(self.arrived));
        let last = self.most;
        *self = Self { began: now, read_to, arrived, mark, most: octets.max(last), rtt: self.rtt };
        (octets > last).then(|| wanted(octets, last))
    }
}

/// The buffer for an application that has read `octets` in a round trip, and never more than `last` before: twice that,
/// and twice more by the growth, for a peer in slow start will have sent as much again before it hears of the window.
fn wanted(octets: u32, last: u32) -> u32 {
    let (octets, last) = (u64::from(octets), u64::from(last.max(1)));
    let twice = 2 * octets;
    u32::try_from(twice + 2 * twice * (octets - last) / last).unwrap_or(u32::MAX)
}

/// A timestamp of ours that came back, and the offset of our clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Returned {
    pub(crate) value: u32,
    pub(crate) offset: u32,
}

impl RecvSide {
    /// Text has arrived, in order or not; `returned` is the timestamp that it echoes, if the two sides use them. The buffer may
    /// grow up to `limit` octets.
    pub(crate) fn measure(&mut self, now: Instant, returned: Option<Returned>, limit: u32) {
        let shows = returned.map_or(self.rcv_nxt.value(), |returned| returned.value);
        if !self.is_round_over(now, shows) {
            return;
        }
        let (mark, sample) = if let Some(Returned { value, offset }) = returned {
            let clock = timestamp(now, offset);
            if Timestamps::is_older(clock, value) {
                return; // it is forged: we have not sent it yet
            }
            (clock, Duration::from_millis(clock.wrapping_sub(value).into()))
        } else {
            let began = self.autotune.as_ref().map_or(now, |autotune| autotune.began);
            ((self.rcv_nxt + self.rcv_wnd()).value(), now.since(began))
        };
        let read_to = self.rcv_nxt - self.queue.len();
        let waiting = self.reassembly.as_ref().map_or(0, |reassembly| reassembly.octets());
        #[expect(clippy::cast_possible_truncation, reason = "modulo 2^32")]
        let arrived = (self.queue.end() as u32).wrapping_add(waiting);
        let Some(autotune) = &mut self.autotune else {
            self.autotune = Some(Box::new(Autotune::new(now, read_to, arrived, mark)));
            return;
        };
        if let Some(wanted) = autotune.next_round(now, (read_to, arrived), mark, sample) {
            // What waits for what is missing takes room that the peer needs meanwhile.
            let wanted = wanted.saturating_add(waiting).min(limit);
            if wanted > self.buffer {
                self.set_buffer(wanted);
            }
        }
    }

    /// True if a round is over; if none has begun yet, once so much was received that one is worth measuring.
    fn is_round_over(&self, now: Instant, shows: u32) -> bool {
        match &self.autotune {
            Some(autotune) => autotune.is_over(now, shows),
            None => self.queue.end() >= u64::from(FIRST),
        }
    }

    /// Octets that may wait to be read.
    pub(crate) const fn buffer(&self) -> u32 {
        self.window.buffer()
    }

    /// From now on at least `initial`, at most `limit` octets may wait to be read; what was promised stays promised.
    pub(crate) fn resize(&mut self, initial: u32, limit: u32) {
        self.set_buffer(self.buffer.max(initial).min(limit));
    }

    const fn set_buffer(&mut self, octets: u32) {
        self.buffer = octets;
        self.window.set_buffer(octets);
    }

    /// The stack is short of memory: no more than `initial` octets may wait to be read, but for what was promised. `None`
    /// ends it.
    pub(crate) fn press(&mut self, initial: Option<u32>) {
        self.window.set_buffer(initial.map_or(self.buffer, |initial| self.buffer.min(initial)));
    }

    /// The round-trip time as the receiver sees it, once it was measured, and the most octets that the application has
    /// read in one.
    pub(crate) fn rates(&self) -> (Option<Duration>, u32) {
        let (rtt, most) = self.autotune.as_ref().map_or((0, FIRST), |autotune| (autotune.rtt, autotune.most));
        ((rtt > 0).then(|| Duration::from_micros(rtt.into())), most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(50);

    /// An application that reads this much in each round trip: what the buffer should be after each.
    fn wishes(octets: &[u32]) -> alloc::vec::Vec<Option<u32>> {
        rounds(&octets.iter().map(|octets| (*octets, *octets)).collect::<alloc::vec::Vec<_>>())
    }

    /// The same if so much of what it reads in each arrives in it.
    fn rounds(octets: &[(u32, u32)]) -> alloc::vec::Vec<Option<u32>> {
        let mut autotune = Autotune::new(Instant::ZERO, SeqNumber::default(), 0, 0);
        let (mut now, mut read_to, mut arrived) = (Instant::ZERO, SeqNumber::default(), 0_u32);
        let next = |(read, came): &(u32, u32)| {
            now += RTT;
            read_to += *read;
            arrived = arrived.wrapping_add(*came);
            autotune.next_round(now, (read_to, arrived), 0, RTT)
        };
        octets.iter().map(next).collect()
    }

    #[test]
    fn what_is_read_at_once_behind_a_hole_came_in_more_than_one_round_trip() {
        let arriving = 2 * FIRST;
        let behind_a_hole = rounds(&[(arriving, arriving), (0, arriving), (0, arriving), (3 * arriving, arriving)]);
        assert_eq!(behind_a_hole, [Some(2 * 2 * FIRST * 3), None, None, None]);
    }

    #[test]
    fn twice_what_is_read_in_a_round_trip_and_more_while_it_grows() {
        let steady = wishes(&[FIRST, 2 * FIRST, 2 * FIRST, FIRST / 2, 2 * FIRST + 2]);
        let doubled = Some(2 * 2 * FIRST * 3);
        assert_eq!(steady, [None, doubled, None, None, Some(2 * (2 * FIRST + 2) + 8)]);
        assert_eq!(wishes(&[u32::MAX / 4]), [Some(u32::MAX)], "no overflow");
    }

    #[test]
    fn a_round_is_over_when_an_answer_to_what_was_sent_in_it_arrives() {
        let mut autotune = Autotune::new(Instant::ZERO, SeqNumber::default(), 0, 0);
        let start = Instant::ZERO + RTT;
        autotune.next_round(start, (SeqNumber::default(), 0), u32::MAX, RTT);
        assert!(!autotune.is_over(start + RTT, u32::MAX - 1), "it answers an older one");
        assert!(autotune.is_over(start + RTT, u32::MAX));
        assert!(autotune.is_over(start + RTT, 3), "the clock has wrapped");
        assert!(!autotune.is_over(start + SHORTEST / 2, u32::MAX), "within the same tick");
    }
}
