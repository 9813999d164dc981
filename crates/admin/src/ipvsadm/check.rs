//! [`Request`] to [`Action`]: what goes together and what does not, in the order of the original's checks, and last
//! what this version cannot do.

use lvs_model::{
    Command, ForwardingMethod, Protocol, RealServer, Scheduler, ServerKey, ServiceKey, ServiceRequest,
    TunnelKind,
};

use super::complaint::Complaint;
use super::option::{Given, Kind, Verb};
use super::parse::{Method, Request, Server, Service, Transport, Tunnel};

/// What is to be done, fit to be done.
#[derive(Debug)]
pub(super) enum Action {
    Change(Verb, Command),
    ListAll(Given),
    ListService(ServiceKey, Given),
    ListConnections(Given),
    ListTimeouts,
    /// The sync daemons: there are none in this version.
    ListDaemons,
    Save(Given),
    Restore,
}

/// The options that say something about a tunnel, after its type.
const TUNNEL_DETAILS: [Kind; 4] =
    [Kind::TunnelPort, Kind::TunnelNoChecksum, Kind::TunnelChecksum, Kind::TunnelRemoteChecksum];

/// Checks a request as a whole.
pub(super) fn check(request: &Request) -> Result<Action, Complaint> {
    check_rules(request.verb, request.given)?;
    let verb = request.verb;
    if matches!(verb, Verb::AddService | Verb::EditService) {
        check_service(request)?;
    }
    if matches!(verb, Verb::AddServer | Verb::EditServer) {
        check_server(request)?;
    }
    if verb == Verb::List {
        check_list(request.given)?;
    }
    check_later(request)?;
    action(request)
}

fn check_rules(verb: Verb, given: Given) -> Result<(), Complaint> {
    let verb_name = verb.name();
    let mut earlier: Option<&str> = None;
    for ((kind, name), rule) in Kind::ALL.into_iter().zip(verb.rules()) {
        let text = match (given.has(kind), rule) {
            (false, b'+') => format!("You need to supply the '{name}' option for the '{verb_name}' command"),
            (true, b'x') => format!("Illegal '{name}' option with the '{verb_name}' command"),
            (true, b'1') => match earlier.replace(name) {
                Some(other) => {
                    format!(
                        "The option '{name}' conflicts with the '{other}' option in the '{verb_name}' command"
                    )
                }
                None => continue,
            },
            _ => continue,
        };
        return Err(Complaint::arguments(text));
    }
    Ok(())
}

fn check_service(request: &Request) -> Result<(), Complaint> {
    let service = &request.service;
    if service.mark == 0 && service.port == 0 && service.persistence_s.is_none() {
        return Err(Complaint::arguments("Zero port specified for non-persistent service"));
    }
    let is_udp = service.transport == Some(Transport::Udp);
    if request.given.has(Kind::OnePacket) && service.mark == 0 && !is_udp {
        return Err(Complaint::arguments("One-Packet Scheduling is only for UDP virtual services"));
    }
    Ok(())
}

fn check_server(request: &Request) -> Result<(), Complaint> {
    let (service, server) = (&request.service, &request.server);
    let is_tunnel = server.method == Method::Tunnel;
    if server.address.is_some_and(|address| address.is_ipv6() != service.is_ipv6) && !is_tunnel {
        return Err(Complaint::arguments("Different address family is allowed only for tunneling servers"));
    }
    let has_details = request.given.has(Kind::TunnelType) || request.given.has_any(&TUNNEL_DETAILS);
    if has_details && !is_tunnel {
        return Err(Complaint::arguments("Tunnel options conflict with forward method"));
    }
    check_tunnel(server.tunnel, request.given)
}

fn check_tunnel(tunnel: Tunnel, given: Given) -> Result<(), Complaint> {
    let (name, rules) = match tunnel {
        Tunnel::Ipip => ("ipip", b"xxxx"),
        Tunnel::Gue => ("gue", b"+111"),
        Tunnel::Gre => ("gre", b"x11x"),
    };
    let mut earlier: Option<Kind> = None;
    for (kind, rule) in TUNNEL_DETAILS.into_iter().zip(rules) {
        let option = kind.name();
        let text = match (given.has(kind), rule) {
            (false, b'+') => format!("You need to supply the '{option}' option for the '{name}' tunnel type"),
            (true, b'x') => format!("Illegal '{option}' option with the '{name}' tunnel type"),
            (true, b'1') => match earlier.replace(kind) {
                Some(other) => format!(
                    "The option '{option}' conflicts with the '{}' option in the '{name}' tunnel type",
                    other.name()
                ),
                None => continue,
            },
            _ => continue,
        };
        return Err(Complaint::arguments(text));
    }
    Ok(())
}

fn check_list(given: Given) -> Result<(), Complaint> {
    let other_lists = [Kind::Connection, Kind::Timeout, Kind::Daemon];
    let columns = [Kind::Stats, Kind::Rate, Kind::Thresholds];
    if given.has_any(&other_lists) && given.has_any(&columns)
        || given.has_any(&other_lists[1..]) && given.has(Kind::PersistentConnections)
    {
        return Err(Complaint::arguments("options conflicts in the list command"));
    }
    Ok(())
}

