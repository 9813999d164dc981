//! A host of the lab: a namespace in which programs run and sockets are made.

use std::fs::{self, File};
use std::panic;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::ns::Namespace;

/// One host. Its programs see the host's network and the machine's everything else.
#[derive(Debug, Clone)]
pub struct Host {
    label: String,
    namespace: Namespace,
    logs: PathBuf,
}

/// A program that has ended.
#[derive(Debug)]
#[must_use]
pub struct Ran {
    shown: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Ran {
    pub(crate) fn new(words: &[&str], output: Output) -> Self {
        Self {
            shown: words.join(" "),
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Its output; panics with all it said unless it ended with 0.
    #[track_caller]
    pub fn expect_ok(self) -> String {
        assert!(self.status.success(), "`{}`: {}\n{}{}", self.shown, self.status, self.stdout, self.stderr);
        self.stdout
    }
}

/// A program that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Host {
    pub(crate) fn new(label: &str, namespace: Namespace, logs: &Path) -> Self {
        Self { label: label.to_owned(), namespace, logs: logs.to_owned() }
    }

    /// `client`, `director`, `server1` and so on.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The name of its namespace, for `ip -n` and `ip netns`.
    pub fn namespace_name(&self) -> &str {
        self.namespace.name()
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Runs a program here to its end.
    #[track_caller]
    pub fn run(&self, words: &[&str]) -> Ran {
        let output = self.command(words).stdin(Stdio::null()).output();
        Ran::new(words, output.unwrap_or_else(|error| panic!("{} on {}: {error}", words[0], self.label)))
    }

    /// Starts a program here; what it prints goes to a log file. It dies with the calling thread at the latest.
    #[track_caller]
    pub fn spawn(&self, words: &[&str]) -> Process {
        self.spawn_command(words[0], self.command(words))
    }

    /// A command that will run here; for environment variables and the like.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        self.namespace.adopt(&mut command);
        command
    }

    /// As [`Host::spawn`], of a command from [`Host::command`].
    #[track_caller]
    pub fn spawn_command(&self, program: &str, mut command: Command) -> Process {
        let program = Path::new(program).file_name().unwrap_or_default().to_string_lossy();
        let log = self.logs.join(format!("{}-{program}.log", self.label));
        let file =
            File::options().create(true).append(true).open(&log).expect("the lab's folder is writable");
        let errors = file.try_clone().expect("a file handle can be copied");
        let child = command.stdin(Stdio::null()).stdout(file).stderr(errors).spawn();
        let child = child.unwrap_or_else(|error| panic!("{program} on {}: {error}", self.label));
        Process { child, log }
    }

    /// Calls `work` in a thread whose sockets belong to this host, and waits for it. The sockets stay with the host
    /// wherever they are used afterwards.
    pub fn in_namespace<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            self.namespace.enter().expect("the namespace of a living lab can be entered");
            work()
        };
        thread::scope(|scope| scope.spawn(inside).join()).unwrap_or_else(|panic| panic::resume_unwind(panic))
    }

    /// Writes settings under `/proc/sys/net`.
    pub(crate) fn set(&self, settings: &[(&str, &str)]) {
        self.in_namespace(|| {
            for (name, value) in settings {
                fs::write(Path::new("/proc/sys/net").join(name), value).unwrap_or_else(|error| {
                    panic!("/proc/sys/net/{name}={value} on {}: {error}", self.label)
                });
            }
        });
    }
}

impl Process {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Has it not ended?
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// All it has printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks it to end and waits; panics when it does not within `limit`.
    #[track_caller]
    pub fn stop(&mut self, limit: Duration) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait(limit).unwrap_or_else(|| panic!("process {} ignores SIGTERM:\n{}", self.id(), self.log()))
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait(Duration::from_secs(10));
    }

    /// Waits for its end, `None` when it outlives `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() > end {
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn signal(&mut self, signal: Signal) {
        if self.is_running() {
            let id = Pid::from_child(&self.child);
            // It may have ended in between; then there is nothing left to do.
            let _ = kill_process(id, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
