//! Replays recorded calls of the original ipvsadm (1.31 on a real kernel) and compares byte for byte.
//!
//! The records lie in `testbed/golden/ipvsadm`, one theme a file, each from an empty table. What differs on purpose is
//! listed in [`EXCEPTIONS`] with its reason; whole classes are named in [`check`].

mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use lvs_model::Protocol;
use lvs_model::listing::{ConnectionRow, Statistics};
use serde::Deserialize;
use support::{Memory, Outcome, call, words};

/// A recorded call. Records of other kinds (header, packets, waits) have no `args`.
#[derive(Deserialize)]
struct Record {
    args: Option<Vec<String>>,
    program: Option<String>,
    stdin: Option<String>,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    stderr: String,
    #[serde(default)]
    exit: i32,
}

/// How an exception may differ.
#[derive(Clone, Copy, PartialEq)]
enum Differs {
    /// In the order of lines.
    Order,
    /// The original refused it, we do not.
    Accepted,
}

/// Calls whose answer differs: theme, words (joined by blanks), how, why.
const EXCEPTIONS: &[(&str, &str, Differs, &str)] = &[
    (
        "popt",
        "-ln --exact --nosort --stats --",
        Differs::Order,
        "the kernel lists services in the order of a hash that differs from boot to boot; ours is that of their ids",
    ),
    (
        "services",
        "-ln",
        Differs::Order,
        "addresses more than 2^31 apart are compared by a difference that overflows: the sorted order depends on the \
         unsorted one, which is the kernel's hash",
    ),
    (
        "servers",
        "-a -t 10.1.0.100:80 -r 10.9.0.255 -g",
        Differs::Accepted,
        "the broadcast address of a local network is known as such only to who knows the interfaces; the model does not",
    ),
];

#[test]
fn every_recorded_call_is_answered_alike() {
    let (mut compared, mut differences) = (0, Vec::new());
    for path in themes() {
        let theme = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut director = Memory::default();
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            let record: Record = serde_json::from_str(line).unwrap();
            let Some(args) = &record.args else { continue };
            compared += 1;
            if let Err(difference) = check(&theme, args, &record, &mut director) {
                differences.push(format!(
                    "{theme}.jsonl line {}: {}\n{difference}",
                    number + 1,
                    args.join(" ")
                ));
            }
        }
    }
    assert!(compared > 1000, "only {compared} records found: where is testbed/golden/ipvsadm?");
    assert!(
        differences.is_empty(),
        "{} of {compared} differ:\n\n{}",
        differences.len(),
        differences.join("\n\n")
    );
}

fn themes() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed/golden/ipvsadm");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    // Written by a user without privileges: lvsd's answer, not ours, see the tests of lvsd.
    paths.retain(|path| path.file_stem().is_some_and(|name| name != "nobody"));
    paths.sort();
    paths
}

fn check(theme: &str, args: &[String], record: &Record, director: &mut Memory) -> Result<(), String> {
    let program = record.program.as_deref().unwrap_or("ipvsadm");
    let stdin = record.stdin.as_deref().unwrap_or_default();
    feed(&record.stdout, director);
    let expected =
        Outcome { stdout: record.stdout.clone(), stderr: record.stderr.clone(), exit: record.exit };
    let before = director.model.clone();
    let ours = call(director, program, args, stdin);
    if ours == expected {
        return Ok(());
    }
    let joined = args.join(" ");
    let exception = EXCEPTIONS.iter().find(|(of, call, ..)| *of == theme && *call == joined);
    match exception.map(|(_, _, differs, _)| differs) {
        Some(Differs::Order) if sorted_lines(&ours) == sorted_lines(&expected) => return Ok(()),
        Some(Differs::Accepted) if ours.exit == 0 && expected.exit == 255 => {
            director.model = before;
            return Ok(());
        }
        _ => {}
    }
    let result = if theme.starts_with("later-") {
        check_later(&ours, &expected, director.model == before)
    } else if matches!(args.first().map(String::as_str), Some("-R" | "--restore"))
        || program == "ipvsadm-restore"
    {
        check_restore(&ours, &expected, director.model == before)
    } else {
        Err(String::new())
    };
    if program == "ipvsadm-restore" || !stdin.is_empty() {
        catch_up(program, stdin, director);
    }
    result.map_err(|note| format!("{note}original: {expected:?}\nours:     {ours:?}"))
}

fn sorted_lines(outcome: &Outcome) -> Vec<&str> {
    let mut lines: Vec<&str> = outcome.stdout.lines().chain(outcome.stderr.lines()).collect();
    lines.sort_unstable();
    lines
}

