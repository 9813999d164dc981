//! Round robin: from the last pick on to the next eligible server, at most one full turn (spec 4.1). Weights above 0 are
//! all the same to it.
use super::Span;
use crate::table::{Service, Tables};

/// Chooses the next server and moves the cursor (position + 1 of the last pick; 0 is the head of the list).
#[inline(always)]
pub fn pick<T: Tables>(tables: &T, service: &Service) -> u32 {
    let span = Span::of(service);
    let cursor = service.cursor.load();
    let from = cursor as u32;
    let mut found = tables.walk_on(&span.part(from, span.count), 1);
    if found == 0 {
        found = tables.walk_on(&span.part(0, from), 1);
    }
    if found != 0 {
        // Lost against another processor: the order slips by one, nothing else.
        service.cursor.replace(cursor, found >> 32);
    }
    found as u32
}

/// The cursor in a list that was changed: at the same server; at the nearest one before it that is left when it was
/// deleted; at the head when there is none (spec 4.1).
pub fn moved(cursor: u32, before: &[u32], after: &[u32]) -> u32 {
    if before == after {
        return cursor;
    }
    let passed = before.get(..cursor as usize).unwrap_or(before);
    let found = passed.iter().rev().find_map(|server| after.iter().position(|other| other == server));
    found.map_or(0, |position| position as u32 + 1)
}
