//! The files that monitoring tools read of kernel IPVS: `ip_vs`, `ip_vs_conn`, `ip_vs_stats`, `ip_vs_stats_percpu`, with the
//! kernel's layout to the byte (spec 12).

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use lvs_model::listing::{ConnectionRow, Listing, Rates, ServerListing, ServiceListing, Statistics};
use lvs_model::{Protocol, ServiceKey};

/// The version of IPVS whose behaviour this is.
const IPVS_VERSION: &str = "1.2.1";

/// `/proc/net/ip_vs`.
pub(crate) fn ip_vs(listing: &Listing) -> String {
    let mut text = format!("IP Virtual Server version {IPVS_VERSION} (size={})\n", listing.table_size);
    text.push_str("Prot LocalAddress:Port Scheduler Flags\n");
    text.push_str("  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n");
    for service in &listing.services {
        service_line(&mut text, service);
        service.servers.iter().for_each(|server| server_line(&mut text, server));
    }
    text
}

fn service_line(text: &mut String, listed: &ServiceListing) {
    let ServiceKey::Address { protocol, address, port } = listed.service.key;
    let place = endpoint(SocketAddr::new(address, port));
    let scheduler = listed.service.scheduler.name();
    // The kernel writes a blank behind the scheduler's name, and for IPv4 another one before what follows.
    let tail = if address.is_ipv4() { "  " } else { " " };
    let _ = writeln!(text, "{}  {place} {scheduler}{tail}", name(protocol));
}

fn server_line(text: &mut String, listed: &ServerListing) {
    let server = &listed.server;
    let _ = writeln!(
        text,
        "  -> {}      {:<7} {:<6} {:<10} {:<10}",
        endpoint(SocketAddr::new(server.address, server.port)),
        server.method.name(),
        server.weight,
        listed.active,
        listed.inactive
    );
}

fn name(protocol: Protocol) -> &'static str {
    protocol.name()
}

fn endpoint(place: SocketAddr) -> String {
    match place.ip() {
        IpAddr::V4(address) => format!("{:08X}:{:04X}", address.to_bits(), place.port()),
        IpAddr::V6(_) => format!("[{}]:{:04X}", hex(place.ip()), place.port()),
    }
}

/// An address as the kernel writes it in these files.
fn hex(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("{:08X}", address.to_bits()),
        IpAddr::V6(address) => address.segments().map(|segment| format!("{segment:04x}")).join(":"),
    }
}

/// First line of `/proc/net/ip_vs_conn`.
pub(crate) const CONNECTIONS_TITLE: &str =
    "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n";

/// A line of `/proc/net/ip_vs_conn`.
pub(crate) fn connection_line(text: &mut String, row: &ConnectionRow) {
    let _ = writeln!(
        text,
        "{:<3} {} {:04X} {} {:04X} {} {:04X} {:<11} {:7}",
        name(row.protocol),
        hex(row.client.ip()),
        row.client.port(),
        hex(row.virtual_address.ip()),
        row.virtual_address.port(),
        hex(row.server.ip()),
        row.server.port(),
        row.state,
        row.expires_s
    );
}

fn sums(text: &mut String, sum: &Statistics) {
    let _ = writeln!(
        text,
        "{:8X} {:8X} {:8X} {:16X} {:16X}",
        sum.connections, sum.inbound_packets, sum.outbound_packets, sum.inbound_bytes, sum.outbound_bytes
    );
}

fn rate_line(text: &mut String, rates: &Rates) {
    let _ = writeln!(
        text,
        "{:8X} {:8X} {:8X} {:16X} {:16X}",
        rates.connections,
        rates.inbound_packets,
        rates.outbound_packets,
        rates.inbound_bytes,
        rates.outbound_bytes
    );
}

/// `/proc/net/ip_vs_stats`.
pub(crate) fn ip_vs_stats(sum: &Statistics, rates: &Rates) -> String {
    let mut text = String::from("   Total Incoming Outgoing         Incoming         Outgoing\n");
    text.push_str("   Conns  Packets  Packets            Bytes            Bytes\n");
    sums(&mut text, sum);
    text.push_str("\n Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n");
    rate_line(&mut text, rates);
    text
}

/// `/proc/net/ip_vs_stats_percpu`.
pub(crate) fn ip_vs_stats_percpu(
    processors: impl Iterator<Item = Statistics>,
    sum: &Statistics,
    rates: &Rates,
) -> String {
    let mut text = String::from("       Total Incoming Outgoing         Incoming         Outgoing\n");
    text.push_str("CPU    Conns  Packets  Packets            Bytes            Bytes\n");
    for (number, of_processor) in processors.enumerate() {
        let _ = write!(text, "{number:3X} ");
        sums(&mut text, &of_processor);
    }
    text.push_str("  ~ ");
    sums(&mut text, sum);
    text.push_str("\n     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s\n    ");
    rate_line(&mut text, rates);
    text
}

/// Replaces a file at once: readers see the old text or the new.
pub(crate) fn replace(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let new = folder.join(format!(".{name}.new"));
    fs::write(&new, text)?;
    fs::rename(&new, folder.join(name))
}

#[cfg(test)]
#[path = "procfs/tests.rs"]
mod tests;