/// Features of later versions: the grammar and its complaints are the original's, the rest is refused in one line and
/// changes nothing. What is listed afterwards, and refused by the kernel, depends on the calls that were refused here.
fn check_later(ours: &Outcome, expected: &Outcome, unchanged: bool) -> Result<(), String> {
    if ours.stderr.ends_with(" not supported by this version of lvs\n") {
        return if ours.exit == 255 && ours.stdout.is_empty() && unchanged && expected.exit != 2 {
            Ok(())
        } else {
            Err("refused as later, but not as it should be\n".to_owned())
        };
    }
    let is_grammar = |outcome: &Outcome| {
        let popt = [
            "unknown option\n",
            "missing argument\n",
            "does not take an argument\n",
            "for more information.\n",
        ];
        outcome.exit == 2 || popt.iter().any(|end| outcome.stderr.ends_with(end))
    };
    if is_grammar(ours) || is_grammar(expected) { Err(String::new()) } else { Ok(()) }
}

/// `-R` is all or nothing: the original's words for the refused line, a second line that names it, and no change.
/// The original went on after a refusal of the kernel and answered with what the last line gave.
fn check_restore(ours: &Outcome, expected: &Outcome, unchanged: bool) -> Result<(), String> {
    let Some((text, rest)) = ours.stderr.split_once("\nipvsadm: line ") else {
        return Err("no second line\n".to_owned());
    };
    let first_line = expected.stderr.lines().next().unwrap_or_default();
    let exit = if expected.exit == 0 { 255 } else { expected.exit };
    let fits = text == first_line && ours.exit == exit && unchanged && ours.stdout.is_empty();
    if fits && rest.ends_with(" is refused, so nothing was changed\n") { Ok(()) } else { Err(String::new()) }
}

/// Brings the table to where the original left it: line by line up to the first complaint about arguments.
fn catch_up(program: &str, stdin: &str, director: &mut Memory) {
    let mut lines: Vec<&str> = stdin.lines().collect();
    if program == "ipvsadm-restore" {
        lines.retain(|line| !line.starts_with('#'));
        lines.insert(0, "-C");
    }
    for line in lines {
        let mut words = words(line);
        words.retain(|word| word != "ipvsadm");
        let texts = ["Try `", "unexpected", "Illegal", "You need", "illegal"];
        if words.first().is_some_and(|word| word == "-R") {
            return;
        }
        if !words.is_empty() {
            let outcome = call(director, "ipvsadm", &words, "");
            if texts.iter().any(|text| outcome.stderr.starts_with(text)) {
                return;
            }
        }
    }
}

/// Gives the director the counters and connections that the recorded listing shows: that they are counted so is for
/// the tests of the data plane; here they must come out as they went in.
fn feed(stdout: &str, director: &mut Memory) {
    let mut lines = stdout.lines();
    let title = lines.clone().take(2).last().unwrap_or_default();
    if title.starts_with("pro expire") {
        director.rows = lines.skip(2).filter_map(row).collect();
        return;
    }
    director.counted.clear();
    let has = |word: &str| stdout.lines().take(2).any(|line| line.contains(word));
    let (is_stats, is_active) =
        (has("OutBytes"), stdout.lines().take(3).any(|line| line.contains("InActConn")));
    let mut service = None;
    for line in lines.by_ref() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let numbers: Vec<u64> = fields.iter().skip(2).filter_map(|field| field.parse().ok()).collect();
        let (key, server) = match fields.as_slice() {
            ["TCP" | "UDP", place, ..] => {
                let Ok(place) = place.parse::<SocketAddr>() else { continue };
                let protocol = if fields[0] == "TCP" { Protocol::Tcp } else { Protocol::Udp };
                let key = lvs_model::ServiceKey::new(protocol, place.ip(), place.port());
                service = Some(key);
                (key, None)
            }
            ["->", place, ..] => match (service, place.parse::<SocketAddr>()) {
                (Some(key), Ok(place)) => (key, Some(lvs_model::ServerKey::new(place.ip(), place.port()))),
                _ => continue,
            },
            _ => continue,
        };
        let mut statistics = Statistics::default();
        let (mut active, mut inactive) = (0, 0);
        match numbers.as_slice() {
            [connections, inbound_packets, outbound_packets, inbound_bytes, outbound_bytes] if is_stats => {
                statistics = Statistics {
                    connections: *connections,
                    inbound_packets: *inbound_packets,
                    outbound_packets: *outbound_packets,
                    inbound_bytes: *inbound_bytes,
                    outbound_bytes: *outbound_bytes,
                };
            }
            [.., of_active, of_inactive] if is_active => {
                (active, inactive) = (*of_active as u32, *of_inactive as u32);
            }
            _ => {}
        }
        let counts = (statistics, lvs_model::listing::Rates::default(), active, inactive);
        director.counted.insert((key, server), counts);
    }
}

fn row(line: &str) -> Option<ConnectionRow> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (minutes, seconds) = fields.get(1)?.split_once(':')?;
    let place = |index: usize| fields.get(index)?.replace(":http", ":80").parse().ok();
    Some(ConnectionRow {
        protocol: if fields[0] == "UDP" { Protocol::Udp } else { Protocol::Tcp },
        expires_s: minutes.parse::<u32>().ok()? * 60 + seconds.parse::<u32>().ok()?,
        state: (*fields.get(2)?).to_owned(),
        client: place(3)?,
        virtual_address: place(4)?,
        server: place(5)?,
    })
}
