//! Services and real servers, written into any tables: short words for tests, in the order the daemon writes.
//!
//! The daemon's own writer takes a model and commands; this one takes a test's words. What they share (the plan of wrr,
//! the pointer of rr, the overload flag) is `lvs_core`'s.
use std::net::IpAddr;

use lvs_core::{
    address::Address,
    conn, endpoint,
    sched::{rr, wrr},
    table::{
        ENDPOINT_REAL, ENDPOINT_VIRTUAL, FAMILY_V4, FAMILY_V6, METHOD_DIRECT_ROUTE, METHOD_MASQUERADE,
        METHOD_TUNNEL, SCHEDULER_LC, SCHEDULER_NONE, SCHEDULER_RR, SCHEDULER_WLC, SCHEDULER_WRR,
        SERVER_AVAILABLE, SERVERS_PER_SERVICE_MAX, SERVICE_ACTIVE, Tables, ports_word, profile,
    },
};

/// A scheduler by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// Nothing is chosen.
    None,
    /// Round robin.
    Rr,
    /// Weighted round robin.
    Wrr,
    /// Least connections.
    Lc,
    /// Weighted least connections.
    Wlc,
}

impl Scheduler {
    /// By the operator's word.
    pub fn named(name: &str) -> Self {
        match name {
            "none" => Self::None,
            "rr" => Self::Rr,
            "wrr" => Self::Wrr,
            "lc" => Self::Lc,
            "wlc" => Self::Wlc,
            _ => panic!("no scheduler {name} here"),
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::None => SCHEDULER_NONE,
            Self::Rr => SCHEDULER_RR,
            Self::Wrr => SCHEDULER_WRR,
            Self::Lc => SCHEDULER_LC,
            Self::Wlc => SCHEDULER_WLC,
        }
    }
}

/// A forwarding method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// NAT.
    Masquerade,
    /// IP tunnelling.
    Tunnel,
    /// Direct routing.
    DirectRoute,
}

impl Method {
    fn number(self) -> u8 {
        match self {
            Self::Masquerade => METHOD_MASQUERADE,
            Self::Tunnel => METHOD_TUNNEL,
            Self::DirectRoute => METHOD_DIRECT_ROUTE,
        }
    }
}

/// A real server as a test names it.
#[derive(Clone, Copy, Debug)]
pub struct ServerSpec {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// How packets go there.
    pub method: Method,
    /// Its weight.
    pub weight: u32,
    /// Thresholds of connections, upper and lower, 0: none.
    pub thresholds: (u32, u32),
    /// Source of the outer header of tunnels.
    pub source: Option<IpAddr>,
}

impl ServerSpec {
    /// Of weight 1, without thresholds.
    pub fn new(method: Method, address: &str, port: u16) -> Self {
        let address = address.parse().expect("an address");
        Self { address, port, method, weight: 1, thresholds: (0, 0), source: None }
    }

    /// With another weight.
    #[must_use]
    pub fn weight(self, weight: u32) -> Self {
        Self { weight, ..self }
    }

    /// With the outer source of its tunnel.
    #[must_use]
    pub fn from(self, source: &str) -> Self {
        Self { source: Some(source.parse().expect("an address")), ..self }
    }
}

/// The server that a connection got: its index in the table of servers.
pub type Picked = u32;

struct Service {
    protocol: u8,
    address: IpAddr,
    port: u16,
    scheduler: Scheduler,
    /// Newest first.
    servers: Vec<u32>,
    is_there: bool,
}

struct Server {
    spec: ServerSpec,
    service: u32,
    is_trashed: bool,
}

/// What a test has set up; the same calls with equal tables give equal records.
#[derive(Default)]
pub struct Cluster {
    /// Index - 1 in the table of services.
    services: Vec<Service>,
    /// Index - 1 in the table of servers.
    servers: Vec<Server>,
}

/// The family byte of an address.
pub fn family_of(address: IpAddr) -> u8 {
    if address.is_ipv4() { FAMILY_V4 } else { FAMILY_V6 }
}

