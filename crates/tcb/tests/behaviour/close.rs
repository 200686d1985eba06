//! Closing: half, both, at once; TIME-WAIT; abort (RFC 9293 sections 3.6, 3.10.4, 3.10.5).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sockeye_tcb::{CallError, ClosedBecause, Event, State, Stop, Tcb};
use sockeye_wire::tcp::{Flags, Timestamps};

use crate::open::segment;
use crate::pair::{Fate, Pair, Side, config, text};

fn states(pair: &Pair) -> (State, State) {
    (pair.a.tcb.state(), pair.b.tcb.state())
}

//= rfc9293#3.6-1
//= rfc9293#3.6-2
//= rfc9293#3.10.4-3
//= rfc9293#3.10.7.4-15
//= rfc9293#3.10.7.4-21
//= rfc9293#MUST-12
#[test]
fn a_half_closed_connection_still_carries_the_other_direction() {
    let mut pair = Pair::established();
    pair.send(Side::A, text(50_000));
    pair.close(Side::A);
    pair.run_for(Duration::from_secs(5));
    assert_eq!(states(&pair), (State::FinWait2, State::CloseWait));
    assert!(pair.b.ended && pair.b.received.len() == 50_000);
    pair.send(Side::B, text(70_000));
    pair.run_for(Duration::from_secs(5));
    assert_eq!(pair.a.received.len(), 70_000);
    pair.close(Side::B);
    pair.run_for(Duration::from_secs(5));
    assert_eq!(states(&pair), (State::TimeWait, State::Closed));
    assert!(pair.a.ended);
    let info = pair.b.tcb.info(pair.now);
    assert_eq!((info.retransmissions, info.timeouts), (0, 0), "the last FIN was acknowledged at once");
    assert_eq!(pair.a.events.last(), Some(&Event::Closed(ClosedBecause::Finished)));
    assert_eq!(pair.b.events.last(), Some(&Event::Closed(ClosedBecause::Finished)));
}

//= rfc9293#MUST-13
//= rfc9293#3.10.7.4-23
//= rfc9293#3.10.8-3
#[test]
fn the_end_that_closed_first_waits_twice_the_segment_lifetime() {
    let mut pair = Pair::established();
    pair.close(Side::A);
    pair.close(Side::B);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(states(&pair), (State::TimeWait, State::TimeWait));
    pair.run_for(Duration::from_secs(58));
    assert_eq!(pair.a.tcb.state(), State::TimeWait);
    pair.run_for(Duration::from_secs(2));
    assert_eq!(pair.a.tcb.state(), State::Closed);
    assert_eq!(pair.a.tcb.next_timeout(), None);
}

//= rfc9293#3.10.7.4-22
//= rfc9293#3.10.7.4-15
#[test]
fn fins_that_cross_close_both_ends() {
    let mut pair = Pair::established();
    pair.close(Side::A);
    pair.close(Side::B);
    assert_eq!(states(&pair), (State::FinWait1, State::FinWait1));
    pair.run_for(Duration::from_millis(15));
    assert_eq!(states(&pair), (State::Closing, State::Closing));
    pair.run_for(Duration::from_secs(1));
    assert_eq!(states(&pair), (State::TimeWait, State::TimeWait));
    assert!(pair.log.len() < 12, "{}", pair.log.len());
}

/// FIELD D31.
//= rfc9293#3.10.4-4
//= rfc9293#MUST-18
#[test]
fn a_lost_fin_or_its_lost_ack_is_made_good() {
    for lost in 0..4 {
        let mut pair = Pair::established();
        let mut count = 0;
        pair.filter = Box::new(move |_| {
            count += 1;
            if count - 1 == lost { Fate::Lost } else { Fate::Arrives }
        });
        pair.send(Side::A, text(10));
        pair.close(Side::A);
        pair.close(Side::B);
        pair.run_for(Duration::from_secs(300));
        assert_eq!(states(&pair), (State::Closed, State::Closed), "{lost}");
        assert!(pair.b.ended && pair.a.ended);
    }
}

