//! Packets in words: `tcp("10.1.0.2:4001", "10.1.0.100:80", "S").ttl(1).frame(link)`.
use std::net::{IpAddr, SocketAddr};

use lvs_core::table::{ICMP, ICMP_V6, TCP, UDP};
use lvs_core::wire::{ethernet, ipv6};

use super::Link;

/// The sum of bytes as 16-bit words, not folded.
fn sum(bytes: &[u8]) -> u64 {
    bytes.chunks(2).map(|word| u64::from(word[0]) << 8 | u64::from(word.get(1).copied().unwrap_or(0))).sum()
}

/// The Internet checksum of a sum.
fn checksum(sum: u64) -> u16 {
    let mut sum = sum;
    while sum > 0xFFFF {
        sum = (sum >> 16) + (sum & 0xFFFF);
    }
    !(sum as u16)
}

/// A packet to be.
#[derive(Clone, Debug)]
pub struct Packet {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    /// Transport header and payload, its checksum not yet made.
    body: Vec<u8>,
    /// Where the checksum stands in `body`; none for unknown protocols.
    checksum_at: Option<usize>,
    has_checksum: bool,
    ttl: u8,
    tos: u8,
    identification: u32,
    is_unfragmentable: bool,
    options: Vec<u8>,
    extensions: Vec<(u8, Vec<u8>)>,
    vlans: Vec<u16>,
    /// Offset, length, more: the part of the body that is sent.
    fragment: Option<(usize, usize, bool)>,
}

/// Flags by their letters.
pub fn tcp_flags(letters: &str) -> u8 {
    letters.chars().map(|letter| 1 << "FSRPAUEC".find(letter).expect("a flag of TCP")).sum()
}

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is no address with a port"))
}

/// A TCP segment without payload.
pub fn tcp(source: &str, destination: &str, flags: &str) -> Packet {
    tcp_between(socket(source), socket(destination), tcp_flags(flags))
}

/// As [`tcp`].
pub fn tcp_between(source: SocketAddr, destination: SocketAddr, flags: u8) -> Packet {
    let mut body = Vec::new();
    body.extend(source.port().to_be_bytes());
    body.extend(destination.port().to_be_bytes());
    body.extend(1000u32.to_be_bytes());
    body.extend(if flags & 0x10 == 0 { 0u32 } else { 5000 }.to_be_bytes());
    body.extend([0x50, flags, 0xFF, 0xFF, 0, 0, 0, 0]);
    Packet::new(source.ip(), destination.ip(), TCP, body, Some(16))
}

/// A UDP datagram.
pub fn udp(source: &str, destination: &str, payload: &[u8]) -> Packet {
    udp_between(socket(source), socket(destination), payload)
}

