//! The common case in flags: bulk transfers side by side over one bottleneck.

use std::time::Duration;

use clap::Args;
use sockeye::{Algorithm, Buffer};
use sockeye_device::impair::{LinkConfig, Rate};
use sockeye_lab::sim::{Application, Bank, FlowSpec, HostSpec, Scenario, Time};

use crate::failure::Failure;

/// The bottleneck and what crosses it.
#[derive(Args, Debug)]
#[group(id = "flags", multiple = true, conflicts_with = "scenario")]
pub struct Flags {
    /// Rate of the bottleneck, both ways
    #[arg(long, default_value = "10mbit", value_name = "RATE")]
    rate: Rate,
    /// Round-trip time without queues
    #[arg(long, default_value = "50ms", value_name = "TIME")]
    rtt: Time,
    /// Loss from senders to receivers, in netem's words
    #[arg(long, value_name = "LOSS")]
    loss: Option<String>,
    /// Length of the bottleneck's queue: 1bdp, 100 (packets), 64kb, 50ms
    #[arg(long, default_value = "1bdp", value_name = "LENGTH")]
    queue: String,
    /// The way to the receivers in netem's words, instead of all the above; the way back has its rate and delay
    #[arg(long, value_name = "WORDS")]
    link: Option<LinkConfig>,
    /// Congestion controls, which flows take in turn
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    cc: Vec<Algorithm>,
    /// Flows side by side; one for each congestion control if not said
    #[arg(long, value_name = "N")]
    flows: Option<usize>,
    /// Octets of each flow; without end if not said
    #[arg(long, value_name = "OCTETS")]
    bytes: Option<u64>,
    /// From the start of one flow to that of the next
    #[arg(long, default_value = "0s", value_name = "TIME")]
    apart: Time,
    /// Tick of the hosts' clocks
    #[arg(long, default_value = "1ns", value_name = "TIME")]
    tick: Time,
    /// Octets of receive and send buffers; if not said they grow with what the path takes
    #[arg(long, value_name = "OCTETS")]
    buffer: Option<u32>,
}

impl Flags {
    /// The scenario that the flags describe.
    pub fn scenario(&self) -> Result<Scenario, Failure> {
        let forward = self.forward()?;
        let mut back = LinkConfig { rate: forward.rate, ..LinkConfig::default() };
        back.delay.base = forward.delay.base;
        let held = self.octets_in(self.round_trip(&forward));
        let limit = u32::try_from(held * 4).unwrap_or(1 << 30).clamp(Buffer::default().limit(), 1 << 30);
        let host = |name: &str, side| {
            let mut host = HostSpec { name: name.to_owned(), side, tick: self.tick, ..HostSpec::default() };
            (host.tcp.receive_buffer, host.tcp.send_buffer) = (self.buffer, self.buffer);
            host.tcp.buffer_limit = (limit > Buffer::default().limit()).then_some(limit);
            host
        };
        let count = self.flows.unwrap_or(self.cc.len().max(1));
        let flows = (0..count).map(|index| FlowSpec {
            congestion: self.cc.get(index % self.cc.len().max(1)).copied(),
            start: Time(self.apart.0 * u32::try_from(index).unwrap_or(u32::MAX)),
            ..FlowSpec::new(Application::Bulk { bytes: self.bytes, back: 0 })
        });
        Ok(Scenario {
            duration: if self.bytes.is_some() { Time::secs(3600) } else { Time::secs(30) },
            flows: flows.collect(),
            hosts: vec![host("client", Bank::Left), host("server", Bank::Right)],
            forward,
            back,
            ..Scenario::default()
        })
    }

    fn forward(&self) -> Result<LinkConfig, Failure> {
        if let Some(link) = &self.link {
            return Ok(link.clone());
        }
        let queue = match self.queue.strip_suffix("bdp") {
            Some(times) => {
                let times: f64 = times.parse().map_err(|why| Failure::usage(format!("--queue {}", self.queue), why))?;
                format!("{}b", self.octets_in(self.rtt.0.mul_f64(times.max(0.0))).max(3000))
            }
            None => self.queue.clone(),
        };
        let half = self.rtt.0 / 2;
        let loss = self.loss.as_ref().map(|loss| format!(" loss {loss}")).unwrap_or_default();
        let words = format!("rate {} delay {}us limit {queue}{loss}", self.rate, half.as_micros());
        words.parse().map_err(|why| Failure::usage(format!("the link {words:?}"), why))
    }

    fn round_trip(&self, forward: &LinkConfig) -> Duration {
        if self.link.is_some() { forward.delay.base * 2 } else { self.rtt.0 }
    }

    fn octets_in(&self, time: Duration) -> u64 {
        let rate = self.link.as_ref().and_then(|link| link.rate).unwrap_or(self.rate);
        rate.octets_in(time)
    }
}
