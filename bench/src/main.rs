//! The benchmarks of the project: `lvs-bench all`, or one of them. docs/developer/performance.md tells how to read them.

mod commands;
mod lab;
mod machine;
mod memory;
mod namespace;
mod packet;
mod pieces;
mod plane;
mod pump;
mod report;
mod scene;

use std::process::ExitCode;

const HELP: &str = "\
lvs-bench all [--quick]              everything; results go to perf/results
lvs-bench packet [--quick] [SCENE]   nanoseconds of a packet; SCENE is a part of a name such as 'v4 tcp dr'
lvs-bench pieces                     what a helper call, a table, a clock cost here
lvs-bench lab [--quick] [BALANCER]   end to end against other balancers; BALANCER is a part of a name such as 'lvs xdp'
lvs-bench commands                   ipvsadm's calls
lvs-bench memory                     bytes of a connection";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let quick = words.iter().any(|word| word == "--quick");
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.starts_with("--")).collect();
    let done = match words[..] {
        ["packet", ref rest @ ..] => packets(quick, rest.first().copied().unwrap_or_default()),
        ["pieces"] => pieces_of_programs(),
        ["lab", ref rest @ ..] => end_to_end(quick, rest.first().copied().unwrap_or_default()),
        ["commands"] => calls(),
        ["memory"] => memory_of_connections(),
        ["all"] => pieces_of_programs()
            .and_then(|()| packets(quick, ""))
            .and_then(|()| memory_of_connections())
            .and_then(|()| end_to_end(quick, ""))
            .and_then(|()| calls()),
        _ => Err(HELP.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("lvs-bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn packets(quick: bool, only: &str) -> Result<(), String> {
    let only = only.to_owned();
    // A thread of its own: it stays in its namespace for good.
    let rows = report::in_thread(move || packet::run(quick, &only))?;
    report::write("packet", &rows)
}

fn pieces_of_programs() -> Result<(), String> {
    let pieces = report::in_thread(pieces::run)?;
    report::write("pieces", &pieces)
}

fn end_to_end(quick: bool, only: &str) -> Result<(), String> {
    let only = only.to_owned();
    let rows = report::in_thread(move || lab::run(quick, &only))?;
    report::write("lab", &rows)
}

fn calls() -> Result<(), String> {
    let commands = commands::run()?;
    commands::print(&commands);
    report::write("commands", &commands)
}

fn memory_of_connections() -> Result<(), String> {
    let memory = memory::run()?;
    memory::print(&memory);
    report::write("memory", &memory)
}
