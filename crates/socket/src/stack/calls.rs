//! What the owner of a stack asks for: RFC 9293 section 3.10, with addresses.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use sockeye_tcb::{CallError, Config, Slices, State, Tcb, TcpInfo, Vitals};
use sockeye_wire::Instant;

use super::config::Configs;
use super::listen::Listener;
use super::slab::{Key, Line};
use super::{
    ConnectOptions, Connection, ConnectionId, HeldBy, ListenOptions, ListenerId, Pair, Stack, StackError, Target,
};

/// What a call on a connection that is gone returns.
const GONE: CallError = CallError::NotConnected;

impl Stack {
    //= rfc9293#MUST-41
    //= rfc9293#MUST-42
    //= rfc9293#MUST-43
    /// Listens on `local`; the unspecified address stands for all of ours, port 0 for one that is free.
    ///
    /// # Errors
    /// [`StackError::NotOurs`]; [`StackError::InUse`] if somebody listens there; [`StackError::NoPort`].
    pub fn listen(&mut self, local: SocketAddr, options: &ListenOptions) -> Result<ListenerId, StackError> {
        let ip = local.ip();
        if !ip.is_unspecified() && !self.addresses.are_ours(ip) {
            return Err(StackError::NotOurs(local));
        }
        let port = if local.port() == 0 { self.choose_listening_port(ip)? } else { local.port() };
        let local = SocketAddr::new(ip, port);
        if self.listeners.has(local) {
            return Err(StackError::InUse(local));
        }
        let configs = self.configs(options.tcp.as_ref());
        let listener = Listener {
            local,
            configs,
            backlog: options.backlog.max(1),
            half_open: 0,
            line: Line::default(),
            ready: std::collections::VecDeque::new(),
        };
        Ok(ListenerId(self.listeners.insert(listener)))
    }

    /// The socket that `listener` listens on.
    pub fn listener_addr(&self, listener: ListenerId) -> Option<SocketAddr> {
        self.listeners.slab.get(listener.0).map(|listener| listener.local)
    }

    /// The next connection that has come to `listener`, and who it is from.
    pub fn accept(&mut self, listener: ListenerId) -> Option<(ConnectionId, SocketAddr)> {
        loop {
            let key = self.listeners.slab.get_mut(listener.0)?.ready.pop_front()?;
            // One that was reset meanwhile is still handed out: its first read tells.
            if let Some(connection) = self.connections.get_mut(key) {
                connection.held_by = HeldBy::Application;
                let remote = connection.sockets.pair().remote;
                self.touch(key);
                return Some((ConnectionId(key), remote));
            }
        }
    }

    /// True if [`Self::accept`] has a connection for `listener`.
    pub fn has_incoming(&self, listener: ListenerId) -> bool {
        self.listeners.slab.get(listener.0).is_some_and(|listener| !listener.ready.is_empty())
    }

