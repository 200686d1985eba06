//! Neighbour discovery, message by message.

use super::*;

const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const HOST: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0x0a, 0x0b0c);
const LINK: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);

fn message(octets: &[u8], source: Ipv6Addr, destination: Ipv6Addr) -> std::vec::Vec<u8> {
    let mut message = octets.to_vec();
    message[2..4].fill(0);
    let sum = with_pseudo_header(source.into(), destination.into(), protocol::ICMPV6, &message);
    message[2..4].copy_from_slice(&sum.checksum().to_be_bytes());
    message
}

fn solicitation(options: &[u8], source: Ipv6Addr, destination: Ipv6Addr) -> Result<(), ParseError> {
    let mut octets = std::vec![NEIGHBOR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    octets.extend_from_slice(&HOST.octets());
    octets.extend_from_slice(options);
    let message = message(&octets, source, destination);
    NdpMessage::parse(&message, source, destination, HOP_LIMIT).map(drop)
}

#[test]
fn the_group_of_an_address_ends_in_its_last_three_octets() {
    assert_eq!(solicited_node(HOST), "ff02::1:ff0a:b0c".parse::<Ipv6Addr>().unwrap());
}

#[test]
fn a_router_tells_of_the_link() {
    let mut octets = std::vec![ROUTER_ADVERTISEMENT, 0, 0, 0, 64, 0x80, 0x07, 0x08, 0, 0, 0, 5, 0, 0, 0, 9];
    octets.extend_from_slice(&[5, 1, 0, 0, 0, 0, 0x05, 0x78]);
    octets.extend_from_slice(&[3, 4, 64, 0xc0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 60, 0, 0, 0, 0]);
    octets.extend_from_slice(&"2001:db8::".parse::<Ipv6Addr>().unwrap().octets());
    octets.extend_from_slice(&[25, 1, 1, 2, 3, 4, 5, 6]);
    let octets = message(&octets, ROUTER, HOST);
    let Ok(NdpMessage::RouterAdvertisement(advertisement)) = NdpMessage::parse(&octets, ROUTER, HOST, HOP_LIMIT) else {
        panic!("no advertisement")
    };
    assert_eq!((advertisement.hop_limit, advertisement.managed, advertisement.other), (64, true, false));
    assert_eq!(advertisement.lifetime, Duration::from_secs(1800));
    assert_eq!((advertisement.reachable.as_millis(), advertisement.retransmit.as_millis()), (5, 9));
    let options: std::vec::Vec<_> = advertisement.options.iter().collect();
    let prefix = PrefixInformation {
        prefix: "2001:db8::".parse().unwrap(),
        length: 64,
        on_link: true,
        autonomous: true,
        valid: PrefixInformation::FOREVER,
        preferred: Duration::from_secs(60),
    };
    let unknown = NdpOption::Unknown(25, &[1, 2, 3, 4, 5, 6]);
    assert_eq!(options, [NdpOption::Mtu(1400), NdpOption::Prefix(prefix), unknown]);
    assert_eq!(NdpMessage::parse(&octets, ROUTER, HOST, 254), Err(ParseError::NdpHopLimit(254)));
    assert_eq!(NdpMessage::parse(&octets, HOST, HOST, HOP_LIMIT), Err(ParseError::IcmpChecksum));
    let from_afar = message(&octets[..16], Ipv6Addr::LOCALHOST, HOST);
    let far = NdpMessage::parse(&from_afar, Ipv6Addr::LOCALHOST, HOST, HOP_LIMIT);
    assert_eq!(far, Err(ParseError::NdpAddresses), "a router on the link has a link-local address");
    let mut again = [0; 128];
    let length = NdpMessage::RouterAdvertisement(advertisement).emit(ROUTER, HOST, &mut again).unwrap();
    assert_eq!(again[..length], octets[..]);
}

#[test]
fn options_of_length_zero_or_cut_spoil_the_message() {
    assert_eq!(solicitation(&[1, 1, 2, 0, 0, 0, 0, 7], ROUTER, HOST), Ok(()));
    assert_eq!(solicitation(&[1, 0, 2, 0, 0, 0, 0, 7], ROUTER, HOST), Err(ParseError::NdpOptionLength(0)));
    assert_eq!(solicitation(&[1, 2, 2, 0, 0, 0, 0, 7], ROUTER, HOST), Err(ParseError::NdpOptionLength(2)));
    assert_eq!(solicitation(&[1], ROUTER, HOST), Err(ParseError::NdpOptionLength(0)));
}

#[test]
fn who_has_no_address_yet_asks_the_group_and_names_no_link_address() {
    let nobody = Ipv6Addr::UNSPECIFIED;
    let link = [1, 1, 2, 0, 0, 0, 0, 7];
    assert_eq!(solicitation(&[], nobody, solicited_node(HOST)), Ok(()));
    assert_eq!(solicitation(&link, nobody, solicited_node(HOST)), Err(ParseError::NdpAddresses));
    assert_eq!(solicitation(&[], nobody, HOST), Err(ParseError::NdpAddresses));
}

#[test]
fn an_answer_to_everybody_was_not_solicited() {
    let mut advertisement = NeighborAdvertisement {
        target: HOST,
        router: false,
        solicited: true,
        overrides: true,
        target_link: Some(LINK),
    };
    let everybody = "ff02::1".parse().unwrap();
    let mut buffer = [0; 32];
    NdpMessage::NeighborAdvertisement(advertisement).emit(HOST, everybody, &mut buffer).unwrap();
    assert_eq!(NdpMessage::parse(&buffer, HOST, everybody, HOP_LIMIT), Err(ParseError::NdpAddresses));
    advertisement.solicited = false;
    let news = NdpMessage::NeighborAdvertisement(advertisement);
    news.emit(HOST, everybody, &mut buffer).unwrap();
    assert_eq!(NdpMessage::parse(&buffer, HOST, everybody, HOP_LIMIT), Ok(news));
}

#[test]
fn other_messages_codes_and_targets_are_refused_by_name() {
    let parse = |octets: &[u8]| {
        let octets = message(octets, ROUTER, HOST);
        NdpMessage::parse(&octets, ROUTER, HOST, HOP_LIMIT).map(drop)
    };
    assert_eq!(parse(&[REDIRECT, 0, 0, 0, 0, 0, 0, 0]), Err(ParseError::NdpType(REDIRECT)));
    assert_eq!(parse(&[ROUTER_SOLICITATION, 1, 0, 0, 0, 0, 0, 0]), Err(ParseError::NdpCode(1)));
    assert_eq!(parse(&[NEIGHBOR_SOLICITATION, 0, 0, 0, 0, 0, 0, 0, 1, 2]), Err(ParseError::NdpTruncated(14)));
    assert_eq!(parse(&[ROUTER_ADVERTISEMENT, 0, 0, 0, 0, 0, 0, 0]), Err(ParseError::NdpTruncated(8)));
    let mut to_a_group = [0; 24];
    (to_a_group[0], to_a_group[8]) = (NEIGHBOR_ADVERTISEMENT, 0xff);
    assert_eq!(parse(&to_a_group), Err(ParseError::NdpAddresses));
    assert_eq!(NdpMessage::parse(&[135; 7], ROUTER, HOST, HOP_LIMIT), Err(ParseError::NdpTruncated(1)));
    assert!(is_ndp(&[135]) && is_ndp(&[137]) && !is_ndp(&[128]) && !is_ndp(&[]));
}
