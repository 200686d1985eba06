//! What a device counts: each reason for losing a packet has a name, under which it is shown.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something that a device counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Counter {
    /// Packets handed up.
    Received,
    /// Packets sent.
    Sent,
    /// Times that [`transmit`](crate::Device::transmit) left packets with its caller because the queue was full.
    QueueFull,
    /// Packets lost because they were longer than the MTU.
    TooLong,
    /// Packets lost because the link was down, or nobody at its other end; `AF_XDP`: that the kernel has dropped for any reason,
    /// after they counted as sent.
    LinkDown,
    /// Packets lost because the operating system had no memory for them.
    NoMemory,
    /// Packets lost because the operating system refused them for another reason.
    Refused,
    /// TAP: packets lost because nobody answered for their next hop, too many waited for its answer, or there was no room for
    /// them when it came.
    Unresolved,
    /// TAP: frames that were not for us, or carried no IP.
    NotForUs,
    /// Frames whose offload header contradicts them; TAP: also malformed ARP and neighbour discovery.
    Malformed,
    /// An interface of the kernel's: frames lost because too many waited to be received.
    Overrun,
}

impl Counter {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::Received,
        Self::Sent,
        Self::QueueFull,
        Self::TooLong,
        Self::LinkDown,
        Self::NoMemory,
        Self::Refused,
        Self::Unresolved,
        Self::NotForUs,
        Self::Malformed,
        Self::Overrun,
    ];

    /// A stable name in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Sent => "sent",
            Self::QueueFull => "queue_full",
            Self::TooLong => "too_long",
            Self::LinkDown => "link_down",
            Self::NoMemory => "no_memory",
            Self::Refused => "refused",
            Self::Unresolved => "unresolved",
            Self::NotForUs => "not_for_us",
            Self::Malformed => "malformed",
            Self::Overrun => "overrun",
        }
    }
}

/// What a device has counted since it was made; shown as `name=value`, those that aren't 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters([u64; Counter::ALL.len()]);

impl Counters {
    /// The value of one.
    pub fn get(&self, counter: Counter) -> u64 {
        self.0.get(counter as usize).copied().unwrap_or_default()
    }

    /// All of them, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, u64)> {
        Counter::ALL.into_iter().zip(self.0)
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        for (counter, value) in self.iter().filter(|(_, value)| *value > 0) {
            write!(f, "{gap}{}={value}", counter.name())?;
            gap = " ";
        }
        Ok(())
    }
}

/// Counters that several threads raise.
#[derive(Debug, Default)]
pub(crate) struct Tally([AtomicU64; Counter::ALL.len()]);

impl Tally {
    pub(crate) fn add(&self, counter: Counter, count: usize) {
        if let Some(cell) = self.0.get(counter as usize) {
            cell.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    pub(crate) fn snapshot(&self) -> Counters {
        Counters(std::array::from_fn(|at| self.0.get(at).map_or(0, |cell| cell.load(Ordering::Relaxed))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counter_has_its_own_cell_and_name() {
        let tally = Tally::default();
        for (at, counter) in Counter::ALL.into_iter().enumerate() {
            tally.add(counter, at + 1);
        }
        let counters = tally.snapshot();
        for (at, (counter, value)) in counters.iter().enumerate() {
            assert_eq!(value, at as u64 + 1);
            assert_eq!(counters.get(counter), value);
            assert_eq!(Counter::ALL.iter().filter(|other| other.name() == counter.name()).count(), 1);
        }
        assert!(counters.to_string().starts_with("received=1 sent=2 queue_full=3"));
    }
}
