//! Rules about packets, each with what keeps it and what breaks it.

use sockeye::Config;
use sockeye_wire::tcp::TcpHeader;

use sockeye_wire::tcp::Options;

use super::super::{HostSpec, world};
use super::*;

/// The host says a segment without text; the rule that this breaks.
fn says(ear: &mut Ear, flags: Flags, seq: u32, ack: u32) -> Option<Invariant> {
    let (seq, ack) = (SeqNumber::new(seq), SeqNumber::new(ack));
    let options = Options::default();
    let header = TcpHeader { source_port: 1, destination_port: 2, seq, ack, flags, window: 1_000, urgent: 0, options };
    let mut bytes = [0; 60];
    let length = header.emit(&mut bytes).unwrap();
    let segment = TcpView::parse(&bytes[..length]).unwrap();
    let limits = world::limits(&Config::default(), &HostSpec::default());
    ear.says(Instant::from_millis(1), &segment, 0, None, &limits).err().map(|broken| broken.0)
}

#[test]
fn who_connects_keeps_to_one_sequence_number() {
    let mut connects = Ear::default();
    assert_eq!([(); 2].map(|()| says(&mut connects, Flags::SYN, 100, 0)), [None; 2]);
    assert_eq!(says(&mut connects, Flags::SYN, 900, 0), Some(Invariant::InState));
    let mut listens = Ear::default();
    assert_eq!([(100, 1), (900, 7)].map(|(seq, ack)| says(&mut listens, Flags::SYN_ACK, seq, ack)), [None; 2]);
}
