//! The law of the packet: what lvs does with every frame, in the kernel (XDP and TC), in tests, in fuzzing, in simulation.
//!
//! This crate asks for nothing: tables, time and frames are arguments. It has no allocation, no clock, no randomness and no
//! unsafe code. What the verifier of the kernel demands of its style stands in `docs/developer/verifier.md`.
#![no_std]
#![forbid(unsafe_code)]

pub mod address;
pub mod conn;
pub mod counter;
pub mod director;
pub mod endpoint;
pub mod flow;
pub mod forward;
pub mod hash;
pub mod sched;
pub mod table;
pub mod verdict;
pub mod wire;
