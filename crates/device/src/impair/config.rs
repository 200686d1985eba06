//! One direction of a link, described.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{
    Acks, Chance, Delay, Discipline, Displace, Late, Limit, Loss, MaxPacket, Odds, Overhead, Police, Rate, Reorder,
    Schedule, Slot, Trace,
};

/// One direction of a link; a perfect wire unless told otherwise.
///
/// In words it is what `tc` calls netem, with some of ours (see [`super`]):
///
/// ```
/// # use {sockeye_device::impair::{LinkConfig, Rate}, std::time::Duration};
/// let config: LinkConfig = "rate 10mbit delay 40ms loss 1% limit 100".parse()?;
/// assert_eq!((config.rate, config.delay.base), (Some(Rate::mbit(10)), Duration::from_millis(40)));
/// assert_eq!(config.to_string(), "rate 10mbit limit 100 delay 40ms loss 1%");
/// # Ok::<(), sockeye_device::impair::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// How fast packets go out; at once if `None`.
    pub rate: Option<Rate>,
    /// What a packet costs beyond its octets.
    pub overhead: Overhead,
    /// A recorded rate, instead of `rate`. Of words it is only named: see [`Self::with_trace_read`].
    pub trace: Option<Trace>,
    /// How much may wait for the rate or the trace.
    pub limit: Limit,
    /// How the queue is kept short.
    pub discipline: Discipline,
    /// Packets that waited longer are marked: the step threshold of data centres (RFC 8257).
    pub mark_above: Option<Duration>,
    /// Whoever would drop a packet because of congestion marks it, if its transport understands that: the queue's
    /// management, or on a link without, as in netem, its `loss`.
    pub ecn: bool,
    /// How long packets are on their way.
    pub delay: Delay,
    /// Which packets get lost.
    pub loss: Loss,
    /// Which packets come twice.
    pub duplicate: Odds,
    /// In which packets a bit is flipped.
    pub corrupt: Odds,
    /// In which packets garbage falls on the headers.
    pub corrupt_header: Chance,
    /// Which packets take no time on their way.
    pub reorder: Option<Reorder>,
    /// Which packets are held until others have gone past.
    pub displace: Option<Displace>,
    /// Which packets take longer.
    pub late: Option<Late>,
    /// Packets come out in slots only.
    pub slot: Option<Slot>,
    /// The longest packet; any if `None`.
    pub mtu: Option<MaxPacket>,
    /// What may come at most.
    pub police: Option<Police>,
    /// What happens to acknowledgments.
    pub acks: Acks,
    /// Segments of a connection that come out within this time of the first are merged, as a network card does it.
    pub gro: Option<Duration>,
    /// Nothing gets onto it; what is on its way already arrives.
    pub down: bool,
    /// What changes by the clock.
    pub schedule: Schedule,
    /// Instead of the seed that [`super::Link::new`] is given.
    pub seed: Option<u64>,
}

impl LinkConfig {
    /// Packets that may wait unless told otherwise: netem's number.
    pub const LIMIT: u64 = 1_000;

    /// A rate, a delay, and a queue of netem's length: what most links are.
    pub fn new(rate: Rate, delay: Duration) -> Self {
        Self { rate: Some(rate), delay: Delay::fixed(delay), ..Self::default() }
    }

    /// With the file of its trace read, if it has one: words only name it.
    ///
    /// # Errors
    /// [`ConfigError::Trace`].
    pub fn with_trace_read(self) -> Result<Self, ConfigError> {
        let read = |trace: Trace| if trace.is_read() { Ok(trace) } else { Trace::read(trace.path()) };
        Ok(Self { trace: self.trace.clone().map(read).transpose()?, ..self })
    }

    /// The file of its trace, if that is still to be [read](Self::with_trace_read).
    pub fn unread_trace(&self) -> Option<&Path> {
        self.trace.as_ref().filter(|trace| !trace.is_read()).map(Trace::path)
    }

    /// No packet is on its way for less time than this, whatever chance and the clock bring.
    pub fn least_delay(&self) -> Duration {
        if self.reorder.is_some() {
            return Duration::ZERO; // those that are taken forward take no time
        }
        let changed = self.schedule.changes.iter().filter_map(|change| change.delay);
        changed.map(|delay| delay.least()).fold(self.delay.least(), Duration::min)
    }

    /// True if packets may come out otherwise than they went in.
    pub fn damages(&self) -> bool {
        self.corrupt != Odds::default() || self.corrupt_header != Chance::NEVER
    }
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            rate: None,
            overhead: Overhead::default(),
            trace: None,
            limit: Limit::Packets(Self::LIMIT),
            discipline: Discipline::TailDrop,
            mark_above: None,
            ecn: false,
            delay: Delay::default(),
            loss: Loss::None,
            duplicate: Odds::default(),
            corrupt: Odds::default(),
            corrupt_header: Chance::NEVER,
            reorder: None,
            displace: None,
            late: None,
            slot: None,
            mtu: None,
            police: None,
            acks: Acks::Untouched,
            gro: None,
            down: false,
            schedule: Schedule::default(),
            seed: None,
        }
    }
}

/// Why words don't describe a link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// No element has this name.
    UnknownWord(String),
    /// The text ended behind this word, which wants more.
    Missing(String),
    /// This text stands where something else was wanted.
    Invalid {
        /// What stands there.
        text: String,
        /// What was wanted.
        wanted: &'static str,
    },
    /// This word can't stand behind `at`: only rate, delay, loss, down and up change by the clock.
    NotInSchedule(String),
    /// The trace in this file can't be used: why.
    Trace(PathBuf, String),
}

impl ConfigError {
    pub(super) fn invalid(text: &str, wanted: &'static str) -> Self {
        Self::Invalid { text: text.to_owned(), wanted }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownWord(word) => {
                write!(f, "{word:?} is no word for a link: try rate, delay, loss, limit, duplicate, corrupt, reorder …")
            }
            Self::Missing(word) => write!(f, "{word:?} wants something behind it"),
            Self::Invalid { text, wanted } => write!(f, "{text:?} should be {wanted}"),
            Self::NotInSchedule(word) => {
                write!(f, "{word:?} can't change by the clock: behind `at` stand rate, delay, loss, down and up only")
            }
            Self::Trace(path, why) => write!(f, "the trace {}: {why}", path.display()),
        }
    }
}

impl std::error::Error for ConfigError {}
