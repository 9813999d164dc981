//! Every forwarding method at both hooks, IPv4 and IPv6, with real TCP and UDP: all answers arrive, spread as the
//! scheduler says.

use lvs_testbed::lab::{BIG_FILE_LEN, Family, Hook, Lab, http_once, root_or_skip};

const NAT: &str = "-m";
const TUNNEL: &str = "-i";
const DIRECT_ROUTE: &str = "-g";

/// Requests one after the other; divisible by the three real servers.
const REQUEST_COUNT: u32 = 600;
/// Requests that may come from a client port used a moment ago: behind DR and tunnels such a connection is still in
/// FIN_WAIT and keeps its real server (spec 2.4), so that rr is not asked.
const REUSED_PORTS_MAX: u64 = 3;
/// Clients at once, and how long they go on.
const WORKER_COUNT: usize = 4;
const LOAD_TIME: std::time::Duration = std::time::Duration::from_secs(2);

fn everything_arrives(hook: Hook, method: &str) {
    if !root_or_skip("everything_arrives") {
        return;
    }
    let mut lab = Lab::builder().servers(3).hook(hook).build();
    lab.start_lvsd();
    if method == TUNNEL {
        (1..=3).for_each(|index| lab.decap(index));
    }
    for family in Family::ALL {
        lab.add_tcp_service(family.http(), "rr", method);
        lab.add_udp_service(family.udp(), "rr", method);

        let tally = lab.http(family.http(), REQUEST_COUNT);
        assert_eq!(tally.failed(), 0, "{family:?}: {tally}");
        for server in ["server1", "server2", "server3"] {
            let apart = tally.of(server).abs_diff(u64::from(REQUEST_COUNT) / 3);
            assert!(apart <= REUSED_PORTS_MAX, "rr takes turns, {family:?}: {tally}");
        }

        // 30 sockets are 30 connections, ten for each server, each asked ten times.
        let tally = lab.udp(family.udp(), 300, 30);
        assert_eq!((tally.of("server1"), tally.failed()), (100, 0), "{family:?}: {tally}");

        let big = lab.client().in_namespace(|| http_once(family.http(), "/big"));
        assert_eq!(big.expect("the large file arrives").len() as u64, BIG_FILE_LEN);

        let load = lab.load(family.http(), WORKER_COUNT);
        std::thread::sleep(LOAD_TIME);
        let tally = load.stop();
        assert!(tally.answered() > 1000 && tally.failed() == 0, "short connections, {family:?}: {tally}");
    }
}

#[test]
fn nat_tc() {
    everything_arrives(Hook::Tc, NAT);
}

#[test]
fn nat_xdp() {
    everything_arrives(Hook::Xdp, NAT);
}

#[test]
fn tunnel_tc() {
    everything_arrives(Hook::Tc, TUNNEL);
}

#[test]
fn tunnel_xdp() {
    everything_arrives(Hook::Xdp, TUNNEL);
}

#[test]
fn direct_route_tc() {
    everything_arrives(Hook::Tc, DIRECT_ROUTE);
}

#[test]
fn direct_route_xdp() {
    everything_arrives(Hook::Xdp, DIRECT_ROUTE);
}

fn local_node_beside_real_servers(hook: Hook) {
    if !root_or_skip("local_node_beside_real_servers") {
        return;
    }
    let mut lab = Lab::builder().servers(1).hook(hook).build();
    lab.start_local_node();
    lab.start_lvsd();
    for family in Family::ALL {
        lab.add_tcp_service(family.http(), "rr", NAT);
        // A real server with an address of the director's own is a local node, whatever the option says.
        let own = std::net::SocketAddr::new(family.director_inside(), family.http().port());
        let _ = lab.ipvsadm(&format!("-a -t {} -r {own} -g", family.http())).expect_ok();
        let tally = lab.http(family.http(), 100);
        assert_eq!((tally.of("director"), tally.of("server1")), (50, 50), "{family:?}: {tally}");
    }
}

#[test]
fn local_node_tc() {
    local_node_beside_real_servers(Hook::Tc);
}

#[test]
fn local_node_xdp() {
    local_node_beside_real_servers(Hook::Xdp);
}
