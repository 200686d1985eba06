//! STATUS (RFC 9293 section 3.10.6): what a connection tells about itself.

use std::time::Duration;

use sockeye_tcb::congestion::Algorithm;
use sockeye_tcb::{Config, TcpInfo, Vitals};

use crate::pair::{Fate, Pair, Random, Side, config, text};

/// The [`Vitals`] that a [`TcpInfo`] has, all of them.
macro_rules! vitals_of {
    ($info:ident: $($field:ident)*) => { Vitals { $($field: $info.$field),* } };
}

fn vitals_in(info: &TcpInfo) -> Vitals {
    vitals_of!(info:
        state phase snd_mss srtt min_rtt rto congestion_control cwnd ssthresh snd_wnd rcv_wnd send_queued recv_queued
        in_flight lost sacked bytes_acked delivered echoes tail_probes timeouts fast_recoveries undone segments_lost
        reordering_seen)
}

#[test]
fn vitals_are_those_of_the_whole_status_all_the_way() {
    let dctcp = || Config { congestion: Algorithm::DCTCP, ..config() };
    let mut pair = Pair::established_with(dctcp(), dctcp());
    let mut random = Random(7);
    pair.filter = Box::new(move |_| match random.below(100) {
        0..6 => Fate::Lost,
        6..12 => Fate::Late(Duration::from_millis(15)),
        12..20 => Fate::Marked,
        _ => Fate::Arrives,
    });
    let agree = |pair: &Pair| {
        for tcb in [&pair.a.tcb, &pair.b.tcb] {
            assert_eq!(tcb.vitals(), vitals_in(&tcb.info(pair.now)), "at {:?}", pair.now);
        }
        false
    };
    pair.send(Side::A, text(1_000_000));
    pair.run_until(Duration::from_secs(300), agree);
    pair.b.reads = false;
    pair.send(Side::A, text(400_000));
    pair.run_until(Duration::from_secs(300), agree);
    let vitals = pair.a.tcb.vitals();
    let counts = [vitals.echoes, vitals.tail_probes, vitals.timeouts, vitals.fast_recoveries, vitals.undone];
    assert!(counts.iter().all(|count| *count > 0) && vitals.reordering_seen, "nothing is left at naught: {vitals:?}");
    assert!(pair.b.tcb.vitals().recv_queued > 0 && vitals.send_queued > 0);
}
