//! What a link counts.

/// What has happened on a link since it was made. Packets that were cut from a super-segment count one by one.
///
/// When nothing is on its way, `sent + duplicated` is `delivered` and all that was lost or dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Packets that entered.
    pub sent: u64,
    /// Their octets.
    pub sent_octets: u64,
    /// Packets that came out, before any were merged.
    pub delivered: u64,
    /// Their octets.
    pub delivered_octets: u64,
    /// Packets that were lost on their way.
    pub lost: u64,
    /// Packets lost because the link was down.
    pub lost_down: u64,
    /// Packets dropped because the queue was full.
    pub dropped_full: u64,
    /// Packets dropped by the queue's management.
    pub dropped_early: u64,
    /// Packets dropped by the policer.
    pub policed: u64,
    /// Packets dropped because they were longer than the link's MTU.
    pub too_long: u64,
    /// Acknowledgments that a later one made superfluous.
    pub thinned: u64,
    /// Packets that met congestion and went on with the mark for it, those that came with it among them, as `tc` counts.
    pub marked: u64,
    /// Copies that were added.
    pub duplicated: u64,
    /// Packets that were damaged.
    pub corrupted: u64,
    /// Packets that came out behind one that had entered after them.
    pub reordered: u64,
    /// Packets that were merged into the one before them.
    pub merged: u64,
}

impl LinkCounters {
    /// All of them by name, in the order in which they are shown.
    pub fn entries(&self) -> [(&'static str, u64); 16] {
        [
            ("sent", self.sent),
            ("sent_octets", self.sent_octets),
            ("delivered", self.delivered),
            ("delivered_octets", self.delivered_octets),
            ("lost", self.lost),
            ("lost_down", self.lost_down),
            ("dropped_full", self.dropped_full),
            ("dropped_early", self.dropped_early),
            ("policed", self.policed),
            ("too_long", self.too_long),
            ("thinned", self.thinned),
            ("marked", self.marked),
            ("duplicated", self.duplicated),
            ("corrupted", self.corrupted),
            ("reordered", self.reordered),
            ("merged", self.merged),
        ]
    }

    /// Packets that won't come out, for whatever reason.
    pub const fn gone(&self) -> u64 {
        self.lost
            + self.lost_down
            + self.dropped_full
            + self.dropped_early
            + self.policed
            + self.too_long
            + self.thinned
    }
}
