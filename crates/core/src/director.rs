//! The story of a packet: parse, select, forward, verdict. One function for each hook and direction.
//!
//! XDP finishes what it can finish at once and passes everything else untouched and uncounted; TC then does all of it.
//! Connection first, service second: three packets of every connection pay one lookup.
use crate::{
    address::Address,
    conn::{self, Direction, Key, New, Reply, Step},
    counter::Counter,
    endpoint,
    flow::{self, FRAGMENT_FIRST, Flow},
    forward::{self, CLEAR, TO_FRAGMENT, TOO_BIG, TTL_USED, answer, nat, relay, tunnel},
    sched,
    table::{
        Config, ENDPOINT_INDEX, ENDPOINT_REMOVED, ENDPOINT_VIRTUAL, FAMILY_V4, FRAGMENT_TICKS, FragmentKey,
        FragmentValue, HOP_FINDING, HOP_LINK, HOP_LOCAL, HOP_UNREACHABLE, HOP_UNRESOLVED, Hook, ICMP,
        ICMP_V6, METHOD_DIRECT_ROUTE, METHOD_MASQUERADE, METHOD_TUNNEL, NextHop, SERVER_AVAILABLE,
        SERVICE_ACTIVE, Server, Slot, TCP, UDP, ports_word, profile_family, profile_method,
    },
    verdict,
    wire::Frame,
};

/// The client port that is never scheduled: active FTP data from a real server (spec 2.3 step 4).
const FTP_DATA_PORT: u16 = 20;

/// A packet coming in by an interface.
#[inline(always)]
pub fn ingress<F: Frame, H: Hook>(frame: &mut F, hook: &H) -> u64 {
    let Some(config) = hook.config() else { return verdict::PASS };
    let mut flow = Flow::default();
    if !flow::parse(frame, &mut flow) {
        return verdict::PASS;
    }
    if flow.protocol != TCP && flow.protocol != UDP {
        return other_protocol::<H>(&flow);
    }
    if flow.fragment != 0 && !know_fragment(hook, &mut flow) {
        return verdict::PASS;
    }
    let word = endpoint::word(flow.destination_port, flow.protocol, flow.family);
    let value = lookup(hook, config, flow.destination, word);
    if value & ENDPOINT_VIRTUAL != 0 {
        return inbound(frame, hook, config, &flow, value & ENDPOINT_INDEX);
    }
    outbound(frame, hook, config, &flow, true)
}

/// A packet that the director itself sends out of an interface: replies of a local node.
#[inline(always)]
pub fn egress<F: Frame, H: Hook>(frame: &mut F, hook: &H) -> u64 {
    let Some(config) = hook.config() else { return verdict::PASS };
    let mut flow = Flow::default();
    if !flow::parse(frame, &mut flow) || (flow.protocol != TCP && flow.protocol != UDP) {
        return verdict::PASS;
    }
    if flow.fragment != 0 && !know_fragment(hook, &mut flow) {
        return verdict::PASS;
    }
    outbound(frame, hook, config, &flow, false)
}

/// Answers a packet with an ICMP error: what [`verdict::ANSWER`] asked for. Read again from the frame, since it is rare.
#[inline(always)]
pub fn answer<F: Frame, H: Hook>(frame: &mut F, hook: &H, verdict: u64) -> u64 {
    let Some(config) = hook.config() else { return verdict::DROP };
    let mut flow = Flow::default();
    if !flow::parse(frame, &mut flow) {
        return verdict::DROP;
    }
    let error = answer::error((verdict >> 8) & 0xFF, verdict::interface(verdict));
    answer::answer(frame, hook, config, &flow, &error)
}

/// Relays an ICMP error: what [`verdict::RELAY`] asked for.
#[inline(always)]
pub fn relay<F: Frame, H: Hook>(frame: &mut F, hook: &H) -> u64 {
    let Some(config) = hook.config() else { return verdict::PASS };
    let mut flow = Flow::default();
    if !flow::parse(frame, &mut flow) {
        return verdict::PASS;
    }
    relay::relay(frame, hook, config, &flow)
}

/// All of [`ingress`], with what it leaves to [`answer()`] and [`relay()`]: for hosts, where there is one function for all.
pub fn whole<F: Frame, H: Hook>(frame: &mut F, hook: &H) -> u64 {
    let verdict = ingress(frame, hook);
    match verdict::code(verdict) {
        verdict::ANSWER => answer(frame, hook, verdict),
        verdict::RELAY => relay(frame, hook),
        _ => verdict,
    }
}

