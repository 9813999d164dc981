//! Small numbers that name services and real servers in the data plane's tables.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Index of a virtual service in the data plane's tables, `0..MAX_SERVICES`.
///
/// Stable for the life of the service. The smallest free number is taken first; the number of a deleted service is not
/// free while one of its real servers is in the trash, whose record still points to it. A service created again under
/// the key of such a deleted one takes its number back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceId(pub u32);

/// Index of a real server in the data plane's tables, `1..MAX_SERVERS`; 0 means "no server" there.
///
/// Stable from creation until [`crate::Model::collect`] forgets the deleted server: connections refer to it by this
/// number. The smallest free number is taken first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServerId(pub u32);

impl ServiceId {
    /// The number as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl ServerId {
    /// What the data plane's tables hold where there is no server.
    pub const NONE: Self = Self(0);

    /// The number as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The numbers `next..end` and those given back, smallest first.
#[derive(Clone, Debug)]
pub(crate) struct IdPool {
    /// Every number from here on has never been taken.
    next: u32,
    end: u32,
    returned: BTreeSet<u32>,
}

impl IdPool {
    pub(crate) const fn new(first: u32, end: u32) -> Self {
        Self { next: first, end, returned: BTreeSet::new() }
    }

    pub(crate) fn take(&mut self) -> Option<u32> {
        if let Some(id) = self.returned.pop_first() {
            return Some(id);
        }
        (self.next < self.end).then(|| {
            self.next += 1;
            self.next - 1
        })
    }

    /// Takes a given number, as saved text asks for; false if it is out of range or taken.
    pub(crate) fn take_exactly(&mut self, id: u32) -> bool {
        if id < self.next || id >= self.end {
            return self.returned.remove(&id);
        }
        self.returned.extend(self.next..id);
        self.next = id + 1;
        true
    }

    pub(crate) fn give_back(&mut self, id: u32) {
        debug_assert!(id < self.next, "number {id} was never taken");
        self.returned.insert(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_free_number_comes_first() {
        let mut pool = IdPool::new(1, 5);
        assert_eq!((pool.take(), pool.take(), pool.take()), (Some(1), Some(2), Some(3)));
        pool.give_back(2);
        pool.give_back(1);
        assert_eq!((pool.take(), pool.take(), pool.take()), (Some(1), Some(2), Some(4)));
        assert_eq!(pool.take(), None);
    }

    #[test]
    fn a_given_number_is_taken_once() {
        let mut pool = IdPool::new(1, 8);
        assert!(pool.take_exactly(4) && !pool.take_exactly(4));
        assert!(pool.take_exactly(2) && !pool.take_exactly(0) && !pool.take_exactly(8));
        assert_eq!((pool.take(), pool.take(), pool.take()), (Some(1), Some(3), Some(5)));
    }
}
