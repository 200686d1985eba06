//! The rules on connections, each with what keeps it and what breaks it.

use std::sync::Arc;

use sockeye::{Config, State};
use sockeye_tcb::{LossPhase, Tcb};
use sockeye_wire::SeqNumber;

use super::super::world;
use super::*;

const MSS: u32 = 1_000;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn limits() -> Limits {
    world::limits(&Config::default(), &super::super::HostSpec::default())
}

/// What a connection tells where all is well, with so many octets outstanding.
fn vitals(congestion_control: &'static str, in_flight: u32) -> Vitals {
    let untouched = Tcb::connect(Arc::new(Config::default()), SeqNumber::new(0), 0, at(0)).vitals();
    Vitals {
        state: State::Established,
        snd_mss: 1_000,
        srtt: Some(Duration::from_millis(100)),
        congestion_control,
        cwnd: 20 * MSS,
        ssthresh: 20 * MSS,
        snd_wnd: 1 << 20,
        send_queued: in_flight,
        in_flight,
        ..untouched
    }
}

fn rule(result: Result<(), Broken>) -> Option<Invariant> {
    result.err().map(|broken| broken.0)
}

#[test]
fn the_second_loss_is_to_be_found_as_soon_as_the_first() {
    let (mut losses, ear) = (Losses::default(), Ear::with_outstanding(5 * MSS));
    let mut judge = |info: &Vitals, deadline: Instant| {
        let (deadline, limits) = (|| Some(deadline), limits());
        rule(losses.after_event(Moment { now: at(200), info, deadline: &deadline, ear: &ear, limits: &limits }))
    };
    let open = vitals("cubic", 5 * MSS);
    let overtaken = |info: Vitals| Vitals { in_flight: 2 * MSS, sacked: 3 * MSS, phase: LossPhase::Disorder, ..info };
    assert_eq!(judge(&open, at(400)), None);
    assert_eq!(judge(&overtaken(open), at(400)), Some(Invariant::LossFound));
    assert_eq!(judge(&overtaken(open), at(201)), None, "within a tick");
    let repairing = Vitals { fast_recoveries: 1, segments_lost: 1, phase: LossPhase::Recovery, ..overtaken(open) };
    assert_eq!(judge(&repairing, at(400)), None, "it was found");
    let repaired = Vitals { fast_recoveries: 1, segments_lost: 1, bytes_acked: 5_001, ..open };
    assert_eq!(judge(&repaired, at(400)), None);
    assert_eq!(judge(&overtaken(repaired), at(400)), Some(Invariant::LossFound), "another one");
    assert_eq!(judge(&repaired, at(5_000)), None);
    let measured = Vitals { srtt: Some(Duration::from_millis(90)), ..repaired };
    assert_eq!(judge(&measured, at(5_000)), Some(Invariant::TailProbed), "nor is the tail forgotten");
    let reorders = Vitals { reordering_seen: true, ..overtaken(repaired) };
    assert_eq!(judge(&reorders, at(400)), None, "RACK waits");
}

#[test]
fn cubic_is_bound_by_its_curve_of_before_once_a_reduction_is_undone() {
    let grows_by = |octets: u32| {
        let (mut window, ear) = (Window::default(), Ear::with_outstanding(10 * MSS));
        let mut judge = |millis, info: &Vitals| rule(window.after_event(at(millis), info, &ear, &limits()));
        let open = vitals("cubic", 10 * MSS);
        let lost =
            Vitals { cwnd: 14 * MSS, ssthresh: 14 * MSS, fast_recoveries: 1, phase: LossPhase::Recovery, ..open };
        let undone = Vitals { fast_recoveries: 1, undone: 1, delivered: 1_000, ..open };
        assert_eq!([judge(0, &open), judge(100, &lost), judge(200, &undone)], [None; 3]);
        // Along the curve, at most half of what is delivered.
        let mut info = undone;
        (1..100).find_map(|round| {
            info = Vitals { delivered: info.delivered + 1_000, cwnd: info.cwnd + octets, ..info };
            judge(200 + round, &info)
        })
    };
    assert_eq!(grows_by(50), None);
    assert_eq!(grows_by(500), None, "towards whichever curve it was");
    assert_eq!(grows_by(600), Some(Invariant::GrowsAsAcked));
}

#[test]
fn bbr_grows_by_what_is_delivered_or_back_to_where_it_was() {
    let ear = Ear::with_outstanding(10 * MSS);
    let after = |steps: &[(u32, u64)]| {
        let mut window = Window::default();
        steps.iter().find_map(|&(cwnd, delivered)| {
            let info = Vitals { cwnd, delivered, ..vitals("bbr", 10 * MSS) };
            rule(window.after_event(at(100), &info, &ear, &limits()))
        })
    };
    assert_eq!(after(&[(10_000, 0), (12_000, 2_000), (4_000, 3_000), (13_000, 4_000)]), None);
    assert_eq!(after(&[(10_000, 0), (12_001, 2_000)]), Some(Invariant::GrowsAsAcked));
    assert_eq!(after(&[(10_000, 0), (4_000, 0), (12_001, 2_000)]), Some(Invariant::GrowsAsAcked));
}

#[test]
fn text_for_which_there_is_room_leaves_within_five_seconds() {
    let judged = |info: Vitals, outstanding: u32, due: Option<u64>| {
        let (deadline, ear, limits) = (|| due.map(at), Ear::with_outstanding(outstanding), limits());
        let moment = Moment { now: at(1_000), info: &info, deadline: &deadline, ear: &ear, limits: &limits };
        rule(Held::default().after_event(moment))
    };
    let waits = Vitals { send_queued: 3 * MSS, ..vitals("bbr", 0) };
    assert_eq!(judged(waits, 0, Some(6_000)), None);
    assert_eq!(judged(waits, 0, Some(7_000)), Some(Invariant::LeavesInTime));
    assert_eq!(judged(waits, 0, None), Some(Invariant::LeavesInTime));
    assert_eq!(judged(waits, MSS, Some(7_000)), None, "an ACK lets it out");
    let no_room = [Vitals { send_queued: 10, ..waits }, Vitals { snd_wnd: 0, ..waits }, Vitals { cwnd: 0, ..waits }];
    assert_eq!(no_room.map(|info| judged(info, 0, Some(7_000))), [None; 3]);
    let (mut held, ear) = (Held::default(), Ear::with_outstanding(0));
    let mut later = |millis| {
        let (deadline, limits) = (|| Some(at(millis)), limits());
        let moment = Moment { now: at(millis), info: &waits, deadline: &deadline, ear: &ear, limits: &limits };
        rule(held.after_event(moment))
    };
    assert_eq!([later(1_000), later(6_000)], [None; 2]);
    assert_eq!(later(6_100), Some(Invariant::LeavesInTime));
}
