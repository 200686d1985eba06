//! Calls that may sleep: made again whenever something has happened.

use std::task::Poll;
use std::time::Duration;

use libc::c_int;
use sockeye_wire::Instant;

use super::super::program::Call;
use super::message::Wanted;
use super::{Run, Step, differs, mismatch};
use crate::sockets::{Errno, Fd, Progress, Writing};

/// A call that sleeps.
#[derive(Debug)]
pub(super) struct Waiting<'a> {
    pub(super) call: &'a Call,
    task: Task,
    started: Duration,
    /// When it is to return, since the script began.
    end: Duration,
    /// When it returns even if nothing happens.
    pub(super) deadline: Option<Instant>,
}

/// What of a call may have to be done again.
#[derive(Debug)]
pub(super) enum Task {
    Accept(Fd),
    Connect(Fd),
    Read {
        fd: Fd,
        max: usize,
        flags: c_int,
    },
    Receive {
        fd: Fd,
        max: usize,
        flags: c_int,
        wanted: Wanted,
    },
    Write(Fd, Writing),
    Poll(Vec<Polled>),
    /// The epoll, how many at most, what is expected of the first.
    EpollWait {
        epoll: Fd,
        max: usize,
        expected: Option<(u32, u64)>,
    },
}

/// A socket, what poll is to look for, and what it is expected to find.
#[derive(Debug)]
pub(super) struct Polled {
    pub(super) fd: Fd,
    pub(super) events: u32,
    pub(super) expected: u32,
}

impl<'a> Run<'a> {
    /// Tries a task. One that sleeps and may is kept for later; `patience` is how long it sleeps at most.
    pub(super) fn begin(
        &mut self,
        call: &'a Call,
        mut task: Task,
        end: Option<Duration>,
        patience: Option<Duration>,
    ) -> Step {
        let started = self.now();
        let deadline = patience.map(|patience| self.sockets.now() + patience);
        let over = patience == Some(Duration::ZERO);
        match (self.attempt(call, &mut task, over)?, end) {
            (Poll::Ready(result), end) => {
                self.returned(call, result)?;
                self.check_end(call, started, end.unwrap_or(started))
            }
            (Poll::Pending, Some(end)) => {
                self.ladder.called(started, &format!("{}(…) sleeps", call.name));
                self.waiting = Some(Waiting { call, task, started, end, deadline });
                Ok(())
            }
            (Poll::Pending, None) => mismatch(format!("{} blocks, and the script doesn't say that it may", call.name)),
        }
    }

    /// Something has happened: a call that sleeps may be over.
    pub(super) fn look_after_waiting(&mut self) -> Step {
        let Some(mut waiting) = self.waiting.take() else {
            return Ok(());
        };
        let over = waiting.deadline.is_some_and(|deadline| self.sockets.now() >= deadline);
        match self.attempt(waiting.call, &mut waiting.task, over)? {
            Poll::Pending => {
                self.waiting = Some(waiting);
                Ok(())
            }
            Poll::Ready(result) => {
                self.returned(waiting.call, result)?;
                self.check_end(waiting.call, waiting.started, waiting.end)
            }
        }
    }

    /// At the end of the script nobody sleeps: what does gets the time to return that the script gives it.
    pub(super) fn finish_waiting(&mut self) -> Step {
        if let Some(end) = self.waiting.as_ref().map(|waiting| waiting.end) {
            let tolerance = self.strictness.tolerance.of(end);
            self.advance(crate::sockets::Sockets::START + end.max(self.now()) + tolerance)?;
        }
        match &self.waiting {
            Some(waiting) => mismatch(format!("{} still sleeps", waiting.call.name)),
            None => Ok(()),
        }
    }

    fn check_end(&self, call: &Call, started: Duration, end: Duration) -> Step {
        let (now, tolerance) = (self.now(), self.strictness.tolerance.of(end.saturating_sub(started)));
        if now + tolerance >= end && now <= end + tolerance {
            return Ok(());
        }
        let at = |time: Duration| format!("{} returns at {:.6} s", call.name, time.as_secs_f64());
        differs("the time differs", &at(end), &at(now))
    }

