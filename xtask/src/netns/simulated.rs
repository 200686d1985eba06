//! The simulator's scenarios with the kernel at one end.

use sockeye_lab::sim::Scenario;
use sockeye_lab::sim::against_kernel::compare;

use super::bench::{Bench, expect};
use crate::shell::Outcome;

/// Of each application a little, over a path that loses some.
const SCENARIO: &str = r#"
    duration = "20s"
    forward = "rate 5mbit delay 10ms limit 50 loss 1%"
    back = "rate 5mbit delay 10ms"

    [[flow]]
    application = { kind = "bulk", bytes = 300_000, back = 50_000 }
    [[flow]]
    application = { kind = "request_response", request = 100, response = 20_000, times = 5, think = "20ms" }
    [[flow]]
    start = "200ms"
    application = { kind = "half_close", bytes = 30_000, back = 30_000 }
    [[flow]]
    application = { kind = "slow_reader", bytes = 100_000, chunk = 20_000, every = "50ms" }
    [[flow]]
    application = { kind = "on_off", burst = 20_000, pause = "100ms", times = 3 }
    [[flow]]
    application = { kind = "short_flows", sizes = { fixed = 5_000 }, every = "50ms", times = 10 }
"#;

/// From right to left, over a path that is ten times as fast that way.
const TOWARDS_THE_CLIENT: &str = r#"
    duration = "20s"
    forward = "rate 1mbit delay 5ms"
    back = "rate 10mbit delay 5ms"
    [[flow]]
    from = "server"
    to = "client"
    application = { kind = "bulk", bytes = 1_000_000 }
"#;

/// Case: see the table.
pub fn a_flow_from_right_to_left_takes_the_way_back(_: &Bench) -> Outcome {
    let comparison = compare(&TOWARDS_THE_CLIENT.parse()?)?;
    for run in comparison.runs {
        let (octets, rate) = (run.flows[0].bytes, run.flows[0].goodput_bps);
        expect(run.ends, (octets, rate > 2e6), (1_000_000, true))?;
    }
    Ok(())
}

/// Case: see the table.
pub fn scenarios_end_alike_with_the_kernel_at_one_end(_: &Bench) -> Outcome {
    for (ipv6, sack) in [(false, true), (true, false)] {
        let mut scenario: Scenario = SCENARIO.parse()?;
        scenario.ipv6 = ipv6;
        scenario.hosts = scenario.all_hosts();
        scenario.hosts.iter_mut().for_each(|host| host.tcp.sack = Some(sack));
        let comparison = compare(&scenario)?;
        comparison.differences.iter().for_each(|line| eprintln!("{line}"));
        expect("all that was sent arrived", comparison.intact, true)?;
        let [simulated, runs @ ..] = comparison.runs;
        for run in runs {
            eprintln!("{}: {} resent", run.ends, run.retransmits);
            for (flow, other) in run.flows.iter().zip(&simulated.flows) {
                let octets = (flow.bytes, flow.bytes_back);
                expect(flow.application, octets, (other.bytes, other.bytes_back))?;
            }
            expect("the path's losses were repaired", run.retransmits > 0, true)?;
        }
    }
    Ok(())
}