/// The value of an endpoint: its first place here, the others in a function of their own.
#[inline(always)]
pub fn lookup<H: Hook>(hook: &H, config: &Config, address: Address, word: u64) -> u32 {
    let value = endpoint::first(hook, config, address, word);
    if value == ENDPOINT_REMOVED { hook.find_endpoint(address, word) } else { value }
}

/// The connection of a packet from client to virtual service: at its home here, elsewhere in a function of its own.
#[inline(always)]
pub fn of_request<'a, H: Hook>(hook: &'a H, config: &Config, key: &Key) -> Option<&'a Slot> {
    let first = hook.slot(conn::home(config, key.client, key.word))?;
    if conn::holds_request(first, key, hook.now()) {
        return Some(first);
    }
    if !conn::is_shared(first) {
        return None;
    }
    hook.slot(hook.find_inbound(key))
}

/// The connection of a reply.
#[inline(always)]
pub fn of_reply<'a, H: Hook>(hook: &'a H, config: &Config, reply: &Reply) -> Option<&'a Slot> {
    let first = hook.slot(conn::home(config, reply.client, reply.word))?;
    if conn::holds_reply(hook, first, reply, hook.now()) {
        return Some(first);
    }
    if !conn::is_shared(first) {
        return None;
    }
    hook.slot(hook.find_outbound(reply))
}

/// ICMP errors are relayed; the rest is the kernel's.
#[inline(always)]
fn other_protocol<H: Hook>(flow: &Flow) -> u64 {
    if !H::SKB || (flow.protocol != ICMP && flow.protocol != ICMP_V6) {
        return verdict::PASS;
    }
    verdict::RELAY
}

/// The first fragment of a train teaches the ports, later ones take them; false when they are not known.
#[inline(always)]
fn know_fragment<H: Hook>(hook: &H, flow: &mut Flow) -> bool {
    let key = FragmentKey {
        source: flow.source,
        destination: flow.destination,
        identification: flow.identification,
        protocol: flow.kind(),
    };
    if flow.fragment == FRAGMENT_FIRST {
        let ports = (flow.source_port as u32) << 16 | flow.destination_port as u32;
        hook.learn_fragment(&key, &FragmentValue { ports, expires: hook.now().wrapping_add(FRAGMENT_TICKS) });
        return true;
    }
    let ports = hook.fragment(&key);
    flow.source_port = (ports >> 16) as u16;
    flow.destination_port = ports as u16;
    ports != 0
}

/// Client to virtual service.
#[inline(always)]
fn inbound<F: Frame, H: Hook>(frame: &mut F, hook: &H, config: &Config, flow: &Flow, service: u32) -> u64 {
    let now = hook.now();
    let word = ports_word(flow.source_port, flow.destination_port, 0, flow.protocol, flow.family);
    let key = Key { client: flow.source, virtual_address: flow.destination, word };
    let mut found = of_request(hook, config, &key);
    if let Some(slot) = found
        && flow.tcp_flags & conn::tcp::SYN != 0
        && gives_way(config, flow, slot)
    {
        hook.release(hook.find_inbound(&key));
        hook.count(Counter::ConnectionReused);
        found = None;
    }
    if found.is_none() {
        let made = schedule(hook, flow, &key, service, now);
        if made == PASS_UP {
            if H::SKB {
                hook.count(Counter::PassedNoConnection);
            }
            return verdict::PASS;
        }
        if made == REFUSED {
            return refuse(hook);
        }
        found = hook.slot(made as u32);
        if found.is_none() {
            return verdict::DROP;
        }
    }
    let Some(slot) = found else { return verdict::PASS };
    let Some(server) = hook.server(slot.server.load()) else { return verdict::PASS };
    if server.flags.load() & SERVER_AVAILABLE == 0 {
        hook.count(Counter::DroppedServerRemoved);
        return verdict::DROP;
    }
    carry(frame, hook, config, flow, slot, server)
}

