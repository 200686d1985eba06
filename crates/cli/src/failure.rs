//! What went wrong, for people: one line that says what failed, why, and what to do.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// What `--help` says of exit codes.
pub const EXIT_CODES: &str = "\
Exit codes:
  0    it worked
  1    it failed; one line on standard error says what, why, and what to do
  2    the arguments are wrong
  130  ended by Ctrl-C (or SIGTERM), connections closed";

/// How the process ends when it didn't work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Something failed.
    Failed = 1,
    /// The arguments don't fit together, or not with the machine.
    Usage = 2,
    /// The user ended it.
    Interrupted = 130,
}

/// Why a command ended early.
#[derive(Debug)]
pub struct Failure {
    status: Status,
    what: String,
    why: String,
    advice: Option<String>,
}

impl Failure {
    /// `what` failed because of `why`. `what` is a noun or a gerund: "reading x.pcap".
    pub fn new(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { status: Status::Failed, what: what.into(), why: reason(&why), advice: None }
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }

    /// The arguments can't be met.
    pub fn usage(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { status: Status::Usage, ..Self::new(what, why) }
    }

    /// The user wanted it to end.
    pub fn interrupted() -> Self {
        Self { status: Status::Interrupted, ..Self::new("", "") }
    }

    /// True if the user wanted it, which needs no explanation.
    pub fn is_interrupted(&self) -> bool {
        self.status == Status::Interrupted
    }

    /// How the process ends.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status as u8)
    }
}

/// What an error says, without the number that the standard library adds to the words of the operating system.
fn reason(why: &impl fmt::Display) -> String {
    let text = why.to_string();
    match text.rsplit_once(" (os error ") {
        Some((words, number)) if number.ends_with(')') => words.to_owned(),
        _ => text,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_interrupted() {
            return f.write_str("interrupted");
        }
        let Self { what, why, advice, .. } = self;
        write!(f, "{what} failed: {why}")?;
        advice.iter().try_for_each(|advice| write!(f, "; {advice}"))
    }
}

/// Turns what the layers below say into a [`Failure`].
pub trait OrFail<T> {
    /// `what` failed, if it did.
    fn or_fail(self, what: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> OrFail<T> for Result<T, E> {
    fn or_fail(self, what: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|why| Failure::new(what, why))
    }
}

/// `path`, which the user has named, can't be opened.
pub fn unopened(path: &Path, why: io::Error) -> Failure {
    let advice = match why.kind() {
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::PermissionDenied => "let this user read it",
        _ => "give another",
    };
    Failure::new(format!("opening {}", path.display()), why).advice(advice)
}

/// What came of writing to standard output. Nobody reading it any more (`sockeye dump | head`) is a reason to stop, not
/// to complain: `Ok(false)` then.
pub fn written(outcome: io::Result<()>) -> Result<bool, Failure> {
    match outcome {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new("writing to standard output", error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line_of_what_why_and_what_to_do() {
        let why = io::Error::from_raw_os_error(2);
        let failure = Failure::new("reading x.pcap", why).advice("check the path");
        assert_eq!(failure.to_string(), "reading x.pcap failed: No such file or directory; check the path");
        assert_eq!(failure.exit_code(), ExitCode::from(1));
        assert_eq!(Failure::usage("x", "y").exit_code(), ExitCode::from(2));
        let why = io::Error::from_raw_os_error(13);
        let said = unopened(Path::new("x"), why).to_string();
        assert_eq!(said, "opening x failed: Permission denied; let this user read it");
    }

    #[test]
    fn a_reader_who_has_gone_is_no_failure() {
        assert!(written(Ok(())).is_ok_and(|goes_on| goes_on));
        assert!(written(Err(io::ErrorKind::BrokenPipe.into())).is_ok_and(|goes_on| !goes_on));
        assert!(written(Err(io::ErrorKind::StorageFull.into())).is_err());
    }
}
