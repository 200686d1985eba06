//! Assertions in `%{ }%`: for those packetdrill asks the C library's `getsockopt`, not ours.
//!
//! With `LD_PRELOAD=/path/libsockeye_packetdrill.so` its calls land here. What is none of our sockets goes on to the kernel.

use std::ffi::{c_int, c_void};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use libc::socklen_t;

use crate::host::Host;
use crate::{guarded, table};

/// All hosts: packetdrill makes one a script.
static HOSTS: Mutex<Vec<Weak<Host>>> = Mutex::new(Vec::new());

/// From now on this host is asked too.
pub fn remember(host: &Arc<Host>) {
    let mut hosts = HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
    hosts.retain(|host| host.strong_count() > 0);
    hosts.push(Arc::downgrade(host));
}

/// The host that has a socket of this number.
fn owner(fd: c_int) -> Option<Arc<Host>> {
    let hosts = HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
    hosts.iter().filter_map(Weak::upgrade).find(|host| host.call(|state| state.fd(fd).is_ok()))
}

/// `getsockopt` of the C library.
///
/// # Safety
/// As there: `value` has room for `*len` octets.
// SAFETY: the name is the C library's on purpose; what is none of our sockets is handed to the kernel.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    if let Some(host) = owner(fd) {
        // SAFETY: as the caller promises.
        return guarded(|| unsafe { table::get_option(&host, fd, level, name, value, len) });
    }
    // SAFETY: the arguments are those of the system call, as the caller promises.
    let result = unsafe { libc::syscall(libc::SYS_getsockopt, fd, level, name, value, len) };
    c_int::try_from(result).unwrap_or(-1)
}
