//! The network that both sides stand in: devices, routes and neighbours in a namespace for the kernel, the same as a
//! table of next hops for the host; and the services on both.
use std::net::IpAddr;

use lvs_core::table::{
    FLAG_SECURE_TCP, FLAG_TX, HOP_LINK, HOP_LOCAL, HOP_PEER, HOP_UNREACHABLE, HOP_UNRESOLVED, HOP_XDP, TCP,
    Tables, UDP,
};
use lvs_testbed::host::testrun::{TestRun, ip};
use lvs_testbed::host::{Cluster, HostTables, Link, Method, Random, Scheduler, ServerSpec, address_of, hop};

/// A device of the director: its index, name, MTU and what the data plane knows of it.
pub(crate) struct Device {
    pub(crate) index: u32,
    name: &'static str,
    mtu: u32,
    flags: u32,
    /// VLAN tag and the device below.
    vlan: (u16, u32),
}

/// Clients' side.
pub(crate) const CLIENTS: Device = Device { index: 10, name: "d0", mtu: 1500, flags: HOP_XDP, vlan: (0, 0) };
/// Servers' side.
pub(crate) const SERVERS: Device = Device { index: 11, name: "d1", mtu: 1500, flags: HOP_XDP, vlan: (0, 0) };
/// Servers behind a narrow way that takes no XDP frames, but a peer's packets.
const NARROW: Device = Device { index: 12, name: "d2", mtu: 1300, flags: HOP_PEER, vlan: (0, 0) };
/// Servers in a VLAN.
const TAGGED: Device = Device { index: 13, name: "d3", mtu: 1500, flags: HOP_XDP, vlan: (7, 11) };

/// Where each network lies; the director has `.1` in it.
const NETWORKS: [(Device, &str, &str); 4] = [
    (CLIENTS, "10.1.0.", "2001:db8:1::"),
    (SERVERS, "10.2.0.", "2001:db8:2::"),
    (NARROW, "10.4.0.", "2001:db8:4::"),
    (TAGGED, "10.3.0.", "2001:db8:3::"),
];
/// Neighbours known in every network.
const NEIGHBOURS: [u8; 6] = [2, 3, 4, 5, 6, 0xFE];
/// Virtual addresses.
pub(crate) const VIRTUAL: [&str; 2] = ["10.1.0.100", "2001:db8:1::100"];
/// Clients, near and behind a router.
pub(crate) const CLIENT_ADDRESSES: [[&str; 6]; 2] = [
    ["10.1.0.2", "10.1.0.3", "10.1.0.4", "198.51.100.1", "198.51.100.2", "203.0.113.77"],
    ["2001:db8:1::2", "2001:db8:1::3", "2001:db8:1::4", "2001:db8:ffff::1", "2001:db8:ffff::2", "2600::77"],
];

/// The director's link address at a device.
pub(crate) fn own_link(device: u32) -> [u8; 6] {
    [2, 0, 0, device as u8, 0, 1]
}

/// A neighbour's.
pub(crate) fn neighbour_link(device: u32, octet: u8) -> [u8; 6] {
    [2, 0, 0, device as u8, 1, octet]
}

fn text_of(link: [u8; 6]) -> String {
    link.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// Makes the kernel's side, in the present namespace.
pub(crate) fn build_kernel(kernel: &mut TestRun) {
    ip(&["link", "set", "lo", "up"]);
    for setting in ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"] {
        std::fs::write(format!("/proc/sys/{setting}"), "1").expect("forwarding");
    }
    for (device, v4, v6) in NETWORKS {
        let (name, mtu, index) = (device.name, device.mtu.to_string(), device.index.to_string());
        let link = text_of(own_link(device.index));
        let far_end = format!("{name}-end");
        ip(&[
            "link", "add", name, "index", &index, "address", &link, "mtu", &mtu, "type", "veth", "peer",
            "name", &far_end,
        ]);
        ip(&["link", "set", &far_end, "up"]);
        ip(&["link", "set", name, "up"]);
        ip(&["addr", "add", &format!("{v4}1/24"), "dev", name]);
        ip(&["addr", "add", &format!("{v6}1/64"), "dev", name, "nodad"]);
        for octet in NEIGHBOURS {
            let link = text_of(neighbour_link(device.index, octet));
            for address in [format!("{v4}{octet}"), format!("{v6}{octet:x}")] {
                ip(&["neigh", "add", &address, "dev", name, "lladdr", &link, "nud", "permanent"]);
            }
        }
        kernel.set_port(device.index, device.flags | u32::from(device.vlan.0) << 16, device.vlan.1);
    }
    ip(&["addr", "add", "10.1.0.100/32", "dev", "lo"]);
    ip(&["addr", "add", "2001:db8:1::100/128", "dev", "lo", "nodad"]);
    ip(&["route", "add", "default", "via", "10.1.0.254"]);
    ip(&["-6", "route", "add", "default", "via", "2001:db8:1::fe"]);
    ip(&["route", "add", "10.9.0.0/24", "via", "10.2.0.6"]);
    ip(&["-6", "route", "add", "2001:db8:9::/64", "via", "2001:db8:2::6"]);
    ip(&["route", "add", "unreachable", "192.0.2.0/24"]);
    ip(&["-6", "route", "add", "unreachable", "2001:db8:dead::/64"]);
}

