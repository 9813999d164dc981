//! Writes the model into the tables: records of servers, lists of members, services, endpoints, settings.
//!
//! The order is safe at every step for packets that flow meanwhile: a server's record is whole before a list names it,
//! a list before a service turns to it with one store, a service before its endpoint leads there; what goes, goes the
//! other way round. Connection counters and the overload flag belong to the packet path and are touched only where an
//! operator's change says so (spec 1.3).

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::thread;
use std::time::Duration;

use lvs_core::address::Address;
use lvs_core::conn::tcp::{ESTABLISHED, FIN_WAIT};
use lvs_core::conn::weigh_load;
use lvs_core::endpoint;
use lvs_core::sched::{rr, wrr};
use lvs_core::table::{
    METHOD_DIRECT_ROUTE, METHOD_MASQUERADE, METHOD_TUNNEL, SCHEDULER_LC, SCHEDULER_NONE, SCHEDULER_RR,
    SCHEDULER_WLC, SCHEDULER_WRR, SERVER_AVAILABLE, SERVERS_MAX, SERVICE_ACTIVE, SERVICES_MAX, Server,
    Service, Tables, ports_word, profile, ticks_of_seconds,
};
use lvs_model::{
    ChangeSet, ForwardingMethod, Model, Scheduler, ServerEntry, ServerId, ServiceEntry, ServiceId, ServiceKey,
};

use crate::address::{family, to_core};
use crate::endpoints::{EndpointKey, Endpoints};
use crate::members::Runs;

/// How long the writer waits when every free run rests.
const REST: Duration = Duration::from_millis(5);
/// How often it waits.
const RESTS_MAX: u32 = 10;

/// What stands in the tables, as far as the model does not say it.
pub(crate) struct Writer {
    runs: Runs,
    pub(crate) endpoints: Endpoints,
    /// Where each service that has an endpoint is found.
    services: HashMap<ServiceId, ServiceKey>,
    /// Where each server that has an endpoint is found: once NAT, until it is forgotten, for its connections' sake.
    servers: HashMap<ServerId, EndpointKey>,
    /// wrr's current weight after the commands of the present batch, one by one.
    weights: HashMap<ServiceId, u32>,
}

/// Which source address the kernel's routing would take towards a server.
pub(crate) type SourceOf<'a> = &'a dyn Fn(IpAddr) -> Option<IpAddr>;

/// Index of a service in the tables: 0 is never used there.
pub(crate) fn service_index(id: ServiceId) -> u32 {
    id.0 + 1
}

/// The endpoint of a service.
pub(crate) fn service_endpoint(key: &ServiceKey) -> EndpointKey {
    let ServiceKey::Address { protocol, address, port } = *key;
    (to_core(address), endpoint::word(port, protocol.number(), family(address)))
}

/// The endpoint of a real server's replies.
fn server_endpoint(entry: &ServerEntry) -> EndpointKey {
    let ServiceKey::Address { protocol, port, .. } = entry.service_key;
    let address = entry.server.address;
    let port = if entry.server.port == 0 { port } else { entry.server.port };
    (to_core(address), endpoint::word(port, protocol.number(), family(address)))
}

fn method(method: ForwardingMethod) -> u8 {
    match method {
        ForwardingMethod::Masquerade => METHOD_MASQUERADE,
        ForwardingMethod::Tunnel(_) => METHOD_TUNNEL,
        ForwardingMethod::DirectRoute => METHOD_DIRECT_ROUTE,
    }
}

fn scheduler(scheduler: Scheduler) -> u32 {
    match scheduler {
        Scheduler::None => SCHEDULER_NONE,
        Scheduler::Rr => SCHEDULER_RR,
        Scheduler::Wrr => SCHEDULER_WRR,
        Scheduler::Lc => SCHEDULER_LC,
        Scheduler::Wlc => SCHEDULER_WLC,
    }
}

