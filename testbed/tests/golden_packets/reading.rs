//! Reading the recordings: operators' commands, listings, and packets put together again.
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use lvs_core::{
    conn,
    table::{FAMILY_V4, TCP, Tables, UDP, seconds_of_ticks},
};
use lvs_testbed::host::stage::{Side, Stage};
use lvs_testbed::host::{Method, Scheduler, ServerSpec, packet};
use serde_json::Value;

/// Seconds by which times to expiry may differ: the recordings ran on a real clock.
const SECONDS_APART: u32 = 40;

/// Does what a command of the recordings says.
pub(crate) fn ipvsadm(stage: &mut Stage, command: &str) {
    let words: Vec<&str> = command.split_whitespace().collect();
    let after = |option: &str| words.iter().skip_while(|word| **word != option).nth(1).copied();
    let has = |option: &str| words.contains(&option);
    if words[0] == "-C" {
        return stage.cluster.flush(&stage.tables);
    }
    let protocol = if has("-t") { TCP } else { UDP };
    let service: SocketAddr =
        after("-t").or_else(|| after("-u")).expect("a service").parse().expect("an address");
    let key = (service.ip(), service.port());
    let index = stage.cluster.find_service(protocol, key);
    let scheduler = after("-s").map_or(Scheduler::Wlc, Scheduler::named);
    match words[0] {
        "-A" => {
            stage.cluster.add_service(&stage.tables, protocol, key, scheduler);
        }
        "-E" => stage.cluster.set_scheduler(&stage.tables, index.expect("a service"), scheduler),
        "-D" => stage.cluster.delete_service(&stage.tables, index.expect("a service")),
        "-a" | "-e" | "-d" => {
            let index = index.expect("a service");
            let server: SocketAddr = after("-r").expect("a server").parse().expect("an address");
            let known = stage.cluster.find_server(index, server.ip(), server.port());
            let method = match () {
                () if has("-m") => Method::Masquerade,
                () if has("-i") => Method::Tunnel,
                () => Method::DirectRoute,
            };
            let number = |option| after(option).map(|word: &str| word.parse().expect("a number"));
            let spec = ServerSpec {
                thresholds: (number("-x").unwrap_or(0), number("-y").unwrap_or(0)),
                source: Some(Stage::tunnel_source(server.ip())),
                ..ServerSpec::new(method, &server.ip().to_string(), server.port())
            }
            .weight(number("-w").unwrap_or(1));
            match words[0] {
                "-a" => {
                    stage.cluster.add_server(&stage.tables, index, spec);
                }
                "-e" => stage.cluster.edit_server(&stage.tables, known.expect("a server"), spec),
                _ => stage.cluster.delete_server(&stage.tables, known.expect("a server")),
            }
        }
        other => panic!("unknown command {other}"),
    }
}

/// Compares the rows of `/proc/net/ip_vs_conn`. With fragments ours may be more: the kernel makes a connection once the
/// last part has come, we with the first.
pub(crate) fn connections(stage: &Stage, recorded: &Value, has_fragments: bool) -> Result<(), String> {
    let mut ours = Vec::new();
    for index in stage.live_slots() {
        let slot = stage.tables.slot(index).expect("a slot");
        let server = stage.tables.server(slot.server.load()).expect("a server");
        let word = slot.word.load();
        let (protocol, family) = ((word >> 8) as u8, word as u8);
        let profile_family = lvs_core::table::profile_family(server.profile.load());
        let state =
            if protocol == UDP { "UDP" } else { conn::tcp::NAMES[conn::state(slot.control.load()) as usize] };
        let row = [
            if protocol == TCP { "TCP".to_owned() } else { "UDP".to_owned() },
            shown(slot.client_high.load(), slot.client_low.load(), family),
            format!("{:04X}", word >> 48),
            shown(slot.virtual_high.load(), slot.virtual_low.load(), family),
            format!("{:04X}", word >> 32 & 0xFFFF),
            shown(server.high.load(), server.low.load(), profile_family),
            format!("{:04X}", word >> 16 & 0xFFFF),
            state.to_owned(),
        ];
        let left = seconds_of_ticks(slot.expires.load().wrapping_sub(stage.tables.now()));
        ours.push((row.join(" "), left));
    }
    ours.sort();
    let row = |row: &Value| {
        let words = row.as_array().expect("a row");
        let text: Vec<&str> = words[..8].iter().map(|word| word.as_str().expect("text")).collect();
        (text.join(" "), words[8].as_u64().expect("seconds") as u32)
    };
    let mut theirs: Vec<(String, u32)> = recorded.as_array().expect("rows").iter().map(row).collect();
    theirs.sort();
    let is_one = |ours: &(String, u32), theirs: &(String, u32)| {
        ours.0 == theirs.0 && ours.1.abs_diff(theirs.1) <= SECONDS_APART
    };
    if has_fragments {
        theirs.retain(|theirs| !ours.iter().any(|ours| is_one(ours, theirs)));
        ours.clear();
    }
    let is_same =
        ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(ours, theirs)| is_one(ours, theirs));
    if is_same {
        Ok(())
    } else {
        Err(format!("  connections ours     {ours:?}\n              recorded {theirs:?}"))
    }
}

