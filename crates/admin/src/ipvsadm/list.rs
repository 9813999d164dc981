//! The listings of services, and `-S`, byte for byte as the original prints them.

use std::fmt::Write;
use std::net::IpAddr;

use lvs_model::listing::{Listing, ServerListing, ServiceListing};
use lvs_model::{ForwardingMethod, Protocol, ServiceKey, TunnelKind};

use super::option::{Given, Kind};
use super::order;
use crate::address;
use crate::names::Names;
use crate::number;

/// Which columns a listing has. Of several options the first here wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Columns {
    Stats,
    Rate,
    Thresholds,
    Persistent,
    Tunnel,
    Plain,
    /// No columns: command lines for `-R`.
    Rules,
}

/// How a listing is to look.
pub(super) struct Format<'a> {
    columns: Columns,
    numeric: bool,
    exact: bool,
    sorted: bool,
    names: &'a dyn Names,
}

impl<'a> Format<'a> {
    pub(super) fn of_list(given: Given, names: &'a dyn Names) -> Self {
        let columns = [
            (Kind::Stats, Columns::Stats),
            (Kind::Rate, Columns::Rate),
            (Kind::Thresholds, Columns::Thresholds),
            (Kind::PersistentConnections, Columns::Persistent),
            (Kind::TunnelInfo, Columns::Tunnel),
        ];
        let columns = columns.into_iter().find(|(kind, _)| given.has(*kind));
        Self {
            columns: columns.map_or(Columns::Plain, |(_, columns)| columns),
            numeric: given.has(Kind::Numeric),
            exact: given.has(Kind::Exact),
            sorted: !given.has(Kind::NoSort),
            names,
        }
    }

    pub(super) fn of_save(given: Given, names: &'a dyn Names) -> Self {
        Self { columns: Columns::Rules, ..Self::of_list(given, names) }
    }

    fn address(&self, address: IpAddr, port: u16, protocol: Protocol) -> String {
        address::show(address, port, service_protocol(protocol), self.numeric, self.names)
    }
}

/// The protocol's name in `/etc/services`.
pub(super) const fn service_protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

/// Everything: the version line, the title and all services; or all rules.
pub(super) fn all(listing: &Listing, format: &Format<'_>) -> String {
    let mut text = String::new();
    if format.columns != Columns::Rules {
        text = format!(
            "IP Virtual Server version 1.2.1 (size={})\n{}",
            listing.table_size,
            title(format.columns)
        );
    }
    let mut services: Vec<&ServiceListing> = listing.services.iter().collect();
    if format.sorted {
        order::merge_sort(&mut services, order::services);
    }
    for service in services {
        push_service(&mut text, service, format);
    }
    text
}

/// One service under its title.
pub(super) fn one(service: &ServiceListing, format: &Format<'_>) -> String {
    let mut text = title(format.columns).to_owned();
    push_service(&mut text, service, format);
    text
}

const fn title(columns: Columns) -> &'static str {
    match columns {
        Columns::Stats => {
            "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n  -> RemoteAddress:Port\n"
        }
        Columns::Rate => {
            "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n  -> RemoteAddress:Port\n"
        }
        Columns::Thresholds => {
            "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n  -> RemoteAddress:Port\n"
        }
        Columns::Persistent => {
            "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n  -> RemoteAddress:Port\n"
        }
        Columns::Tunnel => {
            "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n"
        }
        Columns::Plain => {
            "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
        }
        Columns::Rules => "",
    }
}

