//! Numbers that a stranger must not guess: initial sequence numbers, timestamp offsets, ports.

use std::net::IpAddr;

use sockeye_wire::{Instant, SeqNumber};

use super::demux::{KeyedHash, Pair};

/// Keyed functions of who talks to whom. The keys come from the stack's seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Secrets {
    sequence: KeyedHash,
    timestamps: KeyedHash,
    ports: KeyedHash,
}

impl Secrets {
    /// Three keys out of one seed.
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        let key = |purpose: u8| {
            let mut key = [0; 16];
            for (i, octet) in key.iter_mut().enumerate() {
                *octet = seed[i] ^ seed[i + 16].rotate_left(u32::from(purpose)) ^ purpose.wrapping_mul(0x55);
            }
            KeyedHash::new(key)
        };
        Self { sequence: key(1), timestamps: key(2), ports: key(3) }
    }

    //= rfc9293#MUST-8
    //= rfc9293#MUST-9
    //= rfc9293#SHLD-1
    //= rfc6528#3-1
    /// ISN = M + F(local, remote, key), M the clock that ticks every 4 microseconds.
    pub(super) fn isn(&self, now: Instant, pair: &Pair) -> SeqNumber {
        #[expect(clippy::cast_possible_truncation, reason = "the clock wraps after 4.77 hours, as RFC 9293 has it")]
        let (clock, keyed) = ((now.as_nanos() / 4_000) as u32, self.sequence.of(pair) as u32);
        SeqNumber::new(clock.wrapping_add(keyed))
    }

    //= rfc7323#5.4-4
    /// The same for all connections between two hosts, so that TIME-WAIT can tell a newer one by its timestamp.
    pub(super) fn timestamp_offset(&self, local: IpAddr, remote: IpAddr) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "any 32 bits will do")]
        {
            self.timestamps.of_hosts(local, remote) as u32
        }
    }

    //= rfc6056#3.3-1
    /// Where to begin looking for a port towards `pair.remote` (RFC 6056 section 3.3.3, algorithm 3).
    pub(super) fn port_offset(&self, pair: &Pair) -> u64 {
        self.ports.of(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(port: u16) -> Pair {
        Pair { local: "10.0.0.1:80".parse().unwrap(), remote: ([10, 0, 0, 2], port).into() }
    }

    //= rfc9293#MUST-8
    //= rfc6528#3-1
    #[test]
    fn the_clock_ticks_every_four_microseconds() {
        let secrets = Secrets::new(&[9; 32]);
        let start = secrets.isn(Instant::ZERO, &pair(1));
        assert_eq!(secrets.isn(Instant::from_nanos(4_000), &pair(1)), start + 1);
        assert_eq!(secrets.isn(Instant::from_millis(1_000), &pair(1)), start + 250_000);
    }

    //= rfc9293#MUST-9
    //= rfc9293#SHLD-1
    #[test]
    fn one_connection_tells_nothing_of_another() {
        let secrets = Secrets::new(&[9; 32]);
        let differences: std::collections::HashSet<u32> = (1..1000)
            .map(|port| secrets.isn(Instant::ZERO, &pair(port)).since(secrets.isn(Instant::ZERO, &pair(port + 1))))
            .collect();
        assert_eq!(differences.len(), 999);
        let other = Secrets::new(&[10; 32]);
        assert_ne!(secrets.isn(Instant::ZERO, &pair(1)), other.isn(Instant::ZERO, &pair(1)));
    }
}
