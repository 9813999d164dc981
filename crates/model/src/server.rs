//! Real servers: who does the work, and how packets reach them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// How packets of a connection are sent on to its real server.
///
/// JSON: `"masquerade"`, `"direct_route"` or `{"tunnel": "ipip"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForwardingMethod {
    /// NAT: addresses and ports are rewritten both ways (`ipvsadm -m`).
    Masquerade,
    /// The packet travels inside another one (`ipvsadm -i`).
    Tunnel(TunnelKind),
    /// Only the link-layer address changes (`ipvsadm -g`, the default there).
    DirectRoute,
}

impl ForwardingMethod {
    /// The name in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Masquerade => "Masq",
            Self::Tunnel(_) => "Tunnel",
            Self::DirectRoute => "Route",
        }
    }
}

/// What the outer packet of a tunnel is. GUE and GRE join in a later issue, with their parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TunnelKind {
    /// IP in IP, in any mix of IPv4 and IPv6.
    Ipip,
}

/// Identity of a real server inside its service. The same address with another port is another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerKey {
    /// Address of the server.
    pub address: IpAddr,
    /// Port on the server; 0 = the port the client asked for.
    pub port: u16,
}

impl ServerKey {
    /// The server at that address and port.
    pub const fn new(address: IpAddr, port: u16) -> Self {
        Self { address, port }
    }
}

impl fmt::Display for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// A real server: identity and everything the operator may change about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RealServer {
    /// Address of the server.
    pub address: IpAddr,
    /// Port on the server; 0 = the port the client asked for.
    pub port: u16,
    /// How packets reach it.
    pub method: ForwardingMethod,
    /// Its share; 0 = quiesced: no new connections, the old ones go on.
    pub weight: u32,
    /// From this many connections on it gets no new ones; 0 = no limit.
    #[serde(default)]
    pub upper_threshold: u32,
    /// Below this many connections an overloaded server gets new ones again; 0 = three quarters of the upper threshold.
    #[serde(default)]
    pub lower_threshold: u32,
}

impl RealServer {
    /// Its identity.
    pub const fn key(&self) -> ServerKey {
        ServerKey::new(self.address, self.port)
    }
}