impl Writer {
    /// Takes over the tables as a former daemon left them, or new ones, and makes them equal to the model. `nat` are the
    /// servers that NAT connections in the table refer to. Nothing flickers: lists that are right stay, endpoints are
    /// written into the half that is not in force.
    pub(crate) fn adopt<T: Tables>(
        tables: &T,
        model: &Model,
        nat: &HashSet<u32>,
        source: SourceOf<'_>,
    ) -> Self {
        let mut writer = Self {
            runs: Runs::new(),
            endpoints: Endpoints::default(),
            services: HashMap::new(),
            servers: HashMap::new(),
            weights: HashMap::new(),
        };
        writer.adopt_runs(tables, model);
        for entry in model.servers() {
            write_server(tables, entry, false, source);
            if entry.server.method == ForwardingMethod::Masquerade || nat.contains(&entry.id.0) {
                let key = server_endpoint(entry);
                writer.servers.insert(entry.id, key);
                writer.endpoints.note_server(key);
            }
        }
        for entry in model.services() {
            writer.write_service(tables, model, entry, false);
            writer.note_service(entry.id, entry.service.key);
        }
        for entry in model.trash() {
            if model.service(entry.service).is_none() {
                writer.note_service(entry.service, entry.service_key);
            }
        }
        clear_unknown(tables, model);
        writer.endpoints.rebuild(tables);
        for entry in model.trash() {
            retire_server(tables, entry.id);
        }
        write_timeouts(tables, model);
        writer
    }

    fn note_service(&mut self, id: ServiceId, key: ServiceKey) {
        self.services.insert(id, key);
        self.endpoints.note_service(service_endpoint(&key), service_index(id));
    }

    /// Finds the runs in use; a list that overlaps another's (which a whole table never has) is written anew.
    fn adopt_runs<T: Tables>(&mut self, tables: &T, model: &Model) {
        for entry in model.services() {
            let Some(record) = tables.service(service_index(entry.id)) else { continue };
            let members = record.members.load();
            let (first, count) = ((members >> 32) as u32, members as u32);
            if count != 0 && !self.runs.take_exactly(first, count) {
                record.members.store(0);
            }
        }
    }

    /// Notes what one accepted command does to wrr's current weight: the kernel plans after every single change, so a
    /// batch has to as well (spec 4.2).
    pub(crate) fn follow<T: Tables>(&mut self, tables: &T, model: &Model, changes: &ChangeSet) {
        for (id, change) in &changes.services {
            let Some(entry) = model.service(*id) else {
                self.weights.remove(id);
                continue;
            };
            if entry.service.scheduler != Scheduler::Wrr {
                self.weights.remove(id);
                continue;
            }
            if !(change.servers || change.scheduler || change.fresh) {
                continue;
            }
            let is_new = change.fresh || change.scheduler;
            let written =
                || tables.service(service_index(*id)).map_or(0, |record| record.cursor.load() as u32);
            let current = if is_new { 0 } else { self.weights.get(id).copied().unwrap_or_else(written) };
            self.weights.insert(*id, wrr::replan(current, plan(model, entry)));
        }
    }

    /// Forgets what [`Writer::follow`] noted of a batch that was refused.
    pub(crate) fn forget_batch(&mut self) {
        self.weights.clear();
    }

    /// Makes the tables equal to the model where `changes` says.
    pub(crate) fn write<T: Tables>(
        &mut self,
        tables: &T,
        model: &Model,
        changes: &ChangeSet,
        source: SourceOf<'_>,
    ) {
        for (id, change) in &changes.servers {
            if let Some(entry) = model.server(*id).filter(|entry| !entry.is_trashed) {
                write_server(tables, entry, change.fresh, source);
                self.place_server(tables, entry);
            }
        }
        let retired: HashSet<ServiceId> = model.trash().map(|entry| entry.service).collect();
        for (id, change) in &changes.services {
            match model.service(*id) {
                Some(entry) => {
                    self.write_service(tables, model, entry, change.fresh || change.scheduler);
                    self.place_service(tables, *id, Some(entry.service.key));
                }
                None => self.clear_service(tables, *id, retired.contains(id)),
            }
        }
        for id in changes.servers.keys() {
            match model.server(*id) {
                Some(entry) if entry.is_trashed => retire_server(tables, *id),
                Some(_) => {}
                None => self.clear_server(tables, *id),
            }
        }
        if changes.timeouts {
            write_timeouts(tables, model);
        }
        self.weights.clear();
    }

    /// Writes the tunnels' sources again, after routes or addresses changed.
    pub(crate) fn write_sources<T: Tables>(&self, tables: &T, model: &Model, source: SourceOf<'_>) {
        for entry in model.servers() {
            if let (ForwardingMethod::Tunnel(_), Some(record)) =
                (entry.server.method, tables.server(entry.id.0))
            {
                write_source(record, entry.server.address, source);
            }
        }
    }

