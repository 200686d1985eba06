//! Room for the records of what is outstanding: bounded, whatever the capture holds. A connection whose ACKs weren't captured
//! never gives one back.

use super::connection::Connection;

/// How many records all connections keep.
pub struct Records {
    kept: usize,
    /// The most that there may be.
    room: usize,
}

impl Records {
    /// Records: some 100 MB.
    const ROOM: usize = 1_000_000;

    /// None yet.
    pub const fn new() -> Self {
        Self { kept: 0, room: Self::ROOM }
    }

    /// A connection that kept so many now keeps so many.
    pub const fn changed(&mut self, before: usize, after: usize) {
        self.kept = self.kept + after - before;
    }

    /// If there are too many: every side keeps its share of half the room, the newest ones, so that the others go on as they
    /// were; or none, where there are so many connections that one each is more. To look at all connections is paid for by the
    /// records that came since the last time.
    pub fn make_room(&mut self, connections: &mut [Connection]) {
        if self.kept <= self.room {
            return;
        }
        // Of each side records of four kinds: segments, gaps, SACK blocks, retransmissions.
        let share = self.room / 2 / (8 * connections.len().max(1));
        connections.iter_mut().for_each(|connection| connection.keep_records(share.max(1)));
        self.kept = connections.iter().map(Connection::records).sum();
        if self.kept > self.room / 2 {
            connections.iter_mut().for_each(Connection::forget_records);
            self.kept = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::Segment;
    use super::super::{Filter, Table};
    use super::*;

    /// Connections to follow, with room for so many records.
    fn table(filter: &Filter, room: usize) -> Table<'_> {
        let mut table = Table::new(filter, None);
        table.followed.records.room = room;
        table
    }

    #[test]
    fn all_connections_together_keep_no_more_than_there_is_room_for() {
        const ROOM: usize = 20_000;
        let filter = Filter::default();
        let mut table = table(&filter, ROOM);
        let kept = |table: &Table<'_>| table.followed.connections.iter().map(Connection::records).sum::<usize>();
        // One way only: nothing is ever acknowledged.
        for number in 0..100 {
            for port in 1..=400 {
                table.take(&Segment::example(port, number * 1000, 1000, None));
            }
            assert_eq!(table.followed.records.kept, kept(&table));
            assert!(kept(&table) <= ROOM, "{number}: {}", kept(&table));
        }
        // A segment that was just sent is known all the same: sent again it counts as such.
        table.take(&Segment::example(400, 99 * 1000, 1000, None));
        let last = table.followed.connections.last().expect("there are 400");
        let figures = &last.sides[0].figures;
        assert_eq!(figures.text_segments, 101);
        assert_eq!(figures.fast + figures.timeout + figures.tail_probes, 1);
    }

    #[test]
    fn where_one_record_each_is_too_much_none_is_kept() {
        const ROOM: usize = 300;
        let filter = Filter::default();
        let mut table = table(&filter, ROOM);
        let mut passes = 0;
        for port in 1..=2_000 {
            let before = table.followed.records.kept;
            table.take(&Segment::example(port, 0, 1000, None));
            passes += usize::from(table.followed.records.kept < before);
        }
        assert!((1..=2 * 2_000 / ROOM).contains(&passes), "all connections were looked at {passes} times");
    }
}
