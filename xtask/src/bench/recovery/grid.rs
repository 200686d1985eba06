//! The random grid: paths drawn from a seed.

use std::time::Duration;

use sockeye::Algorithm;
use sockeye_lab::sim::Random;

use super::case::{Case, Path, Target, share};
use super::model;

/// Paths that are drawn.
const PATHS: usize = 24;
/// Seconds for which most of them run, besides their start.
const SHORT: u64 = 20;

/// As many paths, each under CUBIC and BBR.
pub fn random(seed: u64) -> Vec<Case> {
    let mut random = Random::new(seed);
    (0..PATHS).flat_map(|number| path(seed, number, &mut random)).collect()
}

/// True if a loss of `p` is what bounds CUBIC, by its model, and too few are lost in a short run for chance to even out: of
/// hundreds the mean is within some hundredths.
fn is_left_to_chance(path: Path, p: f64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "it is 20")]
    let short = SHORT as f64;
    let rate = model::rate(true, path, p);
    rate < path.payload() && rate / 8.0 / 1448.0 * p * short < 300.0
}

fn path(seed: u64, number: usize, random: &mut Random) -> Vec<Case> {
    let log = |random: &mut Random, least: f64, most: f64| least * (most / least).powf(random.unit());
    let (rate, rtt) = (log(random, 1e6, 5e8), log(random, 2.0, 300.0));
    let bdps = log(random, 0.5, 4.0);
    let lossy = random.unit() < 0.5;
    let percent = log(random, 0.01, 3.0);
    let path = Path { rate, rtt: Duration::from_secs_f64(rtt / 1e3), bdps };
    let loss = if lossy { format!("loss {percent:.3}%") } else { String::new() };
    let name = format!("random {number}: {:.1}mbit {rtt:.0}ms {bdps:.1} BDP {loss}", rate / 1e6);
    [Algorithm::CUBIC, Algorithm::BBR]
        .into_iter()
        .map(|cc| {
            let long = cc != Algorithm::BBR && lossy && is_left_to_chance(path, percent / 100.0);
            let least = Duration::from_secs(if long { 300 } else { SHORT });
            let duration = path.warm() + (path.rtt * 100).min(Duration::from_secs(40)).max(least);
            let mut scenario = path.scenario(&[cc], &loss, "", duration);
            scenario.seed = seed;
            let reached = share(path, path.warm(), duration);
            let (least, whole) = match (cc == Algorithm::BBR, lossy) {
                (_, false) => (0.90, path.payload()),
                (true, true) => (if percent <= 1.0 { 0.80 } else { 0.0 }, path.payload()),
                (false, true) => (0.85, model::rate(true, path, percent / 100.0)),
            };
            let target = if least > 0.0 { Target::AtLeast(least) } else { Target::None };
            Case::new(name.trim_end(), cc, scenario).measure("", target, move |ran| {
                let (share, note) = reached(ran);
                (share * path.payload() / whole, note)
            })
        })
        .collect()
}
