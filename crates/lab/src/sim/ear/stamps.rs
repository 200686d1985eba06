//! The peer's timestamps: which may be echoed, and which are so old that PAWS may drop their segments.

use sockeye_wire::tcp::Timestamps;

use super::super::invariants::{Broken, Invariant, broken};

/// What has arrived of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stamps {
    newest: Option<u32>,
    /// What may be echoed (RFC 7323 section 4.3): nothing older than the first, which came in a segment that counts beyond
    /// doubt, and nothing newer than the second.
    least: Option<u32>,
    most: Option<u32>,
}

impl Stamps {
    /// The connection begins, and the first timestamp that it echoes is this.
    pub(super) const fn begin(echo: Option<u32>) -> Self {
        Self { newest: echo, least: None, most: echo }
    }

    /// A segment arrives.
    pub(super) fn arrives(&mut self, timestamp: Option<u32>) {
        self.newest = later(self.newest, timestamp);
    }

    /// A segment that spans our last ACK arrives.
    pub(super) fn may_be_echoed(&mut self, timestamp: Option<u32>) {
        self.most = later(self.most, timestamp);
    }

    /// The same, and it counts beyond doubt.
    pub(super) fn is_to_be_echoed(&mut self, timestamp: Option<u32>) {
        self.least = later(self.least, timestamp);
    }

    /// A segment with a newer timestamp has arrived: PAWS may drop this one.
    pub(super) fn is_stale(&self, timestamp: Option<u32>) -> bool {
        matches!((timestamp, self.newest), (Some(value), Some(newest)) if Timestamps::is_older(value, newest))
    }

    /// A segment leaves that echoes a timestamp.
    pub(super) fn echoes(&self, echo: Option<u32>) -> Result<(), Broken> {
        let (Some(echo), Some(most)) = (echo, self.most) else {
            return Ok(());
        };
        if Timestamps::is_older(most, echo) || self.least.is_some_and(|least| Timestamps::is_older(echo, least)) {
            return broken(Invariant::EchoesAsHeard, move || {
                format!("timestamp {echo} is echoed, not {:?} to {most}", self.least)
            });
        }
        Ok(())
    }
}

/// The later of two timestamps.
const fn later(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    match (one, other) {
        (Some(a), Some(b)) if Timestamps::is_older(b, a) => one,
        (Some(_), None) => one,
        _ => other,
    }
}
