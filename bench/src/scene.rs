//! What the data plane is told in a packet benchmark: services, servers, connections; and the packets that fit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use lvs_core::address::Address;
use lvs_core::conn::{self, Key, New, tcp};
use lvs_core::endpoint;
use lvs_core::table::{
    ENDPOINT_REAL, ENDPOINT_VIRTUAL, FAMILY_V4, FAMILY_V6, METHOD_DIRECT_ROUTE, METHOD_MASQUERADE,
    METHOD_TUNNEL, SCHEDULER_RR, SCHEDULER_WLC, SERVER_AVAILABLE, SERVICE_ACTIVE, TCP, Tables, UDP,
    ports_word, profile,
};
use lvs_dataplane::MappedTables;

use crate::pump::{Setup, TEMPLATE_LEN, TEMPLATE_WORDS, client};

/// Real servers of a service.
pub(crate) const SERVER_COUNT: u32 = 4;
/// Port of services and servers; the servers' differs, so that NAT has to change it.
const SERVICE_PORT: u16 = 80;
const SERVER_PORT: u16 = 8080;
/// First client of connections that exist already, and of those that a measurement makes.
pub(crate) const KNOWN_CLIENT: u32 = 0x0A64_0000;
/// As above.
pub(crate) const NEW_CLIENT: u32 = 0x0AC8_0000;

const SYN: u8 = 2;
const ACK: u8 = 16;

/// One combination that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scene {
    /// `METHOD_*`.
    pub(crate) method: u8,
    /// `FAMILY_*`.
    pub(crate) family: u8,
    /// `TCP` or `UDP`.
    pub(crate) protocol: u8,
    /// Its number: place of its service and servers.
    number: u32,
}

/// Which packet of a scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Opens a connection.
    Opens,
    /// Client to server, of a connection.
    Request,
    /// Server to client, of a connection.
    Reply,
    /// To nobody we know.
    Stranger,
}

