//! `struct sockaddr` as bytes (netinet/in.h), IPv4 and IPv6, mapped addresses included.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Octets of `sockaddr_in` and `sockaddr_in6`.
const V4: usize = 16;
const V6: usize = 28;

/// Reads an address; a mapped one becomes IPv4. `None` for another family, or if it is too short.
pub fn read(bytes: &[u8]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]);
    let ip: IpAddr = match family(bytes)? {
        libc::AF_INET if bytes.len() >= V4 => Ipv4Addr::from(*bytes.get(4..)?.first_chunk::<4>()?).into(),
        libc::AF_INET6 if bytes.len() >= V6 => Ipv6Addr::from(*bytes.get(8..)?.first_chunk::<16>()?).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip.to_canonical(), port))
}

/// The family.
pub fn family(bytes: &[u8]) -> Option<i32> {
    bytes.first_chunk().map(|octets| i32::from(u16::from_ne_bytes(*octets)))
}

/// An address as a socket of IPv6, or of IPv4, sees it.
pub fn write(address: SocketAddr, is_v6: bool) -> Vec<u8> {
    let number = |family: i32| u16::try_from(family).unwrap_or_default().to_ne_bytes();
    let port = address.port().to_be_bytes();
    let mut bytes = Vec::with_capacity(V6);
    match (is_v6, address.ip()) {
        (false, IpAddr::V4(ip)) => {
            bytes.extend([number(libc::AF_INET), port].concat());
            bytes.extend(ip.octets());
            bytes.resize(V4, 0);
        }
        (_, ip) => {
            let ip = match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            bytes.extend([number(libc::AF_INET6), port, [0; 2], [0; 2]].concat());
            bytes.extend(ip.octets());
            bytes.resize(V6, 0);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_both_ways() {
        for (text, is_v6, len) in
            [("10.0.0.1:80", false, V4), ("10.0.0.1:80", true, V6), ("[2001:db8::1]:80", true, V6)]
        {
            let bytes = write(text.parse().unwrap(), is_v6);
            assert_eq!((read(&bytes), bytes.len()), (Some(text.parse().unwrap()), len));
        }
        assert_eq!(read(&[2, 0, 1]), None);
        assert_eq!(read(&[0; 16]), None);
    }
}
