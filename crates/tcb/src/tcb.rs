//! The transmission control block: one connection, all of it (RFC 9293 section 3.3.1).
//!
//! Three doors lead in: the application's calls (`user_calls`), arriving segments (`segment_arrives`), the clock
//! (`timeouts`). What comes out is asked for: [`Tcb::poll_transmit`], [`Tcb::next_timeout`], [`Tcb::poll_event`].

use alloc::boxed::Box;
use alloc::sync::Arc;
use sockeye_wire::{Instant, SeqNumber};

use crate::challenge::Challenge;
use crate::congestion::CongestionControl;
use crate::counts::Counts;
use crate::ecn::Ecn;
use crate::event::Notices;
use crate::negotiated::Negotiated;
use crate::path_mtu::PathMtu;
use crate::recovery::Recovery;
use crate::recv::RecvSide;
use crate::rtt::Rtt;
use crate::segment_arrives::half_open::HalfOpen;
use crate::segment_arrives::time_wait::TimeWait;
use crate::send::SendSide;
use crate::send::pacing::Pacer;
use crate::state::Cause;
use crate::timeouts::{Deadlines, Timer};
use crate::{ClosedBecause, Config, Event, Header, State};

/// One connection: state machine, both directions, timers, recovery. Sans-IO: segments, time and the application's calls
/// come in as arguments, what is to be sent is asked for.
///
/// After every call that may change something, ask [`Self::poll_transmit`] until `None`, then [`Self::next_timeout`].
#[derive(Debug)]
pub struct Tcb {
    pub(crate) state: State,
    pub(crate) config: Arc<Config>,
    pub(crate) agreed: Negotiated,
    pub(crate) path: PathMtu,
    pub(crate) timestamp_offset: u32,
    pub(crate) send: SendSide,
    pub(crate) recv: RecvSide,
    pub(crate) recovery: Recovery,
    pub(crate) congestion: Box<dyn CongestionControl>,
    pub(crate) pacer: Pacer,
    pub(crate) ecn: Ecn,
    pub(crate) rtt: Rtt,
    pub(crate) deadlines: Deadlines,
    pub(crate) challenge: Challenge,
    pub(crate) pending: Pending,
    pub(crate) notices: Notices,
    /// In SYN-RECEIVED: what is known of the connection so far.
    pub(crate) half_open: Option<Box<HalfOpen>>,
    /// In TIME-WAIT: what is left of it.
    pub(crate) time_wait: Option<Box<TimeWait>>,
    pub(crate) times: Times,
    pub(crate) counts: Box<Counts>,
    /// Octets that were copied since [`Self::take_copied`].
    pub(crate) copied: u32,
    pub(crate) closed_because: Option<ClosedBecause>,
    /// Keep-alive or window probes sent since the peer was last heard.
    pub(crate) unanswered_probes: u8,
    /// How often the interval between window probes was doubled.
    pub(crate) persist_backoff: u8,
    /// Microseconds from our SYN to ESTABLISHED; 0 until then.
    pub(crate) handshake: u32,
    /// The application has let go of both directions: nobody will read.
    pub(crate) orphaned: bool,
    /// `send` took less than it was offered: tell when there is room.
    pub(crate) writer_waits: bool,
    /// The stack is short of memory: buffers don't grow, and offer no more than they began with.
    pub(crate) memory_pressure: bool,
}

/// What is to leave, or to be done, at the next opportunity, apart from text and ACKs.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// A segment that answers one that wasn't acceptable, complete.
    pub(crate) reply: Option<Box<Header>>,
    /// Our SYN, or SYN-ACK.
    pub(crate) syn: bool,
    /// A RST: the connection was aborted.
    pub(crate) reset: bool,
    /// A probe of the peer's closed window.
    pub(crate) window_probe: bool,
    /// A probe of whether the peer is there.
    pub(crate) keep_alive: bool,
    /// Text that was held back may leave: a timer expired.
    pub(crate) overdue: bool,
    /// The application said that more text follows at once: a part of a segment waits for it.
    pub(crate) more_follows: bool,
    /// The retransmission timer is to be set anew.
    pub(crate) timer: bool,
}

/// Points in time that rules refer to.
#[derive(Debug)]
pub(crate) struct Times {
    pub(crate) opened_at: Instant,
    /// When an acceptable segment last arrived.
    pub(crate) heard_at: Instant,
    /// When text, FIN or a retransmission last left.
    pub(crate) sent_at: Instant,
    /// Since when the peer has owed us an acknowledgment.
    pub(crate) waiting_since: Instant,
}

impl Tcb {
    /// A connection in CLOSED, from which the two OPEN calls start.
    pub(crate) fn new(config: Arc<Config>, iss: SeqNumber, timestamp_offset: u32, now: Instant) -> Self {
        let agreed = Negotiated::NOTHING;
        Self {
            state: State::Closed,
            agreed,
            path: PathMtu::new(config.announced_mss()),
            timestamp_offset,
            send: SendSide::new(iss, config.send_buffer.initial()),
            recv: RecvSide::new(
                SeqNumber::default(),
                agreed,
                config.first_window(),
                config.receive_buffer.initial(),
                0,
                now,
            ),
            recovery: Recovery::new(),
            congestion: config.congestion.make(config.initial_window),
            pacer: Pacer::default(),
            ecn: Ecn::new(&config),
            rtt: Rtt::new(&config),
            deadlines: Deadlines::NONE,
            challenge: Challenge::default(),
            pending: Pending::default(),
            notices: Notices::default(),
            half_open: None,
            time_wait: None,
            times: Times { opened_at: now, heard_at: now, sent_at: now, waiting_since: now },
            counts: Box::new(Counts::new(now)),
            copied: 0,
            closed_because: None,
            unanswered_probes: 0,
            persist_backoff: 0,
            handshake: 0,
            orphaned: false,
            writer_waits: false,
            memory_pressure: false,
            config,
        }
    }

