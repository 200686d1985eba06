//! C's pointers as slices.

use std::ffi::{c_int, c_void};

use libc::iovec;
use sockeye_lab::sockets::Errno;

/// `len` octets to read at `pointer`; none at a null pointer.
///
/// # Safety
/// There are so many, and nobody writes them while the slice lives.
pub unsafe fn octets<'a>(pointer: *const c_void, len: usize) -> &'a [u8] {
    if pointer.is_null() {
        return &[];
    }
    // SAFETY: as the caller promises.
    unsafe { std::slice::from_raw_parts(pointer.cast(), len) }
}

/// Copies as much of `from` to `pointer` as `room` octets hold; nothing to a null pointer. Says how much.
///
/// # Safety
/// There are `room` octets to write, initialised or not, that nobody else uses.
pub unsafe fn fill(pointer: *mut c_void, room: usize, from: &[u8]) -> usize {
    let octets = from.len().min(room);
    if !pointer.is_null() {
        // SAFETY: as the caller promises; the two don't overlap, since `from` is ours.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), pointer.cast(), octets) };
    }
    octets
}

/// Writes `value` where `pointer` points, if it points anywhere.
///
/// # Safety
/// It is null, or there is room for a `T` that nobody else uses.
pub unsafe fn put<T>(pointer: *mut T, value: T) {
    if !pointer.is_null() {
        // SAFETY: as the caller promises.
        unsafe { pointer.write(value) };
    }
}

/// The elements of an array of C's.
///
/// # Safety
/// There are `count` at `pointer`, or it is null; nobody writes them while the slice lives.
pub unsafe fn array<'a, T>(pointer: *const T, count: usize) -> &'a [T] {
    if pointer.is_null() {
        return &[];
    }
    // SAFETY: as the caller promises.
    unsafe { std::slice::from_raw_parts(pointer, count) }
}

/// All that several buffers hold.
///
/// # Safety
/// Each is readable for its length.
pub unsafe fn gather(buffers: &[iovec]) -> Vec<u8> {
    let mut all = Vec::new();
    for buffer in buffers {
        // SAFETY: as the caller promises.
        all.extend_from_slice(unsafe { octets(buffer.iov_base, buffer.iov_len) });
    }
    all
}

/// Spreads `from` over several buffers.
///
/// # Safety
/// Each is writable for its length.
pub unsafe fn scatter(buffers: &[iovec], mut from: &[u8]) {
    for buffer in buffers {
        // SAFETY: as the caller promises.
        let taken = unsafe { fill(buffer.iov_base, buffer.iov_len, from) };
        from = from.get(taken..).unwrap_or_default();
    }
}

/// What C's callers get: the number, or -1 with `errno` set.
pub fn answer(result: Result<usize, Errno>) -> isize {
    match result {
        Ok(value) => isize::try_from(value).unwrap_or(isize::MAX),
        Err(Errno(number)) => {
            // SAFETY: it points to this thread's errno.
            unsafe { *libc::__errno_location() = number };
            -1
        }
    }
}

/// The same, as an `int`.
pub fn answer_int(result: Result<usize, Errno>) -> c_int {
    c_int::try_from(answer(result)).unwrap_or(c_int::MAX)
}
