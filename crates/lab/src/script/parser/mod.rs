//! Tokens to a [`Script`].

mod call;
mod options;
mod packet;

use std::collections::BTreeMap;
use std::time::Duration;

use super::lexer::{Kind, Token, tokens, unquote};
use super::program::{Action, Event, Script, Time};
use super::{Overrides, ScriptError};

/// How a script is marked that shows a feature which is still to come.
const MARK: &str = "// to come:";

/// What a function of the parser gives.
type Parsed<T> = Result<T, ScriptError>;

impl Script {
    /// Parses a script; `name` is what it is called in messages.
    ///
    /// # Errors
    /// The line, and what is wrong there.
    pub fn parse(name: &str, text: &str, overrides: &Overrides) -> Result<Self, ScriptError> {
        let mark =
            text.lines().find_map(|line| line.trim().strip_prefix(MARK)).map(|feature| feature.trim().to_owned());
        let tokens = tokens(text).map_err(|(line, what)| ScriptError { line, what })?;
        let mut parser = Parser { tokens, at: 0, defined: BTreeMap::new(), v6: false, depth: 0 };
        let options = parser.options(overrides)?;
        parser.v6 = options.family.is_v6_on_the_wire();
        let init = parser.shell();
        let mut events = Vec::new();
        let mut cleanup = None;
        while cleanup.is_none() && parser.peek().is_some() {
            match parser.shell() {
                Some(command) => cleanup = Some(command),
                None => events.push(parser.event()?),
            }
        }
        if let Some(token) = parser.peek() {
            return Err(error(token.line, "the command that cleans up is the last thing in a script"));
        }
        if events.is_empty() {
            return Err(error(1, "there is nothing in it: a script has an event at least"));
        }
        check_times(&events)?;
        Ok(Self { name: name.to_owned(), to_come: mark, options, init, events })
    }
}

/// Times are from the start on, the first is 0, and none runs backwards.
fn check_times(events: &[Event]) -> Parsed<()> {
    let mut latest = Duration::ZERO;
    for (at, event) in events.iter().enumerate() {
        match event.time {
            Time::Absolute(from, to) | Time::Relative(from, to) if to < from => {
                return Err(error(event.line, "the time's range runs backwards"));
            }
            Time::Absolute(from, _) if from < latest => return Err(error(event.line, "time runs backwards")),
            Time::Absolute(from, _) => latest = from,
            Time::Relative(..) | Time::Any => {}
        }
        let zero = matches!(event.time, Time::Absolute(from, _) | Time::Relative(from, _) if from.is_zero());
        if at == 0 && !zero {
            return Err(error(event.line, "the first event is at time 0"));
        }
        let range = matches!(event.time, Time::Absolute(from, to) | Time::Relative(from, to) if from != to);
        if (range || event.time == Time::Any) && !matches!(event.action, Action::Expect(_)) {
            return Err(error(event.line, "only a packet that the stack sends may have a range of times, or any"));
        }
    }
    Ok(())
}

fn error(line: u32, what: impl Into<String>) -> ScriptError {
    ScriptError { line, what: what.into() }
}

/// Reads tokens from the front. The parts of the language are in the files beside.
struct Parser {
    tokens: Vec<Token>,
    at: usize,
    /// What `--define` says: words that stand for another token.
    defined: BTreeMap<String, Token>,
    /// Packets are IPv6.
    v6: bool,
    /// Values around the one that is read.
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<&Token> {
        let token = self.tokens.get(self.at + ahead)?;
        match token.kind {
            Kind::Word => Some(self.defined.get(&token.text).unwrap_or(token)),
            _ => Some(token),
        }
    }

