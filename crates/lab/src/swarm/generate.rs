//! A seed becomes a scenario: link, applications, options, clocks, peers.

use std::time::Duration;

use sockeye::Algorithm;
use sockeye_device::impair::{LinkConfig, Loss};

use crate::sim::{Application, Bank, FlowSpec, HostSpec, Random, Scenario, Sizes, TcpSpec, Time, Trick};

/// Virtual time that a scenario has: more than the longest series of back-offs takes.
const ENOUGH: Time = Time::secs(3 * 3600);

/// How long short flows are.
const SIZES: [Sizes; 4] =
    [Sizes::Fixed(3_000), Sizes::Uniform(1, 20_000), Sizes::Exponential(5_000), Sizes::Pareto(500)];

/// The scenario that `seed` stands for.
pub fn scenario(seed: u64) -> Scenario {
    let mut random = Random::new(seed);
    let ipv6 = random.chance(250);
    let mut hosts = vec![host("client", Bank::Left, &mut random), host("server", Bank::Right, &mut random)];
    misbehave(&mut hosts, &mut random);
    let single = hosts.iter().any(|host| host.bare);
    let rate_kbit = random.pick(&[256, 1_000, 10_000, 10_000, 100_000, 1_000_000]);
    let tiny = hosts.iter().any(|host| host.trick == Some(Trick::OneByteSegments));
    let mut forward = link(rate_kbit, tiny, &mut random);
    let back_rate = random.pick(&[rate_kbit, rate_kbit, rate_kbit / 10]).max(64);
    let mut back = link(back_rate, tiny, &mut random);
    if single {
        // Without IP below it nobody hears that a packet was too long.
        (forward.mtu, back.mtu) = (None, None);
    }
    // About what a flow carries at most, so that a scenario takes a few milliseconds.
    let most = if tiny { 3_000 } else { (rate_kbit * 100).clamp(20_000, 150_000) };
    let count = if single { 1 } else { random.pick(&[1, 1, 1, 2, 3]) };
    let mut flows: Vec<FlowSpec> = (0..count).map(|_| flow(single, most, &mut random)).collect();
    if !single && random.chance(150) {
        crowd(&mut hosts, &mut flows, &mut random);
    }
    let mut scenario = Scenario { seed, duration: ENOUGH, ipv6, may_fail: false, forward, back, hosts, flows };
    vanish(&mut scenario, &mut random);
    // So long a silence may be taken for the peer's end.
    let watched = scenario.hosts.iter().any(|host| host.tcp.keep_alive.is_some());
    let silent = |link: &LinkConfig| !link.schedule.is_empty() || matches!(link.loss, Loss::GilbertElliott { .. });
    scenario.may_fail = watched && (silent(&scenario.forward) || silent(&scenario.back));
    scenario
}

/// More hosts on both sides, each behind a link of its own, whose flows meet in the bottleneck.
fn crowd(hosts: &mut Vec<HostSpec>, flows: &mut [FlowSpec], random: &mut Random) {
    for (name, side) in [("second", Bank::Left), ("other", Bank::Right), ("third", Bank::Left)] {
        let words = format!("rate {}mbit delay {}ms", random.pick(&[5, 100, 1_000]), random.within(0..=20));
        let access = Some(words.parse().unwrap_or_default());
        hosts.push(HostSpec { access, bare: false, ..host(name, side, random) });
    }
    for flow in flows {
        random.pick(&["client", "second", "third"]).clone_into(&mut flow.from);
        random.pick(&["server", "other"]).clone_into(&mut flow.to);
    }
}

fn host(name: &str, side: Bank, random: &mut Random) -> HostSpec {
    let tick = random.pick(&[1, 1_000_000, 4_000_000, 10_000_000]);
    HostSpec {
        name: name.to_owned(),
        side,
        tick: Time(Duration::from_nanos(tick)),
        mtu: random.pick(&[1500, 1500, 1500, 1280, 9000]),
        tso: random.chance(200),
        bare: random.chance(150),
        tcp: tcp(random),
        ..HostSpec::default()
    }
}

fn tcp(random: &mut Random) -> TcpSpec {
    TcpSpec {
        mss: random.chance(200).then(|| random.pick(&[536, 536, 100, 1000])),
        receive_buffer: random.chance(500).then(|| random.pick(&[2_000, 10_000, 65_535, 300_000])),
        send_buffer: random.chance(400).then(|| random.pick(&[1_000, 20_000, 500_000])),
        buffer_limit: None,
        sack: random.chance(250).then_some(false),
        timestamps: random.chance(250).then_some(false),
        window_scaling: random.chance(250).then_some(false),
        nodelay: random.chance(400).then_some(true),
        cork: random.chance(80).then_some(true),
        ecn: random.chance(300).then(|| random.chance(700)),
        delayed_ack: random.chance(300).then(|| Time::millis(random.pick(&[0, 10, 200, 400]))),
        initial_window: random.chance(150).then(|| random.pick(&[1, 2, 4, 30])),
        keep_alive: random.chance(300).then(|| Time::secs(random.pick(&[10, 60, 600]))),
    }
}

/// One in four has a peer that plays a trick.
fn misbehave(hosts: &mut [HostSpec], random: &mut Random) {
    if !random.chance(250) {
        return;
    }
    let at = usize::from(random.chance(700));
    if let Some(host) = hosts.get_mut(at) {
        host.trick = Some(random.pick(&Trick::ALL));
        host.tso = false;
    }
}

