//! ICMP errors of our own: time exceeded, fragmentation needed / packet too big, port unreachable (spec 2.6, 2.7).
//!
//! The packet itself becomes the answer: cut to what may be quoted, headers put in front, sent back out of the interface
//! it came by to the link address it came from. Source is the virtual address. TC only; paced per processor.
use crate::{
    address::Address,
    conn,
    counter::Counter,
    flow::{FRAGMENT_LATER, Flow},
    table::{Config, FAMILY_V4, Hook, ICMP, ICMP_V6, ticks_of_seconds},
    verdict,
    wire::{
        ENCAP_ANSWER, Frame, checksum,
        ethernet::{self, Ethernet},
        icmp::{self, Icmp},
        ipv4::{self, Ipv4},
        ipv6::{self, Ipv6},
    },
};

/// TTL of our own packets (RFC 1700; the kernel's default).
const TTL: u8 = 64;
/// Precedence "internetwork control", as the kernel marks ICMP errors (RFC 1812 4.3.2.5).
const CONTROL: u8 = 0xC0;
/// What the kernel keeps of the quoted packet's type of service.
const TOS_KEPT: u8 = 0x1E;

/// An error to tell.
#[derive(Clone, Copy)]
pub struct Error {
    /// Type and code for IPv4.
    pub v4: (u8, u8),
    /// Type and code for IPv6.
    pub v6: (u8, u8),
    /// MTU, or 0.
    pub mtu: u32,
    /// The counter of an error sent.
    pub counter: Counter,
}

/// The error of a `verdict::ANSWER_*`.
#[inline(always)]
pub fn error(kind: u64, mtu: u32) -> Error {
    if kind == verdict::ANSWER_TOO_BIG {
        let (v4, v6) = ((icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED), (icmp::TOO_BIG_V6, 0));
        Error { v4, v6, mtu, counter: Counter::IcmpTooBig }
    } else if kind == verdict::ANSWER_TIME_EXCEEDED {
        let (v4, v6) = ((icmp::TIME_EXCEEDED, 0), (icmp::TIME_EXCEEDED_V6, 0));
        Error { v4, v6, mtu: 0, counter: Counter::IcmpTimeExceeded }
    } else {
        let (v4, v6) = ((icmp::UNREACHABLE, icmp::PORT), (icmp::UNREACHABLE_V6, icmp::PORT_V6));
        Error { v4, v6, mtu: 0, counter: Counter::IcmpUnreachable }
    }
}

/// Turns the frame into the error and sends it back; DROP when none may be sent.
#[inline(always)]
pub fn answer<F: Frame, H: Hook>(
    frame: &mut F,
    hook: &H,
    config: &Config,
    flow: &Flow,
    error: &Error,
) -> u64 {
    if flow.fragment == FRAGMENT_LATER || flow.network != ethernet::LEN || !may_send(hook, config) {
        hook.count(Counter::IcmpSuppressed);
        return verdict::DROP;
    }
    let Some(link) = frame.at::<Ethernet>(0) else { return verdict::DROP };
    let (source, destination) = (link.destination, link.source);
    let done =
        if flow.family == FAMILY_V4 { answer_v4(frame, flow, error) } else { answer_v6(frame, flow, error) };
    if !done {
        hook.count(Counter::DroppedRewrite);
        return verdict::DROP;
    }
    let Some(link) = frame.at_mut::<Ethernet>(0) else { return verdict::DROP };
    link.destination = destination;
    link.source = source;
    link.kind.set(if flow.family == FAMILY_V4 { ethernet::IPV4 } else { ethernet::IPV6 });
    hook.count(error.counter);
    verdict::via(verdict::REDIRECT, hook.interface())
}

#[inline(always)]
fn may_send<H: Hook>(hook: &H, config: &Config) -> bool {
    let Some(pace) = hook.pace() else { return false };
    let now = hook.now();
    if conn::is_past(pace.ends.load(), now) {
        pace.ends.store(now.wrapping_add(ticks_of_seconds(1)));
        pace.count.store(0);
    }
    let count = pace.count.load();
    pace.count.store(count.wrapping_add(1));
    count < config.icmp_per_second.load()
}

