//! The random grid: paths drawn from a seed, of every kind that the fixed one has, by the same rules.

use std::time::Duration;

use sockeye::Algorithm;
use sockeye_lab::sim::Random;

use super::case::{ALL, Case, Path, Target, share};
use super::{fixed, model, short, varied};

/// Paths that are drawn of each kind.
const PLAIN: usize = 16;
const OTHER: usize = 3;
/// Seconds for which most plain ones run, besides their start.
const SHORT: u64 = 20;

/// All of them.
pub fn random(seed: u64) -> Vec<Case> {
    let mut draw = Draw(Random::new(seed));
    let mut cases: Vec<Case> = (0..PLAIN).flat_map(|number| plain(number, &mut draw)).collect();
    let kinds = [
        responses,
        reordering,
        spikes,
        queues,
        codel,
        flows,
        mixed_flows,
        far_flows,
        marks,
        policers,
        few_acks,
        cellular,
    ];
    for number in 0..OTHER {
        cases.extend(kinds.iter().flat_map(|kind| kind(number, &mut draw)));
    }
    cases.into_iter().map(|case| case.seeded(seed)).collect()
}

/// What chance gives.
struct Draw(Random);

impl Draw {
    /// Between two values, each size as likely as any other.
    fn log(&mut self, least: f64, most: f64) -> f64 {
        least * (most / least).powf(self.0.unit())
    }

    fn path(&mut self, [slow, fast]: [f64; 2], [near, far]: [f64; 2], [short, long]: [f64; 2]) -> Path {
        let (rate, rtt) = (self.log(slow, fast), self.log(near, far));
        Path { rate, rtt: Duration::from_secs_f64(rtt / 1e3), bdps: self.log(short, long) }
    }

    /// One whose window is some tens of segments at least, in rates that a minute of is simulated in seconds.
    fn usual(&mut self) -> Path {
        self.path([1e7, 1e8], [10.0, 100.0], [0.5, 4.0])
    }
}

fn name(kind: &str, number: usize, path: Path, words: &str) -> String {
    let Path { rate, rtt, bdps } = path;
    let name = format!("random {kind} {number}: {:.1}mbit {}ms {bdps:.1} BDP {words}", rate / 1e6, rtt.as_millis());
    name.trim_end().to_owned()
}

/// True if a loss of `p` is what bounds CUBIC, by its model, and too few are lost in a short run for chance to even out: of
/// hundreds the mean is within some hundredths.
fn is_left_to_chance(path: Path, p: f64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "it is 20")]
    let short = SHORT as f64;
    let rate = model::rate(true, path, p);
    rate < path.payload() && rate / 8.0 / 1448.0 * p * short < 300.0
}

/// Clean, or with independent loss.
fn plain(number: usize, draw: &mut Draw) -> Vec<Case> {
    let path = draw.path([1e6, 5e8], [2.0, 300.0], [0.5, 4.0]);
    let lossy = draw.0.unit() < 0.5;
    let percent = draw.log(0.01, 3.0);
    let p = percent / 100.0;
    let loss = if lossy { format!("loss {percent:.3}%") } else { String::new() };
    let case = |cc: Algorithm| {
        let long = cc != Algorithm::BBR && lossy && is_left_to_chance(path, p);
        let least = Duration::from_secs(if long { 300 } else { SHORT });
        let duration = path.warm() + (path.rtt * 100).min(Duration::from_secs(40)).max(least);
        let reached = share(path, path.warm(), duration);
        let (target, whole) = match (cc == Algorithm::BBR, lossy) {
            (_, false) => (Target::AtLeast(0.90), path.payload()),
            (true, true) if percent > 1.0 => (Target::None, path.payload()),
            (true, true) => (Target::AtLeast(0.80), path.payload()),
            (false, true) => (Target::AtLeast(0.85), model::rate(cc == Algorithm::CUBIC, path, p)),
        };
        let case = Case::new(name("path", number, path, &loss), cc, path.scenario(&[cc], &loss, "", duration));
        case.measure("", target, move |ran| {
            let (share, note) = reached(ran);
            (share * path.payload() / whole, note)
        })
    };
    ALL.map(case).into()
}

/// Ten segments, in bursts of loss, or with losses anywhere, their repair included.
fn responses(number: usize, draw: &mut Draw) -> Vec<Case> {
    let path = draw.path([5e6, 1e8], [10.0, 100.0], [1.0, 4.0]);
    let bursts = format!("loss gemodel {:.2}% {:.0}%", draw.log(0.1, 1.0), draw.log(30.0, 60.0));
    let anywhere = format!("loss {:.2}%", draw.log(0.5, 5.0));
    let case = |words: &str| short::over(&name("short responses", number, path, words), path, words, "");
    vec![case(&bursts), case(&anywhere)]
}

