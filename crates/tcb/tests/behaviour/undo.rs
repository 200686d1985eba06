//! Recoveries that proved needless, and what is given back then (RFC 3522, RFC 3708, RFC 4015).

use std::sync::Arc;
use std::time::Duration;

use sockeye_tcb::{Config, EcnPolicy, Segment, State, Tcb};

use crate::pair::{Fate, ISS_A, ISS_B, Pair, Side, text};
use crate::unpaced::config;

/// Both ends ESTABLISHED on a path of 50 ms, `a` with a window of more than forty segments.
fn warm(with: Config) -> Pair {
    let mut pair = Pair::opening(with, config());
    pair.delay = Duration::from_millis(25);
    warm_up(&mut pair);
    pair
}

fn warm_up(pair: &mut Pair) {
    pair.run_for(Duration::from_secs(1));
    pair.send(Side::A, text(300 * 988));
    assert!(pair.run_until(Duration::from_secs(5), |pair| pair.info().send_queued == 0));
    assert!(pair.info().cwnd >= 40 * 988, "{:?}", pair.info());
    pair.log.clear();
}

/// The way forth stalls from now on: what leaves for `by` arrives when that is over, in order, one segment in 100 us.
pub fn stall(pair: &mut Pair, by: Duration) {
    let mut free = pair.now + by;
    pair.filter = Box::new(move |sent| {
        if sent.from == Side::B {
            return Fate::Arrives;
        }
        free = free.max(sent.at) + Duration::from_micros(100);
        Fate::Late(free.since(sent.at))
    });
}

/// A delay of twice the RTO: the timer fires in vain.
//= rfc3522#3.2-1
//= rfc3522#3.2-2
//= rfc3522#3.2-3
//= rfc3522#3.2-4
//= rfc3522#3.2-5
//= rfc3522#3.2-6
//= rfc4015#2-1
//= rfc4015#3.1-1
//= rfc4015#3.1-3
//= rfc4015#3.1-4
//= rfc4015#3.1-5
//= rfc4015#3.1-6
//= rfc4015#4-2
#[test]
fn a_timeout_that_only_a_delay_caused_is_undone() {
    late_by(2);
}

//= rfc4015#3.1-2
#[test]
fn several_timeouts_of_one_delay_are_undone_at_once() {
    late_by(9);
}

fn late_by(timeouts: u32) {
    let mut pair = warm(config());
    let before = pair.info();
    let by = timeouts * before.rto;
    stall(&mut pair, by);
    pair.send(Side::A, text(200 * 988));
    let start = pair.now;
    pair.run_for(by + Duration::from_millis(60));
    let info = pair.info();
    assert!(info.timeouts >= 1 && info.spurious_timeouts == 1 && info.undone == 1, "{info:?}");
    assert!(info.cwnd >= before.cwnd && info.ssthresh >= before.ssthresh, "{info:?}");
    assert!(info.rto < 3 * info.srtt.unwrap() + 4 * before.rto, "the back-off is taken back: {info:?}");
    // No go-back-N: the probe and the front went again, nothing else.
    assert!(info.retransmissions <= 1 + info.timeouts, "{info:?}");
    assert!(pair.run_until(Duration::from_secs(2), |pair| pair.a.tcb.info(pair.now).send_queued == 0));
    assert!(pair.now.since(start) < by + Duration::from_millis(400), "{:?}", pair.now.since(start));
}

/// The window is whole again at once, but what it lets out comes in slow start.
//= rfc4015#3.1-7
#[test]
fn no_burst_follows_what_is_undone() {
    let mut pair = warm(Config { timestamps: false, ..config() });
    let mut count = 0;
    pair.filter = Box::new(move |sent| {
        count += u32::from(sent.from == Side::A);
        let late = sent.from == Side::A && count == 1;
        Fate::Late(Duration::from_micros(50) * count + if late { Duration::from_millis(30) } else { Duration::ZERO })
    });
    pair.send(Side::A, text(900 * 988));
    assert!(pair.run_until(Duration::from_secs(2), |pair| pair.info().undone == 1), "{:?}", pair.info());
    let (info, undone_at) = (pair.info(), pair.now);
    assert!(info.cwnd > info.in_flight + 25 * 988 && info.send_queued > 200 * 988, "room for a burst: {info:?}");
    pair.run_for(Duration::from_millis(100));
    let later = pair.log.iter().filter(|sent| sent.from == Side::A && sent.at >= undone_at);
    let sent: Vec<_> = later.map(|sent| sent.at).collect();
    let largest = sent.iter().map(|at| sent.iter().filter(|other| *other == at).count()).max().unwrap();
    assert!(largest <= 12, "{largest} segments at one instant");
}

/// FIELD D17: the timestamps wrap in the middle of it.
#[test]
fn detection_by_timestamps_works_across_their_wrap() {
    for before_wrap in (0..1_200).step_by(100) {
        let now = sockeye_wire::Instant::from_millis(10_000);
        // Warm at 11.4 s or so.
        let offset = u32::MAX - 11_200 - before_wrap;
        let mut pair = Pair::of(
            Tcb::connect(Arc::new(config()), ISS_A, offset, now),
            Tcb::listen(Arc::new(config()), ISS_B, 77, now),
            now,
        );
        pair.delay = Duration::from_millis(25);
        warm_up(&mut pair);
        let by = 2 * pair.info().rto;
        stall(&mut pair, by);
        pair.send(Side::A, text(200 * 988));
        pair.run_for(by + Duration::from_millis(60));
        assert_eq!((pair.info().undone, pair.info().spurious_timeouts), (1, 1), "{before_wrap}: {:?}", pair.info());
        assert!(pair.run_until(Duration::from_secs(2), |pair| pair.a.tcb.info(pair.now).send_queued == 0));
    }
}

