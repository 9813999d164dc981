//! Builds the eBPF object, checks the house rules, runs the benchmarks.

fn main() {}
