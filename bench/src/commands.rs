//! Bench 4: how fast commands are: one call, a thousand changes, ten thousand lines at once.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lvs_model::api::SOCKET_VARIABLE;
use serde::Serialize;

use crate::lab::{program, tool};
use crate::namespace::Namespace;

/// Changes of one server's weight and the like, each a call of its own.
const CHANGES: usize = 1000;
/// Services and servers of the large restore: 500 x (1 + 19) lines.
const SERVICES: usize = 500;
const SERVERS: usize = 19;
/// Calls whose median is told.
const CALLS: usize = 101;

/// What it took.
#[derive(Serialize, Debug, Clone)]
pub(crate) struct Commands {
    /// Median of `ipvsadm -L -n` with one service, milliseconds.
    pub(crate) list_ms: f64,
    /// Median of one change.
    pub(crate) change_ms: f64,
    /// A thousand of them, seconds; at most 5.
    pub(crate) thousand_changes_s: f64,
    /// `ipvsadm -R` of ten thousand lines, seconds; at most 2.
    pub(crate) restore_s: f64,
    /// Lines of it.
    pub(crate) restore_lines: usize,
}

/// lvsd in a namespace of its own.
struct Daemon {
    child: Child,
    socket: PathBuf,
    folder: PathBuf,
    pins: PathBuf,
    _namespace: Namespace,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = lvs_dataplane::detach_all(&self.pins);
        let _ = fs::remove_dir_all(&self.pins);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Measures.
pub(crate) fn run() -> Result<Commands, String> {
    let daemon = start()?;
    let call = |line: &str| tool(&daemon.socket, "ipvsadm", line);
    call("-A -t 10.1.0.100:80 -s wlc")?;
    call("-a -t 10.1.0.100:80 -r 10.2.0.11:80 -g")?;
    let mut lists = Vec::new();
    for _ in 0..CALLS {
        let started = Instant::now();
        call("-L -n")?;
        lists.push(started.elapsed());
    }
    let mut changes = Vec::new();
    let whole = Instant::now();
    for number in 0..CHANGES {
        let started = Instant::now();
        call(&format!("-e -t 10.1.0.100:80 -r 10.2.0.11:80 -g -w {}", 1 + number % 100))?;
        changes.push(started.elapsed());
    }
    let thousand_changes_s = whole.elapsed().as_secs_f64();
    call("-C")?;
    let lines = many_lines();
    let restore_s = restore(&daemon.socket, &lines)?;
    let listed = call("-S -n")?.lines().count();
    let wanted = SERVICES * (SERVERS + 1);
    if listed != wanted {
        return Err(format!("{listed} of {wanted} lines are there after the restore"));
    }
    Ok(Commands {
        list_ms: median_ms(lists),
        change_ms: median_ms(changes),
        thousand_changes_s,
        restore_s,
        restore_lines: wanted,
    })
}

/// As text.
pub(crate) fn print(commands: &Commands) {
    println!("ipvsadm -L -n             {:.2} ms (at most 5)", commands.list_ms);
    println!("one change                {:.2} ms (at most 5)", commands.change_ms);
    println!("1,000 changes             {:.2} s (at most 5)", commands.thousand_changes_s);
    println!("ipvsadm -R, {} lines   {:.2} s (at most 2)", commands.restore_lines, commands.restore_s);
}

fn start() -> Result<Daemon, String> {
    let namespace = Namespace::create("commands")?;
    let folder = std::env::temp_dir().join(format!("lvs-bench-commands-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let pins = PathBuf::from(format!("/sys/fs/bpf/lvs-bench-{}-commands", std::process::id()));
    let socket = folder.join("lvsd.sock");
    let log = fs::File::create(folder.join("lvsd.log")).map_err(|error| error.to_string())?;
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{}", namespace.name())).arg(program("lvsd")?);
    command.arg("--socket").arg(&socket).arg("--state").arg(folder.join("state"));
    command.arg("--pin-dir").arg(&pins).arg("--proc-dir").arg(folder.join("proc"));
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
    let child = child.map_err(|error| format!("lvsd: {error}"))?;
    let mut daemon = Daemon { child, socket, folder, pins, _namespace: namespace };
    let end = Instant::now() + Duration::from_secs(20);
    while tool(&daemon.socket, "ipvsadm", "-L").is_err() {
        if Instant::now() > end || !matches!(daemon.child.try_wait(), Ok(None)) {
            let said = fs::read_to_string(daemon.folder.join("lvsd.log")).unwrap_or_default();
            return Err(format!("lvsd does not answer: {said}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(daemon)
}

fn many_lines() -> String {
    let mut lines = String::new();
    for service in 0..SERVICES {
        let address = format!("10.3.{}.{}:80", service / 250, 1 + service % 250);
        // A String takes all that is written to it.
        let _ = writeln!(lines, "-A -t {address} -s wlc");
        for server in 0..SERVERS {
            let _ = writeln!(lines, "-a -t {address} -r 10.4.{}.{}:80 -g -w 1", service / 250, 1 + server);
        }
    }
    lines
}

fn restore(socket: &Path, lines: &str) -> Result<f64, String> {
    let started = Instant::now();
    let child = Command::new(program("ipvsadm")?)
        .arg("-R")
        .env(SOCKET_VARIABLE, socket)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.map_err(|error| format!("ipvsadm: {error}"))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(lines.as_bytes()).map_err(|error| format!("ipvsadm -R: {error}"))?;
    }
    let output = child.wait_with_output().map_err(|error| format!("ipvsadm: {error}"))?;
    if !output.status.success() {
        return Err(format!("ipvsadm -R: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(started.elapsed().as_secs_f64())
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}
