//! Names of hosts and services, both ways.

mod system;

use std::net::{IpAddr, Ipv4Addr};

pub use system::SystemNames;

/// Where names come from: the system's databases, or a test's.
pub trait Names {
    /// First IPv4 address of a host.
    fn address(&self, host: &str) -> Option<Ipv4Addr>;
    /// Name of a host.
    fn host(&self, address: IpAddr) -> Option<String>;
    /// Port of a service; the protocol is "tcp", "udp" or "sctp".
    fn port(&self, service: &str, protocol: &str) -> Option<u16>;
    /// Name of a service.
    fn service(&self, port: u16, protocol: &str) -> Option<String>;
}
