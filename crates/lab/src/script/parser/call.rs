//! System calls.

use std::time::Duration;

use super::{Kind, Parsed, Parser, integer, unquote};
use crate::script::program::{Call, Value};
use crate::script::symbols;

/// The calls that the language has.
const NAMES: [&str; 30] = [
    "socket",
    "bind",
    "listen",
    "accept",
    "connect",
    "read",
    "readv",
    "recv",
    "recvfrom",
    "recvmsg",
    "write",
    "writev",
    "send",
    "sendto",
    "sendmsg",
    "fcntl",
    "ioctl",
    "close",
    "shutdown",
    "getsockopt",
    "setsockopt",
    "poll",
    "cap_set",
    "open",
    "sendfile",
    "epoll_create",
    "epoll_ctl",
    "epoll_wait",
    "pipe",
    "splice",
];

/// Values may stand in each other to this depth.
const DEEPEST: usize = 32;

impl Parser {
    /// `name(arguments) = result [ERRNO] [(note)]`.
    pub(super) fn call(&mut self, end: Option<Duration>) -> Parsed<Call> {
        let name = self.word("a call")?;
        if !NAMES.contains(&name.as_str()) {
            return self.error(format!("`{name}` is no call that this language has"));
        }
        self.expect("(")?;
        let arguments = self.values(")")?;
        self.expect("=")?;
        let result = self.integer("a result")?;
        let mut errno = None;
        if let Some(token) = self.peek().filter(|token| token.kind == Kind::Word && token.text.starts_with('E')) {
            errno = Some(token.text.clone());
            self.at += 1;
        }
        if self.take("(") {
            while !self.take(")") {
                self.next("the end of the note")?;
            }
        }
        Ok(Call { name, arguments, end, result, errno })
    }

    /// Values up to `close`, which is taken too.
    fn values(&mut self, close: &str) -> Parsed<Vec<Value>> {
        let mut values = Vec::new();
        while !self.take(close) {
            values.push(self.value()?);
            if !self.next_is(close) {
                self.expect(",")?;
            }
        }
        Ok(values)
    }

    /// A value; several with `|` between are one number.
    fn value(&mut self) -> Parsed<Value> {
        let mut value = self.single_value()?;
        while self.take("|") {
            let other = self.single_value()?;
            let (Value::Integer(left), Value::Integer(right)) = (&value, &other) else {
                return self.error("only numbers can be joined by `|`");
            };
            value = Value::Integer(left | right);
        }
        Ok(value)
    }

    fn single_value(&mut self) -> Parsed<Value> {
        if self.depth == DEEPEST {
            return self.error(format!("arguments are nested deeper than {DEEPEST} levels"));
        }
        self.depth += 1;
        let value = self.value_here();
        self.depth -= 1;
        value
    }

    fn value_here(&mut self) -> Parsed<Value> {
        let token = self.next("an argument")?;
        Ok(match token.kind {
            Kind::Ellipsis => Value::Ellipsis,
            Kind::Text => {
                let mut text = unquote(&token.text);
                while let Some(more) = self.peek().filter(|token| token.kind == Kind::Text) {
                    text.push_str(&unquote(&more.text));
                    self.at += 1;
                }
                Value::Text(text)
            }
            Kind::Integer => match integer(&token.text) {
                Some(value) => Value::Integer(value),
                None => return self.error(format!("{token} is too large")),
            },
            Kind::Word if self.take("(") => Value::Function(token.text, self.values(")")?),
            Kind::Word => match symbols::value(&token.text) {
                Some(value) => Value::Integer(value),
                None => return self.error(format!("{token} is unknown")),
            },
            _ if token.is("[") => Value::List(self.values("]")?),
            _ if token.is("{") => Value::Struct(self.fields()?),
            _ => return self.error(format!("{token} stands where an argument should")),
        })
    }

    /// Fields `name=value`, `name(…)=value` or only values, up to the closing brace.
    fn fields(&mut self) -> Parsed<Vec<(String, Value)>> {
        let mut fields = Vec::new();
        while !self.take("}") {
            let named = self.peek().is_some_and(|token| token.kind == Kind::Word)
                && self.peek_at(1).is_some_and(|token| token.is("=") || token.is("("));
            let mut name = String::new();
            if named {
                name = self.word("a field")?;
                // `msg_iov(1)=[…]`: the number is that of the elements.
                if self.take("(") {
                    self.values(")")?;
                }
                self.expect("=")?;
            }
            fields.push((name, self.value()?));
            if !self.next_is("}") {
                self.expect(",")?;
            }
        }
        Ok(fields)
    }
}
