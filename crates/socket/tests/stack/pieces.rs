//! Packets whose text stands apart from their front.

use bytes::Bytes;
use sockeye_device::Packet;

use crate::net::Net;

#[test]
fn what_a_link_padded_between_front_and_text_is_no_text() {
    let mut net = Net::new();
    let listener = net.listen(80);
    let (client, server) = net.connect(listener, 80);
    let mut text = Bytes::from_static(b"behind the headers");
    net.a.stack.send(net.now, client, &mut text).unwrap();
    let sent = net.a.stack.poll_transmit(net.now, 0).unwrap();
    let front = [sent.head(), b"padded"].concat();
    let packet = Packet { text: sent.payload.to_vec(), ..Packet::new(front.into(), net.now) };
    net.b.stack.on_packet(net.now, packet);
    assert_eq!(net.b.stack.recv(net.now, server, usize::MAX).unwrap(), "behind the headers");
}
