//! A failing scenario made smaller: what is left is what it takes to fail.

use sockeye_device::impair::{Change, Delay, LinkConfig};

use super::attempt;
use crate::sim::{Application, HostSpec, Invariant, Scenario, TcpSpec, Time};

/// Runs that a shrinking may take.
const PATIENCE: usize = 400;

/// The smallest scenario found that breaks `invariant` as `scenario` does; one that makes no sense breaks none.
pub fn shrink(scenario: &Scenario, invariant: Invariant) -> Scenario {
    let mut smallest = scenario.clone();
    let mut runs = 0;
    loop {
        let smaller = smaller(&smallest).into_iter().find(|candidate| {
            runs += 1;
            let is_broken =
                || attempt(candidate).is_ok_and(|broken| broken.is_some_and(|it| it.invariant == invariant));
            runs <= PATIENCE && is_broken()
        });
        match smaller {
            Some(candidate) => smallest = candidate,
            None => return smallest,
        }
    }
}

/// Scenarios that are each a step smaller, the largest steps first.
fn smaller(scenario: &Scenario) -> Vec<Scenario> {
    let mut all = Vec::new();
    let mut step = |change: &dyn Fn(&mut Scenario)| {
        let mut candidate = scenario.clone();
        change(&mut candidate);
        if candidate != *scenario {
            all.push(candidate);
        }
    };
    for index in 0..scenario.flows.len() {
        if scenario.flows.len() > 1 {
            step(&|smaller| drop(smaller.flows.remove(index)));
        }
    }
    step(&|smaller| smaller.flows.iter_mut().for_each(|flow| (flow.from, flow.to) = (String::new(), String::new())));
    step(&|smaller| drop_unused_hosts(smaller));
    step(&|smaller| smaller.forward = LinkConfig::default());
    step(&|smaller| smaller.back = LinkConfig::default());
    for index in 0..scenario.hosts.len() {
        for simplify in HOST_STEPS {
            step(&|smaller| simplify(&mut smaller.hosts[index]));
        }
    }
    for simplify in LINK_STEPS {
        step(&|smaller| simplify(&mut smaller.forward));
        step(&|smaller| simplify(&mut smaller.back));
    }
    let ways: [fn(&mut Scenario) -> &mut LinkConfig; 2] = [|it| &mut it.forward, |it| &mut it.back];
    for (way, link) in ways.into_iter().zip([&scenario.forward, &scenario.back]) {
        for index in 0..link.schedule.changes.len() {
            step(&|smaller| drop(way(smaller).schedule.changes.remove(index)));
            step(&|smaller| simplify_change(&mut way(smaller).schedule.changes[index]));
        }
    }
    for index in 0..scenario.flows.len() {
        step(&|smaller| smaller.flows[index].congestion = None);
        step(&|smaller| smaller.flows[index].start = Time::default());
        step(&|smaller| lessen(&mut smaller.flows[index].application));
    }
    step(&|smaller| smaller.ipv6 = false);
    all
}

/// Of hosts that no flow names only the first on each side is needed.
fn drop_unused_hosts(scenario: &mut Scenario) {
    let mut seen = Vec::new();
    let flows = &scenario.flows;
    scenario.hosts.retain(|host| {
        let first = !seen.contains(&host.side);
        seen.push(host.side);
        first || flows.iter().any(|flow| flow.from == host.name || flow.to == host.name)
    });
}

const HOST_STEPS: [fn(&mut HostSpec); 23] = [
    |host| host.tcp = TcpSpec::default(),
    |host| host.trick = None,
    |host| (host.access, host.access_down) = (None, None),
    |host| host.access_down = None,
    |host| host.tcp.ecn = None,
    |host| host.vanishes = None,
    |host| host.tick = HostSpec::default().tick,
    |host| host.mtu = 1500,
    |host| host.tso = false,
    |host| host.bare = false,
    |host| host.tcp.mss = None,
    |host| host.tcp.receive_buffer = None,
    |host| host.tcp.send_buffer = None,
    |host| (host.tcp.sack, host.tcp.timestamps) = (None, None),
    |host| host.tcp.window_scaling = None,
    |host| (host.tcp.nodelay, host.tcp.cork) = (None, None),
    |host| host.tcp.delayed_ack = None,
    |host| host.tcp.initial_window = None,
    |host| host.tcp.keep_alive = None,
    |host| host.tcp.mtu_probing = None,
    |host| host.tcp.pacing = None,
    |host| (host.tcp.thin_linear_timeouts, host.tcp.min_rto) = (None, None),
    |host| host.tcp.remember = None,
];

