//! What `sockeye sim --pcap` writes, read by other people's programs: they find nothing wrong with it, and count what the stack
//! itself has counted.

use std::path::Path;
use std::process::Command;

use sockeye_lab::analyze::{Filter, analyze};
use sockeye_lab::sim::{Record, Report, Scenario, Simulation};
use tempfile::TempDir;

use super::tshark::is_set_up;

/// A transfer over a path that loses and reorders: its captures, and what the stacks counted.
fn captures(seed: u64) -> (TempDir, Report) {
    let scenario: Scenario = format!(
        "seed = {seed}\nduration = '60s'\nforward = 'rate 10mbit delay 20ms limit 50 loss 2% late 1% 5ms'\n\
         back = 'rate 10mbit delay 20ms'\n\
         [[flow]]\napplication = {{ kind = 'bulk', bytes = 600_000 }}"
    )
    .parse()
    .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let record = Record::nothing().capture(directory.path(), ["client", "server"]).unwrap();
    let (report, record) = Simulation::new(&scenario, record).unwrap().finish_with_record();
    assert!(record.capture_failed().is_none() && report.violation.is_none());
    (directory, report)
}

/// What a program says on standard output; `None` if it isn't installed.
fn output(program: &str, arguments: &[&str], capture: &Path) -> Option<String> {
    let Ok(output) = Command::new(program).args(arguments).arg(capture).output() else {
        assert!(!is_set_up(), "{program} is not there: run `cargo xtask setup`");
        println!("skipped: {program} is not installed");
        return None;
    };
    let complaints = String::from_utf8_lossy(&output.stderr);
    // It warns of being run by root, whatever it reads.
    let complaints: Vec<&str> = complaints.lines().filter(|line| !line.starts_with("Running as user")).collect();
    assert!(output.status.success() && complaints.is_empty(), "{program}: {complaints:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn tshark_finds_nothing_wrong_and_counts_the_same_retransmissions() {
    for seed in 1..=3 {
        let (directory, report) = captures(seed);
        for host in ["client", "server"] {
            let file = directory.path().join(format!("{host}.pcapng"));
            let packets = |filter: &str| {
                let checksums = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"];
                let arguments = [&checksums[..], &["-Y", filter, "-r"]].concat();
                output("tshark", &arguments, &file).map(|lines| lines.lines().count() as u64)
            };
            let Some(wrong) = packets("_ws.malformed or _ws.expert.severity == \"Error\"") else { return };
            assert_eq!(wrong, 0, "seed {seed}, {host}");
            let count = |flag: &str| packets(&format!("tcp.analysis.{flag}")).unwrap_or_default();
            let ours = analyze(std::fs::File::open(&file).unwrap(), &Filter::default()).unwrap();
            let [client, server] = &ours.connections[0].directions;
            // What comes again within a round trip of what it overtook, tshark calls out of order: it doesn't ask whether it was
            // seen before. The receiver sees such a segment for the first time, and so do we there.
            let theirs = count("retransmission") + count("out_of_order");
            assert_eq!(client.figures.retransmits() + client.figures.out_of_order, theirs, "seed {seed}, {host}");
            // It also takes for a duplicate what reports a late copy when nothing is outstanding any more.
            let (ours, reports) = (server.figures.duplicate_acks, server.figures.d_sacks);
            assert!((ours..=ours + reports).contains(&count("duplicate_ack")), "seed {seed}, {host}: {ours}");
            if host == "client" {
                assert_eq!(client.figures.retransmits(), report.flows[0].retransmits, "seed {seed}");
            }
        }
    }
}

#[test]
fn tcptrace_counts_the_same_retransmissions() {
    for seed in 1..=3 {
        let (directory, report) = captures(seed);
        let Some(text) = output("tcptrace", &["-l"], &directory.path().join("client.pcapng")) else { return };
        let count = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        assert_eq!(count("rexmt data pkts:"), report.flows[0].retransmits, "seed {seed}");
        assert_eq!(count("unique bytes sent:"), 600_000, "seed {seed}");
    }
}
