//! Two connections joined by a function call: no socket, no clock, no network.
//!
//! What one has to send is handed to the other; when neither has anything to say, the clock jumps to the next deadline.

use std::sync::Arc;

use bytes::Bytes;
use sockeye_tcb::{Config, Segment, State, Tcb, Transmit};
use sockeye_wire::{Instant, SeqNumber};

/// The segment that arrives where `transmit` was sent: what a device and two IP headers would have carried.
fn carried(transmit: &Transmit, now: Instant) -> Segment {
    let header = transmit.header;
    Segment {
        seq: header.seq,
        ack: header.ack,
        flags: header.flags,
        window: header.window,
        urgent: header.urgent,
        options: header.options,
        payload: transmit.payload.concat().into(),
        more: Vec::new(),
        arrived_at: now,
        segment_size: 0,
        ecn: transmit.ecn,
    }
}

/// Hands over everything that `from` has to send; true if there was anything.
fn deliver(now: Instant, from: (&str, &mut Tcb), to: &mut Tcb) -> bool {
    let (name, sender) = from;
    let mut any = false;
    while let Some(transmit) = sender.poll_transmit(now, 0) {
        let header = transmit.header;
        let octets = transmit.payload_len();
        println!(
            "{:>5} ms  {name:<6} seq {:<12} ack {:<12} {octets:>4} octets",
            now.as_millis(),
            header.seq,
            header.ack
        );
        // A segment that ends early was answered as the RFC asks.
        let _ = to.on_segment(now, carried(&transmit, now));
        any = true;
    }
    any
}

fn main() {
    let mut now = Instant::from_millis(0);
    let config = Arc::new(Config::default());
    // In earnest these numbers are drawn by RFC 6528: nobody may guess them.
    let mut client = Tcb::connect(config.clone(), SeqNumber::new(1000), 0, now);
    let mut server = Tcb::listen(config, SeqNumber::new(9000), 0, now);
    let mut question = Bytes::from_static(b"How large is the window?");
    client.send(now, &mut question).expect("a new connection takes text");

    let mut heard = Vec::new();
    loop {
        while let Ok(text) = server.recv(now, usize::MAX) {
            heard.extend_from_slice(&text);
        }
        if server.state() == State::CloseWait {
            server.shutdown(now).expect("the peer has closed, we have nothing to add");
        }
        if client.state() == State::Established {
            client.shutdown(now).expect("an open connection can be closed");
        }
        let any =
            deliver(now, ("client", &mut client), &mut server) | deliver(now, ("server", &mut server), &mut client);
        if any {
            continue;
        }
        let Some(next) = [client.next_timeout(), server.next_timeout()].into_iter().flatten().min() else { break };
        now = next;
        client.on_timeout(now);
        server.on_timeout(now);
    }
    println!("the server heard: {}", String::from_utf8_lossy(&heard));
    println!("client {}, server {}", client.state(), server.state());
}
