//! Generated packets: requests, replies, errors about both, fragments, strangers, and all of them damaged.
use std::net::{IpAddr, SocketAddr};

use lvs_core::{
    address::Address,
    conn,
    table::{FAMILY_V4, ICMP, METHOD_MASQUERADE, TCP, Tables, UDP},
};
use lvs_testbed::host::packet::{self, Packet, icmp, tcp_between, udp_between};
use lvs_testbed::host::{HostTables, Link, Random};

use crate::world::{
    CLIENT_ADDRESSES, CLIENTS, FIRST_PORT, SERVERS, SERVICES_EACH, VIRTUAL, neighbour_link, own_link,
};

/// Client ports, so that connections are met again.
const CLIENT_PORTS: u64 = 24;
/// Identifications of fragment trains: few, so that both sides remember all of them.
const TRAINS: u64 = 64;

/// Where a packet comes to the director.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    Xdp,
    TcIngress,
    TcEgress,
}

/// A packet and where it comes in.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) hook: Hook,
    pub(crate) interface: u32,
    pub(crate) segment_len: u32,
    pub(crate) frame: Vec<u8>,
}

/// A connection as its packets are made from.
struct Known {
    client: SocketAddr,
    service: SocketAddr,
    /// Whom replies come from.
    replier: SocketAddr,
    protocol: u8,
}

fn address(address: Address, family: u8) -> IpAddr {
    if family == FAMILY_V4 { IpAddr::V4(address.to_v4().into()) } else { IpAddr::V6(address.to_v6().into()) }
}

/// Any connection of the table.
fn known(random: &mut Random, tables: &HostTables) -> Option<Known> {
    let count = tables.slot_count();
    let from = random.below(u64::from(count)) as u32;
    let is_live = |index: &u32| {
        tables.slot(*index).is_some_and(|slot| slot.control.load() & conn::LIFE == conn::LIFE_LIVE)
    };
    let slot = tables.slot((from..count).chain(0..from).find(is_live)?)?;
    let word = slot.word.load();
    let (protocol, family) = ((word >> 8) as u8, word as u8);
    let server = tables.server(slot.server.load())?;
    let at =
        |high: u64, low: u64, port: u64| SocketAddr::new(address(Address { high, low }, family), port as u16);
    let client = at(slot.client_high.load(), slot.client_low.load(), word >> 48);
    let service = at(slot.virtual_high.load(), slot.virtual_low.load(), word >> 32);
    let replier = if conn::method(slot.control.load()) == METHOD_MASQUERADE {
        at(server.high.load(), server.low.load(), word >> 16)
    } else {
        service
    };
    // A sender that a damaged packet invented has no next hop that both sides know.
    let is_known = CLIENT_ADDRESSES.iter().flatten().any(|known| known.parse() == Ok(client.ip()));
    is_known.then_some(Known { client, service, replier, protocol })
}

fn any_client(random: &mut Random, family: usize) -> SocketAddr {
    let port = if random.once_in(60) { 20 } else { 4000 + random.below(CLIENT_PORTS) as u16 };
    SocketAddr::new(random.of(&CLIENT_ADDRESSES[family]).parse().expect("an address"), port)
}

fn any_service(random: &mut Random, family: usize) -> SocketAddr {
    let port = FIRST_PORT + random.below(u64::from(SERVICES_EACH) + 1) as u16;
    SocketAddr::new(VIRTUAL[family].parse().expect("an address"), port)
}

fn flags(random: &mut Random) -> u8 {
    let letters =
        random.of(&["S", "S", "S", "A", "A", "PA", "PA", "FA", "FA", "R", "RA", "SA", "F", "SR", "SF", "P"]);
    if random.once_in(40) { random.next() as u8 } else { packet::tcp_flags(letters) }
}

fn segment(random: &mut Random, protocol: u8, source: SocketAddr, destination: SocketAddr) -> Packet {
    let len = match random.below(12) {
        0..=5 => random.below(40),
        6..=8 => 1200 + random.below(320),
        9 => 1900 + random.below(800),
        _ => 0,
    } as usize;
    let payload = random.bytes(len);
    let packet = if protocol == TCP {
        tcp_between(source, destination, flags(random)).payload(&payload)
    } else {
        udp_between(source, destination, &payload)
    };
    decorate(random, packet)
}

