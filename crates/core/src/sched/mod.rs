//! Schedulers: one file each. `pick` chooses for a new connection; what it needs beyond the servers' records was planned
//! when the service changed (`plan`). Lists are newest server first (spec 4.0): "first in list" is index 0.
pub mod lc;
pub mod rr;
pub mod wlc;
pub mod wrr;

use crate::table::{
    SCHEDULER_LC, SCHEDULER_RR, SCHEDULER_WLC, SCHEDULER_WRR, SERVERS_PER_SERVICE_MAX, Server, Service, Tables,
};

/// No server could be chosen.
pub const NONE: u32 = 0;

/// A service's list of members at one moment.
#[derive(Clone, Copy)]
pub struct Members {
    /// First cell in the table of members.
    pub first: u32,
    /// How many, at most [`SERVERS_PER_SERVICE_MAX`].
    pub count: u32,
}

impl Members {
    /// Reads the list's place once; both numbers belong together.
    #[inline(always)]
    pub fn of(service: &Service) -> Self {
        let members = service.members.load();
        let count = members as u32;
        let count = if count > SERVERS_PER_SERVICE_MAX { SERVERS_PER_SERVICE_MAX } else { count };
        Self { first: (members >> 32) as u32, count }
    }

    /// The server at a position: its index, 0 when there is none.
    #[inline(always)]
    pub fn server<T: Tables>(self, tables: &T, position: u32) -> u32 {
        match tables.member(self.first.wrapping_add(position)) {
            Some(member) => member.server.load(),
            None => NONE,
        }
    }
}

/// The connection overhead of 2026 kernels: active * 256 + total (spec 4.0).
#[inline(always)]
pub fn overhead(server: &Server) -> u64 {
    server.active.load() as u64 * 256 + server.total.load() as u64
}

/// May this server get a new connection: weight above 0 and not overloaded?
#[inline(always)]
pub fn is_eligible(server: &Server) -> bool {
    server.weight.load() != 0 && server.overloaded.load() == 0
}

/// Chooses a real server: its index, or [`NONE`].
#[inline(always)]
pub fn pick<T: Tables>(tables: &T, service: &Service) -> u32 {
    match service.scheduler.load() {
        SCHEDULER_RR => rr::pick(tables, service),
        SCHEDULER_WRR => wrr::pick(tables, service),
        SCHEDULER_LC => lc::pick(tables, service),
        SCHEDULER_WLC => wlc::pick(tables, service),
        _ => NONE,
    }
}
