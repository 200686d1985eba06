//! Where on an Ethernet link an IP packet goes.

use std::net::IpAddr;

use sockeye_wire::ethernet::MacAddr;

use crate::{Cidr, Outgoing};

/// Who is to get a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextHop {
    /// All, or all of a group, at this hardware address.
    Group(MacAddr),
    /// The neighbour with this address.
    Neighbor(IpAddr),
}

/// What is on the link and what behind a gateway.
#[derive(Clone, Debug)]
pub(super) struct Routes {
    networks: Vec<Cidr>,
    gateways: Vec<IpAddr>,
}

impl Routes {
    pub(super) const fn new(networks: Vec<Cidr>, gateways: Vec<IpAddr>) -> Self {
        Self { networks, gateways }
    }

    /// Who gets a packet for `destination`. What is in no network of ours goes to the first gateway of its family;
    /// without one, it is looked for on the link.
    pub(super) fn next_hop(&self, destination: IpAddr) -> NextHop {
        if let Some(group) = self.group(destination) {
            return NextHop::Group(group);
        }
        let gateway = self.gateways.iter().copied().find(|gateway| gateway.is_ipv4() == destination.is_ipv4());
        let on_link = self.networks.iter().any(|network| network.contains(destination)) || is_link_local(destination);
        NextHop::Neighbor(gateway.filter(|_| !on_link).unwrap_or(destination))
    }

    /// Our address to speak from to a neighbour: one in its network, else any of its family.
    pub(super) fn source_for(&self, neighbor: IpAddr) -> Option<IpAddr> {
        let same_family = self.networks.iter().filter(|ours| ours.address().is_ipv4() == neighbor.is_ipv4());
        let near = same_family.clone().find(|ours| ours.contains(neighbor));
        near.or(same_family.clone().next()).map(|ours| ours.address())
    }

    /// True if the address is one of ours.
    pub(super) fn is_ours(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|ours| ours.address() == address)
    }

    fn group(&self, destination: IpAddr) -> Option<MacAddr> {
        let to_all = self.networks.iter().any(|network| network.broadcast() == Some(destination));
        if to_all { Some(MacAddr::BROADCAST) } else { MacAddr::of_group(destination) }
    }
}

/// Addresses that mean somebody on this link only.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The destination in a packet's header; `None` if there is none to read.
pub(super) fn destination(packet: &Outgoing) -> Option<IpAddr> {
    let head = packet.head();
    match head.first()? >> 4 {
        4 => head.get(16..)?.first_chunk::<4>().map(|octets| (*octets).into()),
        6 => head.get(24..)?.first_chunk::<16>().map(|octets| (*octets).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Slices;

    fn routes(networks: &[&str], gateways: &[&str]) -> Routes {
        Routes::new(
            networks.iter().map(|text| text.parse().unwrap()).collect(),
            gateways.iter().map(|text| text.parse().unwrap()).collect(),
        )
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_near_is_asked_itself_and_the_rest_goes_to_the_gateway_of_its_family() {
        let routes = routes(&["10.9.0.2/24", "fd09::2/64"], &["10.9.0.254", "fd09::fe"]);
        let neighbor = |text| routes.next_hop(address(text));
        assert_eq!(neighbor("10.9.0.7"), NextHop::Neighbor(address("10.9.0.7")));
        assert_eq!(neighbor("192.0.2.1"), NextHop::Neighbor(address("10.9.0.254")));
        assert_eq!(neighbor("fd09::7"), NextHop::Neighbor(address("fd09::7")));
        assert_eq!(neighbor("2001:db8::1"), NextHop::Neighbor(address("fd09::fe")));
        assert_eq!(neighbor("fe80::1"), NextHop::Neighbor(address("fe80::1")));
    }

    #[test]
    fn without_a_gateway_everybody_is_looked_for_on_the_link() {
        let routes = routes(&["10.9.0.2/24"], &["fd09::fe"]);
        assert_eq!(routes.next_hop(address("192.0.2.1")), NextHop::Neighbor(address("192.0.2.1")));
    }

    #[test]
    fn groups_have_hardware_addresses_of_their_own() {
        let routes = routes(&["10.9.0.2/24", "fd09::2/64"], &["10.9.0.254"]);
        let group = |text| routes.next_hop(address(text));
        assert_eq!(group("224.129.2.3"), NextHop::Group(MacAddr([0x01, 0x00, 0x5e, 0x01, 0x02, 0x03])));
        assert_eq!(group("ff02::1:ff00:7"), NextHop::Group(MacAddr([0x33, 0x33, 0xff, 0x00, 0x00, 0x07])));
        assert_eq!(group("255.255.255.255"), NextHop::Group(MacAddr::BROADCAST));
        assert_eq!(group("10.9.0.255"), NextHop::Group(MacAddr::BROADCAST));
    }

    #[test]
    fn we_speak_from_the_address_in_the_neighbours_network() {
        let routes = routes(&["10.8.0.2/24", "10.9.0.2/24"], &[]);
        assert_eq!(routes.source_for(address("10.9.0.7")), Some(address("10.9.0.2")));
        assert_eq!(routes.source_for(address("192.0.2.1")), Some(address("10.8.0.2")));
        assert_eq!(routes.source_for(address("fd09::7")), None);
        assert!(routes.is_ours(address("10.9.0.2")) && !routes.is_ours(address("10.9.0.3")));
    }

    #[test]
    fn the_destination_is_read_from_the_header_or_not_at_all() {
        let of = |octets: &[u8]| {
            destination(&Outgoing::build(Slices::new(), |head| {
                head[..octets.len()].copy_from_slice(octets);
                octets.len()
            }))
        };
        let mut v4 = [0x45; 20];
        v4[16..].copy_from_slice(&[10, 9, 0, 1]);
        assert_eq!(of(&v4), Some(address("10.9.0.1")));
        assert_eq!(of(&[0x60; 40]), Some(IpAddr::from([0x60; 16])));
        assert_eq!((of(&v4[..19]), of(&[0x60; 39]), of(&[0x75; 60]), of(&[])), (None, None, None, None));
    }
}
