//! The packet path without a kernel: tables in vectors, frames in memory, a clock and next hops that a test sets.
//!
//! Owns everything that stands in for the kernel: [`HostTables`] for maps, [`HostFrame`] for packet buffers (with the
//! helpers' own habits), [`Host`] for a hook at an interface. [`Cluster`] writes services and servers into any tables,
//! mapped ones too; [`packet`] makes packets in words and [`decode`] reads them back for failure messages. It decides
//! nothing about packets: that is `lvs-core`.
mod cluster;
pub mod decode;
mod frame;
pub mod fuzz;
pub mod packet;
mod random;
pub mod stage;
mod tables;
pub mod testrun;

pub use cluster::{Cluster, Method, Picked, Scheduler, ServerSpec, address_of, family_of};
pub use frame::HostFrame;
pub use random::{Random, number_from_env};
pub use tables::{Host, HostTables, Link, hop};
