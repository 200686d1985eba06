//! What stands in `%{ }%`: as much of Python as assertions about `tcp_info` need.
//!
//! Statements: `assert condition[, message]`, `name = value`, `name += value` and the like, `pass`, `import` and `print(…)`,
//! which do nothing. Values are whole numbers, floats, text and lists; operators those of Python, with its precedence and its
//! results; of functions `abs`, `bool`, `float`, `int`, `len`, `max`, `min`, `round` and `str`. Whole numbers have 128 bits:
//! larger ones are beyond it, as all other Python is.

mod evaluate;
mod parse;

use std::collections::BTreeMap;
use std::fmt;

use crate::sockets::LinuxTcpInfo;

/// Why code didn't hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// An assertion failed; it, and what its names stand for.
    Failed { assertion: String, values: String },
    /// It isn't Python, or names what isn't there.
    Mistake(String),
    /// It asks for what this stack doesn't tell, or is more Python than assertions need.
    Beyond(String),
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Value>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => f.write_str(text),
            Self::List(values) => {
                let values: Vec<String> = values.iter().map(Self::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
        }
    }
}

/// What the code of one script has assigned; it lasts from one piece of code to the next.
#[derive(Debug, Default)]
pub(super) struct Variables(BTreeMap<String, Value>);

impl Variables {
    /// Runs code while the connection is as `info` says.
    pub(super) fn run(&mut self, code: &str, info: &LinuxTcpInfo) -> Result<(), Problem> {
        for statement in parse::statements(code)? {
            evaluate::statement(&statement, &mut self.0, info)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