/// Makes the host's side: the same answers that the kernel's routing gives.
pub(crate) fn build_host(host: &mut HostTables) {
    let mut set = |text: &str, (code, device, octet): (u32, &Device, u8)| {
        let interface = if device.vlan.1 == 0 { device.index } else { device.vlan.1 };
        let link = Link {
            destination: neighbour_link(device.index, octet),
            source: own_link(device.index),
            vlan: device.vlan.0,
        };
        let address: IpAddr = text.parse().expect("an address");
        host.set_hop(address_of(address), hop(code | device.flags, interface, device.mtu, link));
    };
    for (device, v4, v6) in &NETWORKS {
        for octet in NEIGHBOURS {
            set(&format!("{v4}{octet}"), (HOP_LINK, device, octet));
            set(&format!("{v6}{octet:x}"), (HOP_LINK, device, octet));
        }
        set(&format!("{v4}1"), (HOP_LOCAL, device, 0));
        set(&format!("{v6}1"), (HOP_LOCAL, device, 0));
        set(&format!("{v4}200"), (HOP_UNRESOLVED, device, 0));
        set(&format!("{v6}c8"), (HOP_UNRESOLVED, device, 0));
    }
    for address in ["127.0.0.1", "::1", VIRTUAL[0], VIRTUAL[1]] {
        set(address, (HOP_LOCAL, &CLIENTS, 0));
    }
    for address in ["10.9.0.2", "2001:db8:9::2"] {
        set(address, (HOP_LINK, &SERVERS, 6));
    }
    for address in ["192.0.2.1", "2001:db8:dead::1"] {
        set(address, (HOP_UNREACHABLE, &CLIENTS, 0));
    }
    let link =
        Link { destination: neighbour_link(CLIENTS.index, 0xFE), source: own_link(CLIENTS.index), vlan: 0 };
    host.set_hop_elsewhere(hop(HOP_LINK | CLIENTS.flags, CLIENTS.index, CLIENTS.mtu, link));
}

/// A change of services, servers or settings.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Service { protocol: u8, address: IpAddr, port: u16, scheduler: Scheduler },
    Scheduler { service: u32, scheduler: Scheduler },
    Add { service: u32, spec: ServerSpec },
    Edit { server: u32, spec: ServerSpec },
    Delete { server: u32 },
    Flags(u32),
    ReuseMode(u32),
    IcmpPerSecond(u32),
}

/// Makes a change on one side.
pub(crate) fn apply<T: Tables>(cluster: &mut Cluster, tables: &T, change: &Change) {
    let config = tables.config().expect("settings");
    match *change {
        Change::Service { protocol, address, port, scheduler } => {
            cluster.add_service(tables, protocol, (address, port), scheduler);
        }
        Change::Scheduler { service, scheduler } => cluster.set_scheduler(tables, service, scheduler),
        Change::Add { service, spec } => {
            cluster.add_server(tables, service, spec);
        }
        Change::Edit { server, spec } => cluster.edit_server(tables, server, spec),
        Change::Delete { server } => cluster.delete_server(tables, server),
        Change::Flags(flags) => config.flags.store(flags),
        Change::ReuseMode(mode) => config.reuse_mode.store(mode),
        Change::IcmpPerSecond(count) => config.icmp_per_second.store(count),
    }
}

const SCHEDULERS: [Scheduler; 5] =
    [Scheduler::Rr, Scheduler::Wrr, Scheduler::Lc, Scheduler::Wlc, Scheduler::None];
/// Services of each protocol and family, one more than there are schedulers: the last has no server.
pub(crate) const SERVICES_EACH: u16 = 6;
/// Port of the first of them.
pub(crate) const FIRST_PORT: u16 = 80;

/// All services, with servers of every kind.
pub(crate) fn first_changes(random: &mut Random) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut service = 0;
    for address in VIRTUAL {
        for protocol in [TCP, UDP] {
            for number in 0..SERVICES_EACH {
                let scheduler = SCHEDULERS[usize::from(number) % SCHEDULERS.len()];
                let port = FIRST_PORT + number;
                service += 1;
                let address = address.parse().expect("an address");
                changes.push(Change::Service { protocol, address, port, scheduler });
                if number + 1 < SERVICES_EACH {
                    let is_v4 = address.is_ipv4();
                    // Numbers 0 to 2 are for the usual ways, the rest for the odd ones too.
                    let specs = if number < 3 { usual(is_v4, port) } else { odd(is_v4, port) };
                    let weighed = specs.into_iter().map(|spec| spec.weight(random.below(5) as u32 + 1));
                    changes.extend(weighed.map(|spec| Change::Add { service, spec }));
                }
            }
        }
    }
    changes
}