const LINK_STEPS: [fn(&mut LinkConfig); 21] = [
    |link| link.discipline = LinkConfig::default().discipline,
    |link| (link.ecn, link.mark_above) = (false, None),
    |link| link.loss = LinkConfig::default().loss,
    |link| link.duplicate = LinkConfig::default().duplicate,
    |link| link.corrupt = LinkConfig::default().corrupt,
    |link| link.corrupt_header = LinkConfig::default().corrupt_header,
    |link| link.reorder = None,
    |link| link.displace = None,
    |link| link.late = None,
    |link| link.slot = None,
    |link| link.mtu = None,
    |link| link.police = None,
    |link| link.acks = LinkConfig::default().acks,
    |link| link.gro = None,
    |link| link.schedule = LinkConfig::default().schedule,
    |link| link.schedule.repeat = None,
    |link| link.trace = None,
    |link| link.overhead = LinkConfig::default().overhead,
    |link| link.rate = None,
    |link| link.limit = LinkConfig::default().limit,
    |link| link.delay = Delay::fixed(link.delay.base),
];

/// Of several things that change at once the last.
fn simplify_change(change: &mut Change) {
    let Change { rate, delay, loss, down, .. } = change;
    match () {
        () if rate.is_some() && (delay.is_some() || loss.is_some() || down.is_some()) => *rate = None,
        () if delay.is_some() && (loss.is_some() || down.is_some()) => *delay = None,
        () if loss.is_some() && down.is_some() => *loss = None,
        () => {}
    }
}

/// Half as much of everything.
fn lessen(application: &mut Application) {
    match application {
        Application::Bulk { bytes, back } => {
            *bytes = bytes.map(|bytes| bytes / 2);
            *back /= 2;
        }
        Application::RequestResponse { response, times, .. } => {
            *response = (*response / 2).max(1);
            *times = (*times / 2).max(1);
        }
        Application::OnOff { burst, times, .. } => {
            *burst = (*burst / 2).max(1);
            *times = (*times / 2).max(1);
        }
        Application::ShortFlows { times, .. } => *times = (*times / 2).max(1),
        Application::SlowReader { bytes, .. } | Application::Idle { bytes, .. } => *bytes /= 2,
        Application::HalfClose { bytes, back } => {
            *bytes /= 2;
            *back /= 2;
        }
        Application::Abort { after } => *after /= 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_not_the_smallest_that_panics() {
        // Without a delay its endless flow would be refused.
        let endless = "duration = '1s'\nforward = 'delay 100ms'\n[[flow]]\napplication = { kind = 'bulk' }";
        let endless: Scenario = endless.parse().unwrap();
        assert_eq!(shrink(&endless, Invariant::NoPanic), endless);
    }

    #[test]
    fn a_schedule_is_made_smaller_entry_by_entry() {
        let link = |words: &str| words.parse::<LinkConfig>().unwrap();
        let scenario = |forward| Scenario { forward, ..Scenario::default() };
        let whole = scenario(link("at 10ms rate 1mbit loss 5% at 20ms down at 30ms up repeat 40ms"));
        let all = smaller(&whole);
        for words in [
            "",
            "at 20ms down at 30ms up repeat 40ms",
            "at 10ms loss 5% at 20ms down at 30ms up repeat 40ms",
            "at 10ms rate 1mbit loss 5% at 30ms up repeat 40ms",
            "at 10ms rate 1mbit loss 5% at 20ms down repeat 40ms",
            "at 10ms rate 1mbit loss 5% at 20ms down at 30ms up",
        ] {
            assert!(all.contains(&scenario(link(words))), "{words}");
        }
    }
}
