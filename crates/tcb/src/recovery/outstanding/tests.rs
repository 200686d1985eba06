//! Runs against a model too plain to be wrong: one entry an octet.

use alloc::vec::Vec;
use core::ops::Range;

use proptest::prelude::*;

use super::*;

const START: u64 = 0x1_ffff_fed8; // the numbers on the wire wrap soon
const MSS: u32 = 10;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn sent(octets: u32) -> Outstanding {
    let mut outstanding = Outstanding::default();
    outstanding.on_sent(at(0), START, octets, MSS, Snapshot::default(), false);
    outstanding
}

fn resend(outstanding: &mut Outstanding, now: u64, limit: u32) -> Option<(u64, u32)> {
    let resent = outstanding.resend_lost(at(now), MSS, limit, |_| Snapshot::default())?;
    Some((resent.start - START, resent.octets))
}

#[test]
fn an_ack_inside_a_segment_leaves_its_rest() {
    let mut outstanding = sent(35);
    assert_eq!(outstanding.take_acked(START + 15).map(|(_, run)| run.segments), Some(2));
    assert_eq!(outstanding.tally(Mark::InFlight), Tally { octets: 20, segments: 3, resent: 0 });
    outstanding.mark_first_lost();
    assert_eq!(resend(&mut outstanding, 1, 90), Some((15, 5)));
}

/// FIELD D37, CVE-2019-11477.
#[test]
fn a_block_that_covers_a_part_of_a_segment_marks_nothing() {
    let mut outstanding = sent(50);
    assert!(outstanding.sack(START + 11, START + 19).is_empty());
    assert!(outstanding.sack(START + 11, START + 29).is_empty());
    assert_eq!(outstanding.sack(START + 11, START + 30)[0].0, START + 20);
    assert_eq!(outstanding.tally(Mark::Sacked), Tally { octets: 10, segments: 1, resent: 0 });
    assert_eq!(outstanding.all().count(), 3);
}

#[test]
fn what_is_sacked_and_adjoins_is_one_run() {
    let mut outstanding = sent(1000);
    for segment in (0..100).step_by(2).chain((1..100).step_by(2)) {
        outstanding.sack(START + segment * 10, START + segment * 10 + 10);
    }
    assert_eq!(outstanding.all().count(), 1);
    assert_eq!(outstanding.tally(Mark::Sacked), Tally { octets: 1000, segments: 100, resent: 0 });
}

/// FIELD D21: a hole at the front, and each segment behind it reported as it comes, or every other one.
#[test]
fn a_block_visits_no_more_runs_in_a_long_window_than_in_a_short_one() {
    let most = |segments: u64, stride: usize, grows: bool| {
        let mut outstanding = Outstanding::default();
        for segment in 0..segments {
            outstanding.on_sent(at(segment), START + segment * 10, MSS, MSS, Snapshot::default(), false);
        }
        let visited = (1..segments).step_by(stride).map(|segment| {
            let before = outstanding.visits.get();
            let left = if grows { 1 } else { segment };
            outstanding.sack(START + left * 10, START + segment * 10 + 10);
            outstanding.visits.get() - before
        });
        visited.max()
    };
    for (stride, grows) in [(1, true), (2, false), (2, true)] {
        let (short, long) = (most(3_000, stride, grows), most(30_000, stride, grows));
        assert!(short == long && long <= Some(16), "{short:?}, {long:?}");
    }
}

#[test]
fn what_is_lost_goes_again_in_order_and_in_todays_size() {
    let mut outstanding = Outstanding::default();
    outstanding.on_sent(at(0), START, 28, 14, Snapshot::default(), false);
    outstanding.mark_lost_until(at(0));
    assert_eq!(resend(&mut outstanding, 5, 10), Some((0, 10)));
    assert_eq!(resend(&mut outstanding, 5, 50), Some((10, 18)));
    assert_eq!(resend(&mut outstanding, 5, 50), None);
}

