//! Packet fixtures, golden files, differential tests and namespace labs.

pub mod host;
pub mod lab;
