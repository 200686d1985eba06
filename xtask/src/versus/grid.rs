//! The links that TCPs are compared on.

use std::time::Duration;

use sockeye_device::impair::{
    Acks, Chance, Delay, Gather, Limit, LinkConfig, Loss, OPPORTUNITY, Odds, Police, Rate, Trace,
};

use crate::shell::Outcome;

const RATES: [Rate; 2] = [Rate::mbit(10), Rate::mbit(100)];
const ROUND_TRIPS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(100)];
/// In parts of a million.
const LOSSES: [u32; 3] = [0, 1_000, 10_000];
/// Of the queue, in hundredths of the bandwidth-delay product.
const QUEUES: [u32; 2] = [50, 200];
/// Links beyond the grid: see [`odd_ones`].
const ODD: usize = 5;

/// Cells of the whole: the grid, and the odd ones behind it.
pub const SIZE: usize = RATES.len() * ROUND_TRIPS.len() * LOSSES.len() * QUEUES.len() + ODD;

/// A link, there and back.
#[derive(Clone, Debug)]
pub struct Cell {
    /// For the data.
    pub there: LinkConfig,
    /// For the acknowledgments.
    pub back: LinkConfig,
}

impl Cell {
    /// A link in words; the way back has the same rate and delay, and is otherwise perfect.
    pub fn described(words: &str) -> Outcome<Self> {
        Ok(Self::of(words.parse::<LinkConfig>()?.with_trace_read()?))
    }

    fn of(there: LinkConfig) -> Self {
        let back = LinkConfig { rate: there.rate, delay: there.delay, ..LinkConfig::default() };
        Self { there, back }
    }

    fn new(rate: Rate, round_trip: Duration, loss: u32, queue: u32) -> Self {
        let chance = Chance::parts_per_million(loss);
        let loss = if loss == 0 { Loss::None } else { Loss::Random(Odds::new(chance)) };
        let limit = Limit::Time(round_trip * queue / 100);
        Self::of(LinkConfig {
            rate: Some(rate),
            limit,
            delay: Delay::fixed(round_trip / 2),
            loss,
            ..LinkConfig::default()
        })
    }

    /// In words: the way back only where it isn't as usual.
    pub fn name(&self) -> String {
        match self.back.acks {
            Acks::Untouched => self.there.to_string(),
            _ => format!("{}, back: {}", self.there, self.back),
        }
    }
}

/// So many cells, at most all, evenly spread over the whole.
pub fn cells(count: usize) -> Vec<Cell> {
    let mut all = Vec::new();
    for rate in RATES {
        for round_trip in ROUND_TRIPS {
            for loss in LOSSES {
                all.extend(QUEUES.map(|queue| Cell::new(rate, round_trip, loss, queue)));
            }
        }
    }
    all.extend(odd_ones());
    let count = count.min(all.len());
    let chosen = (0..count).filter_map(|at| all.get(at * all.len() / count).cloned());
    chosen.collect()
}

/// What congestion controls stumble over: a cellular link, a policer, one of eight ACKs, ACKs in bunches of 32; and the path of
/// tailscale#20893, far and good, with slight reordering.
fn odd_ones() -> [Cell; ODD] {
    let plain = Cell::new(Rate::mbit(50), Duration::from_millis(40), 0, 100);
    let police = Some(Police { rate: Rate::mbit(20), burst: 64_000 });
    let with_acks = |acks| Cell { there: plain.there.clone(), back: LinkConfig { acks, ..plain.back.clone() } };
    let gather = |count| Gather { count, hold: Gather::HOLD };
    let cellular =
        LinkConfig { trace: Some(cellular()), limit: Limit::Packets(250), rate: None, ..plain.there.clone() };
    [
        Cell { there: cellular, back: LinkConfig { rate: None, ..plain.back.clone() } },
        Cell::of(LinkConfig { police, ..plain.there.clone() }),
        with_acks(Acks::Thin(gather(8))),
        with_acks(Acks::Compress(gather(32))),
        Cell::described("rate 100mbit limit 550 delay 33ms loss 0.003% late 1% 1ms").expect("a link"),
    ]
}

/// A trace whose rate jumps every half a second, by up to ten times, as those of cellular links do: 12 Mbit/s on average.
fn cellular() -> Trace {
    const MBIT: [u64; 7] = [12, 20, 6, 2, 16, 8, 20];
    const STEP: u64 = 500;
    let opportunities = |(at, mbit): (u64, &u64)| {
        // What the step carries, spread evenly over it.
        let count = mbit * 1_000 * STEP / (OPPORTUNITY * 8);
        (0..count).map(move |number| at * STEP + 1 + number * STEP / count)
    };
    let times: Vec<u64> = (0..).zip(&MBIT).flat_map(opportunities).collect();
    Trace::from_millis("cellular", &times).expect("times ascend, from 1 on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_has_its_size_and_fewer_cells_are_spread_over_it() {
        let all = cells(SIZE);
        assert_eq!((all.len(), cells(usize::MAX).len(), cells(1).len()), (SIZE, SIZE, 1));
        let rates: Vec<_> = cells(4).iter().map(|cell| (cell.there.rate, cell.there.delay.base)).collect();
        assert_eq!(rates.len(), 4);
        assert!(rates.windows(2).all(|pair| pair[0] != pair[1]), "{rates:?}");
    }

    #[test]
    fn a_cell_is_named_by_what_is_odd_about_it() {
        let [cellular, policed, thinned, compressed, far] = odd_ones().map(|cell| cell.name());
        assert!(cellular.contains("trace cellular") && policed.contains("police rate 20mbit"), "{cellular}, {policed}");
        assert!(thinned.contains("back: ") && thinned.contains("thin 8"), "{thinned}");
        assert!(compressed.contains("compress 32"), "{compressed}");
        assert_eq!(far, "rate 100mbit limit 550 delay 33ms loss 0.003% late 1% 1ms");
    }

    #[test]
    fn the_cellular_trace_carries_12_mbit_on_average() {
        let kbit = cellular().mean_rate().as_bits() / 1_000;
        assert!((11_900..=12_100).contains(&kbit), "{kbit}");
    }
}