    /// ESTABLISHED, our SYN-ACK's ACK having arrived ([`crate::half_open::Verdict::Established`]): hand the segment that
    /// brought it to [`Self::on_segment`] next.
    pub fn from_half_open(config: Arc<Config>, half_open: &HalfOpen, now: Instant) -> Self {
        let mut tcb = Self::new(config, half_open.iss, half_open.timestamp_offset, half_open.opened_at);
        tcb.state = State::SynReceived;
        tcb.establish(half_open, now);
        tcb
    }

    /// SYN-RECEIVED becomes ESTABLISHED.
    pub(crate) fn establish(&mut self, half_open: &HalfOpen, now: Instant) {
        self.agree(half_open.negotiated, half_open.irs, half_open.snd_wnd, half_open.ts_recent, now);
        self.syn_was_resent(half_open.retransmissions);
        if half_open.retransmissions == 0 {
            let rtt = now.since(half_open.opened_at);
            self.rtt.on_sample(rtt);
            self.recovery.on_handshake(now, rtt);
        }
        self.note_established(now);
        self.deadlines.stop(Timer::Retransmit);
        self.go(Cause::OurSynAcked);
        self.notices.established = true;
        self.arm_keep_alive(now);
    }

    /// The handshake is over.
    pub(crate) fn note_established(&mut self, now: Instant) {
        let took = now.since(self.times.opened_at);
        self.handshake = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
    }

    /// The two SYNs are known: both sides take up what they say.
    pub(crate) fn agree(&mut self, agreed: Negotiated, irs: SeqNumber, snd_wnd: u16, ts_recent: u32, now: Instant) {
        self.agreed = agreed;
        self.path.agree(agreed.peer_mss, &self.config);
        self.send.on_syn(irs, snd_wnd, agreed, self.path.size());
        let (offered, buffer) = (self.config.first_window(), self.config.receive_buffer.initial());
        self.recv = RecvSide::new(irs, agreed, offered, buffer, ts_recent, now);
        self.congestion.set_mss(self.send.mss());
    }

    /// Our SYN or SYN-ACK had to be sent again so many times.
    pub(crate) fn syn_was_resent(&mut self, retransmissions: u8) {
        if retransmissions > 0 {
            self.rtt.syn_was_lost();
        }
        //= rfc6928#2-4
        if retransmissions > 1 {
            //= rfc5681#3.1-4
            self.congestion.on_lost_handshake();
        }
    }

    /// Follows the arrow of figure 5 that `cause` is, if there is one from here.
    pub(crate) fn go(&mut self, cause: Cause) {
        if let Some(next) = self.state.after(cause) {
            self.state = next;
        }
    }

    /// Deletes the connection: nothing is kept but what the application has yet to hear and, unless the stream ended
    /// as it should, not even unread text: who reads then learns why it is gone, not that the stream has ended.
    pub(crate) fn delete(&mut self, because: ClosedBecause) {
        self.go(Cause::Deleted);
        self.send.clear();
        self.recovery.clear();
        if !because.is_clean() {
            self.recv.clear();
        }
        self.deadlines = Deadlines::NONE;
        self.half_open = None;
        self.time_wait = None;
        if self.closed_because.is_none() {
            self.closed_because = Some(because);
            self.notices.closed = true;
        }
    }

    /// When [`Self::on_timeout`] is to be called at the latest; `None` if nothing is due, ever. What a call changes shows
    /// here once [`Self::poll_transmit`] has said `None`: until then this is what was due before.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// The next thing that the application may want to act on.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.notices.take(self.closed_because)
    }

    /// True if [`Self::poll_event`] has something to tell.
    pub const fn has_event(&self) -> bool {
        self.notices.any()
    }

    /// What is left of a connection in TIME-WAIT that the application has let go of: the caller may keep this small
    /// struct instead of the whole. `None` in any other case.
    pub fn time_wait(&self) -> Option<TimeWait> {
        self.time_wait.as_deref().copied().filter(|_| self.orphaned)
    }

    /// STATUS: the state (RFC 9293 section 3.10.6).
    pub const fn state(&self) -> State {
        self.state
    }

    /// Why the connection is gone, once it is.
    pub const fn closed_because(&self) -> Option<ClosedBecause> {
        self.closed_because
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Octets of text that it holds: to be sent or acknowledged, to be read, or out of order.
    pub fn memory(&self) -> u32 {
        self.send.queued().saturating_add(self.recv.held())
    }

    /// Octets of text that were copied since this was last asked: both ways, pieces under 1 KiB are put together, so that
    /// memory follows the octets that are held. All other text is shared with who has handed it over.
    pub const fn take_copied(&mut self) -> u32 {
        core::mem::replace(&mut self.copied, 0)
    }

    /// Whether the memory that connections share is running short. While it is, automatic buffers don't grow and take no
    /// more than they began with; what was promised to the peer stays promised.
    //= rfc9293#SHLD-14
    pub fn set_memory_pressure(&mut self, pressure: bool) {
        if self.memory_pressure != pressure {
            self.memory_pressure = pressure;
            self.recv.press(pressure.then(|| self.config.receive_buffer.initial()));
        }
    }
}

/// An idle connection is small: what only a transfer needs is allocated when it comes.
const _: () = assert!(size_of::<Tcb>() <= 640);
