//! The same captures through tshark, whose `tcp.analysis` flags judge each segment by other people's rules. Where the two
//! differ, the reason stands here and in `docs/laboratory.md`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sockeye_lab::analyze::{Figures, Filter, analyze};
use sockeye_tcb::{Buffer, Config, KeepAlive, Segment};

use super::world::End::{A, B};
use super::world::{World, config};

/// Whether `cargo xtask setup` may install what is missing: then nothing may be.
pub fn is_set_up() -> bool {
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    is_root && Path::new("/etc/debian_version").exists()
}

/// How often tshark set each flag (by name without `tcp.analysis.`) on segments of A and of B; `None` without tshark.
fn flags(capture: &[u8]) -> Option<[BTreeMap<&'static str, u64>; 2]> {
    if Command::new("tshark").arg("--version").output().is_err() {
        assert!(!is_set_up(), "tshark is not there: run `cargo xtask setup`");
        println!("skipped: tshark is not installed");
        return None;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), capture).unwrap();
    let mut tshark = Command::new("tshark");
    tshark.args(["-T", "fields", "-e", "tcp.srcport", "-r"]).arg(file.path());
    for flag in FLAGS {
        tshark.args(["-e", &format!("tcp.analysis.{flag}")]);
    }
    let output = tshark.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut counts = [(); 2].map(|()| FLAGS.iter().map(|flag| (*flag, 0)).collect::<BTreeMap<_, _>>());
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let mut fields = line.split('\t');
        let from = usize::from(fields.next() != Some("40000"));
        for (flag, value) in FLAGS.iter().zip(fields) {
            *counts[from].get_mut(flag).unwrap() += u64::from(!value.is_empty());
        }
    }
    Some(counts)
}

const FLAGS: [&str; 10] = [
    "retransmission",
    "fast_retransmission",
    "spurious_retransmission",
    "out_of_order",
    "duplicate_ack",
    "zero_window",
    "window_full",
    "keep_alive",
    "zero_window_probe",
    "lost_segment",
];

fn figures(capture: &[u8]) -> [Figures; 2] {
    let report = analyze(capture, &Filter::default()).unwrap();
    let [a, b] = &report.connections[0].directions;
    [a.figures.clone(), b.figures.clone()]
}

fn transfer(world: &mut World, octets: usize) {
    world.send(A, octets);
    world.close(A);
    world.run_for(Duration::from_secs(60));
    world.close(B);
    world.run_for(Duration::from_secs(5));
}

/// What the path does with the nth segment of A with text.
fn at_text(world: &mut World, mut fate: impl FnMut(u32, &Segment) -> Vec<Duration> + 'static) {
    let mut count = 0;
    world.fate = Box::new(move |_, end, segment| {
        if end == B || segment.payload.is_empty() {
            return vec![Duration::ZERO];
        }
        count += 1;
        fate(count, segment)
    });
}

const ON_TIME: Duration = Duration::ZERO;

#[test]
fn a_fast_retransmission_and_its_duplicate_acks() {
    let mut world = World::new(Config { sack: false, ..config() }, Config { sack: false, ..config() });
    at_text(&mut world, |count, _| if count == 40 { vec![] } else { vec![ON_TIME] });
    transfer(&mut world, 200_000);
    let capture = world.capture(A);
    let Some([from_a, from_b]) = flags(&capture) else { return };
    let [a, b] = figures(&capture);
    // tshark sets both flags on a fast retransmission.
    assert_eq!((a.fast, a.retransmits()), (from_a["fast_retransmission"], from_a["retransmission"]));
    assert_eq!((a.fast, a.timeout), (1, 0));
    assert_eq!(b.duplicate_acks, from_b["duplicate_ack"]);
    assert!(b.duplicate_acks >= 3);
}

#[test]
fn a_retransmission_by_timeout() {
    let plain = Config { sack: false, timestamps: false, ..config() };
    let mut world = World::new(plain.clone(), plain);
    at_text(&mut world, |count, _| if count == 3 { vec![] } else { vec![ON_TIME] });
    transfer(&mut world, 3_000);
    let capture = world.capture(A);
    let Some([from_a, _]) = flags(&capture) else { return };
    let [a, _] = figures(&capture);
    assert_eq!((a.timeout, a.rtos), (from_a["retransmission"], 1));
    assert_eq!(a.timeout, a.retransmits());
    assert_eq!(from_a["fast_retransmission"], 0);
}