#[test]
fn lost_runs_that_adjoin_leave_together() {
    let mut outstanding = sent(30);
    outstanding.on_sent(at(1), START + 30, 25, MSS, Snapshot::default(), false);
    outstanding.mark_lost_until(at(1));
    assert_eq!(resend(&mut outstanding, 5, 1000), Some((0, 55)));
    assert_eq!(outstanding.all().count(), 1);
}

#[test]
fn the_last_segment_alone_is_a_probe() {
    let mut outstanding = sent(35);
    let probe = outstanding.resend_last(at(3), Snapshot::default()).unwrap();
    assert_eq!((probe.start, probe.octets), (START + 30, 5));
    assert_eq!(outstanding.all().count(), 2);
}

//= rfc2018#8-4
#[test]
fn what_the_receiver_has_dropped_is_lost() {
    let mut outstanding = sent(50);
    outstanding.sack(START, START + 20);
    outstanding.sack(START + 30, START + 40);
    outstanding.forget_sacks();
    assert_eq!(outstanding.tally(Mark::Lost), Tally { octets: 30, segments: 3, resent: 3 });
    assert_eq!(resend(&mut outstanding, 1, 1000), Some((0, 20)));
    assert_eq!(outstanding.tally(Mark::InFlight), Tally { octets: 40, segments: 4, resent: 2 });
}

/// An octet of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Octet {
    mark: Mark,
    sent_at: Instant,
    resent: bool,
    /// The first octet of a segment.
    begins: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Send { octets: u32, size: u32 },
    Ack { octets: u64 },
    Sack { from: u64, octets: u64 },
    LoseEarliest,
    LoseFirst,
    Resend { limit: u32 },
    Withdraw,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_u32..60, 1..=MSS).prop_map(|(octets, size)| Step::Send { octets, size: if octets > size { MSS } else { size } }),
        2 => (0_u64..40).prop_map(|octets| Step::Ack { octets }),
        6 => (0_u64..150, 0_u64..60).prop_map(|(from, octets)| Step::Sack { from, octets }),
        2 => Just(Step::LoseEarliest),
        1 => Just(Step::LoseFirst),
        3 => (MSS..40).prop_map(|limit| Step::Resend { limit }),
        1 => Just(Step::Withdraw),
    ];
    prop::collection::vec(step, 1..60)
}

/// The model: all octets from `una` on.
struct Model {
    una: u64,
    octets: Vec<Octet>,
}

impl Model {
    /// Whole segments as ranges of octets.
    fn segments(&self) -> Vec<Range<usize>> {
        let mut begins: Vec<usize> = (0..self.octets.len()).filter(|&i| i == 0 || self.octets[i].begins).collect();
        begins.push(self.octets.len());
        begins.windows(2).map(|two| two[0]..two[1]).collect()
    }

    fn apply(&mut self, now: Instant, step: &Step) {
        match *step {
            Step::Send { octets, size } => {
                for i in 0..octets {
                    let begins = i % size == 0;
                    self.octets.push(Octet { mark: Mark::InFlight, sent_at: now, resent: false, begins });
                }
            }
            Step::Ack { octets } => {
                let octets = usize::try_from(octets).unwrap().min(self.octets.len());
                self.octets.drain(..octets);
                self.una += octets as u64;
            }
            Step::Sack { from, octets } => {
                let (left, right) = (usize::try_from(from).unwrap(), usize::try_from(from + octets).unwrap());
                if right <= self.octets.len() {
                    for segment in self.segments() {
                        if left <= segment.start && segment.end <= right {
                            self.octets[segment].iter_mut().for_each(|octet| octet.mark = Mark::Sacked);
                        }
                    }
                }
            }
            Step::LoseFirst => {
                if let Some(segment) = self.segments().into_iter().next().filter(|segment| !segment.is_empty())
                    && self.octets[0].mark == Mark::InFlight
                {
                    self.octets[segment].iter_mut().for_each(|octet| octet.mark = Mark::Lost);
                }
            }
            Step::Withdraw => {
                let lost = self.octets.iter_mut().filter(|octet| octet.mark == Mark::Lost);
                lost.for_each(|octet| octet.mark = Mark::InFlight);
            }
            // Which octets these concern is taken from what the runs answered.
            Step::LoseEarliest | Step::Resend { .. } => {}
        }
    }
}

