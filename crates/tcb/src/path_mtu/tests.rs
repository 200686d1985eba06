//! The search by itself.

use alloc::vec::Vec;

use super::*;

const NOW: Instant = Instant::from_millis(1_000_000);
const WAIT: Duration = Duration::from_secs(1);
const AGE: Duration = Duration::from_mins(10);

fn path() -> PathMtu {
    PathMtu::new(1460)
}

fn lost(size: u16) -> LostFirst {
    LostFirst { size, again: false, overtaken: 0 }
}

fn timed_out(size: u16) -> LostFirst {
    LostFirst { again: true, ..lost(size) }
}

/// Probes over a path that takes `mtu`, until the search is over: what was probed.
fn search(path: &mut PathMtu, from: Instant, fits: u16) -> Vec<u16> {
    let mut probed = Vec::new();
    let mut now = from;
    while let Some(size) = path.due(now) {
        assert!(size > path.size && size <= path.limit);
        probed.push(size);
        path.on_probe_sent();
        assert_eq!(path.due(now), None, "one probe at a time");
        if size <= fits {
            path.on_probe_arrived(now, AGE);
        } else {
            path.on_probe_lost(now, WAIT, AGE);
            now += WAIT;
        }
    }
    probed
}

//= rfc4821#7.1-2
//= rfc4821#7.1-4
//= rfc4821#7.2-1
//= rfc4821#7.6.2-2
//= rfc8899#5.3.2-1
//= rfc4821#7.3-1
//= rfc4821#7.3-2
//= rfc4821#7.3-3
//= rfc8899#5.1.2-1
//= rfc8899#5.2-1
#[test]
fn a_search_ends_close_below_what_fits_and_begins_again_after_ten_minutes() {
    for fits in (1024..=1460).step_by(7) {
        let mut path = path();
        path.on_resent();
        path.on_resent();
        assert!(path.is_too_narrow(NOW, timed_out(1460), &Config::default()));
        assert_eq!(path.size(), 1024);
        let probed = search(&mut path, NOW, fits);
        assert_eq!(probed[0], 1460, "the most first: it may only have been an outage");
        assert!(path.size() <= fits && fits - path.size() <= WORTHWHILE, "{} of {fits}", path.size());
        assert!(probed.len() <= 2 + 6 * usize::from(MAX_PROBES), "{probed:?}");
        let much_later = NOW + Duration::from_mins(11);
        assert_eq!(path.due(NOW + Duration::from_mins(9)), None);
        assert_eq!(path.due(much_later), (path.size() < 1460).then_some(1460));
        search(&mut path, much_later, 1460);
        assert_eq!((path.size(), path.known()), (1460, None), "the path has grown");
    }
}

//= rfc5927#7.2-1
//= rfc1191#3-9
#[test]
fn a_claim_is_believed_unless_longer_segments_have_arrived() {
    let config = Config::default();
    let mut path = path();
    assert_eq!(path.on_too_big(NOW, 1460, 1400, &config), TooBig::Believed);
    assert_eq!(path.on_too_big(NOW, 1400, 1450, &config), TooBig::NothingNew);
    path.on_arrival(1400);
    assert_eq!(path.on_too_big(NOW, 1400, 1000, &config), TooBig::Doubted);
    assert!(!path.is_too_narrow(NOW, lost(1400), &config), "a first retransmission may have many reasons");
    path.on_arrival(1400);
    path.on_resent();
    assert!(!path.is_too_narrow(NOW, timed_out(1400), &config), "a longer one has arrived meanwhile");
    assert_eq!(path.on_too_big(NOW, 1400, 1000, &config), TooBig::Doubted);
    assert!(path.is_too_narrow(NOW, timed_out(1400), &config), "none has arrived meanwhile");
    assert_eq!(path.known(), Some(PathMss { octets: 1000, doubted_at: NOW + config.path_mtu_age }));
}

/// What a router has told is some minutes old when longer segments than it says seem to vanish: they aren't tried for that.
//= rfc1191#3-6
//= rfc8201#4-7
#[test]
fn a_black_hole_behind_a_believed_error_is_not_probed_before_its_time() {
    let config = Config::default();
    let mut path = path();
    assert_eq!(path.on_too_big(NOW, 1460, 1400, &config), TooBig::Believed);
    (0..2).for_each(|_| path.on_resent());
    assert!(path.is_too_narrow(NOW + WAIT, timed_out(1400), &config));
    assert_eq!((path.size(), path.due(NOW + Duration::from_mins(5))), (1024, None));
    assert_eq!(path.due(NOW + AGE), Some(1460));
    path.on_probe_sent();
    path.on_probe_arrived(NOW + AGE, AGE);
    (0..2).for_each(|_| path.on_resent());
    (0..2).for_each(|_| path.on_resent());
    assert!(path.is_too_narrow(NOW + AGE, timed_out(1460), &config));
    assert_eq!(path.due(NOW + AGE), Some(1460), "that error was another time's");
}

