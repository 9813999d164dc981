//! The API of `lvsd`: HTTP/1.1 with JSON bodies over a unix socket.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `POST /v1/commands` | [`CommandsRequest`] | 200 [`Done`]; all commands are applied or none |
//! | `GET /v1/services` | | 200 [`crate::listing::Listing`] |
//! | `GET /v1/connections` | | 200, `application/x-ndjson`: one [`crate::listing::ConnectionRow`] a line, kernel order |
//! | `GET /v1/timeouts` | | 200 [`crate::Timeouts`] |
//! | `GET /v1/statistics` | | 200 [`Totals`] |
//! | `GET /v1/status` | | 200 [`Status`] |
//! | `GET /v1/interfaces` | | 200 [`Interfaces`] |
//! | `POST /v1/interfaces` | [`AttachRequest`] | 200 [`Interface`] |
//! | `DELETE /v1/interfaces/NAME` | | 200 [`Done`] |
//! | `POST /v1/explain` | [`ExplainRequest`] | 200 [`Explanation`] |
//!
//! Whatever is not done is answered with an [`ErrorAnswer`]: 400 a body that is not understood, 403 the peer may not do
//! this (by its credentials on the socket; reading is for all who can open it, changing for root), 404 no such thing,
//! 405 no such method there, 409 or 422 a [`Refusal`] by its [`crate::Fault`], 413 a body above
//! [`crate::limits::MAX_REQUEST_LEN`], 500 a failure of the director itself.
//! A body has a `Content-Length`, is chunked, or ends with the connection; a client understands all three.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::id::{ServerId, ServiceId};
use crate::listing::{Rates, Statistics};
use crate::refusal::{Fault, Refusal, RefusedCommand, errno};
use crate::server::ForwardingMethod;
use crate::service::{Protocol, Scheduler, ServiceKey};

/// Where `lvsd` listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/lvs/lvsd.sock";

/// Environment variable with another path of the socket.
pub const SOCKET_VARIABLE: &str = "LVS_SOCKET";

/// Paths of the requests.
pub mod path {
    /// `POST` a [`super::CommandsRequest`].
    pub const COMMANDS: &str = "/v1/commands";
    /// `GET` a [`crate::listing::Listing`].
    pub const SERVICES: &str = "/v1/services";
    /// `GET` lines of [`crate::listing::ConnectionRow`].
    pub const CONNECTIONS: &str = "/v1/connections";
    /// `GET` [`crate::Timeouts`].
    pub const TIMEOUTS: &str = "/v1/timeouts";
    /// `GET` [`super::Totals`].
    pub const STATISTICS: &str = "/v1/statistics";
    /// `GET` [`super::Status`].
    pub const STATUS: &str = "/v1/status";
    /// `GET` [`super::Interfaces`], `POST` an [`super::AttachRequest`], `DELETE` with `/NAME` behind it.
    pub const INTERFACES: &str = "/v1/interfaces";
    /// `POST` an [`super::ExplainRequest`].
    pub const EXPLAIN: &str = "/v1/explain";
}

/// Commands to apply in order, all or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandsRequest {
    /// At most [`crate::limits::MAX_COMMANDS`].
    pub commands: Vec<Command>,
}

/// It is done, and there is nothing to tell: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorAnswer {
    /// Number of the error as Linux counts them; `ipvsadm` chooses its words by it.
    pub errno: i32,
    /// What happened, for people.
    pub text: String,
    /// Which command of the batch, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// The refusal, where the model refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

impl ErrorAnswer {
    /// An error that is no refusal of the model.
    pub fn new(errno: i32, text: impl Into<String>) -> Self {
        Self { errno, text: text.into(), index: None, refusal: None }
    }

    /// The peer may not do this (HTTP 403).
    pub fn not_permitted() -> Self {
        Self::new(errno::EPERM, "only root may change the director")
    }

    /// The HTTP status for a refusal; 500 for what is none (permission and form have their own, see the module head).
    pub fn status(&self) -> u16 {
        match self.refusal.as_ref().map(Refusal::fault) {
            Some(Fault::Command) => 422,
            Some(Fault::State | Fault::Limit) => 409,
            None if self.errno == errno::EPERM => 403,
            None => 500,
        }
    }
}

