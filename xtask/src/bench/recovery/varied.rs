//! Paths that change, reorder, or are odd in other ways.

use std::time::Duration;

use sockeye::Algorithm;
use sockeye_device::impair::{self, Trace};
use sockeye_lab::sim::{Bank, FlowReport, HostSpec, Random, Scenario};

use super::case::{ALL, Case, Path, Ran, Target, kept, of_twin, part_of, share};
use super::model;

const MINUTE: Duration = Duration::from_mins(1);
#[expect(clippy::cast_precision_loss, reason = "it is 1504")]
const OPPORTUNITY: f64 = impair::OPPORTUNITY as f64;

/// A tenth of the packets come up to a quarter of a round trip late.
pub fn reordering() -> Vec<Case> {
    let mut cases = Vec::new();
    let path = Path::new(1e8, 40, 1.0);
    for (name, words) in [("1/16 RTT", "late 10% 2500us"), ("1/4 RTT", "late 10% 10ms")] {
        cases.extend(ALL.map(|cc| reordered(&format!("reordering by {name}"), path, words, cc)));
    }
    cases.push(far_and_good());
    cases
}

/// A minute of packets that overtake each other by `words`, beside the same path without.
pub fn reordered(name: &str, path: Path, words: &str, cc: Algorithm) -> Case {
    let case = Case::new(name, cc, path.scenario(&[cc], words, "", MINUTE));
    let case = case.beside(path.scenario(&[cc], "", "", MINUTE));
    let case = case.measure("", Target::AtLeast(0.9), of_twin(share(path, path.warm(), MINUTE)));
    case.measure("needless", Target::AtMost(0.005), needless)
}

/// The path of tailscale#20893, beside what the kernel's CUBIC carried on the same link of real packets: 67.3 Mbit/s in the
/// median of three times 40 s, 64.1 to 80.0 (`cargo xtask versus --link 'rate 100mbit limit 550 delay 33ms loss 0.003%
/// late 1% 1ms' --seconds 40`, November 2026). The kernel knows no virtual time: beside the kernel in the same run it is a
/// cell of `cargo xtask versus`.
fn far_and_good() -> Case {
    const KERNEL: f64 = 67.3e6;
    let path = Path::new(1e8, 66, 1.0);
    // A few losses a minute: chance needs long to even out.
    let duration = MINUTE * 5;
    let scenario = path.scenario(&[Algorithm::CUBIC], "late 1% 1ms loss 0.003%", "", duration);
    let part = part_of(path, KERNEL, share(path, path.warm(), duration));
    let case = Case::new("66ms, slight reordering, 0.003% loss", Algorithm::CUBIC, scenario);
    case.measure("of 67.3 Mbit/s, the kernel's in November 2026", Target::AtLeast(0.9), part)
}

fn needless(ran: &Ran) -> (f64, String) {
    let (spurious, octets) =
        ran.report.flows.iter().fold((0, 0), |sum, flow| (sum.0 + flow.spurious, sum.1 + flow.bytes));
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let part = spurious as f64 / (octets as f64 / 1448.0);
    (part, ran.note())
}

/// A delay that jumps: for a moment, and for good. What is asked for holds from two round trips after it on, for a second.
pub fn changes() -> Vec<Case> {
    let mut cases = Vec::new();
    let seconds = |from, to| [Duration::from_secs_f64(from), Duration::from_secs_f64(to)];
    let before = seconds(4.0, 9.9);
    for cc in ALL {
        cases.push(spike("delay spike of 2 RTO", Path::new(2e7, 40, 1.0), cc));
        let path = Path::new(2e7, 20, 20.0);
        let longer = path.scenario(&[cc], "at 10s delay 190ms at 25s delay 10ms", "", MINUTE / 2);
        let case = Case::new("path changes", cc, longer);
        // What path and queue hold after the change: 200 ms and as good as no queue; 20 ms and all of the queue.
        let long = beside_window(10, 10.0 * path.bdp(), kept(before, seconds(10.4, 11.4)));
        let short = beside_window(25, path.bdp() + path.queue(), kept(before, seconds(25.04, 26.04)));
        let case = case.measure("20 to 200ms", Target::AtLeast(0.9), long);
        cases.push(case.measure("200 to 20ms", Target::AtLeast(0.9), short));
    }
    cases
}

