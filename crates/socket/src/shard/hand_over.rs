//! Packets on the wrong queue: the kernel learns a connection's queue from what we send, so a first packet, or one after a
//! long silence, may come to another shard than its own. It is handed over, a batch at a time; its time of arrival goes with
//! it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use sockeye_device::Packet;

use super::alarm::Alarm;
use crate::stack::{Share, Way};

/// Packets that may wait for a shard to wake: more are dropped, and counted, as in the queue of any device.
const ROOM: usize = 4096;

/// What other shards have for one.
pub(super) struct Inbox {
    to: Sender<Packet>,
    from: Receiver<Packet>,
    /// Its driver has been rung and has not looked since.
    rung: AtomicBool,
    /// Packets for which there was no room.
    lost: AtomicU64,
    alarm: Arc<Alarm>,
}

impl Inbox {
    /// One whose owner `alarm` wakes.
    pub(super) fn new(alarm: Arc<Alarm>) -> Self {
        let (to, from) = bounded(ROOM);
        Self { to, from, rung: AtomicBool::new(false), lost: AtomicU64::new(0), alarm }
    }

    fn put(&self, packet: Packet) {
        if self.to.try_send(packet).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn ring(&self) {
        if !self.from.is_empty() && !self.rung.swap(true, Ordering::SeqCst) {
            self.alarm.ring();
        }
    }
}

/// One shard's door to the others.
pub(super) struct HandOver {
    share: Share,
    /// Of all shards, this one's among them.
    inboxes: Arc<[Inbox]>,
}

impl HandOver {
    pub(super) const fn new(share: Share, inboxes: Arc<[Inbox]>) -> Self {
        Self { share, inboxes }
    }

    /// Takes out of a batch what is for others, and gives it to them.
    pub(super) fn sort(&self, packets: &mut Vec<Packet>) {
        if self.share.is_whole() || packets.is_empty() {
            return;
        }
        packets.retain(|packet| match self.share.way_of(packet) {
            Way::Here => true,
            Way::To(owner) => {
                self.inboxes.get(owner).into_iter().for_each(|inbox| inbox.put(packet.clone()));
                false
            }
            Way::Everybody => {
                self.others().for_each(|inbox| inbox.put(packet.clone()));
                true
            }
        });
        self.others().for_each(Inbox::ring);
    }

    /// What others have handed over so far, and how many packets found no room.
    pub(super) fn take(&self) -> (impl Iterator<Item = Packet>, u64) {
        let mine = self.inboxes.get(self.share.index()).filter(|inbox| inbox.rung.load(Ordering::Relaxed));
        // Before looking: who puts something in afterwards rings again.
        let lost = mine.map_or(0, |inbox| {
            inbox.rung.store(false, Ordering::SeqCst);
            inbox.lost.swap(0, Ordering::Relaxed)
        });
        (mine.into_iter().flat_map(|inbox| inbox.from.try_iter()), lost)
    }

    fn others(&self) -> impl Iterator<Item = &Inbox> {
        self.inboxes.iter().enumerate().filter(|(index, _)| *index != self.share.index()).map(|(_, inbox)| inbox)
    }
}
