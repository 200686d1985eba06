//! Namespaces for those who are not root: through a user namespace, in which the process is.

use std::fs;
use std::io;

use rustix::thread::UnshareFlags;

use super::unshare;
use crate::Error;

/// Moves the process into a user namespace of its own, in which it is root, and into a new network namespace. Has to be
/// called before any other thread is started: the kernel doesn't move a process with threads.
///
/// # Errors
/// [`Error::NotPermitted`] where the system doesn't allow user namespaces; [`Error::Io`] if the process has threads.
pub fn enter_user_namespace() -> Result<(), Error> {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let enter = || -> io::Result<()> {
        unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET)?;
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
        fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
    };
    enter().map_err(Error::io("creating a user namespace"))
}

/// True if this process may create network namespaces as it is.
pub fn may_create() -> bool {
    rustix::process::geteuid().is_root() && super::Namespace::create().is_ok()
}
