//! What `-S` prints, `-R` takes; what a command means, its words say; and no words make the program fail otherwise than
//! with a complaint.

mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lvs_admin::director::Director;
use lvs_model::{
    ChangeSet, Command, ForwardingMethod, Protocol, RealServer, Scheduler, ServiceKey, ServiceRequest,
    TunnelKind,
};
use proptest::collection::vec;
use proptest::prelude::*;
use support::{Memory, call, words};

fn address(is_ipv6: bool) -> BoxedStrategy<IpAddr> {
    if is_ipv6 {
        let segments = prop_oneof![Just(0u16), Just(0xffff), any::<u16>()];
        vec(segments, 7)
            .prop_map(|tail| {
                let mut segments = [0x2001; 8];
                segments[1..].copy_from_slice(&tail);
                Ipv6Addr::from(segments).into()
            })
            .boxed()
    } else {
        (1u32..0xdfff_ffff).prop_map(|bits| Ipv4Addr::from(bits).into()).boxed()
    }
}

fn service() -> impl Strategy<Value = ServiceRequest> {
    let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp)];
    let scheduler = proptest::sample::select(&Scheduler::ALL[..]);
    (protocol, any::<bool>().prop_flat_map(address), 1u16.., scheduler).prop_map(
        |(protocol, address, port, scheduler)| {
            ServiceRequest::new(ServiceKey::new(protocol, address, port), scheduler)
        },
    )
}

fn server(service: ServiceKey) -> impl Strategy<Value = RealServer> {
    let ServiceKey::Address { address: of_service, port: service_port, .. } = service;
    let method = prop_oneof![
        Just(ForwardingMethod::Masquerade),
        Just(ForwardingMethod::DirectRoute),
        Just(ForwardingMethod::Tunnel(TunnelKind::Ipip)),
    ];
    let family = (method, any::<bool>()).prop_map(move |(method, other)| {
        let is_tunnel = matches!(method, ForwardingMethod::Tunnel(_));
        (method, of_service.is_ipv6() ^ (other && is_tunnel))
    });
    let place = family.prop_flat_map(|(method, is_ipv6)| (Just(method), address(is_ipv6)));
    (place, any::<u16>(), 0u32..=i32::MAX as u32, 0u32..=i32::MAX as u32, any::<u32>()).prop_map(
        move |((method, address), port, weight, upper_threshold, lower)| RealServer {
            address,
            port: if method == ForwardingMethod::Masquerade { port } else { service_port },
            method,
            weight,
            upper_threshold,
            lower_threshold: lower % (upper_threshold + 1),
        },
    )
}

fn table() -> impl Strategy<Value = Vec<(ServiceRequest, Vec<RealServer>)>> {
    vec(service().prop_flat_map(|request| (Just(request.clone()), vec(server(request.key), 0..6))), 0..8)
}

fn filled(table: &[(ServiceRequest, Vec<RealServer>)]) -> Memory {
    let mut memory = Memory::default();
    let mut touched = ChangeSet::new();
    for (request, servers) in table {
        // The same key may have been drawn twice.
        let _ = memory.model.apply(&Command::AddService(request.clone()), &mut touched);
        for server in servers {
            let command = Command::AddServer { service: request.key, server: *server };
            let _ = memory.model.apply(&command, &mut touched);
        }
    }
    memory
}

/// A command as words of ipvsadm.
fn spelled(command: &Command) -> String {
    let service = |key: &ServiceKey| {
        let ServiceKey::Address { protocol, address, port } = *key;
        let option = if protocol == Protocol::Tcp { "-t" } else { "--udp-service" };
        format!("{option} {}", std::net::SocketAddr::new(address, port))
    };
    let server = |server: &RealServer| {
        let method = match server.method {
            ForwardingMethod::Masquerade => "-m",
            ForwardingMethod::DirectRoute => "--gatewaying",
            ForwardingMethod::Tunnel(TunnelKind::Ipip) => "-i --tun-type=ipip",
        };
        let (weight, upper, lower) = (server.weight, server.upper_threshold, server.lower_threshold);
        format!("-r {} {method} -w{weight} -x={upper} --l-threshold {lower}", server.key())
    };
    match command {
        Command::AddService(request) => {
            format!("-A {} -s {}", service(&request.key), request.scheduler.as_str())
        }
        Command::EditService(request) => {
            format!("-E {} -s {}", service(&request.key), request.scheduler.as_str())
        }
        Command::DeleteService(key) => format!("-D {}", service(key)),
        Command::Flush => "-C".to_owned(),
        Command::AddServer { service: key, server: of } => format!("-a {} {}", service(key), server(of)),
        Command::EditServer { service: key, server: of } => format!("-e {} {}", service(key), server(of)),
        Command::DeleteServer { service: key, server } => format!("-d {} -r {server}", service(key)),
        Command::SetTimeouts { tcp_s, tcp_fin_s, udp_s } => format!("--set {tcp_s} {tcp_fin_s} {udp_s}"),
        Command::Zero { service: Some(key) } => format!("-Z {}", service(key)),
        Command::Zero { service: None } => "-Z".to_owned(),
    }
}

