//! What the operator means.
//!
//! Every word of an operator, be it typed to `ipvsadm`, sent to the API of `lvsd` or read from a file, becomes a
//! [`Command`]. [`Model::apply`] either accepts it, changing the [`Model`] and telling in a [`ChangeSet`] which records
//! of the data plane are to be written, or answers a [`Refusal`] and leaves the model as it was.
//!
//! This room is pure: it reads no file, no socket and no clock, and it holds no counters of the running director (they
//! live in the data plane's tables and meet the model in a [`listing::Listing`]). It refuses to decide when a trashed
//! real server is forgotten (the daemon knows the references and the time, see [`Model::collect`]), how a scheduler
//! plans (core), and how a table looks (core and data plane).

#![forbid(unsafe_code)]

pub mod api;
pub mod change;
pub mod command;
pub mod id;
pub mod limits;
pub mod listing;
pub mod model;
pub mod refusal;
pub mod save;
pub mod server;
pub mod service;

pub use change::{ChangeSet, ServerChange, ServiceChange};
pub use command::Command;
pub use id::{ServerId, ServiceId};
pub use model::{Model, ServerEntry, ServiceEntry, Timeouts};
pub use refusal::{Fault, Refusal, RefusedCommand};
pub use server::{ForwardingMethod, RealServer, ServerKey, TunnelKind};
pub use service::{Protocol, Scheduler, SchedulerName, ServiceKey, ServiceRequest, VirtualService};
