//! Frame -> [`Flow`]: who talks to whom, judged once. Also for the packet quoted in an ICMP error, and for fragments.
use crate::{
    address::Address,
    conn::{NO_EVENT, tcp},
    table::{FAMILY_V4, FAMILY_V6, TCP, UDP},
    wire::{
        Frame,
        ethernet::{self, Ethernet, Tag},
        ipv4::{self, Ipv4},
        ipv6::{self, Extension, Ipv6},
        transport::{Ports, Tcp, Udp},
    },
};

/// One packet's addresses, ports and the places of its headers.
#[derive(Clone, Copy, Default)]
#[repr(C, align(8))]
pub struct Flow {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Offset of the network header, bytes.
    pub network: u32,
    /// Offset of the transport header, bytes.
    pub transport: u32,
    /// Bytes of the IP packet, header included.
    pub len: u32,
    /// Identification of its fragment train.
    pub identification: u32,
    /// Source port, host order; 0 in a later fragment.
    pub source_port: u16,
    /// Destination port, host order; 0 in a later fragment.
    pub destination_port: u16,
    /// `FRAGMENT_*`.
    pub fragment: u16,
    /// Transport protocol.
    pub protocol: u8,
    /// [`FAMILY_V4`] or [`FAMILY_V6`].
    pub family: u8,
    /// TCP flags, 0 for others.
    pub tcp_flags: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// 1: IPv4 with "don't fragment", or IPv6.
    pub unfragmentable: u8,
    /// TCP header length, bytes.
    pub tcp_len: u8,
    /// Keeps the record free of padding.
    pub pad: u32,
}

/// A whole packet.
pub const FRAGMENT_NONE: u16 = 0;
/// The first fragment of several.
pub const FRAGMENT_FIRST: u16 = 1;
/// A later fragment: no transport header.
pub const FRAGMENT_LATER: u16 = 2;

impl Flow {
    /// Protocol << 8 | family, as in the low bits of a [`crate::table::ports_word`].
    #[inline(always)]
    pub fn kind(&self) -> u32 {
        (self.protocol as u32) << 8 | self.family as u32
    }

    /// The event for the connection's state machine.
    #[inline(always)]
    pub fn event(&self) -> u32 {
        if self.protocol != TCP || self.fragment == FRAGMENT_LATER {
            NO_EVENT
        } else {
            tcp::event(self.tcp_flags)
        }
    }

    /// Does it ask for a new connection (spec 2.3)?
    #[inline(always)]
    pub fn opens(&self) -> bool {
        if self.fragment == FRAGMENT_LATER {
            return false;
        }
        self.protocol != TCP || self.tcp_flags & (tcp::SYN | tcp::RST) == tcp::SYN
    }
}

/// Reads the packet in a frame. False: not IP, cut short, or not addressed to one host; nothing of ours.
#[inline(always)]
pub fn parse<F: Frame>(frame: &F, flow: &mut Flow) -> bool {
    let Some(link) = frame.at::<Ethernet>(0) else { return false };
    if link.destination[0] & 1 != 0 {
        return false;
    }
    let mut kind = link.kind.get();
    let mut network = ethernet::LEN;
    if is_tag(kind) {
        let untagged = frame.untag();
        kind = (untagged >> 16) as u16;
        network = untagged & 0xFF;
    }
    if kind == ethernet::IPV4 {
        parse_v4(frame, flow, network, false)
    } else if kind == ethernet::IPV6 {
        parse_v6(frame, flow, network, false)
    } else {
        false
    }
}

#[inline(always)]
fn is_tag(kind: u16) -> bool {
    kind == ethernet::VLAN || kind == ethernet::SERVICE_VLAN
}

/// Steps over one or two VLAN tags: EtherType << 16 | offset of what follows them, 0 when the frame is cut short.
#[inline(always)]
pub fn untag<F: Frame>(frame: &F) -> u32 {
    let Some(tag) = frame.at::<Tag>(ethernet::LEN) else { return 0 };
    let kind = tag.kind.get();
    if !is_tag(kind) {
        return (kind as u32) << 16 | (ethernet::LEN + ethernet::TAG_LEN);
    }
    let Some(tag) = frame.at::<Tag>(ethernet::LEN + ethernet::TAG_LEN) else { return 0 };
    (tag.kind.get() as u32) << 16 | (ethernet::LEN + 2 * ethernet::TAG_LEN)
}

