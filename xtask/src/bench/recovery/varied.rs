//! Paths that change, reorder, or are odd in other ways.

use std::time::Duration;

use sockeye::Algorithm;
use sockeye_lab::sim::{Bank, HostSpec, Scenario};

use super::case::{Case, Path, Ran, Target, kept, share};
use super::fixed::{ALL, by_model};
use super::model;

const MINUTE: Duration = Duration::from_mins(1);

/// A tenth of the packets come up to a quarter of a round trip late.
pub fn reordering() -> Vec<Case> {
    let mut cases = Vec::new();
    let path = Path::new(1e8, 40, 1.0);
    for (name, words) in [("1/16 RTT", "late 10% 2500us"), ("1/4 RTT", "late 10% 10ms")] {
        for cc in ALL {
            let case = Case::new(format!("reordering by {name}"), cc, path.scenario(&[cc], words, "", MINUTE));
            // Without reordering the rate is that of the link: nine tenths of 95 % of it.
            let case = case.measure("", Target::AtLeast(0.9 * 0.95), share(path, path.warm(), MINUTE));
            cases.push(case.measure("needless", Target::AtMost(0.005), needless));
        }
    }
    let path = Path::new(1e8, 66, 1.0);
    let scenario = path.scenario(&[Algorithm::CUBIC], "late 1% 1ms loss 0.003%", "", MINUTE);
    let part = by_model(path, model::rate(true, path, 0.00003), share(path, path.warm(), MINUTE));
    let case = Case::new("66ms, slight reordering, 0.003% loss", Algorithm::CUBIC, scenario);
    cases.push(case.measure("", Target::AtLeast(0.9), part));
    cases
}

fn needless(ran: &Ran) -> (f64, String) {
    let (spurious, octets) =
        ran.report.flows.iter().fold((0, 0), |sum, flow| (sum.0 + flow.spurious, sum.1 + flow.bytes));
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let part = spurious as f64 / (octets as f64 / 1448.0);
    (part, ran.note())
}

/// A delay that jumps: for a moment, and for good.
pub fn changes() -> Vec<Case> {
    let mut cases = Vec::new();
    let seconds = |from, to| [Duration::from_secs_f64(from), Duration::from_secs_f64(to)];
    for cc in ALL {
        let path = Path::new(2e7, 40, 4.0);
        // Twice the RTO of 240 ms; what it delayed has arrived at 11 s.
        let spike = path.scenario(&[cc], "at 10s delay 500ms at 10500ms delay 20ms", "", MINUTE);
        let case = Case::new("delay spike of 2 RTO", cc, spike);
        cases.push(case.measure("", Target::AtLeast(0.9), kept(seconds(4.0, 9.9), seconds(11.1, 17.0))));
        let path = Path::new(2e7, 20, 20.0);
        let longer = path.scenario(&[cc], "at 10s delay 190ms at 25s delay 10ms", "", MINUTE);
        let case = Case::new("path changes", cc, longer);
        let case = case.measure("20 to 200ms", Target::AtLeast(0.9), kept(seconds(4.0, 9.9), seconds(10.8, 20.0)));
        cases.push(case.measure("200 to 20ms", Target::AtLeast(0.9), kept(seconds(4.0, 9.9), seconds(25.8, 35.0))));
    }
    cases
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
        let policed = path.scenario(&[cc], "police rate 20mbit burst 64kb", "", MINUTE);
        let part = share(Path { rate: 2e7, ..path }, path.warm(), MINUTE);
        cases.push(Case::new("policer 20mbit", cc, policed).measure("", Target::AtLeast(0.6), part));
        for (name, words) in [("ACKs thinned 1:8", "thin 8"), ("32 ACKs compressed", "compress 32")] {
            let scenario = path.scenario(&[cc], "", words, MINUTE);
            cases.push(Case::new(name, cc, scenario).measure(
                "",
                Target::AtLeast(0.6),
                share(path, path.warm(), MINUTE),
            ));
        }
        cases.push(cellular(cc));
    }
    cases
}

/// Rates of seven seconds, over and over: the mean is 12 Mbit/s, the least a tenth of the most.
fn cellular(cc: Algorithm) -> Case {
    let rates = [12, 20, 6, 2, 16, 8, 20];
    let changes: Vec<_> = rates.iter().enumerate().map(|(at, rate)| format!("at {at}s rate {rate}mbit")).collect();
    let words = format!("{} repeat 7s", changes.join(" "));
    let path = Path::new(1.2e7, 60, 4.0);
    let scenario = path.scenario(&[cc], &words, "", MINUTE);
    let reached = share(path, path.warm(), MINUTE);
    Case::new("rates as of a cellular link", cc, scenario).measure("", Target::AtLeast(0.6), reached)
}