/// Must a used-up connection give way to a new one from the same client port (spec 2.4)?
#[inline(always)]
fn gives_way(config: &Config, flow: &Flow, slot: &Slot) -> bool {
    let mode = config.reuse_mode.load();
    if flow.protocol != TCP || mode == 0 {
        return false;
    }
    let control = slot.control.load();
    let state = conn::state(control) as u8;
    if state == conn::tcp::TIME_WAIT || state == conn::tcp::CLOSE {
        return true;
    }
    mode & 2 != 0 && state == conn::tcp::FIN_WAIT && control & conn::NO_OUTPUT != 0
}

/// [`schedule`]: not a packet that opens a connection.
const PASS_UP: u64 = 1 << 32;
/// [`schedule`]: no real server could be chosen.
const REFUSED: u64 = 2 << 32;

/// Chooses a real server and makes the connection: its slot, [`conn::NONE`] when the table is full, or one of the above.
#[inline(always)]
fn schedule<H: Hook>(hook: &H, flow: &Flow, key: &Key, service: u32, now: u32) -> u64 {
    let Some(record) = hook.service(service) else { return PASS_UP };
    if !flow.opens() || flow.source_port == FTP_DATA_PORT || record.flags.load() & SERVICE_ACTIVE == 0 {
        return PASS_UP;
    }
    let index = hook.pick(service);
    let Some(server) = hook.server(index) else { return REFUSED };
    if index == sched::NONE {
        return REFUSED;
    }
    let profile = server.profile.load();
    let server_port = conn::server_port(profile, flow.destination_port) as u32;
    let method = profile_method(profile) as u32;
    let new = New { key: *key, server: index, server_port, method, now };
    hook.remember(&new) as u64
}

/// Nothing to schedule to (spec 2.6): the client is told "port unreachable", for TCP too.
#[inline(always)]
fn refuse<H: Hook>(hook: &H) -> u64 {
    if !H::SKB {
        hook.count(Counter::PassedToTc);
        return verdict::PASS;
    }
    hook.count(Counter::DroppedNoServer);
    verdict::answer(verdict::ANSWER_UNREACHABLE, 0)
}

/// A packet of a known connection on its way to the real server.
#[inline(always)]
fn carry<F: Frame, H: Hook>(
    frame: &mut F,
    hook: &H,
    config: &Config,
    flow: &Flow,
    slot: &Slot,
    server: &Server,
) -> u64 {
    let family = profile_family(server.profile.load());
    let address = Address { high: server.high.load(), low: server.low.load() };
    let method = conn::method(slot.control.load());
    let Some(hop) = hook.next_hop(config, address, family) else { return verdict::PASS };
    let obstacle = forward::obstacle(frame, flow, method, family, hop);
    if !H::SKB && (obstacle.kind != CLEAR || !forward::is_ready::<H>(hop)) {
        hook.count(Counter::PassedToTc);
        return verdict::PASS;
    }
    let step = Step { direction: Direction::Inbound, event: flow.event(), now: hook.now() };
    account(hook, slot.server.load(), Direction::Inbound, flow.len);
    conn::evaluate(config, slot, server, flow.protocol, &step);
    slot.packets.bump(1);
    let finding = hop.code.load() & HOP_FINDING;
    if finding == HOP_LOCAL {
        return deliver(frame, hook, flow, slot, server, method);
    }
    if obstacle.kind != CLEAR {
        return obstructed(frame, hook, flow, slot, server, &obstacle);
    }
    if finding == HOP_UNREACHABLE {
        hook.count(Counter::DroppedUnreachable);
        return verdict::DROP;
    }
    transmit(frame, hook, config, flow, slot, server, hop)
}

/// An ICMP error about a connection on its way to the real server; neither time nor state moves (spec 2.9).
#[inline(always)]
pub fn relay_inbound<F: Frame, H: Hook>(
    frame: &mut F,
    hook: &H,
    config: &Config,
    flow: &Flow,
    slot: &Slot,
    server: &Server,
) -> u64 {
    let family = profile_family(server.profile.load());
    let address = Address { high: server.high.load(), low: server.low.load() };
    account(hook, slot.server.load(), Direction::Inbound, flow.len);
    let Some(hop) = hook.next_hop(config, address, family) else { return verdict::PASS };
    if hop.code.load() & HOP_FINDING == HOP_LOCAL {
        return verdict::PASS;
    }
    if flow.ttl <= 1 {
        hook.count(Counter::DroppedTtl);
        return verdict::DROP;
    }
    let tunnelled = conn::method(slot.control.load()) == METHOD_TUNNEL;
    if !forward::lower_ttl(frame, flow)
        || (tunnelled && !tunnel::encapsulate(frame, flow, server, family, hop))
    {
        hook.count(Counter::DroppedRewrite);
        return verdict::DROP;
    }
    forward::send(frame, hook, config, hop, if tunnelled { family } else { flow.family })
}