proptest! {
    #[test]
    fn what_is_saved_is_restored(table in table(), clear in any::<bool>()) {
        let mut first = filled(&table);
        let saved = call(&mut first, "ipvsadm-save", &words("-n"), "").stdout;
        let mut second = if clear { filled(&table) } else { Memory::default() };
        let program = if clear { "ipvsadm-restore" } else { "ipvsadm" };
        let outcome = call(&mut second, program, &words("-R"), &saved);
        prop_assert_eq!((outcome.exit, outcome.stderr.as_str()), (0, ""));
        for list in ["-S -n", "-S", "-L -n", "-L --stats"] {
            let ours = call(&mut second, "ipvsadm", &words(list), "");
            // Sorted as text: with addresses far apart the listing's order depends on the order of adding.
            let sorted = |text: &str| {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines.sort();
                lines
            };
            let original = call(&mut first, "ipvsadm", &words(list), "");
            prop_assert_eq!(sorted(&ours.stdout), sorted(&original.stdout));
        }
    }

    #[test]
    fn a_commands_words_mean_the_command(table in table()) {
        let mut direct = filled(&table);
        let mut lines = String::new();
        let mut by_words = Memory::default();
        for entry in direct.model.services() {
            let request = ServiceRequest::new(entry.service.key, entry.service.scheduler);
            lines += &format!("{}\n", spelled(&Command::AddService(request)));
            for id in entry.servers().rev() {
                let server = direct.model.server(id).unwrap().server;
                lines += &format!("{}\n", spelled(&Command::AddServer { service: entry.service.key, server }));
                lines += &format!("{}\n", spelled(&Command::EditServer { service: entry.service.key, server }));
            }
        }
        lines += &spelled(&Command::Zero { service: None });
        let outcome = call(&mut by_words, "ipvsadm", &words("-R"), &lines);
        prop_assert_eq!((outcome.exit, outcome.stderr.as_str()), (0, ""));
        let plain = |memory: &mut Memory| -> Vec<_> {
            let services = memory.listing().unwrap().services;
            services.into_iter().map(|service| {
                (service.service, service.servers.into_iter().map(|server| server.server).collect::<Vec<_>>())
            }).collect()
        };
        prop_assert_eq!(plain(&mut by_words), plain(&mut direct));
    }

    #[test]
    fn no_words_make_it_fail(line in vec(word(), 0..8), stdin in "[-a-zA-Z0-9 \n:.\\[\\]#]{0,40}") {
        let mut memory = Memory::default();
        let outcome = call(&mut memory, "ipvsadm", &line, &stdin);
        prop_assert!([0, 1, 2, 255].contains(&outcome.exit));
        prop_assert_eq!(outcome.exit == 0, outcome.stderr.is_empty());
    }
}

fn word() -> impl Strategy<Value = String> {
    let known: Vec<&str> = "-A -E -D -a -e -d -L -ln -C -Z -S -R --set -t -u -f -6 -s rr wlc sh -p -M 24 -r -m -i -g -w -x \
        -y 1 0 -1 10.1.0.1:80 [::1]:80 -c --stats --tun-type gue -b , sh-port -o --pe -- - --timeout --mcast-group = -w= \
        --weight=5 -srr -At \u{e4} -\u{e4} -t\u{e4}:\u{20ac} [ ]:1 []: :: : 1.2.3.4:"
        .split_whitespace()
        .collect();
    prop_oneof![
        6 => proptest::sample::select(known).prop_map(str::to_owned),
        1 => "\\PC{0,12}",
        1 => "-[A-Za-z0-9=]{0,6}",
    ]
}

#[test]
fn a_refused_line_changes_nothing_and_is_named() {
    let mut memory = Memory::default();
    let lines = "-A -t 10.1.0.1:80\n\n-a -t 10.1.0.1:80 -r 10.2.0.1 -m\n-a -t 10.1.0.1:80 -r 10.2.0.1 -m\n-A -t 10.1.0.1:81\n";
    let outcome = call(&mut memory, "ipvsadm", &words("-R"), lines);
    let expected = "Destination already exists\nipvsadm: line 4 is refused, so nothing was changed\n";
    assert_eq!((outcome.exit, outcome.stderr.as_str()), (255, expected));
    assert_eq!(memory.model.services().count(), 0);

    let outcome = call(&mut memory, "ipvsadm", &words("-R"), "-A -t 10.1.0.1:80\n-A -t 10.1.0.1:81 -w 1\n");
    let expected = "Illegal 'weight' option with the 'add-service' command\nipvsadm: line 2 is refused, so nothing was changed\n";
    assert_eq!((outcome.exit, outcome.stderr.as_str()), (2, expected));
    assert_eq!(memory.model.services().count(), 0);
}

#[test]
fn a_bad_file_does_not_clear_the_table() {
    let mut memory = Memory::default();
    call(&mut memory, "ipvsadm", &words("-A -t 10.1.0.1:80"), "");
    let outcome = call(&mut memory, "ipvsadm-restore", &[], "# good\n-A -t 10.1.0.1:81\n-D -t 10.1.0.1:99\n");
    let expected = "No such service\nipvsadm: line 3 is refused, so nothing was changed\n";
    assert_eq!((outcome.exit, outcome.stderr.as_str()), (255, expected));
    assert_eq!(call(&mut memory, "ipvsadm", &words("-Sn"), "").stdout, "-A -t 10.1.0.1:80 -s wlc\n");
}

#[test]
fn ten_thousand_lines_are_one_batch() {
    let mut memory = Memory::default();
    let mut lines = String::new();
    for service in 0..100 {
        lines += &format!("-A -t 10.1.0.{service}:80 -s wlc\n");
        for server in 0..99 {
            lines += &format!("-a -t 10.1.0.{service}:80 -r 10.2.0.{server}:8000 -m -w 3\n");
        }
    }
    assert_eq!(call(&mut memory, "ipvsadm", &words("-R"), &lines).exit, 0);
    assert_eq!(memory.model.servers().count(), 9900);
}
