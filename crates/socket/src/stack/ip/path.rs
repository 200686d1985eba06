//! What is known of the paths to other hosts, beyond the connections that learnt it (RFC 9040 section 6, RFC 4821 section
//! 5.2).
//!
//! Bounded in number and in time. Whatever a connection takes up from here it may find disproved: see
//! [`sockeye_tcb::Tcb::learn_path`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use sockeye_tcb::{Metrics, PathMss};
use sockeye_wire::Instant;

/// What nobody has learnt anew is forgotten after so long, as in Linux (`TCP_METRICS_TIMEOUT`).
const FORGOTTEN: Duration = Duration::from_hours(1);

/// What to remember of a path once the connections over it are gone. Default: path MTU and round-trip time of 4096 hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remember {
    /// Hosts to remember; those of which nothing was learnt for longest give way. 0 turns all off.
    pub hosts: usize,
    /// The path MTU, for connections that are open as well.
    pub mtu: bool,
    /// The round-trip time and its deviation: the first RTO of the next connection follows from it.
    pub rtt: bool,
    /// The slow start threshold. Off by default, as in Linux (`tcp_no_ssthresh_metrics_save`): what was congested once
    /// needn't be.
    pub ssthresh: bool,
}

impl Remember {
    /// Each connection finds out for itself.
    pub const NOTHING: Self = Self { hosts: 0, mtu: false, rtt: false, ssthresh: false };
}

impl Default for Remember {
    fn default() -> Self {
        Self { hosts: 4096, mtu: true, rtt: true, ssthresh: false }
    }
}

/// What is known of the path to a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::stack) struct Path {
    /// `None` if it takes what both ends do.
    pub(in crate::stack) mss: Option<PathMss>,
    pub(in crate::stack) metrics: Metrics,
    learnt_at: Instant,
}

/// All paths, by the address of the host. Holds: `order` has each of them once, the oldest first.
#[derive(Debug)]
pub(in crate::stack) struct Paths {
    remember: Remember,
    known: BTreeMap<IpAddr, Path>,
    order: BTreeSet<(Instant, IpAddr)>,
    /// How often a path has become narrower: whoever knows another number looks.
    narrowed: u32,
}

impl Paths {
    pub(in crate::stack) const fn new(remember: Remember) -> Self {
        Self { remember, known: BTreeMap::new(), order: BTreeSet::new(), narrowed: 0 }
    }

    /// What is known of the path to `host`.
    pub(in crate::stack) fn get(&self, now: Instant, host: IpAddr) -> Option<Path> {
        self.known.get(&host).copied().filter(|path| now.since(path.learnt_at) < FORGOTTEN)
    }

    pub(in crate::stack) const fn narrowed(&self) -> u32 {
        self.narrowed
    }

    //= rfc4821#5.2-1
    //= rfc4821#5.2-2
    //= rfc8201#5.2-1
    //= rfc8899#3-13
    //= rfc9040#6.2-1
    /// A connection has found what the path to `host` takes.
    pub(in crate::stack) fn learn_mss(&mut self, now: Instant, host: IpAddr, mss: Option<PathMss>) {
        if !self.remember.mtu {
            return;
        }
        let before = self.get(now, host).unwrap_or_default();
        if mss.is_some_and(|mss| before.mss.is_none_or(|before| mss.octets < before.octets)) {
            self.narrowed = self.narrowed.wrapping_add(1);
        }
        self.put(now, host, Path { mss, ..before });
    }

    //= rfc9040#6.2-2
    //= rfc9040#6.2-3
    //= rfc9040#6.3-1
    /// A connection to `host` has ended, having measured this.
    pub(in crate::stack) fn learn_metrics(&mut self, now: Instant, host: IpAddr, metrics: Metrics) {
        let Remember { rtt, ssthresh, .. } = self.remember;
        let before = self.get(now, host).unwrap_or_default();
        let metrics = Metrics {
            rtt: merged(metrics.rtt, before.metrics.rtt, |new, old| ((new.0 + old.0) / 2, (new.1 + old.1) / 2))
                .filter(|_| rtt),
            ssthresh: merged(metrics.ssthresh, before.metrics.ssthresh, u32::midpoint).filter(|_| ssthresh),
        };
        if metrics != Metrics::default() {
            self.put(now, host, Path { metrics, ..before });
        }
    }