    fn place_server<T: Tables>(&mut self, tables: &T, entry: &ServerEntry) {
        let key = server_endpoint(entry);
        if let Some(known) = self.servers.get(&entry.id).copied() {
            if known == key {
                return;
            }
            self.servers.remove(&entry.id);
            self.endpoints.remove_server(tables, known);
        }
        if entry.server.method == ForwardingMethod::Masquerade {
            self.servers.insert(entry.id, key);
            self.endpoints.add_server(tables, key);
        }
    }

    fn place_service<T: Tables>(&mut self, tables: &T, id: ServiceId, key: Option<ServiceKey>) {
        let known = match key {
            Some(key) => self.services.insert(id, key),
            None => self.services.remove(&id),
        };
        if let Some(known) = known.filter(|known| Some(*known) != key) {
            self.endpoints.set_service(tables, service_endpoint(&known), 0);
        }
        if let Some(key) = key {
            self.endpoints.set_service(tables, service_endpoint(&key), service_index(id));
        }
    }

    fn write_service<T: Tables>(&mut self, tables: &T, model: &Model, entry: &ServiceEntry, fresh: bool) {
        let Some(record) = tables.service(service_index(entry.id)) else { return };
        let ServiceKey::Address { protocol, address, port } = entry.service.key;
        let core_address = to_core(address);
        record.high.store(core_address.high);
        record.low.store(core_address.low);
        record.word.store(ports_word(0, port, 0, protocol.number(), family(address)));
        let servers: Vec<u32> = entry.servers().map(|id| id.0).collect();
        let before = listed(tables, record);
        let cursor = record.cursor.load();
        let is_other = record.scheduler.load() != scheduler(entry.service.scheduler);
        if before != servers {
            self.write_list(tables, record, &servers);
        }
        let plan = plan(model, entry);
        let cursor_after = match entry.service.scheduler {
            _ if fresh || is_other => self
                .weights
                .get(&entry.id)
                .copied()
                .map_or_else(|| first_cursor(entry.service.scheduler, plan), u64::from),
            Scheduler::Rr => u64::from(rr::moved(cursor as u32, &before, &servers)),
            Scheduler::Wrr => match self.weights.get(&entry.id) {
                Some(weight) => u64::from(*weight),
                // Not a change of this batch: a restart. The pointer stays when the list did.
                None if before == servers => cursor,
                None => u64::from(wrr::replan(cursor as u32, plan)),
            },
            Scheduler::None | Scheduler::Lc | Scheduler::Wlc => 0,
        };
        record.weights.store(if entry.service.scheduler == Scheduler::Wrr {
            u64::from(plan.0) << 32 | u64::from(plan.1)
        } else {
            0
        });
        if fresh || is_other {
            record.cursor.store(cursor_after);
        } else if cursor_after != cursor {
            // A packet that moved it meanwhile wins: the order slips by one, nothing else.
            record.cursor.replace(cursor, cursor_after);
        }
        record.scheduler.store(scheduler(entry.service.scheduler));
        record.flags.store(SERVICE_ACTIVE);
    }

    /// Writes a list into a new run and turns the service to it.
    fn write_list<T: Tables>(&mut self, tables: &T, record: &Service, servers: &[u32]) {
        let count = servers.len() as u32;
        let Some(first) = self.run(tables, count) else { return };
        for (place, server) in servers.iter().enumerate() {
            if let Some(cell) = tables.member(first + place as u32) {
                cell.server.store(*server);
            }
        }
        let old = record.members.load();
        record.members.store(u64::from(first) << 32 | u64::from(count));
        self.runs.give_back((old >> 32) as u32, old as u32, tables.now());
    }

    /// A run for a list. The table holds every possible list twice, so what rests is what may be lacking.
    fn run<T: Tables>(&mut self, tables: &T, count: u32) -> Option<u32> {
        for _ in 0..RESTS_MAX {
            let found = self.runs.take(count, tables.now());
            if found.is_some() || !self.runs.is_resting() {
                return found;
            }
            thread::sleep(REST);
        }
        None
    }

