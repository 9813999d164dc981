//! Everything an operator can ask of the director. Command line, API and files all end here, parsed once.

use serde::{Deserialize, Serialize};

use crate::server::{RealServer, ServerKey};
use crate::service::{ServiceKey, ServiceRequest};

/// One request to change the model (or, with [`Command::Zero`], what is counted about it).
///
/// JSON examples:
///
/// ```json
/// {"add_service": {"key": {"address": {"protocol": "tcp", "address": "10.1.0.100", "port": 80}}, "scheduler": "wlc"}}
/// {"delete_service": {"address": {"protocol": "tcp", "address": "10.1.0.100", "port": 80}}}
/// {"add_server": {"service": {"address": {"protocol": "tcp", "address": "10.1.0.100", "port": 80}},
///                 "server": {"address": "10.2.0.2", "port": 8000, "method": "masquerade", "weight": 1}}}
/// {"delete_server": {"service": {"address": {"protocol": "tcp", "address": "10.1.0.100", "port": 80}},
///                    "server": {"address": "10.2.0.2", "port": 8000}}}
/// {"set_timeouts": {"tcp_s": 900, "tcp_fin_s": 0, "udp_s": 300}}
/// {"zero": {"service": null}}
/// "flush"
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Creates a service. Refused if one with this key exists.
    AddService(ServiceRequest),
    /// Replaces everything but the key; another scheduler begins afresh. Connections stay.
    EditService(ServiceRequest),
    /// Deletes a service; its servers go to the trash, connections end by their timers.
    DeleteService(ServiceKey),
    /// Deletes every service.
    Flush,
    /// Adds a real server at the head of the service's list, or revives it from the trash.
    AddServer {
        /// To which service.
        service: ServiceKey,
        /// The server.
        server: RealServer,
    },
    /// Replaces method, weight and thresholds of a real server. Existing connections keep their method.
    EditServer {
        /// Of which service.
        service: ServiceKey,
        /// The server as it shall be.
        server: RealServer,
    },
    /// Moves a real server to the trash.
    DeleteServer {
        /// Of which service.
        service: ServiceKey,
        /// Which server.
        server: ServerKey,
    },
    /// Sets the three timeouts that `ipvsadm --set` knows, in seconds; 0 keeps a value.
    SetTimeouts {
        /// Established TCP connections.
        tcp_s: u32,
        /// TCP connections after a FIN.
        tcp_fin_s: u32,
        /// UDP.
        udp_s: u32,
    },
    /// Sets statistics to zero: of one service and its servers, or of all and the total.
    Zero {
        /// Which service; none = everything.
        #[serde(default)]
        service: Option<ServiceKey>,
    },
}