/// What later versions will do. The line names the feature, nothing is changed.
fn check_later(request: &Request) -> Result<(), Complaint> {
    let (service, given) = (&request.service, request.given);
    let later = Complaint::later;
    if matches!(request.verb, Verb::StartDaemon | Verb::StopDaemon) {
        return Err(later("connection synchronisation is"));
    }
    if service.mark != 0 {
        return Err(later("firewall-mark services are"));
    }
    if service.transport == Some(Transport::Sctp) {
        return Err(later("SCTP services are"));
    }
    if service.persistence_s.is_some() || service.netmask.is_some() {
        return Err(later("persistent services are"));
    }
    if given.has(Kind::Engine) {
        return Err(later("persistence engines are"));
    }
    if given.has(Kind::OnePacket) {
        return Err(later("one-packet scheduling is"));
    }
    if !service.scheduler_flags.is_empty() {
        return Err(later("scheduler flags are"));
    }
    const SCHEDULERS: [&str; 10] = ["lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos"];
    if SCHEDULERS.contains(&service.scheduler.as_str()) {
        return Err(later(&format!("the scheduler '{}' is", service.scheduler)));
    }
    if request.server.tunnel != Tunnel::Ipip {
        return Err(later("tunnels of type gue and gre are"));
    }
    Ok(())
}

fn action(request: &Request) -> Result<Action, Complaint> {
    let (verb, given) = (request.verb, request.given);
    let command = match verb {
        Verb::AddService => Command::AddService(service_request(&request.service)?),
        Verb::EditService => Command::EditService(service_request(&request.service)?),
        Verb::DeleteService => Command::DeleteService(service_key(&request.service)?),
        Verb::Flush => Command::Flush,
        Verb::AddServer => {
            Command::AddServer { service: service_key(&request.service)?, server: real_server(request)? }
        }
        Verb::EditServer => {
            Command::EditServer { service: service_key(&request.service)?, server: real_server(request)? }
        }
        Verb::DeleteServer => Command::DeleteServer {
            service: service_key(&request.service)?,
            server: server_key(&request.server)?,
        },
        Verb::Set => {
            let [tcp_s, tcp_fin_s, udp_s] = request.timeouts_s;
            Command::SetTimeouts { tcp_s, tcp_fin_s, udp_s }
        }
        Verb::Zero if given.has(Kind::Service) => {
            Command::Zero { service: Some(service_key(&request.service)?) }
        }
        Verb::Zero => Command::Zero { service: None },
        Verb::Restore => return Ok(Action::Restore),
        Verb::Save => return Ok(Action::Save(given)),
        Verb::List => return list_action(request),
        Verb::StartDaemon | Verb::StopDaemon => {
            return Err(Complaint::later("connection synchronisation is"));
        }
    };
    Ok(Action::Change(verb, command))
}

fn list_action(request: &Request) -> Result<Action, Complaint> {
    let given = request.given;
    Ok(if given.has(Kind::Connection) {
        Action::ListConnections(given)
    } else if given.has(Kind::Service) {
        Action::ListService(service_key(&request.service)?, given)
    } else if given.has(Kind::Timeout) {
        Action::ListTimeouts
    } else if given.has(Kind::Daemon) {
        Action::ListDaemons
    } else {
        Action::ListAll(given)
    })
}

fn service_request(service: &Service) -> Result<ServiceRequest, Complaint> {
    let key = service_key(service)?;
    Ok(match service.scheduler.as_str() {
        "" => ServiceRequest::new(key, Scheduler::Wlc),
        name => ServiceRequest::new(key, name),
    })
}

/// Only an address service is left when the checks above have passed.
fn service_key(service: &Service) -> Result<ServiceKey, Complaint> {
    let protocol = match service.transport {
        Some(Transport::Tcp) => Protocol::Tcp,
        Some(Transport::Udp) => Protocol::Udp,
        Some(Transport::Sctp) | None => return Err(Complaint::later("this kind of service is")),
    };
    let address = service.address.ok_or_else(|| Complaint::later("this kind of service is"))?;
    Ok(ServiceKey::new(protocol, address, service.port))
}

fn server_key(server: &Server) -> Result<ServerKey, Complaint> {
    let address = server.address.ok_or_else(Complaint::try_help)?;
    Ok(ServerKey::new(address, server.port))
}

fn real_server(request: &Request) -> Result<RealServer, Complaint> {
    let server = &request.server;
    let ServerKey { address, port } = server_key(server)?;
    let (method, port) = match server.method {
        Method::Masquerade => (ForwardingMethod::Masquerade, port),
        // The packet arrives as it was sent, so the port cannot be another one.
        Method::Tunnel => (ForwardingMethod::Tunnel(TunnelKind::Ipip), request.service.port),
        Method::DirectRoute => (ForwardingMethod::DirectRoute, request.service.port),
    };
    Ok(RealServer {
        address,
        port,
        method,
        weight: server.weight,
        upper_threshold: server.upper_threshold,
        lower_threshold: server.lower_threshold,
    })
}
