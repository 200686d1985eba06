//! Short responses over paths that lose: how many come without a retransmission timeout.

use std::time::Duration;

use sockeye::Algorithm;
use sockeye_lab::sim::{Application, FlowSpec, Scenario, Time};

use super::case::{Case, Path, Ran, Target};

/// Responses in a run.
const RESPONSES: u32 = 1000;

/// Ten segments, asked for a thousand times.
pub fn responses() -> Vec<Case> {
    let paths = [
        ("bursts of loss", "loss gemodel 0.5% 40%", ""),
        ("random loss 2%", "loss 2%", ""),
        ("lost tails and retransmissions", "loss 5%", ""),
        ("lost ACKs", "", "loss 5%"),
    ];
    let case =
        |(name, forward, back)| over(&format!("short responses, {name}"), Path::new(2e7, 40, 2.0), forward, back);
    paths.into_iter().map(case).collect()
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