impl Scene {
    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        let mut scenes = Vec::new();
        for family in [FAMILY_V4, FAMILY_V6] {
            for protocol in [TCP, UDP] {
                for method in [METHOD_DIRECT_ROUTE, METHOD_MASQUERADE, METHOD_TUNNEL] {
                    scenes.push(Self { method, family, protocol, number: scenes.len() as u32 });
                }
            }
        }
        scenes
    }

    /// As results name it.
    pub(crate) fn name(&self) -> String {
        let method = match self.method {
            METHOD_MASQUERADE => "nat",
            METHOD_TUNNEL => "ipip",
            _ => "dr",
        };
        let protocol = if self.protocol == TCP { "tcp" } else { "udp" };
        format!("v{} {protocol} {method}", self.family)
    }

    fn service(&self) -> u32 {
        1 + self.number
    }

    /// Place of one of its servers.
    pub(crate) fn server(&self, index: u32) -> u32 {
        1 + self.number * SERVER_COUNT + index
    }

    /// Addresses of servers and services: the last byte tells them apart.
    fn address(&self, network: u8, host: u8) -> Address {
        if self.family == FAMILY_V4 {
            Address::v4(u32::from(Ipv4Addr::new(10, network, 0, host)))
        } else {
            Address::v6(
                Ipv6Addr::new(0x2001, 0xdb8, u16::from(network), 0, 0, 0, 0, u16::from(host)).octets(),
            )
        }
    }

    fn virtual_address(&self) -> Address {
        self.address(1, 100 + self.number as u8)
    }

    fn server_address(&self, index: u32) -> Address {
        self.address(2, 11 + index as u8)
    }

    fn client_address(&self, low: u32) -> Address {
        if self.family == FAMILY_V4 {
            Address::v4(low)
        } else {
            Address { high: 0x2001_0db8_0064_0000, low: u64::from(low) }
        }
    }

    /// Writes service and servers.
    pub(crate) fn configure(&self, tables: &MappedTables) -> Result<(), String> {
        let full = || "a table of the data plane is too small".to_owned();
        let first = self.number * SERVER_COUNT;
        for index in 0..SERVER_COUNT {
            let server = tables.server(self.server(index)).ok_or_else(full)?;
            let address = self.server_address(index);
            server.high.store(address.high);
            server.low.store(address.low);
            let port = if self.method == METHOD_MASQUERADE { SERVER_PORT } else { SERVICE_PORT };
            server.profile.store(profile(port, self.family, self.method));
            let source = self.address(2, 1);
            server.source_high.store(source.high);
            server.source_low.store(source.low);
            server.service.store(self.service());
            server.weight.store(1);
            server.flags.store(SERVER_AVAILABLE);
            tables.member(first + index).ok_or_else(full)?.server.store(self.server(index));
            if self.method == METHOD_MASQUERADE {
                let word = endpoint::word(SERVER_PORT, self.protocol, self.family);
                let value = ENDPOINT_REAL | self.server(index);
                put(tables, address, word, value)?;
            }
        }
        let service = tables.service(self.service()).ok_or_else(full)?;
        let address = self.virtual_address();
        service.members.store(u64::from(first) << 32 | u64::from(SERVER_COUNT));
        service.cursor.store(0);
        service.scheduler.store(SCHEDULER_WLC);
        service.high.store(address.high);
        service.low.store(address.low);
        service.word.store(ports_word(0, SERVICE_PORT, 0, self.protocol, self.family));
        service.flags.store(SERVICE_ACTIVE);
        let word = endpoint::word(SERVICE_PORT, self.protocol, self.family);
        put(tables, address, word, ENDPOINT_VIRTUAL | self.service())
    }

    /// Chooses the scheduler: rr or wlc.
    pub(crate) fn schedule(&self, tables: &MappedTables, round_robin: bool) {
        if let Some(service) = tables.service(self.service()) {
            service.scheduler.store(if round_robin { SCHEDULER_RR } else { SCHEDULER_WLC });
        }
    }

    /// Makes the connections of flows `0..count`, all of them to the first server and established. The number of those
    /// that found no place.
    pub(crate) fn connect(&self, tables: &MappedTables, count: u32) -> Result<u32, String> {
        let mut refused = 0;
        let config = tables.config().ok_or("no settings")?;
        if std::env::var_os("LVS_BENCH_LAX").is_some() {
            // For an object whose clock stands still.
            config.pad.store(lvs_dataplane::now());
        }
        let server_port = if self.method == METHOD_MASQUERADE { SERVER_PORT } else { SERVICE_PORT };
        for flow in 0..count {
            let (low, port) = client(KNOWN_CLIENT, flow);
            let key = Key {
                client: self.client_address(low),
                virtual_address: self.virtual_address(),
                word: ports_word(port, SERVICE_PORT, 0, self.protocol, self.family),
            };
            let now = lvs_dataplane::now();
            let new = New {
                key,
                server: self.server(0),
                server_port: u32::from(server_port),
                method: u32::from(self.method),
                now,
            };
            let Some(slot) = tables.slot(conn::remember(tables, config, &new)) else {
                refused += 1;
                continue;
            };
            let mut ticks = config.udp_timeout.load();
            if self.protocol == TCP {
                let state = u32::from(tcp::ESTABLISHED) << conn::STATE_SHIFT;
                slot.control.store(slot.control.load() | state);
                tables.server(self.server(0)).ok_or("no server")?.active.add(1);
                ticks = config.tcp_timeouts[usize::from(tcp::ESTABLISHED)].load();
            }
            slot.expires.store(now.wrapping_add(ticks));
        }
        Ok(refused)
    }

    /// The packet, for the pump; flow, number of flows and target are the caller's.
    pub(crate) fn packet(&self, kind: Kind) -> Setup {
        let here = self.client_address(if kind == Kind::Opens { NEW_CLIENT } else { KNOWN_CLIENT });
        let there = match kind {
            Kind::Reply => self.server_address(0),
            Kind::Stranger => self.address(3, 99),
            Kind::Opens | Kind::Request => self.virtual_address(),
        };
        let reply = kind == Kind::Reply;
        let port = if reply && self.method == METHOD_MASQUERADE { SERVER_PORT } else { SERVICE_PORT };
        let flags = if kind == Kind::Opens { SYN } else { ACK };
        let (source, destination) = if reply { (there, here) } else { (here, there) };
        let (source_port, destination_port) = if reply { (port, 0) } else { (0, port) };
        let frame =
            frame(self.family, self.protocol, source, destination, source_port, destination_port, flags);
        let network = 14;
        let (address_len, addresses_at, header_len) =
            if self.family == FAMILY_V4 { (4, 12, 20) } else { (16, 8, 40) };
        let address_end = network + addresses_at + if reply { 2 * address_len } else { address_len };
        Setup {
            template: words(&frame),
            next: 0,
            packet_len: TEMPLATE_LEN as u32,
            address_at: address_end - 4,
            port_at: network + header_len + if reply { 2 } else { 0 },
            mask: 0,
            address: here.low as u32,
            target: 0,
            interface: 0,
            sums: 0,
        }
    }
}

