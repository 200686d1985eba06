//! Ephemeral ports (RFC 6056).

use std::net::{IpAddr, SocketAddr};

use super::demux::Pair;
use super::{Stack, StackError};

/// The largest range that leaves out the ports of well-known services.
//= rfc6056#3.2-1
//= rfc6056#3.2-3
const FIRST: u32 = 1024;
const COUNT: u32 = 65_536 - FIRST;

impl Stack {
    //= rfc6056#3.3-1
    //= rfc6056#5-1
    /// A port of `local` from which no connection to `remote` exists and on which nobody listens: RFC 6056 algorithm 3,
    /// a keyed offset for each destination and a counter. Of several stacks of a host, each chooses for its own connections.
    pub(super) fn choose_port(&mut self, local: IpAddr, remote: SocketAddr) -> Result<u16, StackError> {
        let towards = Pair { local: SocketAddr::new(local, 0), remote };
        let offset = self.secrets.port_offset(&towards) % u64::from(COUNT);
        for _ in 0..COUNT {
            let step = u64::from(self.ports_chosen);
            self.ports_chosen = self.ports_chosen.wrapping_add(1);
            let port = FIRST + u32::try_from((offset + step) % u64::from(COUNT)).unwrap_or(0);
            let local = SocketAddr::new(local, u16::try_from(port).unwrap_or(u16::MAX));
            let pair = Pair { local, remote };
            let is_ours = remote.port() == 0 || self.share.owns(&pair);
            if is_ours && self.listeners.find(local).is_none() && self.demux.get(&pair).is_none() {
                return Ok(local.port());
            }
        }
        Err(StackError::NoPort)
    }

    /// A port of `local` on which nobody listens.
    pub(super) fn choose_listening_port(&mut self, local: IpAddr) -> Result<u16, StackError> {
        self.choose_port(local, SocketAddr::new(local, 0))
    }
}
