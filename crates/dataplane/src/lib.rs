//! Loads, pins, fills and reads the eBPF data plane.