/// Room in front of the quoted packet: an IP header and the ICMP header.
const FRONT_V4: u32 = ipv4::LEN + icmp::LEN;
const FRONT_V6: u32 = ipv6::LEN + icmp::LEN;

#[inline(always)]
fn quote<F: Frame>(frame: &mut F, flow: &Flow, front: u32, max: u32) -> u32 {
    let quoted = if flow.len > max - front { max - front } else { flow.len };
    let whole = ethernet::LEN + quoted;
    if frame.len() > whole && !frame.truncate(whole) {
        return 0;
    }
    if frame.set_front(ethernet::LEN, ethernet::LEN + front, ENCAP_ANSWER) { quoted } else { 0 }
}

#[inline(always)]
fn answer_v4<F: Frame>(frame: &mut F, flow: &Flow, error: &Error) -> bool {
    let Some(ip) = frame.at::<Ipv4>(ethernet::LEN) else { return false };
    let tos = (ip.tos & TOS_KEPT) | CONTROL;
    let quoted = quote(frame, flow, FRONT_V4, icmp::ERROR_MAX);
    if quoted == 0 {
        return false;
    }
    let Some(ip) = frame.at_mut::<Ipv4>(ethernet::LEN) else { return false };
    let len = quoted + FRONT_V4;
    ip.version = 0x45;
    ip.tos = tos;
    ip.len.set(len as u16);
    ip.identification.set(flow.identification as u16);
    ip.fragment.set(0);
    ip.ttl = TTL;
    ip.protocol = ICMP;
    ip.source.set(flow.destination.to_v4());
    ip.destination.set(flow.source.to_v4());
    let sum = (0x4500 | tos as u64)
        + len as u64
        + (flow.identification as u64 & 0xFFFF)
        + ((TTL as u64) << 8 | ICMP as u64)
        + flow.source.low
        + flow.destination.low;
    ip.checksum.set(!(checksum::fold(sum) as u16));
    write_icmp(frame, ethernet::LEN + ipv4::LEN, quoted, error.v4, error.mtu, 0)
}

#[inline(always)]
fn answer_v6<F: Frame>(frame: &mut F, flow: &Flow, error: &Error) -> bool {
    let quoted = quote(frame, flow, FRONT_V6, icmp::ERROR_MAX_V6);
    if quoted == 0 {
        return false;
    }
    let Some(ip) = frame.at_mut::<Ipv6>(ethernet::LEN) else { return false };
    let len = quoted + icmp::LEN;
    ip.version.set(6 << 28);
    ip.payload_len.set(len as u16);
    ip.next = ICMP_V6;
    ip.hop_limit = TTL;
    ip.source.set(flow.destination);
    ip.destination.set(flow.source);
    let pseudo = pseudo_v6(flow.source, flow.destination, len);
    write_icmp(frame, ethernet::LEN + ipv6::LEN, quoted, error.v6, error.mtu, pseudo)
}

/// The sum of ICMPv6's pseudo-header (RFC 8200 8.1).
#[inline(always)]
pub fn pseudo_v6(source: Address, destination: Address, len: u32) -> u64 {
    checksum::address_sum(source) + checksum::address_sum(destination) + len as u64 + ICMP_V6 as u64
}

#[inline(always)]
fn write_icmp<F: Frame>(frame: &mut F, at: u32, quoted: u32, kind: (u8, u8), mtu: u32, pseudo: u64) -> bool {
    let sum = frame.sum(at + icmp::LEN, quoted);
    if sum == u32::MAX {
        return false;
    }
    let Some(head) = frame.at_mut::<Icmp>(at) else { return false };
    head.kind = kind.0;
    head.code = kind.1;
    head.rest.set(mtu);
    let total = sum as u64 + pseudo + ((kind.0 as u64) << 8 | kind.1 as u64) + mtu as u64;
    head.checksum.set(!(checksum::fold(total) as u16));
    true
}
