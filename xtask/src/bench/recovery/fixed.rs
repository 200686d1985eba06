//! The fixed grid: the table of what has to be reached.

use std::time::Duration;

use sockeye::Algorithm;
use sockeye_lab::sim::Time;

use super::case::{ALL, Case, Path, Ran, Target, part_of, share};
use super::{model, short, varied};

/// All of them.
pub fn all() -> Vec<Case> {
    let parts = [
        clean(),
        random_loss(),
        short::responses(),
        varied::reordering(),
        varied::changes(),
        varied::outage(),
        queues(),
        fairness(),
        dctcp(),
        varied::odd_links(),
    ];
    parts.into_iter().flatten().collect()
}

/// Clean links from 1 Mbit/s to 10 Gbit/s, 1 to 300 ms, a queue of a BDP, at least 20 packets.
fn clean() -> Vec<Case> {
    let rates = [("1mbit", 1e6), ("10mbit", 1e7), ("100mbit", 1e8), ("1gbit", 1e9), ("10gbit", 1e10)];
    let mut cases = Vec::new();
    for (name, rate) in rates {
        for rtt in [1, 20, 100, 300] {
            let path = Path::new(rate, rtt, 1.0);
            // Windows end at a gigabyte (RFC 7323 section 2.3): path and queue have to fit.
            if path.bdp() + path.queue() < f64::from(1 << 30) / 1500.0 {
                cases.extend(ALL.map(|cc| clean_link(&format!("clean {name} {rtt}ms"), path, cc)));
            }
        }
    }
    cases
}

fn clean_link(name: &str, path: Path, cc: Algorithm) -> Case {
    let warm = path.warm();
    // BBR probes for the round trip every five seconds: several times where that isn't too many packets.
    let (round_trips, seconds) = if path.rate > 1e9 { (10, 1) } else { (20, 10) };
    let duration = warm + (path.rtt * round_trips).max(Duration::from_secs(seconds));
    let case = Case::new(name, cc, path.scenario(&[cc], "", "", duration));
    let reached = share(path, warm, duration);
    let with_phases = move |ran: &Ran| {
        let (share, note) = reached(ran);
        (share, format!("{}; {note}", ran.phases(warm)))
    };
    let case = case.measure("", Target::AtLeast(0.95), with_phases);
    let case = case.measure("lost", Target::None, lost);
    if cc == Algorithm::BBR {
        return case;
    }
    case.measure("lost by slow start", Target::AtMost(0.01), move |ran| lost_by_slow_start(ran, warm))
}

/// The part of the segments that was lost: on a clean path by the overshoot of slow start, and then as it is probed.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn lost(ran: &Ran) -> (f64, String) {
    let segments: f64 = ran.report.flows.iter().map(|flow| flow.bytes as f64 / 1448.0).sum();
    (ran.report.drops as f64 / segments.max(1.0), format!("{} segments, in all of the run", ran.report.drops))
}

/// What the overshoot of slow start lost, as a part of what was sent until the start was over.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn lost_by_slow_start(ran: &Ran, warm: Duration) -> (f64, String) {
    let (sent, lost) = (ran.sent(warm), ran.lost_in_slow_start());
    (lost as f64 / sent.max(1) as f64, format!("{lost} of the {sent} segments of the start"))
}

/// Independent loss at 100 Mbit/s.
fn random_loss() -> Vec<Case> {
    let mut cases = Vec::new();
    for percent in [0.1, 1.0, 3.0, 5.0] {
        for rtt in [20, 100, 200] {
            let path = Path::new(1e8, rtt, 1.0);
            let loss = format!("loss {percent}%");
            for cc in ALL {
                // Slow ones need long for chance to even out.
                let long = cc != Algorithm::BBR && percent >= 1.0;
                let duration = Duration::from_secs(if long { 300 } else { 60 });
                let case = Case::new(format!("loss {percent}% {rtt}ms"), cc, path.scenario(&[cc], &loss, "", duration));
                let reached = share(path, path.warm(), duration);
                if cc == Algorithm::BBR {
                    let target = if percent <= 1.0 { Target::AtLeast(0.80) } else { Target::None };
                    cases.push(case.measure("", target, reached));
                } else {
                    let expected = model::rate(cc == Algorithm::CUBIC, path, percent / 100.0);
                    cases.push(case.measure("", Target::AtLeast(0.85), part_of(path, expected, reached)));
                }
            }
        }
    }
    cases
}

/// Queues from a tenth of a BDP to four, 100 Mbit/s and 40 ms; and `CoDel`.
fn queues() -> Vec<Case> {
    let path = |bdps| Path::new(1e8, 40, bdps);
    let mut cases = Vec::new();
    for bdps in [0.1, 0.25, 0.5, 1.0, 2.0, 4.0] {
        cases.extend([Algorithm::CUBIC, Algorithm::BBR].map(|cc| queue(&format!("queue {bdps} BDP"), path(bdps), cc)));
    }
    cases.extend([Algorithm::CUBIC, Algorithm::BBR].map(|cc| codel("queue CoDel", path(20.0), cc)));
    cases
}

