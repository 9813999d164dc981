//! Whose a lab is, and how the labs of dead processes are removed.
//!
//! Everything a lab leaves in the machine carries the process id and start time of its owner: namespaces, its folder and
//! its pins. So a lab that could not clean up (kill -9) is recognised and removed by the next one.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};

const NAMESPACES: &str = "/run/netns";
const BPFFS: &str = "/sys/fs/bpf";
const PREFIX: &str = "lvs-";

/// A lab's name on this machine: `lvs-PID-START-N`.
#[derive(Debug, Clone)]
pub(crate) struct Identity(String);

impl Identity {
    /// A new one for this process.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = std::process::id();
        let start = start_time(id).unwrap_or_default();
        Self(format!("{PREFIX}{id}-{start}-{}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// The namespace's name of a host.
    pub(crate) fn host(&self, label: &str) -> String {
        format!("{}-{label}", self.0)
    }

    /// The folder of logs, configuration and state.
    pub(crate) fn folder(&self) -> PathBuf {
        std::env::temp_dir().join(&self.0)
    }

    /// The folder of pinned maps, programs and links.
    pub(crate) fn pins(&self) -> PathBuf {
        Path::new(BPFFS).join(&self.0)
    }

    /// Removes all that carries the name, processes first.
    pub(crate) fn remove(&self) {
        let host = format!("{}-", self.0);
        for namespace in names_in(Path::new(NAMESPACES)).filter(|name| name.starts_with(&host)) {
            remove_namespace(&namespace);
        }
        // Pins keep programs attached; a folder of bpffs is removed like any other.
        let _ = fs::remove_dir_all(self.pins());
        let _ = fs::remove_dir_all(self.folder());
    }
}

/// Removes the labs whose owner no longer runs.
pub fn sweep() {
    let folders = [PathBuf::from(NAMESPACES), PathBuf::from(BPFFS), std::env::temp_dir()];
    for folder in folders {
        for name in names_in(&folder).filter(|name| owner_is_dead(name)) {
            let identity: Vec<&str> = name.splitn(5, '-').take(4).collect();
            Identity(identity.join("-")).remove();
        }
    }
}

fn owner_is_dead(name: &str) -> bool {
    let mut parts = name.strip_prefix(PREFIX).unwrap_or_default().split('-');
    let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok());
    let (Some(id), Some(start), Some(_)) = (number(), number(), number()) else { return false };
    u32::try_from(id).is_ok_and(|id| start_time(id) != Some(start))
}

/// Start of a living process in clock ticks since the machine's; a zombie lives no more.
fn start_time(id: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The second field, the name in brackets, may hold anything; `state` is the first after it, `starttime` the 20th.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    (*fields.first()? != "Z").then(|| fields.get(19)?.parse().ok())?
}

fn remove_namespace(name: &str) {
    let path = Path::new(NAMESPACES).join(name);
    if let Ok(inode) = fs::metadata(&path).map(|namespace| namespace.ino()) {
        kill_inside(inode);
    }
    // Fails only when another process was faster.
    let _ = Command::new("ip").args(["netns", "delete", name]).output();
}

/// Kills what still runs inside: children that a script left in the background.
fn kill_inside(inode: u64) {
    let processes = names_in(Path::new("/proc")).filter_map(|name| name.parse::<i32>().ok());
    for id in processes.filter(|id| *id > 1 && id.unsigned_abs() != std::process::id()) {
        let inside =
            fs::metadata(format!("/proc/{id}/ns/net")).is_ok_and(|namespace| namespace.ino() == inode);
        if let Some(id) = Pid::from_raw(id).filter(|_| inside) {
            let _ = kill_process(id, Signal::KILL);
        }
    }
}

fn names_in(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_read_from_the_name() {
        let id = std::process::id();
        let start = start_time(id).expect("this process runs");
        assert!(!owner_is_dead(&format!("lvs-{id}-{start}-0-client")));
        assert!(owner_is_dead(&format!("lvs-{id}-{}-0-client", start + 1)), "the id was given anew");
        assert!(!owner_is_dead("lvs-client"), "not a lab's");
        assert!(!owner_is_dead("other"), "not ours");
    }
}
