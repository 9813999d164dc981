//! IP tunnelling: an outer header in front, IPv4 or IPv6 around either (RFC 2003, RFC 2473, RFC 4213; spec 2.7).
use crate::{
    address::Address,
    flow::Flow,
    forward::link_len,
    table::{FAMILY_V4, NextHop, Server},
    wire::{
        ENCAP_V4, ENCAP_V6, Frame, checksum,
        ipv4::{self, Ipv4},
        ipv6::{self, Ipv6},
    },
};

/// Protocol number of IPv4 in IP.
pub const IPIP: u8 = 4;
/// Protocol number of IPv6 in IP.
pub const IPV6: u8 = 41;

/// What the outer header takes over from the inner packet.
#[derive(Clone, Copy)]
struct Inner {
    tos: u8,
    ttl: u8,
    fragment: u16,
    identification: u16,
    len: u16,
    protocol: u8,
}

/// Puts the outer header in front; the TTL is lowered already. The caller writes the link header.
#[inline(always)]
pub fn encapsulate<F: Frame>(frame: &mut F, flow: &Flow, server: &Server, family: u8, hop: &NextHop) -> bool {
    let inner = if flow.family == FAMILY_V4 {
        let Some(ip) = frame.at::<Ipv4>(flow.network) else { return false };
        let fragment = ip.fragment.get() & ipv4::DF;
        Inner {
            tos: outer_tos(ip.tos),
            ttl: ip.ttl,
            fragment,
            identification: if fragment == 0 { ip.identification.get() } else { 0 },
            len: flow.len as u16,
            protocol: IPIP,
        }
    } else {
        let Some(ip) = frame.at::<Ipv6>(flow.network) else { return false };
        let tos = outer_tos((ip.version.get() >> 20) as u8);
        Inner { tos, ttl: ip.hop_limit, fragment: 0, identification: 0, len: flow.len as u16, protocol: IPV6 }
    };
    let source = Address { high: server.source_high.load(), low: server.source_low.load() };
    let destination = Address { high: server.high.load(), low: server.low.load() };
    let link = link_len(hop);
    if family == FAMILY_V4 {
        frame.set_front(flow.network, link + ipv4::LEN, ENCAP_V4)
            && write_v4(frame, link, &inner, source, destination)
    } else {
        frame.set_front(flow.network, link + ipv6::LEN, ENCAP_V6)
            && write_v6(frame, link, &inner, source, destination)
    }
}

/// The outer type of service: the inner one, congestion marks as RFC 3168 9.1.1 (full functionality) has it.
#[inline(always)]
fn outer_tos(tos: u8) -> u8 {
    if tos & 3 == 3 { (tos & !3) | 2 } else { tos }
}

#[inline(always)]
fn write_v4<F: Frame>(frame: &mut F, at: u32, inner: &Inner, source: Address, destination: Address) -> bool {
    let Some(ip) = frame.at_mut::<Ipv4>(at) else { return false };
    let len = inner.len.wrapping_add(ipv4::LEN as u16);
    ip.version = 0x45;
    ip.tos = inner.tos;
    ip.len.set(len);
    ip.identification.set(inner.identification);
    ip.fragment.set(inner.fragment);
    ip.ttl = inner.ttl;
    ip.protocol = inner.protocol;
    ip.source.set(source.to_v4());
    ip.destination.set(destination.to_v4());
    let sum = (0x4500 | inner.tos as u64)
        + len as u64
        + inner.identification as u64
        + inner.fragment as u64
        + ((inner.ttl as u64) << 8 | inner.protocol as u64)
        + source.low
        + destination.low;
    ip.checksum.set(!(checksum::fold(sum) as u16));
    true
}

#[inline(always)]
fn write_v6<F: Frame>(frame: &mut F, at: u32, inner: &Inner, source: Address, destination: Address) -> bool {
    let Some(ip) = frame.at_mut::<Ipv6>(at) else { return false };
    ip.version.set(6 << 28 | (inner.tos as u32) << 20);
    ip.payload_len.set(inner.len);
    ip.next = inner.protocol;
    ip.hop_limit = inner.ttl;
    ip.source.set(source);
    ip.destination.set(destination);
    true
}
