//! Going into a namespace: a thread, a piece of work, a process.

use std::io;
use std::os::fd::AsFd;
use std::process::{Child, Command};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::Namespace;
use crate::Error;

impl Namespace {
    /// Moves the calling thread into this namespace. What it has opened stays where it was opened; what it opens from
    /// now on, and the threads and processes that it starts, are in here.
    ///
    /// # Errors
    /// [`Error::NotPermitted`], [`Error::Io`].
    pub fn enter(&self) -> Result<(), Error> {
        move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|error| Error::io("entering a network namespace")(error.into()))
    }

    /// Runs `work` on a thread of its own inside this namespace and waits for it. A panic in there goes on out here.
    ///
    /// # Errors
    /// Those of [`Self::enter`].
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        thread::scope(|scope| {
            let thread = thread::Builder::new()
                .spawn_scoped(scope, || self.enter().map(|()| work()))
                .map_err(Error::io("starting a thread"))?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Starts a process inside this namespace.
    ///
    /// # Errors
    /// Those of [`Self::enter`] and of [`Command::spawn`].
    pub fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        // A process is born where the thread is that starts it.
        self.run(|| command.spawn())?
    }
}
