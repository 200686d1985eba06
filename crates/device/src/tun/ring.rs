//! A batch of packets written by one system call: a ring of `io_uring`, for devices that take a packet a `write`.
//!
//! Where a device offloads nothing, that call is nearly all that sending costs. Of many in one batch, each entry of a ring costs
//! 100 ns less than a call; one alone costs 150 to 200 more, therefore [`LEAST`]. And whoever writes faster than the kernel's reader takes
//! does not wake it for each packet any more, which saves more than the calls (docs/performance.md, "`io_uring`").
//!
//! **Invariant:** between two calls the kernel holds nothing of ours, and the ring has no entry. Where the kernel
//! has no ring for us, everybody writes as ever.

use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, BorrowedFd};

use io_uring::{IoUring, opcode, types};
use smallvec::SmallVec;

use crate::Outgoing;

/// Packets that a batch has at least, to be worth a ring: by the two figures above, which are of 64 packets and of one, somewhere between.
pub(super) const LEAST: usize = 8;
/// Packets that one call writes at most.
pub(super) const ROOM: u32 = 128;
/// Pieces of a full batch: headers, and a segment's text, which may lie in two chunks.
const PIECES: usize = 3 * ROOM as usize;

/// Which packets of a batch were written, from its front on.
pub(super) type Written = SmallVec<[bool; ROOM as usize]>;

/// A ring, or none.
pub(super) struct Ring(State);

enum State {
    /// Nobody has wanted it yet; it is to have room for so many packets.
    Untried(u32),
    Open(Box<IoUring>),
    /// The kernel has none for us, or none that does what we want.
    Refused,
}

impl Ring {
    /// A ring for so many packets a call, made when it is first wanted.
    pub(super) const fn new(room: u32) -> Self {
        Self(State::Untried(room))
    }

    /// Writes as many packets as there is room for, each by itself and in order; never waits for the device to have
    /// room. One that fails does not stop those behind it, so that these overtake it when it is sent again. Nothing is
    /// tried where there is no ring.
    pub(super) fn write<'a>(&mut self, fd: BorrowedFd<'_>, packets: impl Iterator<Item = &'a Outgoing>) -> Written {
        let Some(ring) = self.open() else {
            return Written::new();
        };
        let (written, outcome) = write(ring, fd, packets);
        if let Err(error) = outcome {
            log::debug!("io_uring fails, packets go one a system call from now on: {error}");
            // With it goes what the kernel has not taken of it. It isn't tried again, passing as the reason may be: nothing is lost.
            self.0 = State::Refused;
        }
        written
    }

    /// A ring that the kernel has made, and takes nothing from.
    #[cfg(test)]
    pub(super) fn stuck() -> io::Result<Self> {
        let ring = IoUring::builder().setup_r_disabled().build(ROOM)?;
        Ok(Self(State::Open(Box::new(ring))))
    }

    fn open(&mut self) -> Option<&mut IoUring> {
        if let State::Untried(room) = self.0 {
            self.0 = match IoUring::builder().setup_submit_all().build(room) {
                Ok(ring) => {
                    log::debug!("batches of packets are written by io_uring");
                    State::Open(Box::new(ring))
                }
                Err(error) => {
                    log::debug!("no io_uring, packets go one a system call: {error}");
                    State::Refused
                }
            };
        }
        match &mut self.0 {
            State::Open(ring) => Some(ring),
            State::Untried(_) | State::Refused => None,
        }
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Untried(_) => "Untried",
            State::Open(_) => "Open",
            State::Refused => "Refused",
        })
    }
}

/// As [`Ring::write`]. After an error the ring may hold entries whose packets are gone, and must not be used again.
fn write<'a>(
    ring: &mut IoUring,
    fd: BorrowedFd<'_>,
    packets: impl Iterator<Item = &'a Outgoing>,
) -> (Written, io::Result<()>) {
    let mut pieces = SmallVec::<[IoSlice<'_>; PIECES]>::new();
    let mut ends = SmallVec::<[usize; ROOM as usize]>::new();
    for packet in packets.take(ring.submission().capacity()) {
        pieces.push(IoSlice::new(packet.head()));
        pieces.extend(packet.payload.iter().map(|slice| IoSlice::new(slice)));
        ends.push(pieces.len());
    }
    let mut written = Written::from_elem(false, ends.len());
    let mut start = 0;
    let mut queue = ring.submission();
    for (index, end) in (0..).zip(ends) {
        let pieces = pieces.get(start..end).unwrap_or_default();
        start = end;
        let length = u32::try_from(pieces.len()).unwrap_or(u32::MAX); // the kernel refuses more than 1,024
        let entry = opcode::Writev::new(types::Fd(fd.as_raw_fd()), pieces.as_ptr().cast(), length);
        // Without the flag, O_NONBLOCK or not, the entry of a full device would wait for room.
        let entry = entry.rw_flags(libc::RWF_NOWAIT).build().user_data(index);
        #[expect(unsafe_code, reason = "the kernel reads what the entry points to")]
        // SAFETY: an `IoSlice` is an `iovec`; `pieces`, their packets and the descriptor are borrowed until this function returns, after
        // `finish`, without a panic between. Then the kernel is done with the entry or hasn't taken it, and won't: it takes entries only
        // in a call of ours (no thread of its own polls the ring), and the caller closes the ring.
        let pushed = unsafe { queue.push(&entry) };
        if pushed.is_err() {
            break; // cannot be: there are no more than it has room for
        }
    }
    drop(queue);
    let outcome = finish(ring, &mut written);
    (written, outcome)
}

/// Hands all entries over and waits until the kernel is done with each, whatever happens meanwhile.
///
/// # Errors
/// What hinders the kernel from taking the rest of them, once it is done with those that it has taken; that it can't do
/// without waiting.
fn finish(ring: &mut IoUring, written: &mut Written) -> io::Result<()> {
    let mut left = ring.submission().len();
    let mut outcome = Ok(());
    while left > 0 {
        let entered = ring.submit_and_wait(left);
        for done in ring.completion() {
            left -= 1;
            match done.result() {
                0.. => {
                    let index = usize::try_from(done.user_data()).unwrap_or(usize::MAX);
                    written.get_mut(index).into_iter().for_each(|it| *it = true);
                }
                // A TUN device before Linux 6.4 would leave each entry to a thread.
                error if error == -libc::EOPNOTSUPP => outcome = Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP)),
                _ => {}
            }
        }
        let untaken = ring.submission().len();
        match entered {
            Err(error) if error.kind() != io::ErrorKind::Interrupted && left == untaken => return Err(error),
            // What was taken ends, though the kernel may not let us wait for it: then this is a loop that asks.
            Ok(_) | Err(_) => {}
        }
    }
    outcome
}
