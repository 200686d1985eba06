//! Making a namespace.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::thread::UnshareFlags;

use super::Namespace;
use crate::Error;

/// Where `ip netns` keeps names.
const NAMED: &str = "/run/netns";
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

    /// A namespace that exists: by the name that `ip netns add` gave it, by the number of a process in it, or by a file
    /// that stands for it (anything with a slash).
    ///
    /// # Errors
    /// [`Error::NoSuchNamespace`], [`Error::NotPermitted`], [`Error::Io`].
    pub fn open(name: &str) -> Result<Self, Error> {
        let path = if name.contains('/') {
            PathBuf::from(name)
        } else if name.bytes().all(|octet| octet.is_ascii_digit()) {
            PathBuf::from(format!("/proc/{name}/ns/net"))
        } else {
            Path::new(NAMED).join(name)
        };
        File::open(path).map(|file| Self { file }).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NoSuchNamespace(name.to_owned()),
            _ => Error::io("opening a network namespace")(error),
        })
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
