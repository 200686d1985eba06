//! Addresses: which are ours, which no host may have, which to send from.

use std::net::{IpAddr, Ipv4Addr};

use sockeye_device::Cidr;

/// Our addresses. An entry's number stands for the address in large tables; entries are never removed. Each packet is
/// looked up: that costs the logarithm of their number.
#[derive(Debug, Default)]
pub(in crate::stack) struct Addresses {
    all: Vec<Cidr>,
    /// Each address with the number of its first entry, in order.
    numbers: Vec<(IpAddr, u16)>,
    /// The broadcast addresses of our networks, in order.
    broadcasts: Vec<Ipv4Addr>,
}

impl Addresses {
    pub(in crate::stack) fn add(&mut self, address: Cidr) {
        if self.all.contains(&address) {
            return;
        }
        if let (Err(place), Ok(number)) = (self.place_of(address.address()), u16::try_from(self.all.len())) {
            self.numbers.insert(place, (address.address(), number));
        }
        if let Some(broadcast) = broadcast(address)
            && let Err(place) = self.broadcasts.binary_search(&broadcast)
        {
            self.broadcasts.insert(place, broadcast);
        }
        self.all.push(address);
    }

    /// Where in `numbers` the address is, or would be.
    fn place_of(&self, address: IpAddr) -> Result<usize, usize> {
        self.numbers.binary_search_by_key(&address, |&(ours, _)| ours)
    }

    pub(in crate::stack) fn number_of(&self, address: IpAddr) -> Option<u16> {
        let place = self.place_of(address).ok()?;
        self.numbers.get(place).map(|&(_, number)| number)
    }

    pub(in crate::stack) fn by_number(&self, number: u16) -> Option<IpAddr> {
        self.all.get(usize::from(number)).map(|ours| ours.address())
    }

    pub(in crate::stack) fn are_ours(&self, address: IpAddr) -> bool {
        self.number_of(address).is_some()
    }

    //= rfc9293#MUST-44
    /// The address to send from to `remote`: one in the same network, else one of the same family.
    pub(in crate::stack) fn source_for(&self, remote: IpAddr) -> Option<IpAddr> {
        let near = self.all.iter().filter(|ours| ours.contains(remote)).max_by_key(|ours| ours.prefix_len());
        let any = || self.all.iter().find(|ours| ours.address().is_ipv4() == remote.is_ipv4());
        near.or_else(any).map(|ours| ours.address())
    }

    //= rfc1122#3.2.1.3-6
    //= rfc1122#3.2.2.9-1
    //= rfc1122#3.3.6-1
    /// True for an address of many hosts: multicast, or the broadcast address of everybody or of one of our networks.
    pub(in crate::stack) fn is_of_many(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => {
                address.is_broadcast() || address.is_multicast() || self.broadcasts.binary_search(&address).is_ok()
            }
            IpAddr::V6(address) => address.is_multicast(),
        }
    }

    //= rfc9293#MUST-63
    /// True if a host may have this address as its own, and it is not one of ours that somebody pretends to have.
    pub(in crate::stack) fn is_host(&self, address: IpAddr) -> bool {
        !(address.is_unspecified() || address.is_loopback() || self.is_of_many(address))
    }
}

/// The directed broadcast address of the network of `ours`, if that has room for one.
fn broadcast(ours: Cidr) -> Option<Ipv4Addr> {
    let IpAddr::V4(own) = ours.address() else {
        return None;
    };
    let mask = u32::MAX.checked_shl(32 - u32::from(ours.prefix_len())).unwrap_or(0);
    (ours.prefix_len() < 31).then(|| Ipv4Addr::from_bits(own.to_bits() & mask | !mask))
}
