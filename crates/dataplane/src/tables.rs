//! Core's tables over the mapped maps, so that core's own code runs in the daemon.

use lvs_atomic::Atomic64;
use lvs_core::counter::Counter;
use lvs_core::table::{
    COUNTERS_MAX, Config, Endpoint, Member, Server, Service, Slot, TICK_SHIFT, Tables, Traffic,
};
use rustix::time::{ClockId, clock_gettime};

use crate::pod::Mapping;

/// The pinned tables, seen by the daemon.
pub struct MappedTables {
    pub(crate) config: Mapping<Config>,
    pub(crate) endpoints: Mapping<Endpoint>,
    pub(crate) services: Mapping<Service>,
    pub(crate) members: Mapping<Member>,
    pub(crate) servers: Mapping<Server>,
    pub(crate) slots: Mapping<Slot>,
    /// What core counts while it runs here; per-processor maps cannot be mapped.
    pub(crate) counters: [Atomic64; COUNTERS_MAX as usize],
}

/// The present tick of the coarse monotonic clock, as the packet path reads it.
pub fn now() -> u32 {
    let time = clock_gettime(ClockId::MonotonicCoarse);
    ((time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64) >> TICK_SHIFT) as u32
}

impl MappedTables {
    /// Slots of the connection table.
    pub fn slot_count(&self) -> u32 {
        self.slots.count()
    }
}

impl Tables for MappedTables {
    fn config(&self) -> Option<&Config> {
        self.config.get(0)
    }

    fn now(&self) -> u32 {
        now()
    }

    fn endpoint(&self, index: u32) -> Option<&Endpoint> {
        self.endpoints.get(index)
    }

    fn service(&self, index: u32) -> Option<&Service> {
        self.services.get(index)
    }

    fn member(&self, index: u32) -> Option<&Member> {
        self.members.get(index)
    }

    fn server(&self, index: u32) -> Option<&Server> {
        self.servers.get(index)
    }

    fn slot(&self, index: u32) -> Option<&Slot> {
        self.slots.get(index)
    }

    /// The daemon moves no packets.
    fn traffic(&self, _server: u32) -> Option<&Traffic> {
        None
    }

    fn count(&self, counter: Counter) {
        if let Some(cell) = self.counters.get(counter as usize) {
            cell.add(1);
        }
    }
}