/// Of either family's address that of the service.
fn either<'a>(is_v4: bool, v4: &'a str, v6: &'a str) -> &'a str {
    if is_v4 { v4 } else { v6 }
}

fn usual(is_v4: bool, port: u16) -> Vec<ServerSpec> {
    let at = |v4, v6| either(is_v4, v4, v6);
    vec![
        ServerSpec::new(Method::Masquerade, at("10.2.0.2", "2001:db8:2::2"), 8000 + port),
        ServerSpec::new(Method::Masquerade, at("10.3.0.2", "2001:db8:3::2"), port),
        ServerSpec::new(Method::DirectRoute, at("10.2.0.3", "2001:db8:2::3"), port),
        ServerSpec::new(Method::DirectRoute, at("10.3.0.3", "2001:db8:3::3"), port),
        ServerSpec::new(Method::Tunnel, "10.2.0.4", port).from("10.2.0.1"),
        ServerSpec::new(Method::Tunnel, "2001:db8:2::4", port).from("2001:db8:2::1"),
        ServerSpec::new(Method::Tunnel, "10.3.0.4", port).from("10.3.0.1"),
        ServerSpec::new(Method::Tunnel, "2001:db8:9::2", port).from("2001:db8:2::1"),
    ]
}

fn odd(is_v4: bool, port: u16) -> Vec<ServerSpec> {
    use Method::{DirectRoute, Masquerade, Tunnel};
    let at = |v4, v6| either(is_v4, v4, v6);
    let mut specs = usual(is_v4, port);
    specs.extend([
        ServerSpec::new(Masquerade, at("10.1.0.1", "2001:db8:1::1"), 9000 + port),
        ServerSpec::new(DirectRoute, at("10.2.0.1", "2001:db8:2::1"), port),
        ServerSpec::new(Masquerade, at("127.0.0.1", "::1"), port),
        ServerSpec::new(DirectRoute, at("127.0.0.1", "::1"), 94),
        ServerSpec::new(Masquerade, at("10.4.0.2", "2001:db8:4::2"), 8000 + port),
        ServerSpec::new(DirectRoute, at("10.4.0.3", "2001:db8:4::3"), port),
        ServerSpec::new(Tunnel, "10.4.0.4", port).from("10.4.0.1"),
        ServerSpec::new(Tunnel, "2001:db8:4::4", port).from("2001:db8:4::1"),
        ServerSpec::new(Masquerade, at("10.2.0.200", "2001:db8:2::c8"), port),
        ServerSpec::new(DirectRoute, at("10.2.0.200", "2001:db8:2::c8"), 99),
        ServerSpec::new(Tunnel, "10.2.0.200", 98).from("10.2.0.1"),
        ServerSpec::new(Tunnel, "2001:db8:2::c8", 97).from("2001:db8:2::1"),
        ServerSpec::new(Masquerade, at("192.0.2.1", "2001:db8:dead::1"), port),
        ServerSpec::new(Tunnel, "192.0.2.1", 96),
        ServerSpec::new(DirectRoute, at("10.9.0.2", "2001:db8:9::2"), 95),
    ]);
    specs
}

/// A change while packets flow.
pub(crate) fn next_change(random: &mut Random, cluster: &Cluster) -> Change {
    let listed = cluster.listed();
    let server = random.below(u64::from(cluster.server_count())) as u32 + 1;
    let is_listed = listed.iter().any(|(_, other)| *other == server);
    let (service, spec) = (cluster.service_of(server), cluster.spec(server));
    match random.below(10) {
        0 => {
            Change::Scheduler { service: random.below(24) as u32 + 1, scheduler: random.of(&SCHEDULERS[..4]) }
        }
        1 => Change::Flags(random.of(&[0, FLAG_TX, FLAG_SECURE_TCP, FLAG_TX | FLAG_SECURE_TCP])),
        2 => Change::ReuseMode(random.below(4) as u32),
        3 => Change::IcmpPerSecond(random.of(&[u32::MAX, u32::MAX, u32::MAX, 0])),
        4 if is_listed && random.once_in(2) => Change::Delete { server },
        _ if !is_listed => Change::Add { service, spec },
        5 => Change::Edit { server, spec: spec.weight(0) },
        6 => {
            let upper = random.below(6) as u32;
            let thresholds = (upper, if upper == 0 { 0 } else { random.below(u64::from(upper)) as u32 });
            Change::Edit { server, spec: ServerSpec { thresholds, ..spec } }
        }
        _ => Change::Edit { server, spec: spec.weight(random.below(6) as u32) },
    }
}
