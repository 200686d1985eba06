//! What one end of a connection says and hears on the wire, and the rules about it.

mod asked;
mod hears;
mod repeats;
mod sent;
mod silence;
mod stamps;

#[cfg(test)]
mod tests;

use sockeye_tcb::Vitals;
use sockeye_wire::tcp::{Flags, SackBlock, TcpView};
use sockeye_wire::{Instant, SeqNumber};

use super::invariants::{Broken, Invariant, Limits, broken};
use asked::Asked;
use repeats::{Repeats, Text};
use sent::Sent;
use silence::Silence;
use stamps::Stamps;

/// What one SYN offered.
#[derive(Clone, Copy, Debug)]
struct Offer {
    mss: Option<u16>,
    shift: Option<u8>,
    timestamps: bool,
    sack: bool,
}

/// What both SYNs agree on: known, so that not every rule asks both.
#[derive(Clone, Copy, Debug)]
struct Agreed {
    /// Both sides must offer scaling, or neither has it.
    our_shift: u8,
    their_shift: u8,
    timestamps: bool,
    sack: bool,
}

impl Agreed {
    fn of(ours: &Offer, theirs: &Offer) -> Self {
        Self {
            our_shift: theirs.shift.and(ours.shift).unwrap_or(0),
            their_shift: ours.shift.and(theirs.shift).unwrap_or(0).min(14),
            timestamps: ours.timestamps && theirs.timestamps,
            sack: ours.sack && theirs.sack,
        }
    }
}

/// Listens at a host's door, for one connection. "Ours" is what the host says, "theirs" what arrives.
#[derive(Clone, Debug, Default)]
pub(super) struct Ear {
    ours: Option<Offer>,
    theirs: Option<Offer>,
    /// Once there are both.
    agreed: Option<Agreed>,
    /// Our SYN's sequence number.
    iss: Option<SeqNumber>,
    /// The highest sequence number that we have used, plus one: SND.NXT.
    snd_nxt: SeqNumber,
    /// The end of the last window probe.
    probed: Option<SeqNumber>,
    /// The highest ACK that was heard: SND.UNA, if that segment counted.
    snd_una: SeqNumber,
    /// The highest ACK that was heard in a segment that counts beyond doubt: SND.UNA at least.
    surely_acked: SeqNumber,
    /// The rightmost edge of the window that the peer has ever offered.
    edge: Option<SeqNumber>,
    /// The leftmost edge that its latest ACK came with: windows in steps, and peers that shrink them, take some back.
    least_edge: Option<SeqNumber>,
    /// Where our FIN stands.
    fin: Option<SeqNumber>,
    we_reset: bool,
    over: bool,
    sent: Sent,
    repeats: Repeats,
    /// Duplicate ACKs in a row (RFC 5681 section 2), and the window that the last ACK named, with its sequence number, before
    /// which no other names one (RFC 9293 section 3.10.7.4); `None` if that ACK may not have counted.
    dup_acks: u32,
    window: Option<(SeqNumber, u16)>,
    /// An ACK too old for that has named another window since.
    renamed: bool,
    /// Segments longer than others that have left, to see whether the path takes them: their loss is no sign of congestion, and
    /// begins no recovery (RFC 4821 section 7.6.2). Where the last of them ends, and how long it is.
    path_probes: u64,
    path_probe: Option<(SeqNumber, u32)>,
    /// The last ACK that we sent, and the right edge that we offered.
    acked: Option<SeqNumber>,
    our_edge: Option<SeqNumber>,
    /// The end of the last octet that has arrived.
    arrived_to: SeqNumber,
    /// The end of the peer's stream, its FIN included.
    their_end: Option<SeqNumber>,
    stamps: Stamps,
    /// Text in order has arrived: since when an ACK up to there is owed.
    owed: Option<(Instant, SeqNumber)>,
    asked: Asked,
    silence: Silence,
    /// ACKs that may tell how long a round trip takes (Karn's algorithm, RFC 6298 section 3).
    measurable: u64,
}

impl Ear {
    /// Octets of sequence space sent and not acknowledged, at least.
    pub(super) fn outstanding(&self) -> u32 {
        if self.ours.is_none() { 0 } else { self.snd_nxt.saturating_since(self.snd_una) }
    }

    /// As [`Self::outstanding`], at most: an old segment that overtook others may not count, nor its ACK.
    pub(super) fn outstanding_at_most(&self) -> u32 {
        if self.ours.is_none() { 0 } else { self.sent_to().saturating_since(self.surely_acked) }
    }

    /// SND.NXT, or one more if the octet of a window probe counts.
    fn sent_to(&self) -> SeqNumber {
        self.probed.map_or(self.snd_nxt, |probed| probed.max(self.snd_nxt))
    }

