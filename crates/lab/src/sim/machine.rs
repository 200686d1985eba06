//! What stands at the end of a link: a whole [`Stack`], or one bare connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use sockeye::{Config, ConnectOptions, ConnectionId, ListenOptions, Stack, StackEvent, State, TcpInfo};
use sockeye_device::Packet;
use sockeye_tcb::{CallError, Vitals};
use sockeye_wire::Instant;

use super::bare::Bare;
use super::packets::Packets;

/// A TCP without a network.
#[derive(Debug)]
pub(crate) enum Machine {
    Stack(Box<Stack>),
    Bare(Box<Bare>),
}

/// A connection of a [`Machine`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Handle {
    Stack(ConnectionId),
    /// The only one that a bare machine has.
    Only,
}

/// Who should act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    /// The application of this connection: something happened to it.
    Event(Handle),
    /// Whoever listens on this port: here is a connection.
    Accepted(Handle, u16),
}

/// The calls that an application makes on its connection.
pub(crate) trait Calls: fmt::Debug {
    /// Takes what it can of `text` off its front.
    fn send(&mut self, now: Instant, handle: Handle, text: &mut Bytes) -> Result<usize, CallError>;
    /// How many octets it would take.
    fn send_room(&self, handle: Handle) -> usize;
    /// False if nothing waits to be read and more may come; true if a read would tell more than that, or may.
    fn may_read(&self, handle: Handle) -> bool;
    /// Gives at most `max` octets.
    fn recv(&mut self, now: Instant, handle: Handle, max: usize) -> Result<Bytes, CallError>;
    /// A FIN follows what was sent.
    fn shutdown(&mut self, now: Instant, handle: Handle) -> Result<(), CallError>;
    /// The application lets go.
    fn close(&mut self, now: Instant, handle: Handle);
    /// A RST ends it.
    fn abort(&mut self, now: Instant, handle: Handle);
    /// All there is to tell of a connection that an application holds, if anybody tells.
    fn info(&self, now: Instant, handle: Handle) -> Option<TcpInfo>;
    /// The state of such a connection.
    fn state(&self, handle: Handle) -> Option<State>;
}

impl Machine {
    /// Listens for one peer.
    pub(crate) fn listen(&mut self, now: Instant, local: SocketAddr, config: &Arc<Config>) -> Result<(), String> {
        match self {
            Self::Stack(stack) => {
                let options = ListenOptions { tcp: Some(config.clone()), ..ListenOptions::default() };
                stack.listen(local, &options).map(drop).map_err(|error| error.to_string())
            }
            Self::Bare(bare) => {
                bare.listen(now, local, config.clone());
                Ok(())
            }
        }
    }

    pub(crate) fn connect(
        &mut self,
        now: Instant,
        local: SocketAddr,
        remote: SocketAddr,
        config: &Arc<Config>,
    ) -> Result<Handle, String> {
        match self {
            Self::Stack(stack) => {
                let options = ConnectOptions { local: Some(local), tcp: Some(config.clone()) };
                stack.connect(now, remote, &options).map(Handle::Stack).map_err(|error| error.to_string())
            }
            Self::Bare(bare) => {
                bare.connect(now, local, remote, config.clone());
                Ok(Handle::Only)
            }
        }
    }

    /// `packet` arrives; [`Packet::arrived_at`] is to be `now`.
    #[inline]
    pub(crate) fn on_packet(&mut self, now: Instant, packet: Packet) {
        match self {
            Self::Stack(stack) => stack.on_packet(now, packet),
            Self::Bare(bare) => bare.on_packet(now, &packet),
        }
    }

    /// What is due happens; `due` is told the connections that it is due for.
    pub(crate) fn on_timeout(&mut self, now: Instant, mut due: impl FnMut(Handle)) {
        match self {
            Self::Stack(stack) => stack.on_timeout_of(now, |id| due(Handle::Stack(id))),
            Self::Bare(bare) => {
                bare.on_timeout(now);
                due(Handle::Only);
            }
        }
    }

    /// What leaves now, to lie among `packets`; a stack may give up to `limit` octets of text in one packet that is to be cut.
    #[inline]
    pub(crate) fn poll_transmit(&mut self, now: Instant, limit: u32, packets: &mut Packets) -> Option<Packet> {
        match self {
            Self::Stack(stack) => {
                // Looked at where it is: it is long.
                let outgoing = stack.poll_transmit(now, limit);
                let outgoing = outgoing.as_ref()?;
                let packet = Packet::new(packets.join(outgoing), now);
                Some(Packet { segment_size: outgoing.segment_size, ..packet })
            }
            Self::Bare(bare) => bare.poll_transmit(now).map(|packet| Packet::new(packets.copy(&packet), now)),
        }
    }

    pub(crate) fn next_timeout(&mut self) -> Option<Instant> {
        match self {
            Self::Stack(stack) => stack.next_timeout(),
            Self::Bare(bare) => bare.next_timeout(),
        }
    }

    /// Who should act next; to be asked until `None`.
    pub(crate) fn next_event(&mut self) -> Option<Happened> {
        match self {
            Self::Stack(stack) => loop {
                match stack.poll_event()? {
                    StackEvent::Connection(id, _) => return Some(Happened::Event(Handle::Stack(id))),
                    StackEvent::Incoming(listener) => {
                        let Some((id, _)) = stack.accept(listener) else { continue };
                        let Some(local) = stack.local_addr(id) else { continue };
                        return Some(Happened::Accepted(Handle::Stack(id), local.port()));
                    }
                }
            },
            Self::Bare(bare) => {
                if let Some(port) = bare.accepted() {
                    return Some(Happened::Accepted(Handle::Only, port));
                }
                bare.tcb_mut()?.poll_event().map(|_| Happened::Event(Handle::Only))
            }
        }
    }