/// Half a minute of a queue that drops its tail.
pub fn queue(name: &str, path: Path, cc: Algorithm) -> Case {
    let duration = Duration::from_secs(30);
    let is_bbr = cc == Algorithm::BBR;
    let target = match (is_bbr, path.bdps < 0.5) {
        (true, true) => Target::None,
        (true, false) => Target::AtLeast(0.85),
        (false, _) => Target::AtLeast(0.90),
    };
    let case = Case::new(name, cc, path.scenario(&[cc], "", "", duration));
    let case = case.measure("", target, share(path, path.warm(), duration));
    let most = if is_bbr { Target::AtMost(0.5) } else { Target::None };
    let rtt_ms = path.rtt.as_secs_f64() * 1e3;
    let standing = move |ran: &Ran| (ran.report.queue_delay_ms.p50 / rtt_ms, "median, in BDP".to_owned());
    case.measure("delay", most, standing)
}

/// Half a minute of a queue that `CoDel` keeps short.
pub fn codel(name: &str, path: Path, cc: Algorithm) -> Case {
    let duration = Duration::from_secs(30);
    let least = if cc == Algorithm::BBR { 0.85 } else { 0.90 };
    let case = Case::new(name, cc, path.scenario(&[cc], "codel", "", duration));
    case.measure("", Target::AtLeast(least), share(path, path.warm(), duration))
}

/// Tail drop picks its victims by chance, one in some seconds: what is fair shows over minutes.
const FAIR: [Duration; 2] = [Duration::from_secs(20), Duration::from_secs(260)];

/// Flows beside each other.
fn fairness() -> Vec<Case> {
    let path = Path::new(1e8, 40, 1.0);
    let mut cases = Vec::new();
    for count in [2, 4, 16] {
        cases.extend(ALL.map(|cc| fair(&format!("fair {count} flows"), path, cc, count)));
    }
    for bdps in [0.5, 1.0, 4.0] {
        cases.push(mixed(&format!("CUBIC and BBR, {bdps} BDP"), Path { bdps, ..path }));
    }
    for cc in ALL {
        let mut scenario = path.scenario(&[cc, cc], "", "", FAIR[1]);
        scenario.flows[1].start = Time(Duration::from_secs(10));
        cases.push(Case::new("late comer", cc, scenario).measure("", Target::AtLeast(0.2), least));
        cases.push(different("different RTTs", path, cc));
    }
    cases
}

/// As many flows of one kind.
pub fn fair(name: &str, path: Path, cc: Algorithm, count: usize) -> Case {
    let scenario = path.scenario(&vec![cc; count], "", "", FAIR[1]);
    let fair = move |ran: &Ran| (jain(&shares(ran)), String::from("Jain's index"));
    Case::new(name, cc, scenario).measure("", Target::AtLeast(0.95), fair)
}

/// CUBIC and BBR.
pub fn mixed(name: &str, path: Path) -> Case {
    let scenario = path.scenario(&[Algorithm::CUBIC, Algorithm::BBR], "", "", FAIR[1]);
    Case::new(name, Algorithm::BBR, scenario).measure("", Target::AtLeast(0.2), least)
}

/// One flow and another whose round trip is three times as long.
pub fn different(name: &str, path: Path, cc: Algorithm) -> Case {
    let scenario = varied::two_rtts(path, cc, FAIR[1]);
    Case::new(name, cc, scenario).measure("", Target::AtLeast(0.2), least)
}

fn shares(ran: &Ran) -> Vec<f64> {
    (0..ran.report.flows.len()).map(|flow| ran.goodput(flow, FAIR[0], FAIR[1])).collect()
}

fn least(ran: &Ran) -> (f64, String) {
    let shares = shares(ran);
    let mean = shares.iter().sum::<f64>() / f64::from(u32::try_from(shares.len()).unwrap_or(1));
    let note = shares.iter().map(|share| format!("{:.1}", share / 1e6)).collect::<Vec<_>>().join(" ");
    let least = shares.iter().copied().fold(f64::INFINITY, f64::min);
    (least / mean, format!("least part of a fair share; {note} Mbit/s"))
}

fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    sum * sum / (f64::from(u32::try_from(shares.len()).unwrap_or(1)) * squares.max(f64::MIN_POSITIVE))
}

/// A link that marks from 1 ms of queue on.
fn dctcp() -> Vec<Case> {
    vec![marked("marks at 1ms", Path::new(1e9, 5, 4.0))]
}

/// DCTCP on a link that marks from 1 ms of queue on.
pub fn marked(name: &str, path: Path) -> Case {
    let (warm, duration) = (Duration::from_secs(1), Duration::from_secs(5));
    let scenario = path.scenario(&[Algorithm::DCTCP], "ce_threshold 1ms", "", duration);
    let queue = |ran: &Ran| (ran.report.queue_delay_ms.p99, String::from("ms, p99"));
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let lost = |ran: &Ran| (ran.report.drops as f64, String::from("packets"));
    let case = Case::new(name, Algorithm::DCTCP, scenario);
    let case = case.measure("", Target::AtLeast(0.95), share(path, warm, duration));
    case.measure("queue", Target::AtMost(5.0), queue).measure("lost", Target::AtMost(0.0), lost)
}