    /// The steps in which we offer windows.
    pub(super) fn window_step(&self) -> u32 {
        1 << self.our_shift()
    }

    fn our_shift(&self) -> u8 {
        self.agreed.map_or(0, |agreed| agreed.our_shift)
    }

    fn their_shift(&self) -> u8 {
        self.agreed.map_or(0, |agreed| agreed.their_shift)
    }

    /// As behind a handshake that has agreed on SACK and nothing else, with so many octets outstanding.
    #[cfg(test)]
    pub(super) fn with_outstanding(octets: u32) -> Self {
        let offer = Some(Offer { mss: None, shift: None, timestamps: false, sack: true });
        let mut ear = Self { ours: offer, theirs: offer, snd_nxt: SeqNumber::new(octets), ..Self::default() };
        ear.agree();
        ear
    }

    /// One side offers something in a SYN.
    fn agree(&mut self) {
        self.agreed = self.ours.as_ref().zip(self.theirs.as_ref()).map(|(ours, theirs)| Agreed::of(ours, theirs));
    }

    /// An ACK must leave within the delay that was set.
    pub(super) fn acks_in_time(&self, now: Instant, limits: &Limits) -> Result<(), Broken> {
        let Some((since, seq)) = self.owed else {
            return Ok(());
        };
        let waits = now.since(since);
        if waits > limits.ack_within {
            let detail = move || format!("text up to {seq} arrived {waits:?} ago and isn't acknowledged");
            return broken(Invariant::AcksInTime, detail);
        }
        Ok(())
    }

    /// SACK was offered both ways.
    pub(super) fn has_sack(&self) -> bool {
        self.agreed.is_some_and(|agreed| agreed.sack)
    }

    /// Octets that credible SACK blocks have named, at most.
    pub(super) const fn sacked(&self) -> u64 {
        self.sent.sacked_octets()
    }

    /// The next number that we shall use: SND.NXT.
    pub(super) const fn snd_nxt(&self) -> SeqNumber {
        self.snd_nxt
    }

    /// True if a credible SACK block has named what is to be acknowledged next.
    pub(super) fn sacks_the_next(&self) -> bool {
        self.sent.is_first_sacked()
    }

    /// Duplicate ACKs in a row.
    pub(super) const fn dup_acks(&self) -> u32 {
        self.dup_acks
    }

    /// ACKs so far of something that was sent once, or with a timestamp that tells which transmission they answer.
    pub(super) const fn measurable(&self) -> u64 {
        self.measurable
    }

    /// How often something that was sent was longer than what the path is known to take: it proved narrower, or it was probed.
    pub(super) const fn exceeded_path(&self) -> u64 {
        self.repeats.narrowings() + self.path_probes
    }

    /// True if the peer is, or ever was, silent for as long, and though it was asked as often, as it takes for a connection to be
    /// given up.
    pub(super) fn had_reason_to_give_up(&self, now: Instant, limits: &Limits) -> bool {
        self.silence.was_over(now, limits)
    }

    /// True if something has arrived that was to be answered and wasn't, though there was time.
    pub(super) fn owes_an_answer(&self, now: Instant, limits: &Limits) -> bool {
        self.silence.owes(now, limits)
    }

    /// True if it still sends what the peer is to acknowledge.
    pub(super) fn is_trying(&self, now: Instant, limits: &Limits) -> bool {
        self.silence.is_trying(now, limits)
    }

    /// An event is over, and the connection tells this.
    pub(super) fn settled(&mut self, now: Instant, info: &Vitals) {
        self.repeats.settled(now, info, self.surely_acked, self.snd_nxt);
    }

    /// The host says something, to be cut into segments of `segment_size` octets unless that is 0; `info` is what it tells
    /// of the connection, if it is still held.
    pub(super) fn says(
        &mut self,
        now: Instant,
        segment: &TcpView<'_>,
        segment_size: u16,
        info: Option<&Vitals>,
        limits: &Limits,
    ) -> Result<(), Broken> {
        let flags = segment.flags();
        self.silence.answers(now);
        if flags.rst {
            self.owed = None;
            // One without ACK refuses a single segment: the handshake goes on.
            self.we_reset |= flags.ack;
            return Ok(());
        }
        if flags.syn {
            return self.says_syn(now, segment);
        }
        self.in_state(segment)?;
        self.fits(segment, segment_size, limits)?;
        self.options_as_agreed(segment)?;
        self.says_ack(now, segment, limits)?;
        self.says_text(now, segment, segment_size, info, limits)
    }