    /// The line of the next token, or of the last one.
    fn line(&self) -> u32 {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |token| token.line)
    }

    fn error<T>(&self, what: impl Into<String>) -> Parsed<T> {
        Err(error(self.line(), what))
    }

    fn next_is(&self, text: &str) -> bool {
        self.peek().is_some_and(|token| token.is(text))
    }

    fn next(&mut self, wanted: &str) -> Parsed<Token> {
        match self.peek().cloned() {
            Some(token) => {
                self.at += 1;
                Ok(token)
            }
            None => self.error(format!("the script ends where {wanted} should stand")),
        }
    }

    /// Takes the next token if it is just this.
    fn take(&mut self, text: &str) -> bool {
        let is = self.next_is(text);
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, text: &str) -> Parsed<()> {
        if self.take(text) { Ok(()) } else { self.unexpected(&format!("`{text}`")) }
    }

    fn unexpected<T>(&self, wanted: &str) -> Parsed<T> {
        match self.peek() {
            Some(token) => self.error(format!("{token} stands where {wanted} should")),
            None => self.error(format!("the script ends where {wanted} should stand")),
        }
    }

    /// A whole number that `T` can hold.
    fn integer<T: TryFrom<i64>>(&mut self, wanted: &str) -> Parsed<T> {
        let line = self.line();
        let token = self.next(wanted)?;
        let value = match token.kind {
            Kind::Integer => integer(&token.text),
            _ => None,
        };
        let value = value.ok_or_else(|| error(line, format!("{token} stands where {wanted} should")))?;
        T::try_from(value).map_err(|_| error(line, format!("{value} is out of range for {wanted}")))
    }

    fn word(&mut self, wanted: &str) -> Parsed<String> {
        match self.peek() {
            Some(Token { kind: Kind::Word, .. }) => Ok(self.next(wanted)?.text),
            _ => self.unexpected(wanted),
        }
    }

    /// A shell command, if one comes next.
    fn shell(&mut self) -> Option<String> {
        let token = self.peek().filter(|token| token.kind == Kind::Shell)?;
        let command = token.text.trim_matches('`').to_owned();
        self.at += 1;
        Some(command)
    }

    fn event(&mut self) -> Parsed<Event> {
        let line = self.line();
        let time = self.time()?;
        let end = self.end_of_call(time)?;
        let action = self.action(end)?;
        Ok(Event { line, time, action })
    }

    fn time(&mut self) -> Parsed<Time> {
        if self.take("*") {
            return Ok(Time::Any);
        }
        let relative = self.take("+");
        let from = self.duration()?;
        let to = if self.take("~") {
            if relative {
                self.expect("+")?;
            }
            self.duration()?
        } else {
            from
        };
        Ok(if relative { Time::Relative(from, to) } else { Time::Absolute(from, to) })
    }

    /// The `...END` behind the time of a call that may block.
    fn end_of_call(&mut self, start: Time) -> Parsed<Option<Duration>> {
        if !self.take("...") {
            return Ok(None);
        }
        self.take("+");
        let end = self.duration()?;
        match start {
            Time::Absolute(from, _) | Time::Relative(from, _) if from > end => {
                self.error("a call can't return before it starts")
            }
            _ => Ok(Some(end)),
        }
    }

    fn duration(&mut self) -> Parsed<Duration> {
        let line = self.line();
        let token = self.next("a time in seconds")?;
        let seconds = match token.kind {
            Kind::Integer | Kind::Float => token.text.parse::<f64>().ok(),
            _ => None,
        };
        let seconds = seconds.ok_or_else(|| error(line, format!("{token} stands where a time in seconds should")))?;
        let time = Duration::try_from_secs_f64(seconds).map_err(|_| error(line, "a time is not negative"))?;
        // The language's resolution is a microsecond; a float alone would miss it by a hair.
        let micros = (time.as_nanos() + 500) / 1000;
        Ok(Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }

    fn action(&mut self, end: Option<Duration>) -> Parsed<Action> {
        let Some(token) = self.peek().cloned() else {
            return self.unexpected("a packet, a call, a command or code");
        };
        if end.is_some() && token.kind != Kind::Word {
            return self.error("only a call may have a time at which it returns");
        }
        match token.kind {
            _ if self.take("<") => Ok(Action::Inject(self.packet(true)?)),
            _ if self.take(">") && self.take("nothing") => Ok(Action::Silence),
            _ if token.is(">") => Ok(Action::Expect(self.packet(false)?)),
            Kind::Word => Ok(Action::Call(self.call(end)?)),
            Kind::Shell => Ok(Action::Shell(self.shell().unwrap_or_default())),
            Kind::Code => {
                self.at += 1;
                let code = token.text.trim_start_matches("%{").trim_end_matches("}%");
                Ok(Action::Code(code.trim_matches([' ', '\t']).to_owned()))
            }
            _ => self.unexpected("a packet, a call, a command or code"),
        }
    }
}