//= rfc9293#3.10.4-4
#[test]
fn a_second_close_does_nothing() {
    let mut pair = Pair::established();
    let now = pair.now;
    pair.a.tcb.shutdown(now).unwrap();
    assert_eq!(pair.a.tcb.shutdown(now), Err(CallError::Closing));
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.sent_by(Side::A).iter().filter(|sent| sent.flags.fin).count(), 1);
    assert_eq!(pair.a.tcb.send(now, &mut Bytes::from_static(b"x")), Err(CallError::Closing));
}

//= rfc9293#3.10.3-1
#[test]
fn what_is_left_to_read_comes_before_the_end_of_the_stream() {
    let mut pair = Pair::established();
    pair.b.reads = false;
    pair.send(Side::A, text(100));
    pair.close(Side::A);
    pair.run_for(Duration::from_secs(1));
    let now = pair.now;
    assert_eq!(pair.b.tcb.recv(now, 60).unwrap().len(), 60);
    assert_eq!(pair.b.tcb.recv(now, 60).unwrap().len(), 40);
    assert_eq!(pair.b.tcb.recv(now, 60), Err(CallError::EndOfStream));
}

//= rfc9293#3.10.7.4-16
#[test]
fn a_fin_that_comes_again_is_acknowledged_and_restarts_time_wait() {
    let mut pair = Pair::established();
    pair.close(Side::A);
    pair.run_for(Duration::from_secs(1));
    pair.close(Side::B);
    pair.run_for(Duration::from_secs(30));
    let fin = pair.sent_by(Side::B).into_iter().find(|sent| sent.flags.fin).unwrap();
    pair.log.clear();
    pair.inject(Side::A, fin.clone()).unwrap();
    assert_eq!(pair.sent_by(Side::A)[0].ack, fin.end());
    pair.run_for(Duration::from_secs(59));
    assert_eq!(pair.a.tcb.state(), State::TimeWait);
    pair.run_for(Duration::from_secs(2));
    assert_eq!(pair.a.tcb.state(), State::Closed);
}

/// A connection in TIME-WAIT, as the small struct that stands for it.
fn time_wait() -> (sockeye_tcb::TimeWait, Pair) {
    let mut pair = Pair::established();
    pair.close(Side::A);
    pair.run_for(Duration::from_secs(1));
    pair.close(Side::B);
    pair.run_for(Duration::from_secs(1));
    let now = pair.now;
    pair.a.tcb.close(now);
    (pair.a.tcb.time_wait().unwrap(), pair)
}

//= rfc1337#3-1
#[test]
fn a_reset_does_not_cut_time_wait_short() {
    let (mut time_wait, pair) = time_wait();
    let mut reset = pair.forge(Side::B);
    reset.flags = Flags::RST;
    let verdict = time_wait.on_segment(pair.now, &reset);
    assert_eq!(verdict, sockeye_tcb::time_wait::Verdict::Drop(Stop::ResetInTimeWait, None));
}

//= rfc9293#SHLD-4
//= rfc9293#MAY-2
//= rfc6191#2-1
//= rfc6191#2-2
//= rfc6191#2-3
//= rfc6191#2-4
#[test]
fn a_newer_syn_reopens_time_wait_and_an_older_one_does_not() {
    use sockeye_tcb::time_wait::Verdict;
    let (mut time_wait, pair) = time_wait();
    let last = pair.forge(Side::B);
    let recent = last.options.timestamps.unwrap().value;
    let mut verdict = |seq, value: Option<u32>| {
        let mut syn = segment(seq, seq, Flags::SYN);
        syn.options.timestamps = value.map(|value| Timestamps { value, echo: 0 });
        time_wait.on_segment(pair.now, &syn)
    };
    let ignored = Verdict::Drop(Stop::OldDuplicate, None);
    assert_eq!(verdict(last.seq - 9, Some(recent + 1)), Verdict::Reopen);
    assert_eq!(verdict(last.seq + 1, Some(recent)), Verdict::Reopen);
    assert_eq!(verdict(last.seq + 1, None), Verdict::Reopen);
    assert_eq!(verdict(last.seq - 9, Some(recent)), ignored);
    assert_eq!(verdict(last.seq + 9, Some(recent - 1)), ignored);
    assert_eq!(verdict(last.seq - 9, None), ignored);
}