/// What every packet may have.
fn decorate(random: &mut Random, packet: Packet) -> Packet {
    let mut packet = packet.identification(random.below(TRAINS) as u32);
    if random.once_in(12) {
        packet = packet.ttl(random.below(4) as u8);
    }
    if random.once_in(6) {
        packet = packet.tos(random.next() as u8);
    }
    if random.once_in(2) {
        packet = packet.fragmentable();
    }
    if random.once_in(12) {
        packet = packet.options(random.below(11) as usize);
    }
    if random.once_in(12) {
        for _ in 0..=random.below(7) {
            let kind = random.of(&[0, 43, 60, 60]);
            let units_max = if random.once_in(9) { 40 } else { 3 };
            packet = packet.extension(kind, 1 + random.below(units_max) as usize);
        }
    }
    if random.once_in(14) {
        for _ in 0..=random.below(3) {
            packet = packet.vlan(random.next() as u16);
        }
    }
    if random.once_in(6) {
        packet = packet.no_checksum();
    }
    if random.once_in(8) {
        let offset = random.of(&[0, 0, 1, 2, 100]);
        packet = packet.fragment(offset, 8 + random.below(1000) as usize, random.once_in(2));
    }
    packet
}

/// An error about a packet of a connection: to the virtual service about a reply, or to the client about a request.
fn error(random: &mut Random, known: &Known) -> (Packet, bool) {
    let is_about_reply = random.once_in(2);
    let (from, to) =
        if is_about_reply { (known.service, known.client) } else { (known.client, known.replier) };
    let quoted = segment(random, known.protocol, from, to).ip();
    let len = random.of(&[28, 32, 40, 48, 60, 100, 500, 1200]).min(quoted.len() as u64) as usize;
    let quoted = &quoted[..if random.once_in(20) { random.below(len as u64) as usize } else { len }];
    let family = usize::from(from.is_ipv6());
    let sender = match (random.below(3), is_about_reply) {
        (0, true) => CLIENT_ADDRESSES[family][5].parse().expect("an address"),
        (0, false) => [IpAddr::from([10, 2, 0, 6]), "2001:db8:2::6".parse().expect("an address")][family],
        _ => to.ip(),
    };
    let kinds: &[(u8, u8)] = if family == 0 {
        &[(3, 4), (3, 3), (3, 1), (11, 0), (4, 0), (12, 0), (5, 1), (8, 0)]
    } else {
        &[(1, 4), (2, 0), (3, 0), (4, 1), (128, 0)]
    };
    let packet = icmp(sender, from.ip(), random.of(kinds), random.below(1500) as u32, quoted);
    (decorate(random, packet), is_about_reply)
}

fn stranger(random: &mut Random) -> Packet {
    let family = random.below(2) as usize;
    let source = any_client(random, family).ip();
    let destination = VIRTUAL[family].parse().expect("an address");
    let (protocol, len) = (random.of(&[ICMP, 58, 50, 132, 4, 41, TCP, UDP]), random.below(80) as usize);
    let body = random.bytes(len);
    decorate(random, packet::other(source, destination, protocol, body))
}

/// The next packet to come.
pub(crate) fn next(random: &mut Random, tables: &HostTables) -> Arrival {
    let family = random.below(2) as usize;
    let known = if random.below(100) < 60 { known(random, tables) } else { None };
    let (packet, is_inbound) = match (random.below(20), known) {
        (0..=1, Some(known)) => error(random, &known),
        (2..=9, Some(known)) => (segment(random, known.protocol, known.client, known.service), true),
        (_, Some(known)) => (segment(random, known.protocol, known.replier, known.client), false),
        (0, None) => (stranger(random), true),
        (_, None) => {
            let (client, service) = (any_client(random, family), any_service(random, family));
            let protocol = random.of(&[TCP, TCP, UDP]);
            (segment(random, protocol, client, service), true)
        }
    };
    let hook = match (random.below(8), is_inbound) {
        (0..=3, _) => Hook::Xdp,
        (7, false) => Hook::TcEgress,
        _ => Hook::TcIngress,
    };
    let device = if is_inbound { CLIENTS.index } else { SERVERS.index };
    let link = Link { destination: own_link(device), source: neighbour_link(device, 2), vlan: 0 };
    let mut frame = packet.frame(link);
    if random.once_in(7) {
        damage(random, &mut frame);
    }
    let segment_len =
        if hook == Hook::TcIngress && random.once_in(10) { random.of(&[500, 1448, 1500]) } else { 0 };
    Arrival { hook, interface: device, segment_len, frame }
}

/// Cuts a frame short or turns some of its bits, behind the link addresses.
fn damage(random: &mut Random, frame: &mut Vec<u8>) {
    if random.once_in(3) {
        let len = 14 + random.below(frame.len() as u64 - 13) as usize;
        frame.truncate(len);
        return;
    }
    for _ in 0..=random.below(3) {
        let at = 12 + random.below((frame.len() as u64 - 12).min(100)) as usize;
        frame[at] ^= 1 << random.below(8);
    }
}
