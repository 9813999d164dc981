//! What the fuzz targets run, and the bounded runs of the ordinary tests: any bytes, and what must hold whatever they are.
use std::sync::OnceLock;

use lvs_core::{
    director,
    flow::{self, Flow},
    table::{HOP_LINK, HOP_LOCAL, HOP_UNRESOLVED, HOP_XDP, TCP, UDP},
    verdict,
    wire::Frame,
};

use super::{Cluster, HostFrame, HostTables, Link, Method, Scheduler, ServerSpec, address_of, hop};

/// The most that a packet grows by: IPv6 and ICMPv6 headers, and a VLAN tag.
const GROWTH_MAX: usize = 40 + 8 + 4;

/// Reads a packet, whole and as one quoted in an error, at both hooks: no panic, and offsets lie within the frame.
pub fn flow_parse(bytes: &[u8]) {
    for frame in [HostFrame::xdp(bytes), HostFrame::skb(bytes)] {
        let mut flow = Flow::default();
        if flow::parse(&frame, &mut flow) {
            assert!(flow.network >= 14 && flow.transport >= flow.network, "headers in their order");
            assert!(flow.network + flow.len <= frame.len(), "the packet lies within the frame");
            let is_later = flow.fragment == flow::FRAGMENT_LATER;
            assert!(
                !is_later || (flow.source_port, flow.destination_port) == (0, 0),
                "a later part has no ports"
            );
        }
        let at = bytes.first().copied().map_or(0, u32::from);
        let _ = flow::parse_v4(&frame, &mut flow, at, true);
        let _ = flow::parse_v6(&frame, &mut flow, at, true);
    }
}

/// Takes a packet through the director, the first byte choosing the hook, over tables that stay from call to call.
pub fn director_ingress(bytes: &[u8]) {
    static TABLES: OnceLock<HostTables> = OnceLock::new();
    let tables = TABLES.get_or_init(tables);
    let Some((choice, bytes)) = bytes.split_first() else { return };
    if choice & 0xF0 == 0xF0 {
        tables.pass_seconds(u32::from(choice & 15));
    }
    if choice & 1 == 0 {
        let mut frame = HostFrame::xdp(bytes);
        let verdict = director::ingress(&mut frame, &tables.xdp(1));
        check(bytes, verdict, &frame);
        assert!(
            verdict::code(verdict) != verdict::PASS || frame.bytes() == bytes,
            "what XDP passes, it passes untouched"
        );
    } else {
        let segment_len = if choice & 2 == 0 { 0 } else { u32::from(*choice) * 8 };
        let mut frame = HostFrame::skb(bytes).with_segments(segment_len);
        let verdict = if choice & 4 == 0 {
            director::whole(&mut frame, &tables.tc(1))
        } else {
            director::egress(&mut frame, &tables.tc(1))
        };
        check(bytes, verdict, &frame);
    }
}

fn check(bytes: &[u8], verdict: u64, frame: &HostFrame) {
    let code = verdict::code(verdict);
    assert!(code <= verdict::RESOLVING, "verdict {verdict:#x}");
    assert!(frame.bytes().len() <= bytes.len() + GROWTH_MAX, "it grew by more than headers");
}

fn tables() -> HostTables {
    let mut tables = HostTables::new(64);
    let mut cluster = Cluster::new();
    let link = Link { destination: [2; 6], source: [4; 6], vlan: 0 };
    tables.set_hop_elsewhere(hop(HOP_LINK | HOP_XDP, 1, 1500, link));
    let ways = [
        ("10.2.0.2", hop(HOP_LINK | HOP_XDP, 2, 1500, link)),
        ("10.2.0.3", hop(HOP_LINK | HOP_XDP, 2, 1400, Link { vlan: 7, ..link })),
        ("10.2.0.4", hop(HOP_UNRESOLVED, 2, 1500, link)),
        ("10.1.0.1", hop(HOP_LOCAL, 0, 0, link)),
        // A client that XDP cannot send to.
        ("10.1.0.2", hop(HOP_LINK, 1, 1500, link)),
        ("2001:db8:2::2", hop(HOP_LINK | HOP_XDP, 2, 1500, link)),
        ("2001:db8:2::3", hop(HOP_LINK, 2, 1300, link)),
    ];
    for (address, hop) in ways {
        tables.set_hop(address_of(address.parse().expect("an address")), hop);
    }
    for protocol in [TCP, UDP] {
        for (address, servers) in [
            ("10.1.0.100", ["10.2.0.2", "10.2.0.3", "10.2.0.4", "10.1.0.1"].as_slice()),
            ("2001:db8:1::100", ["2001:db8:2::2", "2001:db8:2::3"].as_slice()),
        ] {
            for (port, method) in [(80, Method::Masquerade), (81, Method::DirectRoute), (82, Method::Tunnel)]
            {
                let key = (address.parse().expect("an address"), port);
                let service = cluster.add_service(&tables, protocol, key, Scheduler::Wlc);
                for server in servers {
                    cluster.add_server(&tables, service, ServerSpec::new(method, server, port));
                }
            }
        }
    }
    tables
}
