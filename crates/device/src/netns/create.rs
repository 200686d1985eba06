//! Making a namespace.

use std::fs::File;
use std::io;
use std::thread;

use rustix::thread::UnshareFlags;

use super::Namespace;
use crate::Error;

/// The namespace of the calling thread, not of its process.
const OWN: &str = "/proc/thread-self/ns/net";

impl Namespace {
    /// A new namespace, its loopback down and no other device in it. The calling thread stays where it is.
    ///
    /// # Errors
    /// [`Error::NotPermitted`] unless the process has `CAP_SYS_ADMIN` here: as root, or after
    /// [`enter_user_namespace`](super::enter_user_namespace).
    pub fn create() -> Result<Self, Error> {
        let made = thread::scope(|scope| {
            let thread = thread::Builder::new().spawn_scoped(scope, || -> io::Result<File> {
                unshare(UnshareFlags::NEWNET)?;
                File::open(OWN)
            })?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        made.map(|file| Self { file }).map_err(Error::io("creating a network namespace"))
    }

    /// The namespace that the calling thread is in.
    ///
    /// # Errors
    /// [`Error::Io`] where /proc is not mounted.
    pub fn current() -> Result<Self, Error> {
        File::open(OWN).map(|file| Self { file }).map_err(Error::io("opening /proc/thread-self/ns/net"))
    }
}

#[expect(unsafe_code, reason = "unsharing changes what the thread sees of the system")]
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: unsafe only for CLONE_FILES, which would let a descriptor mean another file; nobody here passes it.
    unsafe { rustix::thread::unshare_unsafe(flags)? };
    Ok(())
}
