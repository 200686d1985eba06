//! The links that TCPs are compared on.

use std::time::Duration;

use sockeye_device::impair::{Chance, Delay, Limit, LinkConfig, Loss, Odds, Rate};

use crate::shell::Outcome;

const RATES: [Rate; 2] = [Rate::mbit(10), Rate::mbit(100)];
const ROUND_TRIPS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(100)];
/// In parts of a million.
const LOSSES: [u32; 3] = [0, 1_000, 10_000];
/// Of the queue, in hundredths of the bandwidth-delay product.
const QUEUES: [u32; 2] = [50, 200];

/// Cells of the whole grid.
pub const SIZE: usize = RATES.len() * ROUND_TRIPS.len() * LOSSES.len() * QUEUES.len();

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
        Ok(Self::of(words.parse()?))
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
}

/// So many cells of the grid, evenly spread over it.
pub fn cells(count: usize) -> Vec<Cell> {
    let mut all = Vec::new();
    for rate in RATES {
        for round_trip in ROUND_TRIPS {
            for loss in LOSSES {
                all.extend(QUEUES.map(|queue| Cell::new(rate, round_trip, loss, queue)));
            }
        }
    }
    let count = count.clamp(1, all.len());
    let chosen = (0..count).filter_map(|at| all.get(at * all.len() / count).cloned());
    chosen.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_has_its_size_and_fewer_cells_are_spread_over_it() {
        let all = cells(SIZE);
        assert_eq!((all.len(), cells(usize::MAX).len(), cells(0).len()), (SIZE, SIZE, 1));
        let rates: Vec<_> = cells(4).iter().map(|cell| (cell.there.rate, cell.there.delay.base)).collect();
        assert_eq!(rates.len(), 4);
        assert!(rates.windows(2).all(|pair| pair[0] != pair[1]), "{rates:?}");
    }
}
