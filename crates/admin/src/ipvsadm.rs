//! `ipvsadm` 1.31, as compatible as an administrator's scripts need it: same options, same texts, same exit codes.
//!
//! One line of the story: words -> `parse` -> `check` -> ask the director -> text. Everything that can be refused
//! without the director is refused in the first two steps.

mod check;
mod complaint;
mod connections;
mod list;
mod option;
mod order;
mod parse;
mod restore;

use std::io::{BufWriter, Read, Write};
use std::process::ExitCode;

use lvs_model::Command;
use lvs_model::limits::MAX_COMMANDS;

use self::check::{Action, check};
use self::complaint::Complaint;
use self::list::Format;
use self::option::{Given, Verb};
use self::parse::{Parsed, parse};
use self::restore::{Output, at_line};
use crate::client::Client;
use crate::director::{Director, Failure};
use crate::names::{Names, SystemNames};

const VERSION: &str = "ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1.2.1)\n";
const SAVE_HELP: &str = "ipvsadm-save: Script to save the IPVS table to stdout.\n   \
                         With the -n option, prints out the table in numeric format.\n";
const USAGE: &str = include_str!("ipvsadm/usage.txt");

/// What a run needs from outside.
pub struct World<'a> {
    /// Whom to ask.
    pub director: &'a mut dyn Director,
    /// Names of hosts and services.
    pub names: &'a dyn Names,
    /// Standard input, read by `-R` alone.
    pub stdin: &'a mut dyn Read,
    /// Standard output.
    pub stdout: &'a mut dyn Write,
    /// Standard error.
    pub stderr: &'a mut dyn Write,
}

/// Runs `ipvsadm` with these words (without the program's name) and answers the exit code.
pub fn run(words: &[String], world: &mut World<'_>) -> i32 {
    let result = if words.is_empty() { list_all(Given::default(), world) } else { run_words(words, world) };
    end(result, world)
}

/// Runs `ipvsadm-save` with these words: `ipvsadm -S`, with `-n` if that is among them.
pub fn run_save(words: &[String], world: &mut World<'_>) -> i32 {
    if words.iter().any(|word| word.starts_with('-') && word != "-n") {
        let _ = world.stderr.write_all(SAVE_HELP.as_bytes());
        return 1;
    }
    let numeric = words.iter().find(|word| *word == "-n").cloned();
    let words: Vec<String> = std::iter::once("-S".to_owned()).chain(numeric).collect();
    run(&words, world)
}

/// Runs `ipvsadm-restore`: lines beginning with `#` are comments; the table is replaced, or left as it was if any line
/// is refused (the original cleared it first).
pub fn run_restore(world: &mut World<'_>) -> i32 {
    let result = read_all(world).and_then(|text| {
        let lines: Vec<&str> =
            text.split('\n').map(|line| if line.starts_with('#') { "" } else { line }).collect();
        restore(&lines.join("\n"), true, world)
    });
    end(result, world)
}