/// An address as the kernel's listing writes it.
fn shown(high: u64, low: u64, family: u8) -> String {
    if family == FAMILY_V4 {
        return format!("{low:08X}");
    }
    let address = Ipv6Addr::from((u128::from(high) << 64) | u128::from(low));
    let groups: Vec<String> = address.segments().iter().map(|group| format!("{group:04x}")).collect();
    groups.join(":")
}

/// Compares active and inactive connections of every server.
pub(crate) fn counters(stage: &Stage, recorded: &Value) -> Result<(), String> {
    let shown_address = |address: IpAddr| {
        let core = lvs_testbed::host::address_of(address);
        let text = shown(core.high, core.low, lvs_testbed::host::family_of(address));
        if address.is_ipv4() { text } else { format!("[{text}]") }
    };
    let mut ours = Vec::new();
    for ((protocol, address, port), server) in stage.cluster.listed() {
        let spec = stage.cluster.spec(server);
        let protocol = if protocol == TCP { "TCP" } else { "UDP" };
        let (active, inactive) = stage.connections_of(server);
        ours.push(format!(
            "{protocol} {}:{port:04X} {}:{:04X} {active} {inactive}",
            shown_address(address),
            shown_address(spec.address),
            spec.port
        ));
    }
    let row = |row: &Value| {
        let words = row.as_array().expect("a row");
        format!(
            "{} {} {} {}",
            words[0].as_str().expect("text"),
            words[1].as_str().expect("text"),
            words[2],
            words[3]
        )
    };
    let mut theirs: Vec<String> = recorded.as_array().expect("rows").iter().map(row).collect();
    ours.sort();
    theirs.sort();
    if ours == theirs {
        Ok(())
    } else {
        Err(format!("  servers ours     {ours:?}\n          recorded {theirs:?}"))
    }
}

fn word(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |word| u16::from_be_bytes([word[0], word[1]]))
}

/// The director's forwarding, for packets that it passes to its stack: none when the stack keeps or answers them.
pub(crate) fn route(stage: &Stage, packet: &[u8]) -> Option<(Side, Vec<u8>)> {
    let mut packet = packet.to_vec();
    let (destination, ttl) = if packet[0] >> 4 == 4 {
        (IpAddr::from([packet[16], packet[17], packet[18], packet[19]]), 8)
    } else {
        let octets: [u8; 16] = packet[24..40].try_into().ok()?;
        (IpAddr::from(octets), 7)
    };
    let side = stage.way_to(destination)?;
    let is_unfragmentable = ttl == 7 || word(&packet, 6) & 0x4000 != 0;
    if packet[ttl] <= 1 || (is_unfragmentable && packet.len() as u32 > stage.mtu(side)) {
        return None;
    }
    packet[ttl] -= 1;
    if ttl == 8 {
        set_header_checksum(&mut packet);
    }
    Some((side, packet))
}

