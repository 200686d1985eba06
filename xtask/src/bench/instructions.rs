//! Instructions on each path, held against a budget that stands in the tree: a path that grows fails until somebody has
//! changed the budget, and said why, in the same commit.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::Value;

use crate::output::print;
use crate::shell::{Outcome, cargo, root};

/// Count instructions on the paths that every octet takes, and hold them against the budget.
#[derive(clap::Args, Default)]
pub struct Arguments {
    /// Print one JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// Write what was counted into the budget file.
    #[arg(long)]
    accept: bool,
}

/// The budget: a JSON object, instructions by path.
const BUDGET: &str = "crates/socket/benches/instructions.json";
/// By how much a path may exceed it: what another version of a library may cost.
const TOLERANCE: f64 = 1.03;
/// What runs the bench under valgrind.
const RUNNER: &str = "gungraun-runner";

/// Each function of the bench: the path that it stands for, and how many of it one call does.
const PATHS: [(&str, &str, u64); 6] = [
    ("segment_from_end_to_end", "segment of 1448 octets alone, both ends, checksums, copies, ACKs", 1000),
    ("segment_received", "the same, the receiving side alone", 1000),
    ("bundled_from_end_to_end", "such a segment among others, as on a plain device: cut and merged", 1000),
    ("bundled_received", "the same, the receiving side alone", 1000),
    ("pure_ack_received", "pure ACK of two segments", 500),
    ("super_segments_from_end_to_end", "64 KiB, both ends, checksums offloaded, copies, ACKs", 100),
];

#[derive(Serialize)]
struct Row {
    path: &'static str,
    instructions: u64,
    budget: Option<u64>,
}

impl Row {
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn is_within(&self) -> bool {
        self.budget.is_some_and(|budget| self.instructions as f64 <= budget as f64 * TOLERANCE)
    }
}

pub fn run(arguments: &Arguments) -> Outcome {
    let counted = count()?;
    let budget: BTreeMap<String, u64> = serde_json::from_str(&fs::read_to_string(root().join(BUDGET))?)?;
    let rows = PATHS.iter().map(|&(function, path, times)| {
        let budget = budget.get(function).copied();
        Ok(Row { path, instructions: instructions(&counted, function)? / times, budget })
    });
    let rows = rows.collect::<Outcome<Vec<Row>>>()?;
    if arguments.accept {
        let accepted: BTreeMap<_, _> =
            PATHS.iter().zip(&rows).map(|((name, ..), row)| (name, row.instructions)).collect();
        fs::write(root().join(BUDGET), serde_json::to_string_pretty(&accepted)? + "\n")?;
    }
    if arguments.json {
        print(serde_json::to_string_pretty(&serde_json::json!({ "rows": rows }))?)?;
    } else {
        print(table(&rows))?;
    }
    let over: Vec<&str> = rows.iter().filter(|row| !row.is_within()).map(|row| row.path).collect();
    if over.is_empty() || arguments.accept {
        return Ok(());
    }
    let advice =
        format!("if it is worth it, `cargo xtask bench instructions --accept` and say why in the commit ({BUDGET})");
    Err(format!("more instructions than the budget allows: {}; {advice}", over.join("; ")).into())
}

/// What was counted of a path. One of which nothing was is no path without cost: then the bench isn't what is listed here.
fn instructions(counted: &BTreeMap<String, u64>, function: &str) -> Outcome<u64> {
    let known = counted.get(function).copied().filter(|count| *count > 0);
    known.ok_or_else(|| format!("nothing was counted of {function}: is it still in the bench?").into())
}

/// Runs the bench: instructions by function.
fn count() -> Outcome<BTreeMap<String, u64>> {
    let arguments = ["bench", "--quiet", "-p", "sockeye", "--bench", "instructions", "--", "--output-format=json"];
    let mut command = cargo();
    command.args(arguments).env("GUNGRAUN_RUNNER", runner()?).stderr(Stdio::inherit());
    let output = command.output()?;
    if !output.status.success() {
        return Err("the bench failed; it needs valgrind: cargo xtask setup".into());
    }
    let text = String::from_utf8(output.stdout)?;
    let lines = text.lines().filter(|line| line.starts_with('{')).map(serde_json::from_str::<Value>);
    let mut counted = BTreeMap::new();
    for line in lines {
        let line = line?;
        let function = line["function_name"].as_str().unwrap_or_default().to_owned();
        let instructions =
            instructions_in(&line["profiles"][0]["data"]["total"]).ok_or("a count without instructions")?;
        counted.insert(function, instructions);
    }
    Ok(counted)
}

/// The newest count of instructions, wherever in the summary it stands.
fn instructions_in(value: &Value) -> Option<u64> {
    match value {
        Value::Object(fields) => match fields.get("Ir") {
            Some(count) => newest(&count["values"]),
            None => fields.values().find_map(instructions_in),
        },
        Value::Array(values) => values.iter().find_map(instructions_in),
        _ => None,
    }
}

/// `{"new": N, "old": M}`, or N alone in the first run.
fn newest(values: &Value) -> Option<u64> {
    values["new"].as_u64().or_else(|| values.as_u64()).or_else(|| values.as_object()?.values().find_map(Value::as_u64))
}

/// The bench's runner, installed under target/ if it isn't there yet: it must have the version of the library.
pub fn runner() -> Outcome<PathBuf> {
    let version = locked_version("gungraun")?;
    let tools = root().join("target/tools").join(&version);
    let runner = tools.join("bin").join(RUNNER);
    if !runner.is_file() {
        eprintln!("setup: installing {RUNNER} {version}");
        let mut install = cargo();
        install.args(["install", "--quiet", "--locked", RUNNER, "--version", &version, "--root"]).arg(&tools);
        crate::shell::run(&mut install)?;
    }
    Ok(runner)
}

/// The version of a package in Cargo.lock.
fn locked_version(package: &str) -> Outcome<String> {
    let lock = fs::read_to_string(root().join("Cargo.lock"))?;
    let name = format!("name = \"{package}\"");
    let line = lock.lines().skip_while(|line| *line != name).nth(1);
    let version = line.and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    Ok(version.ok_or_else(|| format!("{package} is not in Cargo.lock"))?.to_owned())
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["path", "instructions", "budget", ""]);
    for row in rows {
        let budget = row.budget.map_or_else(|| "-".to_owned(), |budget| budget.to_string());
        let verdict = if row.is_within() { "✓" } else { "✗" };
        table.add_row([row.path, &row.instructions.to_string(), &budget, verdict]);
    }
    table
}
