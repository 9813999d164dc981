//! How commands change the model. Every function checks first and changes afterwards, so a refused command needs no
//! way back; a batch works on a copy (about 5 ms for a full model, paid once a batch).

use super::{Model, ServerEntry, ServiceEntry, ServiceSlot};
use crate::change::ChangeSet;
use crate::command::Command;
use crate::id::{ServerId, ServiceId};
use crate::limits::{MAX_SERVERS_PER_SERVICE, MAX_THRESHOLD, MAX_TIMEOUT_S, MAX_WEIGHT};
use crate::refusal::{Refusal, RefusedCommand};
use crate::server::{ForwardingMethod, RealServer, ServerKey};
use crate::service::{Scheduler, SchedulerName, ServiceKey, ServiceRequest, VirtualService};

impl Model {
    /// Applies one command and adds what it touched to `changes`; if it is refused, neither is changed.
    ///
    /// The order of checks is the kernel's (`ip_vs_genl_set_cmd`, `ip_vs_add_dest`), so that of several reasons the
    /// same one is told.
    pub fn apply(&mut self, command: &Command, changes: &mut ChangeSet) -> Result<(), Refusal> {
        match command {
            Command::AddService(request) => self.add_service(request, changes),
            Command::EditService(request) => self.edit_service(request, changes),
            Command::DeleteService(key) => self.delete_service(key, changes),
            Command::Flush => self.flush(changes),
            Command::AddServer { service, server } => self.add_server(service, server, changes),
            Command::EditServer { service, server } => self.edit_server(service, server, changes),
            Command::DeleteServer { service, server } => self.delete_server(service, server, changes),
            Command::SetTimeouts { tcp_s, tcp_fin_s, udp_s } => {
                self.set_timeouts(*tcp_s, *tcp_fin_s, *udp_s, changes)
            }
            Command::Zero { service: Some(key) } => self.zero_service(key, changes),
            Command::Zero { service: None } => self.zero_everything(changes),
        }
    }

    /// Applies all commands or, if one is refused, none.
    pub fn apply_all(&mut self, commands: &[Command], changes: &mut ChangeSet) -> Result<(), RefusedCommand> {
        if let [command] = commands {
            return self.apply(command, changes).map_err(|refusal| RefusedCommand { index: 0, refusal });
        }
        let mut model = self.clone();
        let mut touched = ChangeSet::new();
        for (index, command) in commands.iter().enumerate() {
            model.apply(command, &mut touched).map_err(|refusal| RefusedCommand { index, refusal })?;
        }
        *self = model;
        changes.merge(touched);
        Ok(())
    }

    /// Forgets trashed servers: their ids, and those of deleted services without further trash, are free again. Ids
    /// that are not in the trash (revived meanwhile, or unknown) are left alone.
    ///
    /// When is the caller's decision. The kernel looks every 60 s and forgets a server that no connection has
    /// referred to for 120 s. A daemon may also forget unreferenced servers early, when a command was refused with
    /// [`Refusal::ServersFull`] or [`Refusal::ServicesFull`].
    pub fn collect(&mut self, ids: &[ServerId], changes: &mut ChangeSet) {
        for id in ids {
            let Some(slot) = self.servers.get_mut(id.index()) else { continue };
            let Some(entry) = slot.take_if(|entry| entry.is_trashed) else { continue };
            self.server_ids.remove(&(entry.service_key, entry.server.key()));
            self.free_servers.give_back(id.0);
            changes.server(*id);
            self.leave_service(entry.service, changes);
        }
    }

    fn add_service(&mut self, request: &ServiceRequest, changes: &mut ChangeSet) -> Result<(), Refusal> {
        let key = request.key;
        if self.find_service(&key).is_some() {
            return Err(Refusal::ServiceExists(key));
        }
        let scheduler = known_scheduler(&request.scheduler)?;
        // A retired service of this key keeps its id for us: its trashed servers point there and come back here.
        let (id, trashed_count) = match self.service_ids.get(&key) {
            Some(&id) => (id, self.trashed_count(id)),
            None => (ServiceId(self.free_services.take().ok_or(Refusal::ServicesFull)?), 0),
        };
        let service = VirtualService { key, scheduler };
        let incarnation = self.next_incarnation;
        self.next_incarnation += 1;
        if self.services.len() <= id.index() {
            self.services.resize(id.index() + 1, ServiceSlot::Free);
        }
        let entry = ServiceEntry { id, service, incarnation, trashed_count, servers: Vec::new() };
        self.services[id.index()] = ServiceSlot::Live(entry);
        self.service_ids.insert(key, id);
        let change = changes.service(id, None);
        (change.fresh, change.scheduler, change.servers, change.zero_statistics) = (true, true, true, true);
        Ok(())
    }

