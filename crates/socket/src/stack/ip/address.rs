//! Addresses: which are ours, which no host may have, which to send from.

use std::net::{IpAddr, Ipv4Addr};

use sockeye_device::Cidr;

/// Our addresses. An entry's number stands for the address in large tables; entries are never removed.
#[derive(Debug, Default)]
pub(in crate::stack) struct Addresses(Vec<Cidr>);

impl Addresses {
    pub(in crate::stack) fn add(&mut self, address: Cidr) {
        if !self.0.contains(&address) {
            self.0.push(address);
        }
    }

    pub(in crate::stack) fn number_of(&self, address: IpAddr) -> Option<u16> {
        let at = self.0.iter().position(|ours| ours.address() == address)?;
        u16::try_from(at).ok()
    }

    pub(in crate::stack) fn by_number(&self, number: u16) -> Option<IpAddr> {
        self.0.get(usize::from(number)).map(|ours| ours.address())
    }

    pub(in crate::stack) fn are_ours(&self, address: IpAddr) -> bool {
        self.number_of(address).is_some()
    }

    //= rfc9293#MUST-44
    /// The address to send from to `remote`: one in the same network, else one of the same family.
    pub(in crate::stack) fn source_for(&self, remote: IpAddr) -> Option<IpAddr> {
        let near = self.0.iter().filter(|ours| ours.contains(remote)).max_by_key(|ours| ours.prefix_len());
        let any = || self.0.iter().find(|ours| ours.address().is_ipv4() == remote.is_ipv4());
        near.or_else(any).map(|ours| ours.address())
    }

    //= rfc1122#3.2.1.3-6
    //= rfc1122#3.2.2.9-1
    //= rfc1122#3.3.6-1
    /// True for an address of many hosts: multicast, or the broadcast address of everybody or of one of our networks.
    pub(in crate::stack) fn is_of_many(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => {
                address.is_broadcast()
                    || address.is_multicast()
                    || self.0.iter().any(|ours| is_broadcast(*ours, address))
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

/// True if `address` is the directed broadcast address of the network of `ours`, which has room for one.
fn is_broadcast(ours: Cidr, address: Ipv4Addr) -> bool {
    let IpAddr::V4(own) = ours.address() else {
        return false;
    };
    let mask = u32::MAX.checked_shl(32 - u32::from(ours.prefix_len())).unwrap_or(0);
    ours.prefix_len() < 31 && address.to_bits() == (own.to_bits() & mask | !mask)
}
