//! The same scenario with the kernel at one end, in real time, beside the simulated one.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use comfy_table::{CellAlignment, Table, presets};
use sockeye_device::netns;
use sockeye_lab::sim::Scenario;
use sockeye_lab::sim::against_kernel::{Comparison, Figures, FlowFigures, compare};

use crate::failure::{Failure, OrFail, written};

/// Runs the three and prints them side by side.
///
/// # Errors
/// When the scenario can't be run so, a namespace or device can't be made, or not all that was sent arrived.
pub fn run(scenario: &Scenario, json: bool) -> Result<(), Failure> {
    if !netns::may_create() {
        netns::enter_user_namespace().or_fail("making a namespace for the kernel's end")?;
    }
    tell!("sockeye: two runs in real time, {} s each at most", scenario.duration.0.as_secs());
    let comparison = compare(scenario).or_fail("running against the kernel")?;
    let text =
        if json { serde_json::to_string_pretty(&comparison).or_fail("writing JSON")? } else { table(&comparison) };
    written(writeln!(io::stdout(), "{}", text.trim_end()))?;
    if comparison.intact {
        return Ok(());
    }
    Err(Failure::new("running against the kernel", "not all that was sent has arrived: the differences say where"))
}

fn table(comparison: &Comparison) -> String {
    let runs = &comparison.runs;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(std::iter::once("").chain(runs.iter().map(|run| run.ends)));
    let mut row = |name: String, value: &dyn Fn(&Figures) -> String| {
        table.add_row(std::iter::once(name).chain(runs.iter().map(value)));
    };
    let [simulated, ..] = runs;
    for (index, flow) in simulated.flows.iter().enumerate() {
        let name = format!("{} {}", index + 1, flow.application.replace('_', " "));
        let of =
            |run: &Figures, value: &dyn Fn(&FlowFigures) -> String| run.flows.get(index).map(value).unwrap_or_default();
        row(format!("{name}: Mbit/s"), &|run| of(run, &|flow| format!("{:.3}", flow.goodput_bps / 1e6)));
        let took = |flow: &FlowFigures| flow.completion_ms.map_or_else(|| "-".to_owned(), |took| format!("{took:.1}"));
        row("took ms".to_owned(), &|run| of(run, &took));
        row("octets there, back".to_owned(), &|run| of(run, &|flow| format!("{}, {}", flow.bytes, flow.bytes_back)));
    }
    row("resent".to_owned(), &|run| run.retransmits.to_string());
    row("RTOs".to_owned(), &|run| run.rtos.to_string());
    row("intact".to_owned(), &|run| if run.is_intact() { "yes" } else { "no" }.to_owned());
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    let mut text = format!("{table}\n\n");
    // A string takes whatever is written to it.
    let _ = match &comparison.differences[..] {
        [] => writeln!(text, "nothing differs by more than chance and freedom explain"),
        lines => lines.iter().try_for_each(|line| writeln!(text, "{line}")),
    };
    text
}