/// A whole number, decimal or hexadecimal.
fn integer(text: &str) -> Option<i64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok().map(u64::cast_signed),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Script, ScriptError> {
        Script::parse("test", text, &Overrides::default())
    }

    fn wrong(text: &str) -> (u32, String) {
        let error = parse(text).unwrap_err();
        (error.line, error.what)
    }

    #[test]
    fn events_may_share_a_line_or_span_several() {
        let script =
            parse("`./defaults.sh`\n0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3 +0 close(3)\n = 0\n `true`").unwrap();
        assert_eq!(script.events.iter().map(|event| event.line).collect::<Vec<_>>(), [2, 2]);
        assert_eq!(script.init.as_deref(), Some("./defaults.sh"));
    }

    #[test]
    fn times_are_absolute_relative_ranges_or_any() {
        let script = parse("0 > . 1:1(0) ack 1 +.5~+1 > nothing").map(|script| script.events[0].time);
        assert!(script.is_err(), "silence has no range");
        let script = parse("0 > . 1:1(0) +.0015~+1 > . 1:1(0) * > . 1:1(0) 2~2.5 > . 1:1(0)").unwrap();
        let times: Vec<Time> = script.events.iter().map(|event| event.time).collect();
        let micros = Duration::from_micros;
        let expected = [
            Time::Absolute(Duration::ZERO, Duration::ZERO),
            Time::Relative(micros(1_500), micros(1_000_000)),
            Time::Any,
            Time::Absolute(micros(2_000_000), micros(2_500_000)),
        ];
        assert_eq!(times, expected);
    }

    #[test]
    fn a_mark_names_what_is_to_come() {
        assert_eq!(parse("// to come: RACK\n0 close(3) = 0").unwrap().to_come.as_deref(), Some("RACK"));
        assert_eq!(parse("0 close(3) = 0").unwrap().to_come, None);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        assert_eq!(wrong("\n1 close(3) = 0"), (2, "the first event is at time 0".into()));
        assert_eq!(wrong("0 close(3) = 0\n2 close(3) = 0\n1 close(3) = 0"), (3, "time runs backwards".into()));
        assert_eq!(wrong("0 close(3) = 0\n+0 < . 1:1(0) ack 1"), (2, "an injected segment needs `win`".into()));
        assert_eq!(wrong("0 < . 1:3(1) win 1"), (1, "1 + 1 is not 3".into()));
        assert_eq!(wrong("0 < S 0:0(0) win 1 <mss 1000,nop>").1, "the options take 5 octets, no multiple of 4");
        assert_eq!(wrong("0 < S 0:0(0) win 1 <...>").1, "only the stack's own options may be any");
        assert_eq!(wrong("0 clos(3) = 0").1, "`clos` is no call that this language has");
        assert_eq!(wrong("0 close(3, SO_NONSENSE) = 0").1, "`SO_NONSENSE` is unknown");
        assert_eq!(wrong("--nonsense=1\n0 close(3) = 0").1, "there is no option --nonsense");
        assert_eq!(wrong("// a comment\n").1, "there is nothing in it: a script has an event at least");
        assert_eq!(wrong("0 close(3) =").1, "the script ends where a result should stand");
    }

    #[test]
    fn a_defined_word_stands_for_what_it_is_defined_as() {
        let script = parse("--define=N=7 -D T=\"cubic\"\n0 write(N, T, N) = N").unwrap();
        let Action::Call(call) = &script.events[0].action else { panic!("a call") };
        assert_eq!(call.to_string(), "write(7, \"cubic\", 7) = 7");
    }
}