    /// Listens no more. Connections that nobody has accepted are reset.
    pub fn close_listener(&mut self, now: Instant, listener: ListenerId) {
        let Some(listener) = self.listeners.remove(listener.0) else {
            return;
        };
        for key in listener.ready {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.held_by = HeldBy::Nobody;
                connection.tcb.abort(now);
                connection.tcb.close(now);
                self.touch(key);
            }
        }
    }

    //= rfc9293#MUST-45
    //= rfc9293#MUST-46
    //= rfc9293#3.10.1-2
    /// Connects to `remote`. [`sockeye_tcb::Event::Established`] or [`sockeye_tcb::Event::Closed`] tells what came of
    /// it.
    ///
    /// # Errors
    /// [`StackError::InvalidRemote`], [`StackError::NoLocalAddress`], [`StackError::NotOurs`], [`StackError::NoPort`];
    /// [`StackError::InUse`] if a connection between the same two sockets exists, TIME-WAIT included.
    pub fn connect(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        options: &ConnectOptions,
    ) -> Result<ConnectionId, StackError> {
        if remote.port() == 0 || !self.addresses.is_host(remote.ip()) {
            return Err(StackError::InvalidRemote(remote));
        }
        let local = self.local_for(remote, options.local)?;
        let pair = Pair { local, remote };
        if self.demux.get(&pair).is_some() {
            return Err(StackError::InUse(local));
        }
        let config = self.configs(options.tcp.as_ref()).towards(remote).clone();
        let isn = self.secrets.isn(now, &pair);
        let offset = self.secrets.timestamp_offset(local.ip(), remote.ip());
        let mut tcb = Tcb::connect(config, isn, offset, now);
        self.recall(now, remote.ip(), &mut tcb);
        self.counters.active_opens += 1;
        Ok(ConnectionId(self.add_connection(tcb, pair, HeldBy::Application)))
    }

    /// The settings that a call asked for, or the stack's own.
    fn configs(&self, wanted: Option<&Arc<Config>>) -> Configs {
        wanted.map_or_else(|| self.defaults.clone(), |config| Configs::new(config, self.config.mtu))
    }

    /// Which of a host's stacks is to connect to `remote` from this socket: `None` if any may, choosing a port to suit itself.
    pub(crate) fn owner_towards(&mut self, remote: SocketAddr, local: Option<SocketAddr>) -> Option<usize> {
        let chosen = local.filter(|local| local.port() != 0)?;
        let local = self.local_for(remote, Some(chosen)).ok()?;
        Some(self.share.owner(&Pair { local, remote }))
    }

    fn local_for(&mut self, remote: SocketAddr, wanted: Option<SocketAddr>) -> Result<SocketAddr, StackError> {
        let ip = match wanted {
            Some(local) if !local.ip().is_unspecified() => {
                if !self.addresses.are_ours(local.ip()) || local.is_ipv4() != remote.is_ipv4() {
                    return Err(StackError::NotOurs(local));
                }
                local.ip()
            }
            _ => self.addresses.source_for(remote.ip()).ok_or(StackError::NoLocalAddress)?,
        };
        let port = match wanted {
            Some(local) if local.port() != 0 => local.port(),
            _ => self.choose_port(ip, remote)?,
        };
        Ok(SocketAddr::new(ip, port))
    }

    /// Hands over octets: takes as much of `chunk` off its front as there is room for, and says how many.
    ///
    /// # Errors
    /// Those of [`Tcb::send`]; [`CallError::NotConnected`] if the connection is gone.
    pub fn send(&mut self, now: Instant, id: ConnectionId, chunk: &mut Bytes) -> Result<usize, CallError> {
        self.call(id, |connection| connection.tcb.send(now, chunk))
    }

    /// As [`Self::send`], and more follows at once: see [`Tcb::send_more`].
    ///
    /// # Errors
    /// Those of [`Self::send`].
    pub fn send_more(&mut self, now: Instant, id: ConnectionId, chunk: &mut Bytes) -> Result<usize, CallError> {
        self.call(id, |connection| connection.tcb.send_more(now, chunk))
    }

    /// As [`Self::send`], and the text is urgent up to its end.
    ///
    /// # Errors
    /// Those of [`Self::send`].
    pub fn send_urgent(&mut self, now: Instant, id: ConnectionId, chunk: &mut Bytes) -> Result<usize, CallError> {
        self.call(id, |connection| connection.tcb.send_urgent(now, chunk))
    }

    /// The next octets in order, at most `max`.
    ///
    /// # Errors
    /// Those of [`Tcb::recv`]; [`CallError::NotConnected`] if the connection is gone.
    pub fn recv(&mut self, now: Instant, id: ConnectionId, max: usize) -> Result<Bytes, CallError> {
        self.call(id, |connection| connection.tcb.recv(now, max))
    }

    /// The next octets in order, at most `max`, which stay to be received.
    ///
    /// # Errors
    /// Those of [`Tcb::recv`]; [`CallError::NotConnected`] if the connection is gone.
    pub fn peek(&mut self, id: ConnectionId, max: usize) -> Result<Slices, CallError> {
        self.held(id).ok_or(GONE)?.tcb.peek(max)
    }

    /// Closes our direction: the FIN follows all that was handed over.
    ///
    /// # Errors
    /// Those of [`Tcb::shutdown`]; [`CallError::NotConnected`] if the connection is gone.
    pub fn shutdown(&mut self, now: Instant, id: ConnectionId) -> Result<(), CallError> {
        self.call(id, |connection| connection.tcb.shutdown(now))
    }

    /// Lets go of the connection: the id is invalid from now on, and what was handed over is still delivered.
    pub fn close(&mut self, now: Instant, id: ConnectionId) {
        if let Some(connection) = self.held(id) {
            connection.held_by = HeldBy::Nobody;
            connection.tcb.close(now);
            self.touch(id.0);
        }
    }

    /// Ends the connection at once with a RST. The id stays valid until [`Self::close`].
    pub fn abort(&mut self, now: Instant, id: ConnectionId) {
        // That it is gone already is as good.
        let _ = self.call(id, |connection| {
            connection.tcb.abort(now);
            Ok(())
        });
    }

    /// Ends all connections at once with a RST, those included that nobody holds any more. O(all).
    pub fn abort_all(&mut self, now: Instant) {
        let all: Vec<Key> = self.connections.iter().map(|(key, _)| key).collect();
        for key in all {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.tcb.abort(now);
            }
            self.touch(key);
        }
    }

    /// Changes settings: see [`Tcb::configure`].
    pub fn configure(&mut self, now: Instant, id: ConnectionId, change: impl FnOnce(&mut Config)) {
        // A connection that is gone has nothing to change.
        let _ = self.call(id, |connection| {
            connection.tcb.configure(now, change);
            Ok(())
        });
    }

    //= rfc9293#MUST-49
    /// TTL or hop limit of the connection's packets.
    pub fn set_hop_limit(&mut self, id: ConnectionId, hop_limit: u8) {
        if let Some(connection) = self.held(id) {
            connection.hop_limit = hop_limit;
        }
    }

    /// TTL or hop limit of the connection's packets.
    pub fn hop_limit(&self, id: ConnectionId) -> Option<u8> {
        self.get(id).map(|connection| connection.hop_limit)
    }

    //= rfc9293#MUST-48
    //= rfc9293#SHLD-21
    /// The Diffserv code point of the connection's packets, 0 to 63; it may change while the connection lives.
    pub fn set_dscp(&mut self, id: ConnectionId, dscp: u8) {
        if let Some(connection) = self.held(id) {
            connection.traffic_class = dscp << 2;
        }
    }

    /// Octets that [`Self::send`] would take now; 0 if the connection is gone.
    pub fn send_room(&self, id: ConnectionId) -> usize {
        self.get(id).map_or(0, |connection| connection.tcb.send_room())
    }

    /// Octets that wait to be read; 0 if the connection is gone.
    pub fn recv_queued(&self, id: ConnectionId) -> usize {
        self.get(id).map_or(0, |connection| connection.tcb.recv_queued())
    }

    /// Octets to read until the end of urgent text; `None` if none is pending, or if the connection is gone.
    pub fn urgent_left(&self, id: ConnectionId) -> Option<u32> {
        self.get(id).and_then(|connection| connection.tcb.urgent_left())
    }

    /// The state; `None` if the connection is gone.
    pub fn state(&self, id: ConnectionId) -> Option<State> {
        self.get(id).map(|connection| connection.tcb.state())
    }

    /// All there is to tell; `None` if the connection is gone.
    pub fn info(&self, now: Instant, id: ConnectionId) -> Option<TcpInfo> {
        self.get(id).map(|connection| connection.tcb.info(now))
    }

    /// What shows whether all is well with the connection, also after [`Self::close`]; `None` if it is gone.
    #[inline]
    pub fn vitals(&self, id: ConnectionId) -> Option<Vitals> {
        self.connections.get(id.0).map(|connection| connection.tcb.vitals())
    }

    /// When something is due for the connection, also after [`Self::close`]; `None` if nothing is, ever, or if it is gone.
    pub fn deadline(&self, id: ConnectionId) -> Option<Instant> {
        self.connections.get(id.0).and_then(|connection| connection.tcb.next_timeout())
    }

    /// The settings; `None` if the connection is gone.
    pub fn tcp_config(&self, id: ConnectionId) -> Option<&Config> {
        self.get(id).map(|connection| connection.tcb.config())
    }

    /// Our socket; `None` if the connection is gone.
    pub fn local_addr(&self, id: ConnectionId) -> Option<SocketAddr> {
        self.get(id).map(|connection| connection.sockets.pair().local)
    }

    /// The peer's socket; `None` if the connection is gone.
    pub fn peer_addr(&self, id: ConnectionId) -> Option<SocketAddr> {
        self.get(id).map(|connection| connection.sockets.pair().remote)
    }

    fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(id.0).filter(|connection| connection.held_by == HeldBy::Application)
    }

    fn held(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(id.0).filter(|connection| connection.held_by == HeldBy::Application)
    }

    /// A call that may give the connection something to send.
    fn call<T>(
        &mut self,
        id: ConnectionId,
        call: impl FnOnce(&mut Connection) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let connection = self.connections.get_mut(id.0).filter(|connection| connection.held_by == HeldBy::Application);
        let connection = connection.ok_or(GONE)?;
        let result = call(connection);
        self.touched.add(id.0, connection);
        result
    }

    /// Forgets a connection that has ended and that nobody holds, or makes it an entry of TIME-WAIT.
    pub(super) fn retire(&mut self, now: Instant, key: Key) {
        let Some(connection) = self.connections.get(key).filter(|connection| connection.held_by == HeldBy::Nobody)
        else {
            return;
        };
        let (pair, metrics) = (connection.sockets.pair(), connection.tcb.metrics());
        if let (Some(time_wait), Some(local)) = (connection.tcb.time_wait(), self.addresses.number_of(pair.local.ip()))
        {
            self.enter_time_wait(time_wait, &pair, local);
        } else if connection.tcb.state() == State::Closed {
            self.forget_pair(key, &pair);
        } else {
            return;
        }
        self.paths.learn_metrics(now, pair.remote.ip(), metrics);
        if let Some(connection) = self.connections.remove(key) {
            self.memory.recount(connection.octets, 0);
            self.wheel.remove(connection.timer);
        }
    }

    /// Removes `pair` from the look-up if it still stands for this connection.
    pub(super) fn forget_pair(&mut self, key: Key, pair: &Pair) {
        if matches!(self.demux.get(pair), Some(Target::Connection(known)) if known == key) {
            self.demux.remove(pair);
        }
    }

    fn enter_time_wait(&mut self, time_wait: sockeye_tcb::TimeWait, pair: &Pair, local: u16) {
        self.hold_time_wait(super::time_wait::Entry::new(time_wait, pair, local), pair);
    }

    /// Adds an entry of TIME-WAIT; the oldest gives way if there are too many.
    pub(super) fn hold_time_wait(&mut self, entry: super::time_wait::Entry, pair: &Pair) {
        if self.time_wait.slab.len() >= self.config.max_time_wait
            && let Some(oldest) = self.time_wait.oldest()
        {
            self.leave_time_wait(oldest);
        }
        let key = self.time_wait.insert(entry);
        self.demux.insert(*pair, Target::TimeWait(key));
    }

    /// Takes an entry out of TIME-WAIT.
    pub(super) fn leave_time_wait(&mut self, key: Key) -> Option<super::time_wait::Entry> {
        let entry = self.time_wait.slab.remove(key)?;
        if let Some(local) = self.addresses.by_number(entry.local()) {
            self.demux.remove(&entry.pair(local));
        }
        Some(entry)
    }
}
