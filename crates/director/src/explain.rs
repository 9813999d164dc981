//! Where would a packet go, and why: core's own searches over the live tables, with nothing changed by asking.

use std::net::IpAddr;

use lvs_core::conn::{self, Key};
use lvs_core::endpoint;
use lvs_core::sched;
use lvs_core::table::{
    ENDPOINT_INDEX, ENDPOINT_REAL, ENDPOINT_VIRTUAL, METHOD_MASQUERADE, METHOD_TUNNEL, SERVER_AVAILABLE,
    SERVICE_ACTIVE, Service, Tables, ports_word, seconds_of_ticks,
};
use lvs_dataplane::netlink::Netlink;
use lvs_model::api::{ErrorAnswer, ExplainRequest, Explanation};
use lvs_model::{ForwardingMethod, ServerId, TunnelKind};

use crate::address::{family, to_core};
use crate::connections::{self, state_name};
use crate::director::{Director, Inner};

/// What becomes of a packet, as the API says it.
const FORWARD: &str = "forward";
const PASS: &str = "pass";
const DROP: &str = "drop";

/// Follows a packet through the tables.
pub(crate) fn explain(director: &Director, asked: &ExplainRequest) -> Result<Explanation, ErrorAnswer> {
    if asked.client.is_ipv4() != asked.virtual_address.is_ipv4() {
        let why = "client and virtual address are of different families";
        return Err(ErrorAnswer::new(lvs_model::refusal::errno::EINVAL, why));
    }
    let inner = director.lock();
    let mut told = Explanation::default();
    let index = find_service(director, &inner, asked, &mut told);
    if !find_connection(director, &inner, asked, &mut told) {
        match index {
            Some(index) => choose(director, &inner, index, asked, &mut told),
            None => told.verdict = PASS.to_owned(),
        }
    }
    drop(inner);
    if told.verdict == FORWARD {
        find_way(&mut told);
    }
    Ok(told)
}

/// Is the address a service's? Its index.
fn find_service(
    director: &Director,
    inner: &Inner,
    asked: &ExplainRequest,
    told: &mut Explanation,
) -> Option<u32> {
    let tables = &*director.tables;
    let place = asked.virtual_address;
    let word = endpoint::word(place.port(), asked.protocol.number(), family(place.ip()));
    let value = endpoint::find(tables, tables.config()?, to_core(place.ip()), word);
    let words = format!("{} {place}", asked.protocol.name());
    if value & ENDPOINT_VIRTUAL == 0 {
        told.steps.push(if value & ENDPOINT_REAL == 0 {
            format!("{words} is no virtual service: the packet is the kernel's own.")
        } else {
            format!(
                "{words} is a real server's address, not a virtual service: only replies from there are ours."
            )
        });
        return None;
    }
    let index = value & ENDPOINT_INDEX;
    match inner.service_at(index) {
        Some(entry) => {
            told.service = Some(entry.service.key);
            told.service_id = Some(entry.id);
            told.scheduler = Some(entry.service.scheduler);
            let scheduler = entry.service.scheduler.name();
            told.steps.push(format!("{words} is virtual service {} with scheduler {scheduler}.", entry.id.0));
        }
        None => told.steps.push(format!("{words} was a virtual service; its last connections are kept.")),
    }
    Some(index)
}

/// Does the packet belong to a connection?
fn find_connection(
    director: &Director,
    inner: &Inner,
    asked: &ExplainRequest,
    told: &mut Explanation,
) -> bool {
    let tables = &*director.tables;
    let Some(config) = tables.config() else { return false };
    let (client, place) = (asked.client, asked.virtual_address);
    let word = ports_word(client.port(), place.port(), 0, asked.protocol.number(), family(client.ip()));
    let key = Key { client: to_core(client.ip()), virtual_address: to_core(place.ip()), word };
    let now = tables.now();
    let slot = conn::find_inbound(tables, config, &key, now);
    let Some(found) = connections::read(tables, slot, now) else {
        told.steps.push(format!("There is no connection from {client}."));
        return false;
    };
    let state = state_name(asked.protocol.number(), found.control);
    let left_s = seconds_of_ticks(found.remaining_ticks);
    told.steps
        .push(format!("It belongs to a connection in state {state}, which is kept for {left_s} s more."));
    told.connection_state = Some(state.to_owned());
    let is_available =
        tables.server(found.server).is_some_and(|server| server.flags.load() & SERVER_AVAILABLE != 0);
    told.server_id = Some(ServerId(found.server));
    told.server = connections::row(tables, &found).map(|row| row.server);
    told.method = Some(match conn::method(found.control) {
        METHOD_MASQUERADE => ForwardingMethod::Masquerade,
        METHOD_TUNNEL => ForwardingMethod::Tunnel(TunnelKind::Ipip),
        _ => ForwardingMethod::DirectRoute,
    });
    let name = inner
        .model
        .server(ServerId(found.server))
        .map_or_else(|| format!("number {}", found.server), |entry| entry.server.key().to_string());
    if is_available {
        told.steps.push(format!("The connection is with real server {name}."));
        told.verdict = FORWARD.to_owned();
    } else {
        told.steps.push(format!(
            "Its real server {name} was deleted: packets are dropped until it is added again or the connection ends."
        ));
        told.verdict = DROP.to_owned();
    }
    true
}