    /// One attempt; `over` says that patience is at its end.
    fn attempt(&mut self, call: &Call, task: &mut Task, over: bool) -> Step<Progress<i64>> {
        let length = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        let progress = match task {
            Task::Accept(fd) => self.sockets.accept(*fd).map_ok(|(fd, _peer)| {
                self.under_test = Some(fd);
                self.name(call, fd)
            }),
            Task::Connect(fd) => self.sockets.connected(*fd).map_ok(|()| 0),
            Task::Read { fd, max, flags } => self.sockets.read(*fd, *max, *flags).map_ok(|octets| length(octets.len())),
            Task::Receive { fd, max, flags, wanted } => match self.sockets.receive(*fd, *max, *flags) {
                Poll::Ready(Ok(message)) => {
                    let octets = length(message.octets.len());
                    // Where the result differs, that is what is told.
                    if octets == call.result {
                        wanted.check(message, self.strictness.tolerance)?;
                    }
                    Poll::Ready(Ok(octets))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            },
            Task::Write(fd, writing) => self.sockets.write(*fd, writing).map_ok(length),
            Task::Poll(polled) => self.poll_all(polled, over)?,
            Task::EpollWait { epoll, max, expected } => match self.sockets.epoll_wait(*epoll, *max) {
                Ok(ready) if ready.is_empty() && !over => Poll::Pending,
                Ok(ready) => {
                    let first = ready.first().copied();
                    if first != *expected {
                        return differs("events differ", &show_events(*expected), &show_events(first));
                    }
                    Poll::Ready(Ok(length(ready.len())))
                }
                Err(error) => Poll::Ready(Err(error)),
            },
        };
        Ok(progress)
    }

    /// `poll()`: how many of the sockets have something to tell.
    fn poll_all(&mut self, polled: &[Polled], over: bool) -> Step<Progress<i64>> {
        let found = polled.iter().map(|polled| self.sockets.poll(polled.fd, polled.events));
        let found = match found.collect::<Result<Vec<u32>, Errno>>() {
            Ok(found) => found,
            Err(error) => return Ok(Poll::Ready(Err(error))),
        };
        let ready = found.iter().filter(|revents| **revents != 0).count();
        if ready == 0 && !over {
            return Ok(Poll::Pending);
        }
        let expected: Vec<u32> = polled.iter().map(|polled| polled.expected).collect();
        if found != expected {
            return differs("revents differ", &show_bits(&expected), &show_bits(&found));
        }
        Ok(Poll::Ready(Ok(i64::try_from(ready).unwrap_or(i64::MAX))))
    }

    /// The call returned this: is it what the script says?
    pub(super) fn returned(&mut self, call: &Call, result: Result<i64, Errno>) -> Step {
        let (value, errno) = match result {
            Ok(value) => (value, None),
            Err(errno) => (-1, Some(errno)),
        };
        let name = errno.map_or_else(String::new, |errno| format!(" {errno}"));
        let shown = format!("{}(…) = {value}{name}", call.name);
        self.ladder.called(self.now(), &shown);
        let alike = value == call.result
            && match (&call.errno, errno) {
                (Some(expected), Some(errno)) => Errno::by_name(expected) == Some(errno),
                (Some(_), None) => false,
                (None, _) => true,
            };
        if alike { Ok(()) } else { differs("the result differs", call, &shown) }
    }
}

fn show_bits(bits: &[u32]) -> String {
    bits.iter().map(|bits| format!("{bits:#x}")).collect::<Vec<_>>().join(", ")
}

fn show_events(events: Option<(u32, u64)>) -> String {
    events.map_or_else(|| "none".into(), |(bits, data)| format!("{bits:#x} for {data}"))
}
