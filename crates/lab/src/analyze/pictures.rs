//! Room for what pictures need: bounded, whatever the capture holds.

use super::connection::{Connection, Picture};
use crate::plot::MOST_EVENTS;

/// How much the pictures of all connections hold.
pub struct Pictures {
    /// New connections begin one.
    pub wanted: bool,
    /// Events in all of them.
    pub kept: usize,
    /// The most that there may be.
    room: usize,
}

impl Pictures {
    /// None yet.
    pub const fn new(wanted: bool) -> Self {
        Self { wanted, kept: 0, room: MOST_EVENTS }
    }

    /// If there are too many events: gives up the pictures of those that carried least, until half of the room is free. A last
    /// one that takes nearly all of it ends, and no other begins: then none grows, and nobody need look at them again.
    pub fn make_room(&mut self, connections: &mut [Connection]) {
        if !self.wanted || self.kept <= self.room {
            return;
        }
        let drawn = connections.iter_mut().filter(|connection| connection.picture == Picture::Whole);
        let mut drawn: Vec<&mut Connection> = drawn.collect();
        drawn.sort_by_key(|connection| connection.carried());
        let Some((largest, others)) = drawn.split_last_mut() else { return };
        for connection in others.iter_mut().filter(|connection| connection.kept() > 0) {
            if self.kept <= self.room / 2 {
                return;
            }
            self.kept -= connection.kept();
            connection.give_up_picture();
        }
        if self.kept > self.room / 4 * 3 {
            largest.end_picture();
            others.iter_mut().for_each(|connection| connection.give_up_picture());
            self.wanted = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::packet::Segment;
    use super::*;

    /// A connection that sent so many segments of an octet, each of which its picture keeps.
    fn connection(segments: u32) -> Connection {
        let segment = |seq| Segment::example(1000, seq, 1, None);
        let mut connection = Connection::new(1, &segment(0));
        connection.begin_picture(None);
        (0..segments).for_each(|seq| connection.take(&segment(seq), None));
        assert_eq!((connection.kept(), connection.carried()), (segments as usize, segments.into()));
        connection
    }

    fn pictures(connections: &[Connection], room: usize) -> Pictures {
        Pictures { wanted: true, kept: connections.iter().map(Connection::kept).sum(), room }
    }

    #[test]
    fn while_there_is_room_nothing_is_given_up() {
        let mut connections = [30, 100].map(connection);
        pictures(&connections, 130).make_room(&mut connections);
        assert_eq!(connections.map(|it| it.picture), [Picture::Whole; 2]);
    }

    #[test]
    fn the_pictures_of_those_that_carried_least_make_room() {
        let mut connections = [30, 100, 50].map(connection);
        let mut pictures = pictures(&connections, 179);
        pictures.make_room(&mut connections);
        assert_eq!((pictures.wanted, pictures.kept), (true, 100));
        assert_eq!(
            connections.map(|it| (it.kept(), it.picture)),
            [(0, Picture::GivenUp), (100, Picture::Whole), (0, Picture::GivenUp)]
        );
    }

    #[test]
    fn one_that_needs_all_the_room_ends_early_and_no_other_begins() {
        let mut connections = [30, 200].map(connection);
        let mut pictures = pictures(&connections, 229);
        pictures.make_room(&mut connections);
        assert_eq!((pictures.wanted, pictures.kept), (false, 200));
        assert_eq!(connections.map(|it| it.picture), [Picture::GivenUp, Picture::Until(Duration::ZERO)]);
    }

    #[test]
    fn once_no_other_begins_connections_are_not_looked_at_again() {
        let mut connections = [connection(200)];
        let mut pictures = pictures(&connections, 150);
        pictures.make_room(&mut connections);
        assert_eq!((pictures.wanted, pictures.kept), (false, 200), "more than there is room for");
        let mut unseen = [connection(200)];
        pictures.make_room(&mut unseen);
        assert_eq!(unseen.map(|it| it.picture), [Picture::Whole], "there is none such by then: it shows who looks");
    }
}
