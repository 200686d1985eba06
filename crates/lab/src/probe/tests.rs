//! A path of the link model, and at its end a host that does nothing but answer echoes.

use sockeye_device::impair::{Link, LinkConfig};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn plan(source: &str, host: &str) -> Plan {
    let [source, host] = [source, host].map(|address| address.parse().unwrap());
    Plan { source, host, mtu: 1500, algorithm: Algorithm::CUBIC, seed: 7 }
}

/// What a host answers to an echo request; nothing to anything else.
fn answer(packet: &Packet) -> Option<Packet> {
    let view = IpView::parse(&packet.bytes).ok()?;
    let (host, source) = (view.destination(), view.source());
    let Ok(IcmpMessage::EchoRequest(echo)) = icmp::parse(view.payload(), source, host) else { return None };
    let mut reply = vec![0; view.payload().len()];
    icmp::emit_echo_reply(host, source, &echo, &mut reply).unwrap();
    Some(packet_of(host, source, view.protocol(), &reply))
}

fn packet_of(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Packet {
    let (payload_len, hop_limit, traffic_class, dont_fragment) = (payload.len(), 64, 0, true);
    let header = IpHeader { source, destination, protocol, payload_len, hop_limit, traffic_class, dont_fragment };
    let mut head = [0; 40];
    let written = header.emit(&mut head).unwrap();
    Packet::new([&head[..written], payload].concat().into(), Instant::ZERO)
}

/// Measures for so long over a path that is as `there` and `back` say.
fn measured(plan: &Plan, there: &str, back: &str, time: Duration) -> Report {
    let link = |words: &str, seed| Link::new(words.parse::<LinkConfig>().unwrap(), seed);
    let (mut there, mut back) = (link(there, 1), link(back, 2));
    let mut now = Instant::ZERO;
    let mut probe = Probe::new(now, plan).unwrap();
    let end = now + time;
    loop {
        while let Some(request) = probe.poll_transmit(now) {
            assert!(request.len() <= plan.mtu.into());
            there.send(now, Packet::new(request.to_bytes(), now));
        }
        let due = [there.next_timeout(), back.next_timeout(), probe.next_timeout()].into_iter().flatten().min();
        now = due.filter(|due| *due < end).map_or(end, |due| due.max(now));
        if now == end {
            return probe.report(now);
        }
        while let Some(packet) = there.receive(now) {
            answer(&packet).into_iter().for_each(|reply| back.send(now, reply));
        }
        while let Some(packet) = back.receive(now) {
            probe.on_packet(now, &packet);
        }
        probe.on_timeout(now);
    }
}

//= rfc2398#2.10-1
#[test]
fn it_finds_what_the_narrower_direction_carries() {
    for ends in [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")] {
        let plan = plan(ends.0, ends.1);
        for (there, back) in [("rate 8mbit", "rate 40mbit"), ("rate 40mbit", "rate 8mbit")] {
            let words = |rate| format!("{rate} delay 10ms limit 40");
            let report = measured(&plan, &words(there), &words(back), 10 * SECOND);
            // Of 1,500 octets some 1,440 are text.
            let share = report.goodput_bps() / 8e6;
            assert!((0.9..0.97).contains(&share), "{ends:?} {there}: {share}");
            assert_eq!(report.sender.min_rtt.unwrap().as_millis() / 10, 2, "{report:?}");
            assert!(report.replies <= report.requests && report.error.is_none());
        }
    }
}

//= rfc2398#2.10-1
#[test]
fn a_loss_of_either_direction_is_repaired_as_a_tcp_would() {
    for (there, back) in [("loss 1%", ""), ("", "loss 1%")] {
        let words = |words| format!("rate 100mbit delay 10ms limit 500 {words}");
        let report = measured(&plan("10.0.0.1", "10.0.0.2"), &words(there), &words(back), 30 * SECOND);
        let lost = report.sender.bytes_resent * 1000 / report.sender.bytes_sent;
        assert!((7..14).contains(&lost), "{there}, {back}: {lost} of a thousand");
        // RFC 5681's share of such a path: far below what it carries.
        assert!(report.goodput_bps() < 30e6, "{}", report.goodput_bps());
        assert_eq!(report.sender.slow_retransmissions, 0, "no timeout");
    }
}

/// Whoever knows neither ports nor sequence numbers, or answers for another, changes nothing.
#[test]
fn what_is_no_reply_to_us_counts_for_nothing() {
    let plan = plan("10.0.0.1", "10.0.0.2");
    let mut probe = Probe::new(Instant::ZERO, &plan).unwrap();
    let request = Packet::new(probe.poll_transmit(Instant::ZERO).unwrap().to_bytes(), Instant::ZERO);
    let reply = answer(&request).unwrap();
    let mut other = reply.bytes.to_vec();
    other[24] ^= 1; // the identifier
    let mut damaged = reply.bytes.to_vec();
    damaged[40] ^= 1;
    let elsewhere = packet_of("10.0.0.3".parse().unwrap(), plan.source, protocol::ICMP, &reply.bytes[20..]);
    let short = Bytes::copy_from_slice(&reply.bytes[..30]);
    for wrong in [other.into(), damaged.into(), elsewhere.bytes, short, request.bytes.clone()] {
        probe.on_packet(Instant::ZERO, &Packet::new(wrong, Instant::ZERO));
    }
    assert_eq!(probe.report(Instant::ZERO).replies, 0);
    probe.on_packet(Instant::ZERO, &reply);
    assert_eq!(probe.report(Instant::ZERO).replies, 1);
}

#[test]
fn it_hears_of_errors_about_its_requests_and_of_no_others() {
    let plan = plan("10.0.0.1", "10.0.0.2");
    let mut probe = Probe::new(Instant::ZERO, &plan).unwrap();
    let request = probe.poll_transmit(Instant::ZERO).unwrap().to_bytes();
    let mut of_another = request.to_vec();
    of_another[15] ^= 1; // its source
    let router = "10.0.0.9".parse().unwrap();
    for (quoted, heard) in [(of_another.into(), None), (request, Some(IcmpError::PacketTooBig(1400)))] {
        let mut message = [0; 600];
        let quoted = icmp::quotable(&quoted);
        let length =
            icmp::emit_error(router, plan.source, IcmpError::PacketTooBig(1400), quoted, &mut message).unwrap();
        let error = packet_of(router, plan.source, protocol::ICMP, &message[..length]);
        probe.on_packet(Instant::ZERO, &error);
        assert_eq!(probe.report(Instant::ZERO).error, heard);
    }
}

#[test]
fn what_can_not_be_measured_is_refused() {
    let refused = |source, host, mtu| Probe::new(Instant::ZERO, &Plan { mtu, ..plan(source, host) }).err();
    assert_eq!(refused("10.0.0.1", "fd00::2", 1500), Some(Refused::Families));
    assert_eq!(refused("10.0.0.1", "10.0.0.2", 100), Some(Refused::Narrow(100)));
    assert_eq!(refused("10.0.0.1", "10.0.0.2", 136), None);
}
