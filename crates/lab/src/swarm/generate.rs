//! A seed becomes a scenario: link, applications, options, clocks, peers.

use std::time::Duration;

use sockeye::Algorithm;
use sockeye_device::impair::{Chance, LinkConfig, Loss};

use crate::sim::{Application, Bank, FlowSpec, HostSpec, Random, Scenario, Sizes, TcpSpec, Time, Trick};

/// Virtual time that a scenario has: more than the longest series of back-offs takes.
const ENOUGH: Time = Time::secs(3 * 3600);

/// Losses that come together.
const BURSTS: [&str; 3] = ["loss gemodel 1% 30% 80% 0%", "loss state 1% 20% 30% 50% 1%", "loss 3% 25%"];

/// How long short flows are.
const SIZES: [Sizes; 4] =
    [Sizes::Fixed(3_000), Sizes::Uniform(1, 20_000), Sizes::Exponential(5_000), Sizes::Pareto(500)];

/// As [`SIZES`], where each octet is a packet.
const TINY_SIZES: [Sizes; 1] = [Sizes::Uniform(1, 400)];

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
        for link in [&mut forward, &mut back] {
            link.mtu = link.mtu.filter(|mtu| !mtu.icmp);
        }
    }
    // About what a flow carries at most, so that a scenario takes a few milliseconds.
    let most = if tiny { 3_000 } else { (rate_kbit * 100).clamp(20_000, 150_000) };
    let sizes: &[Sizes] = if tiny { &TINY_SIZES } else { &SIZES };
    let count = if single { 1 } else { random.pick(&[1, 1, 1, 2, 3]) };
    let mut flows: Vec<FlowSpec> = (0..count).map(|_| flow(single, most, sizes, &mut random)).collect();
    if !single && random.chance(150) {
        crowd(&mut hosts, &mut flows, &mut random);
    }
    let mut scenario = Scenario { seed, duration: ENOUGH, ipv6, may_fail: false, forward, back, hosts, flows };
    vanish(&mut scenario, &mut random);
    // Last, so that a seed of former days still stands for the scenario that it stood for, but for these.
    scenario.hosts.iter_mut().for_each(|host| more_settings(&mut host.tcp, &mut random));
    let links = [&scenario.forward, &scenario.back];
    scenario.may_fail = links.into_iter().any(|link| loses_in_bursts(link) || fails_again(link));
    scenario
}

/// Outages that come again may take all SYNs, as a burst may.
fn fails_again(link: &LinkConfig) -> bool {
    link.schedule.repeat.is_some() && link.schedule.changes.iter().any(|change| change.down.is_some())
}

/// Packets that follow each other share their fate, however late the next one comes.
fn loses_in_bursts(link: &LinkConfig) -> bool {
    match link.loss {
        Loss::GilbertElliott { .. } | Loss::State { .. } => true,
        Loss::Random(odds) => odds.correlation != Chance::NEVER,
        Loss::None | Loss::Every(_) | Loss::Listed(_) => false,
    }
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
        sack: random.chance(250).then_some(false),
        timestamps: random.chance(250).then_some(false),
        window_scaling: random.chance(250).then_some(false),
        nodelay: random.chance(400).then_some(true),
        cork: random.chance(80).then_some(true),
        ecn: random.chance(300).then(|| random.chance(700)),
        delayed_ack: random.chance(300).then(|| Time::millis(random.pick(&[0, 10, 200, 400]))),
        initial_window: random.chance(150).then(|| random.pick(&[1, 2, 4, 30])),
        keep_alive: random.chance(300).then(|| Time::secs(random.pick(&[10, 60, 600]))),
        ..TcpSpec::default()
    }
}