    /// What shows whether all is well with a connection that an application holds.
    pub(crate) fn vitals(&self, handle: Handle) -> Option<Vitals> {
        match (self, handle) {
            (Self::Stack(stack), Handle::Stack(id)) => stack.vitals(id),
            (Self::Bare(bare), Handle::Only) => bare.tcb().map(sockeye_tcb::Tcb::vitals),
            _ => None,
        }
    }

    /// When something is due for this connection; `None` if nothing is, ever.
    pub(crate) fn deadline(&self, handle: Handle) -> Option<Instant> {
        match (self, handle) {
            (Self::Stack(stack), Handle::Stack(id)) => stack.deadline(id),
            (Self::Bare(bare), Handle::Only) => bare.next_timeout(),
            _ => None,
        }
    }

    pub(crate) fn local_port(&self, handle: Handle) -> Option<u16> {
        match (self, handle) {
            (Self::Stack(stack), Handle::Stack(id)) => stack.local_addr(id).map(|local| local.port()),
            (Self::Bare(bare), Handle::Only) => bare.local().map(|local| local.port()),
            _ => None,
        }
    }

    /// What is left in tables that should be empty by now; `None` if nothing is.
    pub(crate) fn leftovers(&self) -> Option<String> {
        match self {
            Self::Stack(stack) => {
                let usage = stack.usage();
                (usage != sockeye::Usage::default()).then(|| format!("{usage:?}"))
            }
            Self::Bare(bare) => (!bare.is_empty()).then(|| format!("{:?}", bare.tcb().map(sockeye_tcb::Tcb::state))),
        }
    }
}

impl Calls for Machine {
    fn send(&mut self, now: Instant, handle: Handle, text: &mut Bytes) -> Result<usize, CallError> {
        match (self, handle) {
            (Self::Stack(stack), Handle::Stack(id)) => stack.send(now, id, text),
            (Self::Bare(bare), Handle::Only) => {
                bare.tcb_mut().ok_or(CallError::NotConnected).and_then(|tcb| tcb.send(now, text))
            }
            _ => Err(CallError::NotConnected),
        }
    }

    fn send_room(&self, handle: Handle) -> usize {
        match (self, handle) {
            (Self::Stack(stack), Handle::Stack(id)) => stack.send_room(id),
            (Self::Bare(bare), Handle::Only) => bare.tcb().map_or(0, sockeye_tcb::Tcb::send_room),
            _ => 0,
        }
    }

    fn may_read(&self, handle: Handle) -> bool {
        let has_ended = |state: Option<State>| !state.is_some_and(State::receives_text);
        match (self, handle) {
            (Self::Stack(stack), Handle::Stack(id)) => stack.recv_queued(id) > 0 || has_ended(stack.state(id)),
            (Self::Bare(bare), Handle::Only) => {
                bare.tcb().is_none_or(|tcb| tcb.recv_queued() > 0 || has_ended(Some(tcb.state())))
            }
            _ => true,
        }
    }

    fn recv(&mut self, now: Instant, handle: Handle, max: usize) -> Result<Bytes, CallError> {
        match (self, handle) {
            (Self::Stack(stack), Handle::Stack(id)) => stack.recv(now, id, max),
            (Self::Bare(bare), Handle::Only) => {
                bare.tcb_mut().ok_or(CallError::NotConnected).and_then(|tcb| tcb.recv(now, max))
            }
            _ => Err(CallError::NotConnected),
        }
    }

    fn shutdown(&mut self, now: Instant, handle: Handle) -> Result<(), CallError> {
        match (self, handle) {
            (Self::Stack(stack), Handle::Stack(id)) => stack.shutdown(now, id),
            (Self::Bare(bare), Handle::Only) => {
                bare.tcb_mut().ok_or(CallError::NotConnected).and_then(|tcb| tcb.shutdown(now))
            }
            _ => Err(CallError::NotConnected),
        }
    }

    fn close(&mut self, now: Instant, handle: Handle) {
        match (self, handle) {
            (Self::Stack(stack), Handle::Stack(id)) => stack.close(now, id),
            (Self::Bare(bare), Handle::Only) => bare.tcb_mut().into_iter().for_each(|tcb| tcb.close(now)),
            _ => {}
        }
    }

    fn abort(&mut self, now: Instant, handle: Handle) {
        match (self, handle) {
            (Self::Stack(stack), Handle::Stack(id)) => stack.abort(now, id),
            (Self::Bare(bare), Handle::Only) => bare.tcb_mut().into_iter().for_each(|tcb| tcb.abort(now)),
            _ => {}
        }
    }

    fn info(&self, now: Instant, handle: Handle) -> Option<TcpInfo> {
        match (self, handle) {
            (Self::Stack(stack), Handle::Stack(id)) => stack.info(now, id),
            (Self::Bare(bare), Handle::Only) => bare.tcb().map(|tcb| tcb.info(now)),
            _ => None,
        }
    }

    fn state(&self, handle: Handle) -> Option<State> {
        match (self, handle) {
            (Self::Stack(stack), Handle::Stack(id)) => stack.state(id),
            (Self::Bare(bare), Handle::Only) => bare.tcb().map(sockeye_tcb::Tcb::state),
            _ => None,
        }
    }
}
