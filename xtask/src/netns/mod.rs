//! `cargo xtask netns-test`: our stack and real peers, each case in a network namespace of its own.
//!
//! A case runs in a child process, which makes its namespace and enters it before it starts any thread. So a case can be
//! ended when it takes too long, and nothing is left of it: devices and addresses go with the namespace. All packets are
//! captured; the capture of a case that passes is deleted.

mod bench;
mod cases;
mod faulty;
mod flows;
mod hostile;
mod kernel_peers;
mod link;
mod programs;
mod simulated;
mod strain;
mod trouble;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Serialize;

use crate::output::print;
use crate::shell::{Outcome, cargo, root, run as run_command};
use cases::all;

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

/// A case that runs in a process group of its own, and the directory for all that it writes. Whoever takes it out of
/// [`RUNNING`] ends the one and deletes the other.
struct Running {
    group: i32,
    scratch: PathBuf,
}

/// For Ctrl-C.
static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

/// What came of all cases.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    pub passed: usize,
    pub failed: usize,
    /// What the namespaces and their devices were like in fact: each kind once.
    pub settings: Vec<String>,
    pub cases: Vec<CaseResult>,
}

/// What came of one case.
#[derive(Debug, Serialize)]
pub struct CaseResult {
    pub name: String,
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
        return all().try_for_each(|case| print(format_args!("{:<60} {}", case.name(), case.about)));
    }
    let summary = run_cases(arguments.filter.as_deref())?;
    if arguments.json {
        print(serde_json::to_string_pretty(&summary)?)?;
    } else {
        print("in namespaces with")?;
        summary.settings.iter().try_for_each(|settings| print(format_args!("  {settings}")))?;
        print(format_args!("{} passed, {} failed", summary.passed, summary.failed))?;
    }
    if summary.failed == 0 { Ok(()) } else { Err("some cases failed: see above".into()) }
}

/// Runs all cases whose name contains `filter`, each in a child process. What is for people goes to standard error.
pub fn run_cases(filter: Option<&str>) -> Outcome<Summary> {
    let chosen: Vec<_> =
        all().map(|case| case.name()).filter(|name| filter.is_none_or(|filter| name.contains(filter))).collect();
    if chosen.is_empty() {
        return Err("no case has such a name: see --list".into());
    }
    // The cases with curl talk to the command itself.
    run_command(cargo().args(["build", "--quiet", "--release", "--bin", "sockeye"]))?;
    end_case_on_interrupt()?;
    let captures = root().join("target/netns-failures");
    fs::create_dir_all(&captures)?;
    let mut summary = Summary::default();
    for name in chosen {
        let (result, settings) = run_child(&name, &captures)?;
        let seconds = result.seconds;
        match &result.error {
            None => eprintln!("test {name} ... ok ({seconds:.1} s)"),
            Some(error) => {
                eprintln!("test {name} ... FAILED ({seconds:.1} s)\n{error}");
                result.capture.iter().for_each(|capture| eprintln!("its packets: {}", capture.display()));
            }
        }
        summary.passed += usize::from(result.ok);
        summary.failed += usize::from(!result.ok);
        summary.cases.push(result);
        summary.settings.extend(settings);
    }
    summary.settings.sort_unstable();
    summary.settings.dedup();
    Ok(summary)
}

/// Runs one case in a child process of its own process group, ended when it takes too long. Gives also what it said of
/// its namespace.
fn run_child(name: &str, captures: &Path) -> Outcome<(CaseResult, Vec<String>)> {
    let scratch = captures.join(format!("{name}.running"));
    fs::create_dir_all(&scratch)?;
    let (captured, log) = (scratch.join("capture"), scratch.join("log"));
    let start = Instant::now();
    let mut child = Command::new(std::env::current_exe()?)
        .args(["netns-test", "--case", name, "--capture"])
        .arg(&captured)
        .env("TMPDIR", &scratch)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log)?)
        .process_group(0)
        .spawn()?;
    let group = i32::try_from(child.id())?;
    set_running(Some(Running { group, scratch: scratch.clone() }));
    let outcome = wait(&mut child);
    let seconds = start.elapsed().as_secs_f32();
    let said = fs::read_to_string(&log).unwrap_or_default();
    let error = outcome.err().map(|error| format!("{error}\n{said}"));
    // A case that never opened its device has no capture.
    let kept = captures.join(format!("{name}.pcapng"));
    let capture = (error.is_some() && fs::rename(&captured, &kept).is_ok()).then_some(kept);
    end_running();
    let settings =
        said.lines().filter_map(|line| line.strip_prefix(bench::Bench::SETTINGS)).map(str::to_owned).collect();
    Ok((CaseResult { name: name.to_owned(), ok: error.is_none(), seconds, error, capture }, settings))
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

fn set_running(running: Option<Running>) -> Option<Running> {
    std::mem::replace(&mut *RUNNING.lock().unwrap_or_else(PoisonError::into_inner), running)
}

/// Ends whatever the case has started and not ended itself, and deletes what it has written and nobody wants.
fn end_running() {
    let Some(Running { group, scratch }) = set_running(None) else { return };
    // Both have gone by themselves, as a rule.
    if let Some(pid) = Pid::from_raw(group) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
    let _ = fs::remove_dir_all(scratch);
}

fn end_case_on_interrupt() -> Outcome {
    static SET: std::sync::Once = std::sync::Once::new();
    let mut outcome = Ok(());
    SET.call_once(|| {
        outcome = ctrlc::set_handler(|| {
            end_running();
            std::process::exit(130);
        });
    });
    outcome.map_err(Into::into)
}

/// Runs one case in this process, which has no threads yet.
fn run_here(name: &str, capture: Option<PathBuf>) -> Outcome {
    let case = all().find(|case| case.name() == name).ok_or("there is no such case")?;
    let bench = bench::Bench::enter(case.over, capture)?;
    (case.run)(&bench)
}
