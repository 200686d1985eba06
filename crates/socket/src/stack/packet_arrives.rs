//! The way in: from the IP header to the connection, a function a step.

use std::net::IpAddr;

use bytes::Bytes;
use sockeye_device::Packet;
use sockeye_tcb::{Header, Segment, State, Stop, Tcb, closed, half_open, listen, time_wait};
use sockeye_wire::ip::{IpView, extension, protocol};
use sockeye_wire::tcp::TcpView;
use sockeye_wire::{Instant, SeqNumber};

use super::counters::{Drop, Reason};
use super::demux::Pair;
use super::ip::datagram::Datagram;
use super::ip::fragment::{DatagramKey, Piece};
use super::slab::Key;
use super::syn_queue::Entry;
use super::{HeldBy, Owner, Stack, Target};

/// How far beyond the sequence numbers of an old connection a new one in its place begins: out of reach of what windows
/// without scaling still let through, as Linux has it.
const BEYOND_TIME_WAIT: u32 = 65_537;

impl Stack {
    /// A packet arrived. Whatever is wrong with it is counted, and nothing else comes of it.
    pub fn on_packet(&mut self, now: Instant, mut packet: Packet) {
        self.counters.packets_in += 1;
        let taken = match self.take_plain(now, &mut packet) {
            Some(taken) => taken,
            None => self.take_packet(now, packet),
        };
        if let Err(reason) = taken {
            self.counters.count(reason);
        }
    }

    /// Any packet, step by step.
    #[inline(never)]
    pub(super) fn take_packet(&mut self, now: Instant, packet: Packet) -> Result<(), Reason> {
        // What comes in pieces is joined if it isn't a whole TCP segment: what is rare needs no code for pieces.
        let packet = if packet.text.is_empty() || is_segment(&packet) {
            packet
        } else {
            self.counters.copied.on_the_way += packet.text_len() as u64;
            packet.joined()
        };
        match self.check_ip(now, packet)? {
            Some(datagram) => self.on_datagram(now, datagram),
            None => Ok(()),
        }
    }

    /// The IP header; fragments wait for each other here. The hop limit isn't looked at: it is the routers' business.
    //= rfc1122#3.2.1.7-2
    //= rfc1122#3.3.2-1
    fn check_ip(&mut self, now: Instant, packet: Packet) -> Result<Option<Datagram>, Reason> {
        let view = IpView::parse_front(&packet.bytes, packet.text_len())?;
        if let IpView::V4(view) = &view
            && !view.verify_checksum()
        {
            return Err(Drop::HeaderChecksum.into());
        }
        let (source, destination) = (view.source(), view.destination());
        self.check_addresses(source, destination)?;
        let mut protocol = view.protocol();
        let (header_len, front_len, mut ecn) = (view.header_len(), view.packet().len(), view.ecn());
        let (mut joined, mut start, mut whole) = (None, None, (packet.checksum_verified, packet.segment_size));
        if let Some(fragment) = view.fragment() {
            let key = DatagramKey::new(source, destination, protocol, fragment.identification);
            let piece = Piece { fragment, protocol, ecn, payload: view.payload(), packet: view.packet() };
            let Some(datagram) = self.reassembler.insert(now, key, piece)? else {
                return Ok(None);
            };
            let (mut octets, first) = (datagram.payload, datagram.first);
            self.counters.copied.on_the_way += 2 * octets.len() as u64; // out of each fragment, and into the whole
            protocol = first.protocol;
            if source.is_ipv6() {
                // Further headers may stand behind the fragment header, and are whole only now.
                let (upper, message) = extension::skip(protocol, &octets)?;
                (protocol, octets) = (upper, octets.slice_ref(message));
            }
            (joined, start, ecn) = (Some(octets), Some(first.packet), datagram.ecn);
            whole = (false, 0);
        }
        let (checksum_verified, segment_size) = whole;
        let Packet { mut bytes, text, arrived_at, .. } = packet;
        bytes.truncate(front_len);
        Ok(Some(Datagram {
            source,
            destination,
            protocol,
            packet: start.unwrap_or(bytes),
            header_len,
            joined,
            text,
            arrived_at: arrived_at.min(now),
            checksum_verified,
            segment_size,
            ecn,
        }))
    }