fn more_settings(tcp: &mut TcpSpec, random: &mut Random) {
    tcp.mtu_probing = random.chance(200).then(|| random.chance(500));
    tcp.pacing = random.chance(250).then_some(false);
    tcp.thin_linear_timeouts = random.chance(200).then_some(true);
    tcp.min_rto = random.chance(200).then(|| Time::millis(random.pick(&[10, 50, 1_000])));
    tcp.remember = random.chance(200).then(|| random.chance(500));
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
/// number of packets each time: a loss of every n-th would always hit the same octet, and a short queue let the same few
/// pass.
fn link(rate_kbit: u64, tiny: bool, random: &mut Random) -> LinkConfig {
    let mut words = bottleneck(rate_kbit, tiny, random);
    let delay = random.within(0..=80);
    words.extend(way(delay, random));
    words.extend(loss(tiny, random));
    words.extend(random.chance(150).then(|| format!("duplicate {}%", random.pick(&["1", "5", "20", "2% 50"]))));
    words.extend(random.chance(200).then(|| format!("corrupt {}%", random.pick(&[1, 3]))));
    words.extend(random.chance(100).then(|| "corrupt-header 1%".to_owned()));
    words.extend(match random.below(12) {
        0 | 1 if delay > 0 => Some(format!("reorder {}%", random.pick(&[1, 10, 30]))),
        2 => Some(format!("late 5% {}ms", random.within(1..=100))),
        3 => Some(format!("displace 3% {}", random.within(1..=8))),
        _ => None,
    });
    words.extend(edges(rate_kbit, random));
    // A recorded rate doesn't change by the clock.
    let by_clock = schedule(rate_kbit, delay, random);
    words.extend(by_clock.filter(|change| !(words[0].starts_with("trace") && change.contains("rate"))));
    let words = words.join(" ");
    words.parse().unwrap_or_else(|error| panic!("the words {words:?} describe no link: {error}"))
}

/// A rate that is fixed or recorded, and the queue in front of it; or none of that.
fn bottleneck(rate_kbit: u64, tiny: bool, random: &mut Random) -> Vec<String> {
    if random.chance(100) {
        return Vec::new();
    }
    let pace = match random.below(12) {
        0 => format!("trace list {}", cellular(random)),
        1 => format!("rate {rate_kbit}kbit 18 48 5"), // as on ATM
        _ => format!("rate {rate_kbit}kbit"),
    };
    let limit = match random.below(10) {
        _ if tiny => random.pick(&[100, 1000]).to_string(),
        0 | 1 => random.pick(&["15kb", "64kb", "250kb"]).to_owned(),
        2 => random.pick(&["20ms", "100ms", "1s"]).to_owned(),
        _ => random.pick(&[10, 20, 50, 100, 1000]).to_string(),
    };
    let mut words = vec![pace, format!("limit {limit}")];
    words.extend(
        match random.below(14) {
            _ if tiny => None,
            0 => Some("codel"),
            1 => Some("codel ecn"),
            2 => Some("red min 15kb max 45kb probability 10% ecn"),
            3 => Some("red min 10kb max 30kb probability 5%"),
            4 => Some("ce_threshold 1ms"),
            _ => None,
        }
        .map(str::to_owned),
    );
    words
}

/// When a cellular link can carry something, in milliseconds: fast and slow by turns, and now and then not for long.
fn cellular(random: &mut Random) -> String {
    let (mut at, mut times) = (0, Vec::new());
    for _ in 0..random.within(3..=8) {
        let gap = random.pick(&[0, 1, 2, 5, 10, 30]);
        for _ in 0..random.within(4..=12) {
            at += gap;
            times.push(at.to_string());
        }
        at += random.pick(&[1, 1, 50, 400]);
    }
    times.push(at.to_string());
    times.join(",")
}

/// How long packets are on their way, and how that varies.
fn way(delay: u64, random: &mut Random) -> Vec<String> {
    if !random.chance(200) {
        return vec![format!("delay {delay}ms")];
    }
    let jitter = format!("delay {delay}ms {}ms", random.within(0..=delay));
    let kind = random.pick(&["", "", "in-order", "distribution normal", "distribution pareto in-order"]);
    vec![jitter, kind.to_owned()]
}

fn loss(tiny: bool, random: &mut Random) -> Option<String> {
    match random.below(12) {
        0..=3 => Some(format!("loss {}%", random.pick(&[1, 2, 5]))),
        4 => Some(random.pick(&BURSTS).to_owned()),
        5 if !tiny => Some(format!("loss every {}", random.within(5..=50))),
        6 => Some(format!("loss list {},{}", random.within(1..=10), random.within(11..=60))),
        _ => None,
    }
}

/// What stands at a link's ends: policers, longest packets, and what gathers acknowledgments or segments.
fn edges(rate_kbit: u64, random: &mut Random) -> Option<String> {
    match random.below(20) {
        0 | 1 => Some(format!("thin {}", random.within(2..=8))),
        2 | 3 => Some(format!("compress {} {}ms", random.within(2..=32), random.within(1..=20))),
        4 => Some("gro 50us".to_owned()),
        5 => Some("mtu 1280 icmp".to_owned()),
        6 => Some(format!("mtu {}", random.pick(&[1280, 1400]))),
        7 => Some(format!("police rate {}kbit burst {}kb", rate_kbit / 2 + 100, random.pick(&[10, 30, 100]))),
        8 => Some(format!("slot {}ms {}ms packets {}", random.below(3), random.within(3..=40), random.within(8..=64))),
        _ => None,
    }
}

/// What changes by the clock, once or again and again.
fn schedule(rate_kbit: u64, delay: u64, random: &mut Random) -> Option<String> {
    let (one, other) = (random.within(0..=2_000), random.within(50..=3_000));
    let next = one + other;
    let words = match random.below(36) {
        0 | 1 => format!("at {one}ms down at {}ms up", one + random.within(50..=20_000)),
        2 => format!("at {one}ms down at {}ms up repeat {}ms", one + other / 4, next),
        3 => format!("at {one}ms rate {}kbit at {next}ms rate {}kbit", rate_kbit / 4 + 1, rate_kbit * 4),
        4 => format!("at {one}ms rate {}kbit repeat {next}ms", rate_kbit / 8 + 16),
        5 => format!("at {one}ms delay {}ms at {next}ms delay {}ms", delay + 100, delay / 4),
        6 => format!("at {one}ms delay {}ms rate {rate_kbit}kbit loss 5% repeat {next}ms", delay / 2),
        7 => format!("at {one}ms loss 30% at {}ms loss 0%", one + other / 2),
        _ => return None,
    };
    Some(words)
}

fn flow(single: bool, most: u64, sizes: &[Sizes], random: &mut Random) -> FlowSpec {
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
        _ => {
            Application::ShortFlows { sizes: random.pick(sizes), every: Time::millis(random.within(1..=200)), times: 8 }
        }
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

    use sockeye_device::impair::{Acks, Delay, Discipline, Limit};

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

    #[test]
    fn every_element_of_a_link_is_drawn_now_and_then() {
        type Has = fn(&LinkConfig) -> bool;
        const ELEMENTS: [(&str, Has); 35] = [
            ("trace", |link| link.trace.is_some()),
            ("overhead", |link| link.overhead.cell > 0),
            ("limit in packets", |link| matches!(link.limit, Limit::Packets(10))),
            ("limit in octets", |link| matches!(link.limit, Limit::Octets(_))),
            ("limit in time", |link| matches!(link.limit, Limit::Time(_))),
            ("red, dropping", |link| matches!(link.discipline, Discipline::Red(_)) && !link.ecn),
            ("red, marking", |link| matches!(link.discipline, Discipline::Red(_)) && link.ecn),
            ("codel, dropping", |link| matches!(link.discipline, Discipline::CoDel(_)) && !link.ecn),
            ("codel, marking", |link| matches!(link.discipline, Discipline::CoDel(_)) && link.ecn),
            ("step threshold", |link| link.mark_above.is_some()),
            ("jitter in order", |link| link.delay.in_order),
            ("jitter out of order", |link| link.delay != Delay::fixed(link.delay.base) && !link.delay.in_order),
            ("lone losses", |link| matches!(link.loss, Loss::Random(odds) if odds.correlation == Chance::NEVER)),
            (
                "losses that are like the last",
                |link| matches!(link.loss, Loss::Random(odds) if odds.correlation != Chance::NEVER),
            ),
            ("bursts of two states", |link| matches!(link.loss, Loss::GilbertElliott { .. })),
            ("bursts of four states", |link| matches!(link.loss, Loss::State { .. })),
            ("each so many-th lost", |link| matches!(link.loss, Loss::Every(_))),
            ("listed losses", |link| matches!(link.loss, Loss::Listed(_))),
            ("duplicate", |link| link.duplicate.chance != Chance::NEVER),
            ("corrupt", |link| link.corrupt.chance != Chance::NEVER),
            ("corrupt-header", |link| link.corrupt_header != Chance::NEVER),
            ("reorder", |link| link.reorder.is_some()),
            ("displace", |link| link.displace.is_some()),
            ("late", |link| link.late.is_some()),
            ("gro", |link| link.gro.is_some()),
            ("slots", |link| link.slot.is_some()),
            ("policer", |link| link.police.is_some()),
            ("thinned ACKs", |link| matches!(link.acks, Acks::Thin(_))),
            ("compressed ACKs", |link| matches!(link.acks, Acks::Compress(_))),
            ("longest packet", |link| link.mtu.is_some_and(|mtu| mtu.icmp)),
            ("black hole", |link| link.mtu.is_some_and(|mtu| !mtu.icmp)),
            ("outage", |link| link.schedule.changes.iter().any(|change| change.down.is_some())),
            ("rate by the clock", |link| link.schedule.changes.iter().any(|change| change.rate.is_some())),
            ("delay by the clock", |link| link.schedule.changes.iter().any(|change| change.delay.is_some())),
            ("loss by the clock", |link| link.schedule.changes.iter().any(|change| change.loss.is_some())),
        ];
        let links: Vec<LinkConfig> = (0..1_000).map(scenario).flat_map(|drawn| [drawn.forward, drawn.back]).collect();
        for (name, has) in ELEMENTS {
            assert!(links.iter().any(has), "{name}");
        }
    }
}
