//! Which addresses are ours, as the daemon remembers it: the writer of core's table of endpoints.
//!
//! One address, port and protocol may be a virtual service and at the same time that of any number of NAT real servers:
//! its value then has both kinds, and the service's index.

use std::collections::HashMap;

use lvs_core::address::Address;
use lvs_core::endpoint;
use lvs_core::table::{ENDPOINT_REAL, ENDPOINT_VIRTUAL, ENDPOINTS_MAX, Tables};

/// Removed entries in a half before the other half is written afresh.
const REMOVED_MAX: u32 = ENDPOINTS_MAX / 8;

/// Address and [`endpoint::word`].
pub(crate) type EndpointKey = (Address, u64);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Meaning {
    /// Index of the virtual service, 0 = none.
    service: u32,
    /// NAT real servers at this address.
    server_count: u32,
}

impl Meaning {
    fn value(self) -> u32 {
        let real = if self.server_count == 0 { 0 } else { ENDPOINT_REAL };
        let service = if self.service == 0 { 0 } else { ENDPOINT_VIRTUAL | self.service };
        real | service
    }
}

/// All endpoints, and how worn the half in force is.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    meanings: HashMap<EndpointKey, Meaning>,
    removed: u32,
    /// Endpoints for which the table had no place.
    pub(crate) lost: u32,
}

impl Endpoints {
    /// Makes an endpoint a service's, or (0) no service's any more.
    pub(crate) fn set_service<T: Tables>(&mut self, tables: &T, key: EndpointKey, service: u32) {
        self.change(tables, key, |meaning| meaning.service = service);
    }

    /// One more NAT real server there.
    pub(crate) fn add_server<T: Tables>(&mut self, tables: &T, key: EndpointKey) {
        self.change(tables, key, |meaning| meaning.server_count += 1);
    }

    /// One NAT real server less there.
    pub(crate) fn remove_server<T: Tables>(&mut self, tables: &T, key: EndpointKey) {
        self.change(tables, key, |meaning| meaning.server_count = meaning.server_count.saturating_sub(1));
    }

    fn change<T: Tables>(&mut self, tables: &T, key: EndpointKey, change: impl FnOnce(&mut Meaning)) {
        let meaning = self.meanings.entry(key).or_default();
        let before = meaning.value();
        change(meaning);
        let value = meaning.value();
        if value == 0 {
            self.meanings.remove(&key);
        }
        if value == before {
            return;
        }
        let Some(config) = tables.config() else { return };
        let half = config.endpoint_half.load() & 1;
        if value != 0 {
            if !endpoint::put(tables, half, key.0, key.1, value) {
                self.rebuild(tables);
            }
        } else if endpoint::remove(tables, half, key.0, key.1) {
            self.removed += 1;
            if self.removed > REMOVED_MAX {
                self.rebuild(tables);
            }
        }
    }

    /// Writes every endpoint into the half that is not in force, and turns to it.
    pub(crate) fn rebuild<T: Tables>(&mut self, tables: &T) {
        let Some(config) = tables.config() else { return };
        let half = (config.endpoint_half.load() & 1) ^ 1;
        for place in 0..ENDPOINTS_MAX {
            if let Some(entry) = tables.endpoint(half * ENDPOINTS_MAX + place)
                && entry.value.load() != endpoint::NONE
            {
                entry.value.store(endpoint::NONE);
            }
        }
        self.lost = 0;
        for ((address, word), meaning) in &self.meanings {
            if !endpoint::put(tables, half, *address, *word, meaning.value()) {
                self.lost += 1;
            }
        }
        config.endpoint_half.store(half);
        self.removed = 0;
    }

    /// Before the first [`Endpoints::rebuild`]: takes in what there is without writing.
    pub(crate) fn note_service(&mut self, key: EndpointKey, service: u32) {
        self.meanings.entry(key).or_default().service = service;
    }

    /// Likewise for a NAT real server.
    pub(crate) fn note_server(&mut self, key: EndpointKey) {
        self.meanings.entry(key).or_default().server_count += 1;
    }

    /// Every endpoint and its value.
    #[cfg(test)]
    pub(crate) fn values(&self) -> impl Iterator<Item = (EndpointKey, u32)> + '_ {
        self.meanings.iter().map(|(key, meaning)| (*key, meaning.value()))
    }
}