    //= rfc1122#3.2.1.3-4
    //= rfc9293#MUST-57
    //= rfc9293#MUST-63
    pub(super) fn check_addresses(&mut self, source: IpAddr, destination: IpAddr) -> Result<(), Drop> {
        if self.accepted == Some((source, destination)) {
            return Ok(());
        }
        if self.addresses.is_of_many(destination) {
            return Err(Drop::Broadcast);
        }
        if !self.addresses.are_ours(destination) {
            return Err(Drop::NotOurs);
        }
        if !self.addresses.is_host(source) || self.addresses.are_ours(source) {
            return Err(Drop::InvalidSource);
        }
        self.accepted = Some((source, destination));
        Ok(())
    }

    fn on_datagram(&mut self, now: Instant, datagram: Datagram) -> Result<(), Reason> {
        if datagram.joined.is_some() {
            let Datagram { source, destination, protocol, .. } = datagram;
            if !self.share.takes(source, destination, protocol, datagram.payload()) {
                return Err(Drop::OtherShard.into());
            }
        }
        match datagram.protocol {
            protocol::TCP => self.on_tcp(now, datagram),
            protocol::ICMP if datagram.source.is_ipv4() => self.on_icmp(now, &datagram),
            protocol::ICMPV6 if datagram.source.is_ipv6() => self.on_icmp(now, &datagram),
            protocol::UDP => self.refuse_udp(now, &datagram),
            _ => self.refuse_protocol(now, &datagram),
        }
    }

    fn on_tcp(&mut self, now: Instant, datagram: Datagram) -> Result<(), Reason> {
        let view = TcpView::parse(datagram.payload())?;
        //= rfc9293#MUST-3
        if !datagram.checksum_verified && !datagram.verifies() {
            return Err(Drop::TransportChecksum.into());
        }
        let pair = Pair::of_segment(datagram.source, datagram.destination, &view);
        if pair.remote.port() == 0 {
            return Err(Drop::PortZero.into());
        }
        let mut segment = segment(&view, &datagram);
        let header_len = view.header_len();
        (segment.payload, segment.more) = datagram.into_payload_from(header_len);
        match self.demux.get(&pair) {
            Some(Target::Connection(key)) => self.on_connection(now, key, segment),
            Some(Target::HalfOpen(key)) => self.on_half_open(now, key, &pair, segment),
            Some(Target::TimeWait(key)) => self.on_time_wait(now, key, &pair, &segment),
            None => self.on_nobodys(now, &pair, &segment),
        }
    }

    fn on_connection(&mut self, now: Instant, key: Key, segment: Segment) -> Result<(), Reason> {
        let Some(connection) = self.connections.get_mut(key) else {
            return Err(Stop::NoConnection.into());
        };
        // One that is over but still held: a new SYN may have its place, as if it were in TIME-WAIT.
        if connection.tcb.state() == State::Closed {
            let pair = connection.sockets.pair();
            self.forget_pair(key, &pair);
            return self.on_nobodys(now, &pair, &segment);
        }
        let result = connection.tcb.on_segment(now, segment);
        self.touched.add(key, connection);
        result.map_err(Into::into)
    }

    /// Nobody knows the pair: a listener may want it.
    fn on_nobodys(&mut self, now: Instant, pair: &Pair, segment: &Segment) -> Result<(), Reason> {
        if let Some(listener) = self.listeners.find(pair.local) {
            let isn = self.secrets.isn(now, pair);
            self.on_listener(now, listener, pair, segment, isn)
        } else {
            if let Some(reply) = closed::reply(segment) {
                self.reset_stray(now, pair, &reply);
            }
            Err(Stop::NoConnection.into())
        }
    }

    fn on_listener(
        &mut self,
        now: Instant,
        key: Key,
        pair: &Pair,
        segment: &Segment,
        isn: SeqNumber,
    ) -> Result<(), Reason> {
        let Some(listener) = self.listeners.slab.get(key) else {
            return Err(Stop::NoConnection.into());
        };
        let config = listener.configs.towards(pair.remote);
        let offset = self.secrets.timestamp_offset(pair.local.ip(), pair.remote.ip());
        match listen::arrives(segment, config, isn, offset, now) {
            listen::Verdict::Open(half_open) => self.queue_half_open(now, key, pair, half_open),
            listen::Verdict::Drop(stop, reply) => {
                self.reply_to(pair, reply);
                Err(stop.into())
            }
        }
    }

