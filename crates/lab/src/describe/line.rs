//! A line in pieces, so that whoever shows it may colour them.

use std::fmt;
use std::net::IpAddr;

/// What a piece of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing special.
    Plain,
    /// Who sent it, and to whom.
    Ends,
    /// The control bits of a segment.
    Flags,
    /// Sequence and acknowledgment numbers.
    Numbers,
    /// Something is wrong with it.
    Trouble,
}

/// What is to be said of one packet. [`fmt::Display`] gives it without colours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    pieces: Vec<(Role, String)>,
    addresses: Option<[IpAddr; 2]>,
    ports: Option<[u16; 2]>,
}

impl Line {
    /// The pieces, in order.
    pub fn pieces(&self) -> impl Iterator<Item = (Role, &str)> {
        self.pieces.iter().map(|(role, text)| (*role, text.as_str()))
    }

    /// True if the packet came from this address or goes there.
    pub fn has_host(&self, address: IpAddr) -> bool {
        self.addresses.is_some_and(|ends| ends.contains(&address))
    }

    /// True if it is a segment or datagram from this port or to it.
    pub fn has_port(&self, port: u16) -> bool {
        self.ports.is_some_and(|ends| ends.contains(&port))
    }

    pub(super) fn push(&mut self, role: Role, text: impl Into<String>) {
        self.pieces.push((role, text.into()));
    }

    pub(super) fn not_understood(&mut self, why: impl fmt::Display) {
        self.push(Role::Trouble, format!("not understood: {why}"));
    }

    pub(super) const fn is_between(&mut self, from: IpAddr, to: IpAddr) {
        self.addresses = Some([from, to]);
    }

    pub(super) const fn is_of_ports(&mut self, from: u16, to: u16) {
        self.ports = Some([from, to]);
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|(_, text)| f.write_str(text))
    }
}
