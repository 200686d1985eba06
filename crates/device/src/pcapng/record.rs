//! A device that captures what another one carries.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sockeye_wire::Instant;

use super::{Way, Writer};
use crate::{Capabilities, Clock, Counters, Device, Outgoing, Packet};

/// A device that records what `device` carries: a packet that arrives with the time that the stack gives its batch, one
/// that leaves with the time of leaving, if the device has taken it from the stack (even if it then lost it).
pub struct Recorder<D, W: Write = BufWriter<File>> {
    device: D,
    now: Box<dyn Fn() -> Instant + Send + Sync>,
    /// `None` once writing has failed: a capture that can't be written doesn't stop the traffic.
    capture: Mutex<Option<Writer<W>>>,
}

impl<D: Device> Recorder<D> {
    /// Records `device` into a new file at `path`; `clock` is the one that the stack reads.
    ///
    /// # Errors
    /// What creating and writing the file returns.
    pub fn create(device: D, path: &Path, clock: Clock) -> io::Result<Self> {
        let writer = Writer::new(BufWriter::new(File::create(path)?), clock.zero_on_the_wall())?;
        Ok(Self::new(device, writer, move || clock.now()))
    }
}

impl<D, W: Write> Recorder<D, W> {
    /// Records `device` into `capture`; `now` says the time of what leaves, which in a simulation is the simulated one.
    pub fn new(device: D, capture: Writer<W>, now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self { device, now: Box::new(now), capture: Mutex::new(Some(capture)) }
    }

    /// Makes sure that all packets so far are in the file, so that others may read it.
    ///
    /// # Errors
    /// What flushing returns.
    pub fn flush(&self) -> io::Result<()> {
        self.lock().as_mut().map_or(Ok(()), Writer::flush)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Writer<W>>> {
        self.capture.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes packets as long as that works.
fn record<W: Write>(
    capture: &mut Option<Writer<W>>,
    at: Instant,
    way: Way,
    packets: impl IntoIterator<Item: AsRef<[u8]>>,
) {
    let Some(writer) = capture else {
        return;
    };
    if let Err(error) = packets.into_iter().try_for_each(|packet| writer.write(at, way, packet.as_ref())) {
        log::warn!("the capture ends here: {error}");
        *capture = None;
    }
}

impl<D: Device, W: Write + Send> Device for Recorder<D, W> {
    fn capabilities(&self) -> Capabilities {
        self.device.capabilities()
    }

    fn receive(&self, now: Instant, batch: &mut Vec<Packet>, max: usize) -> io::Result<usize> {
        let before = batch.len();
        let count = self.device.receive(now, batch, max)?;
        record(&mut self.lock(), now, Way::In, batch.iter().skip(before).map(|packet| &packet.bytes));
        Ok(count)
    }

    fn transmit(&self, batch: &mut VecDeque<Outgoing>) -> io::Result<usize> {
        // Before the answer to it can be recorded by another thread.
        let mut capture = self.lock();
        let at = (self.now)();
        let whole = batch.clone(); // the payloads are shared
        let sent = self.device.transmit(batch);
        let gone = whole.len() - batch.len();
        record(&mut capture, at, Way::Out, whole.iter().take(gone).map(Outgoing::to_bytes));
        sent
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.device.as_fd()
    }

    fn counters(&self) -> Counters {
        self.device.counters()
    }

    fn is_low_on_buffers(&self) -> bool {
        self.device.is_low_on_buffers()
    }
}

impl<D: fmt::Debug, W: Write> fmt::Debug for Recorder<D, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("device", &self.device).finish_non_exhaustive()
    }
}
