//! Network namespaces: made, entered, given to children.
//!
//! The one unsafe block is the hook between fork and exec. Only the network namespace is entered: `ip netns exec` would
//! also remount sysfs, and with it hide bpffs.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A named network namespace, as `ip netns` knows it; removed by [`super::sweep()`].
#[derive(Debug, Clone)]
pub(crate) struct Namespace {
    name: String,
    file: Arc<File>,
}

impl Namespace {
    /// Makes a new one.
    pub(crate) fn create(name: &str) -> io::Result<Self> {
        let status = Command::new("ip").args(["netns", "add", name]).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("ip netns add {name}: {status}")));
        }
        let file = Arc::new(File::open(Self::path_of(name))?);
        Ok(Self { name: name.to_owned(), file })
    }

    /// The name for `ip -n`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Moves the calling thread into it, for good.
    pub(crate) fn enter(&self) -> io::Result<()> {
        Ok(move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))?)
    }

    /// The child of this command starts inside and dies with the thread that starts it.
    pub(crate) fn adopt(&self, command: &mut Command) {
        let namespace = self.file.clone();
        let parent = std::process::id();
        let between = move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            set_parent_process_death_signal(Some(Signal::KILL))?;
            // The parent may have died before the line above.
            if getppid().is_none_or(|now| now.as_raw_nonzero().get().unsigned_abs() != parent) {
                return Err(io::ErrorKind::NotFound.into());
            }
            Ok(())
        };
        // SAFETY: between fork and exec only three system calls are made; nothing is allocated and no lock is taken.
        unsafe { command.pre_exec(between) };
    }

    fn path_of(name: &str) -> PathBuf {
        PathBuf::from("/run/netns").join(name)
    }
}