/// The real server is the director itself (spec 2.8): NAT rewrites, the other methods hand over as it is.
#[inline(always)]
fn deliver<F: Frame, H: Hook>(
    frame: &mut F,
    hook: &H,
    flow: &Flow,
    slot: &Slot,
    server: &Server,
    method: u8,
) -> u64 {
    if method == METHOD_MASQUERADE {
        let address = Address { high: server.high.load(), low: server.low.load() };
        if address.is_loopback(flow.family) {
            hook.count(Counter::DroppedLoopback);
            return verdict::DROP;
        }
        if !nat::to_server(frame, flow, address, (slot.word.load() >> 16) as u16) {
            hook.count(Counter::DroppedRewrite);
            return verdict::DROP;
        }
    }
    hook.count(Counter::DeliveredLocally);
    verdict::PASS
}

/// Something stands in the way: the client is told, or the kernel fragments.
#[inline(always)]
fn obstructed<F: Frame, H: Hook>(
    frame: &mut F,
    hook: &H,
    flow: &Flow,
    slot: &Slot,
    server: &Server,
    obstacle: &forward::Obstacle,
) -> u64 {
    let kind = obstacle.kind;
    if kind == TTL_USED {
        hook.count(Counter::DroppedTtl);
        return verdict::answer(verdict::ANSWER_TIME_EXCEEDED, 0);
    }
    if kind == TO_FRAGMENT && conn::method(slot.control.load()) == METHOD_MASQUERADE {
        let address = Address { high: server.high.load(), low: server.low.load() };
        return if nat::to_server(frame, flow, address, (slot.word.load() >> 16) as u16) {
            verdict::PASS
        } else {
            verdict::DROP
        };
    }
    if kind != TOO_BIG {
        hook.count(if kind == TO_FRAGMENT { Counter::DroppedTooBig } else { Counter::DroppedTunnelMtu });
        return verdict::DROP;
    }
    hook.count(Counter::DroppedTooBig);
    // The quoted header shows the lowered TTL (spec 2.7, order).
    if !forward::lower_ttl(frame, flow) {
        return verdict::DROP;
    }
    verdict::answer(verdict::ANSWER_TOO_BIG, obstacle.mtu)
}

/// Changes the packet as its method says and sends it.
#[inline(always)]
fn transmit<F: Frame, H: Hook>(
    frame: &mut F,
    hook: &H,
    config: &Config,
    flow: &Flow,
    slot: &Slot,
    server: &Server,
    hop: &NextHop,
) -> u64 {
    let family = profile_family(server.profile.load());
    let done = match conn::method(slot.control.load()) {
        METHOD_MASQUERADE => {
            let address = Address { high: server.high.load(), low: server.low.load() };
            nat::to_server(frame, flow, address, (slot.word.load() >> 16) as u16)
                && forward::lower_ttl(frame, flow)
                && fit_link(frame, flow, hop)
        }
        METHOD_DIRECT_ROUTE => forward::lower_ttl(frame, flow) && fit_link(frame, flow, hop),
        METHOD_TUNNEL => {
            forward::lower_ttl(frame, flow) && tunnel::encapsulate(frame, flow, server, family, hop)
        }
        _ => false,
    };
    if !done {
        hook.count(Counter::DroppedRewrite);
        return verdict::DROP;
    }
    let tunnelled = conn::method(slot.control.load()) == METHOD_TUNNEL;
    forward::send(frame, hook, config, hop, if tunnelled { family } else { flow.family })
}

/// Makes room for the link header towards the next hop, when VLAN tags come or go.
#[inline(always)]
fn fit_link<F: Frame>(frame: &mut F, flow: &Flow, hop: &NextHop) -> bool {
    let len = forward::link_len(hop);
    len == flow.network || frame.set_front(flow.network, len, crate::wire::ENCAP_NONE)
}

