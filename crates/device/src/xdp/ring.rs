//! Rings and memory that are shared with the kernel (Linux `linux/if_xdp.h`, `Documentation/networking/af_xdp.rst`).
//!
//! A ring has one producer and one consumer, one of them the kernel. Each publishes how far it is by one counter, which
//! only it writes; the entries between the two are the consumer's, the others the producer's.

use std::io;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering, fence};

use rustix::fd::BorrowedFd;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use rustix::net::xdp::{XdpDesc, XdpDescOptions, XdpRingFlags, XdpRingOffset};

/// Memory shared with the kernel; unmapped when dropped.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

#[expect(unsafe_code, reason = "a pointer isn't Send by itself")]
// SAFETY: the memory belongs to this value alone, on whichever thread it is.
unsafe impl Send for Mapping {}
#[expect(unsafe_code, reason = "a pointer isn't Sync by itself")]
// SAFETY: through a shared reference, `Mapping` itself gives out no more than a pointer.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(
        length: usize,
        map: impl FnOnce(ProtFlags) -> rustix::io::Result<*mut std::ffi::c_void>,
    ) -> io::Result<Self> {
        let start = map(ProtFlags::READ | ProtFlags::WRITE)?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, length })
    }

    /// A pointer to `length` octets at `offset`; `None` if they aren't in it.
    fn at(&self, offset: usize, length: usize) -> Option<NonNull<u8>> {
        let end = offset.checked_add(length).filter(|end| *end <= self.length);
        #[expect(unsafe_code, reason = "pointer arithmetic")]
        // SAFETY: `offset` is within the mapping, or at its end.
        end.map(|_| unsafe { self.start.add(offset) })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "a system call on a pointer")]
        // SAFETY: the memory was mapped with this length; nothing that borrows it outlives it.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
        debug_assert!(unmapped.is_ok());
    }
}

/// A frame that is ours: made with its memory or taken off a ring, and not yet put on another. Whoever has it may read and
/// write it, because nobody else does: it can't be copied, and the kernel gives back only what it was given.
#[derive(Debug)]
pub(super) struct Frame {
    start: u64,
}

/// A frame of ours with what has arrived in it.
#[derive(Debug)]
pub(super) struct Arrived {
    frame: Frame,
    at: u64,
    length: u32,
}

impl Arrived {
    /// The frame, to be filled anew.
    pub(super) fn into_frame(self) -> Frame {
        self.frame
    }
}

/// The memory of the frames: chunks of one size, each of which belongs to us or to the kernel. A socket has one, and its
/// rings carry no other's frames.
#[derive(Debug)]
pub(super) struct Umem {
    memory: Mapping,
    /// Octets of a frame, a power of two.
    chunk: usize,
}

impl Umem {
    /// Memory for `count` frames of `chunk` octets, and the frames, all of them ours.
    pub(super) fn new(chunk: usize, count: u32) -> io::Result<(Self, Vec<Frame>)> {
        let length = chunk * count as usize;
        let memory = Mapping::new(length, |access| {
            #[expect(unsafe_code, reason = "a system call that maps memory")]
            // SAFETY: a new mapping, where the kernel likes.
            unsafe {
                mmap_anonymous(std::ptr::null_mut(), length, access, MapFlags::PRIVATE | MapFlags::POPULATE)
            }
        })?;
        let frames = (0..u64::from(count)).map(|number| Frame { start: number * chunk as u64 }).collect();
        Ok((Self { memory, chunk }, frames))
    }

    /// Octets in all.
    pub(super) const fn length(&self) -> usize {
        self.memory.length
    }

    /// Where it starts, as the kernel is told.
    pub(super) fn address(&self) -> u64 {
        self.memory.start.as_ptr() as u64
    }

    /// Hands what has arrived to `read`; `None` if the kernel says that it lies elsewhere than in its frame.
    pub(super) fn read<T>(&self, arrived: &Arrived, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let (at, length) = (usize::try_from(arrived.at).ok()?, usize::try_from(arrived.length).ok()?);
        let start = self.within(&arrived.frame, at, length)?;
        #[expect(unsafe_code, reason = "memory shared with the kernel")]
        // SAFETY: it is mapped and initialised, and lies in a frame that is ours: the kernel doesn't write to it, nor do we
        // while `arrived` is borrowed.
        Some(read(unsafe { std::slice::from_raw_parts(start.as_ptr(), length) }))
    }

