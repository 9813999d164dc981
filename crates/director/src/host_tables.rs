//! Tables in this process's own memory, for tests.

use std::cell::Cell;

use lvs_core::conn::tcp::TIMEOUTS_S;
use lvs_core::counter::Counter;
use lvs_core::table::{
    Config, ENDPOINTS_MAX, Endpoint, GROUP_SLOTS, MEMBERS_MAX, Member, SERVERS_MAX, SERVICES_MAX, Server,
    Service, Slot, Tables, Traffic, ticks_of_seconds,
};

/// Groups of the connection table.
const GROUPS: u32 = 64;

pub(crate) struct HostTables {
    config: Config,
    endpoints: Vec<Endpoint>,
    services: Vec<Service>,
    members: Vec<Member>,
    servers: Vec<Server>,
    slots: Vec<Slot>,
    /// The present tick; every look lets one pass.
    pub(crate) now: Cell<u32>,
}

fn many<T>(count: u32, make: impl Fn() -> T) -> Vec<T> {
    (0..count).map(|_| make()).collect()
}

impl HostTables {
    pub(crate) const SLOTS: u32 = GROUPS * GROUP_SLOTS;

    pub(crate) fn new() -> Self {
        let config = Config {
            seed: Default::default(),
            groups: Default::default(),
            endpoint_half: Default::default(),
            next_hop_epoch: Default::default(),
            flags: Default::default(),
            tcp_timeouts: Default::default(),
            udp_timeout: Default::default(),
            reuse_mode: Default::default(),
            icmp_per_second: Default::default(),
            pad: Default::default(),
            jiffy_ns: Default::default(),
            clock_offset_ns: Default::default(),
            sample_jiffies: Default::default(),
            sample_ns: Default::default(),
        };
        config.seed.store(7);
        config.groups.store(GROUPS);
        for (cell, seconds) in config.tcp_timeouts.iter().zip(TIMEOUTS_S) {
            cell.store(ticks_of_seconds(seconds));
        }
        Self {
            config,
            endpoints: many(2 * ENDPOINTS_MAX, endpoint),
            services: many(SERVICES_MAX, service),
            members: many(MEMBERS_MAX, || Member { server: Default::default() }),
            servers: many(SERVERS_MAX, server),
            slots: many(Self::SLOTS, slot),
            now: Cell::new(1000),
        }
    }
}

fn endpoint() -> Endpoint {
    Endpoint {
        high: Default::default(),
        low: Default::default(),
        word: Default::default(),
        value: Default::default(),
        pad: Default::default(),
    }
}

fn service() -> Service {
    Service {
        members: Default::default(),
        cursor: Default::default(),
        weights: Default::default(),
        scheduler: Default::default(),
        flags: Default::default(),
        high: Default::default(),
        low: Default::default(),
        word: Default::default(),
        pad: Default::default(),
    }
}

fn server() -> Server {
    Server {
        high: Default::default(),
        low: Default::default(),
        profile: Default::default(),
        source_high: Default::default(),
        source_low: Default::default(),
        flags: Default::default(),
        service: Default::default(),
        pad: Default::default(),
        active: Default::default(),
        total: Default::default(),
        persistent: Default::default(),
        overloaded: Default::default(),
        weight: Default::default(),
        upper: Default::default(),
        lower: Default::default(),
        pad2: Default::default(),
    }
}

fn slot() -> Slot {
    Slot {
        client_high: Default::default(),
        client_low: Default::default(),
        virtual_high: Default::default(),
        virtual_low: Default::default(),
        word: Default::default(),
        control: Default::default(),
        expires: Default::default(),
        places: Default::default(),
        server: Default::default(),
        packets: Default::default(),
        controller: Default::default(),
    }
}

impl Tables for HostTables {
    fn config(&self) -> Option<&Config> {
        Some(&self.config)
    }

    fn now(&self) -> u32 {
        self.now.set(self.now.get() + 1);
        self.now.get()
    }

    fn endpoint(&self, index: u32) -> Option<&Endpoint> {
        self.endpoints.get(index as usize)
    }

    fn service(&self, index: u32) -> Option<&Service> {
        self.services.get(index as usize)
    }

    fn member(&self, index: u32) -> Option<&Member> {
        self.members.get(index as usize)
    }

    fn server(&self, index: u32) -> Option<&Server> {
        self.servers.get(index as usize)
    }

    fn slot(&self, index: u32) -> Option<&Slot> {
        self.slots.get(index as usize)
    }

    fn traffic(&self, _server: u32) -> Option<&Traffic> {
        None
    }

    fn count(&self, _counter: Counter) {}
}