#[test]
fn a_gap_and_what_fills_it_at_the_receiver() {
    let mut world = World::new(config(), config());
    at_text(&mut world, |count, _| if count == 40 { vec![] } else { vec![ON_TIME] });
    transfer(&mut world, 200_000);
    let capture = world.capture(B);
    let Some([from_a, _]) = flags(&capture) else { return };
    let [a, _] = figures(&capture);
    assert_eq!((a.gaps, from_a["lost_segment"]), (1, 1));
    // What fills a gap a round trip later was sent again: tshark says so too, as duplicate ACKs went before it.
    assert_eq!(a.retransmits(), from_a["fast_retransmission"] + from_a["retransmission"].saturating_sub(a.fast));
    assert_eq!((a.out_of_order, from_a["out_of_order"]), (0, 0));
}

#[test]
fn overtaken_segments() {
    let mut world = World::new(config(), config());
    at_text(&mut world, |count, _| vec![if count % 50 == 30 { Duration::from_millis(2) } else { ON_TIME }]);
    transfer(&mut world, 200_000);
    let capture = world.capture(B);
    let Some([from_a, _]) = flags(&capture) else { return };
    let [a, _] = figures(&capture);
    // Behind two duplicate ACKs tshark takes what fills a gap for a fast retransmission, however soon it comes. We see that
    // no round trip has passed since.
    assert_eq!(a.out_of_order, from_a["out_of_order"] + from_a["fast_retransmission"]);
    assert_eq!(a.out_of_order, 3);
    assert_eq!(a.gaps, from_a["lost_segment"]);
}

#[test]
fn a_closed_window_and_its_probes() {
    let mut world = World::new(config(), Config { receive_buffer: Buffer::Fixed(30_000), ..config() });
    world.b.reads = false;
    world.send(A, 100_000);
    world.run_for(Duration::from_secs(20));
    world.b.reads = true;
    world.run_for(Duration::from_secs(5));
    let capture = world.capture(A);
    let Some([from_a, from_b]) = flags(&capture) else { return };
    let [a, b] = figures(&capture);
    assert_eq!(a.window_probes, from_a["zero_window_probe"]);
    assert_eq!(a.window_full, from_a["window_full"]);
    // tshark flags each segment with a window of zero; we count the times that it closed.
    assert_eq!(b.zero_windows, 1);
    assert_eq!(from_b["zero_window"], 1 + a.window_probes);
}

#[test]
fn keep_alive_probes() {
    let keep_alive = KeepAlive { idle: Duration::from_hours(2), ..KeepAlive::default() };
    let mut world = World::new(Config { keep_alive: Some(keep_alive), ..config() }, config());
    world.send(A, 500);
    world.run_for(Duration::from_hours(9));
    let capture = world.capture(A);
    let Some([from_a, _]) = flags(&capture) else { return };
    let [a, _] = figures(&capture);
    assert_eq!(a.keep_alives, from_a["keep_alive"]);
    assert_eq!(a.keep_alives, 4);
}

#[test]
fn needless_retransmissions() {
    let mut world = World::new(config(), config());
    at_text(&mut world, |count, _| vec![if count == 40 { Duration::from_millis(15) } else { ON_TIME }]);
    transfer(&mut world, 200_000);
    let Some([from_a, _]) = flags(&world.capture(A)) else { return };
    let [a, _] = figures(&world.capture(A));
    assert_eq!(a.retransmits(), from_a["retransmission"]);
    // tshark calls spurious only what had been acknowledged before it was sent; at the sender nobody sends that. We also
    // believe D-SACKs and timestamps, which tell of it afterwards.
    assert_eq!((a.spurious, from_a["spurious_retransmission"]), (1, 0));
    // At the receiver the ACK goes by before the copy comes: here both say spurious.
    let Some([from_a, _]) = flags(&world.capture(B)) else { return };
    let [a, _] = figures(&world.capture(B));
    assert_eq!((a.spurious, from_a["spurious_retransmission"]), (1, 1));
}