/// A small IPv4 UDP packet for a generator: to a router's link address, from a block of clients.
pub(crate) fn udp_packet(router: [u8; 6], first_client: u32, target: SocketAddr) -> Setup {
    let IpAddr::V4(address) = target.ip() else { unreachable!("the lab's packets are IPv4") };
    let (source, destination) = (Address::v4(first_client), Address::v4(u32::from(address)));
    let mut frame = frame(FAMILY_V4, UDP, source, destination, 0, target.port(), 0);
    frame[..6].copy_from_slice(&router);
    // What the pump adds for each client is left out here: source address and port are zero.
    frame[26..30].fill(0);
    frame[24..26].fill(0);
    frame[40..42].fill(0);
    let pseudo = u64::from(UDP) + (TEMPLATE_LEN as u64 - 34) + sum(&frame[30..34]);
    let sums = (fold(sum(&frame[14..34])) << 16) | fold(pseudo + sum(&frame[34..]));
    Setup {
        template: words(&frame),
        next: 0,
        packet_len: TEMPLATE_LEN as u32,
        address_at: 26,
        port_at: 34,
        mask: 0,
        address: first_client,
        target: 0,
        interface: 0,
        sums,
    }
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0))).sum()
}

fn fold(sum: u64) -> u32 {
    let mut sum = sum;
    while sum >> 16 != 0 {
        sum = (sum >> 16) + (sum & 0xFFFF);
    }
    sum as u32
}

fn put(tables: &MappedTables, address: Address, word: u64, value: u32) -> Result<(), String> {
    endpoint::put(tables, 0, address, word, value)
        .then_some(())
        .ok_or_else(|| "no room for an endpoint".to_owned())
}

/// A frame of [`TEMPLATE_LEN`] bytes; checksums are nobody's concern here, but UDP's must not be zero.
fn frame(
    family: u8,
    protocol: u8,
    source: Address,
    destination: Address,
    source_port: u16,
    destination_port: u16,
    flags: u8,
) -> [u8; TEMPLATE_LEN] {
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    if family == FAMILY_V4 {
        bytes.extend([8, 0, 0x45, 0]);
        bytes.extend((TEMPLATE_LEN as u16 - 14).to_be_bytes());
        bytes.extend([0, 1, 0x40, 0, 64, protocol, 0, 0]);
        bytes.extend(source.to_v4().to_be_bytes());
        bytes.extend(destination.to_v4().to_be_bytes());
    } else {
        bytes.extend([0x86, 0xDD, 0x60, 0, 0, 0]);
        bytes.extend((TEMPLATE_LEN as u16 - 54).to_be_bytes());
        bytes.extend([protocol, 64]);
        bytes.extend(source.to_v6());
        bytes.extend(destination.to_v6());
    }
    let payload_len = (TEMPLATE_LEN - bytes.len()) as u16;
    bytes.extend(source_port.to_be_bytes());
    bytes.extend(destination_port.to_be_bytes());
    if protocol == UDP {
        bytes.extend(payload_len.to_be_bytes());
        bytes.extend([0x12, 0x34]);
    } else {
        bytes.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0x10, 0, 0x12, 0x34, 0, 0]);
    }
    let mut frame = [0; TEMPLATE_LEN];
    frame[..bytes.len()].copy_from_slice(&bytes);
    frame
}

fn words(frame: &[u8; TEMPLATE_LEN]) -> [u64; TEMPLATE_WORDS] {
    let mut words = [0; TEMPLATE_WORDS];
    for (word, bytes) in words.iter_mut().zip(frame.chunks_exact(8)) {
        *word = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
    }
    words
}

/// Empties the connection table, servers' counters with it.
pub(crate) fn clear(tables: &MappedTables) {
    for index in 0..tables.slot_count() {
        let Some(slot) = tables.slot(index) else { break };
        if slot.control.load() != 0 {
            slot.control.store(0);
        }
        if slot.places.load() != 0 {
            slot.places.store(0);
        }
    }
    for index in 0..Scene::all().len() as u32 * SERVER_COUNT {
        if let Some(server) = tables.server(1 + index) {
            server.active.store(0);
            server.total.store(0);
            server.overloaded.store(0);
        }
    }
}
