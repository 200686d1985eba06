//! Links as they are: slow, far, lossy, and worse. One direction each, without I/O, repeated exactly from a seed.
//!
//! A [`Link`] is described by a [`LinkConfig`], in the words of `tc … netem` or as a struct. A packet's way through it:
//!
//! | element | netem's words | words of ours |
//! | --- | --- | --- |
//! | super-segments are cut | | |
//! | outage | | `down`, `up` |
//! | longest packet | | `mtu 1400`, `mtu 1400 icmp` |
//! | policer | | `police rate 10mbit burst 30kb` |
//! | loss | `loss 1% [25%]`, `loss state …`, `loss gemodel …` | `loss every 100`, `loss list 3,17` |
//! | duplication, damage | `duplicate 1%`, `corrupt 1%` | `corrupt-header 1%` |
//! | acknowledgments | | `thin 8 [10ms]`, `compress 32 [10ms]` |
//! | queue and rate | `rate 10mbit [overhead [cell [per cell]]]`, `limit 1000`, `ecn` | `limit 64kb`, `limit 50ms`, `trace FILE`, `trace list 2,2,5`, `red min 30kb max 90kb probability 10%`, `codel target 5ms interval 100ms`, `ce_threshold 1ms` |
//! | delay | `delay 40ms 5ms 25% distribution normal` | `in-order` |
//! | reordering | `reorder 25% 50% gap 5` | `late 10% 25ms`, `displace 1% 3 [100ms]` |
//! | merging | | `gro [50us]` |
//!
//! `at 5s rate 2mbit delay 80ms at 8s down at 9s up repeat 20s` changes a link by the clock; `seed 7` fixes its chance.
//!
//! As in netem, what is lost at random takes nothing of the rate. Other than there, `limit` bounds only what waits for the
//! rate: packets that are on their way take no room.
//!
//! ```
//! use sockeye_device::Packet;
//! use sockeye_device::impair::{Link, LinkConfig};
//! use sockeye_wire::Instant;
//!
//! let config: LinkConfig = "rate 1mbit delay 40ms".parse()?;
//! let mut link = Link::new(config, 7);
//! link.send(Instant::ZERO, Packet::new(vec![0x45; 1250].into(), Instant::ZERO));
//!
//! // 1,250 octets at 1 Mbit/s take 10 ms, and the way 40 more.
//! assert_eq!(link.next_timeout(), Some(Instant::from_millis(50)));
//! assert!(link.receive(Instant::from_millis(49)).is_none());
//! let packet = link.receive(Instant::from_millis(60)).unwrap();
//! assert_eq!(packet.arrived_at, Instant::from_millis(50));
//! # Ok::<(), sockeye_device::impair::ConfigError>(())
//! ```

//= rfc2398#2.2-1
//= rfc2398#2.4-1
//= rfc2398#2.5-1

mod aqm;
mod carried;
mod config;
mod counters;
mod damage;
mod delay;
mod display;
mod link;
mod loss;
mod network;
mod police;
mod queue;
mod random;
mod reorder;
mod schedule;
mod slots;
mod thin;
mod timetable;
mod too_long;
mod trace;
mod units;
mod waits;
mod words;

pub use aqm::{CoDel, Discipline, Red};
pub use config::{ConfigError, LinkConfig};
pub use counters::LinkCounters;
pub use delay::{Delay, Distribution};
pub use link::Link;
pub use loss::Loss;
pub use network::{HostId, Network, Side};
pub use police::Police;
pub use queue::{Limit, Overhead};
pub use random::Odds;
pub use reorder::{Displace, Late, Reorder};
pub use schedule::{Change, Schedule};
pub use slots::Slot;
pub use thin::{Acks, Gather};
pub use too_long::MaxPacket;
pub use trace::{OPPORTUNITY, Trace};
pub use units::{Chance, Rate, Size};
pub use waits::Waits;

#[cfg(test)]
mod tests;
