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
use rustix::net::xdp::{XdpRingFlags, XdpRingOffset};

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

/// The frames: chunks of one size, each of which belongs to us or to the kernel.
#[derive(Debug)]
pub(super) struct Umem {
    memory: Mapping,
}

impl Umem {
    pub(super) fn new(length: usize) -> io::Result<Self> {
        let memory = Mapping::new(length, |access| {
            #[expect(unsafe_code, reason = "a system call that maps memory")]
            // SAFETY: a new mapping, where the kernel likes.
            unsafe {
                mmap_anonymous(std::ptr::null_mut(), length, access, MapFlags::PRIVATE | MapFlags::POPULATE)
            }
        })?;
        Ok(Self { memory })
    }

    /// Where it starts, as the kernel is told.
    pub(super) fn address(&self) -> u64 {
        self.memory.start.as_ptr() as u64
    }

    /// Hands what a frame holds to `read`; `None` if it isn't within the memory. The frame must be ours: between taking it
    /// off one ring and putting it on another.
    pub(super) fn read<T>(&self, address: u64, length: u32, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let length = usize::try_from(length).ok()?;
        let start = self.memory.at(usize::try_from(address).ok()?, length)?;
        #[expect(unsafe_code, reason = "memory shared with the kernel")]
        // SAFETY: it is mapped and initialised, and the kernel writes to no frame that is ours.
        Some(read(unsafe { std::slice::from_raw_parts(start.as_ptr(), length) }))
    }

    /// Copies `pieces` into a frame, which must be ours, one behind the other; `None` if they aren't within the memory.
    pub(super) fn write<'a>(&self, address: u64, pieces: impl Iterator<Item = &'a [u8]>) -> Option<u32> {
        let first = usize::try_from(address).ok()?;
        let mut at = first;
        for piece in pieces {
            let place = self.memory.at(at, piece.len())?;
            #[expect(unsafe_code, reason = "memory shared with the kernel")]
            // SAFETY: the place has room for the piece, and the frame there is ours alone; pieces lie elsewhere.
            unsafe {
                std::ptr::copy_nonoverlapping(piece.as_ptr(), place.as_ptr(), piece.len());
            }
            at += piece.len();
        }
        u32::try_from(at - first).ok()
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
    pub(super) fn push(&mut self, value: T) -> bool {
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

    pub(super) fn pop(&mut self) -> Option<T> {
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
