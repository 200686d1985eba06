//! What a script says, once parsed.

use std::fmt;
use std::time::Duration;

use super::packet::Packet;
use crate::sockets::Family;

/// A script.
#[derive(Clone, Debug)]
pub struct Script {
    /// What it is called in messages: its path.
    pub name: String,
    /// The feature that is still to come, if the script is marked with one: a comment line `// to come: FEATURE`.
    pub to_come: Option<String>,
    pub(super) options: Options,
    /// The shell command before the first event.
    pub(super) init: Option<String>,
    pub(super) events: Vec<Event>,
}

/// What the lines `--name=value` say, or the caller instead of them.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) family: Family,
    pub(super) local: Option<std::net::IpAddr>,
    pub(super) remote: Option<std::net::IpAddr>,
    pub(super) bind_port: u16,
    pub(super) connect_port: u16,
    pub(super) mtu: u16,
    /// GRO: octets in each segment of an injected packet that is larger.
    pub(super) mss: u16,
    pub(super) tolerance: Option<Duration>,
    pub(super) tolerance_percent: Option<f64>,
    /// A tick of timestamps; values are compared if it is given.
    pub(super) ts_tick: Option<Duration>,
    pub(super) ts_ecr_scaled: bool,
    pub(super) strict_segments: bool,
    /// PSH is not compared.
    pub(super) any_psh: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            family: Family::V4,
            local: None,
            remote: None,
            bind_port: 8080,
            connect_port: 8080,
            mtu: 1500,
            mss: 0,
            tolerance: None,
            tolerance_percent: None,
            ts_tick: None,
            ts_ecr_scaled: false,
            strict_segments: false,
            any_psh: false,
        }
    }
}

/// Something that happens.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// Where it stands, from 1.
    pub(super) line: u32,
    pub(super) time: Time,
    pub(super) action: Action,
}

/// When it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// Since the start of the script, and until when at most.
    Absolute(Duration, Duration),
    /// Since the event before.
    Relative(Duration, Duration),
    /// At any time.
    Any,
}

/// What happens.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// A packet arrives at the stack.
    Inject(Packet),
    /// The stack sends a packet.
    Expect(Packet),
    /// The stack sends nothing from the event before until now.
    Silence,
    /// The application calls.
    Call(Call),
    /// A shell command.
    Shell(String),
    /// Assertions about `tcp_info`.
    Code(String),
}

/// A system call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) arguments: Vec<Value>,
    /// When it returns, if it may block: a time of the same kind as the event's.
    pub(super) end: Option<Duration>,
    pub(super) result: i64,
    /// The name of the error.
    pub(super) errno: Option<String>,
}

/// An argument of a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// `...`: the interpreter knows what.
    Ellipsis,
    /// A number; symbols are numbers.
    Integer(i64),
    Text(String),
    /// `[…]`
    List(Vec<Value>),
    /// `{…}`: each field with its name, empty for those that have none.
    Struct(Vec<(String, Value)>),
    /// `name(…)`.
    Function(String, Vec<Value>),
}

impl Value {
    /// The number, if it is one, or a list with one number in it.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            Self::List(values) if values.len() == 1 => values.first().and_then(Self::integer),
            _ => None,
        }
    }

    /// The field of that name, if it is a structure that has it.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Struct(fields) => fields.iter().find(|(known, _)| known == name).map(|(_, value)| value),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ellipsis => f.write_str("..."),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(values) => write!(f, "[{}]", joined(values)),
            Self::Function(name, values) => write!(f, "{name}({})", joined(values)),
            Self::Struct(fields) => {
                let fields = fields.iter().map(|(name, value)| match name.as_str() {
                    "" => value.to_string(),
                    name => format!("{name}={value}"),
                });
                write!(f, "{{{}}}", fields.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

fn joined(values: &[Value]) -> String {
    values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}) = {}", self.name, joined(&self.arguments), self.result)?;
        self.errno.iter().try_for_each(|errno| write!(f, " {errno}"))
    }
}