fn check(outstanding: &Outstanding, model: &Model) {
    let mut place = model.una;
    for (start, run) in outstanding.all() {
        assert_eq!(start, place);
        for _ in 0..run.len {
            let octet = model.octets[usize::try_from(place - model.una).unwrap()];
            assert_eq!(octet.mark, run.mark, "at {place}");
            if run.mark != Mark::Sacked {
                assert_eq!((octet.sent_at, octet.resent), (run.sent_at, run.resent), "at {place}");
            }
            place += 1;
        }
    }
    assert_eq!(place - model.una, model.octets.len() as u64);
    assert!(outstanding.all().count() <= model.segments().len(), "runs outnumber segments");
    let count = |mark| model.octets.iter().filter(|octet| octet.mark == mark).count() as u64;
    for mark in [Mark::InFlight, Mark::Lost, Mark::Sacked] {
        assert_eq!(u64::from(outstanding.tally(mark).octets), count(mark));
    }
    let earliest = model.octets.iter().filter(|octet| octet.mark == Mark::InFlight).map(|octet| octet.sent_at).min();
    assert_eq!(outstanding.earliest_sent().map(|(_, run)| run.sent_at), earliest);
}

proptest! {
    /// FIELD D20: what is in flight equals a recount, whatever comes.
    //= rfc6675#4-2
    //= rfc2018#5-2
    #[test]
    fn runs_say_what_a_list_of_octets_says(steps in steps()) {
        let mut outstanding = Outstanding::default();
        let mut model = Model { una: START, octets: Vec::new() };
        for (now, step) in (0..).map(at).zip(&steps) {
            let (una, nxt) = (model.una, model.una + model.octets.len() as u64);
            model.apply(now, step);
            let index = |place: u64| usize::try_from(place - una).unwrap();
            match *step {
                Step::Send { octets, size } => outstanding.on_sent(now, nxt, octets, size, Snapshot::default(), false),
                Step::Ack { octets } => {
                    let pieces = core::iter::from_fn(|| outstanding.take_acked((una + octets).min(nxt)));
                    let sum: u64 = pieces.map(|(_, run)| u64::from(run.len)).sum();
                    prop_assert_eq!(sum, model.una - una);
                }
                Step::Sack { from, octets } => {
                    if una + from + octets <= nxt {
                        outstanding.sack(una + from, una + from + octets);
                    }
                }
                Step::LoseEarliest => {
                    if let Some((start, run)) = outstanding.earliest_sent() {
                        outstanding.mark_lost(start);
                        let range = index(start)..index(start + u64::from(run.len));
                        model.octets[range].iter_mut().for_each(|octet| octet.mark = Mark::Lost);
                    }
                }
                Step::LoseFirst => _ = outstanding.mark_first_lost(),
                Step::Resend { limit } => {
                    let first = model.octets.iter().position(|octet| octet.mark == Mark::Lost);
                    let resent = outstanding.resend_lost(now, MSS, limit, |_| Snapshot::default());
                    prop_assert_eq!(resent.map(|resent| index(resent.start)), first);
                    if let Some(resent) = resent {
                        prop_assert!(resent.octets <= limit);
                        let range = index(resent.start)..index(resent.start + u64::from(resent.octets));
                        for octet in &mut model.octets[range] {
                            prop_assert_eq!(octet.mark, Mark::Lost);
                            (octet.mark, octet.sent_at, octet.resent) = (Mark::InFlight, now, true);
                        }
                    }
                }
                Step::Withdraw => outstanding.withdraw_losses(),
            }
            prop_assert!(outstanding.holds());
            check(&outstanding, &model);
        }
    }
}
