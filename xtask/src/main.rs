//! The house's own tasks: `cargo xtask TASK`.
//!
//! Owns how the eBPF object is built and which rules a commit must keep. Uses the standard library alone, so that it
//! builds in a second and on every machine. Refuses to know anything about packets.

mod check;
mod ebpf;
mod tidy;
mod tool;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask ebpf             build the eBPF object into crates/dataplane/bpf/lvs.o
cargo xtask ebpf --bench     build what feeds the benchmarks into bench/bpf/pump.o
cargo xtask ebpf --verify    build it aside and compare it with the committed one, bit for bit
cargo xtask tidy             the house rules, which stand in xtask/src/tidy.rs
cargo xtask check [--fast]   everything before a commit; --fast leaves out the eBPF object
cargo xtask test             the tests alone";

fn main() -> ExitCode {
    if let Some(code) = ebpf::as_rustc_wrapper() {
        return code;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["ebpf"] => ebpf::build(&ebpf::DATA_PLANE),
        ["ebpf", "--bench"] => ebpf::build(&ebpf::BENCH),
        ["ebpf", "--verify"] => ebpf::verify(),
        ["tidy"] => tidy::run(),
        ["check"] => check::all(check::Extent::Full),
        ["check", "--fast"] => check::all(check::Extent::Fast),
        ["test"] => check::tests(),
        _ => Err(HELP.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
