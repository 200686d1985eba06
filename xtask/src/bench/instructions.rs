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

/// A function of the bench.
struct Path {
    function: &'static str,
    /// What it stands for.
    name: &'static str,
    /// How many of it one call does.
    times: u64,
    /// What we would like it to cost.
    aim: Option<u64>,
}

const PATHS: [Path; 6] = [
    Path {
        function: "segment_from_end_to_end",
        name: "segment of 1448 octets alone, both ends, checksums, copies, ACKs",
        times: 1000,
        aim: Some(3000),
    },
    Path {
        function: "segment_received",
        name: "segment of 1448 octets alone, its receiver",
        times: 1000,
        aim: Some(1500),
    },
    Path {
        function: "bundled_from_end_to_end",
        name: "segment among others, as on a plain device: cut, merged, both ends",
        times: 1000,
        aim: Some(3000),
    },
    Path { function: "bundled_received", name: "segment among others, its receiver", times: 1000, aim: Some(1500) },
    Path { function: "pure_ack_received", name: "pure ACK of two segments", times: 500, aim: Some(700) },
    Path {
        function: "super_segments_from_end_to_end",
        name: "64 KiB, both ends, checksums offloaded, copies, ACKs",
        times: 100,
        aim: None,
    },
];

#[derive(Serialize)]
struct Row {
    path: &'static str,
    instructions: u64,
    budget: Option<u64>,
    aim: Option<u64>,
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
    let rows = PATHS.iter().map(|&Path { function, name: path, times, aim }| {
        let budget = budget.get(function).copied();
        Ok(Row { path, instructions: instructions(&counted, function)? / times, budget, aim })
    });
    let rows = rows.collect::<Outcome<Vec<Row>>>()?;
    if arguments.accept {
        let accepted: BTreeMap<_, _> =
            PATHS.iter().zip(&rows).map(|(path, row)| (path.function, row.instructions)).collect();
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
    // The budget is of the workspace's own profile.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PROFILE_") || name.ends_with("RUSTFLAGS")) {
            command.env_remove(name);
        }
    }
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
        eprintln!("setup: installing {RUNNER} {version}, once; it is compiled, which takes minutes");
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
    table.set_header(["path", "instructions", "budget", "", "aim"]);
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    for row in rows {
        let verdict = if row.is_within() { "✓" } else { "✗" };
        let cells = [&row.instructions.to_string(), &number(row.budget), verdict, &number(row.aim)];
        table.add_row([row.path].into_iter().chain(cells.into_iter().map(AsRef::as_ref)));
    }
    table
}
