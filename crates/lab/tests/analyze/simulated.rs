//! Captures of simulated scenarios in which every rule holds: no problem may be named, and timeouts are those that happened.

use std::fs::File;

use sockeye_lab::analyze::{Filter, analyze};
use sockeye_lab::sim::{Record, Scenario, Simulation};

use super::world::problems;

const APPLICATIONS: [&str; 3] = [
    "{ kind = 'bulk', bytes = 300_000 }",
    "{ kind = 'request_response', request = 300, response = 20_000, times = 8, think = '50ms' }",
    "{ kind = 'on_off', burst = 100_000, pause = '500ms', times = 4 }",
];

fn scenario(seed: u64, congestion: &str, application: &str) -> Scenario {
    let pick = |from: &[&'static str], place: u64| from[usize::try_from(place).unwrap() % from.len()];
    let delay = pick(&["5ms", "20ms", "80ms", "300ms"], seed);
    let loss = pick(&["loss 0%", "loss 1%", "loss 2%", "loss 1% late 1% 5ms", "codel ecn"], seed);
    let (tick, other_tick) = (pick(&["1ns", "1ms", "4ms", "10ms"], seed / 4), pick(&["1ns", "10ms", "1ms"], seed));
    let (ecn, timestamps) = (seed.is_multiple_of(2), !seed.is_multiple_of(3));
    format!(
        "seed = {seed}\nduration = '10m'\n\
         forward = 'rate 20mbit delay {delay} limit 100 {loss}'\nback = 'rate 2mbit delay {delay} loss 1%'\n\
         [[host]]\nname = 'client'\ntick = '{tick}'\ntcp = {{ ecn = {ecn}, timestamps = {timestamps} }}\n\
         [[host]]\nname = 'server'\nside = 'right'\ntick = '{other_tick}'\n\
         [[flow]]\ncongestion = '{congestion}'\napplication = {application}"
    )
    .parse()
    .unwrap()
}

/// Probes of the tail that were taken for timeouts: one of new octets, whose SACK shows the loss; and one that took a
/// timeout's place.
const PROBES: [&str; 2] = [
    "seed = 1096\nduration = '2m'\n\
     forward = 'rate 20mbit delay 20ms limit 100 loss 1%'\nback = 'rate 2mbit delay 10ms loss 1%'\n\
     [[host]]\nname = 'client'\ntick = '1ms'\ntcp = { sack = true, timestamps = false, ecn = true }\n\
     [[host]]\nname = 'server'\nside = 'right'\n\
     [[flow]]\ncongestion = 'dctcp'\n\
     application = { kind = 'on_off', burst = 100_000, pause = '500ms', times = 6 }",
    "seed = 1\nduration = '10m'\n\
     forward = 'rate 20mbit delay 300ms loss 2%'\nback = 'rate 20mbit delay 300ms'\n\
     [[flow]]\ncongestion = 'dctcp'\napplication = { kind = 'bulk', bytes = 1_000_000 }",
];

/// Paths on which packets overtake each other, and a queue without end behind which CUBIC grows for long.
const REORDERING: [&str; 2] = [
    "duration = '20s'\nforward = 'rate 5mbit limit 30 delay 50ms 10ms'\nback = 'rate 5mbit delay 50ms'\n\
     [[flow]]\napplication = { kind = 'bulk' }",
    "duration = '20s'\nforward = 'rate 10mbit delay 20ms duplicate 1% reorder 5%'\nback = 'rate 10mbit delay 20ms'\n\
     [[flow]]\napplication = { kind = 'bulk' }",
];

/// What a scenario's captures, at both ends, tell that it should not.
fn wrong(scenario: &Scenario) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let record = Record::nothing().capture(directory.path(), ["client", "server"]).unwrap();
    let (report, _) = Simulation::new(scenario, record).unwrap().finish_with_record();
    assert!(report.violation.is_none(), "{:?}", report.violation);
    let mut wrong = Vec::new();
    let mut rtos = 0;
    // The stack doesn't count those of its SYN.
    let mut is_plain = true;
    for (which, host) in ["client", "server"].into_iter().enumerate() {
        let capture = directory.path().join(format!("{host}.pcapng"));
        let seen = analyze(File::open(capture).unwrap(), &Filter::default()).unwrap();
        wrong.extend(problems(&seen).iter().map(|problem| format!("captured at the {host}: {problem:?}")));
        is_plain &= seen.connections[0].handshake.is_some();
        rtos += seen.connections[0].directions[which].figures.rtos;
    }
    let happened = report.flows[0].rtos;
    wrong.extend((is_plain && rtos != happened).then(|| format!("{rtos} timeouts, {happened} happened")));
    wrong
}

//= rfc2398#2.7-1
#[test]
fn a_simulated_scenario_shows_no_problem_and_the_timeouts_that_it_had() {
    let mut all = Vec::new();
    // In the last one a segment sent again is lost again, and SACK tells of what left after it.
    for seed in (0..40).chain([47]) {
        for congestion in ["cubic", "newreno", "bbr", "dctcp"] {
            for application in APPLICATIONS {
                let wrong = wrong(&scenario(seed, congestion, application));
                all.extend(wrong.iter().map(|wrong| format!("seed {seed}, {congestion}, {application}: {wrong}")));
            }
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn a_tail_probe_is_no_timeout() {
    for text in PROBES {
        assert_eq!(wrong(&text.parse().unwrap()), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn what_was_overtaken_was_not_sent_again() {
    for text in REORDERING {
        assert_eq!(wrong(&text.parse().unwrap()), Vec::<String>::new(), "{text}");
    }
}

/// At the receiver everything is acknowledged at once: how long the way is shows in the handshake and at the other side only.
#[test]
fn what_jitter_brought_late_was_not_sent_again_as_the_receiver_sees_it_either() {
    let scenario: Scenario = "seed = 5\nduration = '60s'\nforward = 'rate 10mbit delay 20ms 5ms loss 0.5%'\n\
                              back = 'rate 10mbit delay 20ms'\n[[flow]]\napplication = { kind = 'bulk', bytes = 4_000_000 }"
        .parse()
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let record = Record::nothing().capture(directory.path(), ["client", "server"]).unwrap();
    let (report, _) = Simulation::new(&scenario, record).unwrap().finish_with_record();
    let seen = analyze(File::open(directory.path().join("server.pcapng")).unwrap(), &Filter::default()).unwrap();
    let (resent, figures) = (report.flows[0].retransmits, &seen.connections[0].directions[0].figures);
    assert!(figures.out_of_order > 100 && figures.retransmits() <= resent + 2, "{resent} sent again, {figures:?}");
}
