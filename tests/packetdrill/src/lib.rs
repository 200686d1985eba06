//! Sockeye for packetdrill: a shared object that Google's tool loads instead of talking to the kernel.
//!
//! ```console
//! $ cargo build --release -p sockeye-packetdrill
//! $ packetdrill --so_filename=$PWD/target/release/libsockeye_packetdrill.so --ip_version=ipv4 test.pkt
//! ```
//!
//! The stack runs in virtual time: `usleep` moves the clock, `netdev_receive` jumps from one timer to the next, so that
//! scripts take no time and nothing is ever late. Settings come through `--so_flags`, see `flags`. Scripts with
//! assertions in `%{ }%` need `LD_PRELOAD` of the same file, see `preload`.
//!
//! All that is unsafe is at the edge to C: `table` (the functions packetdrill calls), `memory` (pointers to slices),
//! `preload`. Behind it is `host`, in safe Rust on `sockeye_lab::sockets`.

#![expect(unsafe_code, reason = "the edge to C is here: pointers, and functions that C calls")]

mod address;
mod flags;
mod host;
mod memory;
mod preload;
mod table;

use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use host::Host;
use table::Table;

/// What packetdrill calls first: fills its table of functions.
///
/// # Safety
/// `flags` is null or a C string that lives as long as the process; `table` points to the interface structure of
/// packetdrill, which lives until its `free` has been called.
// SAFETY: the name is packetdrill's; nothing else in a process that loads this has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn packetdrill_interface_init(flags: *const c_char, table: *mut Table) {
    guarded(|| {
        // SAFETY: null or a C string, as the caller promises.
        let text = (!flags.is_null()).then(|| unsafe { CStr::from_ptr(flags) }.to_string_lossy().into_owned());
        let host = match Host::new(text.as_deref().unwrap_or_default()) {
            Ok(host) => Arc::new(host),
            // The interface has no other way to say so.
            Err(what) => fail(&what),
        };
        preload::remember(&host);
        // SAFETY: it points to the structure, as the caller promises; nobody else looks at it during this call.
        unsafe { table.write(Table::new(host)) };
    });
}

/// A panic must not reach C.
fn guarded<T>(call: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| fail("a panic, see above"))
}

fn fail(what: &str) -> ! {
    eprintln!("sockeye-packetdrill: {what}");
    std::process::abort()
}
