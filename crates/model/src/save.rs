//! The model as text, for the file from which `lvsd` starts again.
//!
//! The first line names the format, its version and a checksum of everything after it; the rest is JSON. Ids and trash
//! are saved too: the tables of the data plane live on without `lvsd` and speak of servers by id.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{ServerId, ServiceId};
use crate::limits::MAX_SERVERS_PER_SERVICE;
use crate::model::{Model, ServerEntry, ServiceEntry, ServiceSlot, Timeouts};
use crate::server::RealServer;
use crate::service::{ServiceKey, VirtualService};

/// Version of the text. A reader refuses every other.
pub const VERSION: u32 = 1;

const FORMAT: &str = "lvs-state";

/// Why a text is no model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The first line is not ours: another file, or its beginning is lost.
    NotState,
    /// Written by a version of lvs with another format.
    Version(String),
    /// The checksum does not fit: the text was cut off or changed.
    Damaged,
    /// The text is whole, but says what cannot be.
    Content(String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotState => write!(f, "this is not a saved state of lvs"),
            Self::Version(found) => {
                write!(f, "the saved state has format version {found}, this lvsd reads version {VERSION}")
            }
            Self::Damaged => write!(f, "the saved state is damaged: its checksum does not fit"),
            Self::Content(what) => write!(f, "the saved state contradicts itself: {what}"),
        }
    }
}