fn push_service(text: &mut String, listed: &ServiceListing, format: &Format<'_>) {
    let ServiceKey::Address { protocol, address, port } = listed.service.key;
    let scheduler = listed.service.scheduler.name();
    let place = format.address(address, port, protocol);
    let rule = format!("-{} {place}", if protocol == Protocol::Tcp { 't' } else { 'u' });
    let mut name = format!("{:<4} {place}", protocol.name());
    if address.is_ipv4() {
        cut(&mut name, 33);
    }
    let line = match format.columns {
        Columns::Rules => format!("-A {rule} -s {scheduler}"),
        Columns::Stats => format!("{name:<33}{}", five(statistics_columns(&listed.statistics), format)),
        Columns::Rate => format!("{name:<33}{}", five(rate_columns(&listed.rates), format)),
        _ => format!("{name} {scheduler}"),
    };
    text.push_str(&line);
    text.push('\n');
    let mut servers: Vec<&ServerListing> = listed.servers.iter().collect();
    if format.sorted {
        order::merge_sort(&mut servers, order::servers);
    }
    for server in servers {
        push_server(text, &rule, protocol, server, format);
    }
}

fn push_server(
    text: &mut String,
    rule: &str,
    protocol: Protocol,
    listed: &ServerListing,
    format: &Format<'_>,
) {
    let server = &listed.server;
    let mut name = format.address(server.address, server.port, protocol);
    if format.columns == Columns::Rules {
        push_rule(text, rule, &name, listed);
        return;
    }
    if server.address.is_ipv4() {
        cut(&mut name, 28);
    }
    let (method, weight) = (server.method.name(), server.weight);
    let (active, inactive) = (listed.active, listed.inactive);
    let columns = match format.columns {
        Columns::Stats => five(statistics_columns(&listed.statistics), format),
        Columns::Rate => {
            let [connections, inbound, outbound, inbound_bytes, outbound_bytes] = rate_columns(&listed.rates);
            let bytes =
                number::column(inbound_bytes, format.exact) + &number::column(outbound_bytes, format.exact);
            format!(" {connections:>8} {inbound:>8} {outbound:>8}{bytes}")
        }
        Columns::Thresholds => {
            let (upper, lower) = (server.upper_threshold, server.lower_threshold);
            format!(" {upper:<10} {lower:<10} {active:<10} {inactive:<10}")
        }
        Columns::Persistent => {
            format!(" {weight:<9} {:<11} {active:<10} {inactive:<10}", listed.persistent)
        }
        Columns::Tunnel => {
            let info = match server.method {
                ForwardingMethod::Tunnel(TunnelKind::Ipip) => "ipip",
                ForwardingMethod::Masquerade | ForwardingMethod::DirectRoute => "n/a",
            };
            format!(" {method:<7} {info:<13} {weight:<6} {active:<10} {inactive:<10}")
        }
        Columns::Plain | Columns::Rules => {
            format!(" {method:<7} {weight:<6} {active:<10} {inactive:<10}")
        }
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  -> {name:<28}{columns}");
}

fn push_rule(text: &mut String, rule: &str, name: &str, listed: &ServerListing) {
    let (method, tunnel) = match listed.server.method {
        ForwardingMethod::Masquerade => ("-m", ""),
        ForwardingMethod::Tunnel(TunnelKind::Ipip) => ("-i", " --tun-type ipip"),
        ForwardingMethod::DirectRoute => ("-g", ""),
    };
    let _ = writeln!(text, "-a {rule} -r {name} {method} -w {}{tunnel}", listed.server.weight);
}

fn statistics_columns(statistics: &lvs_model::listing::Statistics) -> [u64; 5] {
    [
        statistics.connections,
        statistics.inbound_packets,
        statistics.outbound_packets,
        statistics.inbound_bytes,
        statistics.outbound_bytes,
    ]
}

fn rate_columns(rates: &lvs_model::listing::Rates) -> [u64; 5] {
    [
        rates.connections,
        rates.inbound_packets,
        rates.outbound_packets,
        rates.inbound_bytes,
        rates.outbound_bytes,
    ]
}

fn five(numbers: [u64; 5], format: &Format<'_>) -> String {
    numbers.map(|number| number::column(number, format.exact)).concat()
}

/// Cuts a name to the width of its column, at a letter.
fn cut(name: &mut String, len: usize) {
    if let Some((end, _)) = name.char_indices().nth(len) {
        name.truncate(end);
    }
}