    /// A service that is no more: new connections end at once; its endpoint stays while deleted servers of it have
    /// connections, so that their packets are dropped and not passed (spec 2.5).
    fn clear_service<T: Tables>(&mut self, tables: &T, id: ServiceId, is_retired: bool) {
        if let Some(record) = tables.service(service_index(id)) {
            record.flags.store(0);
            let old = record.members.load();
            record.members.store(0);
            self.runs.give_back((old >> 32) as u32, old as u32, tables.now());
        }
        if !is_retired {
            self.place_service(tables, id, None);
        }
    }

    fn clear_server<T: Tables>(&mut self, tables: &T, id: ServerId) {
        if let Some(key) = self.servers.remove(&id) {
            self.endpoints.remove_server(tables, key);
        }
        if let Some(record) = tables.server(id.0) {
            record.flags.store(0);
            record.weight.store(0);
        }
    }
}

fn write_server<T: Tables>(tables: &T, entry: &ServerEntry, fresh: bool, source: SourceOf<'_>) {
    let Some(record) = tables.server(entry.id.0) else { return };
    if fresh {
        for counter in [&record.active, &record.total, &record.persistent, &record.overloaded] {
            counter.store(0);
        }
    }
    let server = &entry.server;
    let address = to_core(server.address);
    record.high.store(address.high);
    record.low.store(address.low);
    record.service.store(service_index(entry.service));
    match server.method {
        ForwardingMethod::Tunnel(_) => write_source(record, server.address, source),
        ForwardingMethod::Masquerade | ForwardingMethod::DirectRoute => {}
    }
    record.profile.store(profile(server.port, family(server.address), method(server.method)));
    record.weight.store(server.weight);
    record.upper.store(server.upper_threshold);
    record.lower.store(server.lower_threshold);
    weigh_load(record);
    if !entry.is_trashed {
        record.flags.store(SERVER_AVAILABLE);
    }
}

fn write_source(record: &Server, to: IpAddr, source: SourceOf<'_>) {
    let address = source(to).map_or(Address::NONE, to_core);
    record.source_high.store(address.high);
    record.source_low.store(address.low);
}

fn retire_server<T: Tables>(tables: &T, id: ServerId) {
    if let Some(record) = tables.server(id.0) {
        record.flags.store(0);
    }
}

/// Records of a former daemon that the model does not know: nothing may lead there.
fn clear_unknown<T: Tables>(tables: &T, model: &Model) {
    for index in 1..SERVICES_MAX {
        if let Some(record) = tables.service(index)
            && record.flags.load() != 0
            && model.service(ServiceId(index - 1)).is_none()
        {
            record.flags.store(0);
            record.members.store(0);
        }
    }
    for index in 1..SERVERS_MAX {
        if let Some(record) = tables.server(index)
            && record.flags.load() != 0
            && model.server(ServerId(index)).is_none()
        {
            record.flags.store(0);
        }
    }
}

fn write_timeouts<T: Tables>(tables: &T, model: &Model) {
    let Some(config) = tables.config() else { return };
    let timeouts = model.timeouts();
    config.tcp_timeouts[ESTABLISHED as usize].store(ticks_of_seconds(timeouts.tcp_s));
    config.tcp_timeouts[FIN_WAIT as usize].store(ticks_of_seconds(timeouts.tcp_fin_s));
    config.udp_timeout.store(ticks_of_seconds(timeouts.udp_s));
}

/// The list a service's record leads to.
fn listed<T: Tables>(tables: &T, record: &Service) -> Vec<u32> {
    let members = record.members.load();
    let (first, count) = ((members >> 32) as u32, members as u32);
    (first..first.saturating_add(count)).map_while(|cell| Some(tables.member(cell)?.server.load())).collect()
}

/// wrr's plan for a service.
fn plan(model: &Model, entry: &ServiceEntry) -> (u32, u32) {
    wrr::plan(entry.servers().filter_map(|id| model.server(id)).map(|server| server.server.weight))
}

fn first_cursor(scheduler: Scheduler, plan: (u32, u32)) -> u64 {
    match scheduler {
        Scheduler::Wrr => u64::from(wrr::replan(0, plan)),
        Scheduler::None | Scheduler::Rr | Scheduler::Lc | Scheduler::Wlc => 0,
    }
}

#[cfg(test)]
#[path = "records/tests.rs"]
mod tests;