    /// A SYN came to a listener. What is beyond the backlog is dropped: the peer asks again.
    fn queue_half_open(
        &mut self,
        now: Instant,
        listener_key: Key,
        pair: &Pair,
        half_open: sockeye_tcb::HalfOpen,
    ) -> Result<(), Reason> {
        let Some(listener) = self.listeners.slab.get_mut(listener_key) else {
            return Err(Stop::NoConnection.into());
        };
        if listener.ready.len() >= listener.backlog {
            return Err(Drop::BacklogFull.into());
        }
        if self.memory.is_full() {
            return Err(Drop::MemoryLimit.into());
        }
        let crowded = listener.half_open >= listener.backlog;
        if crowded || self.syn_queue.slab.len() >= self.config.max_half_open {
            let oldest = if crowded { listener.line.first(&self.syn_queue.slab) } else { self.syn_queue.oldest() };
            oldest.into_iter().for_each(|oldest| self.give_up_half_open(now, oldest));
            self.counters.count(Drop::HalfOpenEvicted);
        }
        let timer = self.wheel.add(Owner::HalfOpen(Key::NOWHERE));
        self.wheel.set(timer, Some(half_open.deadline()));
        let local = self.addresses.number_of(pair.local.ip()).unwrap_or_default();
        let entry = Entry {
            half_open,
            remote: pair.remote,
            local_port: pair.local.port(),
            local,
            listener: listener_key,
            timer,
        };
        let key = self.syn_queue.insert(entry);
        self.wheel.set_owner(timer, Owner::HalfOpen(key));
        if let Some(listener) = self.listeners.slab.get_mut(listener_key) {
            listener.half_open += 1;
            listener.line.push(key, &self.syn_queue.slab, listener.half_open);
        }
        self.demux.insert(*pair, Target::HalfOpen(key));
        self.reply(pair, &half_open.syn_ack(now));
        Ok(())
    }

    /// Nothing comes of a half-open connection. If it had the place of one in TIME-WAIT, that begins anew.
    fn give_up_half_open(&mut self, now: Instant, key: Key) {
        let before = self.syn_queue.reopened.remove(&key);
        let pair = self.forget_half_open(key);
        if let (Some(mut before), Some(pair)) = (before, pair) {
            before.time_wait.restart(now);
            self.hold_time_wait(before, &pair);
        }
    }

    /// Removes a half-open connection; its sockets.
    fn forget_half_open(&mut self, key: Key) -> Option<Pair> {
        let entry = self.syn_queue.slab.remove(key)?;
        self.syn_queue.reopened.remove(&key);
        self.wheel.remove(entry.timer);
        if let Some(listener) = self.listeners.slab.get_mut(entry.listener) {
            listener.half_open -= 1;
        }
        let pair = entry.pair(self.addresses.by_number(entry.local)?);
        self.demux.remove(&pair);
        Some(pair)
    }

    pub(super) fn on_half_open_timeout(&mut self, now: Instant, key: Key) {
        let Some(entry) = self.syn_queue.slab.get_mut(key) else {
            return;
        };
        let config = self.listeners.slab.get(entry.listener).map_or(&self.defaults, |listener| &listener.configs);
        let config = config.towards(entry.remote);
        match entry.half_open.on_timeout(now, config) {
            half_open::Timeout::Resend(header) => {
                self.wheel.set(entry.timer, Some(entry.half_open.deadline()));
                let pair = self.addresses.by_number(entry.local).map(|local| entry.pair(local));
                pair.into_iter().for_each(|pair| self.reply(&pair, &header));
            }
            half_open::Timeout::GiveUp => self.give_up_half_open(now, key),
        }
    }

    fn on_half_open(&mut self, now: Instant, key: Key, pair: &Pair, segment: Segment) -> Result<(), Reason> {
        let Some(entry) = self.syn_queue.slab.get_mut(key) else {
            return Err(Stop::NoConnection.into());
        };
        let listener = entry.listener;
        match entry.half_open.on_segment(now, &segment) {
            half_open::Verdict::Established => self.complete(now, key, listener, pair, segment),
            half_open::Verdict::Drop(stop, reply) => {
                self.reply_to(pair, reply);
                Err(stop.into())
            }
            half_open::Verdict::Gone(stop) => {
                self.give_up_half_open(now, key);
                Err(stop.into())
            }
        }
    }

