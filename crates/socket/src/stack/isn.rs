//! Numbers that a stranger must not guess: initial sequence numbers, timestamp offsets, ports.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip128::{Hasher128, SipHasher24};
use sockeye_wire::{Instant, SeqNumber};

use super::demux::{KeyedHash, Pair};

/// Keyed functions of who talks to whom, each under a key of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Secrets {
    /// That of the look-up of connections.
    pub(super) pairs: KeyedHash,
    /// That of how many answers strangers get.
    pub(super) answers: KeyedHash,
    sequence: KeyedHash,
    timestamps: KeyedHash,
    ports: KeyedHash,
    /// Which stack of a host has a connection.
    pub(super) shards: KeyedHash,
}

impl Secrets {
    /// The keys out of one seed, by a function whose results look random and tell nothing of each other: SipHash-2-4 with
    /// 128 bits, keyed with one half of the seed, of the other half and the key's purpose.
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        let (key, rest) = seed.split_at(16);
        let derive = |purpose: &str| {
            let mut hasher = SipHasher24::new_with_key(key.first_chunk().unwrap_or(&[0; 16]));
            hasher.write(rest);
            hasher.write(purpose.as_bytes());
            KeyedHash::new(hasher.finish128().as_bytes())
        };
        Self {
            pairs: derive("pairs"),
            answers: derive("answers"),
            sequence: derive("sequence"),
            timestamps: derive("timestamps"),
            ports: derive("ports"),
            shards: derive("shards"),
        }
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

    /// A seed of equal halves, or of all zeros, makes keys as good as another.
    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        for seed in [[0; 32], [7; 32]] {
            let Secrets { pairs, answers, sequence, timestamps, ports, shards } = Secrets::new(&seed);
            let hashes: std::collections::HashSet<u64> =
                [pairs, answers, sequence, timestamps, ports, shards].iter().map(|hash| hash.of(&pair(1))).collect();
            assert_eq!(hashes.len(), 6);
        }
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