/// Reordering without timestamps: only the duplicates that the peer reports tell.
//= rfc3708#3-1
//= rfc3708#3-3
//= rfc3708#3-6
//= rfc3708#3-7
//= rfc2883#5-3
#[test]
fn a_fast_retransmit_whose_segment_came_twice_is_undone() {
    let mut pair = warm(Config { timestamps: false, ..config() });
    let before = pair.info();
    let mut count = 0;
    pair.filter = Box::new(move |sent| {
        count += u32::from(sent.from == Side::A);
        let late = sent.from == Side::A && count == 1;
        if late { Fate::Late(Duration::from_millis(30)) } else { Fate::Arrives }
    });
    pair.send(Side::A, text(30 * 988));
    assert!(pair.run_until(Duration::from_secs(1), |pair| pair.a.tcb.info(pair.now).fast_recoveries == 1));
    assert!(pair.info().ssthresh < before.cwnd);
    pair.run_for(Duration::from_secs(1));
    let info = pair.info();
    assert_eq!((info.retransmissions, info.duplicates_reported, info.undone), (1, 1, 1), "{info:?}");
    assert!(info.cwnd >= before.cwnd && info.ssthresh >= before.ssthresh, "{info:?}");
}

//= rfc3708#3-7
//= rfc3708#3-4
#[test]
fn a_true_loss_is_not_undone_though_another_segment_came_twice() {
    let mut pair = warm(Config { timestamps: false, ..config() });
    let mut count = 0;
    pair.filter = Box::new(move |sent| {
        count += u32::from(sent.from == Side::A);
        match (sent.from, count) {
            (Side::A, 1) => Fate::Late(Duration::from_millis(30)),
            (Side::A, 4) => Fate::Lost,
            _ => Fate::Arrives,
        }
    });
    pair.send(Side::A, text(30 * 988));
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.info().duplicates_reported, pair.info().undone), (1, 0), "{:?}", pair.info());
}

/// A whole window of ACKs is lost: the data were all there, but the way back is congested.
//= rfc3522#3.2-5
//= rfc3708#3-2
#[test]
fn a_timeout_for_the_loss_of_all_acks_is_not_undone() {
    for timestamps in [true, false] {
        let mut pair = warm(Config { timestamps, ..config() });
        pair.filter = Box::new(|sent| if sent.from == Side::B { Fate::Lost } else { Fate::Arrives });
        pair.send(Side::A, text(20 * 988));
        assert!(pair.run_until(Duration::from_secs(5), |pair| pair.a.tcb.info(pair.now).timeouts == 1));
        pair.filter = Box::new(|_| Fate::Arrives);
        pair.run_for(Duration::from_secs(2));
        assert_eq!((pair.info().undone, pair.info().send_queued), (0, 0), "{:?}", pair.info());
    }
}

/// More duplicates than we ever sent: the network's doing. From then on their reports prove nothing.
//= rfc3708#3-5
#[test]
fn a_network_that_duplicates_gives_nothing_back() {
    let mut pair = warm(Config { timestamps: false, ..config() });
    pair.filter = Box::new(|sent| if sent.from == Side::A { Fate::Twice } else { Fate::Arrives });
    pair.send(Side::A, text(20 * 988));
    pair.run_for(Duration::from_secs(1));
    let mut count = 0;
    pair.filter = Box::new(move |sent| {
        count += u32::from(sent.from == Side::A);
        match (sent.from, count) {
            (Side::A, 3) => Fate::Lost,
            (Side::A, _) => Fate::Twice,
            _ => Fate::Arrives,
        }
    });
    pair.send(Side::A, text(30 * 988));
    pair.run_for(Duration::from_secs(1));
    assert_eq!((pair.info().fast_recoveries, pair.info().undone), (1, 0), "{:?}", pair.info());
}

//= rfc4015#3.4-1
#[test]
fn nothing_is_given_back_on_the_word_of_an_ack_that_tells_of_congestion() {
    for ece in [false, true] {
        let mut pair = warm(Config { ecn: EcnPolicy::Request, ..config() });
        pair.filter = Box::new(|_| Fate::Lost);
        pair.send(Side::A, text(10 * 988));
        assert!(pair.run_until(Duration::from_secs(5), |pair| pair.a.tcb.info(pair.now).timeouts == 1));
        // The late ACK of two originals.
        let ours = pair.sent_by(Side::A)[0].clone();
        let mut late = Segment { seq: ours.ack, ack: ours.seq + 2 * 988, ..pair.forge(Side::A) };
        late.options.timestamps = ours
            .options
            .timestamps
            .map(|timestamps| sockeye_wire::tcp::Timestamps { value: timestamps.echo + 500, echo: timestamps.value });
        late.flags.ece = ece;
        pair.inject(Side::A, late).unwrap();
        assert_eq!(pair.info().undone, u64::from(!ece));
        assert_eq!(pair.a.tcb.state(), State::Established);
    }
}
