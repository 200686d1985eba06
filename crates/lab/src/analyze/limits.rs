//! What keeps a side from sending: the other's window, congestion control, or its own application.
//!
//! A capture sees an ACK when it passes by. The side that it is for learns of it later, and what that sends comes by later
//! still: a round trip to that side after the ACK. So what a side knew when it sent something is what went by that long ago.

use std::collections::VecDeque;
use std::time::Duration;

use sockeye_wire::Instant;

/// What kept new octets waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The octets before them had filled the offered window.
    Window,
    /// They left with an ACK, or while a loss was repaired.
    Congestion,
    /// Nothing that can be seen.
    Application,
}

/// News for the side, as they went by.
#[derive(Clone, Copy, Debug)]
struct Told {
    at: Instant,
    /// One past the last octet that the other side is ready to take; 0 if that isn't known.
    edge: i64,
}

/// What one side was told, and when it last sent something new.
#[derive(Debug, Default)]
pub struct Limits {
    /// The oldest is the last that the side knows of; behind it those on their way.
    told: VecDeque<Told>,
    /// When new octets were last sent; before the first, when the handshake was over.
    last_new_at: Option<Instant>,
    /// None were sent since the handshake.
    is_first: bool,
    /// The window was full when new octets were last sent.
    filled: bool,
}

/// How far it is from the capture to the side and back, and over the whole path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paths {
    pub to_side: Duration,
    pub whole: Duration,
}

impl Paths {
    /// What leaves within that time after something leaves because of it.
    pub fn prompt(self) -> Duration {
        (self.whole / 8).max(Duration::from_millis(1))
    }
}

impl Limits {
    /// News that are remembered at most, for a side that sends nothing.
    const MOST: usize = 64;

    /// The side was told that octets arrived, or how far the window reaches.
    pub fn told(&mut self, at: Instant, edge: i64, paths: Paths) {
        self.forget(at, paths);
        match self.told.back_mut() {
            // Many ACKs in a moment are one: this needs no more memory than there are moments in a round trip.
            Some(last) if at.since(last.at) < paths.prompt() / 4 => last.edge = edge,
            _ => self.told.push_back(Told { at, edge }),
        }
        if self.told.len() > Self::MOST {
            self.told.pop_front();
        }
    }

    /// The handshake is over: from now on the side may send text, if its application has some.
    pub fn opened(&mut self, at: Instant) {
        if self.last_new_at.is_none() {
            (self.last_new_at, self.is_first) = (Some(at), true);
        }
    }

    /// New octets up to `end` were sent: what had kept them waiting since the last, and for how long.
    pub fn sent(&mut self, now: Instant, end: i64, mss: u32, repairs: bool, paths: Paths) -> Option<(Limit, Duration)> {
        self.forget(now, paths);
        let known = self.told.front().filter(|told| now.since(told.at) >= paths.to_side);
        let is_prompt = known.is_some_and(|told| now.since(told.at) <= paths.to_side + paths.prompt());
        let limit = match () {
            () if std::mem::take(&mut self.is_first) => Limit::Application,
            () if self.filled => Limit::Window,
            () if is_prompt || repairs => Limit::Congestion,
            () => Limit::Application,
        };
        self.filled = known.is_some_and(|told| told.edge > 0 && end + i64::from(mss) > told.edge);
        let before = self.last_new_at.replace(now)?;
        Some((limit, now.since(before)))
    }

    /// Forgets what the side no longer goes by.
    fn forget(&mut self, now: Instant, paths: Paths) {
        while self.told.get(1).is_some_and(|next| now.since(next.at) >= paths.to_side) {
            self.told.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: Paths = Paths { to_side: Duration::from_millis(40), whole: Duration::from_millis(40) };

    fn sent(limits: &mut Limits, millis: u64, end: i64) -> Option<(Limit, u128)> {
        let limit = limits.sent(Instant::from_millis(millis), end, 1000, false, FAR)?;
        Some((limit.0, limit.1.as_millis()))
    }

    #[test]
    fn what_comes_a_round_trip_after_an_ack_was_waiting_for_it() {
        let mut limits = Limits::default();
        assert_eq!(sent(&mut limits, 0, 1000), None);
        limits.told(Instant::from_millis(10), 100_000, FAR);
        assert_eq!(sent(&mut limits, 51, 2000), Some((Limit::Congestion, 51)));
        assert_eq!(sent(&mut limits, 90, 3000), Some((Limit::Application, 39)));
    }

    #[test]
    fn nothing_but_the_application_holds_back_the_first_octets() {
        let mut limits = Limits::default();
        limits.told(Instant::from_millis(10), 5000, FAR);
        limits.opened(Instant::from_millis(20));
        assert_eq!(sent(&mut limits, 50, 1000), Some((Limit::Application, 30)));
        assert_eq!(sent(&mut limits, 51, 2000), Some((Limit::Congestion, 1)));
    }

    #[test]
    fn the_window_is_the_one_that_the_side_knew() {
        let mut limits = Limits::default();
        limits.told(Instant::from_millis(10), 5000, FAR);
        assert_eq!(sent(&mut limits, 50, 5000), None);
        limits.told(Instant::from_millis(60), 9000, FAR); // not there yet when the next is sent
        assert_eq!(sent(&mut limits, 70, 5000), Some((Limit::Window, 20)));
        assert_eq!(sent(&mut limits, 101, 6000), Some((Limit::Window, 31)));
        assert_eq!(sent(&mut limits, 102, 7000), Some((Limit::Congestion, 1)));
    }

    #[test]
    fn little_is_remembered() {
        let mut limits = Limits::default();
        for micros in 0..1_000_000 {
            limits.told(Instant::from_nanos(micros * 1000), 7, FAR);
        }
        assert!(limits.told.len() <= 40, "{}", limits.told.len());
        let endless = Paths { to_side: Duration::MAX, ..FAR };
        for second in 1..1000 {
            limits.told(Instant::from_millis(second * 1000), 7, endless);
        }
        assert!(limits.told.len() <= Limits::MOST);
    }
}
