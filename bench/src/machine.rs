//! What ran: the machine and the versions, for the head of every result; and the quiet that timing needs.

use std::fs;
use std::process::Command;

use rustix::thread::{CpuSet, sched_setaffinity};
use serde::Serialize;

/// Processor on which the director works, or the program under test.
pub(crate) const DIRECTOR_CPU: usize = 1;
/// Processor for everything else.
pub(crate) const OTHER_CPU: usize = 0;
/// Priority of timed work, among real-time ones.
const PRIORITY: &str = "10";

/// Where figures come from; without this they mean nothing.
#[derive(Serialize, Debug, Clone)]
pub(crate) struct Machine {
    cpu: String,
    cpus: usize,
    kernel: String,
    versions: Vec<String>,
    object_bytes: usize,
    congestion_control: &'static str,
    when: String,
}

/// Asks the machine.
pub(crate) fn describe() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpuinfo = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(": ").map_or(String::new(), |(_, value)| value.to_owned())
    };
    let l3 = read("/sys/devices/system/cpu/cpu0/cache/index3/size");
    let cpu = format!(
        "{}, family {} model {}, L3 {l3}",
        field("model name"),
        field("cpu family"),
        field("model\t")
    );
    let versions = [
        &["haproxy", "-v"][..],
        &["nginx", "-v"],
        &["nft", "--version"],
        &["ip", "-V"],
        &["rustc", "--version"],
    ];
    Machine {
        cpu,
        cpus: std::thread::available_parallelism().map_or(0, usize::from),
        kernel: read("/proc/sys/kernel/osrelease"),
        versions: versions.iter().filter_map(|words| first_line(words)).collect(),
        object_bytes: lvs_dataplane::OBJECT.len(),
        congestion_control: "reno",
        when: first_line(&["date", "-u", "+%Y-%m-%d %H:%M UTC"]).unwrap_or_default(),
    }
}

fn first_line(words: &[&str]) -> Option<String> {
    let output = Command::new(words[0]).args(&words[1..]).output().ok()?;
    // nginx speaks on standard error.
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().map(str::to_owned)
}

/// Binds the calling thread, and what it starts, to a processor.
pub(crate) fn stay_on(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    // On a machine with one processor the work is done where it can be.
    let _ = sched_setaffinity(None, &set);
}

/// Gives the calling thread real-time priority, or takes it back.
pub(crate) fn urgent(yes: bool) {
    let thread = rustix::thread::gettid().as_raw_nonzero().to_string();
    let words: &[&str] = if yes { &["-f", "-p", PRIORITY] } else { &["-o", "-p", "0"] };
    // Without it figures are noisier; rounds that were disturbed are dropped anyway.
    let _ = Command::new("chrt").args(words).arg(thread).output();
}