/// Runs one of these programs on the process's own streams. The director is looked for before the words, as the
/// original did.
pub fn main(program: impl FnOnce(&[String], &mut World<'_>) -> i32) -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let (mut stderr, mut stdout) = (std::io::stderr().lock(), BufWriter::new(std::io::stdout().lock()));
    let exit = match Client::connect() {
        Err(failure) => unreachable(&failure, &mut stderr),
        Ok(mut director) => {
            let (director, names, stdin) = (&mut director, &SystemNames, &mut std::io::stdin().lock());
            program(&words, &mut World { director, names, stdin, stdout: &mut stdout, stderr: &mut stderr })
        }
    };
    ExitCode::from(exit as u8)
}

/// What `ipvsadm` says when no director answers.
fn unreachable(failure: &Failure, stderr: &mut dyn Write) -> i32 {
    let complaint = Complaint::unreachable(failure);
    let _ = writeln!(stderr, "{}", complaint.text);
    complaint.exit
}

/// What cannot be written (a closed pipe, say) is lost, and nothing else depends on it.
fn end(result: Result<(), Complaint>, world: &mut World<'_>) -> i32 {
    let exit = match result {
        Ok(()) => 0,
        Err(complaint) => {
            let _ = writeln!(world.stderr, "{}", complaint.text);
            complaint.exit
        }
    };
    let _ = world.stdout.flush();
    exit
}

fn run_words(words: &[String], world: &mut World<'_>) -> Result<(), Complaint> {
    let request = match parse(words, world.names)? {
        Parsed::Help => return print_help(world),
        Parsed::Version => return print(VERSION, world),
        Parsed::Request(request) => request,
    };
    match check(&request)? {
        Action::Change(verb, command) => {
            let result = world.director.apply(&[command]);
            result.map_err(|failure| Complaint::from_failure(verb, failure))
        }
        Action::Restore => {
            let text = read_all(world)?;
            restore(&text, false, world)
        }
        action => show(&action, world),
    }
}

fn restore(text: &str, clear: bool, world: &mut World<'_>) -> Result<(), Complaint> {
    let mut batch = restore::read(text, world.names)?;
    if clear {
        batch.commands.insert(0, Command::Flush);
        batch.origins.insert(0, (Verb::Flush, 0));
    }
    if batch.commands.len() > MAX_COMMANDS {
        return Err(Complaint::refused(format!("ipvsadm: more than {MAX_COMMANDS} commands at once")));
    }
    if !batch.commands.is_empty() {
        world.director.apply(&batch.commands).map_err(|failure| {
            let index = match &failure {
                Failure::Refused(answer) => answer.index,
                _ => None,
            };
            match index.and_then(|index| batch.origins.get(index)) {
                Some((verb, line)) => at_line(Complaint::from_failure(*verb, failure), *line),
                None => Complaint::from_failure(Verb::Restore, failure),
            }
        })?;
    }
    batch.outputs.iter().try_for_each(|output| match output {
        Output::Help => print_help(world),
        Output::Version => print(VERSION, world),
        Output::Action(action) => show(action, world),
    })
}

fn show(action: &Action, world: &mut World<'_>) -> Result<(), Complaint> {
    match action {
        Action::ListAll(given) => list_all(*given, world),
        Action::ListService(key, given) => {
            let listing = world.director.listing().map_err(Complaint::from_listing_failure)?;
            let found = listing.services.iter().find(|service| service.service.key == *key);
            let service = found.ok_or_else(|| Complaint { text: "No such service".to_owned(), exit: 1 })?;
            print(&list::one(service, &Format::of_list(*given, world.names)), world)
        }
        Action::ListConnections(given) => list_connections(*given, world),
        Action::ListTimeouts => {
            let timeouts = world.director.timeouts().map_err(Complaint::from_listing_failure)?;
            let (tcp_s, tcp_fin_s, udp_s) = (timeouts.tcp_s, timeouts.tcp_fin_s, timeouts.udp_s);
            print(&format!("Timeout (tcp tcpfin udp): {tcp_s} {tcp_fin_s} {udp_s}\n"), world)
        }
        Action::Save(given) => {
            let listing = world.director.listing().map_err(Complaint::from_listing_failure)?;
            print(&list::all(&listing, &Format::of_save(*given, world.names)), world)
        }
        Action::ListDaemons | Action::Change(..) | Action::Restore => Ok(()),
    }
}

fn list_all(given: Given, world: &mut World<'_>) -> Result<(), Complaint> {
    let listing = world.director.listing().map_err(Complaint::from_listing_failure)?;
    print(&list::all(&listing, &Format::of_list(given, world.names)), world)
}

fn list_connections(given: Given, world: &mut World<'_>) -> Result<(), Complaint> {
    let (stdout, names) = (&mut *world.stdout, world.names);
    let _ = stdout.write_all(connections::title(given).as_bytes());
    let mut each = |row| drop(stdout.write_all(connections::row(&row, given, names).as_bytes()));
    world.director.connections(&mut each).map_err(Complaint::from_listing_failure)
}

fn print_help(world: &mut World<'_>) -> Result<(), Complaint> {
    print(VERSION, world)?;
    print(USAGE, world)
}

fn print(text: &str, world: &mut World<'_>) -> Result<(), Complaint> {
    let _ = world.stdout.write_all(text.as_bytes());
    Ok(())
}

fn read_all(world: &mut World<'_>) -> Result<String, Complaint> {
    let mut bytes = Vec::new();
    world
        .stdin
        .read_to_end(&mut bytes)
        .map_err(|error| Complaint::refused(format!("ipvsadm: standard input: {error}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
