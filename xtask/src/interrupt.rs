//! Ctrl-C during what takes minutes: it ends with what there is by then.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::shell::Outcome;

/// The exit code of what Ctrl-C ended.
pub const INTERRUPTED: i32 = 130;

/// Something that becomes true with Ctrl-C, which says `what` happens then. A second one ends the process where it stands.
pub fn stop_on_interrupt(what: &'static str) -> Outcome<Arc<AtomicBool>> {
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            process::exit(INTERRUPTED);
        }
        eprintln!("{what}");
    })?;
    Ok(stopped)
}
