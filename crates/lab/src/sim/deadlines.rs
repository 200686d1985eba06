//! When something is due at which host.

use sockeye_wire::Instant;

/// Later than anything: nothing is due.
const NEVER: Instant = Instant::FAR_FUTURE;

/// A tournament of the hosts' deadlines: who is first stands at the top, and another deadline costs a comparison for each
/// doubling of the number of hosts, where a sorted set costs a removal and an entry.
#[derive(Debug)]
pub(super) struct Deadlines {
    /// Each place has the earlier of the two at twice its index, and one more; the hosts' own are the last half.
    earliest: Vec<Instant>,
}

impl Deadlines {
    /// Nothing is due at any of so many hosts.
    pub(super) fn new(hosts: usize) -> Self {
        Self { earliest: vec![NEVER; 2 * hosts.next_power_of_two()] }
    }

    const fn hosts(&self) -> usize {
        self.earliest.len() / 2
    }

    /// Something is due at a host then, and no more when it was before.
    pub(super) fn set(&mut self, host: usize, at: Option<Instant>) {
        let mut place = self.hosts() + host;
        self.earliest[place] = at.unwrap_or(NEVER);
        while place > 1 {
            let earlier = self.earliest[place].min(self.earliest[place ^ 1]);
            place /= 2;
            if self.earliest[place] == earlier {
                return;
            }
            self.earliest[place] = earlier;
        }
    }

    /// When something is due first.
    pub(super) fn first(&self) -> Option<Instant> {
        Some(self.earliest[1]).filter(|at| *at != NEVER)
    }

    /// Takes the deadline of the first host, in their order, where something is due by `now`.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<usize> {
        self.first().filter(|at| *at <= now)?;
        let mut place = 1;
        while place < self.hosts() {
            place = if self.earliest[2 * place] <= now { 2 * place } else { 2 * place + 1 };
        }
        let host = place - self.hosts();
        self.set(host, None);
        Some(host)
    }
}

#[cfg(test)]
mod tests {
    use super::super::random::Random;
    use super::*;

    #[test]
    fn the_first_is_that_of_a_sorted_list() {
        for hosts in [1, 2, 3, 5, 8] {
            let mut random = Random::new(hosts as u64);
            let (mut deadlines, mut list) = (Deadlines::new(hosts), vec![None; hosts]);
            let mut now = 0;
            for _ in 0..2_000 {
                let host = usize::try_from(random.below(hosts as u64)).expect("few");
                let at = random.chance(800).then(|| Instant::from_nanos(now + random.below(20)));
                deadlines.set(host, at);
                list[host] = at;
                assert_eq!(deadlines.first(), list.iter().flatten().min().copied());
                now += random.below(3);
                let due = |at: &Option<Instant>| at.is_some_and(|at| at.as_nanos() <= now);
                while let Some(host) = deadlines.take_due(Instant::from_nanos(now)) {
                    assert_eq!(Some(host), list.iter().position(due), "seed {hosts}");
                    list[host] = None;
                }
                assert!(!list.iter().any(due), "seed {hosts}");
            }
        }
    }
}
