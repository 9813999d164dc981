//! NAT (masquerading): one address and port replaced, checksums adjusted by the difference (RFC 1624, RFC 3022).
use crate::{
    address::Address,
    flow::{FRAGMENT_LATER, FRAGMENT_NONE, Flow},
    table::{FAMILY_V4, TCP, UDP},
    wire::{
        Frame, checksum,
        ipv4::Ipv4,
        ipv6::Ipv6,
        transport::{Ports, TCP_CHECKSUM, UDP_CHECKSUM, Udp},
    },
};

/// Replaces the destination (client to real server).
#[inline(always)]
pub fn to_server<F: Frame>(frame: &mut F, flow: &Flow, address: Address, port: u16) -> bool {
    rewrite(frame, flow, false, address, port)
}

/// Replaces the source (real server to client).
#[inline(always)]
pub fn to_client<F: Frame>(frame: &mut F, flow: &Flow, address: Address, port: u16) -> bool {
    rewrite(frame, flow, true, address, port)
}

#[inline(always)]
fn rewrite<F: Frame>(frame: &mut F, flow: &Flow, source: bool, address: Address, port: u16) -> bool {
    let old = if source { flow.source } else { flow.destination };
    let old_port = if source { flow.source_port } else { flow.destination_port };
    if !write_address(frame, flow, source, old, address) {
        return false;
    }
    if flow.fragment == FRAGMENT_LATER {
        return true;
    }
    let Some(ports) = frame.at_mut::<Ports>(flow.transport) else { return false };
    if source {
        ports.source.set(port);
    } else {
        ports.destination.set(port);
    }
    let pseudo = checksum::fold(checksum::address_change(old, address));
    let body = checksum::fold(checksum::change(old_port as u32, port as u32));
    match flow.protocol {
        TCP => frame.fix_checksum(flow.transport + TCP_CHECKSUM, pseudo, body, false),
        UDP => fix_udp(frame, flow, source, address, pseudo, body),
        _ => true,
    }
}

/// Replaces an address in the IP header, its checksum adjusted.
#[inline(always)]
pub fn write_address<F: Frame>(frame: &mut F, flow: &Flow, source: bool, old: Address, new: Address) -> bool {
    if flow.family == FAMILY_V4 {
        let Some(ip) = frame.at_mut::<Ipv4>(flow.network) else { return false };
        if source {
            ip.source.set(new.to_v4());
        } else {
            ip.destination.set(new.to_v4());
        }
        let sum = checksum::apply(ip.checksum.get(), checksum::change(old.to_v4(), new.to_v4()));
        ip.checksum.set(sum);
    } else {
        let Some(ip) = frame.at_mut::<Ipv6>(flow.network) else { return false };
        if source {
            ip.source.set(new);
        } else {
            ip.destination.set(new);
        }
    }
    true
}

/// UDP's checksum: adjusted, or made when there was none (spec 2.7: NAT replaces a checksum of 0 by a real one).
#[inline(always)]
fn fix_udp<F: Frame>(
    frame: &mut F,
    flow: &Flow,
    source: bool,
    address: Address,
    pseudo: u32,
    body: u32,
) -> bool {
    let Some(udp) = frame.at::<Udp>(flow.transport) else { return false };
    let len = udp.len.get() as u32;
    if udp.checksum.get() != 0 {
        return frame.fix_checksum(flow.transport + UDP_CHECKSUM, pseudo, body, true);
    }
    if flow.fragment != FRAGMENT_NONE || len > flow.len {
        return true;
    }
    let sum = frame.sum(flow.transport, len);
    if sum == u32::MAX {
        return true;
    }
    let other = if source { flow.destination } else { flow.source };
    let total =
        sum as u64 + checksum::address_sum(address) + checksum::address_sum(other) + UDP as u64 + len as u64;
    let field = !(checksum::fold(total) as u16);
    let Some(udp) = frame.at_mut::<Udp>(flow.transport) else { return false };
    udp.checksum.set(if field == 0 { 0xFFFF } else { field });
    true
}
