//! Room for the text that is kept until it is acknowledged, to be compared with what is sent again: bounded, whatever the
//! capture holds.

use super::connection::Connection;

/// How much text of all connections is kept.
pub struct Texts {
    /// Octets of memory.
    kept: usize,
    /// The most that there may be.
    room: usize,
}

impl Texts {
    /// Octets.
    const ROOM: usize = 256 << 20;

    /// None yet.
    pub const fn new() -> Self {
        Self { kept: 0, room: Self::ROOM }
    }

    /// A connection that kept so much now keeps so much.
    pub const fn changed(&mut self, before: usize, after: usize) {
        self.kept = self.kept + after - before;
    }

    /// If there is too much: forgets it all, which is simple and seldom. Only what is sent again just then goes unjudged.
    pub fn make_room(&mut self, connections: &mut [Connection]) {
        if self.kept > self.room {
            connections.iter_mut().for_each(Connection::forget_text);
            self.kept = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use sockeye_wire::tcp::Flags;

    use super::super::packet::Segment;
    use super::super::problems::Problem;
    use super::super::{Filter, Table};
    use super::*;

    /// Text that begins there, from a port.
    fn segment(port: u16, seq: u32, text: &[u8]) -> Segment<'_> {
        Segment::example(port, seq, u32::try_from(text.len()).expect("it is short"), Some(text))
    }

    fn table(filter: &Filter, room: usize) -> Table<'_> {
        let mut table = Table::new(filter, None);
        table.followed.texts.room = room;
        table
    }

    fn kept(table: &Table<'_>) -> usize {
        table.followed.connections.iter().map(Connection::text_kept).sum()
    }

    #[test]
    fn all_connections_together_keep_no_more_text_than_there_is_room_for() {
        let filter = Filter::default();
        let mut table = table(&filter, 1 << 20);
        for port in 1..=4_000 {
            table.take(&segment(port, 0, &[7; 1000]));
            assert_eq!(table.followed.texts.kept, kept(&table));
            assert!(kept(&table) <= 1 << 20, "{port}: {}", kept(&table));
        }
        // What comes after that is compared as before.
        table.take(&segment(4_000, 500, &[8; 10]));
        let found = table.followed.connections.last().expect("there are 4,000").findings(0);
        assert_eq!(found.iter().map(|it| it.problem).collect::<Vec<_>>(), [Problem::InconsistentRetransmission]);
    }

    #[test]
    fn a_connection_whose_ports_are_used_again_keeps_no_text() {
        let filter = Filter::default();
        let mut table = table(&filter, 1 << 20);
        for start in 1..=100 {
            let syn = Flags { syn: true, ..Flags::default() };
            table.take(&Segment { flags: syn, ..segment(1, start * 100_000, &[]) });
            table.take(&segment(1, start * 100_000 + 1, &[7; 1000]));
        }
        assert_eq!(table.followed.connections.len(), 100);
        assert!(kept(&table) < 3_000, "{}", kept(&table));
        assert_eq!(table.followed.texts.kept, kept(&table));
    }
}
