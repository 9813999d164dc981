//! lvsd: owns the model and keeps the data plane equal to it.
//!
//! Commands come in over the API's socket, change the model, and are written to the pinned tables; listings, statistics
//! and files for monitoring come out of both. No packet ever waits for this process: while it is away, the tables go
//! on, and what they counted is added up when it is back.
//!
//! Threads: one accepts requests and starts one for each (at most 32), one sweeps the connection table, one does what
//! is due every two seconds, one watches the kernel's routes, one makes the state file durable; the first waits for
//! signals.

mod address;
mod api;
mod connections;
mod director;
mod endpoints;
pub mod error;
mod explain;
#[cfg(test)]
mod host_tables;
mod http;
mod members;
mod notify;
pub mod options;
mod procfs;
mod records;
mod routes;
mod run;
mod state;
mod statistics;
mod work;

pub use error::Error;
pub use run::run;

/// One line for the operator; the service manager's log has the time.
pub(crate) fn log(line: &str) {
    eprintln!("lvsd: {line}");
}