/// Ten seconds after the start the delay grows by twice the longest RTO, for as long; in order.
pub fn spike(name: &str, path: Path, cc: Algorithm) -> Case {
    let seconds = |from: f64, to: f64| [Duration::from_secs_f64(from), Duration::from_secs_f64(to)];
    let rtt = path.rtt.as_secs_f64();
    let added = 2.0 * (rtt + path.queue() / path.bdp() * rtt + 0.2);
    // What was delayed has arrived by then.
    let arrived = 10.0 + 2.0 * added + rtt / 2.0;
    let case = Case::new(name, cc, path.scenario(&[cc], &spiked(rtt, added), "", MINUTE / 2));
    let after = seconds(arrived + 2.0 * rtt, arrived + 2.0 * rtt + 1.0);
    let case = case.measure("", Target::AtLeast(0.9), kept(seconds(4.0, 9.9), after));
    case.measure("timeouts not undone", Target::AtMost(0.0), not_undone)
}

/// A delay of half of `rtt`, and at ten seconds `added` more for as long. Each change says that order is kept: a delay that
/// changes is another one in all.
fn spiked(rtt: f64, added: f64) -> String {
    let [short, long, until] = [rtt / 2.0, added + rtt / 2.0, 10.0 + added].map(|seconds| seconds * 1e6);
    format!("in-order at 10s delay {long:.0}us in-order at {until:.0}us delay {short:.0}us in-order")
}

/// What `reached` measures, with the window at `second` by what the path `holds` from then on, in segments: less than 1 is
/// the most that a window can carry that grows by a segment a round trip, and what is above 1 is lost.
fn beside_window(second: u64, holds: f64, reached: impl Fn(&Ran) -> (f64, String)) -> impl Fn(&Ran) -> (f64, String) {
    move |ran| {
        let (kept, note) = reached(ran);
        let window = f64::from(ran.window(Duration::from_secs(second))) / 1448.0;
        (
            kept,
            format!(
                "its window is {:.2} of the {holds:.0} segments that path and queue then hold; {note}",
                window / holds
            ),
        )
    }
}

/// No packet of a delay spike is lost by it, so each timeout is to be undone, but one that meets the repair of a loss from
/// before: F-RTO is off there (RFC 5682 section 3.1), and Eifel detection doesn't begin anew (RFC 3522 section 3.2). What was
/// undone without a timeout doesn't count.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn not_undone(ran: &Ran) -> (f64, String) {
    let count = |what: fn(&FlowReport) -> u64| ran.report.flows.iter().map(what).sum::<u64>();
    let (rtos, undone) = (count(|flow| flow.rtos), count(|flow| flow.spurious_timeouts));
    let amid = ran.timeouts_amid_recovery();
    let missed = rtos.saturating_sub(amid).abs_diff(undone);
    (missed as f64, format!("{undone} of {rtos} timeouts, {amid} amid a recovery; {}", ran.note()))
}

/// Nothing for a second, and then a loss of 1 %: of what the path carries at 1 %, from two seconds after the outage on.
pub fn outage() -> Vec<Case> {
    let path = Path::new(1e8, 100, 1.0);
    let duration = MINUTE * 5;
    let case = |cc: Algorithm| {
        let scenario = path.scenario(&[cc], "at 10s down at 11s up loss 1%", "", duration);
        let case = Case::new("outage 1s, then 1% loss", cc, scenario);
        let reached = share(path, Duration::from_secs(13), duration);
        if cc == Algorithm::BBR {
            return case.measure("", Target::AtLeast(0.80), reached);
        }
        let expected = model::rate(cc == Algorithm::CUBIC, path, 0.01);
        case.measure("", Target::AtLeast(0.85), part_of(path, expected, reached))
    };
    ALL.into_iter().map(case).collect()
}

