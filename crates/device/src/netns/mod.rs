//! Network namespaces: hosts of one's own on one machine.
//!
//! A [`Namespace`] is nothing but a descriptor: no name, no mount. It ends with the last descriptor, thread and device
//! in it, so that there is nothing to clean up, also after a crash.

mod configure;
mod user;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::Error;
pub use configure::Settings;
pub use user::{enter_user_namespace, may_create};

/// A network namespace.
#[derive(Debug)]
pub struct Namespace {
    file: File,
}

/// The namespace of the calling thread, not of its process.
const OWN: &str = "/proc/thread-self/ns/net";

impl Namespace {
    /// A new namespace, its loopback down and no other device in it. The calling thread stays where it is.
    ///
    /// # Errors
    /// [`Error::NotPermitted`] unless the process has `CAP_SYS_ADMIN` here: as root, or after
    /// [`enter_user_namespace`].
    pub fn create() -> Result<Self, Error> {
        let file = thread::spawn(|| -> io::Result<File> {
            unshare(UnshareFlags::NEWNET)?;
            File::open(OWN)
        });
        let file = file.join().unwrap_or_else(|_| Err(io::Error::other("the thread has panicked")));
        file.map(|file| Self { file }).map_err(Error::io("creating a network namespace"))
    }

    /// The namespace that the calling thread is in.
    ///
    /// # Errors
    /// [`Error::Io`] where /proc is not mounted.
    pub fn current() -> Result<Self, Error> {
        File::open(OWN).map(|file| Self { file }).map_err(Error::io("opening /proc/thread-self/ns/net"))
    }

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
            let thread = scope.spawn(|| self.enter().map(|()| work()));
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[expect(unsafe_code, reason = "unsharing changes what the thread sees of the system")]
fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: unsafe only for CLONE_FILES, which would let a descriptor mean another file; nobody here passes it.
    unsafe { rustix::thread::unshare_unsafe(flags)? };
    Ok(())
}
