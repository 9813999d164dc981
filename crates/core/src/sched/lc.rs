//! Least connections: smallest overhead of the eligible; the first in the list wins ties (spec 4.3).
use super::{Members, NONE, is_eligible, overhead};
use crate::table::{SERVERS_PER_SERVICE_MAX, Service, Tables};

/// Chooses the server with the least overhead.
#[inline(always)]
pub fn pick<T: Tables>(tables: &T, service: &Service) -> u32 {
    let members = Members::of(service);
    let mut best = NONE;
    let mut least = u64::MAX;
    let mut position = 0;
    while position < SERVERS_PER_SERVICE_MAX {
        if position >= members.count {
            break;
        }
        let index = members.server(tables, position);
        if let Some(server) = tables.server(index)
            && is_eligible(server)
        {
            let load = overhead(server);
            if load < least {
                least = load;
                best = index;
            }
        }
        position += 1;
    }
    best
}