/// Two flows, the round trip of the second three times as long.
pub fn two_rtts(path: Path, cc: Algorithm, duration: Duration) -> Scenario {
    let mut scenario = path.scenario(&[cc, cc], "", "", duration);
    let access = format!("delay {}ns", path.rtt.as_nanos());
    let far = HostSpec {
        name: "far".to_owned(),
        side: Bank::Left,
        access: Some(access.parse().unwrap_or_else(|error| panic!("{access}: {error}"))),
        ..scenario.hosts[0].clone()
    };
    scenario.hosts.push(far);
    "far".clone_into(&mut scenario.flows[1].from);
    scenario
}

/// A policer, thinned and compressed ACKs, a link whose rate jumps as a cellular one's.
pub fn odd_links() -> Vec<Case> {
    let mut cases = Vec::new();
    for cc in ALL {
        let path = Path::new(1e8, 40, 1.0);
        cases.push(policed("policer 20mbit", path, (2e7, 64), cc));
        cases.push(few_acks("ACKs thinned 1:8", path, "thin 8", cc));
        cases.push(few_acks("32 ACKs compressed", path, "compress 32", cc));
        cases.push(cellular("cellular trace", 20_893, cc));
    }
    cases
}

/// A policer of so many bits a second, which lets so many kB pass at once.
pub fn policed(name: &str, path: Path, (rate, burst): (f64, u32), cc: Algorithm) -> Case {
    let scenario = path.scenario(&[cc], &format!("police rate {rate:.0}bit burst {burst}kb"), "", MINUTE);
    let part = share(Path { rate, ..path }, path.warm(), MINUTE);
    Case::new(name, cc, scenario).measure("", Target::AtLeast(0.6), part)
}

/// ACKs that come as `words` say.
pub fn few_acks(name: &str, path: Path, words: &str, cc: Algorithm) -> Case {
    let scenario = path.scenario(&[cc], "", words, MINUTE);
    Case::new(name, cc, scenario).measure("", Target::AtLeast(0.6), share(path, path.warm(), MINUTE))
}

/// A link as a cellular one is: when it carries something stands in a trace, which is drawn from `seed`.
pub fn cellular(name: &str, seed: u64, cc: Algorithm) -> Case {
    let trace = cellular_trace(seed);
    let mean = trace.mean_rate().as_bits();
    #[expect(clippy::cast_precision_loss, reason = "a rate of megabits")]
    let path = Path::new(mean as f64, 60, 4.0);
    // Whole periods, so that the mean is what the link carried.
    let (warm, periods) = (path.warm(), trace.period() * 2);
    let mut scenario = path.scenario(&[cc], "", "", warm + periods);
    scenario.forward.rate = None;
    scenario.forward.trace = Some(trace);
    let reached = share(path, warm, warm + periods);
    Case::new(name, cc, scenario).measure("", Target::AtLeast(0.6), reached)
}

/// Thirty seconds in mahimahi's form: every tenth of a second the rate moves by up to a half, within 1
/// to 30 Mbit/s, and one time in a hundred the link is silent for 300 ms, as at a handover.
fn cellular_trace(seed: u64) -> Trace {
    const STEP: u64 = 100;
    let mut random = Random::new(seed);
    let (mut times, mut rate, mut octets, mut silent_until) = (Vec::new(), 12e6, 0.0, 0);
    for at in 1..=30_000_u64 {
        if at.is_multiple_of(STEP) {
            rate = (rate * 1.5_f64.powf(2.0 * random.unit() - 1.0)).clamp(1e6, 30e6);
            silent_until = if random.chance(10) { at + 300 } else { silent_until };
        }
        octets += if at < silent_until { 0.0 } else { rate / 8e3 };
        while octets >= OPPORTUNITY {
            octets -= OPPORTUNITY;
            times.push(at);
        }
    }
    Trace::from_millis("cellular", &times).unwrap_or_else(|error| panic!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What overtook it would be reordered by half a second, and that is another row.
    #[test]
    fn nothing_overtakes_a_delay_spike() {
        let link: impair::LinkConfig = format!("delay 20ms {}", spiked(0.04, 0.5)).parse().expect("a link");
        let delays: Vec<_> = link.schedule.changes.iter().map(|change| change.delay.expect("a delay")).collect();
        assert_eq!(delays.iter().map(|delay| delay.base.as_millis()).collect::<Vec<_>>(), [520, 20]);
        assert!(link.delay.in_order && delays.iter().all(|delay| delay.in_order), "{link}");
    }
}