    /// Copies `pieces` into a frame, one behind the other; `None` if they don't fit.
    pub(super) fn write<'a>(&self, frame: &mut Frame, pieces: impl Iterator<Item = &'a [u8]>) -> Option<u32> {
        let first = usize::try_from(frame.start).ok()?;
        let mut at = first;
        for piece in pieces {
            let place = self.within(frame, at, piece.len())?;
            #[expect(unsafe_code, reason = "memory shared with the kernel")]
            // SAFETY: the place has room for the piece, and the frame there is ours, whole; pieces lie elsewhere, since nothing
            // in a frame is given out but to `read`.
            unsafe {
                std::ptr::copy_nonoverlapping(piece.as_ptr(), place.as_ptr(), piece.len());
            }
            at += piece.len();
        }
        u32::try_from(at - first).ok()
    }

    /// A pointer to `length` octets at `at`; `None` if they aren't all in this frame.
    fn within(&self, frame: &Frame, at: usize, length: usize) -> Option<NonNull<u8>> {
        let start = usize::try_from(frame.start).ok()?;
        let fits = at >= start && at.checked_add(length)? <= start.checked_add(self.chunk)?;
        fits.then(|| self.memory.at(at, length))?
    }
}

/// A ring of so many entries, a power of two.
#[derive(Debug)]
struct Ring<T> {
    memory: Mapping,
    producer: usize,
    consumer: usize,
    flags: Option<usize>,
    entries: usize,
    size: u32,
    _entries: PhantomData<T>,
}