//= rfc6191#2-5
//= rfc6191#2-6
#[test]
fn without_old_timestamps_the_sequence_number_or_a_new_timestamp_decides() {
    use sockeye_tcb::time_wait::Verdict;
    let plain = sockeye_tcb::Config { timestamps: false, ..config() };
    let mut pair = Pair::established_with(plain.clone(), plain);
    pair.close(Side::A);
    pair.run_for(Duration::from_secs(1));
    pair.close(Side::B);
    pair.run_for(Duration::from_secs(1));
    let now = pair.now;
    pair.a.tcb.close(now);
    let mut time_wait = pair.a.tcb.time_wait().unwrap();
    let last = pair.forge(Side::B);
    let mut syn = segment(last.seq - 5, last.seq, Flags::SYN);
    assert_eq!(time_wait.on_segment(now, &syn), Verdict::Drop(Stop::OldDuplicate, None));
    syn.options.timestamps = Some(Timestamps { value: 1, echo: 0 });
    assert_eq!(time_wait.on_segment(now, &syn), Verdict::Reopen);
    syn.options.timestamps = None;
    syn.seq = last.seq + 1;
    assert_eq!(time_wait.on_segment(now, &syn), Verdict::Reopen);
}

//= rfc9293#3.10.5-1
//= rfc9293#3.5.3-2
//= rfc9293#MUST-12
//= rfc9293#3.10.7.4-8
#[test]
fn abort_resets_the_peer_and_drops_what_was_queued() {
    let mut pair = Pair::established();
    pair.filter = Box::new(|sent| if sent.segment.payload.is_empty() { Fate::Arrives } else { Fate::Lost });
    pair.send(Side::A, text(5000));
    let snd_nxt = pair.sent_by(Side::A).last().unwrap().end();
    let now = pair.now;
    pair.a.tcb.abort(now);
    pair.settle();
    let reset = pair.sent_by(Side::A).pop().unwrap();
    assert_eq!((reset.flags.rst, reset.seq), (true, snd_nxt));
    assert_eq!(pair.a.tcb.info(pair.now).send_queued, 0);
    assert_eq!(pair.a.events, [Event::Closed(ClosedBecause::Aborted)]);
    assert_eq!(pair.a.tcb.next_timeout(), None);
    // The peer has not seen the text, so the RST isn't at its left edge: it asks, and CLOSED answers exactly.
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.b.events.last(), Some(&Event::Closed(ClosedBecause::ResetByPeer)));
    assert!(!ClosedBecause::ResetByPeer.is_clean());
}

/// The peer has closed, then it resets: who reads slowly must not take the part that was read for the whole.
//= rfc9293#MUST-12
//= rfc9293#3.10.7.4-8
#[test]
fn text_that_a_reset_drops_is_not_taken_for_the_end_of_the_stream() {
    for (unread, told) in [(0, CallError::EndOfStream), (40, CallError::Closed(ClosedBecause::ResetByPeer))] {
        let mut pair = Pair::established();
        pair.b.reads = false;
        pair.send(Side::A, text(100));
        pair.a.tcb.shutdown(pair.now).unwrap();
        pair.run_for(Duration::from_secs(1));
        assert_eq!(states(&pair), (State::FinWait2, State::CloseWait));
        let now = pair.now;
        assert_eq!(pair.b.tcb.recv(now, 100 - unread).unwrap().len(), 100 - unread);
        pair.a.tcb.abort(now);
        pair.run_for(Duration::from_secs(1));
        assert_eq!(pair.b.events.last(), Some(&Event::Closed(ClosedBecause::ResetByPeer)));
        assert_eq!(pair.b.tcb.recv(now, 100), Err(told), "{unread} octets unread");
    }
}

