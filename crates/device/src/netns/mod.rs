//! Network namespaces: hosts of one's own on one machine.
//!
//! A [`Namespace`] is nothing but a descriptor: no name, no mount. It ends with the last descriptor, thread and device
//! in it, so that there is nothing to clean up, also after a crash.
//!
//! ```no_run
//! use sockeye_device::netns::{Namespace, Settings, describe};
//!
//! let namespace = Namespace::create()?;
//! let line = namespace.run(|| {
//!     Settings::default().apply()?;
//!     describe()
//! })??;
//! println!("{line}");
//! # Ok::<(), sockeye_device::Error>(())
//! ```

mod configure;
mod create;
mod enter;
mod sysctl;
mod user;

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

pub use configure::{Settings, describe};
pub use sysctl::{set_sysctl, sysctl};
pub use user::{enter_user_namespace, in_user_namespace, may_create};

/// A network namespace.
#[derive(Debug)]
pub struct Namespace {
    file: File,
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