/// A link in netem's words. Most elements are there now and then, few of them together. A `tiny` sender repeats the same
/// number of packets each time: a loss of every n-th would always hit the same octet.
fn link(rate_kbit: u64, tiny: bool, random: &mut Random) -> LinkConfig {
    let mut words = Vec::new();
    if !random.chance(100) {
        words.push(format!("rate {rate_kbit}kbit limit {}", random.pick(&[10, 20, 50, 100, 1000])));
        words.extend(match random.below(12) {
            0 => Some("codel".to_owned()),
            1 => Some("codel ecn".to_owned()),
            2 => Some("red min 15kb max 45kb probability 10% ecn".to_owned()),
            3 => Some("ce_threshold 1ms".to_owned()),
            _ => None,
        });
    }
    let delay = random.within(0..=80);
    let jitter = if random.chance(200) { random.within(0..=delay) } else { 0 };
    words.push(format!("delay {delay}ms {jitter}ms"));
    words.extend(match random.below(10) {
        0..=3 => Some(format!("loss {}%", random.pick(&[1, 2, 5]))),
        4 => Some("loss gemodel 1% 30% 80% 0%".to_owned()),
        5 if !tiny => Some(format!("loss every {}", random.within(5..=50))),
        _ => None,
    });
    words.extend(random.chance(150).then(|| format!("duplicate {}%", random.pick(&[1, 5, 20]))));
    words.extend(random.chance(200).then(|| format!("corrupt {}%", random.pick(&[1, 3]))));
    words.extend(random.chance(100).then(|| "corrupt-header 1%".to_owned()));
    words.extend(match random.below(12) {
        0 | 1 if delay > 0 => Some(format!("reorder {}%", random.pick(&[1, 10, 30]))),
        2 => Some(format!("late 5% {}ms", random.within(1..=100))),
        3 => Some(format!("displace 3% {}", random.within(1..=8))),
        _ => None,
    });
    words.extend(match random.below(20) {
        0 => Some(format!("thin {}", random.within(2..=8))),
        1 => Some("compress 8 5ms".to_owned()),
        2 => Some("gro 50us".to_owned()),
        3 => Some("mtu 1280 icmp".to_owned()),
        4 => Some(format!("police rate {}kbit burst 30kb", rate_kbit / 2 + 100)),
        _ => None,
    });
    if random.chance(60) {
        let down = random.within(0..=2_000);
        words.push(format!("at {down}ms down at {}ms up", down + random.within(50..=20_000)));
    }
    let words = words.join(" ");
    words.parse().unwrap_or_else(|error| panic!("the words {words:?} describe no link: {error}"))
}

fn flow(single: bool, most: u64, random: &mut Random) -> FlowSpec {
    let bytes = random.within(0..=most);
    let application = match random.below(if single { 10 } else { 12 }) {
        0..=2 => Application::Bulk { bytes: Some(bytes), back: if random.chance(300) { bytes / 2 } else { 0 } },
        3 | 4 => Application::RequestResponse {
            request: random.within(1..=3_000),
            response: random.within(1..=(most / 5).max(1)),
            times: 5,
            think: Time::millis(random.within(0..=300)),
        },
        5 => Application::OnOff { burst: (bytes / 4).max(1), pause: Time::millis(random.within(1..=3_000)), times: 4 },
        6 => Application::SlowReader {
            bytes,
            chunk: u32::try_from(random.within(200..=20_000)).unwrap_or(1_000),
            every: Time::millis(random.within(1..=500)),
        },
        7 => Application::HalfClose { bytes, back: random.within(0..=most) },
        8 => Application::Abort { after: bytes },
        9 => Application::Idle { bytes: bytes / 10, silence: Time::secs(random.within(1..=400)) },
        _ => Application::ShortFlows {
            sizes: random.pick(&SIZES),
            every: Time::millis(random.within(1..=200)),
            times: 8,
        },
    };
    FlowSpec {
        congestion: random.chance(600).then(|| random.pick(Algorithm::all())),
        start: Time::millis(random.within(0..=500)),
        ..FlowSpec::new(application)
    }
}

/// Now and then a host goes off; whoever waits for it without a timer has keep-alive.
fn vanish(scenario: &mut Scenario, random: &mut Random) {
    if !random.chance(60) {
        return;
    }
    let at = usize::from(random.chance(500));
    if let Some(host) = scenario.hosts.get_mut(at) {
        host.vanishes = Some(Time::millis(random.within(0..=3_000)));
    }
    for host in &mut scenario.hosts {
        host.tcp.keep_alive = Some(Time::secs(60));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_stands_for_one_scenario_and_a_file_for_the_same() {
        for seed in 0..300 {
            let drawn = scenario(seed);
            assert_eq!(drawn, scenario(seed));
            let file = drawn.to_toml().unwrap();
            assert_eq!(file.parse::<Scenario>().unwrap(), drawn, "{file}");
        }
    }

    #[test]
    fn everything_is_drawn_now_and_then() {
        let all: Vec<Scenario> = (0..2_000).map(scenario).collect();
        for trick in Trick::ALL {
            assert!(all.iter().flat_map(|scenario| &scenario.hosts).any(|host| host.trick == Some(trick)));
        }
        let flows = all.iter().flat_map(|scenario| &scenario.flows);
        let kinds: BTreeSet<&str> = flows.map(|flow| flow.application.name()).collect();
        assert_eq!(kinds.len(), 8);
        assert!(all.iter().any(|scenario| scenario.hosts.iter().any(|host| host.vanishes.is_some())));
        assert!(all.iter().any(|scenario| scenario.hosts.iter().all(|host| host.bare)));
        assert!(all.iter().any(|scenario| scenario.hosts.iter().any(|host| host.access.is_some())));
        assert!(all.iter().any(|scenario| scenario.forward.ecn && scenario.hosts[0].tcp.ecn == Some(true)));
    }
}
