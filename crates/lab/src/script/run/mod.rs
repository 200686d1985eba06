//! Running a script: events in their order, each at its time.

mod calls;
mod compare;
mod flow;
mod message;
mod packets;
mod waiting;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use sockeye::Cidr;
use sockeye_wire::Instant;

use super::expression::{Problem, Variables};
use super::ladder::Ladder;
use super::program::{Action, Event, Options, Script, Time};
use super::{Mismatch, Outcome, Overrides, profile};
use crate::sockets::{Fd, Sockets};
use flow::Flow;
use waiting::Waiting;

/// What the runner of the public scripts uses: the stack's address and the peer's.
const LOCAL_V4: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 1);
const REMOTE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const LOCAL_V6: Ipv6Addr = Ipv6Addr::new(0xfd3d, 0x0a0b, 0x17d6, 0, 0, 0, 0, 1);
const REMOTE_V6: Ipv6Addr = Ipv6Addr::new(0xfd3d, 0xfa7b, 0xd17d, 0, 0, 0, 0, 1);
/// The peer's port of the first passive connection.
const FIRST_PORT: u16 = 53_000;
/// Deadlines in a row at which the clock doesn't move: more is a stack that spins.
const SPINNING: u32 = 10_000;

/// How much later or earlier than scripted something may happen.
#[derive(Clone, Copy, Debug)]
struct Tolerance {
    least: Duration,
    percent: f64,
}

impl Tolerance {
    /// For something that is to happen `interval` after the event before.
    fn of(self, interval: Duration) -> Duration {
        self.least.max(interval.mul_f64(self.percent / 100.0))
    }
}

/// How strictly a script is judged.
#[derive(Clone, Copy, Debug)]
struct Strictness {
    tolerance: Tolerance,
    checksums: bool,
    echoes: bool,
    psh: bool,
    /// A tick of timestamps, if values are compared.
    ts_tick: Option<Duration>,
    aggregates: bool,
}

impl Strictness {
    fn new(options: &Options, overrides: &Overrides) -> Self {
        let as_reference = overrides.as_packetdrill;
        let (least, percent) = if as_reference { (4, 12.5) } else { (1, 0.0) };
        Self {
            tolerance: Tolerance {
                least: options.tolerance.unwrap_or(Duration::from_millis(least)),
                percent: options.tolerance_percent.unwrap_or(percent),
            },
            checksums: !as_reference,
            echoes: !as_reference,
            psh: !options.any_psh,
            ts_tick: options.ts_tick,
            aggregates: !options.strict_segments,
        }
    }
}

/// Why a script ended early.
#[derive(Debug)]
enum Stop {
    Mismatch {
        what: String,
        expected: Option<String>,
        got: Option<String>,
    },
    /// It needs something that this stack doesn't have.
    Beyond(String),
}

type Step<T = ()> = Result<T, Stop>;

fn mismatch<T>(what: impl Into<String>) -> Step<T> {
    Err(Stop::Mismatch { what: what.into(), expected: None, got: None })
}

fn differs<T>(what: impl Into<String>, expected: &dyn ToString, got: &dyn ToString) -> Step<T> {
    Err(Stop::Mismatch { what: what.into(), expected: Some(expected.to_string()), got: Some(got.to_string()) })
}

impl Script {
    /// Runs the script on a stack of its own.
    pub fn run(&self, overrides: &Overrides) -> Outcome {
        let outcome = self.outcome(overrides);
        match (outcome, &self.to_come) {
            (Outcome::Failed(_), Some(feature)) => Outcome::ToCome(feature.clone()),
            (Outcome::Passed, Some(feature)) => Outcome::Failed(Box::new(Mismatch {
                line: 1,
                what: format!("it passes, so its mark must go: `// to come: {feature}`"),
                expected: None,
                got: None,
                ladder: Vec::new(),
            })),
            (outcome, _) => outcome,
        }
    }

    fn outcome(&self, overrides: &Overrides) -> Outcome {
        let mut run = match Run::new(self, overrides) {
            Ok(run) => run,
            Err(beyond) => return Outcome::ToCome(beyond),
        };
        match run.all() {
            Ok(()) => Outcome::Passed,
            Err((_, Stop::Beyond(what))) => Outcome::ToCome(what),
            Err((line, Stop::Mismatch { what, expected, got })) => {
                let ladder = run.ladder.into_lines();
                Outcome::Failed(Box::new(Mismatch { line, what, expected, got, ladder }))
            }
        }
    }
}

/// A script under way.
struct Run<'a> {
    script: &'a Script,
    strictness: Strictness,
    local: IpAddr,
    remote: IpAddr,
    sockets: Sockets,
    /// The script's numbers of sockets, and ours.
    fds: BTreeMap<i64, Fd>,
    /// The socket under test: the last that was made, or what came of it.
    under_test: Option<Fd>,
    /// The socket under test is connecting: its SYN tells which connection is under test.
    connecting: bool,
    /// The connection under test, once a packet has told.
    flow: Option<Flow>,
    next_port: u16,
    /// A call that sleeps.
    waiting: Option<Waiting<'a>>,
    variables: Variables,
    ladder: Ladder,
}

