//! ICMP errors about a connection, relayed both ways (spec 2.9). TC only.
use super::nat;
use crate::{
    address::Address,
    conn::{self, Direction, Key, Reply},
    counter::Counter,
    director, endpoint,
    flow::{self, FRAGMENT_LATER, FRAGMENT_NONE, Flow},
    table::{
        Config, ENDPOINT_REAL, ENDPOINT_VIRTUAL, FAMILY_V4, Hook, METHOD_MASQUERADE, Slot, TCP, UDP,
        ports_word,
    },
    verdict,
    wire::{
        Frame, checksum,
        icmp::{self, Icmp},
        ipv4::Ipv4,
        ipv6::Ipv6,
        transport::Ports,
    },
};

/// Is this ICMP message an error that the kernel's IPVS knows (spec 2.9)?
#[inline(always)]
fn is_error(family: u8, kind: u8) -> bool {
    if family == FAMILY_V4 {
        matches!(kind, icmp::UNREACHABLE | icmp::SOURCE_QUENCH | icmp::TIME_EXCEEDED)
    } else {
        kind < icmp::INFORMATIONAL_V6
    }
}

/// Relays an ICMP error about a connection; passes what is none.
#[inline(always)]
pub fn relay<F: Frame, H: Hook>(frame: &mut F, hook: &H, config: &Config, outer: &Flow) -> u64 {
    let Some(head) = frame.at::<Icmp>(outer.transport) else { return verdict::PASS };
    if outer.fragment != FRAGMENT_NONE || !is_error(outer.family, head.kind) {
        return verdict::PASS;
    }
    let mut inner = Flow::default();
    let at = outer.transport + icmp::LEN;
    let read = if outer.family == FAMILY_V4 {
        flow::parse_v4(frame, &mut inner, at, true)
    } else {
        flow::parse_v6(frame, &mut inner, at, true)
    };
    if !read || inner.fragment == FRAGMENT_LATER || (inner.protocol != TCP && inner.protocol != UDP) {
        return verdict::PASS;
    }
    let word = endpoint::word(inner.source_port, inner.protocol, inner.family);
    if director::lookup(hook, config, inner.source, word) & ENDPOINT_VIRTUAL != 0 {
        return inbound(frame, hook, config, outer, &inner);
    }
    let word = endpoint::word(inner.destination_port, inner.protocol, inner.family);
    if director::lookup(hook, config, inner.destination, word) & ENDPOINT_REAL != 0 {
        return outbound(frame, hook, config, outer, &inner);
    }
    verdict::PASS
}

/// Sent to the virtual service, about a reply: to the real server that sent the reply.
#[inline(always)]
fn inbound<F: Frame, H: Hook>(frame: &mut F, hook: &H, config: &Config, outer: &Flow, inner: &Flow) -> u64 {
    let word = ports_word(inner.destination_port, inner.source_port, 0, inner.protocol, inner.family);
    let key = Key { client: inner.destination, virtual_address: inner.source, word };
    let Some(slot) = director::of_request(hook, config, &key) else { return verdict::PASS };
    let Some(server) = hook.server(slot.server.load()) else { return verdict::PASS };
    if conn::method(slot.control.load()) == METHOD_MASQUERADE {
        if !is_intact(frame, outer) {
            hook.count(Counter::DroppedIcmpChecksum);
            return verdict::DROP;
        }
        let to = Address { high: server.high.load(), low: server.low.load() };
        let port = (slot.word.load() >> 16) as u16;
        if !rewrite(frame, outer, inner, Direction::Inbound, to, port) {
            hook.count(Counter::DroppedRewrite);
            return verdict::DROP;
        }
    }
    hook.count(Counter::IcmpRelayed);
    director::relay_inbound(frame, hook, config, outer, slot, server)
}

/// From the real servers' side, about a request: to the client, as if the virtual service were meant.
#[inline(always)]
fn outbound<F: Frame, H: Hook>(frame: &mut F, hook: &H, config: &Config, outer: &Flow, inner: &Flow) -> u64 {
    let word = ports_word(inner.source_port, 0, 0, inner.protocol, inner.family);
    let source_port = inner.destination_port as u64;
    let reply = Reply { client: inner.source, source: inner.destination, word, source_port };
    let Some(slot) = director::of_reply(hook, config, &reply) else { return verdict::PASS };
    if conn::method(slot.control.load()) != METHOD_MASQUERADE {
        return verdict::PASS;
    }
    if !is_intact(frame, outer) {
        hook.count(Counter::DroppedIcmpChecksum);
        return verdict::DROP;
    }
    let (to, port) = virtual_side(slot);
    if !rewrite(frame, outer, inner, Direction::Outbound, to, port) {
        hook.count(Counter::DroppedRewrite);
        return verdict::DROP;
    }
    director::account(hook, slot.server.load(), Direction::Outbound, outer.len);
    hook.count(Counter::IcmpRelayed);
    verdict::PASS
}

/// The virtual address and port of a connection.
#[inline(always)]
pub fn virtual_side(slot: &Slot) -> (Address, u16) {
    let address = Address { high: slot.virtual_high.load(), low: slot.virtual_low.load() };
    (address, (slot.word.load() >> 32) as u16)
}

/// Is the message's checksum right?
#[inline(always)]
fn is_intact<F: Frame>(frame: &F, outer: &Flow) -> bool {
    let len = outer.len - (outer.transport - outer.network);
    let sum = frame.sum(outer.transport, len);
    if sum == u32::MAX {
        return false;
    }
    let pseudo = if outer.family == FAMILY_V4 {
        0
    } else {
        super::answer::pseudo_v6(outer.source, outer.destination, len)
    };
    checksum::fold(sum as u64 + pseudo) == 0xFFFF
}

/// Replaces the outer and the quoted address and port of one side. The quoted transport checksum stays (spec 2.9).
#[inline(always)]
fn rewrite<F: Frame>(
    frame: &mut F,
    outer: &Flow,
    inner: &Flow,
    way: Direction,
    to: Address,
    port: u16,
) -> bool {
    let inbound = way == Direction::Inbound;
    let (old, old_port) =
        if inbound { (inner.source, inner.source_port) } else { (inner.destination, inner.destination_port) };
    let outer_old = if inbound { outer.destination } else { outer.source };
    if !nat::write_address(frame, outer, !inbound, outer_old, to) {
        return false;
    }
    let mut difference = checksum::change(old_port as u32, port as u32);
    if inner.family == FAMILY_V4 {
        let Some(ip) = frame.at_mut::<Ipv4>(inner.network) else { return false };
        if inbound {
            ip.source.set(to.to_v4());
        } else {
            ip.destination.set(to.to_v4());
        }
        let sum = checksum::apply(ip.checksum.get(), checksum::change(old.to_v4(), to.to_v4()));
        ip.checksum.set(sum);
    } else {
        let Some(ip) = frame.at_mut::<Ipv6>(inner.network) else { return false };
        if inbound {
            ip.source.set(to);
        } else {
            ip.destination.set(to);
        }
        difference += checksum::address_change(old, to) + checksum::address_change(outer_old, to);
    }
    let Some(ports) = frame.at_mut::<Ports>(inner.transport) else { return false };
    if inbound {
        ports.source.set(port);
    } else {
        ports.destination.set(port);
    }
    let Some(head) = frame.at_mut::<Icmp>(outer.transport) else { return false };
    let sum = checksum::apply(head.checksum.get(), difference);
    head.checksum.set(sum);
    true
}
