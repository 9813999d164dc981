//! Atomic cells shared between processors, between kernel and user space, and between BPF and host builds.
//!
//! `core::sync::atomic` has no read-modify-write operations on BPF, and LLVM 22 miscompiles a relaxed fetch-add whose
//! result is used (verifier diary 2 and 3). Everything that is shared goes through the two types here: SeqCst wherever
//! an old value is returned, plain loads and stores otherwise. This is the only unsafe code below `lvs-core`.
#![no_std]
#![cfg_attr(target_arch = "bpf", feature(core_intrinsics), allow(internal_features))]

#[cfg(target_arch = "bpf")]
mod bpf;
#[cfg(target_arch = "bpf")]
pub use bpf::{Atomic32, Atomic64};

#[cfg(not(target_arch = "bpf"))]
mod host;
#[cfg(not(target_arch = "bpf"))]
pub use host::{Atomic32, Atomic64};
