//! The shell around the eBPF data plane: loads and pins it, attaches it to interfaces, maps its tables, reads its counters.
//!
//! Owns everything that is said to the kernel about BPF and interfaces. Knows nothing of what the tables mean: the
//! director writes them through [`lvs_core::table::Tables`]. Traffic goes on without this process: tables and links are
//! pinned under `PIN_DIR/vN`, N being the version of the layouts; only [`detach_all`] ends it.

mod attach;
mod clock;
pub mod counters;
pub mod decap;
pub mod error;
pub mod netlink;
mod object;
mod pod;
mod ports;
mod tables;

pub use attach::{Attached, detach_all};
pub use counters::TrafficSum;
pub use error::Error;
pub use object::Object;
pub use pod::Mapping;
pub use tables::{MappedTables, now};

/// The eBPF object this build carries; `cargo xtask ebpf` makes it.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/bpf/lvs.o"));
