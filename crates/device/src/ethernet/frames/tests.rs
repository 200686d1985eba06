//! The host on the link beside a neighbour made of the same code, and beside liars.

use super::*;

const WE: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const THEY: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

/// 10.9.0.2 and `fd09::2`.
fn host() -> Host {
    let networks = ["10.9.0.2/24", "fd09::2/64"].map(|text| text.parse().unwrap()).to_vec();
    Host::new(WE, Routes::new(networks, Vec::new()))
}

/// 10.9.0.1 and `fd09::1`.
fn neighbor() -> Host {
    let networks = ["10.9.0.1/24", "fd09::1/64"].map(|text| text.parse().unwrap()).to_vec();
    Host::new(THEY, Routes::new(networks, Vec::new()))
}

fn ask(of: &str) -> Vec<u8> {
    neighbor().question(Question { target: of.parse().unwrap(), to: None }).unwrap()
}

fn answer(of: &str, address: MacAddr, unasked: bool) -> Answer {
    Answer { neighbor: of.parse().unwrap(), address, unasked, overrides: true }
}

#[test]
fn a_question_for_our_address_is_answered_and_teaches_who_asks() {
    for (ours, theirs) in [("10.9.0.2", "10.9.0.1"), ("fd09::2", "fd09::1")] {
        let Arrived::Ours(learnt, Some(reply)) = host().arrived(&ask(ours)) else { panic!("no answer") };
        assert_eq!(learnt, Some(answer(theirs, THEY, true)));
        assert_eq!(
            neighbor().arrived(&reply),
            match ours.parse().unwrap() {
                IpAddr::V4(_) => Arrived::Ours(Some(answer(ours, WE, true)), None),
                IpAddr::V6(_) => Arrived::Ours(Some(answer(ours, WE, false)), None),
            }
        );
        assert_eq!(EthernetView::parse(&reply).unwrap().destination(), THEY, "it goes to who asked alone");
    }
}

#[test]
fn questions_go_to_all_at_first_and_to_the_one_who_had_the_address_later() {
    let again = |target: &str| host().question(Question { target: target.parse().unwrap(), to: Some(THEY) }).unwrap();
    for target in ["10.9.0.1", "fd09::1"] {
        assert!(EthernetView::parse(&ask(target)).unwrap().destination().is_multicast());
        assert_eq!(EthernetView::parse(&again(target)).unwrap().destination(), THEY);
        assert!(matches!(neighbor().arrived(&again(target)), Arrived::Ours(Some(_), Some(_))));
    }
}

#[test]
fn questions_for_others_are_not_answered() {
    assert!(matches!(host().arrived(&ask("10.9.0.3")), Arrived::Ours(Some(Answer { unasked: false, .. }), None)));
    assert!(matches!(host().arrived(&ask("fd09::3")), Arrived::Ours(None, None)));
}

#[test]
fn a_host_that_makes_sure_of_its_address_hears_that_it_is_taken() {
    let probe = NdpMessage::NeighborSolicitation { target: "fd09::2".parse().unwrap(), source_link: None };
    let group = ndp::solicited_node("fd09::2".parse().unwrap());
    let link = MacAddr::of_group(group.into()).unwrap();
    let frame = neighbor().ndp_frame(link, Ipv6Addr::UNSPECIFIED, group, &probe).unwrap();
    let Arrived::Ours(None, Some(reply)) = host().arrived(&frame) else { panic!("no answer") };
    assert_eq!(EthernetView::parse(&reply).unwrap().destination(), MacAddr([0x33, 0x33, 0, 0, 0, 1]));
    let probe = Arp::request(THEY, "0.0.0.0".parse().unwrap(), "10.9.0.2".parse().unwrap());
    let frame = neighbor().frame(MacAddr::BROADCAST, ethertype::ARP, |buffer| probe.emit(buffer)).unwrap();
    assert!(matches!(host().arrived(&frame), Arrived::Ours(None, Some(_))));
}

#[test]
fn nobody_talks_us_into_impossible_neighbours() {
    let says = |from: &str, address| {
        let arp = Arp::request(address, from.parse().unwrap(), "10.9.0.2".parse().unwrap());
        let frame = neighbor().frame(WE, ethertype::ARP, |buffer| arp.emit(buffer)).unwrap();
        match host().arrived(&frame) {
            Arrived::Ours(learnt, _) => learnt,
            other => panic!("{other:?}"),
        }
    };
    assert!(says("10.9.0.1", THEY).is_some());
    assert_eq!(says("10.9.0.2", THEY), None, "our own address");
    assert_eq!(says("0.0.0.0", THEY), None);
    assert_eq!(says("224.0.0.1", THEY), None);
    assert_eq!(says("10.9.0.1", MacAddr::BROADCAST), None);
    assert_eq!(says("10.9.0.1", MacAddr::ZERO), None);
}

#[test]
fn frames_for_others_and_of_other_kinds_are_left() {
    let frame = |destination, ethertype| neighbor().frame(destination, ethertype, |_| Ok(20)).unwrap();
    assert_eq!(host().arrived(&frame(WE, ethertype::IPV4)), Arrived::Packet);
    assert_eq!(host().arrived(&frame(MacAddr::BROADCAST, ethertype::IPV4)), Arrived::Packet);
    assert_eq!(host().arrived(&frame(MacAddr([2, 0, 0, 0, 0, 9]), ethertype::IPV4)), Arrived::NotForUs);
    assert_eq!(host().arrived(&frame(WE, 0x88cc)), Arrived::NotForUs);
    assert_eq!(host().arrived(&[0; 13]), Arrived::Malformed(ParseError::EthernetTruncated(1)));
    assert!(matches!(host().arrived(&frame(WE, ethertype::ARP)), Arrived::Malformed(_)));
    let mut spoilt = ask("fd09::2");
    spoilt[60] ^= 1;
    assert_eq!(host().arrived(&spoilt), Arrived::Malformed(ParseError::IcmpChecksum));
    assert_eq!(host().arrived(&frame(WE, ethertype::IPV6)), Arrived::Packet, "the stack counts what it can't read");
}
