//! Virtual services: what is balanced, and how a real server is chosen for it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::limits::MAX_SCHEDULER_NAME_LEN;

/// Transport protocol of a virtual service. SCTP joins in a later issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// "tcp", number 6
    Tcp,
    /// "udp", number 17
    Udp,
}

impl Protocol {
    /// The number in the IP header.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    /// The name in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// Identity of a virtual service; it cannot be edited.
///
/// JSON: `{"address": {"protocol": "tcp", "address": "10.1.0.100", "port": 80}}`. The key by firewall mark
/// (`{"mark": ...}`) joins in a later issue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ServiceKey {
    /// Protocol, virtual address and port. Any address is accepted, as in the kernel.
    Address {
        /// Transport protocol.
        protocol: Protocol,
        /// The virtual address; its family is the service's.
        address: IpAddr,
        /// The virtual port; a service with port 0 never schedules while it is not persistent.
        port: u16,
    },
}

impl ServiceKey {
    /// The key of a service by address.
    pub const fn new(protocol: Protocol, address: IpAddr, port: u16) -> Self {
        Self::Address { protocol, address, port }
    }

    /// Whether the service is IPv6.
    pub const fn is_ipv6(&self) -> bool {
        match self {
            Self::Address { address, .. } => address.is_ipv6(),
        }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Address { protocol, address, port } => {
                write!(f, "{} {}", protocol.name(), SocketAddr::new(address, port))
            }
        }
    }
}

/// A scheduler that the data plane has. The others of LVS (lblc, lblcr, dh, sh, sed, nq, fo, ovf, mh, twos) join in a
/// later issue, each as a variant here and a file in core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheduler {
    /// No scheduler (`-s none`): nothing is ever chosen, new connections find no real server.
    None,
    /// Round robin.
    Rr,
    /// Weighted round robin.
    Wrr,
    /// Least connection.
    Lc,
    /// Weighted least connection, the default of `ipvsadm`.
    Wlc,
}

impl Scheduler {
    /// Every scheduler, those of `ipvsadm -h` in its order.
    pub const ALL: [Self; 5] = [Self::None, Self::Rr, Self::Wrr, Self::Lc, Self::Wlc];

    /// The name LVS knows it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Rr => "rr",
            Self::Wrr => "wrr",
            Self::Lc => "lc",
            Self::Wlc => "wlc",
        }
    }

    /// The scheduler of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheduler| scheduler.name() == name)
    }
}

/// A scheduler as the operator names it, cut to 15 bytes. Whether it exists is known only when the command is applied:
/// the kernel looks for the service first and for the scheduler second, and so do we.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct SchedulerName(String);

impl SchedulerName {
    /// The name as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for SchedulerName {
    fn from(mut name: String) -> Self {
        let mut len = name.len().min(MAX_SCHEDULER_NAME_LEN);
        while !name.is_char_boundary(len) {
            len -= 1;
        }
        name.truncate(len);
        Self(name)
    }
}

impl From<&str> for SchedulerName {
    fn from(name: &str) -> Self {
        Self::from(name.to_owned())
    }
}

impl From<Scheduler> for SchedulerName {
    fn from(scheduler: Scheduler) -> Self {
        Self::from(scheduler.name())
    }
}

/// A virtual service as a command asks for it. Persistence, one-packet scheduling and scheduler flags join in a later
/// issue, as fields that may be absent from the JSON.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceRequest {
    /// Which service.
    pub key: ServiceKey,
    /// Name of the scheduler.
    pub scheduler: SchedulerName,
}

impl ServiceRequest {
    /// A service with nothing but the necessary.
    pub fn new(key: ServiceKey, scheduler: impl Into<SchedulerName>) -> Self {
        Self { key, scheduler: scheduler.into() }
    }
}

/// A virtual service of the model: what a [`ServiceRequest`] becomes when it is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VirtualService {
    /// Which service.
    pub key: ServiceKey,
    /// How a real server is chosen.
    pub scheduler: Scheduler,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_scheduler_name_is_cut_at_15_bytes() {
        assert_eq!(SchedulerName::from("abcdefghijklmnopq").as_str(), "abcdefghijklmno");
        assert_eq!(SchedulerName::from("abcdefghijklmn\u{e4}").as_str(), "abcdefghijklmn");
    }

    #[test]
    fn scheduler_names_are_found() {
        for scheduler in Scheduler::ALL {
            assert_eq!(Scheduler::from_name(scheduler.name()), Some(scheduler));
        }
        assert_eq!(Scheduler::from_name("RR"), None);
    }
}
