//! What a program without the standard library has to bring along on a hosted target, and nothing more.
//!
//! `core` comes compiled for unwinding, so its objects name the two functions of the unwinder; with `panic = "abort"` they
//! are never called.
#![no_std]

use core::panic::PanicInfo;

#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
}

/// Ends the process as failed.
pub fn fail() -> ! {
    // SAFETY: abort takes nothing, touches nothing of ours, and doesn't return.
    unsafe { abort() }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    fail()
}

// SAFETY: nobody else defines it in a program without the standard library.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {
    fail()
}

// SAFETY: as above.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() {
    fail()
}