    /// The handshake is complete: a connection waits to be accepted, if there is room for it to wait. If not the ACK
    /// is dropped, and the SYN-ACK goes out again in its time, as with Linux.
    fn complete(&mut self, now: Instant, key: Key, listener: Key, pair: &Pair, segment: Segment) -> Result<(), Reason> {
        let Some(waiting) = self.listeners.slab.get(listener) else {
            self.forget_half_open(key);
            return self.on_nobodys(now, pair, &segment);
        };
        if waiting.ready.len() >= waiting.backlog {
            return Err(Drop::AcceptQueueFull.into());
        }
        let config = waiting.configs.towards(pair.remote).clone();
        let Some(half_open) = self.syn_queue.slab.get(key).map(|entry| entry.half_open) else {
            return Err(Stop::NoConnection.into());
        };
        self.forget_half_open(key);
        let mut tcb = Tcb::from_half_open(config, &half_open, now);
        self.recall(now, pair.remote.ip(), &mut tcb);
        let connection = self.add_connection(tcb, *pair, HeldBy::Listener);
        self.counters.passive_opens += 1;
        if let Some(listener) = self.listeners.slab.get_mut(listener) {
            listener.ready.push_back(connection);
        }
        self.incoming.push_back(listener);
        self.on_connection(now, connection, segment)
    }

    fn on_time_wait(&mut self, now: Instant, key: Key, pair: &Pair, segment: &Segment) -> Result<(), Reason> {
        let Some(entry) = self.time_wait.slab.get_mut(key) else {
            return Err(Stop::NoConnection.into());
        };
        match entry.time_wait.on_segment(now, segment) {
            time_wait::Verdict::Drop(stop, reply) => {
                self.reply_to(pair, reply);
                Err(stop.into())
            }
            time_wait::Verdict::Restarted(reply) => {
                if let Some(key) = self.time_wait.restart(key) {
                    self.demux.insert(*pair, Target::TimeWait(key));
                }
                self.reply(pair, &reply);
                Ok(())
            }
            time_wait::Verdict::Reopen => {
                let used = entry.time_wait.snd_nxt();
                self.reopen(now, key, pair, segment, used)
            }
        }
    }

    //= rfc9293#MAY-2
    /// A SYN for a pair of sockets in TIME-WAIT, of which we have `used` all sequence numbers before that one. A connection
    /// that was faster than the clock of [`Secrets::isn`](super::isn::Secrets::isn) has used some that are still to come.
    ///
    /// TIME-WAIT is entered again if nothing comes of the SYN: the peer's RST tells that it was an old duplicate.
    fn reopen(
        &mut self,
        now: Instant,
        key: Key,
        pair: &Pair,
        segment: &Segment,
        used: SeqNumber,
    ) -> Result<(), Reason> {
        let Some(listener) = self.listeners.find(pair.local) else {
            return Err(Stop::OldDuplicate.into());
        };
        let before = self.leave_time_wait(key);
        let isn = self.secrets.isn(now, pair);
        let isn = if isn.after(used) { isn } else { used + BEYOND_TIME_WAIT };
        let outcome = self.on_listener(now, listener, pair, segment, isn);
        match (self.demux.get(pair), before) {
            (Some(Target::HalfOpen(key)), Some(before)) => _ = self.syn_queue.reopened.insert(key, before),
            (None, Some(before)) => self.hold_time_wait(before, pair),
            _ => {}
        }
        outcome
    }

    fn reply_to(&mut self, pair: &Pair, reply: Option<Header>) {
        if let Some(reply) = reply {
            self.reply(pair, &reply);
        }
    }
}

/// True if it is a whole TCP segment.
fn is_segment(packet: &Packet) -> bool {
    let is_segment = |ip: IpView<'_>| ip.protocol() == protocol::TCP && ip.fragment().is_none();
    IpView::parse_front(&packet.bytes, packet.text_len()).is_ok_and(is_segment)
}

/// The segment as the connection sees it, its text still to come.
fn segment(view: &TcpView<'_>, datagram: &Datagram) -> Segment {
    Segment {
        seq: view.seq(),
        ack: view.ack(),
        flags: view.flags(),
        window: view.window(),
        urgent: view.urgent(),
        options: view.options(),
        payload: Bytes::new(),
        more: Vec::new(),
        arrived_at: datagram.arrived_at,
        segment_size: datagram.segment_size,
        ecn: datagram.ecn,
    }
}
