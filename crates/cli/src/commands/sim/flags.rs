//! The common case in flags: bulk transfers side by side over one bottleneck.

use std::time::Duration;

use clap::Args;
use sockeye::{Algorithm, Buffer};
use sockeye_device::impair::{ConfigError, LinkConfig, Rate, Size};
use sockeye_lab::sim::{Application, Bank, FlowSpec, HostSpec, Scenario, Time};

use crate::failure::Failure;
use crate::link::Ecn;

/// As many as a scenario may have connections.
const MAX_FLOWS: usize = 30_000;

/// The bottleneck and what crosses it.
#[derive(Args, Debug)]
#[group(id = "flags", multiple = true, conflicts_with = "scenario")]
pub struct Flags {
    /// Rate of the bottleneck, both ways, with its unit
    #[arg(long, default_value = "10mbit", value_name = "RATE", value_parser = rate_with_unit)]
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
    #[arg(long, value_name = "WORDS", conflicts_with_all = ["rate", "rtt", "loss", "queue"])]
    link: Option<LinkConfig>,
    /// Congestion controls, which flows take in turn: cubic, newreno (or reno), bbr, dctcp [default: cubic]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    cc: Vec<Algorithm>,
    /// Flows side by side; one for each congestion control if not said
    #[arg(long, value_name = "N")]
    flows: Option<usize>,
    /// Octets of each flow, or a size such as 64kb or 1MB (of 1,024); without end if not said
    #[arg(long, value_name = "OCTETS", value_parser = octets)]
    bytes: Option<u64>,
    /// From the start of one flow to that of the next
    #[arg(long, default_value = "0s", value_name = "TIME")]
    apart: Time,
    /// Tick of the hosts' clocks
    #[arg(long, default_value = "1ns", value_name = "TIME")]
    tick: Time,
    /// Explicit congestion notification
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    ecn: Ecn,
    /// Octets of receive and send buffers, or a size such as 64kb; if not said they grow with what the path takes
    #[arg(long, value_name = "OCTETS", value_parser = buffer_octets)]
    buffer: Option<u32>,
}

