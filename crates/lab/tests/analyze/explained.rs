//! Why each segment left, packet by packet.

use std::fs::File;
use std::ops::ControlFlow;

use sockeye_lab::analyze::{Explained, Filter, Report, explain};
use sockeye_lab::sim::{Record, Scenario, Simulation};

/// Each segment of what a host of this scenario captures.
fn explained(scenario: &str, host: &str) -> (Vec<Explained>, Report) {
    explained_up_to(usize::MAX, scenario, host)
}

/// The same, of which no more than so many are wanted.
fn explained_up_to(most: usize, scenario: &str, host: &str) -> (Vec<Explained>, Report) {
    let scenario: Scenario = scenario.parse().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let record = Record::nothing().capture(directory.path(), ["client", "server"]).unwrap();
    Simulation::new(&scenario, record).unwrap().finish();
    let file = File::open(directory.path().join(format!("{host}.pcapng"))).unwrap();
    let mut all = Vec::new();
    let report = explain(file, &Filter::default(), |segment| {
        all.push(segment);
        if all.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    let report = report.unwrap();
    (all, report)
}

const LOSSY: &str = "seed = 3\nduration = '60s'\nforward = 'rate 10mbit delay 20ms limit 50 loss 2% late 1% 5ms'\n\
                     back = 'rate 10mbit delay 20ms'\n[[flow]]\napplication = { kind = 'bulk', bytes = 600_000 }";

/// How many segments of a side left for this reason.
fn count(all: &[Explained], from: usize, why: &str) -> u64 {
    all.iter().filter(|segment| segment.from == from && segment.why.contains(why)).count() as u64
}

//= rfc2398#2.7-1
#[test]
fn each_segment_of_a_lossy_transfer_is_explained() {
    let (all, report) = explained(LOSSY, "client");
    let [client, server] = &report.connections[0].directions;
    assert_eq!(all.len() as u64, client.figures.segments + server.figures.segments);
    assert_eq!((all[0].why.as_str(), all[1].why.as_str()), ("opens the connection", "answers the SYN"));
    assert!(all.iter().is_sorted_by_key(|segment| segment.at));
    let why = ["again: ", "again by the timer", "again, as all behind a timeout", "probes the tail: "];
    let again: u64 = why.into_iter().map(|why| count(&all, 0, why)).sum();
    assert!(again > 5);
    assert_eq!(again, client.figures.retransmits());
    let new = count(&all, 0, "new");
    assert!(count(&all, 0, "let out by the ACK") > new / 2, "the sender is clocked by ACKs");
    assert!(count(&all, 1, "tells what came behind a hole (SACK)") > 5);
    assert_eq!((count(&all, 0, "it ends the stream"), count(&all, 0, "which")), (1, 0));
}

#[test]
fn a_slow_reader_is_probed_and_offers_other_windows() {
    let scenario = "duration = '60s'\nforward = 'rate 10mbit delay 5ms'\nback = 'rate 10mbit delay 5ms'\n\
                    [[host]]\nname = 'client'\n[[host]]\nname = 'server'\nside = 'right'\ntcp = { receive_buffer = 20_000 }\n\
                    [[flow]]\napplication = { kind = 'slow_reader', bytes = 100_000, chunk = 20_000, every = '2s' }";
    let (all, _) = explained(scenario, "server");
    for (from, why) in [
        (0, "probes the closed window"),
        (0, "it fills the window"),
        (0, "let out by the window that opened"),
        (1, "offers another window"),
        (1, "again the same ACK: it answers a probe"),
    ] {
        assert!(count(&all, from, why) > 0, "{why}: {all:#?}");
    }
}

#[test]
fn after_an_outage_the_timer_sends_one_segment_and_acks_the_others() {
    let scenario = "duration = '20s'\nforward = 'rate 10mbit delay 20ms limit 100 at 2s down at 3s up'\n\
                    back = 'rate 10mbit delay 20ms'\n[[flow]]\napplication = { kind = 'bulk', bytes = 5_000_000 }";
    let (all, report) = explained(scenario, "client");
    let rtos = report.connections[0].directions[0].figures.rtos;
    assert!(rtos > 0);
    assert_eq!(count(&all, 0, "again by the timer"), rtos);
    assert!(count(&all, 0, "again, as all behind a timeout: let out by the ACK") > 10);
    assert!(count(&all, 0, "probes the tail") > 0, "two round trips of silence come before the timeout");
}

#[test]
fn who_wants_no_more_explanations_has_no_more_read() {
    let (all, report) = explained_up_to(7, LOSSY, "client");
    assert_eq!((all.len(), report.tally.packets), (7, 7));
}

#[test]
fn what_the_network_copied_was_not_sent_again() {
    let scenario = "duration = '60s'\nforward = 'rate 10mbit delay 20ms duplicate 10%'\nback = 'rate 10mbit delay 20ms'\n\
                    [[flow]]\napplication = { kind = 'request_response', request = 3000, response = 1000, times = 40, \
                    think = '100ms' }";
    for host in ["client", "server"] {
        let (all, report) = explained(scenario, host);
        let figures = &report.connections[0].directions[0].figures;
        assert_eq!((figures.retransmits(), figures.spurious, figures.out_of_order), (0, 0, 0), "{host}: {figures:?}");
        assert_eq!(figures.copied > 5, host == "server", "{figures:?}");
        assert_eq!(figures.octets_sent, 40 * 3000);
        assert_eq!(count(&all, 0, "copied on its way"), figures.copied);
    }
}
