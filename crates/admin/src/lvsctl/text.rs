//! Answers as people read them.

use std::fmt::Write;

use lvs_model::api::{Explanation, Interface, Interfaces, Status, Totals};

pub(super) fn status(status: &Status) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| push(&mut text, name, &value);
    line("lvsd", format!("{} (process {}, up {})", status.version, status.pid, duration(status.uptime_s)));
    line("kernel", status.kernel.clone());
    line("tables", {
        let origin = if status.adopted { "adopted from before" } else { "made at start" };
        format!("layout {}, {origin}", status.table_version)
    });
    line("services", format!("{}, {} real servers", status.service_count, status.server_count));
    if status.trash_count > 0 {
        line("trash", format!("{} deleted real servers not yet forgotten", status.trash_count));
    }
    line("connections", format!("{} of {}", status.connection_count, status.connection_limit));
    line(
        "interfaces",
        match status.interfaces.as_slice() {
            [] => "none: no packet is balanced (lvsctl interfaces attach NAME)".to_owned(),
            attached => attached.iter().map(short).collect::<Vec<_>>().join(", "),
        },
    );
    for (name, count) in &status.counters {
        push(&mut text, name, &count.to_string());
    }
    for warning in &status.warnings {
        push(&mut text, "warning", warning);
    }
    text
}

pub(super) fn totals(totals: &Totals) -> String {
    let (sums, rates) = (&totals.statistics, &totals.rates);
    let mut text = format!("{:<18} {:>20} {:>15}\n", "", "total", "per second");
    for (name, sum, rate) in [
        ("connections", sums.connections, rates.connections),
        ("packets in", sums.inbound_packets, rates.inbound_packets),
        ("packets out", sums.outbound_packets, rates.outbound_packets),
        ("bytes in", sums.inbound_bytes, rates.inbound_bytes),
        ("bytes out", sums.outbound_bytes, rates.outbound_bytes),
    ] {
        let _ = writeln!(text, "{name:<18} {sum:>20} {rate:>15}");
    }
    text
}

pub(super) fn interfaces(list: &Interfaces) -> String {
    if list.interfaces.is_empty() {
        return "no interface is attached\n".to_owned();
    }
    list.interfaces.iter().map(attached).collect()
}

pub(super) fn attached(interface: &Interface) -> String {
    let asked = if interface.mode == interface.attached { "" } else { " (auto)" };
    format!("{:<16} {}{asked}\n", interface.name, interface.attached.name())
}

pub(super) fn explanation(explanation: &Explanation) -> String {
    let mut text = String::new();
    for (index, step) in explanation.steps.iter().enumerate() {
        let _ = writeln!(text, "{:>2}. {step}", index + 1);
    }
    let _ = write!(text, "=> {}", explanation.verdict);
    if let Some(server) = explanation.server {
        let _ = write!(text, " to {server}");
    }
    if let Some(method) = explanation.method {
        let _ = write!(text, " by {}", method.name());
    }
    if let Some(interface) = &explanation.interface {
        let _ = write!(text, " through {interface}");
    }
    if let Some(next_hop) = explanation.next_hop {
        let _ = write!(text, " via {next_hop}");
    }
    text.push('\n');
    text
}

fn push(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name:<18} {value}");
}

fn short(interface: &Interface) -> String {
    format!("{} ({})", interface.name, interface.attached.name())
}

fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}