/// What would the scheduler choose now? Asked with a copy of the service's record, so that its cursor stays.
fn choose(director: &Director, inner: &Inner, index: u32, asked: &ExplainRequest, told: &mut Explanation) {
    let tables = &*director.tables;
    told.verdict = DROP.to_owned();
    let Some(record) = tables.service(index) else { return };
    if record.flags.load() & SERVICE_ACTIVE == 0 {
        told.steps.push("The service was deleted: the packet is the kernel's own.".to_owned());
        told.verdict = PASS.to_owned();
        return;
    }
    let chosen = sched::pick(tables, &copy_of(record));
    let Some(entry) = inner.model.server(ServerId(chosen)).filter(|_| chosen != sched::NONE) else {
        let text = "No real server can be chosen (none there, all of weight 0, or all overloaded)";
        told.steps.push(format!("{text}: the client gets ICMP port unreachable."));
        return;
    };
    let scheduler = told.scheduler.map_or("none", lvs_model::Scheduler::name);
    let server = entry.server;
    let load = tables.server(chosen).map_or((0, 0), |server| (server.active.load(), server.total.load()));
    told.steps.push(format!(
        "A packet that opens a connection now would make {scheduler} choose real server {} (weight {}, {} active and {} \
         inactive connections); any other is passed to the kernel.",
        server.key(),
        server.weight,
        load.0,
        load.1.saturating_sub(load.0)
    ));
    let port = if server.port == 0 { asked.virtual_address.port() } else { server.port };
    told.server = Some((server.address, port).into());
    told.server_id = Some(entry.id);
    told.method = Some(server.method);
    told.verdict = FORWARD.to_owned();
}

fn copy_of(record: &Service) -> Service {
    let copy = Service {
        members: Default::default(),
        cursor: Default::default(),
        weights: Default::default(),
        scheduler: Default::default(),
        flags: Default::default(),
        high: Default::default(),
        low: Default::default(),
        word: Default::default(),
        pad: Default::default(),
    };
    copy.members.store(record.members.load());
    copy.cursor.store(record.cursor.load());
    copy.weights.store(record.weights.load());
    copy.scheduler.store(record.scheduler.load());
    copy
}

/// Which way out does the kernel know?
fn find_way(told: &mut Explanation) {
    let (Some(server), Some(method)) = (told.server, told.method) else { return };
    told.steps.push(match method {
        ForwardingMethod::Masquerade => format!("NAT: the destination becomes {server}."),
        ForwardingMethod::DirectRoute => "Direct routing: only the link address changes.".to_owned(),
        ForwardingMethod::Tunnel(_) => format!("Tunnel: the packet travels inside one to {}.", server.ip()),
    });
    match way_to(server.ip(), told) {
        Ok(step) => told.steps.push(step),
        Err(why) => told.steps.push(format!("The kernel knows no way to {}: {why}.", server.ip())),
    }
}

fn way_to(server: IpAddr, told: &mut Explanation) -> std::io::Result<String> {
    let mut netlink = Netlink::open()?;
    let route = netlink.route(server)?;
    if route.is_local {
        return Ok(format!("{server} is this very host: the packet is delivered here."));
    }
    let hop = route.gateway.unwrap_or(server);
    let devices = netlink.devices()?;
    let name = devices.into_iter().find(|device| device.index == route.interface).map(|device| device.name);
    let neighbours = netlink.neighbours()?;
    let neighbour =
        neighbours.iter().find(|known| known.interface == route.interface && known.address == hop);
    let link = match neighbour.filter(|known| known.is_usable()) {
        Some(known) => {
            known.link_address.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
        }
        None => "not known yet: the kernel finds it with the first packet".to_owned(),
    };
    let interface = name.unwrap_or_default();
    let step = format!("It leaves by interface {interface} to {hop} (link address {link}).");
    told.interface = Some(interface);
    told.next_hop = Some(hop);
    Ok(step)
}