impl std::error::Error for LoadError {}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedModel {
    timeouts: Timeouts,
    next_incarnation: u64,
    services: Vec<SavedService>,
    trash: Vec<SavedTrash>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedService {
    id: ServiceId,
    incarnation: u64,
    service: VirtualService,
    /// Oldest first.
    servers: Vec<SavedServer>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedServer {
    id: ServerId,
    server: RealServer,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedTrash {
    id: ServerId,
    service: ServiceId,
    service_key: ServiceKey,
    incarnation: u64,
    server: RealServer,
}

/// The model as text.
pub fn to_json(model: &Model) -> String {
    let body = match serde_json::to_string(&saved(model)) {
        Ok(body) => body,
        // Nothing in these types can fail to serialise (no map with odd keys, no own Serialize).
        Err(error) => unreachable!("model to JSON: {error}"),
    };
    format!("{FORMAT} {VERSION} {:016x}\n{body}\n", checksum(body.as_bytes()))
}

/// The model that [`to_json`] wrote.
pub fn from_json(text: &str) -> Result<Model, LoadError> {
    let (head, body) = text.split_once('\n').ok_or(LoadError::NotState)?;
    let mut words = head.split(' ');
    if words.next() != Some(FORMAT) {
        return Err(LoadError::NotState);
    }
    let version = words.next().unwrap_or_default();
    if version != VERSION.to_string() {
        return Err(LoadError::Version(version.to_owned()));
    }
    let body = body.strip_suffix('\n').ok_or(LoadError::Damaged)?;
    if words.next() != Some(format!("{:016x}", checksum(body.as_bytes())).as_str()) {
        return Err(LoadError::Damaged);
    }
    let saved: SavedModel =
        serde_json::from_str(body).map_err(|error| LoadError::Content(error.to_string()))?;
    restored(&saved)
}

fn saved(model: &Model) -> SavedModel {
    let services = model.services().map(|entry| SavedService {
        id: entry.id,
        incarnation: entry.incarnation,
        service: entry.service,
        servers: entry
            .servers
            .iter()
            .filter_map(|id| model.server(*id))
            .map(|server| SavedServer { id: server.id, server: server.server })
            .collect(),
    });
    let trash = model.trash().map(|entry| SavedTrash {
        id: entry.id,
        service: entry.service,
        service_key: entry.service_key,
        incarnation: entry.incarnation,
        server: entry.server,
    });
    SavedModel {
        timeouts: model.timeouts(),
        next_incarnation: model.next_incarnation,
        services: services.collect(),
        trash: trash.collect(),
    }
}

fn restored(saved: &SavedModel) -> Result<Model, LoadError> {
    let mut model = Model::new();
    model.timeouts = saved.timeouts;
    model.next_incarnation = saved.next_incarnation;
    for service in &saved.services {
        restore_service(&mut model, service)?;
    }
    for trashed in &saved.trash {
        let service = trash_home(&mut model, trashed)?;
        restore_server(
            &mut model,
            ServerEntry {
                id: trashed.id,
                service,
                service_key: trashed.service_key,
                server: trashed.server,
                is_trashed: true,
                incarnation: trashed.incarnation,
            },
        )?;
    }
    Ok(model)
}

fn restore_service(model: &mut Model, saved: &SavedService) -> Result<(), LoadError> {
    let (id, key) = (saved.id, saved.service.key);
    if saved.servers.len() > MAX_SERVERS_PER_SERVICE as usize {
        return Err(LoadError::Content(format!("{key} has too many real servers")));
    }
    let servers = saved.servers.iter().map(|server| server.id).collect();
    let entry = ServiceEntry {
        id,
        service: saved.service,
        incarnation: saved.incarnation,
        trashed_count: 0,
        servers,
    };
    place_service(model, id, key, ServiceSlot::Live(entry))?;
    for server in &saved.servers {
        restore_server(
            model,
            ServerEntry {
                id: server.id,
                service: id,
                service_key: key,
                server: server.server,
                is_trashed: false,
                incarnation: saved.incarnation,
            },
        )?;
    }
    Ok(())
}

fn place_service(
    model: &mut Model,
    id: ServiceId,
    key: ServiceKey,
    slot: ServiceSlot,
) -> Result<(), LoadError> {
    if !model.free_services.take_exactly(id.0) {
        return Err(LoadError::Content(format!("service id {} is used twice or out of range", id.0)));
    }
    if model.service_ids.insert(key, id).is_some() {
        return Err(LoadError::Content(format!("{key} is there twice")));
    }
    if model.services.len() <= id.index() {
        model.services.resize(id.index() + 1, ServiceSlot::Free);
    }
    model.services[id.index()] = slot;
    Ok(())
}

/// The service a trashed server points to, counted there; a deleted service gets its retired place again.
fn trash_home(model: &mut Model, trashed: &SavedTrash) -> Result<ServiceId, LoadError> {
    let id = trashed.service;
    match model.services.get_mut(id.index()) {
        Some(ServiceSlot::Live(entry)) if entry.service.key == trashed.service_key => {
            entry.trashed_count += 1
        }
        Some(ServiceSlot::Retired { key, trashed_count }) if *key == trashed.service_key => {
            *trashed_count += 1
        }
        None | Some(ServiceSlot::Free) => {
            let slot = ServiceSlot::Retired { key: trashed.service_key, trashed_count: 1 };
            place_service(model, id, trashed.service_key, slot)?;
        }
        Some(_) => {
            return Err(LoadError::Content(format!(
                "trashed server {} names another service's id",
                trashed.id.0
            )));
        }
    }
    Ok(id)
}

fn restore_server(model: &mut Model, entry: ServerEntry) -> Result<(), LoadError> {
    let id = entry.id;
    if !model.free_servers.take_exactly(id.0) {
        return Err(LoadError::Content(format!("server id {} is used twice or out of range", id.0)));
    }
    if model.server_ids.insert((entry.service_key, entry.server.key()), id).is_some() {
        return Err(LoadError::Content(format!("{} has {} twice", entry.service_key, entry.server.key())));
    }
    if model.servers.len() <= id.index() {
        model.servers.resize(id.index() + 1, None);
    }
    model.servers[id.index()] = Some(entry);
    Ok(())
}

/// FNV-1a, 64 bits: finds damage, not malice.
fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Whether two models are the same to every reader; used by tests, not by the daemon.
impl PartialEq for Model {
    fn eq(&self, other: &Self) -> bool {
        fn listed(model: &Model) -> HashMap<ServiceId, &ServiceEntry> {
            model.services().map(|entry| (entry.id, entry)).collect()
        }
        self.timeouts == other.timeouts
            && self.next_incarnation == other.next_incarnation
            && listed(self) == listed(other)
            && self.servers().eq(other.servers())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChangeSet, Command, ForwardingMethod, Protocol, Scheduler, ServiceRequest};

    fn example() -> Model {
        let key = |port| ServiceKey::new(Protocol::Tcp, [10, 1, 0, 100].into(), port);
        let server = |last| RealServer {
            address: [10, 2, 0, last].into(),
            port: 80,
            method: ForwardingMethod::Masquerade,
            weight: 1,
            upper_threshold: 7,
            lower_threshold: 3,
        };
        let mut model = Model::new();
        let commands = [
            Command::AddService(ServiceRequest::new(key(80), Scheduler::Rr)),
            Command::AddService(ServiceRequest::new(key(81), Scheduler::Wlc)),
            Command::AddServer { service: key(80), server: server(2) },
            Command::AddServer { service: key(80), server: server(3) },
            Command::AddServer { service: key(81), server: server(2) },
            Command::DeleteServer { service: key(80), server: server(2).key() },
            Command::DeleteService(key(81)),
            Command::SetTimeouts { tcp_s: 60, tcp_fin_s: 0, udp_s: 0 },
        ];
        model.apply_all(&commands, &mut ChangeSet::new()).unwrap();
        model
    }

    #[test]
    fn a_model_comes_back_with_ids_and_trash() {
        let model = example();
        let mut loaded = from_json(&to_json(&model)).unwrap();
        assert_eq!(loaded, model);
        assert_eq!(loaded.trash().count(), 2);
        // The retired service's id is still taken, and free when its trash is gone.
        let ids: Vec<_> = loaded.trash().map(|entry| entry.id).collect();
        let mut changes = ChangeSet::new();
        loaded.collect(&ids, &mut changes);
        assert!(changes.services.contains_key(&ServiceId(1)));
        let key = ServiceKey::new(Protocol::Udp, [10, 1, 0, 100].into(), 53);
        loaded.apply(&Command::AddService(ServiceRequest::new(key, "rr")), &mut changes).unwrap();
        assert_eq!(loaded.find_service(&key).unwrap().id, ServiceId(1));
    }

    #[test]
    fn every_damage_is_recognised() {
        let text = to_json(&example());
        for len in 0..text.len() {
            assert!(from_json(&text[..len]).is_err(), "cut to {len} bytes");
        }
        for (at, _) in text.char_indices() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(from_json(std::str::from_utf8(&bytes).unwrap()).is_err(), "bit flipped at {at}");
        }
        assert_eq!(from_json("hello\n"), Err(LoadError::NotState));
        assert_eq!(from_json("lvs-state 2 00\n{}\n"), Err(LoadError::Version("2".into())));
    }

    #[test]
    fn a_whole_text_may_contradict_itself() {
        let body = saved(&example());
        let twice = |mut body: SavedModel| {
            body.services[0].servers[0].id = body.trash[0].id;
            body
        };
        assert!(matches!(restored(&twice(body)), Err(LoadError::Content(_))));
    }
}