    fn says_syn(&mut self, now: Instant, segment: &TcpView<'_>) -> Result<(), Broken> {
        let length = octets(segment.payload().len());
        if length > 0 && segment.options().fast_open.is_none() {
            return broken(Invariant::InState, move || format!("{length} octets of text in a SYN"));
        }
        let is_first = self.iss != Some(segment.seq());
        if is_first {
            // Who connects keeps to one number; who listens may have answered an old SYN before.
            if let Some(iss) = self.iss.filter(|_| !segment.flags().ack) {
                let seq = segment.seq();
                return broken(Invariant::InState, move || format!("a SYN of {seq}, the first was of {iss}"));
            }
            self.begin(segment);
        }
        self.silence.tries(now, is_first);
        self.ours = Some(offer(segment));
        self.agree();
        if segment.flags().ack {
            self.acked = Some(segment.ack());
            self.our_edge = Some(segment.ack() + u32::from(segment.window()));
        }
        Ok(())
    }

    /// A connection begins with our SYN. It need not be the first: an old SYN that was duplicated may arrive when the connection
    /// that it was for is gone.
    fn begin(&mut self, syn: &TcpView<'_>) {
        if self.iss.is_some() {
            let heard = syn.options().timestamps.map(|timestamps| timestamps.echo);
            let stamps = Stamps::begin(heard);
            let (arrived_to, theirs) = (syn.ack(), self.theirs);
            *self = Self { theirs, arrived_to, stamps, silence: self.silence, ..Self::default() };
        }
        self.iss = Some(syn.seq());
        (self.snd_una, self.surely_acked) = (syn.seq(), syn.seq());
        self.snd_nxt = syn.seq() + 1;
        self.sent = Sent::from(syn.seq());
    }

    fn in_state(&self, segment: &TcpView<'_>) -> Result<(), Broken> {
        let length = octets(segment.payload().len());
        if self.agreed.is_none() {
            return broken(Invariant::InState, move || format!("{:?} before both have said SYN", segment.flags()));
        }
        if self.we_reset {
            return broken(Invariant::InState, move || format!("{:?} after a RST", segment.flags()));
        }
        let end = segment.seq() + length;
        match self.fin {
            Some(fin) if end.after(fin) && length > 0 => {
                broken(Invariant::InState, move || format!("text up to {end}, the FIN stands at {fin}"))
            }
            Some(fin) if segment.flags().fin && end != fin => {
                broken(Invariant::InState, move || format!("a FIN at {end} and at {fin}"))
            }
            _ => Ok(()),
        }
    }

    fn fits(&self, segment: &TcpView<'_>, segment_size: u16, limits: &Limits) -> Result<(), Broken> {
        let Some(theirs) = &self.theirs else {
            return Ok(());
        };
        let whole = segment.payload().len();
        let text = if segment_size == 0 { whole } else { whole.min(usize::from(segment_size)) };
        let room = usize::from(theirs.mss.unwrap_or(1220));
        let options = segment.option_bytes().len();
        // Peers whose MSS is absurd get segments of a floor (CVE-2019-11479).
        if text > 0 && text + options > room.max(88) {
            return broken(Invariant::FitsMss, move || format!("{text} octets and {options} of options, MSS {room}"));
        }
        if segment.header_len() + text + 20 > usize::from(limits.mtu) {
            return broken(Invariant::FitsMss, move || {
                format!("{text} octets don't fit into an MTU of {}", limits.mtu)
            });
        }
        Ok(())
    }

    fn options_as_agreed(&self, segment: &TcpView<'_>) -> Result<(), Broken> {
        let Some(agreed) = &self.agreed else {
            return Ok(());
        };
        let options = segment.options();
        if options.timestamps.is_some() != agreed.timestamps {
            let (timestamps, agreed) = (options.timestamps, agreed.timestamps);
            return broken(Invariant::OptionsAsAgreed, move || format!("timestamps {timestamps:?}, agreed: {agreed}"));
        }
        if !options.sack.is_empty() && !agreed.sack {
            return broken(Invariant::OptionsAsAgreed, || "SACK blocks that were not permitted".into());
        }
        self.stamps.echoes(options.timestamps.map(|timestamps| timestamps.echo))?;
        match options.sack.iter().find(|block| block.right.after(self.arrived_to)) {
            Some(&SackBlock { right, .. }) => {
                let arrived = self.arrived_to;
                broken(Invariant::OptionsAsAgreed, move || format!("SACK up to {right}, arrived: {arrived}"))
            }
            None => Ok(()),
        }
    }

