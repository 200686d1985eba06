//! Connections by number: pages that never move, slots used again. And the order in which entries of such a table came.

use std::collections::VecDeque;

/// Entries of a page: growing means one allocation of a page, and nothing is copied.
const PAGE: usize = 64;

/// Which entry of a [`Slab`], and of those that had its place. An old one is harmless: it finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) index: u32,
    generation: u32,
}

impl Key {
    /// Finds nothing, in any table.
    pub(crate) const NOWHERE: Self = Self { index: u32::MAX, generation: u32::MAX };
}

/// A table of values in pages. Insertion, look-up and removal are O(1).
#[derive(Debug)]
pub(crate) struct Slab<T> {
    pages: Vec<Vec<Slot<T>>>,
    /// The first free slot; those that follow are linked.
    free: Option<u32>,
    len: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    content: Content<T>,
}

#[derive(Debug)]
enum Content<T> {
    Free { next: Option<u32> },
    Taken(T),
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), free: None, len: 0 }
    }
}

impl<T> Slab<T> {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn insert(&mut self, value: T) -> Key {
        let index = self.free.unwrap_or_else(|| self.grow());
        let Some(slot) = self.slot_mut(index) else { unreachable!("a free slot exists") };
        let generation = slot.generation;
        if let Content::Free { next } = std::mem::replace(&mut slot.content, Content::Taken(value)) {
            self.free = next;
        }
        self.len += 1;
        Key { index, generation }
    }

    /// Adds a slot, and a page where the last is full.
    fn grow(&mut self) -> u32 {
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        let pages = self.pages.len();
        let Some(page) = self.pages.last_mut() else { unreachable!("a page was just added") };
        let index = (pages - 1) * PAGE + page.len();
        page.push(Slot { generation: 0, content: Content::Free { next: None } });
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        let next = self.free;
        let slot = self.slot_mut(key.index)?;
        slot.generation = slot.generation.wrapping_add(1);
        let Content::Taken(value) = std::mem::replace(&mut slot.content, Content::Free { next }) else {
            return None;
        };
        self.free = Some(key.index);
        self.len -= 1;
        Some(value)
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let index = key.index as usize;
        let slot = self.pages.get(index / PAGE)?.get(index % PAGE)?;
        match &slot.content {
            Content::Taken(value) if slot.generation == key.generation => Some(value),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slot_mut(key.index)?;
        match &mut slot.content {
            Content::Taken(value) if slot.generation == key.generation => Some(value),
            _ => None,
        }
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<T>> {
        let index = index as usize;
        self.pages.get_mut(index / PAGE)?.get_mut(index % PAGE)
    }

    /// All entries, in the order of their places: O(all), for lists that people look at.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        let slots = self.pages.iter().flatten();
        (0_u32..).zip(slots).filter_map(|(index, slot)| match &slot.content {
            Content::Taken(value) => Some((Key { index, generation: slot.generation }, value)),
            Content::Free { .. } => None,
        })
    }
}

/// Keys of a table's entries in the order in which they came. One that leaves the table stays in line until it comes to the
/// front, or until such keys are the most: every call costs O(1) on average.
#[derive(Debug, Default)]
pub(crate) struct Line(VecDeque<Key>);

impl Line {
    /// Puts `key` at the end. `present` entries of `table` stand in this line.
    pub(crate) fn push<T>(&mut self, key: Key, table: &Slab<T>, present: usize) {
        self.0.push_back(key);
        if self.0.len() > 2 * present + 64 {
            self.0.retain(|key| table.get(*key).is_some());
        }
    }

    /// The entry of `table` that has stood longest.
    pub(crate) fn first<T>(&mut self, table: &Slab<T>) -> Option<Key> {
        while let Some(&first) = self.0.front() {
            if table.get(first).is_some() {
                return Some(first);
            }
            self.0.pop_front();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_map_and_old_keys_find_nothing(steps in prop::collection::vec((any::<bool>(), any::<usize>()), 1..500)) {
            let mut slab = Slab::default();
            let mut model = HashMap::new();
            let mut gone = Vec::new();
            for (i, (insert, which)) in steps.into_iter().enumerate() {
                if insert || model.is_empty() {
                    let key = slab.insert(i);
                    prop_assert_eq!(model.insert(key, i), None);
                } else {
                    let key = *model.keys().nth(which % model.len()).unwrap();
                    prop_assert_eq!(slab.remove(key), model.remove(&key));
                    gone.push(key);
                }
                prop_assert_eq!(slab.len(), model.len());
            }
            prop_assert!(model.iter().all(|(&key, value)| slab.get(key) == Some(value)));
            prop_assert!(gone.iter().all(|&key| slab.get(key).is_none()));
        }
    }

    #[test]
    fn a_line_gives_the_oldest_and_keeps_no_more_than_the_table() {
        let (mut table, mut line) = (Slab::default(), Line::default());
        let mut newest = Vec::new();
        for i in 0..10_000 {
            let key = table.insert(i);
            line.push(key, &table, table.len());
            newest.push(key);
            if newest.len() > 3 {
                table.remove(newest.remove(1)); // never the oldest
            }
        }
        assert_eq!(line.first(&table).and_then(|key| table.get(key)), Some(&0));
        table.remove(newest[0]);
        assert_eq!(line.first(&table).and_then(|key| table.get(key)), Some(&9998));
        assert!(line.0.len() <= 2 * 3 + 64, "{} in line", line.0.len());
    }
}