    fn edit_service(&mut self, request: &ServiceRequest, changes: &mut ChangeSet) -> Result<(), Refusal> {
        let entry = self.live_service(&request.key)?;
        let scheduler = known_scheduler(&request.scheduler)?;
        let change = changes.service(entry.id, Some(request.key));
        change.scheduler |= entry.service.scheduler != scheduler;
        entry.service.scheduler = scheduler;
        Ok(())
    }

    fn delete_service(&mut self, key: &ServiceKey, changes: &mut ChangeSet) -> Result<(), Refusal> {
        let entry = self.live_service(key)?;
        let id = entry.id;
        changes.service(id, Some(*key)).servers = true;
        let servers = std::mem::take(&mut entry.servers);
        let trashed_count = entry.trashed_count + servers.len() as u32;
        for server in servers {
            self.move_to_trash(server, changes);
        }
        self.services[id.index()] = ServiceSlot::Retired { key: *key, trashed_count };
        if trashed_count == 0 {
            self.free_service(id, *key);
        }
        Ok(())
    }

    fn flush(&mut self, changes: &mut ChangeSet) -> Result<(), Refusal> {
        let keys: Vec<ServiceKey> = self.services().map(|entry| entry.service.key).collect();
        keys.iter().try_for_each(|key| self.delete_service(key, changes))
    }

    fn add_server(
        &mut self,
        service: &ServiceKey,
        server: &RealServer,
        changes: &mut ChangeSet,
    ) -> Result<(), Refusal> {
        let entry = self.live_service(service)?;
        let (service_id, incarnation, live_count) = (entry.id, entry.incarnation, entry.servers.len());
        check_settings(service, server)?;
        let identity = (*service, server.key());
        let known = self.server_ids.get(&identity).copied();
        if known.is_some_and(|id| self.server(id).is_some_and(|entry| !entry.is_trashed)) {
            return Err(Refusal::ServerExists(server.key()));
        }
        if !is_unicast(server) {
            return Err(Refusal::AddressNotUnicast(server.key()));
        }
        if live_count >= MAX_SERVERS_PER_SERVICE as usize {
            return Err(Refusal::ServiceFull(*service));
        }
        let id = match known {
            Some(id) => self.revive(id, incarnation, changes),
            None => self.new_server_id(changes)?,
        };
        self.server_ids.insert(identity, id);
        self.servers[id.index()] = Some(ServerEntry {
            id,
            service: service_id,
            service_key: *service,
            server: *server,
            is_trashed: false,
            incarnation,
        });
        self.live_service(service)?.servers.push(id);
        changes.service(service_id, Some(*service)).servers = true;
        Ok(())
    }

    fn edit_server(
        &mut self,
        service: &ServiceKey,
        server: &RealServer,
        changes: &mut ChangeSet,
    ) -> Result<(), Refusal> {
        let service_id = self.live_service(service)?.id;
        check_settings(service, server)?;
        let entry = self.live_server(service, &server.key())?;
        entry.server = *server;
        changes.server(entry.id);
        changes.service(service_id, Some(*service)).servers = true;
        Ok(())
    }

    fn delete_server(
        &mut self,
        service: &ServiceKey,
        server: &ServerKey,
        changes: &mut ChangeSet,
    ) -> Result<(), Refusal> {
        self.live_service(service)?;
        let id = self.live_server(service, server)?.id;
        let entry = self.live_service(service)?;
        entry.servers.retain(|other| *other != id);
        entry.trashed_count += 1;
        changes.service(entry.id, Some(*service)).servers = true;
        self.move_to_trash(id, changes);
        Ok(())
    }

    fn set_timeouts(
        &mut self,
        tcp_s: u32,
        tcp_fin_s: u32,
        udp_s: u32,
        changes: &mut ChangeSet,
    ) -> Result<(), Refusal> {
        if let Some(too_long) =
            [tcp_s, tcp_fin_s, udp_s].into_iter().find(|timeout_s| *timeout_s > MAX_TIMEOUT_S)
        {
            return Err(Refusal::TimeoutTooLong(too_long));
        }
        let timeouts = &mut self.timeouts;
        for (kept, given) in
            [(&mut timeouts.tcp_s, tcp_s), (&mut timeouts.tcp_fin_s, tcp_fin_s), (&mut timeouts.udp_s, udp_s)]
        {
            if given != 0 {
                *kept = given;
                changes.timeouts = true;
            }
        }
        Ok(())
    }

    fn zero_service(&mut self, key: &ServiceKey, changes: &mut ChangeSet) -> Result<(), Refusal> {
        let entry = self.live_service(key)?;
        changes.service(entry.id, Some(*key)).zero_statistics = true;
        for id in &entry.servers {
            changes.server(*id).zero_statistics = true;
        }
        Ok(())
    }

    fn zero_everything(&mut self, changes: &mut ChangeSet) -> Result<(), Refusal> {
        let keys: Vec<ServiceKey> = self.services().map(|entry| entry.service.key).collect();
        keys.iter().try_for_each(|key| self.zero_service(key, changes))?;
        changes.zero_total = true;
        Ok(())
    }