//= rfc9293#3.10.5-2
#[test]
fn abort_where_nobody_waits_sends_nothing() {
    let mut pair = Pair::opening(config(), config());
    pair.settle();
    pair.log.clear();
    let now = pair.now;
    pair.a.tcb.abort(now);
    pair.b.tcb.abort(now);
    pair.settle();
    assert!(pair.log.is_empty());
    assert_eq!(states(&pair), (State::Closed, State::Closed));
}

//= rfc9293#SHLD-3
//= rfc9293#MAY-1
#[test]
fn letting_go_with_unread_text_resets_the_peer() {
    let mut pair = Pair::established();
    pair.b.reads = false;
    pair.send(Side::A, text(100));
    pair.run_for(Duration::from_secs(1));
    let now = pair.now;
    pair.b.tcb.close(now);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.a.events.last(), Some(&Event::Closed(ClosedBecause::ResetByPeer)));
}

//= rfc9293#SHLD-3
#[test]
fn text_for_one_who_has_let_go_is_answered_with_a_reset() {
    let mut pair = Pair::established();
    let now = pair.now;
    pair.b.tcb.close(now);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(states(&pair), (State::CloseWait, State::FinWait2));
    pair.send(Side::A, text(100));
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.b.stops.last(), Some(&Stop::TextAfterClose));
    assert_eq!(pair.a.events.last(), Some(&Event::Closed(ClosedBecause::ResetByPeer)));
}

#[test]
fn an_orphan_does_not_wait_for_its_peer_for_ever() {
    let mut pair = Pair::established();
    let now = pair.now;
    pair.a.tcb.close(now);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.a.tcb.state(), State::FinWait2);
    pair.run_for(Duration::from_secs(62));
    assert_eq!(pair.a.tcb.closed_because(), Some(ClosedBecause::OrphanTimedOut));
}

/// FIELD D33: nothing of an old connection is in a new one, because a connection is a value of its own.
#[test]
fn a_new_connection_starts_afresh() {
    let mut pair = Pair::established();
    pair.send(Side::A, text(500_000));
    pair.run_for(Duration::from_secs(5));
    let fresh = Tcb::connect(Arc::new(config()), crate::pair::ISS_A, 0, pair.now).info(pair.now);
    assert_eq!((fresh.bytes_sent, fresh.srtt, fresh.cwnd), (0, None, 0));
}

/// FIELD D29: text that comes with the FIN is read before the end, also if it is pushed, and wherever it is cut.
//= rfc9293#3.10.7.4-21
#[test]
fn text_that_comes_with_the_fin_is_read_before_the_end() {
    let mut pair = Pair::established();
    pair.send(Side::A, text(1));
    pair.run_for(Duration::from_secs(1));
    let mut last = pair.forge(Side::A);
    last.flags = Flags { psh: true, fin: true, ..Flags::ACK };
    last.payload = text(700).into();
    let mut beginning = last.clone();
    beginning.flags.fin = false;
    beginning.payload = last.payload.slice(..300);
    pair.inject(Side::B, beginning).unwrap();
    pair.inject(Side::B, last).unwrap();
    assert_eq!((pair.b.received.len(), pair.b.ended), (701, true));
    assert_eq!(pair.b.tcb.state(), State::CloseWait);
}

//= rfc9293#SHLD-14
#[test]
fn time_wait_repeats_the_window_that_was_told_last() {
    let mut pair = Pair::established();
    pair.close(Side::A);
    pair.run_for(Duration::from_secs(1));
    pair.send(Side::B, text(20_000));
    pair.close(Side::B);
    pair.run_for(Duration::from_secs(1));
    let told = pair.sent_by(Side::A).last().unwrap().window;
    let fin = pair.sent_by(Side::B).into_iter().rfind(|segment| segment.flags.fin).unwrap();
    let now = pair.now;
    pair.a.tcb.close(now);
    let verdict = pair.a.tcb.time_wait().unwrap().on_segment(now, &fin);
    let sockeye_tcb::time_wait::Verdict::Restarted(reply) = verdict else {
        panic!("{verdict:?}");
    };
    assert_eq!(reply.window, told);
}
