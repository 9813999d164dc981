//! Forwarding methods: how a packet is changed and where it leaves. What is common to them stands here: the obstacles
//! of spec 2.7 (TTL, then MTU), the link header, and the way out.
pub mod answer;
pub mod nat;
pub mod relay;
pub mod tunnel;

use crate::{
    flow::Flow,
    table::{
        Config, FAMILY_V4, FLAG_TX, HOP_FINDING, HOP_LINK, HOP_PEER, HOP_XDP, Hook, METHOD_TUNNEL, NextHop,
        TCP,
    },
    verdict,
    wire::{
        Frame, checksum,
        ethernet::{self, Link, Tag},
        ipv4::{self, Ipv4},
        ipv6::{self, Ipv6},
    },
};

/// Nothing in the way.
pub const CLEAR: u32 = 0;
/// TTL or hop limit used up.
pub const TTL_USED: u32 = 1;
/// Larger than the route's MTU, and must not be fragmented: the sender is told.
pub const TOO_BIG: u32 = 2;
/// Larger than the route's MTU, and may be fragmented.
pub const TO_FRAGMENT: u32 = 3;
/// The tunnel leaves less than IP's minimum.
pub const TOO_NARROW: u32 = 4;

/// What stands in a packet's way.
#[derive(Clone, Copy)]
pub struct Obstacle {
    /// [`CLEAR`] and its like.
    pub kind: u32,
    /// The MTU to tell the sender of, bytes.
    pub mtu: u32,
}

/// Bytes that a tunnel puts in front (ipip; spec 2.7).
#[inline(always)]
pub fn outer_len(method: u8, server_family: u8) -> u32 {
    if method != METHOD_TUNNEL {
        0
    } else if server_family == FAMILY_V4 {
        ipv4::LEN
    } else {
        ipv6::LEN
    }
}

/// TTL first, then MTU, as the kernel orders them.
#[inline(always)]
pub fn obstacle<F: Frame>(frame: &F, flow: &Flow, method: u8, server_family: u8, hop: &NextHop) -> Obstacle {
    let outer = outer_len(method, server_family);
    let mtu = hop.mtu.load().saturating_sub(outer);
    if flow.ttl <= 1 {
        return Obstacle { kind: TTL_USED, mtu };
    }
    let floor = if server_family == FAMILY_V4 { 68 } else { 1280 };
    if outer != 0 && mtu < floor {
        return Obstacle { kind: TOO_NARROW, mtu };
    }
    let kind = if packet_len(frame, flow) <= mtu {
        CLEAR
    } else if flow.unfragmentable != 0 {
        TOO_BIG
    } else {
        TO_FRAGMENT
    };
    Obstacle { kind, mtu }
}

/// Bytes of the packet on the wire: of one segment, when the kernel will cut it (spec 2.7: GSO counts by segment).
#[inline(always)]
pub fn packet_len<F: Frame>(frame: &F, flow: &Flow) -> u32 {
    let segment = frame.segment_len();
    if segment == 0 || flow.protocol != TCP {
        return if segment == 0 { flow.len } else { flow.transport - flow.network + 8 + segment };
    }
    flow.transport - flow.network + flow.tcp_len as u32 + segment
}

/// Can the packet be sent to this next hop at once, by this hook?
#[inline(always)]
pub fn is_ready<H: Hook>(hop: &NextHop) -> bool {
    let code = hop.code.load();
    code & HOP_FINDING == HOP_LINK && (H::SKB || code & HOP_XDP != 0)
}

/// Lowers TTL or hop limit by one.
#[inline(always)]
pub fn lower_ttl<F: Frame>(frame: &mut F, flow: &Flow) -> bool {
    if flow.family == FAMILY_V4 {
        let Some(ip) = frame.at_mut::<Ipv4>(flow.network) else { return false };
        let old = (ip.ttl as u32) << 8;
        ip.ttl = ip.ttl.wrapping_sub(1);
        let new = (ip.ttl as u32) << 8;
        let sum = checksum::apply(ip.checksum.get(), checksum::change(old, new));
        ip.checksum.set(sum);
    } else {
        let Some(ip) = frame.at_mut::<Ipv6>(flow.network) else { return false };
        ip.hop_limit = ip.hop_limit.wrapping_sub(1);
    }
    true
}

/// Bytes of the link header towards a next hop.
#[inline(always)]
pub fn link_len(hop: &NextHop) -> u32 {
    if hop.code.load() >> 16 == 0 { ethernet::LEN } else { ethernet::LEN + ethernet::TAG_LEN }
}

/// Writes the link header towards a next hop.
#[inline(always)]
pub fn write_link<F: Frame>(frame: &mut F, hop: &NextHop, family: u8) -> bool {
    let kind = if family == FAMILY_V4 { ethernet::IPV4 } else { ethernet::IPV6 };
    let vlan = (hop.code.load() >> 16) as u16;
    let Some(link) = frame.at_mut::<Link>(0) else { return false };
    link.first = hop.link_first.load().to_ne_bytes();
    link.last = hop.link_last.load().to_ne_bytes();
    if vlan == 0 {
        link.kind.set(kind);
        return true;
    }
    link.kind.set(ethernet::VLAN);
    let Some(tag) = frame.at_mut::<Tag>(ethernet::LEN) else { return false };
    tag.control.set(vlan);
    tag.kind.set(kind);
    true
}

/// The verdict that sends a finished frame to a next hop.
#[inline(always)]
pub fn leave<H: Hook>(hook: &H, config: &Config, hop: &NextHop) -> u64 {
    let interface = hop.interface.load();
    if H::SKB {
        let peer = hop.code.load() & HOP_PEER != 0;
        return verdict::via(if peer { verdict::PEER } else { verdict::REDIRECT }, interface);
    }
    if interface == hook.interface() && config.flags.load() & FLAG_TX != 0 {
        return verdict::TRANSMIT;
    }
    verdict::via(verdict::REDIRECT, interface)
}

/// Writes the link header and sends, or lets the kernel find the neighbour: the end of every method.
#[inline(always)]
pub fn send<F: Frame, H: Hook>(frame: &mut F, hook: &H, config: &Config, hop: &NextHop, family: u8) -> u64 {
    if hop.code.load() & HOP_FINDING != HOP_LINK {
        return hook.resolve_and_send(hop);
    }
    if !write_link(frame, hop, family) {
        return verdict::DROP;
    }
    leave(hook, config, hop)
}