impl<'a> Run<'a> {
    fn new(script: &'a Script, overrides: &Overrides) -> Result<Self, String> {
        let options = &script.options;
        let v6 = options.family.is_v6_on_the_wire();
        let either = |v4: Ipv4Addr, v6_address: Ipv6Addr| if v6 { IpAddr::V6(v6_address) } else { IpAddr::V4(v4) };
        let local = options.local.unwrap_or(either(LOCAL_V4, LOCAL_V6));
        let remote = options.remote.unwrap_or(either(REMOTE_V4, REMOTE_V6));
        if local.is_ipv4() == v6 || remote.is_ipv4() == v6 {
            return Err("addresses of another version of IP than --ip_version".into());
        }
        let mut sockets = Sockets::new(profile::stack_config(script)?);
        let network = Cidr::new(local, if v6 { 48 } else { 16 }).ok_or("a prefix longer than the address")?;
        sockets.add_address(network);
        Ok(Self {
            script,
            strictness: Strictness::new(options, overrides),
            local,
            remote,
            sockets,
            fds: BTreeMap::new(),
            under_test: None,
            connecting: false,
            flow: None,
            next_port: FIRST_PORT,
            waiting: None,
            variables: Variables::default(),
            ladder: Ladder::default(),
        })
    }

    /// Runs all events; a failure comes with its line.
    fn all(&mut self) -> Result<(), (u32, Stop)> {
        let script = self.script;
        for event in &script.events {
            self.event(event).map_err(|stop| (event.line, stop))?;
        }
        let last = script.events.last().map_or(1, |event| event.line);
        self.finish_waiting().map_err(|stop| (last, stop))
    }

    /// Since the script began.
    fn now(&self) -> Duration {
        self.sockets.now().since(Sockets::START)
    }

    fn event(&mut self, event: &'a Event) -> Step {
        let base = self.now();
        let (from, to) = match event.time {
            Time::Absolute(from, to) => (from, to),
            Time::Relative(from, to) => (base + from, base + to),
            Time::Any => (base, Duration::MAX),
        };
        if let Action::Expect(packet) = &event.action {
            return self.expect(packet, base, from, to);
        }
        if from < base {
            return mismatch(format!("it is {:.6} s already", base.as_secs_f64()));
        }
        self.advance(Sockets::START + from)?;
        match &event.action {
            Action::Inject(packet) => self.inject(packet),
            Action::Expect(_) => Ok(()),
            Action::Silence => self.expect_silence(),
            Action::Call(call) => {
                let end = call.end.map(|end| match event.time {
                    Time::Absolute(..) | Time::Any => end,
                    Time::Relative(..) => base + end,
                });
                self.call(call, end)
            }
            Action::Shell(command) => self.shell(command),
            Action::Code(code) => self.code(code),
        }
    }

    /// Lets time pass until then, acting on all that is due.
    fn advance(&mut self, until: Instant) -> Step {
        let mut at_once = 0;
        while let Some(due) = self.next_due().filter(|due| *due <= until) {
            at_once = if due <= self.sockets.now() { at_once + 1 } else { 0 };
            if at_once > SPINNING {
                return mismatch("the stack's timers spin: they are due again and again at the same time");
            }
            self.sockets.advance(due);
            self.look_after_waiting()?;
        }
        self.sockets.advance(until);
        Ok(())
    }

    /// When something happens by itself: a timer of the stack's, or the end of a call's patience.
    fn next_due(&mut self) -> Option<Instant> {
        let patience = self.waiting.as_ref().and_then(|waiting| waiting.deadline);
        [self.sockets.next_timeout(), patience].into_iter().flatten().min()
    }

    /// A command in mid-script: what the profile understands has no effect any more, so nothing of it is understood.
    #[expect(clippy::unused_self, reason = "an action like the others")]
    fn shell(&self, command: &str) -> Step {
        Err(Stop::Beyond(format!("the command `{command}` in mid-script")))
    }

    fn code(&mut self, code: &str) -> Step {
        let Some(fd) = self.under_test else {
            return mismatch("there is no socket for code to look at");
        };
        let info = match self.sockets.tcp_info(fd) {
            Ok(info) => info,
            Err(error) => return mismatch(format!("no tcp_info: {error}")),
        };
        match self.variables.run(code, &info) {
            Ok(()) => Ok(()),
            Err(Problem::Beyond(what)) => Err(Stop::Beyond(what)),
            Err(Problem::Mistake(what)) => mismatch(format!("the code is wrong: {what}")),
            Err(Problem::Failed { assertion, values }) => differs("the assertion failed", &assertion, &values),
        }
    }
}
