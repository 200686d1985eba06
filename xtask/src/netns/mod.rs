//! `cargo xtask netns-test`: our stack and real peers, each case in a network namespace of its own.
//!
//! A case runs in a child process, which makes its namespace and enters it before it starts any thread. So a case can be
//! ended when it takes too long, and nothing is left of it: devices and addresses go with the namespace. All packets are
//! captured; the capture of a case that passes is deleted.

mod bench;
mod cases;
mod kernel_peers;
mod link;
mod programs;
mod trouble;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;

use crate::shell::{Outcome, cargo, root, run as run_command};
use cases::CASES;

/// Run the tests with real peers in network namespaces.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only cases whose name contains this.
    filter: Option<String>,
    /// Only list the cases.
    #[arg(long)]
    list: bool,
    /// Print one JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// Run this one case in this process.
    #[arg(long, hide = true)]
    case: Option<String>,
    /// Where the case is captured.
    #[arg(long, hide = true, requires = "case")]
    capture: Option<PathBuf>,
}

/// How long a case may take.
const LIMIT: Duration = Duration::from_secs(120);

/// The process group of the case that runs, for Ctrl-C; 0 if none does.
static RUNNING: AtomicI32 = AtomicI32::new(0);

/// What came of all cases.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    pub passed: usize,
    pub failed: usize,
    pub cases: Vec<CaseResult>,
}

/// What came of one case.
#[derive(Debug, Serialize)]
pub struct CaseResult {
    pub name: &'static str,
    pub ok: bool,
    pub seconds: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Outcome {
    if let Some(name) = &arguments.case {
        return run_here(name, arguments.capture.clone());
    }
    if arguments.list {
        CASES.iter().for_each(|case| println!("{:<44} {}", case.name, case.about));
        return Ok(());
    }
    let summary = run_cases(arguments.filter.as_deref())?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        println!("{} passed, {} failed", summary.passed, summary.failed);
    }
    if summary.failed == 0 { Ok(()) } else { Err("some cases failed: see above".into()) }
}

/// Runs all cases whose name contains `filter`, each in a child process. What is for people goes to standard error.
pub fn run_cases(filter: Option<&str>) -> Outcome<Summary> {
    let chosen: Vec<_> = CASES.iter().filter(|case| filter.is_none_or(|filter| case.name.contains(filter))).collect();
    if chosen.is_empty() {
        return Err("no case has such a name: see --list".into());
    }
    // The cases with curl talk to the command itself.
    run_command(cargo().args(["build", "--quiet", "--release", "--bin", "sockeye"]))?;
    end_case_on_interrupt()?;
    let captures = root().join("target/netns-failures");
    fs::create_dir_all(&captures)?;
    let mut summary = Summary::default();
    for case in chosen {
        let result = run_child(case.name, &captures)?;
        let seconds = result.seconds;
        match &result.error {
            None => eprintln!("test {} ... ok ({seconds:.1} s)", case.name),
            Some(error) => eprintln!("test {} ... FAILED ({seconds:.1} s)\n{error}", case.name),
        }
        summary.passed += usize::from(result.ok);
        summary.failed += usize::from(!result.ok);
        summary.cases.push(result);
    }
    Ok(summary)
}

/// Runs one case in a child process of its own process group, ended when it takes too long.
fn run_child(name: &'static str, captures: &Path) -> Outcome<CaseResult> {
    let capture = captures.join(format!("{name}.pcapng"));
    let log = captures.join(format!("{name}.log"));
    let start = Instant::now();
    let mut child = Command::new(std::env::current_exe()?)
        .args(["netns-test", "--case", name, "--capture"])
        .arg(&capture)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log)?)
        .process_group(0)
        .spawn()?;
    let group = i32::try_from(child.id())?;
    RUNNING.store(group, Ordering::Relaxed);
    let outcome = wait(&mut child);
    RUNNING.store(0, Ordering::Relaxed);
    // Whatever the case has started and not ended itself.
    end_group(group);
    let seconds = start.elapsed().as_secs_f32();
    let error = outcome.err().map(|error| format!("{error}\n{}", fs::read_to_string(&log).unwrap_or_default()));
    fs::remove_file(&log)?;
    let kept = error.is_some() && capture.exists();
    if !kept {
        // A case that never opened its device has no capture.
        let _ = fs::remove_file(&capture);
    }
    Ok(CaseResult { name, ok: error.is_none(), seconds, error, capture: kept.then_some(capture) })
}

fn wait(child: &mut Child) -> Outcome {
    let start = Instant::now();
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("{status}").into()),
            None if start.elapsed() > LIMIT => return Err(format!("not done after {LIMIT:?}").into()),
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn end_group(group: i32) {
    if let Some(pid) = Pid::from_raw(group) {
        // It has ended by itself, as a rule.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

fn end_case_on_interrupt() -> Outcome {
    static SET: std::sync::Once = std::sync::Once::new();
    let mut outcome = Ok(());
    SET.call_once(|| {
        outcome = ctrlc::set_handler(|| {
            let group = RUNNING.load(Ordering::Relaxed);
            if group != 0 {
                end_group(group);
            }
            std::process::exit(130);
        });
    });
    outcome.map_err(Into::into)
}

/// Runs one case in this process, which has no threads yet.
fn run_here(name: &str, capture: Option<PathBuf>) -> Outcome {
    let case = CASES.iter().find(|case| case.name == name).ok_or("there is no such case")?;
    let bench = bench::Bench::enter(capture)?;
    (case.run)(&bench)
}
