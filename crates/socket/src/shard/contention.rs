//! How often threads of a host meet: at the shard's lock, at the driver's seat, at the transmit token.

/// How often something was wanted, and how often another thread had it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meetings {
    /// Times that it was wanted.
    pub wanted: u64,
    /// Times that another thread was found to have it.
    pub taken: u64,
}

impl Meetings {
    /// It is wanted once more, and `taken` already, or not.
    pub(super) const fn count(&mut self, taken: bool) {
        self.wanted += 1;
        self.taken += taken as u64;
    }

    const fn with(self, other: Self) -> Self {
        Self { wanted: self.wanted + other.wanted, taken: self.taken + other.taken }
    }
}

/// Where threads of a host have met so far; of several shards the sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contention {
    /// The lock of the stack: who finds it taken waits for a call of another thread, or for a batch of packets to be taken in.
    pub lock: Meetings,
    /// The driver's seat: a thread that finds somebody at work in it sleeps until it is woken.
    pub seat: Meetings,
    /// The right to write to the device, wanted whenever packets wait: who finds it taken leaves its packets to the one who
    /// has it.
    pub token: Meetings,
}

impl Contention {
    /// What this and another shard have counted together.
    #[must_use]
    pub(crate) const fn with(self, other: Self) -> Self {
        let Self { lock, seat, token } = other;
        Self { lock: self.lock.with(lock), seat: self.seat.with(seat), token: self.token.with(token) }
    }
}
