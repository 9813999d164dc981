//! Which records the data plane has to write after commands were applied.

use std::collections::BTreeMap;

use crate::id::{ServerId, ServiceId};
use crate::service::ServiceKey;

/// The union of what a number of commands touched.
///
/// It names records, not values: the writer looks each id up in the model as it is afterwards and writes what it finds,
/// or clears the record when the model has nothing under that id. So a change set may be collected over many commands,
/// and the full one ([`crate::Model::everything`]) makes a restarted daemon write, or compare, every record there is.
///
/// A safe order of writing: servers that exist, then services (their lists of servers), then the lookup of services by
/// key, and last the records that are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeSet {
    /// Services whose record, list of servers or statistics changed.
    pub services: BTreeMap<ServiceId, ServiceChange>,
    /// Real servers whose record, place (live, trash, gone) or statistics changed.
    pub servers: BTreeMap<ServerId, ServerChange>,
    /// The timeouts changed.
    pub timeouts: bool,
    /// The total statistics begin at zero again.
    pub zero_total: bool,
}

/// What happened to one service id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceChange {
    /// The key under which live packets found this id before the change set; none if they did not. It has to leave the
    /// lookup if the model's service of this id has another key now, or is gone.
    pub key_before: Option<ServiceKey>,
    /// Another object than before stands under this id: nothing of the old record may survive.
    pub fresh: bool,
    /// The scheduler's own data (pointers, plans) begin afresh.
    pub scheduler: bool,
    /// Its list of servers, or a server in it, was changed: schedulers that plan must plan again.
    pub servers: bool,
    /// Its statistics begin at zero again.
    pub zero_statistics: bool,
}

/// What happened to one real server's id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerChange {
    /// Another object than before stands under this id: nothing of the old record, connection counters included, may
    /// survive.
    pub fresh: bool,
    /// It came back from the trash: connection counters go on as they were.
    pub revived: bool,
    /// Its statistics begin at zero again (by command, or because it was revived by a new service).
    pub zero_statistics: bool,
}

impl ChangeSet {
    /// Nothing touched.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what happened later.
    pub fn merge(&mut self, later: Self) {
        for (id, change) in later.services {
            let known = self.services.contains_key(&id);
            let entry = self.services.entry(id).or_default();
            if !known {
                entry.key_before = change.key_before;
            }
            entry.fresh |= change.fresh;
            entry.scheduler |= change.scheduler;
            entry.servers |= change.servers;
            entry.zero_statistics |= change.zero_statistics;
        }
        for (id, change) in later.servers {
            let entry = self.servers.entry(id).or_default();
            entry.fresh |= change.fresh;
            entry.revived |= change.revived;
            entry.zero_statistics |= change.zero_statistics;
        }
        self.timeouts |= later.timeouts;
        self.zero_total |= later.zero_total;
    }

    /// The entry of a service; `key` is the one packets find it by at this moment, kept if this is the first touch.
    pub(crate) fn service(&mut self, id: ServiceId, key: Option<ServiceKey>) -> &mut ServiceChange {
        self.services
            .entry(id)
            .or_insert_with(|| ServiceChange { key_before: key, ..ServiceChange::default() })
    }

    /// The entry of a real server.
    pub(crate) fn server(&mut self, id: ServerId) -> &mut ServerChange {
        self.servers.entry(id).or_default()
    }
}
