//! The lab's two networks.
//!
//! ```text
//!   client c0 ---- [brc] ---- d0 director d1 ---- [brs] ---- s0 server
//!                    |                                         |
//!                    +--------------------------------- s1 ----+   (answers of direct routing and tunnelling)
//! ```
//!
//! Both bridges live in one namespace, `switch`, so that the director has exactly two interfaces, as real ones do. Every
//! real server is ready for every forwarding method at once: what comes from its own address goes back through the
//! director (NAT), what comes from the virtual address goes straight to the client. The virtual address is on `d0` of the
//! director, since IPv6 does not answer for addresses of `lo`, and on `lo` of the servers, which therefore stay silent.

use std::io::Write;
use std::process::{Command, Stdio};

use super::addresses::CLIENT_ADDRESS_COUNT;
use super::{Family, Hook, Host};

/// The director's interface to the clients.
pub const OUTSIDE: &str = "d0";
/// The director's interface to the servers.
pub const INSIDE: &str = "d1";
/// A server's interface to the director.
pub const SERVER_INTERFACE: &str = "s0";

/// Settings of every host, before it has interfaces. Reno, since BBR's pace would hide what the director costs and other
/// namespaces may not choose it anyway.
const EVERY_HOST: [(&str, &str); 8] = [
    ("ipv6/conf/all/disable_ipv6", "0"),
    ("ipv6/conf/default/disable_ipv6", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/all/accept_ra", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/tcp_congestion_control", "reno"),
];
const CLIENT: [(&str, &str); 2] = [("ipv4/ip_local_port_range", "1025 65000"), ("ipv4/tcp_tw_reuse", "1")];
const DIRECTOR: [(&str, &str); 4] = [
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
];
/// The virtual address is silent: it answers no ARP and is not announced.
const SERVER: [(&str, &str); 3] =
    [("ipv4/conf/all/arp_ignore", "1"), ("ipv4/conf/all/arp_announce", "2"), ("core/somaxconn", "65535")];

/// The hosts to be connected.
pub(crate) struct Hosts<'a> {
    pub(crate) client: &'a Host,
    pub(crate) director: &'a Host,
    pub(crate) switch: &'a Host,
    pub(crate) servers: &'a [Host],
}

/// Cables, addresses and routes.
pub(crate) fn connect(hosts: &Hosts<'_>, hook: Hook) {
    let all = [hosts.client, hosts.director].into_iter().chain(hosts.servers);
    for host in all {
        host.set(&EVERY_HOST);
    }
    ip(hosts.switch, &switch_lines(hosts));
    hosts.client.set(&CLIENT);
    ip(hosts.client, &client_lines());
    hosts.director.set(&DIRECTOR);
    ip(hosts.director, &director_lines());
    for (index, server) in (1..).zip(hosts.servers) {
        server.set(&SERVER);
        ip(server, &format!("link set lo up\nlink set {SERVER_INTERFACE} up\nlink set s1 up\n"));
        for family in Family::ALL {
            ip_of(server, Some(family), &server_lines(index, family));
        }
    }
    if hook == Hook::Xdp {
        ready_for_xdp(hosts);
    }
}

fn switch_lines(hosts: &Hosts<'_>) -> String {
    let mut lines = String::new();
    for bridge in ["brc", "brs"] {
        lines += &format!(
            "link add {bridge} type bridge forward_delay 0 mcast_snooping 0\nlink set {bridge} up\n"
        );
    }
    let mut cable = |port: &str, bridge: &str, interface: &str, host: &Host| {
        let namespace = host.namespace_name();
        lines += &format!("link add {port} type veth peer name {interface} netns {namespace}\n");
        lines += &format!("link set {port} master {bridge} up\n");
    };
    cable("pc0", "brc", "c0", hosts.client);
    cable("pd0", "brc", OUTSIDE, hosts.director);
    cable("pd1", "brs", INSIDE, hosts.director);
    for (index, server) in (1..).zip(hosts.servers) {
        cable(&format!("inside{index}"), "brs", SERVER_INTERFACE, server);
        cable(&format!("outside{index}"), "brc", "s1", server);
    }
    lines
}

fn client_lines() -> String {
    let mut lines = "link set lo up\nlink set c0 up\n".to_owned();
    for family in Family::ALL {
        for index in 0..CLIENT_ADDRESS_COUNT {
            lines += &address(family, &family.client(index).to_string(), "c0");
        }
        lines += &format!("route add default via {}\n", family.director_outside());
    }
    lines
}

fn director_lines() -> String {
    let mut lines = format!("link set lo up\nlink set {OUTSIDE} up\nlink set {INSIDE} up\n");
    for family in Family::ALL {
        lines += &address(family, &family.director_outside().to_string(), OUTSIDE);
        lines += &address(family, &family.director_inside().to_string(), INSIDE);
        lines += &single(family, OUTSIDE);
    }
    lines
}

fn server_lines(index: usize, family: Family) -> String {
    let vip = family.virtual_address();
    let mut lines = address(family, &family.server(index).to_string(), SERVER_INTERFACE);
    // An address to ask for neighbours from, but no route: the servers' own traffic goes by the director.
    lines += address(family, &family.server_outside(index).to_string(), "s1").trim_end();
    lines += " noprefixroute\n";
    lines += &single(family, "lo");
    lines += &format!("route add default via {}\n", family.director_inside());
    let network = match family {
        Family::V4 => "10.1.0.0/24",
        Family::V6 => "2001:db8:1::/64",
    };
    lines += &format!("route add {network} dev s1 table 100\nrule add from {vip} lookup 100\n");
    lines
}

fn address(family: Family, address: &str, interface: &str) -> String {
    match family {
        Family::V4 => format!("address add {address}/24 dev {interface}\n"),
        Family::V6 => format!("address add {address}/64 dev {interface} nodad\n"),
    }
}

/// The virtual address by itself, without its network.
fn single(family: Family, interface: &str) -> String {
    match family {
        Family::V4 => format!("address add {}/32 dev {interface}\n", family.virtual_address()),
        Family::V6 => format!("address add {}/128 dev {interface} nodad\n", family.virtual_address()),
    }
}

/// XDP forgets that a checksum is still to be made, so the ends make theirs; a frame sent by XDP into a virtual cable
/// arrives only where the other end polls (GRO on).
fn ready_for_xdp(hosts: &Hosts<'_>) {
    let offloads = |host: &Host, interface: &str, settings: &[&str]| {
        let words = [&["ethtool", "-K", interface], settings].concat();
        let _ = host.run(&words).expect_ok();
    };
    let end = ["tx", "off", "gro", "on"];
    offloads(hosts.client, "c0", &end);
    for server in hosts.servers {
        offloads(server, SERVER_INTERFACE, &end);
        offloads(server, "s1", &end);
    }
    for port in ["pd0", "pd1"] {
        offloads(hosts.switch, port, &["gro", "on"]);
    }
}

/// Runs the lines as one `ip -batch`.
fn ip(host: &Host, lines: &str) {
    ip_of(host, None, lines);
}

/// As [`ip`]; a rule without a family would be one of IPv4.
fn ip_of(host: &Host, family: Option<Family>, lines: &str) {
    let mut command = Command::new("ip");
    command.args(["-n", host.namespace_name(), "-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    command.args(family.map(|family| if family == Family::V4 { "-4" } else { "-6" }));
    let mut child = command.spawn().expect("ip can be started");
    child.stdin.take().expect("piped above").write_all(lines.as_bytes()).expect("ip reads its lines");
    let output = child.wait_with_output().expect("ip ends");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip on {}: {complaint}\n{lines}", host.label());
}
