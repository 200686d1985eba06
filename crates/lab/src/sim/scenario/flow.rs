//! The flows of a scenario, and what their ends do.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sockeye::Algorithm;

use super::is_default;
use crate::sim::random::Random;
use crate::sim::talker::{Ends, Reads, Talker, Writes};
use crate::sim::text::{Time, optional_words};

/// A flow, or many short ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowSpec {
    /// What both ends do.
    pub application: Application,
    /// The host that connects; the first on the left if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// The host that listens; the first on the right if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// When it connects.
    #[serde(default, skip_serializing_if = "is_default")]
    pub start: Time,
    /// The congestion control of both ends.
    #[serde(default, with = "optional_words", skip_serializing_if = "Option::is_none")]
    pub congestion: Option<Algorithm>,
}

impl FlowSpec {
    /// One between the default hosts, from the start on.
    pub const fn new(application: Application) -> Self {
        Self { application, from: String::new(), to: String::new(), start: Time(Duration::ZERO), congestion: None }
    }
}

/// What the two ends of a flow do. "It" is the end that connects.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Application {
    /// It sends as fast as it can, and closes; the peer sends `back` octets meanwhile.
    Bulk {
        /// Octets; without end if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
        /// Octets the other way.
        #[serde(default, skip_serializing_if = "is_default")]
        back: u64,
    },
    /// Requests, each answered, one after the other.
    RequestResponse {
        /// Octets of a request.
        request: u64,
        /// Octets of a response.
        response: u64,
        /// How many.
        times: u32,
        /// Pause after each response.
        think: Time,
    },
    /// Bursts with pauses between them.
    OnOff {
        /// Octets of a burst.
        burst: u64,
        /// From the end of one to the start of the next.
        pause: Time,
        /// How many.
        times: u32,
    },
    /// Many flows of their own, as those of a web server: when they come is drawn, and how long they are.
    ShortFlows {
        /// Octets of each.
        sizes: Sizes,
        /// Mean time from one to the next; they come when they like (exponential).
        every: Time,
        /// How many.
        times: u32,
    },
    /// As bulk, to a peer that reads slowly.
    SlowReader {
        /// Octets.
        bytes: u64,
        /// Octets that the peer reads each time.
        chunk: u32,
        /// How often it reads.
        every: Time,
    },
    /// It sends and closes its direction; only then the peer answers.
    HalfClose {
        /// Octets.
        bytes: u64,
        /// Octets of the answer.
        back: u64,
    },
    /// It sends and ends the connection with a RST.
    Abort {
        /// Octets handed over by then.
        after: u64,
    },
    /// It sends a little, says nothing for long, and closes.
    Idle {
        /// Octets before and, the other way, after the silence.
        bytes: u64,
        /// How long.
        silence: Time,
    },
}

/// How long short flows are, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Sizes {
    /// All alike.
    Fixed(u64),
    /// Evenly from the first to the second.
    Uniform(u64, u64),
    /// Exponential, with this mean.
    Exponential(u64),
    /// Pareto with shape 1.2, from this on: most are short, most octets are in the long ones. At most 1,000 times as long.
    Pareto(u64),
}

impl Sizes {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes are far below 2^53, and the casts saturate"
    )]
    pub(super) fn draw(self, random: &mut Random) -> u64 {
        match self {
            Self::Fixed(octets) => octets,
            Self::Uniform(least, most) => random.within(least..=most),
            Self::Exponential(mean) => ((mean as f64 * exponential(random)) as u64).saturating_add(1),
            Self::Pareto(least) => {
                let long = (least as f64 / (1.0 - random.unit()).powf(1.0 / 1.2)) as u64;
                long.min(least.saturating_mul(1000))
            }
        }
    }
}

/// Exponential with mean 1.
pub(super) fn exponential(random: &mut Random) -> f64 {
    -(1.0 - random.unit()).ln()
}

impl Application {
    /// True if it never ends by itself.
    pub const fn is_endless(&self) -> bool {
        matches!(self, Self::Bulk { bytes: None, .. })
    }

    /// How many connections it makes.
    pub(super) const fn connections(&self) -> u32 {
        match self {
            Self::ShortFlows { times, .. } => *times,
            _ => 1,
        }
    }

    /// True if it ends with a RST.
    pub(super) const fn aborts(&self) -> bool {
        matches!(self, Self::Abort { .. })
    }

    /// Its kind, as scenario files call it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Bulk { .. } => "bulk",
            Self::RequestResponse { .. } => "request_response",
            Self::OnOff { .. } => "on_off",
            Self::ShortFlows { .. } => "short_flows",
            Self::SlowReader { .. } => "slow_reader",
            Self::HalfClose { .. } => "half_close",
            Self::Abort { .. } => "abort",
            Self::Idle { .. } => "idle",
        }
    }

    /// What the end that connects and the end that listens do; short flows are made one by one, of so many octets.
    pub(super) fn talkers(self, short: u64) -> [Talker; 2] {
        let writes = |writes| Talker::new(writes, Reads::AtOnce, Ends::Closes);
        match self {
            Self::Bulk { bytes, back: 0 } => [writes(Writes::Bulk(bytes)), writes(Writes::Nothing)],
            Self::Bulk { bytes, back } => [writes(Writes::Bulk(bytes)), writes(Writes::Bulk(Some(back)))],
            Self::RequestResponse { request, response, times, think } => [
                writes(Writes::Requests { request, response, think: think.0, times }),
                writes(Writes::Answers { request, response }),
            ],
            Self::OnOff { burst, pause, times } => {
                [writes(Writes::Bursts { octets: burst, pause: pause.0, times }), writes(Writes::Nothing)]
            }
            Self::ShortFlows { .. } => [writes(Writes::Bulk(Some(short))), writes(Writes::Nothing)],
            Self::SlowReader { bytes, chunk, every } => {
                let reads = Reads::Slowly { octets: chunk as usize, every: every.0 };
                [writes(Writes::Bulk(Some(bytes))), Talker::new(Writes::Nothing, reads, Ends::Closes)]
            }
            Self::HalfClose { bytes, back } => [writes(Writes::Bulk(Some(bytes))), writes(Writes::AfterEnd(back))],
            Self::Abort { after } => {
                [Talker::new(Writes::Bulk(Some(after)), Reads::AtOnce, Ends::Aborts(after)), writes(Writes::Nothing)]
            }
            Self::Idle { bytes, silence } => [
                Talker::new(Writes::Bulk(Some(bytes)), Reads::AtOnce, Ends::Later(silence.0)),
                writes(Writes::AfterEnd(bytes)),
            ],
        }
    }
}
