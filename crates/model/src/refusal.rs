//! Why a command was refused, whose fault that is, and the kernel's error number for it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::server::ServerKey;
use crate::service::ServiceKey;

/// Error numbers of Linux that stand for refusals; `ipvsadm` chooses its words by them.
pub mod errno {
    /// The caller may not change anything.
    pub const EPERM: i32 = 1;
    /// No such scheduler, no such real server.
    pub const ENOENT: i32 = 2;
    /// No such service.
    pub const ESRCH: i32 = 3;
    /// The director failed at its own work (a table could not be written); nothing was changed.
    pub const EIO: i32 = 5;
    /// The director has no memory.
    pub const ENOMEM: i32 = 12;
    /// Service or real server exists.
    pub const EEXIST: i32 = 17;
    /// A value that makes no sense.
    pub const EINVAL: i32 = 22;
    /// A limit of ours is reached; the kernel has none.
    pub const ENOSPC: i32 = 28;
    /// Weight or thresholds out of range.
    pub const ERANGE: i32 = 34;
}

/// Who has to act when a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The command can never be right as it stands. HTTP 422.
    Command,
    /// The command does not fit what the model holds at this moment. HTTP 409.
    State,
    /// The director is full. HTTP 409.
    Limit,
}

/// A refused command. The model is as it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// A service with this key exists.
    ServiceExists(ServiceKey),
    /// There is no service with this key.
    ServiceMissing(ServiceKey),
    /// No scheduler has this name.
    SchedulerUnknown(String),
    /// The service has this real server.
    ServerExists(ServerKey),
    /// The service has no such real server.
    ServerMissing(ServerKey),
    /// The weight is above [`limits::MAX_WEIGHT`].
    WeightTooHigh(u32),
    /// The lower threshold is above the upper one.
    ThresholdsCrossed {
        /// Upper threshold.
        upper: u32,
        /// Lower threshold.
        lower: u32,
    },
    /// The upper threshold is above [`limits::MAX_THRESHOLD`].
    ThresholdTooHigh(u32),
    /// The real server's address is not that of one host.
    AddressNotUnicast(ServerKey),
    /// Only a tunnel leads to a real server of the other address family.
    FamilyMismatch(ServerKey),
    /// A timeout is above [`limits::MAX_TIMEOUT_S`].
    TimeoutTooLong(u32),
    /// There are [`limits::MAX_SERVICES`] services, those included whose deleted servers still have connections.
    ServicesFull,
    /// There are [`limits::MAX_SERVERS`] real servers, the trash included.
    ServersFull,
    /// The service has [`limits::MAX_SERVERS_PER_SERVICE`] real servers.
    ServiceFull(ServiceKey),
}

impl Refusal {
    /// The error number the kernel answers in this case.
    pub const fn errno(&self) -> i32 {
        match self {
            Self::ServiceExists(_) | Self::ServerExists(_) => errno::EEXIST,
            Self::ServiceMissing(_) => errno::ESRCH,
            Self::SchedulerUnknown(_) | Self::ServerMissing(_) => errno::ENOENT,
            Self::WeightTooHigh(_) | Self::ThresholdsCrossed { .. } => errno::ERANGE,
            Self::ThresholdTooHigh(_)
            | Self::AddressNotUnicast(_)
            | Self::FamilyMismatch(_)
            | Self::TimeoutTooLong(_) => errno::EINVAL,
            Self::ServicesFull | Self::ServersFull | Self::ServiceFull(_) => errno::ENOSPC,
        }
    }

    /// Who has to act.
    pub const fn fault(&self) -> Fault {
        match self {
            Self::ServiceExists(_)
            | Self::ServiceMissing(_)
            | Self::ServerExists(_)
            | Self::ServerMissing(_) => Fault::State,
            Self::SchedulerUnknown(_)
            | Self::WeightTooHigh(_)
            | Self::ThresholdsCrossed { .. }
            | Self::ThresholdTooHigh(_)
            | Self::AddressNotUnicast(_)
            | Self::FamilyMismatch(_)
            | Self::TimeoutTooLong(_) => Fault::Command,
            Self::ServicesFull | Self::ServersFull | Self::ServiceFull(_) => Fault::Limit,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceExists(key) => write!(f, "virtual service {key} exists"),
            Self::ServiceMissing(key) => write!(f, "there is no virtual service {key}"),
            Self::SchedulerUnknown(name) => write!(f, "there is no scheduler '{name}'"),
            Self::ServerExists(key) => write!(f, "the service has real server {key} already"),
            Self::ServerMissing(key) => write!(f, "the service has no real server {key}"),
            Self::WeightTooHigh(weight) => {
                write!(f, "weight {weight} is above the limit of {}", limits::MAX_WEIGHT)
            }
            Self::ThresholdsCrossed { upper, lower } => {
                write!(f, "lower threshold {lower} is above upper threshold {upper}")
            }
            Self::ThresholdTooHigh(threshold) => {
                write!(f, "threshold {threshold} is above the limit of {}", limits::MAX_THRESHOLD)
            }
            Self::AddressNotUnicast(key) => write!(f, "{} is not the address of one host", key.address),
            Self::FamilyMismatch(key) => {
                write!(
                    f,
                    "{} is of another address family than the service: only a tunnel leads there",
                    key.address
                )
            }
            Self::TimeoutTooLong(timeout_s) => {
                write!(f, "timeout {timeout_s} s is above the limit of {} s", limits::MAX_TIMEOUT_S)
            }
            Self::ServicesFull => {
                write!(f, "the limit of {} virtual services is reached", limits::MAX_SERVICES)
            }
            Self::ServersFull => write!(
                f,
                "the limit of {} real servers is reached (deleted ones with living connections count)",
                limits::MAX_SERVERS - 1
            ),
            Self::ServiceFull(key) => write!(
                f,
                "virtual service {key} has reached the limit of {} real servers",
                limits::MAX_SERVERS_PER_SERVICE
            ),
        }
    }
}

impl std::error::Error for Refusal {}

/// The command of a batch that was refused, and with it the whole batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedCommand {
    /// Which command of the batch, from 0.
    pub index: usize,
    /// Why.
    pub refusal: Refusal,
}
