//! An interpreter for the script language of packetdrill, on our own stack, in virtual time.
//!
//! A script is the peer and the application in one: it injects packets (`<`), says which the stack sends (`>`) and when,
//! and makes system calls. Parsing gives a [`Script`], [`Script::run`] its [`Outcome`]:
//!
//! ```
//! use sockeye_lab::script::{Outcome, Overrides, Script};
//!
//! let script = Script::parse("a RST for a stray", "0 < . 1:1(0) ack 7 win 100 +0 > R 7:7(0)", &Overrides::default())?;
//! assert!(matches!(script.run(&Overrides::default()), Outcome::Passed));
//! # Ok::<(), sockeye_lab::script::ScriptError>(())
//! ```
//!
//! # How it differs from the reference
//!
//! Time is virtual: nothing is late, so by default what is expected must come within a millisecond of when it is
//! expected, the echoed timestamp (`ecr`) is compared, and the TCP checksum is verified.
//! [`Overrides::as_packetdrill`] judges as the reference does: 4 ms or 12.5 % of the interval, and neither of these.
//!
//! Three things are this interpreter's own: the event `+1 > nothing` says that the stack sends nothing for a second; a
//! comment line `// to come: FEATURE` marks a script of a feature that isn't there yet (it is run, and to pass is an error:
//! the mark must go); `--any_psh` leaves PSH out of the comparison.
//!
//! Every script has the settings that `defaults.sh` of the public scripts makes, whether it names it or not. `net.ipv4.*`
//! settings in the first command change them; any other command is [beyond](Outcome::ToCome) a stack outside the kernel.

//= rfc2398#2.6-1

mod expression;
mod ladder;
mod lexer;
mod packet;
mod parser;
mod profile;
mod program;
mod run;
mod symbols;
mod wire;

use std::fmt;

pub use program::Script;

/// What the caller says instead of the script.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Options as they stand in a script, `--mtu=1400` for one: they win over those of the script.
    pub options: Vec<String>,
    /// Judge as the reference tool does: its tolerances; neither echoed timestamps nor checksums are looked at.
    pub as_packetdrill: bool,
}

/// Why a text is no script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// Where, from 1; 0 for an option of the caller.
    pub line: u32,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.what)
    }
}

impl std::error::Error for ScriptError {}

/// What came of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The stack did what the script says.
    Passed,
    /// It didn't.
    Failed(Box<Mismatch>),
    /// It didn't, and wasn't expected to: the feature that the script is marked with, or what this stack doesn't have.
    ToCome(String),
}

/// Where the stack did something else than the script says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The line of the script.
    pub line: u32,
    /// What is wrong, in a few words.
    pub what: String,
    /// What the script says.
    pub expected: Option<String>,
    /// What the stack did.
    pub got: Option<String>,
    /// All that happened before, a line each.
    pub ladder: Vec<String>,
}

impl fmt::Display for Mismatch {
    /// Several lines; the first begins with the line number, so that the script's name fits in front.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.what)?;
        self.expected.iter().try_for_each(|expected| write!(f, "\n  expected  {expected}"))?;
        self.got.iter().try_for_each(|got| write!(f, "\n  got       {got}"))?;
        if !self.ladder.is_empty() {
            f.write_str("\n  so far:")?;
        }
        self.ladder.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

#[cfg(test)]
mod tests;
