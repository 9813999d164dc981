//! The intended state of the director: services, their real servers, the trash, timeouts.
//!
//! Invariants, held by [`Model::apply`] and checked by the property test:
//! * a service's list holds exactly the ids of the live servers that name it, each once;
//! * a server's identity (service key and server key) stands for at most one id, live or trashed;
//! * an id is free only if nothing live or trashed bears it; a service id also waits for the trash of its servers.

mod apply;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::change::{ChangeSet, ServiceChange};
use crate::id::{IdPool, ServerId, ServiceId};
use crate::limits::{MAX_SERVERS, MAX_SERVICES};
use crate::server::{RealServer, ServerKey};
use crate::service::{ServiceKey, VirtualService};

/// The timeouts that `ipvsadm --set` sets, in seconds. The other states' timeouts are fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// Established TCP connections.
    pub tcp_s: u32,
    /// TCP connections after a FIN.
    pub tcp_fin_s: u32,
    /// UDP.
    pub udp_s: u32,
}

impl Default for Timeouts {
    /// The kernel's: 15 min, 2 min, 5 min.
    fn default() -> Self {
        Self { tcp_s: 900, tcp_fin_s: 120, udp_s: 300 }
    }
}

/// A live virtual service with its id and its real servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceEntry {
    /// Index in the data plane's tables.
    pub id: ServiceId,
    /// What the operator asked for.
    pub service: VirtualService,
    /// Which object this is: a service created again is another one, though it may have the same key and id.
    pub(crate) incarnation: u64,
    /// Servers in the trash whose record points here.
    pub(crate) trashed_count: u32,
    /// Oldest first: adding is a push.
    pub(crate) servers: Vec<ServerId>,
}

impl ServiceEntry {
    /// Ids of its real servers in kernel order: newest first. Schedulers and listings follow this order.
    pub fn servers(&self) -> impl DoubleEndedIterator<Item = ServerId> + ExactSizeIterator + '_ {
        self.servers.iter().rev().copied()
    }
}

/// A real server with its id, live or in the trash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerEntry {
    /// Index in the data plane's tables.
    pub id: ServerId,
    /// The service it belongs to; for a trashed server perhaps one that is gone (its id is kept for it).
    pub service: ServiceId,
    /// Key of that service.
    pub service_key: ServiceKey,
    /// What the operator asked for.
    pub server: RealServer,
    /// Deleted, kept for its connections: no packet may be sent to it, replies from it are still translated.
    pub is_trashed: bool,
    /// The [`ServiceEntry::incarnation`] it served last.
    pub(crate) incarnation: u64,
}

/// The intended state of the director. See the module head for its invariants.
#[derive(Clone, Debug)]
pub struct Model {
    /// By [`ServiceId::index`].
    pub(crate) services: Vec<ServiceSlot>,
    /// Live services and retired ones: a key never has both.
    pub(crate) service_ids: HashMap<ServiceKey, ServiceId>,
    /// By [`ServerId::index`].
    pub(crate) servers: Vec<Option<ServerEntry>>,
    /// Live servers and trashed ones: an identity never has both.
    pub(crate) server_ids: HashMap<(ServiceKey, ServerKey), ServerId>,
    pub(crate) free_services: IdPool,
    pub(crate) free_servers: IdPool,
    pub(crate) next_incarnation: u64,
    pub(crate) timeouts: Timeouts,
}

/// What a service id stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServiceSlot {
    Free,
    Live(ServiceEntry),
    /// Deleted, but servers in the trash still point here.
    Retired {
        key: ServiceKey,
        trashed_count: u32,
    },
}

impl Default for Model {
    fn default() -> Self {
        Self::new()
    }
}

impl Model {
    /// An empty model with the default timeouts.
    pub fn new() -> Self {
        Self {
            services: Vec::new(),
            service_ids: HashMap::new(),
            servers: Vec::new(),
            server_ids: HashMap::new(),
            free_services: IdPool::new(0, MAX_SERVICES),
            free_servers: IdPool::new(1, MAX_SERVERS),
            next_incarnation: 0,
            timeouts: Timeouts::default(),
        }
    }

    /// The live services, by id.
    pub fn services(&self) -> impl Iterator<Item = &ServiceEntry> {
        self.services.iter().filter_map(|slot| match slot {
            ServiceSlot::Live(entry) => Some(entry),
            ServiceSlot::Free | ServiceSlot::Retired { .. } => None,
        })
    }

    /// The live service of that id.
    pub fn service(&self, id: ServiceId) -> Option<&ServiceEntry> {
        match self.services.get(id.index()) {
            Some(ServiceSlot::Live(entry)) => Some(entry),
            _ => None,
        }
    }

    /// The live service of that key.
    pub fn find_service(&self, key: &ServiceKey) -> Option<&ServiceEntry> {
        self.service(*self.service_ids.get(key)?)
    }

    /// The real server of that id, live or trashed (see [`ServerEntry::is_trashed`]).
    pub fn server(&self, id: ServerId) -> Option<&ServerEntry> {
        self.servers.get(id.index())?.as_ref()
    }

    /// The live real server of that identity.
    pub fn find_server(&self, service: &ServiceKey, server: &ServerKey) -> Option<&ServerEntry> {
        let id = self.server_ids.get(&(*service, *server))?;
        self.server(*id).filter(|entry| !entry.is_trashed)
    }

    /// All real servers, live and trashed, by id.
    pub fn servers(&self) -> impl Iterator<Item = &ServerEntry> {
        self.servers.iter().flatten()
    }

    /// The deleted servers that are not yet forgotten, by id.
    pub fn trash(&self) -> impl Iterator<Item = &ServerEntry> {
        self.servers().filter(|entry| entry.is_trashed)
    }

    /// The timeouts.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// A change set that names every record there is, none of them fresh: what a daemon compares or writes after its
    /// own start, when the data plane went on without it.
    pub fn everything(&self) -> ChangeSet {
        let mut changes = ChangeSet { timeouts: true, ..ChangeSet::default() };
        for entry in self.services() {
            let change = ServiceChange { key_before: Some(entry.service.key), ..ServiceChange::default() };
            changes.services.insert(entry.id, change);
        }
        for entry in self.servers() {
            changes.server(entry.id);
        }
        changes
    }
}
