//! Sends as much as each peer's window takes, in the largest pieces that the device does.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sockeye_wire::SeqNumber;
use sockeye_wire::checksum::Sum;

use super::{Arrived, ISS, MSS, Segment, Wire};

/// Segments in a super-segment: 64,240 octets, as large as an IP packet allows.
const SEGMENTS: u16 = 44;

/// Times that each peer is sent to before the device is asked for ACKs again: a read that finds none costs a twentieth of a
/// super-segment.
const ROUNDS: usize = 16;

/// One peer.
struct Flow {
    snd_nxt: SeqNumber,
    rcv_nxt: SeqNumber,
    /// The right edge of its window.
    edge: SeqNumber,
    shift: u8,
}

pub fn run(wire: &Wire, stop: &AtomicBool) -> io::Result<()> {
    let mut buffer = vec![0; 70_000];
    let text = vec![7; usize::from(MSS) * if wire.offloads() { usize::from(SEGMENTS) } else { 1 }];
    // Summed once: summing again would tell nothing of the device.
    let mut sum = Sum::default();
    sum.add(&text);
    let mut flows = HashMap::new();
    while !stop.load(Ordering::Relaxed) {
        while let Some(arrived) = wire.read(&mut buffer)? {
            take(wire, &mut flows, &arrived)?;
        }
        let mut rounds = 0;
        while rounds < ROUNDS && send_to_all(wire, &mut flows, &text, sum)? {
            rounds += 1;
        }
        if rounds == 0 {
            wire.wait(Duration::from_millis(50), false)?;
        }
    }
    Ok(())
}

/// A piece to each peer; false if none took one.
fn send_to_all(wire: &Wire, flows: &mut HashMap<u16, Flow>, text: &[u8], sum: Sum) -> io::Result<bool> {
    let mut sent = false;
    for (&port, flow) in flows {
        sent |= send(wire, port, flow, text, sum)?;
    }
    Ok(sent)
}

fn take(wire: &Wire, flows: &mut HashMap<u16, Flow>, arrived: &Arrived) -> io::Result<()> {
    let &Arrived { port, seq, ack, flags, window, window_scale, .. } = arrived;
    if flags.rst || flags.fin {
        flows.remove(&port);
    } else if flags.syn {
        let shift = window_scale.unwrap_or(0);
        flows.insert(port, Flow { snd_nxt: ISS + 1, rcv_nxt: seq + 1, edge: ISS + 1, shift });
        wire.write(port, &Segment::syn_ack(seq + 1), &[], Sum::default())?;
    } else if let Some(flow) = flows.get_mut(&port) {
        flow.edge = ack + (u32::from(window) << flow.shift);
    }
    Ok(())
}

/// Sends one piece if the window takes it whole, and the device too.
fn send(wire: &Wire, port: u16, flow: &mut Flow, text: &[u8], sum: Sum) -> io::Result<bool> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    if flow.edge.saturating_since(flow.snd_nxt) < length {
        return Ok(false);
    }
    let sent = wire.write(port, &Segment::plain(flow.snd_nxt, flow.rcv_nxt), text, sum)?;
    if sent {
        flow.snd_nxt += length;
    }
    Ok(sent)
}
