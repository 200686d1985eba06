//! The command line.

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Parser, Subcommand};

use crate::commands::{analyze, complete, connect, demo, dump, link, listen, manual, probe, script, serve, sim};
use crate::failure::EXIT_CODES;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// A user-space TCP: carries, serves, connects and shows, beside the kernel's.
///
/// `serve`, `connect`, `listen`, `probe`, `demo` and `link` make a TUN device, which needs root or CAP_NET_ADMIN (`demo` and `sim --against-kernel`
/// help themselves with a user namespace). The device is gone when the command ends. Between interfaces `link`, and of a device
/// `dump`, need CAP_NET_RAW. Else `sim`, `script`, `analyze` and `dump` need nothing.
#[derive(Debug, Parser)]
#[command(name = "sockeye", version, styles = STYLES, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = format!("{EXIT_CODES}\n\n{LOGS}"))]
#[command(after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}\n\n{LOGS}"))]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Examples:
  sockeye demo                        bytes between the kernel's TCP and ours, both ways
  sudo sockeye serve echo             then, elsewhere: nc 10.9.0.2 7
  sudo sockeye serve http .           then, elsewhere: curl http://10.9.0.2/
  sudo sockeye connect 10.9.0.1 8000  our client to a server on this machine's kernel
  sudo sockeye dump --dev tun9        what passes over a device, a line a packet
  sockeye analyze trace.pcapng        what a capture tells of the TCPs in it
  sockeye sim --loss 1% --plot a.svg  a lossy path in virtual time, in figures and pictures
  sockeye script tests/scripts        packetdrill's language on our stack";

const LOGS: &str = "RUST_LOG=debug shows what devices, and hosts on them, do, on standard error.";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Carry bytes between the kernel's TCP and ours, both ways, and show the figures
    Demo(demo::DemoArgs),
    /// Run a server on a host of ours
    Serve(serve::ServeArgs),
    /// Connect to a server: standard input goes there, what it says to standard output
    Connect(connect::ConnectArgs),
    /// Wait for a client: standard input goes there, what it says to standard output
    Listen(listen::ListenArgs),
    /// Measure what a path carries, towards a host that only answers echoes
    Probe(probe::ProbeArgs),
    /// Join two network namespaces, or two interfaces, by a link that is slow, far, lossy, in netem's words
    Link(link::LinkArgs),
    /// Show the packets of a device or a capture, a line each
    Dump(dump::DumpArgs),
    /// Tell what a capture shows of the TCPs in it: figures, graphs, and the problems of RFC 2525
    Analyze(analyze::AnalyzeArgs),
    /// Run scripts in packetdrill's language on our stack, in virtual time
    Script(script::ScriptArgs),
    /// Simulate hosts, a bottleneck and flows in virtual time: figures, captures, pictures
    Sim(Box<sim::SimArgs>),
    /// Print a completion script for a shell
    Completions(complete::CompletionsArgs),
    /// Print the manual page
    Man(manual::ManArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    /// The words of a line for a shell, up to what stands beside it or is not for us; `None` if it is another command's.
    fn words(line: &str) -> Option<Vec<String>> {
        let line = ["$ ", "# ", "  "].iter().find_map(|prompt| line.strip_prefix(prompt))?;
        let line = line.trim_start_matches("sudo ").strip_prefix("sockeye ")?;
        let ours = ["  ", " > ", " | ", " &", ";"].iter().filter_map(|end| line.find(end)).min();
        let line = &line[..ours.unwrap_or(line.len())];
        let quoted = line.split('\'').zip([false, true].into_iter().cycle());
        let words = quoted.flat_map(|(part, is_one)| {
            if is_one { vec![part.to_owned()] } else { part.split_whitespace().map(str::to_owned).collect() }
        });
        Some(std::iter::once("sockeye".to_owned()).chain(words).collect())
    }

    #[test]
    fn the_lines_of_the_documentation_are_understood() {
        let pages = [
            include_str!("../../../README.md"),
            include_str!("../../../docs/laboratory.md"),
            include_str!("../../../docs/gallery.md"),
        ];
        let mut command = Arguments::command();
        command.build();
        let helps = command.get_subcommands().filter_map(clap::Command::get_after_help).map(ToString::to_string);
        let texts: Vec<String> =
            pages.into_iter().map(str::to_owned).chain(helps).chain([EXAMPLES.to_owned()]).collect();
        let lines: Vec<&str> = texts.iter().flat_map(|text| text.lines()).collect();
        let ours: Vec<(&str, Vec<String>)> = lines.into_iter().filter_map(|line| Some((line, words(line)?))).collect();
        assert!(ours.len() > 30, "{}", ours.len());
        for (line, words) in ours {
            let parsed = Arguments::try_parse_from(words);
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
    }
}
