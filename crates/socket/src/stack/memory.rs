//! The memory that connections share: how much their text takes, and whether it is running short.

/// What all connections hold. Holds: `held` is the sum of what each was last counted with.
#[derive(Debug)]
pub(super) struct Memory {
    limit: usize,
    held: usize,
    is_short: bool,
}

impl Memory {
    /// Nothing is held; `limit` octets may be.
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, held: 0, is_short: false }
    }

    /// Octets held.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// A connection holds `now` octets that was last counted with `before`. Memory is short from two thirds of the limit on,
    /// until it is below half of it: so `tcp_mem` of Linux has its three numbers.
    pub(super) const fn recount(&mut self, before: u32, now: u32) {
        self.held = self.held - before as usize + now as usize;
        let bound = if self.is_short { self.limit / 2 } else { self.limit / 3 * 2 };
        self.is_short = self.held > bound;
    }

    /// True while buffers are not to grow.
    pub(super) const fn is_short(&self) -> bool {
        self.is_short
    }

    /// True while there is none for further connections.
    pub(super) const fn is_full(&self) -> bool {
        self.held >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_become_short_stays_short_until_half_of_it_is_free() {
        let mut memory = Memory::new(900);
        memory.recount(0, 600);
        assert!(!memory.is_short());
        memory.recount(600, 601);
        assert!(memory.is_short() && !memory.is_full());
        memory.recount(0, 300);
        assert!(memory.is_full());
        memory.recount(601, 150);
        assert!(!memory.is_full() && !memory.is_short());
        assert_eq!(memory.held(), 450);
        memory.recount(150, 250);
        assert!(!memory.is_short(), "not before it is used up again");
    }
}
