//! Frames as a person reads them, for the messages of failing tests. Any bytes will do.
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use lvs_core::table::{ICMP, ICMP_V6, TCP, UDP};
use lvs_core::wire::{ethernet, ipv6};

fn word(bytes: &[u8], at: usize) -> u16 {
    match bytes.get(at..at + 2) {
        Some(word) => u16::from_be_bytes([word[0], word[1]]),
        None => 0,
    }
}

/// A frame in one line, then its bytes.
pub fn frame(bytes: &[u8]) -> String {
    let mut text = String::new();
    if bytes.len() < 14 {
        return format!("{} bytes: {}", bytes.len(), hex(bytes));
    }
    let _ = write!(text, "{} > {}", link(&bytes[6..12]), link(&bytes[..6]));
    let mut at = 12;
    while matches!(word(bytes, at), ethernet::VLAN | ethernet::SERVICE_VLAN) && at < 20 {
        let _ = write!(text, " vlan {}", word(bytes, at + 2));
        at += 4;
    }
    let kind = word(bytes, at);
    let _ = match kind {
        ethernet::IPV4 | ethernet::IPV6 => write!(text, " {}", ip(&bytes[(at + 2).min(bytes.len())..])),
        _ => write!(text, " type {kind:04x}"),
    };
    let _ = write!(text, "\n      {} bytes: {}", bytes.len(), hex(bytes));
    text
}

/// An IP packet in one line.
pub fn ip(bytes: &[u8]) -> String {
    match bytes.first().map(|version| version >> 4) {
        Some(4) if bytes.len() >= 20 => ip_v4(bytes),
        Some(6) if bytes.len() >= 40 => ip_v6(bytes),
        _ => format!("(no IP packet, {} bytes)", bytes.len()),
    }
}

fn ip_v4(bytes: &[u8]) -> String {
    let address = |at: usize| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
    let header_len = usize::from(bytes[0] & 15) * 4;
    let fragment = word(bytes, 6);
    let mut text = format!(
        "{} > {} len {} id {} ttl {} tos {:02x}",
        address(12),
        address(16),
        word(bytes, 2),
        word(bytes, 4),
        bytes[8],
        bytes[1]
    );
    if fragment & 0x4000 != 0 {
        text.push_str(" DF");
    }
    if fragment & 0x3FFF != 0 {
        let _ = write!(
            text,
            " fragment at {}{}",
            (fragment & 0x1FFF) * 8,
            if fragment & 0x2000 != 0 { "+" } else { "" }
        );
    }
    if header_len > 20 {
        let _ = write!(text, " options {}", header_len - 20);
    }
    let rest = bytes.get(header_len..).unwrap_or_default();
    let inside = if fragment & 0x1FFF == 0 { transport(bytes[9], rest) } else { String::new() };
    format!("{text} {inside}")
}

fn ip_v6(bytes: &[u8]) -> String {
    let address = |at: usize| {
        let octets: [u8; 16] = bytes[at..at + 16].try_into().expect("sixteen bytes");
        Ipv6Addr::from(octets)
    };
    let mut text = format!("{} > {} payload {} hops {}", address(8), address(24), word(bytes, 4), bytes[7]);
    let (mut next, mut at) = (bytes[6], 40);
    while matches!(next, ipv6::HOP_BY_HOP | ipv6::ROUTING | ipv6::FRAGMENT | ipv6::DESTINATION)
        && at + 8 <= bytes.len()
    {
        let _ = write!(text, " extension {next}");
        let len = if next == ipv6::FRAGMENT { 8 } else { 8 + usize::from(bytes[at + 1]) * 8 };
        if next == ipv6::FRAGMENT {
            let field = word(bytes, at + 2);
            let _ = write!(text, " at {}{}", field & !7, if field & 1 != 0 { "+" } else { "" });
            if field & !7 != 0 {
                return text;
            }
        }
        next = bytes[at];
        at += len;
    }
    format!("{text} {}", transport(next, bytes.get(at..).unwrap_or_default()))
}

fn transport(protocol: u8, bytes: &[u8]) -> String {
    let ports = format!("{} > {}", word(bytes, 0), word(bytes, 2));
    match protocol {
        TCP => {
            let flags = bytes.get(13).copied().unwrap_or(0);
            let letters: String = "FSRPAUEC"
                .chars()
                .enumerate()
                .filter(|(bit, _)| flags & 1 << bit != 0)
                .map(|(_, letter)| letter)
                .collect();
            format!("TCP {ports} [{letters}] checksum {:04x}", word(bytes, 16))
        }
        UDP => format!("UDP {ports} len {} checksum {:04x}", word(bytes, 4), word(bytes, 6)),
        ICMP | ICMP_V6 => {
            let (kind, code) = (bytes.first().copied().unwrap_or(0), bytes.get(1).copied().unwrap_or(0));
            format!(
                "ICMP {kind}/{code} rest {:04x}{:04x} about ({})",
                word(bytes, 4),
                word(bytes, 6),
                quoted(bytes)
            )
        }
        4 | 41 => format!("holds ({})", ip(bytes)),
        _ => format!("protocol {protocol}"),
    }
}

fn quoted(bytes: &[u8]) -> String {
    ip(bytes.get(8..).unwrap_or_default())
}

fn link(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// Bytes as hexadecimal digits; long ones cut in the middle.
pub fn hex(bytes: &[u8]) -> String {
    const SHOWN: usize = 160;
    let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    if bytes.len() <= SHOWN { digits(bytes) } else { format!("{}...", digits(&bytes[..SHOWN])) }
}

/// Bytes from hexadecimal digits.
pub fn from_hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("digits"))
        .collect()
}