    fn live_service(&mut self, key: &ServiceKey) -> Result<&mut ServiceEntry, Refusal> {
        let slot = self.service_ids.get(key).and_then(|id| self.services.get_mut(id.index()));
        match slot {
            Some(ServiceSlot::Live(entry)) => Ok(entry),
            _ => Err(Refusal::ServiceMissing(*key)),
        }
    }

    fn live_server(&mut self, service: &ServiceKey, server: &ServerKey) -> Result<&mut ServerEntry, Refusal> {
        let id = self.server_ids.get(&(*service, *server));
        id.and_then(|id| self.servers.get_mut(id.index())?.as_mut())
            .filter(|entry| !entry.is_trashed)
            .ok_or(Refusal::ServerMissing(*server))
    }

    fn new_server_id(&mut self, changes: &mut ChangeSet) -> Result<ServerId, Refusal> {
        let id = ServerId(self.free_servers.take().ok_or(Refusal::ServersFull)?);
        if self.servers.len() <= id.index() {
            self.servers.resize(id.index() + 1, None);
        }
        let change = changes.server(id);
        (change.fresh, change.zero_statistics) = (true, true);
        Ok(id)
    }

    /// Takes a server out of the trash; only a service object that it served before lets it keep its statistics.
    fn revive(&mut self, id: ServerId, incarnation: u64, changes: &mut ChangeSet) -> ServerId {
        let change = changes.server(id);
        change.revived = true;
        if let Some(entry) = self.servers.get_mut(id.index()).and_then(Option::as_mut) {
            change.zero_statistics |= entry.incarnation != incarnation;
            if let Some(ServiceSlot::Live(service)) = self.services.get_mut(entry.service.index()) {
                service.trashed_count -= 1;
            }
        }
        id
    }

    fn move_to_trash(&mut self, id: ServerId, changes: &mut ChangeSet) {
        if let Some(entry) = self.servers.get_mut(id.index()).and_then(Option::as_mut) {
            entry.is_trashed = true;
            changes.server(id);
        }
    }

    /// One trashed server less points to the service.
    fn leave_service(&mut self, id: ServiceId, changes: &mut ChangeSet) {
        match &mut self.services[id.index()] {
            ServiceSlot::Live(entry) => entry.trashed_count -= 1,
            ServiceSlot::Retired { key, trashed_count } => {
                *trashed_count -= 1;
                if *trashed_count == 0 {
                    let key = *key;
                    self.free_service(id, key);
                    changes.service(id, None);
                }
            }
            ServiceSlot::Free => {}
        }
    }

    fn free_service(&mut self, id: ServiceId, key: ServiceKey) {
        self.services[id.index()] = ServiceSlot::Free;
        self.service_ids.remove(&key);
        self.free_services.give_back(id.0);
    }

    fn trashed_count(&self, id: ServiceId) -> u32 {
        match self.services.get(id.index()) {
            Some(ServiceSlot::Live(entry)) => entry.trashed_count,
            Some(ServiceSlot::Retired { trashed_count, .. }) => *trashed_count,
            Some(ServiceSlot::Free) | None => 0,
        }
    }
}

fn known_scheduler(name: &SchedulerName) -> Result<Scheduler, Refusal> {
    Scheduler::from_name(name.as_str()).ok_or_else(|| Refusal::SchedulerUnknown(name.as_str().to_owned()))
}

/// What the kernel checks about a real server before it looks for it.
fn check_settings(service: &ServiceKey, server: &RealServer) -> Result<(), Refusal> {
    let is_tunnel = matches!(server.method, ForwardingMethod::Tunnel(_));
    if service.is_ipv6() != server.address.is_ipv6() && !is_tunnel {
        return Err(Refusal::FamilyMismatch(server.key()));
    }
    let (upper, lower) = (server.upper_threshold, server.lower_threshold);
    if server.weight > MAX_WEIGHT {
        return Err(Refusal::WeightTooHigh(server.weight));
    }
    if lower > upper {
        return Err(Refusal::ThresholdsCrossed { upper, lower });
    }
    if upper > MAX_THRESHOLD {
        return Err(Refusal::ThresholdTooHigh(upper));
    }
    Ok(())
}

/// Whether the address may be a real server's. The kernel also takes link-local IPv6 addresses of the director itself;
/// this room knows no interfaces and refuses them all. It accepts 240/4 (not the broadcast address), as the kernel.
fn is_unicast(server: &RealServer) -> bool {
    match server.address {
        std::net::IpAddr::V4(address) => {
            !(address.is_unspecified() || address.is_multicast() || address.is_broadcast())
        }
        std::net::IpAddr::V6(address) => {
            !(address.is_unspecified() || address.is_multicast() || address.is_unicast_link_local())
        }
    }
}