/// An address as the core has it.
pub fn address_of(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(address) => Address::v4(address.to_bits()),
        IpAddr::V6(address) => Address::v6(address.octets()),
    }
}

/// Each service's lists lie in two runs of cells, used in turn, so that a list is never changed while it is read.
fn run_of(service: u32, turn: u32) -> u32 {
    ((service - 1) * 2 + turn) * SERVERS_PER_SERVICE_MAX
}

impl Cluster {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a service, or makes one that was deleted again: its index.
    pub fn add_service<T: Tables>(
        &mut self,
        tables: &T,
        protocol: u8,
        (address, port): (IpAddr, u16),
        scheduler: Scheduler,
    ) -> u32 {
        let known = self.find_service(protocol, (address, port));
        let index = known.unwrap_or_else(|| {
            self.services.push(Service {
                protocol,
                address,
                port,
                scheduler,
                servers: Vec::new(),
                is_there: true,
            });
            self.services.len() as u32
        });
        self.services[index as usize - 1].is_there = true;
        let record = tables.service(index).expect("room for services");
        let core_address = address_of(address);
        record.high.store(core_address.high);
        record.low.store(core_address.low);
        record.word.store(ports_word(0, port, 0, protocol, family_of(address)));
        self.set_scheduler(tables, index, scheduler);
        record.flags.store(SERVICE_ACTIVE);
        let word = endpoint::word(port, protocol, family_of(address));
        assert!(endpoint::put(tables, 0, core_address, word, ENDPOINT_VIRTUAL | index), "room for endpoints");
        index
    }

    /// The index of a service, deleted ones too.
    pub fn find_service(&self, protocol: u8, (address, port): (IpAddr, u16)) -> Option<u32> {
        let is = |service: &Service| {
            (service.protocol, service.address, service.port) == (protocol, address, port)
        };
        self.services.iter().position(is).map(|place| place as u32 + 1)
    }

    /// Gives a service another scheduler, or the same with fresh data.
    pub fn set_scheduler<T: Tables>(&mut self, tables: &T, service: u32, scheduler: Scheduler) {
        self.services[service as usize - 1].scheduler = scheduler;
        let record = tables.service(service).expect("a service");
        let plan = self.plan(service);
        record.weights.store(u64::from(plan.0) << 32 | u64::from(plan.1));
        let cursor = if scheduler == Scheduler::Wrr { u64::from(wrr::replan(0, plan)) } else { 0 };
        record.cursor.store(cursor);
        record.scheduler.store(scheduler.number());
    }

    /// Deletes a service: its servers go to the trash.
    pub fn delete_service<T: Tables>(&mut self, tables: &T, service: u32) {
        for server in self.services[service as usize - 1].servers.clone() {
            self.delete_server(tables, server);
        }
        self.services[service as usize - 1].is_there = false;
        tables.service(service).expect("a service").flags.store(0);
    }

    /// Deletes all services.
    pub fn flush<T: Tables>(&mut self, tables: &T) {
        for service in 1..=self.services.len() as u32 {
            self.delete_service(tables, service);
        }
    }

    /// Adds a real server, reviving one from the trash: its index.
    pub fn add_server<T: Tables>(&mut self, tables: &T, service: u32, spec: ServerSpec) -> u32 {
        let is = |server: &Server| {
            server.service == service && (server.spec.address, server.spec.port) == (spec.address, spec.port)
        };
        let index = match self.servers.iter().position(is) {
            Some(place) => place as u32 + 1,
            None => {
                self.servers.push(Server { spec, service, is_trashed: false });
                self.servers.len() as u32
            }
        };
        self.write_server(tables, index, spec);
        tables.server(index).expect("room for servers").flags.store(SERVER_AVAILABLE);
        self.servers[index as usize - 1].is_trashed = false;
        self.change_list(tables, service, |list| list.insert(0, index));
        index
    }

    /// Changes a real server.
    pub fn edit_server<T: Tables>(&mut self, tables: &T, index: u32, spec: ServerSpec) {
        self.write_server(tables, index, spec);
        let service = self.servers[index as usize - 1].service;
        self.change_list(tables, service, |_| {});
    }

