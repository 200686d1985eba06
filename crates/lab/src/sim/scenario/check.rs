//! What is refused before it runs: a scenario that makes no sense, or whose time would stand still.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use sockeye_device::impair::LinkConfig;

use super::{Application, HostSpec, Planned, Scenario, ScenarioError, Sizes, Time};

/// A server's ports are those from [`super::super::world::FIRST_PORT`] on, one for each connection.
const MAX_CONNECTIONS: u64 = 30_000;
/// 100 years: a few times that, and virtual time would not hold it.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// Octets of one transfer; a million of them can still be counted.
const MOST_OCTETS: u64 = 1 << 50;

/// Octets of a packet with the least segment that a connection sends, which is 48 octets (as Linux's `TCP_MIN_SND_MSS`).
const LEAST_MTU_V4: u16 = 20 + 20 + 48;
/// RFC 8200 section 5.
const LEAST_MTU_V6: u16 = 1280;

/// What the scenario says: nothing in it is so large that planning or running it would not end.
pub(super) fn before_planning(scenario: &Scenario, hosts: &[HostSpec]) -> Result<(), ScenarioError> {
    check_links(scenario, hosts)?;
    check_time("duration", scenario.duration)?;
    hosts.iter().try_for_each(|host| check_host(host, scenario.ipv6))?;
    check_names(hosts)?;
    check_flows(scenario)
}

/// What is planned of it.
pub(super) fn planned(scenario: &Scenario, hosts: &[HostSpec], planned: &[Planned]) -> Result<(), ScenarioError> {
    planned.iter().try_for_each(|planned| check_time_passes(scenario, hosts, planned))?;
    check_room(hosts, planned)
}

fn check_links(scenario: &Scenario, hosts: &[HostSpec]) -> Result<(), ScenarioError> {
    let access = hosts.iter().flat_map(|host| host.access_links().map(|link| (host.name.as_str(), link)));
    let mut links = [("forward", &scenario.forward), ("back", &scenario.back)].into_iter().chain(access);
    match links.find(|(_, link)| link.rate.is_some_and(|rate| rate.as_bits() == 0)) {
        Some((name, _)) => {
            let advice = "a link without a limit has no `rate` at all";
            Err(ScenarioError(format!("{name}: at a rate of 0 nothing ever arrives; {advice}")))
        }
        None => Ok(()),
    }
}

fn check_host(host: &HostSpec, ipv6: bool) -> Result<(), ScenarioError> {
    let HostSpec { name, mtu, .. } = host;
    let (least, version) = if ipv6 { (LEAST_MTU_V6, "IPv6") } else { (LEAST_MTU_V4, "IPv4") };
    if *mtu < least {
        return Err(ScenarioError(format!("{name}: {version} needs an mtu of {least} or more, not {mtu}")));
    }
    if host.tso && host.trick.is_some() {
        return Err(ScenarioError(format!("{name}: what is still to be cut can't be rewritten; tso or trick")));
    }
    check_time(&format!("{name}: tick"), host.tick)?;
    let tcp = &host.tcp;
    let times = [("vanishes", host.vanishes), ("delayed_ack", tcp.delayed_ack), ("keep_alive", tcp.keep_alive)];
    let mut times = times.into_iter().filter_map(|(what, time)| Some((what, time?)));
    times.try_for_each(|(what, time)| check_time(&format!("{name}: {what}"), time))
}

fn check_time(what: &str, time: Time) -> Result<(), ScenarioError> {
    if time.0 > LONGEST {
        return Err(ScenarioError(format!("{what}: no time may be longer than 100 years")));
    }
    Ok(())
}

fn check_flows(scenario: &Scenario) -> Result<(), ScenarioError> {
    for (index, flow) in scenario.flows.iter().enumerate() {
        let number = index + 1;
        check_time(&format!("flow {number}: start"), flow.start)?;
        let (octets, time) = extent(&flow.application);
        check_time(&format!("flow {number}"), time)?;
        if octets > MOST_OCTETS {
            return Err(ScenarioError(format!("flow {number}: {octets} octets: at most {MOST_OCTETS} are possible")));
        }
        if let Some(never) = stands_still(&flow.application) {
            return Err(ScenarioError(format!("flow {number}: {never}")));
        }
    }
    let connections: u64 = scenario.flows.iter().map(|flow| u64::from(flow.application.connections())).sum();
    if connections > MAX_CONNECTIONS {
        return Err(ScenarioError(format!("{connections} connections: at most {MAX_CONNECTIONS} are possible")));
    }
    Ok(())
}

/// Why an application would wait for ever for what it is told to do, or do nothing.
const fn stands_still(application: &Application) -> Option<&'static str> {
    match *application {
        Application::RequestResponse { request: 0, .. } => Some("a request of 0 octets never arrives"),
        Application::RequestResponse { response: 0, .. } => Some("a response of 0 octets never arrives"),
        Application::OnOff { burst: 0, .. } => Some("a burst of 0 octets never ends"),
        Application::SlowReader { chunk: 0, .. } => Some("who reads chunks of 0 octets reads nothing"),
        Application::ShortFlows { times: 0, .. } => Some("short flows that come 0 times are none"),
        Application::ShortFlows { sizes: Sizes::Uniform(least, most), .. } if least > most => {
            Some("sizes are uniform from the smaller number to the larger")
        }
        _ => None,
    }
}

