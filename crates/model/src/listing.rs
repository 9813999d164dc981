//! What a listing shows: the model with the counters of the running director beside it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::id::{ServerId, ServiceId};
use crate::model::Timeouts;
use crate::server::RealServer;
use crate::service::{Protocol, VirtualService};

/// Sums since creation or the last zeroing, as of the last estimator run (every 2 s).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Connections made.
    pub connections: u64,
    /// Packets from clients.
    pub inbound_packets: u64,
    /// Packets from real servers.
    pub outbound_packets: u64,
    /// Bytes from clients, IP header included.
    pub inbound_bytes: u64,
    /// Bytes from real servers, IP header included.
    pub outbound_bytes: u64,
}

/// Smoothed rates, each per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Connections made.
    pub connections: u64,
    /// Packets from clients.
    pub inbound_packets: u64,
    /// Packets from real servers.
    pub outbound_packets: u64,
    /// Bytes from clients.
    pub inbound_bytes: u64,
    /// Bytes from real servers.
    pub outbound_bytes: u64,
}

/// Everything `ipvsadm -L` may print. Answer of `GET /v1/services`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Slots of the connection table.
    pub table_size: u64,
    /// The timeouts.
    pub timeouts: Timeouts,
    /// The services in kernel order (unsorted).
    pub services: Vec<ServiceListing>,
}

/// A service in a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceListing {
    /// Its index in the data plane's tables.
    pub id: ServiceId,
    /// What the operator asked for.
    pub service: VirtualService,
    /// Its sums.
    pub statistics: Statistics,
    /// Its rates.
    pub rates: Rates,
    /// Its real servers in kernel order: newest first.
    pub servers: Vec<ServerListing>,
}

/// A real server in a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerListing {
    /// Its index in the data plane's tables.
    pub id: ServerId,
    /// What the operator asked for.
    pub server: RealServer,
    /// Active connections.
    pub active: u32,
    /// Inactive connections.
    pub inactive: u32,
    /// Templates.
    #[serde(default)]
    pub persistent: u32,
    /// Its sums.
    pub statistics: Statistics,
    /// Its rates.
    pub rates: Rates,
}

/// A connection in a listing. `GET /v1/connections` answers one of these as JSON a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionRow {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Seconds until it expires.
    pub expires_s: u32,
    /// Name of the state, such as `ESTABLISHED`.
    pub state: String,
    /// The client.
    pub client: SocketAddr,
    /// The virtual address and port the client asked for.
    #[serde(rename = "virtual")]
    pub virtual_address: SocketAddr,
    /// The real server.
    pub server: SocketAddr,
}