/// The router says what it takes of a probe, and then what is known to fit vanishes, too.
//= rfc1191#3-6
//= rfc8201#4-7
#[test]
fn a_black_hole_behind_an_error_about_a_probe_is_not_probed_before_its_time() {
    let config = Config::default();
    let later = NOW + AGE;
    for (takes, found) in [(1250, 1240), (1360, 1240), (1360, 1360)] {
        let mut path = path();
        assert_eq!(path.on_too_big(NOW, 1460, 1240, &config), TooBig::Believed);
        path.on_probe_sent();
        assert_eq!(path.on_too_big(later, 1460, takes, &config), TooBig::Probe);
        if let Some(size) = path.due(later) {
            assert_eq!(size, takes);
            path.on_probe_sent();
        }
        if found == takes {
            path.on_probe_arrived(later, AGE);
        }
        path.on_resent();
        path.on_resent();
        path.on_resent();
        assert!(path.is_too_narrow(later, timed_out(found), &config));
        assert_eq!((path.size(), path.due(later + Duration::from_mins(5))), (1024, None), "{takes}, {found}");
        assert_eq!(path.due(later + AGE), Some(1460));
    }
}

#[test]
fn what_another_connection_learnt_is_believed_down_to_what_has_arrived_here() {
    let mut path = path();
    path.on_arrival(1300);
    let learnt = |octets| PathMss { octets, doubted_at: NOW };
    assert!(!path.learn(learnt(1299)), "longer ones have arrived");
    assert_eq!(path.size(), 1460);
    assert!(path.learn(learnt(1300)));
    assert_eq!(path.known(), Some(learnt(1300)));
}

//= rfc4821#7.6.2-3
#[test]
fn an_error_about_a_probe_tells_what_to_try_next() {
    let config = Config::default();
    let mut path = path();
    assert_eq!(path.on_too_big(NOW, 1460, 1240, &config), TooBig::Believed);
    path.on_arrival(1240);
    let later = NOW + AGE;
    assert_eq!(path.due(later), Some(1460));
    path.on_probe_sent();
    assert_eq!(path.on_too_big(later, 1460, 1360, &config), TooBig::Probe);
    assert_eq!((path.size(), path.due(later)), (1240, Some(1360)));
    path.on_probe_sent();
    path.on_probe_arrived(later, AGE);
    assert_eq!((path.size(), path.due(later)), (1360, None));
}

//= rfc4821#7.7-2
//= rfc8201#4-3
#[test]
fn a_black_hole_halves_down_to_the_floor() {
    let config = Config::default();
    let mut path = path();
    let mut sizes = Vec::new();
    for _ in 0..4 {
        (0..8).for_each(|_| path.on_resent());
        let size = path.size();
        path.is_too_narrow(NOW, timed_out(size), &config);
        sizes.push(path.size());
    }
    assert_eq!(sizes, [1024, 512, 512, 512]);
}

//= rfc4821#7.1-3
#[test]
fn what_has_arrived_needs_more_to_be_doubted() {
    let config = Config::default();
    let mut path = path();
    path.on_arrival(1460);
    path.on_resent();
    path.on_resent();
    assert!(!path.is_too_narrow(NOW, timed_out(1460), &config));
    path.on_resent();
    assert!(path.is_too_narrow(NOW, timed_out(1460), &config));
    let off = Config { mtu_probing: MtuProbing::Off, ..config };
    let mut path = PathMtu::new(1460);
    (0..9).for_each(|_| path.on_resent());
    assert!(!path.is_too_narrow(NOW, timed_out(1460), &off));
}

//= rfc4821#7.7-1
//= rfc8899#4.3-1
#[test]
fn what_is_lost_again_and_again_while_shorter_ones_arrive_is_too_long() {
    let config = Config::default();
    let mut path = path();
    path.on_arrival(1460);
    let narrow = [0, 1, 2, 3]
        .map(|overtaken| path.is_too_narrow(NOW, LostFirst { size: 1400, again: overtaken > 0, overtaken }, &config));
    assert_eq!((narrow, path.size()), ([false, false, false, true], 1024));
}

//= rfc1191#6.3-1
//= rfc8201#5.6-1
#[test]
fn how_long_a_path_is_believed_can_be_chosen_for_ever_too() {
    for (age, due) in [(Duration::from_mins(30), Some(1460)), (Duration::MAX, None)] {
        let config = Config { path_mtu_age: age, ..Config::default() };
        let mut path = path();
        assert_eq!(path.on_too_big(NOW, 1460, 1240, &config), TooBig::Believed);
        assert_eq!(path.due(NOW + Duration::from_mins(29)), None);
        assert_eq!(path.due(NOW + Duration::from_hours(24)), due);
    }
}
