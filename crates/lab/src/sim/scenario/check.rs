//! What is refused before it runs: a scenario that makes no sense, or whose time would stand still.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use sockeye_device::impair::LinkConfig;

use super::{HostSpec, Planned, Scenario, ScenarioError};

/// A server's ports are those from [`super::super::world::FIRST_PORT`] on, one for each connection.
const MAX_CONNECTIONS: usize = 30_000;

/// Octets of a packet with the least segment that a connection sends, which is 48 octets (as Linux's `TCP_MIN_SND_MSS`).
const LEAST_MTU_V4: u16 = 20 + 20 + 48;
/// RFC 8200 section 5.
const LEAST_MTU_V6: u16 = 1280;

/// All of a scenario and what is planned of it.
pub(super) fn check(scenario: &Scenario, hosts: &[HostSpec], planned: &[Planned]) -> Result<(), ScenarioError> {
    check_links(scenario, hosts)?;
    hosts.iter().try_for_each(|host| check_host(host, scenario.ipv6))?;
    check_names(hosts)?;
    planned.iter().try_for_each(|planned| check_time_passes(scenario, hosts, planned))?;
    check_room(hosts, planned)
}

fn check_links(scenario: &Scenario, hosts: &[HostSpec]) -> Result<(), ScenarioError> {
    let access = hosts.iter().filter_map(|host| Some((host.name.as_str(), host.access.as_ref()?)));
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
    Ok(())
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
    let access = planned.hosts.iter().filter_map(|&host| hosts[host].access.as_ref());
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
    if planned.len() > MAX_CONNECTIONS {
        return Err(ScenarioError(format!("{} connections: at most {MAX_CONNECTIONS} are possible", planned.len())));
    }
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
