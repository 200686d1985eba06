//! Short responses over paths that lose: how many come without a retransmission timeout.

use std::time::Duration;

use sockeye::{Algorithm, TcpInfo};
use sockeye_lab::sim::{Application, FlowSpec, Scenario, Time};

use super::case::{Case, Path, Ran, Target};

/// Responses in a run.
const RESPONSES: u32 = 1000;
/// What they come over.
const PATH: Path = Path::new(2e7, 40, 2.0);

/// Ten segments, asked for a thousand times.
pub fn responses() -> Vec<Case> {
    let paths = [
        ("bursts of loss", "loss gemodel 0.5% 40%", ""),
        ("random loss 2%", "loss 2%", ""),
        ("lost tails and retransmissions", "loss 5%", ""),
        ("lost ACKs", "", "loss 5%"),
    ];
    paths.map(|(name, forward, back)| case(name, forward, back)).into_iter().chain(on_purpose()).collect()
}

/// Each response meets the same loss. The first packet either way is that of the handshake, and each response takes as many
/// packets as the last, so which to lose can be listed; how many were found lost or probed for tells that it was those.
fn on_purpose() -> [Case; 3] {
    let probed = |ran: &Ran| each(ran, 1, |server| server.tail_probes);
    // Ten segments and the probe, which repairs it.
    let tail = case("the tail of each lost", &listed(&[11], 11), "").measure("probed for", Target::None, probed);
    // The third and the seventh of ten, and the first of the two when they are sent again: that the other arrives tells of it.
    // Where nothing is sent behind a retransmission, only the timer can find it lost.
    let again = case("a retransmission of each lost", &listed(&[4, 8, 12], 13), "");
    let again = again.measure("found", Target::None, |ran| each(ran, 3, |server| server.segments_lost));
    // The request, ten ACKs and that of the probe, which wasn't needed.
    let ack = case("the last ACK of each lost", "", &listed(&[12], 12)).measure("probed for", Target::None, probed);
    [tail, again, ack]
}

fn case(name: &str, forward: &str, back: &str) -> Case {
    over(&format!("short responses, {name}"), PATH, forward, back)
}

/// The packets `first` are lost, and so many later each time.
fn listed(first: &[u32], later: u32) -> String {
    let numbers = (0..RESPONSES).flat_map(|response| first.iter().map(move |number| number + response * later));
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    format!("loss list {}", numbers.join(","))
}

/// What the server counted, as a part of `times` for each response.
fn each(ran: &Ran, times: u32, count: fn(&TcpInfo) -> u64) -> (f64, String) {
    let counted: u64 =
        ran.report.flows.iter().filter_map(|flow| flow.server.as_ref()).map(|server| count(&server.0)).sum();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let part = counted as f64 / f64::from(RESPONSES * times);
    (part, format!("{counted} in {RESPONSES} responses"))
}

/// Ten segments, asked for a thousand times over a path; `forward` are words for the way of the responses.
pub fn over(name: &str, path: Path, forward: &str, back: &str) -> Case {
    let scenario = asked(path, forward, back);
    Case::new(name, Algorithm::CUBIC, scenario).measure("", Target::AtLeast(0.95), without_timeout)
}

/// The responses go the way that is impaired.
fn asked(path: Path, forward: &str, back: &str) -> Scenario {
    let mut scenario = path.scenario(&[Algorithm::CUBIC], back, forward, Duration::from_secs(1200));
    scenario.flows = vec![FlowSpec::new(Application::RequestResponse {
        request: 200,
        response: 10 * 1448,
        times: RESPONSES,
        think: Time(Duration::from_millis(300)),
    })];
    scenario
}

fn without_timeout(ran: &Ran) -> (f64, String) {
    let rtos: u64 = ran.report.flows.iter().map(|flow| flow.rtos).sum();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let part = 1.0 - rtos as f64 / f64::from(RESPONSES);
    let response = ran.report.flows.first().and_then(|flow| flow.response_ms).unwrap_or_default();
    (part, format!("part without RTO; response p50 {:.0} ms p99 {:.0} ms; {}", response.p50, response.p99, ran.note()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_on_purpose_is_what_the_name_says_and_needs_no_timeout() {
        for case in on_purpose() {
            let rows = case.run(None).expect("it runs");
            let values: Vec<f64> = rows.iter().map(|row| row.value).collect();
            assert!(values.iter().all(|value| (value - 1.0).abs() < 1e-9), "{}: {values:?}", case.name);
        }
    }
}