impl Flags {
    /// The scenario that the flags describe.
    pub fn scenario(&self) -> Result<Scenario, Failure> {
        let forward = self.forward()?;
        let mut back = LinkConfig { rate: forward.rate, ..LinkConfig::default() };
        back.delay.base = forward.delay.base;
        let held = self.octets_in(self.round_trip(&forward));
        let limit = u32::try_from(held.saturating_mul(4)).unwrap_or(1 << 30).clamp(Buffer::default().limit(), 1 << 30);
        let host = |name: &str, side| {
            let mut host = HostSpec { name: name.to_owned(), side, tick: self.tick, ..HostSpec::default() };
            (host.tcp.receive_buffer, host.tcp.send_buffer) = (self.buffer, self.buffer);
            host.tcp.ecn = match self.ecn {
                Ecn::Off => Some(false),
                Ecn::Accept => None,
                Ecn::Request => Some(true),
            };
            host.tcp.buffer_limit = (limit > Buffer::default().limit()).then_some(limit);
            host
        };
        let count = self.flows.unwrap_or(self.cc.len().max(1));
        if count < self.cc.len() {
            let why = format!("not enough for {} congestion controls", self.cc.len());
            return Err(Failure::usage(format!("--flows {count}"), why).advice("name as many, or leave --flows out"));
        }
        if count > MAX_FLOWS {
            return Err(Failure::usage(format!("--flows {count}"), format!("at most {MAX_FLOWS} are possible")));
        }
        let flows = (0..count).map(|index| FlowSpec {
            congestion: self.cc.get(index % self.cc.len().max(1)).copied(),
            start: Time(self.apart.0.saturating_mul(u32::try_from(index).unwrap_or(u32::MAX))),
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
        let queue = self.queue_in_words().ok_or_else(|| {
            Failure::usage(format!("--queue {}", self.queue), "that is no length of a queue")
                .advice("write 1bdp or 0.5bdp (of what the path holds), 100 (packets), 64kb, or 50ms")
        })?;
        let half = self.rtt.0 / 2;
        let loss = self.loss.as_ref().map(|loss| format!(" loss {loss}")).unwrap_or_default();
        let words = format!("rate {} delay {}us limit {queue}{loss}", self.rate, half.as_micros());
        words.parse().map_err(|why| Failure::usage(format!("the link {words:?}"), why))
    }

    /// The queue's length as a link's words have it; `None` if it isn't understood.
    fn queue_in_words(&self) -> Option<String> {
        if let Some(times) = self.queue.strip_suffix("bdp") {
            let held = Duration::try_from_secs_f64(self.rtt.0.as_secs_f64() * times.parse::<f64>().ok()?).ok()?;
            return Some(format!("{}b", self.octets_in(held).max(3000)));
        }
        let is_one_word = self.queue.split_whitespace().eq([self.queue.as_str()]);
        (is_one_word && format!("limit {}", self.queue).parse::<LinkConfig>().is_ok()).then(|| self.queue.clone())
    }

    fn round_trip(&self, forward: &LinkConfig) -> Duration {
        if self.link.is_some() { forward.delay.base * 2 } else { self.rtt.0 }
    }

    fn octets_in(&self, time: Duration) -> u64 {
        let rate = self.link.as_ref().and_then(|link| link.rate).unwrap_or(self.rate);
        rate.octets_in(time)
    }
}

/// A rate in netem's words, to which a bare number is bits a second: seldom what is meant.
fn rate_with_unit(text: &str) -> Result<Rate, String> {
    if text.parse::<f64>().is_ok() {
        return Err(format!("without a unit that is bits a second: write {text}mbit, {text}kbit or {text}bit"));
    }
    text.parse().map_err(|why: ConfigError| why.to_string())
}

/// A number of octets, or a size in netem's words.
fn octets(text: &str) -> Result<u64, String> {
    let size = text.parse().map(Size::octets);
    size.map_err(|_| "write a number of octets such as 1000000, or a size such as 64kb, 1MB or 1.5GB".to_owned())
}

fn buffer_octets(text: &str) -> Result<u32, String> {
    u32::try_from(octets(text)?).map_err(|_| "a buffer has less than 4GB".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        scenario: Option<String>,
        #[command(flatten)]
        flags: Flags,
    }

    fn scenario(flags: &str) -> Result<Scenario, String> {
        let command = Command::try_parse_from(std::iter::once("sim").chain(flags.split_whitespace()));
        let command = command.map_err(|why| why.to_string())?;
        assert_eq!(command.scenario, None);
        command.flags.scenario().map_err(|why| why.to_string())
    }

    #[test]
    fn flags_make_the_scenario_that_they_say() {
        let made = scenario("--rate 20mbit --rtt 100ms --cc cubic,bbr --flows 3 --ecn request").unwrap();
        assert_eq!((made.forward.rate, made.flows.len()), (Some(Rate::mbit(20)), 3));
        assert!(made.hosts.iter().all(|host| host.tcp.ecn == Some(true)));
        assert!(scenario("").unwrap().hosts.iter().all(|host| host.tcp.ecn.is_none()));
    }

    #[test]
    fn what_is_not_finite_or_too_much_is_refused() {
        for queue in ["infbdp", "NaNbdp", "1e30bdp", "-1bdp"] {
            let said = scenario(&format!("--queue={queue}")).expect_err(queue);
            assert!(said.contains(queue), "{said}");
        }
        assert!(scenario("--flows 4000000000").unwrap_err().contains("at most 30000 are possible"));
        // Refused as any scenario is that has such a flow.
        let apart = scenario("--flows 3 --apart 500000000000y").unwrap();
        assert!(sockeye_lab::sim::run(&apart).is_err_and(|why| why.to_string().contains("longer than 100 years")));
        let long = scenario("--rate 10gbit --rtt 500y").unwrap();
        assert!(long.hosts.iter().all(|host| host.tcp.buffer_limit == Some(1 << 30)));
    }

    #[test]
    fn sizes_are_those_of_a_links_words() {
        let bytes = |text: &str| match scenario(&format!("--bytes {text}"))?.flows.remove(0).application {
            Application::Bulk { bytes, .. } => Ok(bytes),
            other => Err(format!("{other:?}")),
        };
        for (text, octets) in [("1000000", 1_000_000), ("1MB", 1 << 20), ("64kb", 65_536), ("1.5k", 1536)] {
            assert_eq!(bytes(text), Ok(Some(octets)), "{text}");
        }
        for wrong in ["1MX", "many", "-5"] {
            let said = scenario(&format!("--bytes={wrong}")).unwrap_err();
            assert!(said.contains("a number of octets such as 1000000, or a size such as 64kb"), "{said}");
        }
        assert_eq!(scenario("--buffer 64kb").unwrap().hosts[0].tcp.receive_buffer, Some(65_536));
        assert!(scenario("--buffer 4GB").unwrap_err().contains("less than 4GB"));
    }

    #[test]
    fn a_queue_that_is_not_understood_is_refused_with_what_would_be() {
        for queue in ["bdp", "xbdp", "long", "", "100 loss 5%"] {
            let Ok(command) = Command::try_parse_from(["sim", &format!("--queue={queue}")]) else { panic!("{queue}") };
            let said = command.flags.scenario().expect_err(queue).to_string();
            assert!(said.contains("write 1bdp or 0.5bdp (of what the path holds), 100 (packets)"), "{said}");
        }
        for queue in ["2bdp", ".5bdp", "100", "64kb", "50ms"] {
            assert!(scenario(&format!("--queue {queue}")).is_ok(), "{queue}");
        }
    }

    #[test]
    fn a_flag_that_would_do_nothing_is_refused() {
        for flags in ["--rate 5mbit", "--loss 5%", "--rtt 10ms", "--queue 2bdp"] {
            let said = scenario(&format!("--link ecn {flags}")).unwrap_err();
            assert!(said.contains("cannot be used with"), "{said}");
        }
        assert!(scenario("--flows 1 --cc cubic,bbr").unwrap_err().contains("not enough for 2 congestion controls"));
        assert!(scenario("--rate 20").unwrap_err().contains("write 20mbit"));
    }
}
