//! Weighted least connections: smallest overhead / weight, compared by cross multiplication; a later server must be
//! strictly better (spec 4.4).
use super::{Members, NONE, is_eligible, overhead};
use crate::table::{SERVERS_PER_SERVICE_MAX, Service, Tables};

/// Chooses the server with the least overhead for its weight.
#[inline(always)]
pub fn pick<T: Tables>(tables: &T, service: &Service) -> u32 {
    let members = Members::of(service);
    let mut best = NONE;
    let mut least = 0u64;
    let mut weight = 0u64;
    let mut position = 0;
    while position < SERVERS_PER_SERVICE_MAX {
        if position >= members.count {
            break;
        }
        let index = members.server(tables, position);
        if let Some(server) = tables.server(index)
            && is_eligible(server)
        {
            let (load, share) = (overhead(server), server.weight.load() as u64);
            if best == NONE || load.wrapping_mul(weight) < least.wrapping_mul(share) {
                least = load;
                weight = share;
                best = index;
            }
        }
        position += 1;
    }
    best
}
