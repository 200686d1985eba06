//! Files that nobody vouches for: captures, scripts and scenarios, damaged at random.

mod walkers;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use sockeye_device::pcapng::{Way, Writer};
use sockeye_lab::script::{Overrides, Script};
use sockeye_lab::sim::{Record, Scenario, Simulation};
use sockeye_wire::Instant;

/// A transfer with losses, at the sender.
static CAPTURE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let scenario: Scenario = "forward = 'rate 10mbit delay 10ms loss 2%'\nback = 'delay 10ms'\nduration = '60s'\n\
        [[flow]]\napplication = { kind = 'bulk', bytes = 60_000 }"
        .parse()
        .expect("a scenario");
    let directory = tempfile::tempdir().expect("a directory");
    let record = Record::nothing().capture(directory.path(), ["client", "server"]).expect("files");
    drop(Simulation::new(&scenario, record).expect("it makes sense").finish_with_record());
    fs::read(directory.path().join("client.pcapng")).expect("it was written")
});

static SCRIPTS: LazyLock<Vec<String>> = LazyLock::new(|| texts("tests/scripts", "pkt"));
static SCENARIOS: LazyLock<Vec<String>> = LazyLock::new(|| texts("docs/gallery", "toml"));

/// The files below a folder of the repository, in the order of their names.
fn texts(folder: &str, extension: &str) -> Vec<String> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder)];
    let mut found: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|other| other == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found.iter().map(|path| fs::read_to_string(path).expect("text")).collect()
}

/// Another octet, at a place as a part of the whole.
fn damage() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12)
}

fn damaged(octets: &[u8], damage: &[(prop::sample::Index, u8)], length: prop::sample::Index) -> Vec<u8> {
    let mut octets = octets.to_vec();
    for (place, octet) in damage {
        let place = place.index(octets.len());
        octets[place] = *octet;
    }
    // One in two is whole.
    let length = length.index(2 * octets.len());
    octets.truncate(length.max(1));
    octets
}

/// True if every number is so small that a run takes little time and memory.
fn is_modest(text: &str) -> bool {
    text.split(|letter: char| !letter.is_ascii_digit()).all(|digits| digits.len() <= 6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_capture_may_be_damaged_anywhere(damage in damage(), length: prop::sample::Index) {
        walkers::capture(&damaged(&CAPTURE, &damage, length));
    }

    /// The file is whole, and what it holds is not.
    #[test]
    fn packets_may_be_anything(
        packets in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..80), 0_usize..50), 0..8)
    ) {
        const TO_PORT_80: [u8; 20] = [0x45, 0, 0, 60, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file, Duration::ZERO).expect("a vector takes it");
        for (octets, header) in &packets {
            let packet = [TO_PORT_80.get(..*header).unwrap_or(&TO_PORT_80), octets].concat();
            writer.write(Instant::ZERO, Way::In, &packet).expect("a vector takes it");
        }
        drop(writer);
        prop_assert_eq!(walkers::capture(&file), !packets.is_empty());
    }

    #[test]
    fn a_script_may_be_damaged_anywhere(
        which: prop::sample::Index, damage in damage(), length: prop::sample::Index
    ) {
        let text = damaged(which.get(&SCRIPTS).as_bytes(), &damage, length);
        let text = String::from_utf8_lossy(&text);
        if walkers::script(&text) && is_modest(&text) {
            let overrides = Overrides::default();
            let script = Script::parse("hostile", &text, &overrides).expect("it was read before");
            // Whatever comes of it.
            drop(script.run(&overrides));
        }
    }

    #[test]
    fn a_scenario_may_be_damaged_anywhere(
        which: prop::sample::Index, damage in damage(), length: prop::sample::Index
    ) {
        walkers::scenario(&String::from_utf8_lossy(&damaged(which.get(&SCENARIOS).as_bytes(), &damage, length)));
    }
}

#[test]
fn what_is_whole_is_read() {
    assert!(walkers::capture(&CAPTURE));
    assert!(SCRIPTS.iter().all(|text| walkers::script(text)) && SCRIPTS.len() > 100);
    assert!(SCENARIOS.iter().all(|text| walkers::scenario(text)) && SCENARIOS.len() > 5);
}

#[test]
fn scenarios_that_ask_for_more_than_there_is_are_read_and_not_planned() {
    let short = "kind = 'short_flows', sizes = { fixed = 1 }";
    let requests = "kind = 'request_response', request = 1, think = '0s'";
    for application in [
        format!("{short}, every = '1s', times = 4_000_000_000"),
        format!("{short}, every = '500000000000y', times = 2"),
        format!("{requests}, response = 9_000_000_000_000_000_000, times = 4_000_000_000"),
        "kind = 'bulk', bytes = 9_000_000_000_000_000_000".to_owned(),
    ] {
        assert!(walkers::scenario(&format!("[[flow]]\napplication = {{ {application} }}")), "{application}");
    }
    let tick = "[[host]]\nname = 'a'\ntick = '500000000000y'\n[[host]]\nname = 'b'\nside = 'right'";
    assert!(walkers::scenario(&format!("{tick}\n[[flow]]\napplication = {{ kind = 'bulk', bytes = 1 }}")));
}

#[test]
fn code_in_scripts_that_asks_for_more_than_there_is_fails() {
    let code = |first: &str, again: &str, times| format!("{first}\n{}", format!("{again}\n").repeat(times));
    for code in [
        code("a = 'x'", "a = a + a", 40),
        code("a = 1", "a = [a, a]", 40),
        code("a = 1", "a = [a]", 5_000),
        code("a = 'x'", "a = str([a, a])", 40),
    ] {
        let text = format!(
            "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n\
             +0 < S 0:0(0) win 8000 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss 1460>\n+0 < . 1:1(0) ack 1 win 8000\n\
             +0 accept(3, ..., ...) = 4\n+0 %{{\n{code}}}%"
        );
        let overrides = Overrides::default();
        let outcome = Script::parse("hostile", &text, &overrides).expect("it is a script").run(&overrides);
        assert!(
            format!("{outcome:?}").contains("in `a`") || format!("{outcome:?}").contains("with `a`"),
            "{outcome:?}"
        );
    }
}
