//! iperf3 at both ends: whether our own clients and servers do the kernel justice.

use std::process::Command;

use serde_json::Value;

use super::super::clients::Sample;
use super::super::room::{PORT, Room, Server, Task};
use super::{Process, Scratch, output_of};
use crate::shell::Outcome;

/// Starts its server.
pub fn start(room: &Room) -> Outcome<Server> {
    let mut command = Command::new("iperf3");
    command.args(["--server", "--bind", &room.server().ip().to_string(), "--port", &PORT.to_string()]);
    Process::start(room, Scratch::new()?, command)
}

/// Gbit/s that one connection carries, in the direction that the server's task gives it.
pub fn bulk(room: &Room) -> Outcome<Sample> {
    let (to, plan) = (room.server(), room.plan);
    let mut iperf3 = Command::new("iperf3");
    iperf3.args(["--client", &to.ip().to_string(), "--port", &to.port().to_string(), "--json"]);
    iperf3.args(["--length", "256K", "--time", &plan.whole_seconds().to_string()]);
    if matches!(plan.task, Task::Source { .. }) {
        iperf3.arg("--reverse");
    }
    let said: Value = serde_json::from_str(&output_of(room, iperf3)?)?;
    let rate = said["end"]["sum_received"]["bits_per_second"].as_f64().ok_or("iperf3 said no rate")?;
    Ok(Sample::of(rate / 1e9))
}