    /// Takes a real server out of its service.
    pub fn delete_server<T: Tables>(&mut self, tables: &T, index: u32) {
        let server = &mut self.servers[index as usize - 1];
        server.is_trashed = true;
        let service = server.service;
        self.change_list(tables, service, |list| list.retain(|other| *other != index));
        tables.server(index).expect("a server").flags.store(0);
    }

    /// The server of a service by address and port.
    pub fn find_server(&self, service: u32, address: IpAddr, port: u16) -> Option<u32> {
        let is = |server: &Server| {
            !server.is_trashed
                && server.service == service
                && (server.spec.address, server.spec.port) == (address, port)
        };
        self.servers.iter().position(is).map(|place| place as u32 + 1)
    }

    /// What a test said of a server.
    pub fn spec(&self, server: u32) -> ServerSpec {
        self.servers[server as usize - 1].spec
    }

    /// The service of a server.
    pub fn service_of(&self, server: u32) -> u32 {
        self.servers[server as usize - 1].service
    }

    /// All servers in service: service's protocol, address and port, and the server's index.
    pub fn listed(&self) -> Vec<((u8, IpAddr, u16), u32)> {
        let services = self.services.iter().filter(|service| service.is_there);
        services
            .flat_map(|service| {
                let key = (service.protocol, service.address, service.port);
                service.servers.iter().map(move |server| (key, *server))
            })
            .collect()
    }

    /// Highest index of a server in use.
    pub fn server_count(&self) -> u32 {
        self.servers.len() as u32
    }

    fn write_server<T: Tables>(&mut self, tables: &T, index: u32, spec: ServerSpec) {
        let service = &self.services[self.servers[index as usize - 1].service as usize - 1];
        let record = tables.server(index).expect("room for servers");
        let address = address_of(spec.address);
        let source = spec.source.map_or(Address::NONE, address_of);
        record.high.store(address.high);
        record.low.store(address.low);
        record.source_high.store(source.high);
        record.source_low.store(source.low);
        record.service.store(self.servers[index as usize - 1].service);
        record.profile.store(profile(spec.port, family_of(spec.address), spec.method.number()));
        record.weight.store(spec.weight);
        record.upper.store(spec.thresholds.0);
        record.lower.store(spec.thresholds.1);
        conn::weigh_load(record);
        if spec.method == Method::Masquerade {
            let word = endpoint::word(spec.port, service.protocol, family_of(spec.address));
            assert!(endpoint::put(tables, 0, address, word, ENDPOINT_REAL | 1), "room for endpoints");
        }
        self.servers[index as usize - 1].spec = spec;
    }

    fn plan(&self, service: u32) -> (u32, u32) {
        let servers = &self.services[service as usize - 1].servers;
        wrr::plan(servers.iter().map(|index| self.servers[*index as usize - 1].spec.weight))
    }

    /// A new list in the run not in use, then the scheduler's data, as after every change in the kernel.
    fn change_list<T: Tables>(&mut self, tables: &T, service: u32, change: impl FnOnce(&mut Vec<u32>)) {
        let record = tables.service(service).expect("a service");
        let before = self.services[service as usize - 1].servers.clone();
        change(&mut self.services[service as usize - 1].servers);
        let after = &self.services[service as usize - 1].servers;
        let scheduler = self.services[service as usize - 1].scheduler;
        let old = (record.members.load() >> 32) as u32;
        let first = if old == run_of(service, 0) { run_of(service, 1) } else { run_of(service, 0) };
        for (cell, server) in (first..).zip(after) {
            tables.member(cell).expect("room for members").server.store(*server);
        }
        let plan = self.plan(service);
        let cursor = record.cursor.load();
        record.members.store(u64::from(first) << 32 | after.len() as u64);
        record.weights.store(u64::from(plan.0) << 32 | u64::from(plan.1));
        record.cursor.store(match scheduler {
            Scheduler::Rr => u64::from(rr::moved(cursor as u32, &before, after)),
            Scheduler::Wrr => u64::from(wrr::replan(cursor as u32, plan)),
            Scheduler::None | Scheduler::Lc | Scheduler::Wlc => cursor,
        });
    }
}
