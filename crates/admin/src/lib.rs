//! The command-line tools: arguments to [`lvs_model::Command`], answers to text.
//!
//! `ipvsadm`, `ipvsadm-save` and `ipvsadm-restore` are drop-in for version 1.31 of the originals; `lvsctl` has what
//! lvs adds. All of them are plain blocking programs that ask `lvsd` over its unix socket and end: ldirectord starts
//! three of them for every change. This room refuses to know what a command does: that is the model's business.

pub mod address;
pub mod client;
pub mod director;
pub mod ipvsadm;
pub mod lvsctl;
pub mod names;
pub mod number;
pub mod popt;
