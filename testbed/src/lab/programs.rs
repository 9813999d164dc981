//! Where the programs under test lie, and whether a lab can be built here at all.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// Folder of `lvsd` and the others, when they do not lie beside the caller.
pub const BIN_VARIABLE: &str = "LVS_BIN";

/// The path of one of our programs: from `LVS_BIN`, else from the folder of the running program or the one above it
/// (tests lie in `deps`).
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    program_if_built(name).unwrap_or_else(|| panic!("{name} is not built: cargo build --workspace --bins"))
}

/// As [`program`], `None` when it is not built.
pub fn program_if_built(name: &str) -> Option<PathBuf> {
    let chosen = env::var_os(BIN_VARIABLE).map(PathBuf::from);
    let own = env::current_exe().unwrap_or_default();
    let beside = own.ancestors().skip(1).take(2).map(PathBuf::from);
    chosen.into_iter().chain(beside).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Is there what a lab needs? Otherwise says what is skipped and why, for the test to return at once:
///
/// ```no_run
/// if !lvs_testbed::lab::root_or_skip("lab_nat") {
///     return;
/// }
/// ```
#[must_use]
pub fn root_or_skip(what: &str) -> bool {
    let lacking = lacking();
    if let Some(lacking) = &lacking {
        eprintln!("{what}: skipped, {lacking}");
    }
    lacking.is_none()
}

fn lacking() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root can make network namespaces".to_owned());
    }
    for tool in ["ip", "ethtool", "nginx"] {
        if Command::new(tool).arg("-V").output().is_err() {
            return Some(format!("{tool} is not installed (scripts/setup)"));
        }
    }
    None
}
