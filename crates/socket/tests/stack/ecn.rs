//! What IP headers say of congestion reaches the connection, and the other way round (RFC 3168).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sockeye::{ConnectOptions, EcnPolicy, ListenOptions};
use sockeye_tcb::Config;
use sockeye_wire::ip::{Ecn, IpView};
use sockeye_wire::tcp::Flags;

use crate::net::{B6, Net, describe, socket};

//= rfc3168#5-1
//= rfc3168#5-2
//= rfc3168#6.1.1-2
//= rfc3168#6.1.1-10
//= rfc3168#6.1.3-1
#[test]
fn text_is_sent_as_markable_and_a_mark_on_its_way_is_echoed() {
    let mut net = Net::new();
    let listener = net.b.stack.listen(socket("::", 80), &ListenOptions::default()).unwrap();
    let tcp = Arc::new(Config { ecn: EcnPolicy::Request, ..Config::default() });
    let options = ConnectOptions { tcp: Some(tcp), ..ConnectOptions::default() };
    let client = net.a.stack.connect(net.now, socket(B6, 80), &options).unwrap();
    net.run_for(Duration::from_millis(50));
    net.b.stack.accept(listener).unwrap();
    let handshake = net.a.sent.iter().chain(&net.b.sent);
    assert!(handshake.clone().all(|packet| IpView::parse(packet).unwrap().ecn() == Ecn::NotEct));
    let flags: Vec<_> = handshake.map(|packet| describe(packet).2).collect();
    assert_eq!(flags[0], Flags { ece: true, cwr: true, ..Flags::SYN });
    assert_eq!(flags[2], Flags { ece: true, ..Flags::SYN_ACK });

    net.a.stack.set_dscp(client, 46);
    net.loses = Box::new(|_| true);
    net.a.stack.send(net.now, client, &mut Bytes::from_static(b"markable")).unwrap();
    net.settle();
    let mut packet = net.a.sent.last().unwrap().to_vec();
    assert_eq!(IpView::parse(&packet).unwrap().traffic_class(), 46 << 2 | Ecn::Ect0.bits());
    packet[1] |= Ecn::Ce.bits() << 4; // a router marks it
    let answers = net.inject(packet);
    assert!(describe(&answers[0]).2.ece);
}