/// Reads an IPv4 packet; `quoted`: inside an ICMP error, where it may be cut short.
#[inline(always)]
pub fn parse_v4<F: Frame>(frame: &F, flow: &mut Flow, network: u32, quoted: bool) -> bool {
    let Some(ip) = frame.at::<Ipv4>(network) else { return false };
    let version = ip.version;
    let header_len = (version as u32 & 15) * 4;
    let len = ip.len.get() as u32;
    if version >> 4 != 4 || header_len < ipv4::LEN || len < header_len {
        return false;
    }
    if !quoted && !frame.reaches(network + len) {
        return false;
    }
    let fragment = ip.fragment.get();
    flow.source = Address::v4(ip.source.get());
    flow.destination = Address::v4(ip.destination.get());
    flow.network = network;
    flow.len = len;
    flow.identification = ip.identification.get() as u32;
    flow.protocol = ip.protocol;
    flow.family = FAMILY_V4;
    flow.ttl = ip.ttl;
    flow.unfragmentable = (fragment & ipv4::DF != 0) as u8;
    flow.fragment = fragment_of(fragment & ipv4::OFFSET != 0, fragment & ipv4::MF != 0);
    flow.transport = network + header_len;
    transport(frame, flow, quoted)
}

#[inline(always)]
fn fragment_of(offset: bool, more: bool) -> u16 {
    if offset {
        FRAGMENT_LATER
    } else if more {
        FRAGMENT_FIRST
    } else {
        FRAGMENT_NONE
    }
}

/// Reads an IPv6 packet, extension headers walked within [`ipv6::EXTENSIONS_MAX`].
#[inline(always)]
pub fn parse_v6<F: Frame>(frame: &F, flow: &mut Flow, network: u32, quoted: bool) -> bool {
    let Some(ip) = frame.at::<Ipv6>(network) else { return false };
    if ip.version.get() >> 28 != 6 {
        return false;
    }
    let len = ipv6::LEN + ip.payload_len.get() as u32;
    if !quoted && !frame.reaches(network + len) {
        return false;
    }
    flow.source = ip.source.get();
    flow.destination = ip.destination.get();
    flow.network = network;
    flow.len = len;
    flow.protocol = ip.next;
    flow.family = FAMILY_V6;
    flow.ttl = ip.hop_limit;
    flow.unfragmentable = 1;
    flow.fragment = FRAGMENT_NONE;
    flow.transport = network + ipv6::LEN;
    if is_extension(flow.protocol) {
        let found = frame.skip_extensions(flow.transport, flow.protocol as u32);
        if found == 0 {
            return false;
        }
        flow.transport = found as u32 & 0xFFF;
        flow.protocol = (found >> 16) as u8;
        flow.fragment = (found >> 24) as u16 & 3;
        flow.identification = (found >> 32) as u32;
    }
    transport(frame, flow, quoted)
}

#[inline(always)]
fn is_extension(next: u8) -> bool {
    matches!(next, ipv6::HOP_BY_HOP | ipv6::ROUTING | ipv6::FRAGMENT | ipv6::DESTINATION)
}

/// Steps over IPv6 extension headers from an offset, where the first is `protocol`: offset of what follows | its protocol
/// << 16 | `FRAGMENT_*` << 24 | identification << 32. 0: cut short, too many or too long.
#[inline(always)]
pub fn skip_extensions<F: Frame>(frame: &F, offset: u32, protocol: u32) -> u64 {
    let (mut offset, mut protocol) = (offset, protocol as u8);
    let (mut fragment, mut identification) = (FRAGMENT_NONE, 0);
    let mut step = 0;
    while step < ipv6::EXTENSIONS_MAX {
        if !is_extension(protocol) || fragment == FRAGMENT_LATER || offset > ipv6::EXTENSIONS_LEN_MAX {
            break;
        }
        let Some(extension) = frame.at::<Extension>(offset) else { return 0 };
        if protocol == ipv6::FRAGMENT {
            let field = extension.fragment.get();
            fragment = fragment_of(field & !7 != 0, field & 1 != 0);
            identification = extension.identification.get();
            offset += 8;
        } else {
            offset += 8 + extension.len as u32 * 8;
        }
        protocol = extension.next;
        step += 1;
    }
    if offset > ipv6::EXTENSIONS_LEN_MAX || (fragment != FRAGMENT_LATER && is_extension(protocol)) {
        return 0;
    }
    offset as u64 | (protocol as u64) << 16 | (fragment as u64) << 24 | (identification as u64) << 32
}

#[inline(always)]
fn transport<F: Frame>(frame: &F, flow: &mut Flow, quoted: bool) -> bool {
    flow.source_port = 0;
    flow.destination_port = 0;
    flow.tcp_flags = 0;
    if flow.fragment == FRAGMENT_LATER {
        return true;
    }
    if quoted {
        let Some(ports) = frame.at::<Ports>(flow.transport) else { return false };
        flow.source_port = ports.source.get();
        flow.destination_port = ports.destination.get();
    } else if flow.protocol == TCP {
        let Some(tcp) = frame.at::<Tcp>(flow.transport) else { return false };
        flow.source_port = tcp.ports.source.get();
        flow.destination_port = tcp.ports.destination.get();
        flow.tcp_flags = tcp.flags;
        flow.tcp_len = (tcp.offset >> 4) * 4;
    } else if flow.protocol == UDP {
        let Some(udp) = frame.at::<Udp>(flow.transport) else { return false };
        flow.source_port = udp.ports.source.get();
        flow.destination_port = udp.ports.destination.get();
    }
    true
}
