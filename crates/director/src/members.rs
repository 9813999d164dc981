//! Runs of cells in the table of members: every service's list lies in one run. A new list is written into a new run
//! before the service is turned to it, and a run that was left rests until no packet can be reading it any more.

use std::collections::BTreeMap;

use lvs_core::table::MEMBERS_MAX;

/// Lengths of runs are rounded up to this, so that lists that grow by one do not leave gaps of one.
const GRAIN: u32 = 8;
/// Ticks (of 4 ms) that a run rests: a packet reads a list for some microseconds.
const REST_TICKS: u32 = 3;

/// Which cells are free.
#[derive(Clone, Debug)]
pub(crate) struct Runs {
    /// First cell -> number of cells; neighbours are joined.
    free: BTreeMap<u32, u32>,
    /// First cell, number of cells, tick at which they were left.
    resting: Vec<(u32, u32, u32)>,
}

impl Runs {
    /// All cells free.
    pub(crate) fn new() -> Self {
        Self { free: BTreeMap::from([(0, MEMBERS_MAX)]), resting: Vec::new() }
    }

    /// Marks a run that is in use already; false when it is not free.
    pub(crate) fn take_exactly(&mut self, first: u32, count: u32) -> bool {
        let len = cells(count);
        let Some((&start, &free_len)) = self.free.range(..=first).next_back() else { return false };
        if len == 0 || first + len > start + free_len {
            return false;
        }
        self.free.remove(&start);
        if start < first {
            self.free.insert(start, first - start);
        }
        if first + len < start + free_len {
            self.free.insert(first + len, start + free_len - first - len);
        }
        true
    }

    /// The first free run for `count` cells; none when no free run is long enough.
    pub(crate) fn take(&mut self, count: u32, now: u32) -> Option<u32> {
        if count == 0 {
            return Some(0);
        }
        self.wake(now);
        let (&start, _) = self.free.iter().find(|(_, len)| **len >= cells(count))?;
        self.take_exactly(start, count).then_some(start)
    }

    /// Leaves a run; it is free after a rest.
    pub(crate) fn give_back(&mut self, first: u32, count: u32, now: u32) {
        if count != 0 {
            self.resting.push((first, cells(count), now));
        }
    }

    /// Whether a later call may find more than this one.
    pub(crate) fn is_resting(&self) -> bool {
        !self.resting.is_empty()
    }

    fn wake(&mut self, now: u32) {
        let (rested, resting) =
            self.resting.drain(..).partition(|(_, _, left)| now.wrapping_sub(*left) >= REST_TICKS);
        self.resting = resting;
        let rested: Vec<(u32, u32, u32)> = rested;
        for (first, len, _) in rested {
            self.join(first, len);
        }
    }

    fn join(&mut self, first: u32, len: u32) {
        let (mut first, mut len) = (first, len);
        if let Some((&before, &before_len)) = self.free.range(..first).next_back()
            && before + before_len == first
        {
            self.free.remove(&before);
            (first, len) = (before, before_len + len);
        }
        if let Some(behind_len) = self.free.remove(&(first + len)) {
            len += behind_len;
        }
        self.free.insert(first, len);
    }
}

fn cells(count: u32) -> u32 {
    count.next_multiple_of(GRAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_rests_before_it_is_used_again() {
        let mut runs = Runs::new();
        let first = runs.take(MEMBERS_MAX, 0).unwrap();
        runs.give_back(first, MEMBERS_MAX, 0);
        assert_eq!(runs.take(1, REST_TICKS - 1), None);
        assert!(runs.is_resting());
        assert_eq!(runs.take(1, REST_TICKS), Some(0));
    }

    #[test]
    fn neighbours_join() {
        let mut runs = Runs::new();
        let taken: Vec<u32> = (0..4).map(|_| runs.take(5, 0).unwrap()).collect();
        assert_eq!(taken, [0, 8, 16, 24]);
        for first in [8, 24, 0, 16] {
            runs.give_back(first, 5, 0);
        }
        assert_eq!(runs.take(MEMBERS_MAX, 9), Some(0));
    }

    #[test]
    fn a_run_in_use_is_not_taken_twice() {
        let mut runs = Runs::new();
        assert!(runs.take_exactly(8, 3) && !runs.take_exactly(8, 3) && !runs.take_exactly(10, 1));
        assert_eq!((runs.take(8, 0), runs.take(9, 0)), (Some(0), Some(16)));
    }
}