impl<T: Copy> Ring<T> {
    fn new(socket: BorrowedFd<'_>, page_offset: u64, offsets: &XdpRingOffset, size: u32) -> io::Result<Self> {
        let offset = |offset| usize::try_from(offset).map_err(io::Error::other);
        let entries = offset(offsets.desc)?;
        let length = entries + size as usize * size_of::<T>();
        let memory = Mapping::new(length, |access| {
            #[expect(unsafe_code, reason = "a system call that maps memory")]
            // SAFETY: a new mapping, where the kernel likes.
            unsafe {
                mmap(std::ptr::null_mut(), length, access, MapFlags::SHARED | MapFlags::POPULATE, socket, page_offset)
            }
        })?;
        let (producer, consumer) = (offset(offsets.producer)?, offset(offsets.consumer)?);
        let flags = offsets.flags.map(offset).transpose()?;
        let ring = Self { memory, producer, consumer, flags, entries, size, _entries: PhantomData };
        let counters = [Some(producer), Some(consumer), flags].into_iter().flatten();
        let fits =
            size.is_power_of_two() && counters.into_iter().all(|at| ring.memory.at(at, 4).is_some() && at % 4 == 0);
        if fits && entries % align_of::<T>() == 0 { Ok(ring) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// The counter or flag at an offset that was checked in `new`.
    fn word(&self, offset: usize) -> &AtomicU32 {
        #[expect(unsafe_code, reason = "memory shared with the kernel")]
        // SAFETY: `new` has checked that the word lies within the mapping, aligned; both sides access it atomically.
        unsafe {
            self.memory.start.add(offset).cast::<AtomicU32>().as_ref()
        }
    }

    fn entry(&self, number: u32) -> NonNull<T> {
        let index = (number & (self.size - 1)) as usize;
        #[expect(unsafe_code, reason = "memory shared with the kernel")]
        // SAFETY: the mapping is long enough for `size` entries, and they are aligned.
        unsafe {
            self.memory.start.add(self.entries).cast::<T>().add(index)
        }
    }
}

/// A ring that we put entries on.
#[derive(Debug)]
pub(super) struct Producer<T> {
    ring: Ring<T>,
    /// The number of the next entry; the kernel hears of it when it is published.
    next: u32,
}

impl<T: Copy> Producer<T> {
    pub(super) fn new(socket: BorrowedFd<'_>, page: u64, offsets: &XdpRingOffset, size: u32) -> io::Result<Self> {
        Ok(Self { ring: Ring::new(socket, page, offsets, size)?, next: 0 })
    }

    /// Puts an entry on; false if the ring is full.
    fn push(&mut self, value: T) -> bool {
        if self.waiting() >= self.ring.size {
            return false;
        }
        #[expect(unsafe_code, reason = "memory shared with the kernel")]
        // SAFETY: the consumer has done with this entry, and hears of it again only when it is published.
        unsafe {
            self.ring.entry(self.next).write(value);
        }
        self.next = self.next.wrapping_add(1);
        true
    }

    /// Lets the kernel have what was put on.
    pub(super) fn publish(&self) {
        self.ring.word(self.ring.producer).store(self.next, Ordering::Release);
    }

    /// Entries that the kernel has not taken yet.
    pub(super) fn waiting(&self) -> u32 {
        self.next.wrapping_sub(self.ring.word(self.ring.consumer).load(Ordering::Acquire))
    }

    /// True if the kernel looks at the ring only when it is called.
    pub(super) fn needs_wakeup(&self) -> bool {
        // The flag must not be read before what was published can be seen.
        fence(Ordering::SeqCst);
        let flags = self.ring.flags.map(|flags| self.ring.word(flags).load(Ordering::Relaxed));
        flags.is_none_or(|flags| flags & XdpRingFlags::XDP_RING_NEED_WAKEUP.bits() != 0)
    }
}

impl Producer<u64> {
    /// Puts a frame on, to be filled; gives it back if the ring is full.
    pub(super) fn put(&mut self, frame: Frame) -> Result<(), Frame> {
        if self.push(frame.start) { Ok(()) } else { Err(frame) }
    }
}

impl Producer<XdpDesc> {
    /// Puts a frame on, whose first `length` octets are to be sent; gives it back if the ring is full.
    pub(super) fn put(&mut self, frame: Frame, length: u32) -> Result<(), Frame> {
        let entry = XdpDesc { addr: frame.start, len: length, options: XdpDescOptions::empty() };
        if self.push(entry) { Ok(()) } else { Err(frame) }
    }
}

/// A ring that we take entries off.
#[derive(Debug)]
pub(super) struct Consumer<T> {
    ring: Ring<T>,
    /// The number of the next entry; the kernel has those before it back when they are released.
    next: u32,
}

impl<T: Copy> Consumer<T> {
    pub(super) fn new(socket: BorrowedFd<'_>, page: u64, offsets: &XdpRingOffset, size: u32) -> io::Result<Self> {
        Ok(Self { ring: Ring::new(socket, page, offsets, size)?, next: 0 })
    }

    fn pop(&mut self) -> Option<T> {
        if self.next == self.ring.word(self.ring.producer).load(Ordering::Acquire) {
            return None;
        }
        #[expect(unsafe_code, reason = "memory shared with the kernel")]
        // SAFETY: the producer has published this entry and writes to it again only when it is released.
        let value = unsafe { self.ring.entry(self.next).read() };
        self.next = self.next.wrapping_add(1);
        Some(value)
    }

    /// Gives the places of what was taken back to the kernel.
    pub(super) fn release(&self) {
        self.ring.word(self.ring.consumer).store(self.next, Ordering::Release);
    }
}

impl Consumer<u64> {
    /// Takes a frame off that the kernel has done with.
    pub(super) fn take(&mut self) -> Option<Frame> {
        self.pop().map(|start| Frame { start })
    }
}

impl Consumer<XdpDesc> {
    /// Takes a frame off, with what has arrived; frames are of `chunk` octets, a power of two.
    pub(super) fn take(&mut self, chunk: u64) -> Option<Arrived> {
        let XdpDesc { addr: at, len: length, .. } = self.pop()?;
        Some(Arrived { frame: Frame { start: at & !(chunk - 1) }, at, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived(frame: Frame, skip: u64, length: u32) -> Arrived {
        Arrived { at: frame.start + skip, frame, length }
    }

    #[test]
    fn what_is_written_is_read_and_no_frame_reaches_into_the_next() {
        let (umem, frames) = Umem::new(2048, 3).unwrap();
        assert_eq!((umem.length(), frames.len()), (3 * 2048, 3));
        let [first, mut second, third]: [Frame; 3] = frames.try_into().unwrap();
        assert_eq!(umem.write(&mut second, [&[7; 1000][..], &[8; 1048]].into_iter()), Some(2048));
        let second = arrived(second, 256, 1792);
        let read = umem.read(&second, |octets| (octets.len(), octets[0], octets[1791]));
        assert_eq!(read, Some((1792, 7, 8)));

        let mut second = second.into_frame();
        assert_eq!(umem.write(&mut second, [&[9; 2000][..], &[9; 49]].into_iter()), None);
        for (skip, length) in [(0, 2049), (2048, 1), (u64::MAX - 4096, 100)] {
            let frame = Frame { start: second.start };
            let lies = Arrived { at: frame.start.wrapping_add(skip), frame, length };
            assert_eq!(umem.read(&lies, <[u8]>::len), None, "{skip} {length}");
        }
        for untouched in [first, third] {
            assert_eq!(
                umem.read(&arrived(untouched, 0, 2048), |octets| octets.iter().all(|octet| *octet == 0)),
                Some(true)
            );
        }
        assert_eq!(umem.read(&arrived(Frame { start: 3 * 2048 }, 0, 1), <[u8]>::len), None, "behind the last");
    }
}
