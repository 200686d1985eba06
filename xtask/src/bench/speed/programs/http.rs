//! A file over HTTP: `sockeye serve http` behind a TUN device, nginx on the kernel, both asked by wrk.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::super::clients::Sample;
use super::super::room::{PEER, PORT, Room, Server};
use super::{Process, Scratch, output_of};
use crate::shell::{Outcome, cargo, run};

/// Builds the `sockeye` command beside this program.
pub fn build_sockeye() -> Outcome {
    run(cargo().args(["build", "--quiet", "--release", "--bin", "sockeye"]))
}

/// Serves an object of `octets` by the `sockeye` command, on a device that it makes itself.
pub fn start_sockeye(room: &Room, octets: usize) -> Outcome<Server> {
    let scratch = scratch_with_object(octets)?;
    let mut command = Command::new(std::env::current_exe()?.with_file_name("sockeye"));
    command.args(["serve", "http"]).arg(scratch.path().join("files"));
    command.args(["--dev", "sockeye0", "--addr", &format!("{PEER}/24"), "--port", &PORT.to_string()]);
    Process::start(room, scratch, command)
}

/// Serves it by nginx: a worker a processor, `sendfile`, no log.
pub fn start_nginx(room: &Room, octets: usize) -> Outcome<Server> {
    let scratch = scratch_with_object(octets)?;
    let settings = scratch.path().join("nginx.conf");
    fs::write(&settings, nginx_settings(scratch.path()))?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(scratch.path()).arg("-e").arg(scratch.path().join("errors")).arg("-c").arg(settings);
    Process::start(room, scratch, command)
}

fn scratch_with_object(octets: usize) -> Outcome<Scratch> {
    let scratch = Scratch::new()?;
    let files = scratch.path().join("files");
    fs::create_dir(&files)?;
    fs::write(files.join("object"), vec![b'x'; octets])?;
    Ok(scratch)
}

fn nginx_settings(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "daemon off; user root; worker_processes auto; pid {directory}/pid;
        events {{ worker_connections 1024; }}
        http {{
            access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
            client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
            fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
            server {{ listen {PEER}:{PORT}; root {directory}/files; }}
        }}\n"
    )
}

/// Thousands of requests a second, over as many connections as the plan says.
pub fn requests(room: &Room) -> Outcome<Sample> {
    let (to, plan) = (room.server(), room.plan);
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--connections", &plan.connections.to_string()]);
    wrk.args(["--duration", &format!("{}s", plan.whole_seconds()), &format!("http://{to}/object")]);
    let said = output_of(room, wrk)?;
    // Answers that are none, and connections that broke, have lines of their own.
    if said.contains("Non-2xx") || said.contains("Socket errors") {
        return Err(format!("wrk: {said}").into());
    }
    let rate = said.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:")?.trim().parse::<f64>().ok());
    Ok(Sample::of(rate.ok_or_else(|| format!("wrk said no rate: {said}"))? / 1000.0))
}
