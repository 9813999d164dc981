//! lvsd and the tools that speak to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use lvs_model::api::SOCKET_VARIABLE;
use rustix::mount::{MountFlags, mount};

use super::host::Ran;
use super::net::{INSIDE, OUTSIDE};
use super::{Hook, Host, Process, program};

const BPFFS: &str = "/sys/fs/bpf";
/// How long lvsd may take to load its programs and listen.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long lvsd may take to end when asked.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Where lvsd keeps what, and what it attaches to.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Words before lvsd's own.
    pub(crate) prefix: Vec<String>,
    pub(crate) socket: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) pins: PathBuf,
    pub(crate) proc: PathBuf,
    pub(crate) hook: Hook,
    pub(crate) connections_max: u32,
}

impl Settings {
    /// The words that start it.
    pub(crate) fn words(&self) -> Vec<String> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let hook = self.hook.word();
        let mut words = self.prefix.clone();
        words.push(text(&program("lvsd")));
        for (flag, value) in [
            ("--socket", text(&self.socket)),
            ("--state", text(&self.state)),
            ("--pin-dir", text(&self.pins)),
            ("--proc-dir", text(&self.proc)),
            ("--interface", format!("{OUTSIDE}={hook}")),
            ("--interface", format!("{INSIDE}={hook}")),
            ("--max-connections", self.connections_max.to_string()),
        ] {
            words.extend([flag.to_owned(), value]);
        }
        words
    }
}

/// Starts lvsd on the director and waits until it answers.
#[track_caller]
pub(crate) fn start(director: &Host, settings: &Settings) -> Process {
    mount_bpffs();
    fs::create_dir_all(&settings.proc).expect("the lab's folder is writable");
    let words = settings.words();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut lvsd = director.spawn(&words);
    let end = Instant::now() + START_LIMIT;
    while !answers(settings) {
        assert!(lvsd.is_running(), "lvsd ended:\n{}", lvsd.log());
        assert!(Instant::now() < end, "lvsd does not answer within {START_LIMIT:?}:\n{}", lvsd.log());
        thread::sleep(Duration::from_millis(10));
    }
    lvsd
}

/// Ends it as systemd would.
#[track_caller]
pub(crate) fn stop(lvsd: &mut Process) {
    let status = lvsd.stop(STOP_LIMIT);
    assert!(status.success(), "lvsd, asked to end: {status}\n{}", lvsd.log());
}

/// Runs one of the command-line tools on the director.
#[track_caller]
pub(crate) fn tool(director: &Host, settings: &Settings, name: &str, line: &str) -> Ran {
    let path = program(name);
    let words: Vec<&str> = line.split_whitespace().collect();
    let path = path.to_string_lossy();
    let mut command = director.command(&[&[&*path], &words[..]].concat());
    command.env(SOCKET_VARIABLE, &settings.socket).stdin(Stdio::null());
    let output = command.output().unwrap_or_else(|error| panic!("{name}: {error}"));
    Ran::new(&[&[name], &words[..]].concat(), output)
}

fn answers(settings: &Settings) -> bool {
    let mut status = Command::new(program("lvsctl"));
    status.arg("status").env(SOCKET_VARIABLE, &settings.socket);
    settings.socket.exists() && status.output().is_ok_and(|output| output.status.success())
}

fn mount_bpffs() {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    if !mounts.lines().any(|line| line.split(' ').nth(1) == Some(BPFFS)) {
        mount("bpf", BPFFS, "bpf", MountFlags::empty(), None).expect("root can mount bpffs");
    }
}
