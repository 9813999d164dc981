//! Network namespaces of a benchmark, removed when dropped.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A namespace of our own, named after this process.
pub(crate) struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// Makes it, with `lo` up.
    pub(crate) fn create(label: &str) -> Result<Self, String> {
        let name = format!("lvs-bench-{}-{label}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let file =
            File::open(Path::new("/run/netns").join(&name)).map_err(|error| format!("{name}: {error}"))?;
        let namespace = Self { name, file };
        namespace.ip("link set lo up\n")?;
        Ok(namespace)
    }

    /// Its name, for `ip -n` and `netns`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Moves the calling thread into it, and what it starts from now on.
    pub(crate) fn enter(&self) -> Result<(), String> {
        move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|error| format!("{}: {error}", self.name))
    }

    /// Runs lines of `ip` in it.
    pub(crate) fn ip(&self, lines: &str) -> Result<(), String> {
        let mut command = Command::new("ip");
        command.args(["-n", &self.name, "-batch", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("ip: {error}"))?;
        let written = child.stdin.take().map(|mut input| input.write_all(lines.as_bytes()));
        let output = child.wait_with_output().map_err(|error| format!("ip: {error}"))?;
        if output.status.success() && matches!(written, Some(Ok(()))) {
            return Ok(());
        }
        Err(format!("ip in {}: {}\n{lines}", self.name, String::from_utf8_lossy(&output.stderr)))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).output();
    }
}

/// Runs a program to its end; its words when it fails.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{shown}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Settings under `/proc/sys/net` of the calling thread's namespace.
pub(crate) fn set(settings: &[(&str, &str)]) -> Result<(), String> {
    for (name, value) in settings {
        let path = format!("/proc/sys/net/{name}");
        std::fs::write(&path, value).map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(())
}
