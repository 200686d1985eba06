//! Links, addresses and routes of the kernel, read and set by netlink (rtnetlink(7)): what `ip` does, without `ip`.
//!
//! Synchronous, and about the network namespace that the calling thread is in: each call opens a socket there, sends one
//! request and reads the answer, which the kernel has ready at once.

mod address;
mod link;
mod route;

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

pub use address::addresses;
pub use link::{Link, LinkInfo, LinkSettings, create_veth, links};
pub use route::is_local;

/// Octets of a netlink message's header.
const HEADER: usize = 16;

/// What is asked of the kernel.
#[derive(Clone, Copy)]
#[repr(u16)]
enum Ask {
    /// To change what there is, or to read one thing.
    Plain = NLM_F_ACK,
    /// To make what mustn't be there yet.
    Create = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
    /// To list what there is.
    List = NLM_F_DUMP,
}

/// Sends one request and gathers what the kernel answers.
fn exchange(ask: Ask, message: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = NLM_F_REQUEST | ask as u16;
    message.finalize();
    let mut octets = vec![0; message.buffer_len()];
    message.serialize(&mut octets);

    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&octets, 0)?;
    let mut answers = Vec::new();
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        if gather(&datagram, &mut answers)? {
            return Ok(answers);
        }
    }
}

/// Adds what one datagram of an answer says; true if the answer ends with it.
fn gather(mut rest: &[u8], answers: &mut Vec<RouteNetlinkMessage>) -> io::Result<bool> {
    while let Some(length) = rest.first_chunk::<4>() {
        let length = u32::from_ne_bytes(*length) as usize;
        let Some(one) = rest.get(..length).filter(|_| length >= HEADER) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel's netlink answer is cut off"));
        };
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(one)
            .map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
        match message.payload {
            NetlinkPayload::Error(verdict) if verdict.code.is_some() => return Err(verdict.to_io()),
            NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::InnerMessage(answer) => answers.push(answer),
            _ => {}
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The acknowledgement of a request, as the kernel writes it.
    fn acknowledgement(code: i32) -> Vec<u8> {
        let mut octets = Vec::new();
        octets.extend(36_u32.to_ne_bytes());
        octets.extend(2_u16.to_ne_bytes()); // NLMSG_ERROR
        octets.extend([0; 10]);
        octets.extend(code.to_ne_bytes());
        octets.extend([0; 16]); // the header of the request
        octets
    }

    #[test]
    fn an_acknowledgement_ends_the_answer_and_a_refusal_is_the_systems_error() {
        let mut answers = Vec::new();
        assert!(matches!(gather(&acknowledgement(0), &mut answers), Ok(true)));
        let refusal = gather(&acknowledgement(-17), &mut answers).map_err(|error| error.kind());
        assert_eq!(refusal.err(), Some(io::ErrorKind::AlreadyExists));
        assert!(answers.is_empty());
    }

    #[test]
    fn a_garbled_answer_is_an_error_at_any_length() {
        let whole = acknowledgement(0);
        for length in 4..whole.len() {
            assert!(gather(&whole[..length], &mut Vec::new()).is_err(), "{length}");
        }
        let mut short = whole;
        short[..4].copy_from_slice(&3_u32.to_ne_bytes());
        assert!(gather(&short, &mut Vec::new()).is_err());
    }
}