    fn says_ack(&mut self, now: Instant, segment: &TcpView<'_>, limits: &Limits) -> Result<(), Broken> {
        if !segment.flags().ack {
            return broken(Invariant::InState, move || "a segment without ACK".into());
        }
        let ack = segment.ack();
        if ack.after(self.arrived_to) {
            return broken(Invariant::AcksWhatArrived, move || format!("ACK {ack}, arrived up to {}", self.arrived_to));
        }
        if let Some(acked) = self.acked
            && ack.before(acked)
        {
            return broken(Invariant::AckNeverBack, move || format!("ACK {ack} after {acked}"));
        }
        self.acks_in_time(now, limits)?;
        if let Some((_, due)) = self.owed.take()
            && ack.before(due)
        {
            return broken(Invariant::TakesWhatItPromised, move || format!("ACK {ack}, in order up to {due}"));
        }
        let edge = ack + (u32::from(segment.window()) << self.our_shift());
        let known = self.our_edge.unwrap_or(edge);
        // A window in steps can't name each octet (RFC 7323 section 2.4).
        if known.saturating_since(edge) >= self.window_step() {
            return broken(Invariant::EdgeNeverLeft, move || format!("the edge moves from {known} to {edge}"));
        }
        self.asked_for(now, segment, edge.after(known), limits)?;
        self.acked = Some(ack);
        self.our_edge = Some(known.max(edge));
        Ok(())
    }

    /// An empty ACK tells something new, or something has asked for it. `widens` if it opens the window.
    fn asked_for(&mut self, now: Instant, segment: &TcpView<'_>, widens: bool, limits: &Limits) -> Result<(), Broken> {
        let is_empty = segment.payload().is_empty() && !segment.flags().fin;
        // Whoever has something outstanding doesn't probe (RFC 9293 section 3.8.4): the octet may be that of a window probe, which
        // is not in SND.NXT of who sent it, and stands within the window if the peer took that back.
        let probes = is_empty && segment.seq() + 1 == self.snd_nxt && self.outstanding() == 0;
        if probes {
            self.silence.probes();
        }
        let is_new = self.acked.is_none_or(|acked| segment.ack().after(acked)) || widens;
        if is_new || !is_empty {
            return Ok(());
        }
        // The answer to a window probe may not have counted: then SND.NXT stands before its octet still.
        if probes && self.outstanding_at_most() == 0 {
            let may = self.asked.may_probe(now, limits);
            return if may {
                Ok(())
            } else {
                broken(Invariant::NoLiveLock, move || "a keep-alive probe before its time".into())
            };
        }
        if !self.asked.may_answer(now) {
            return broken(Invariant::NoLiveLock, move || {
                format!("ACK {} again, and nothing has asked for it", segment.ack())
            });
        }
        Ok(())
    }

    fn says_text(
        &mut self,
        now: Instant,
        segment: &TcpView<'_>,
        segment_size: u16,
        info: Option<&Vitals>,
        limits: &Limits,
    ) -> Result<(), Broken> {
        let Flags { fin, .. } = segment.flags();
        let text = octets(segment.payload().len());
        let (seq, end) = (segment.seq(), segment.seq() + text);
        if text == 0 && !fin {
            return Ok(());
        }
        let edge = self.edge.unwrap_or(seq);
        let is_probe = text == 1 && seq.at_or_before(edge);
        if seq.at_or_before(self.snd_una) && (end + u32::from(fin)).after(self.surely_acked) {
            self.silence.tries(now, self.outstanding_at_most() == 0 && !is_probe);
        }
        if end.after(edge) && !is_probe && text > 0 {
            return broken(Invariant::WithinWindow, move || format!("{seq} to {end}, the window ends at {edge}"));
        }
        let is_new = end.after(self.snd_nxt);
        if is_new && is_probe && end.after(self.least_edge.unwrap_or(edge)) && !fin {
            self.probed = Some(end);
            // Within what was once offered it may be text as well.
            return if end.after(edge) { self.repeats.probes_window(now, limits) } else { Ok(()) };
        }
        if info.is_some_and(|info| self.repeats.narrowed(info)) {
            self.sent.forget_times();
        }
        let probes_path = segment_size == 0 && info.is_some_and(|info| text > info.snd_mss.into());
        if probes_path {
            self.path_probes += 1;
            self.path_probe = Some((end, text));
        }
        let before = self.sent.leaves(now, seq, end + u32::from(fin), probes_path);
        let snd_nxt = self.snd_nxt;
        self.snd_nxt = snd_nxt.max(end + u32::from(fin));
        if fin {
            self.fin = Some(end);
        }
        let outstanding = self.outstanding_at_most();
        let sack = self.has_sack();
        let probe = self.path_probe.filter(|(end, _)| end.after(self.surely_acked)).map_or(0, |(_, octets)| octets);
        let leaving = Text { snd_una: self.surely_acked, snd_nxt, outstanding, probe, before, sack, is_new, fin };
        info.map_or(Ok(()), |info| self.repeats.leaves(now, &leaving, info, limits))
    }
}

fn offer(segment: &TcpView<'_>) -> Offer {
    let options = segment.options();
    Offer {
        mss: options.mss,
        shift: options.window_scale,
        timestamps: options.timestamps.is_some(),
        sack: options.sack_permitted,
    }
}

fn octets(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
