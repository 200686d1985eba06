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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use sockeye_wire::Instant;

    use super::*;
    use crate::{ConnectOptions, StackConfig};

    const PARTS: usize = 4;

    /// FIELD D39: all that there is room for, each in turn, to one destination.
    #[test]
    fn the_stacks_of_a_host_never_open_a_connection_from_the_same_port_nor_one_of_anothers() {
        let (now, local) = (Instant::from_millis(1), "10.0.0.1");
        let remote: SocketAddr = ([10, 0, 0, 2], 80).into();
        let mut stacks: Vec<Stack> = (0..PARTS)
            .map(|index| {
                let mut stack = Stack::new(StackConfig::new([7; 32]), now);
                stack.add_address(format!("{local}/24").parse().unwrap());
                stack.split(index, PARTS);
                stack
            })
            .collect();
        let (mut taken, mut full) = (HashSet::new(), [false; PARTS]);
        while full != [true; PARTS] {
            for (stack, full) in stacks.iter_mut().zip(&mut full).filter(|(_, full)| !**full) {
                match stack.connect(now, remote, &ConnectOptions::default()) {
                    Ok(id) => {
                        let local = stack.local_addr(id).unwrap();
                        assert!(stack.share().owns(&Pair { local, remote }), "{local} is another's");
                        assert!(taken.insert(local.port()), "{local} is taken");
                    }
                    Err(error) => {
                        assert_eq!(error, StackError::NoPort);
                        *full = true;
                    }
                }
            }
        }
        assert_eq!(u32::try_from(taken.len()), Ok(COUNT), "together they use every port");
    }
}
