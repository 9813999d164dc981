//! Round robin: from the last pick on to the next eligible server, at most one full turn (spec 4.1). Weights above 0 are
//! all the same to it.
use super::{Members, NONE, is_eligible};
use crate::table::{SERVERS_PER_SERVICE_MAX, Service, Tables};

/// Chooses the next server and moves the cursor (position + 1 of the last pick; 0 is the head of the list).
#[inline(always)]
pub fn pick<T: Tables>(tables: &T, service: &Service) -> u32 {
    let members = Members::of(service);
    let cursor = service.cursor.load();
    let mut position = cursor as u32;
    let mut step = 0;
    while step < SERVERS_PER_SERVICE_MAX {
        if step >= members.count {
            return NONE;
        }
        if position >= members.count {
            position = 0;
        }
        let index = members.server(tables, position);
        position += 1;
        if let Some(server) = tables.server(index)
            && is_eligible(server)
        {
            // Lost against another processor: the order slips by one, nothing else.
            service.cursor.replace(cursor, position as u64);
            return index;
        }
        step += 1;
    }
    NONE
}
