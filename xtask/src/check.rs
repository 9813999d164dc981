//! Everything that stands between a change and its commit.

use std::process::Command;

use crate::tool::{self, Outcome};
use crate::{ebpf, tidy};

/// How much is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    Full,
    /// Without the eBPF object.
    Fast,
}

/// Format, clippy, documentation, house rules, tests, object.
pub(crate) fn all(extent: Extent) -> Outcome {
    step("format", format)?;
    step("tidy", tidy::run)?;
    step("clippy", || {
        tool::run(tool::cargo().args([
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--",
            "-Dwarnings",
        ]))
    })?;
    step("doc", || {
        tool::run(
            tool::cargo()
                .args(["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"])
                .env("RUSTDOCFLAGS", "-Dwarnings"),
        )
    })?;
    if extent == Extent::Full {
        step("ebpf", ebpf::verify)?;
    }
    step("tests", tests)
}

/// The tests; with nextest where it is, each in a process of its own.
pub(crate) fn tests() -> Outcome {
    // Lab tests run the programs themselves.
    tool::run(tool::cargo().args(["build", "--quiet", "--workspace", "--bins"]))?;
    if tool::find(&["cargo-nextest"]).is_some() {
        tool::run(tool::cargo().args(["nextest", "run", "--workspace", "--no-fail-fast"]))?;
        // nextest runs no documentation tests.
        return tool::run(tool::cargo().args(["test", "--quiet", "--workspace", "--doc"]));
    }
    tool::run(tool::cargo().args(["test", "--workspace", "--no-fail-fast"]))
}

fn format() -> Outcome {
    tool::run(tool::cargo().args(["fmt", "--all", "--check"]))?;
    for other in ["crates/ebpf/Cargo.toml", "bench/ebpf/Cargo.toml", "fuzz/Cargo.toml"] {
        if tool::root().join(other).is_file() {
            tool::run(tool::cargo().args(["fmt", "--check", "--manifest-path", other]))?;
        }
    }
    for script in ["scripts/setup", "demo/demo.sh"] {
        tool::run(Command::new("bash").current_dir(tool::root()).args(["-n", script]))?;
    }
    Ok(())
}

fn step(name: &str, work: impl FnOnce() -> Outcome) -> Outcome {
    eprintln!("== {name}");
    work()
}
