//! The real server's side of a tunnel: takes the outer header off and hands the inner packet to the stack.
//!
//! Protocols 4 (IPv4 inside) and 41 (IPv6 inside) in IPv4 without options or IPv6 without extension headers, which is what
//! directors send. Nothing else is touched.
use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};
use lvs_core::wire::{
    ENCAP_NONE, Frame, U16,
    ethernet::{self, Ethernet},
    ipv4::{self, Ipv4},
    ipv6::{self, Ipv6},
};

use crate::frame::XdpFrame;

const IPIP: u8 = 4;
const IPV6: u8 = 41;

/// Attached to a real server's interface by `lvsctl decap`.
#[xdp]
pub fn lvs_decap(context: XdpContext) -> u32 {
    let mut frame = XdpFrame::new(context.ctx);
    decapsulate(&mut frame);
    xdp_action::XDP_PASS
}

#[inline(always)]
fn decapsulate(frame: &mut XdpFrame) {
    let Some(link) = frame.at::<Ethernet>(0) else { return };
    let outer = match link.kind.get() {
        ethernet::IPV4 => outer_v4(frame),
        ethernet::IPV6 => outer_v6(frame),
        _ => return,
    };
    let (len, kind) = ((outer >> 16) as u32, outer as u16);
    if len == 0 {
        return;
    }
    let Some(link) = frame.at::<[U16; 6]>(0) else { return };
    let addresses = *link;
    if !frame.set_front(len, 0, ENCAP_NONE) {
        return;
    }
    if let Some(link) = frame.at_mut::<[U16; 6]>(0) {
        *link = addresses;
    }
    if let Some(field) = frame.at_mut::<U16>(12) {
        field.set(kind);
    }
}

/// Length of the outer header << 16 | EtherType of what is inside; 0: not a tunnel of ours.
#[inline(always)]
fn outer_v4(frame: &XdpFrame) -> u64 {
    let Some(ip) = frame.at::<Ipv4>(ethernet::LEN) else { return 0 };
    if ip.version != 0x45 || ip.fragment.get() & (ipv4::MF | ipv4::OFFSET) != 0 {
        return 0;
    }
    inside(ip.protocol, ipv4::LEN)
}

#[inline(always)]
fn outer_v6(frame: &XdpFrame) -> u64 {
    let Some(ip) = frame.at::<Ipv6>(ethernet::LEN) else { return 0 };
    inside(ip.next, ipv6::LEN)
}

#[inline(always)]
fn inside(protocol: u8, len: u32) -> u64 {
    match protocol {
        IPIP => (len as u64) << 16 | ethernet::IPV4 as u64,
        IPV6 => (len as u64) << 16 | ethernet::IPV6 as u64,
        _ => 0,
    }
}
