//! `cargo xtask setup`: the programs that the tests talk to.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::shell::Outcome;

/// Install what the tests need.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only say what is missing; fail if anything is.
    #[arg(long)]
    check: bool,
}

/// Programs and the Debian packages that bring them.
const NEEDED: [(&str, &str); 12] = [
    ("ip", "iproute2"),
    ("nc.openbsd", "netcat-openbsd"),
    ("ncat", "ncat"),
    ("curl", "curl"),
    ("iperf3", "iperf3"),
    ("tcpdump", "tcpdump"),
    ("python3", "python3"),
    ("tshark", "tshark"),
    ("tcptrace", "tcptrace"),
    ("valgrind", "valgrind"),
    ("wrk", "wrk"),
    ("nginx", "nginx-light"),
];

pub fn run_quietly() -> Outcome {
    run_setup(false)
}

pub fn run(arguments: &Arguments) -> Outcome {
    run_setup(arguments.check)
}

fn run_setup(check: bool) -> Outcome {
    let missing: Vec<_> = NEEDED.iter().filter(|(program, _)| !is_there(program)).collect();
    if missing.is_empty() {
        eprintln!("setup: nothing is missing");
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    let may_install = Path::new("/etc/debian_version").exists() && rustix::process::geteuid().is_root();
    if check || !may_install {
        let advice = "install them (Debian: as root, `cargo xtask setup` does it)";
        let message = format!("setup: missing: {}; {advice}", packages.join(", "));
        if check {
            return Err(message.into());
        }
        eprintln!("{message}");
        return Ok(());
    }
    eprintln!("setup: installing {}", packages.join(", "));
    let quiet = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    crate::shell::run(&mut quiet(&["update", "-q"]))?;
    let mut install = quiet(&["install", "-q", "-y", "--no-install-recommends"]);
    crate::shell::run(install.args(packages))
}

/// True if the program is on the path.
pub fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}