/// The most octets that an application names, and the longest time.
fn extent(application: &Application) -> (u64, Time) {
    match *application {
        Application::Bulk { bytes, back } => (bytes.unwrap_or(0).max(back), Time::default()),
        Application::RequestResponse { request, response, think, .. } => (request.max(response), think),
        Application::OnOff { burst, pause, .. } => (burst, pause),
        Application::ShortFlows { sizes, every, .. } => {
            let octets = match sizes {
                Sizes::Fixed(octets) | Sizes::Exponential(octets) | Sizes::Pareto(octets) => octets,
                Sizes::Uniform(least, most) => least.max(most),
            };
            (octets, every)
        }
        Application::SlowReader { bytes, every, .. } => (bytes, every),
        Application::HalfClose { bytes, back } => (bytes.max(back), Time::default()),
        Application::Abort { after } => (after, Time::default()),
        Application::Idle { bytes, silence } => (bytes, silence),
    }
}

/// A flow that names a host means one, and each has a file of its own for what it sent and got.
fn check_names(hosts: &[HostSpec]) -> Result<(), ScenarioError> {
    let mut names = BTreeSet::new();
    match hosts.iter().find(|host| !names.insert(&host.name)) {
        Some(host) => Err(ScenarioError(format!("two hosts are called {:?}: give each a name of its own", host.name))),
        None => Ok(()),
    }
}

/// Over links that take no time an endless flow sends without end at one instant.
fn check_time_passes(scenario: &Scenario, hosts: &[HostSpec], planned: &Planned) -> Result<(), ScenarioError> {
    let access = planned.hosts.iter().flat_map(|&host| hosts[host].access_links());
    let mut way = [&scenario.forward, &scenario.back].into_iter().chain(access);
    if planned.endless && !way.any(takes_time) {
        let flow = planned.spec + 1;
        return Err(ScenarioError(format!(
            "flow {flow} has no end, and no link on its way takes time: add a rate or a delay \
             (forward = \"rate 10mbit delay 20ms\"), or give the flow `bytes`"
        )));
    }
    Ok(())
}

fn takes_time(link: &LinkConfig) -> bool {
    let delays = !link.delay.base.is_zero() || !link.delay.jitter.is_zero();
    delays || link.rate.is_some() || link.trace.is_some() || link.police.is_some()
}

fn check_room(hosts: &[HostSpec], planned: &[Planned]) -> Result<(), ScenarioError> {
    for (index, host) in hosts.iter().enumerate().filter(|(_, host)| host.bare) {
        let flows = planned.iter().filter(|planned| planned.hosts.contains(&index)).count();
        if flows > 1 {
            return Err(ScenarioError(format!("{} is bare: it has room for one connection, not {flows}", host.name)));
        }
    }
    Ok(())
}

/// Reads the name of a host. Files are called after it, so it must not lead out of their directory.
pub(super) fn host_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    if name.starts_with('.') || !name.bytes().all(fits) {
        let what = format!("{name:?} is no name for a host: letters, digits, `-`, `_`, and `.` but not in front");
        return Err(serde::de::Error::custom(what));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Why a scenario with these lines is not planned.
    fn refused(lines: &str) -> String {
        let path = "forward = \"delay 10ms\"\nback = \"delay 10ms\"\n";
        let scenario: Scenario = format!("{path}{lines}").parse().expect("it can be read");
        scenario.plan().expect_err(lines).to_string()
    }

    #[test]
    fn what_would_not_end_is_refused_before_it_is_planned() {
        let short = |size: &str, every: &str, times: u64| {
            let kind = "kind = \"short_flows\"";
            format!("[[flow]]\napplication = {{ {kind}, sizes = {size}, every = \"{every}\", times = {times} }}")
        };
        let flow = |application: &str| format!("[[flow]]\napplication = {{ {application} }}");
        let bulk = "[[flow]]\napplication = { kind = \"bulk\", bytes = 1 }\n";
        let ends =
            |host: &str| format!("{bulk}[[host]]\nname = \"a\"\n{host}\n[[host]]\nname = \"b\"\nside = \"right\"");
        let connections = "4000000000 connections: at most 30000 are possible";
        let octets = "octets: at most 1125899906842624 are possible";
        let time = "no time may be longer than 100 years";
        for (lines, why) in [
            (short("{ fixed = 1 }", "1s", 4_000_000_000), connections),
            (short("{ fixed = 1 }", "500000000000y", 2), time),
            (short("{ exponential = 9000000000000000000 }", "1s", 1), octets),
            (short("{ uniform = [0, 9000000000000000000] }", "1s", 1), octets),
            (short("{ fixed = 1 }", "1s", 0), "come 0 times"),
            (short("{ uniform = [5, 1] }", "1s", 1), "from the smaller number to the larger"),
            (
                flow("kind = \"request_response\", request = 0, response = 1, times = 1, think = \"0s\""),
                "a request of 0",
            ),
            (
                flow("kind = \"request_response\", request = 1, response = 0, times = 1, think = \"0s\""),
                "a response of 0",
            ),
            (flow("kind = \"on_off\", burst = 0, times = 1, pause = \"1s\""), "a burst of 0"),
            (flow("kind = \"slow_reader\", bytes = 9, chunk = 0, every = \"1s\""), "reads nothing"),
            (ends("tick = \"500000000000y\""), time),
            (ends("vanishes = \"101y\""), time),
            (ends("tcp = { delayed_ack = \"101y\" }"), time),
            (format!("duration = \"101y\"\n{bulk}"), time),
            (format!("{bulk}start = \"101y\""), time),
            (
                "[[flow]]\napplication = { kind = \"request_response\", request = 1, response = 9000000000000000000, \
                 times = 4, think = \"1s\" }"
                    .to_owned(),
                octets,
            ),
        ] {
            let said = refused(&lines);
            assert!(said.contains(why), "{lines}: {said}");
        }
    }
}