fn set_header_checksum(packet: &mut [u8]) {
    let header_len = usize::from(packet[0] & 15) * 4;
    packet[10..12].fill(0);
    let mut sum: u32 =
        packet[..header_len].chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
    while sum > 0xFFFF {
        sum = (sum >> 16) + (sum & 0xFFFF);
    }
    packet[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

/// Is it a fragment?
pub(crate) fn is_part(packet: &[u8]) -> bool {
    if packet[0] >> 4 == 4 { word(packet, 6) & 0x3FFF != 0 } else { packet[6] == 44 }
}

/// What the director's stack says to a SYN when nobody listens: a reset.
pub(crate) fn reset(packet: &[u8]) -> Option<Vec<u8>> {
    let (protocol, at, addresses) =
        if packet[0] >> 4 == 4 { (packet[9], 20, 12..20) } else { (packet[6], 40, 8..40) };
    if protocol != TCP {
        return None;
    }
    let (source, destination) = packet[addresses].split_at(if at == 20 { 4 } else { 16 });
    let address = |octets: &[u8]| match <[u8; 4]>::try_from(octets) {
        Ok(octets) => IpAddr::from(octets),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(octets).expect("an address")),
    };
    let client = SocketAddr::new(address(source), word(packet, at));
    let own = SocketAddr::new(address(destination), word(packet, at + 2));
    let sequence = u32::from(word(packet, at + 4)) << 16 | u32::from(word(packet, at + 6));
    let reset = packet::tcp_between(own, client, packet::tcp_flags("RA"));
    Some(reset.numbers(0, sequence + 1, 0).identification(0).ip())
}

/// Zeroes what the kernel draws anew in every run: the identification (and with it the header's checksum) of packets that
/// the director makes, which are ICMP errors and outer headers that may be fragmented; the flow label of ICMPv6 errors
/// and of resets.
pub(crate) fn normalise(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    if packet[0] >> 4 == 4 {
        let is_icmp_of_ours = packet[9] == 1 && packet[8] == 64;
        let is_outer = matches!(packet[9], 4 | 41) && word(&packet, 6) & 0x4000 == 0;
        if is_icmp_of_ours || is_outer {
            packet[4..6].fill(0);
            packet[10..12].fill(0);
        }
    } else if matches!(packet[6], 58 | 6) && packet[7] == 64 {
        packet[1] &= 0xF0;
        packet[2..4].fill(0);
    }
    packet
}

/// The same packets with fragments put together again, whether the tunnel's packet was cut or the one inside: what is
/// inside in the end.
pub(crate) fn whole(packets: &[(Side, Vec<u8>)]) -> Vec<(Side, Vec<u8>)> {
    let unwrapped = |packets: Vec<(Side, Vec<u8>)>| -> Vec<(Side, Vec<u8>)> {
        packets.into_iter().map(|(side, packet)| (side, inner_of(&packet).unwrap_or(packet))).collect()
    };
    joined(&unwrapped(joined(&unwrapped(packets.to_vec()))))
}

/// Fragments put together again, after the packets that are none, in the order in which their first parts came.
pub(crate) fn joined(packets: &[(Side, Vec<u8>)]) -> Vec<(Side, Vec<u8>)> {
    let mut done: Vec<(Side, Vec<u8>)> = Vec::new();
    let mut trains: Vec<(Side, Vec<u8>, Vec<Vec<u8>>)> = Vec::new();
    for (side, packet) in packets {
        if !is_part(packet) {
            done.push((*side, packet.clone()));
            continue;
        }
        let identity = identity(packet);
        match trains.iter_mut().find(|(to, known, _)| to == side && *known == identity) {
            Some((_, _, parts)) => parts.push(packet.clone()),
            None => trains.push((*side, identity, vec![packet.clone()])),
        }
    }
    for (side, _, parts) in trains {
        let joined = join(&parts);
        done.extend(joined.into_iter().map(|packet| (side, packet)));
    }
    done
}

/// What a tunnel's packet that is whole holds.
fn inner_of(packet: &[u8]) -> Option<Vec<u8>> {
    match packet[0] >> 4 {
        4 if matches!(packet[9], 4 | 41) && !is_part(packet) => Some(packet[20..].to_vec()),
        6 if matches!(packet[6], 4 | 41) => Some(packet[40..].to_vec()),
        _ => None,
    }
}

fn identity(packet: &[u8]) -> Vec<u8> {
    if packet[0] >> 4 == 4 {
        [&packet[4..6], &packet[9..10], &packet[12..20]].concat()
    } else {
        [&packet[8..40], &packet[44..48]].concat()
    }
}

/// The packet that the parts make, when all are there; else the parts.
fn join(parts: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let is_v4 = parts[0][0] >> 4 == 4;
    let header_len = if is_v4 { usize::from(parts[0][0] & 15) * 4 } else { 48 };
    let place = |part: &Vec<u8>| {
        if is_v4 {
            (usize::from(word(part, 6) & 0x1FFF) * 8, word(part, 6) & 0x2000 != 0)
        } else {
            (usize::from(word(part, 42) & !7), word(part, 42) & 1 != 0)
        }
    };
    let mut sorted = parts.to_vec();
    sorted.sort_by_key(|part| place(part).0);
    let mut body: Vec<u8> = Vec::new();
    for part in &sorted {
        if place(part).0 != body.len() {
            return parts.to_vec();
        }
        body.extend(&part[header_len..]);
    }
    if place(sorted.last().expect("a part")).1 {
        return parts.to_vec();
    }
    let mut packet = sorted[0].clone();
    if is_v4 {
        packet.truncate(header_len);
        packet[6..8].fill(0);
        packet.extend(body);
        let len = packet.len() as u16;
        packet[2..4].copy_from_slice(&len.to_be_bytes());
        set_header_checksum(&mut packet);
    } else {
        packet.truncate(40);
        packet[6] = parts[0][40];
        packet.extend(body);
        let len = packet.len() as u16 - 40;
        packet[4..6].copy_from_slice(&len.to_be_bytes());
    }
    vec![packet]
}