/// As [`udp`].
pub fn udp_between(source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> Packet {
    let mut body = Vec::new();
    body.extend(source.port().to_be_bytes());
    body.extend(destination.port().to_be_bytes());
    body.extend((8 + payload.len() as u16).to_be_bytes());
    body.extend([0, 0]);
    body.extend(payload);
    Packet::new(source.ip(), destination.ip(), UDP, body, Some(6))
}

/// An ICMP error of the family of its addresses, quoting bytes of a packet.
pub fn icmp(source: IpAddr, destination: IpAddr, (kind, code): (u8, u8), rest: u32, quoted: &[u8]) -> Packet {
    let mut body = vec![kind, code, 0, 0];
    body.extend(rest.to_be_bytes());
    body.extend(quoted);
    let protocol = if source.is_ipv4() { ICMP } else { ICMP_V6 };
    Packet::new(source, destination, protocol, body, Some(2))
}

/// Any protocol with any bytes.
pub fn other(source: IpAddr, destination: IpAddr, protocol: u8, body: Vec<u8>) -> Packet {
    Packet::new(source, destination, protocol, body, None)
}

impl Packet {
    fn new(
        source: IpAddr,
        destination: IpAddr,
        protocol: u8,
        body: Vec<u8>,
        checksum_at: Option<usize>,
    ) -> Self {
        Self {
            source,
            destination,
            protocol,
            body,
            checksum_at,
            has_checksum: true,
            ttl: 64,
            tos: 0,
            identification: 1,
            is_unfragmentable: true,
            options: Vec::new(),
            extensions: Vec::new(),
            vlans: Vec::new(),
            fragment: None,
        }
    }

    /// More payload.
    #[must_use]
    pub fn payload(mut self, bytes: &[u8]) -> Self {
        self.body.extend(bytes);
        if self.protocol == UDP {
            let len = self.body.len() as u16;
            self.body[4..6].copy_from_slice(&len.to_be_bytes());
        }
        self
    }

    /// Sequence and acknowledgement numbers, and window, of a TCP segment.
    #[must_use]
    pub fn numbers(mut self, sequence: u32, acknowledgement: u32, window: u16) -> Self {
        self.body[4..8].copy_from_slice(&sequence.to_be_bytes());
        self.body[8..12].copy_from_slice(&acknowledgement.to_be_bytes());
        self.body[14..16].copy_from_slice(&window.to_be_bytes());
        self
    }

    /// TTL or hop limit.
    #[must_use]
    pub fn ttl(self, ttl: u8) -> Self {
        Self { ttl, ..self }
    }

    /// Type of service or traffic class.
    #[must_use]
    pub fn tos(self, tos: u8) -> Self {
        Self { tos, ..self }
    }

    /// May be fragmented (IPv4).
    #[must_use]
    pub fn fragmentable(self) -> Self {
        Self { is_unfragmentable: false, ..self }
    }

    /// Identification.
    #[must_use]
    pub fn identification(self, identification: u32) -> Self {
        Self { identification, ..self }
    }

    /// IPv4 options: so many words of "no operation".
    #[must_use]
    pub fn options(self, words: usize) -> Self {
        Self { options: vec![1; words * 4], ..self }
    }

    /// One more IPv6 extension header: its protocol number and how many units of 8 bytes it has.
    #[must_use]
    pub fn extension(mut self, protocol: u8, units: usize) -> Self {
        let mut header = vec![0; units * 8];
        header[1] = units as u8 - 1;
        self.extensions.push((protocol, header));
        self
    }

    /// One more VLAN tag, outermost first.
    #[must_use]
    pub fn vlan(mut self, tag: u16) -> Self {
        self.vlans.push(tag);
        self
    }

    /// UDP without a checksum.
    #[must_use]
    pub fn no_checksum(self) -> Self {
        Self { has_checksum: false, ..self }
    }

    /// Only these bytes of the transport's: offset (in 8-byte units), length, and whether more follow.
    #[must_use]
    pub fn fragment(self, offset: usize, len: usize, more: bool) -> Self {
        Self { fragment: Some((offset * 8, len, more)), is_unfragmentable: false, ..self }
    }

    /// The IP packet.
    pub fn ip(&self) -> Vec<u8> {
        let mut body = self.body.clone();
        if let (Some(at), true) = (self.checksum_at, self.has_checksum)
            && at + 2 <= body.len()
        {
            let pseudo = if self.protocol == ICMP { 0 } else { self.pseudo_sum() };
            let field = checksum(sum(&body) + pseudo);
            let field = if field == 0 && self.protocol == UDP { 0xFFFF } else { field };
            body[at..at + 2].copy_from_slice(&field.to_be_bytes());
        }
        if let Some((offset, len, _)) = self.fragment {
            let end = (offset + len).min(body.len());
            body = body[offset.min(end)..end].to_vec();
        }
        if self.source.is_ipv4() { self.ip_v4(&body) } else { self.ip_v6(&body) }
    }

    fn pseudo_sum(&self) -> u64 {
        let addresses = match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                sum(&source.octets()) + sum(&destination.octets())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                sum(&source.octets()) + sum(&destination.octets())
            }
            _ => panic!("both addresses are of one family"),
        };
        addresses + u64::from(self.protocol) + self.body.len() as u64
    }

    fn ip_v4(&self, body: &[u8]) -> Vec<u8> {
        let header_len = 20 + self.options.len();
        let (offset, more) = self.fragment.map_or((0, false), |(offset, _, more)| (offset / 8, more));
        let flags = u16::from(self.is_unfragmentable) << 14 | u16::from(more) << 13 | offset as u16;
        let mut header = vec![0x40 | (header_len / 4) as u8, self.tos];
        header.extend(((header_len + body.len()) as u16).to_be_bytes());
        header.extend((self.identification as u16).to_be_bytes());
        header.extend(flags.to_be_bytes());
        header.extend([self.ttl, self.protocol, 0, 0]);
        for address in [self.source, self.destination] {
            let IpAddr::V4(address) = address else { panic!("both addresses are of one family") };
            header.extend(address.octets());
        }
        header.extend(&self.options);
        let field = checksum(sum(&header));
        header[10..12].copy_from_slice(&field.to_be_bytes());
        header.extend(body);
        header
    }

    fn ip_v6(&self, body: &[u8]) -> Vec<u8> {
        let mut extensions = self.extensions.clone();
        if let Some((offset, _, more)) = self.fragment {
            let mut header = vec![0, 0];
            header.extend((offset as u16 | u16::from(more)).to_be_bytes());
            header.extend(self.identification.to_be_bytes());
            extensions.push((ipv6::FRAGMENT, header));
        }
        let mut rest = body.to_vec();
        let mut next = self.protocol;
        for (protocol, mut header) in extensions.into_iter().rev() {
            header[0] = next;
            next = protocol;
            header.extend(rest);
            rest = header;
        }
        let mut packet = (6u32 << 28 | u32::from(self.tos) << 20).to_be_bytes().to_vec();
        packet.extend((rest.len() as u16).to_be_bytes());
        packet.extend([next, self.ttl]);
        for address in [self.source, self.destination] {
            let IpAddr::V6(address) = address else { panic!("both addresses are of one family") };
            packet.extend(address.octets());
        }
        packet.extend(rest);
        packet
    }

    /// The frame that carries it: to `link.destination`, from `link.source`.
    pub fn frame(&self, link: Link) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(link.destination);
        bytes.extend(link.source);
        for tag in &self.vlans {
            bytes.extend(ethernet::VLAN.to_be_bytes());
            bytes.extend(tag.to_be_bytes());
        }
        let kind = if self.source.is_ipv4() { ethernet::IPV4 } else { ethernet::IPV6 };
        bytes.extend(kind.to_be_bytes());
        bytes.extend(self.ip());
        bytes
    }
}