/// Up to a tenth of the packets, up to a quarter of a round trip late.
fn reordering(number: usize, draw: &mut Draw) -> Vec<Case> {
    let path = draw.usual();
    let late = path.rtt.div_f64(draw.log(4.0, 32.0)).as_micros();
    let words = format!("late {:.1}% {late}us", draw.log(1.0, 10.0));
    ALL.map(|cc| varied::reordered(&name("reordering", number, path, &words), path, &words, cc)).into()
}

fn spikes(number: usize, draw: &mut Draw) -> Vec<Case> {
    let path = draw.path([1e7, 1e8], [10.0, 80.0], [0.5, 2.0]);
    ALL.map(|cc| varied::spike(&name("delay spike of 2 RTO", number, path, ""), path, cc)).into()
}

fn queues(number: usize, draw: &mut Draw) -> Vec<Case> {
    let path = draw.path([1e7, 1e8], [10.0, 100.0], [0.1, 4.0]);
    [Algorithm::CUBIC, Algorithm::BBR].map(|cc| fixed::queue(&name("queue", number, path, ""), path, cc)).into()
}

/// Its target of 5 ms is a small part of a BDP on a long path, whatever the sender: as long as in the fixed grid at most.
fn codel(number: usize, draw: &mut Draw) -> Vec<Case> {
    let path = draw.path([1e7, 1e8], [10.0, 40.0], [20.0, 20.0]);
    [Algorithm::CUBIC, Algorithm::BBR].map(|cc| fixed::codel(&name("CoDel", number, path, ""), path, cc)).into()
}

/// Some of one kind: each has ten segments in flight at least.
fn flows(number: usize, draw: &mut Draw) -> Vec<Case> {
    let path = draw.path([2e7, 1e8], [20.0, 60.0], [0.5, 2.0]);
    let most = (path.bdp() / 10.0).clamp(2.0, 16.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "2 to 16")]
    let count = draw.log(2.0, most).round() as usize;
    ALL.map(|cc| fixed::fair(&name("fair flows", number, path, &format!("{count} flows")), path, cc, count)).into()
}

fn mixed_flows(number: usize, draw: &mut Draw) -> Vec<Case> {
    let path = draw.path([2e7, 1e8], [20.0, 60.0], [0.5, 4.0]);
    vec![fixed::mixed(&name("CUBIC and BBR", number, path, ""), path)]
}

fn far_flows(number: usize, draw: &mut Draw) -> Vec<Case> {
    let path = draw.path([2e7, 1e8], [20.0, 60.0], [0.5, 2.0]);
    ALL.map(|cc| fixed::different(&name("different RTTs", number, path, ""), path, cc)).into()
}

/// RFC 8257 section 3.1 leaves the threshold to the network; 1 ms is enough for a link to stay full up to seven (DCTCP's paper).
fn marks(number: usize, draw: &mut Draw) -> Vec<Case> {
    let path = draw.path([2e8, 2e9], [2.0, 6.0], [4.0, 4.0]);
    vec![fixed::marked(&name("marks at 1ms", number, path, ""), path)]
}

fn policers(number: usize, draw: &mut Draw) -> Vec<Case> {
    let path = draw.path([1e8, 1e8], [10.0, 80.0], [1.0, 1.0]);
    let rate = draw.log(5e6, 5e7);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some tens")]
    let burst = draw.log(30.0, 120.0) as u32;
    let words = format!("policed {:.1}mbit {burst}kb", rate / 1e6);
    ALL.map(|cc| varied::policed(&name("policer", number, path, &words), path, (rate, burst), cc)).into()
}

fn few_acks(number: usize, draw: &mut Draw) -> Vec<Case> {
    let path = draw.usual();
    let words = if draw.0.unit() < 0.5 { "thin" } else { "compress" };
    let words = format!("{words} {:.0}", draw.log(2.0, 32.0));
    ALL.map(|cc| varied::few_acks(&name("ACKs", number, path, &words), path, &words, cc)).into()
}

fn cellular(number: usize, draw: &mut Draw) -> Vec<Case> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a seed")]
    let seed = (draw.0.unit() * 1e9) as u64;
    ALL.map(|cc| varied::cellular(&format!("random cellular trace {number}: of seed {seed}"), seed, cc)).into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_draws_every_kind_and_always_the_same() {
        let names = |seed| random(seed).iter().map(|case| format!("{} {}", case.name, case.cc)).collect::<Vec<_>>();
        let first = names(1);
        assert_eq!(first, names(1));
        assert_ne!(first, names(2));
        let kinds: BTreeSet<_> =
            first.iter().filter_map(|name| name.split(|letter: char| letter.is_ascii_digit()).next()).collect();
        assert_eq!(kinds.len(), 13, "{kinds:?}");
        for cc in ["cubic", "newreno", "bbr", "dctcp"] {
            assert!(first.iter().any(|name| name.ends_with(cc)), "{cc}");
        }
    }
}