impl From<RefusedCommand> for ErrorAnswer {
    fn from(refused: RefusedCommand) -> Self {
        let RefusedCommand { index, refusal } = refused;
        Self { errno: refusal.errno(), text: refusal.to_string(), index: Some(index), refusal: Some(refusal) }
    }
}

/// What the whole director counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Sums over all services.
    pub statistics: Statistics,
    /// Rates over all services.
    pub rates: Rates,
}

/// How the director is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Version of lvsd.
    pub version: String,
    /// Version of the tables' layout.
    pub table_version: u32,
    /// Process id of lvsd.
    pub pid: u32,
    /// How long this lvsd has run.
    pub uptime_s: u64,
    /// Whether it took over tables that were there before it.
    pub adopted: bool,
    /// Release of the running kernel.
    pub kernel: String,
    /// Live virtual services.
    pub service_count: u32,
    /// Live real servers.
    pub server_count: u32,
    /// Deleted real servers that are not yet forgotten.
    pub trash_count: u32,
    /// Connections in the table.
    pub connection_count: u64,
    /// Connections the table can hold.
    pub connection_limit: u64,
    /// The attached interfaces.
    pub interfaces: Vec<Interface>,
    /// The data plane's counters by name, those at zero left out.
    #[serde(default)]
    pub counters: std::collections::BTreeMap<String, u64>,
    /// What an operator should know, one sentence each.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// How the data plane takes packets from an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttachMode {
    /// XDP on physical interfaces, TC on virtual ones.
    #[default]
    Auto,
    /// XDP in the driver.
    Xdp,
    /// TC (tcx).
    Tc,
    /// XDP in the kernel's generic path: slow, never chosen by `auto`.
    Generic,
}

impl AttachMode {
    /// Every mode.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Xdp, Self::Tc, Self::Generic];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Xdp => "xdp",
            Self::Tc => "tc",
            Self::Generic => "generic",
        }
    }

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }
}

/// Attach the data plane to an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachRequest {
    /// Name of the interface.
    pub name: String,
    /// How.
    #[serde(default)]
    pub mode: AttachMode,
}

/// An interface the data plane is attached to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// What was asked for.
    pub mode: AttachMode,
    /// What it became: never `auto`.
    pub attached: AttachMode,
}

/// The interfaces the data plane is attached to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interfaces {
    /// By name.
    pub interfaces: Vec<Interface>,
}

/// Where would a packet from this client to this virtual address go?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// Client address and port.
    pub client: SocketAddr,
    /// Virtual address and port.
    #[serde(rename = "virtual")]
    pub virtual_address: SocketAddr,
    /// Transport protocol.
    pub protocol: Protocol,
}

/// What would happen to the packet of an [`ExplainRequest`], without anything happening.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The way of the packet, one sentence a step.
    pub steps: Vec<String>,
    /// What becomes of it: "forward", "pass" (not ours: the kernel's own stack) or "drop".
    pub verdict: String,
    /// The service that matches.
    #[serde(default)]
    pub service: Option<ServiceKey>,
    /// Its number.
    #[serde(default)]
    pub service_id: Option<ServiceId>,
    /// Its scheduler.
    #[serde(default)]
    pub scheduler: Option<Scheduler>,
    /// State of the connection it belongs to; none = it would make a new one.
    #[serde(default)]
    pub connection_state: Option<String>,
    /// The real server it goes to.
    #[serde(default)]
    pub server: Option<SocketAddr>,
    /// Its number.
    #[serde(default)]
    pub server_id: Option<ServerId>,
    /// How it gets there.
    #[serde(default)]
    pub method: Option<ForwardingMethod>,
    /// Name of the interface it leaves by.
    #[serde(default)]
    pub interface: Option<String>,
    /// Next hop on the way.
    #[serde(default)]
    pub next_hop: Option<std::net::IpAddr>,
}