    fn put(&mut self, now: Instant, host: IpAddr, path: Path) {
        if let Some(before) = self.known.remove(&host) {
            self.order.remove(&(before.learnt_at, host));
        }
        let path = Path { learnt_at: now, ..path };
        if self.remember.hosts == 0 || path == (Path { learnt_at: now, ..Path::default() }) {
            return;
        }
        while self.known.len() >= self.remember.hosts
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.known.remove(&oldest);
        }
        self.known.insert(host, path);
        self.order.insert((now, host));
    }
}

/// What is new and what is old together, or whichever there is.
fn merged<T>(new: Option<T>, old: Option<T>, merge: impl FnOnce(T, T) -> T) -> Option<T> {
    match (new, old) {
        (Some(new), Some(old)) => Some(merge(new, old)),
        (new, old) => new.or(old),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_millis(1000);

    fn host(number: u16) -> IpAddr {
        IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, number])
    }

    fn narrow() -> PathMss {
        PathMss { octets: 1240, doubted_at: NOW + Duration::from_mins(10) }
    }

    fn rtt(millis: u64) -> Metrics {
        Metrics { rtt: Some((Duration::from_millis(millis), Duration::from_millis(5))), ssthresh: Some(20_000) }
    }

    //= rfc4821#5.2-1
    #[test]
    fn the_oldest_give_way_and_all_have_their_time() {
        let mut paths = Paths::new(Remember { hosts: 100, ..Remember::default() });
        for number in 0..1000 {
            paths.learn_mss(NOW + Duration::from_secs(number.into()), host(number), Some(narrow()));
        }
        assert_eq!((paths.known.len(), paths.order.len()), (100, 100));
        let last = NOW + Duration::from_secs(999);
        assert_eq!(paths.get(last, host(899)), None);
        assert_eq!(paths.get(last, host(900)).and_then(|path| path.mss), Some(narrow()));
        assert_eq!(paths.get(last + FORGOTTEN, host(999)), None);
    }

    //= rfc9040#6.2-2
    //= rfc9040#6.2-3
    //= rfc9040#6.3-1
    #[test]
    fn what_is_learnt_of_one_thing_keeps_the_other() {
        let mut paths = Paths::new(Remember { ssthresh: true, ..Remember::default() });
        paths.learn_metrics(NOW, host(1), rtt(30));
        paths.learn_mss(NOW, host(1), Some(narrow()));
        paths.learn_metrics(NOW, host(1), Metrics { ssthresh: None, ..rtt(40) });
        let path = paths.get(NOW, host(1)).unwrap();
        assert_eq!((path.mss, path.metrics), (Some(narrow()), rtt(35)), "half of what is old is kept");
        paths.learn_mss(NOW, host(1), None);
        assert_eq!(paths.get(NOW, host(1)).unwrap().metrics, rtt(35));
        assert_eq!(paths.known.len(), 1);
    }

    #[test]
    fn each_can_be_switched_off() {
        let mut paths = Paths::new(Remember { hosts: 4096, ..Remember::NOTHING });
        paths.learn_metrics(NOW, host(1), rtt(30));
        paths.learn_mss(NOW, host(1), Some(narrow()));
        assert_eq!((paths.known.len(), paths.narrowed()), (0, 0));
        let mut paths = Paths::new(Remember { hosts: 0, ..Remember::default() });
        paths.learn_mss(NOW, host(1), Some(narrow()));
        assert_eq!(paths.known.len(), 0);
    }
}