/// Real server to client: `routed` when the packet is on its way through the director, not made on it.
#[inline(always)]
fn outbound<F: Frame, H: Hook>(frame: &mut F, hook: &H, config: &Config, flow: &Flow, routed: bool) -> u64 {
    let word = endpoint::word(flow.source_port, flow.protocol, flow.family);
    if lookup(hook, config, flow.source, word) == endpoint::NONE {
        if H::SKB && routed {
            hook.count(Counter::PassedOther);
        }
        return verdict::PASS;
    }
    let now = hook.now();
    let reply = Reply {
        client: flow.destination,
        source: flow.source,
        word: ports_word(flow.destination_port, 0, 0, flow.protocol, flow.family),
        source_port: flow.source_port as u64,
    };
    let Some(slot) = of_reply(hook, config, &reply) else { return verdict::PASS };
    let Some(server) = hook.server(slot.server.load()) else { return verdict::PASS };
    let masquerade = conn::method(slot.control.load()) == METHOD_MASQUERADE;
    if routed && flow.ttl <= 1 {
        return verdict::PASS;
    }
    // An IPv4 reply from the virtual address that comes this way ends in the kernel's source validation, uncounted; an
    // IPv6 one is forwarded, and shows that replies are seen.
    if !masquerade && (!H::SKB || (routed && flow.family == FAMILY_V4)) {
        return verdict::PASS;
    }
    let hop = if masquerade && routed { hook.next_hop(config, flow.destination, flow.family) } else { None };
    if flow.unfragmentable != 0 && is_too_big(frame, flow, hop) {
        // The stack tells the real server, in the server's own words: before it has been rewritten (spec 2.10).
        return verdict::PASS;
    }
    let direct = can_go(frame, flow, hop);
    // An unresolved client goes by the kernel's neighbour code, not up the stack: there its new source, the virtual address, is
    // the director's own and dropped as martian.
    let ready = match hop {
        Some(hop) => {
            (direct && forward::is_ready::<H>(hop))
                || (H::SKB && hop.code.load() & HOP_FINDING == HOP_UNRESOLVED)
        }
        None => false,
    };
    if !H::SKB && !ready {
        hook.count(Counter::PassedToTc);
        return verdict::PASS;
    }
    let step = Step { direction: Direction::Outbound, event: flow.event(), now };
    account(hook, slot.server.load(), Direction::Outbound, flow.len);
    conn::evaluate(config, slot, server, flow.protocol, &step);
    if !masquerade {
        return verdict::PASS;
    }
    let (address, port) = relay::virtual_side(slot);
    if !nat::to_client(frame, flow, address, port) {
        hook.count(Counter::DroppedRewrite);
        return verdict::DROP;
    }
    let Some(hop) = hop else { return verdict::PASS };
    if !ready {
        // The kernel's way: it lowers the TTL, finds the neighbour, fragments.
        return verdict::PASS;
    }
    if !forward::lower_ttl(frame, flow) || !fit_link(frame, flow, hop) {
        hook.count(Counter::DroppedRewrite);
        return verdict::DROP;
    }
    forward::send(frame, hook, config, hop, flow.family)
}

/// Is the packet too big for the way to the client, as far as that is known?
#[inline(always)]
fn is_too_big<F: Frame>(frame: &F, flow: &Flow, hop: Option<&NextHop>) -> bool {
    match hop {
        Some(hop) => {
            hop.code.load() & HOP_FINDING == HOP_LINK && forward::packet_len(frame, flow) > hop.mtu.load()
        }
        None => false,
    }
}

/// Is the way to the client open for a packet of this size?
#[inline(always)]
fn can_go<F: Frame>(frame: &F, flow: &Flow, hop: Option<&NextHop>) -> bool {
    match hop {
        Some(hop) => {
            hop.code.load() & HOP_FINDING == HOP_LINK && forward::packet_len(frame, flow) <= hop.mtu.load()
        }
        None => false,
    }
}

/// Counts a packet at its real server; services and totals are sums (spec 9.1).
#[inline(always)]
pub fn account<H: Hook>(hook: &H, server: u32, direction: Direction, len: u32) {
    let Some(traffic) = hook.traffic(server) else { return };
    if direction == Direction::Inbound {
        traffic.packets_in.bump(1);
        traffic.bytes_in.bump(len as u64);
    } else {
        traffic.packets_out.bump(1);
        traffic.bytes_out.bump(len as u64);
    }
}
