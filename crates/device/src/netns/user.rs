//! Namespaces for those who are not root: through a user namespace, in which the process is.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::fs::{Mode, OFlags};
use rustix::thread::UnshareFlags;

use super::create::unshare;
use crate::Error;

/// What makes the present user the root of a new user namespace.
struct Maps {
    uid: String,
    gid: String,
}

impl Maps {
    fn of_this_process() -> Self {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        Self { uid: format!("0 {} 1", uid.as_raw()), gid: format!("0 {} 1", gid.as_raw()) }
    }

    /// Moves the process, which has one thread, into a new user and a new network namespace. Only makes system calls.
    fn enter(&self) -> io::Result<()> {
        unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET)?;
        // Without this the kernel lets nobody but root map groups (user_namespaces(7)).
        put(c"/proc/self/setgroups", b"deny")?;
        put(c"/proc/self/uid_map", self.uid.as_bytes())?;
        put(c"/proc/self/gid_map", self.gid.as_bytes())
    }
}

fn put(file: &std::ffi::CStr, text: &[u8]) -> io::Result<()> {
    let file = rustix::fs::open(file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(file, text)?;
    Ok(())
}

/// Moves the process into a user namespace of its own, in which it is root, and into a new network namespace. Has to be
/// called before any other thread is started: the kernel doesn't move a process with threads.
///
/// # Errors
/// [`Error::HasThreads`]; [`Error::NoUserNamespaces`] where the system doesn't allow them.
pub fn enter_user_namespace() -> Result<(), Error> {
    // Where /proc is not mounted the rest fails, and says so.
    let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        return Err(Error::HasThreads(threads));
    }
    Maps::of_this_process().enter().map_err(Error::NoUserNamespaces)
}

/// Lets `command` start its process in a user namespace of its own, in which it is root, and in a new network namespace.
/// For a process that has threads and can't [enter](enter_user_namespace) one itself any more. Where the system doesn't
/// allow user namespaces, [`Command::spawn`] fails.
pub fn in_user_namespace(command: &mut Command) -> &mut Command {
    let maps = Maps::of_this_process();
    #[expect(unsafe_code, reason = "a namespace for the new process alone")]
    // SAFETY: between fork and exec only async-signal-safe functions may be called. `enter` makes system calls on what
    // was allocated before; it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(move || maps.enter())
    }
}

/// True if this process may create network namespaces as it is.
pub fn may_create() -> bool {
    super::Namespace::create().is_ok()
}
