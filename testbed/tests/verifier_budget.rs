//! What the verifier counts for each program, held to `perf/budget.toml`; and that it needs no more privileges than said.
//!
//! The budget names the kernel it was taken on: numbers of another kernel are printed and not judged. `UPDATE_GOLDEN=1`
//! writes the file anew; it is reviewed like code.
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use aya::EbpfLoader;
use aya::programs::{Program, ProgramError, ProgramInfo};
use lvs_dataplane::OBJECT;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

/// Growth that needs a new budget, in percent.
const GROWTH_MAX: f64 = 2.0;
/// Shrinking that needs one, so that what was won is not lost again unseen.
const SHRINK_MAX: f64 = 10.0;
/// Set for the child that loads the object with few privileges.
const CHILD: &str = "LVS_BUDGET_CHILD";

#[derive(Clone, Debug, PartialEq)]
struct Figures {
    program: String,
    verified_instructions: u32,
    translated_bytes: u32,
}

fn is_root_or_said(what: &str) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("{what}: skipped, only root can load programs");
    }
    is_root
}

fn load() -> Vec<Figures> {
    let mut loader = EbpfLoader::new();
    loader.map_max_entries("SLOTS", 1024);
    let mut object = loader.load(OBJECT).expect("the object");
    let mut figures: Vec<Figures> = object
        .programs_mut()
        .map(|(name, program)| {
            let info = load_one(program).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            Figures {
                program: name.to_owned(),
                verified_instructions: info.verified_instruction_count().unwrap_or_default(),
                translated_bytes: info.size_translated().unwrap_or_default(),
            }
        })
        .collect();
    figures.sort_by(|one, other| one.program.cmp(&other.program));
    figures
}

fn load_one(program: &mut Program) -> Result<ProgramInfo, ProgramError> {
    match program {
        Program::Xdp(program) => program.load().and_then(|()| program.info()),
        Program::SchedClassifier(program) => program.load().and_then(|()| program.info()),
        other => panic!("a program of kind {:?} has no budget", other.prog_type()),
    }
}

fn budget_file() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    PathBuf::from(own).join("../perf/budget.toml")
}

fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// The part of the release that decides what the verifier does: `6.18.44-something` is 6.18.44.
fn version(release: &str) -> &str {
    release.split(['-', '+']).next().unwrap_or(release)
}

fn written(figures: &[Figures]) -> String {
    let mut text = String::from(
        "# What the verifier counts for each program of crates/dataplane/bpf/lvs.o; testbed/tests/verifier_budget.rs compares.\n\
         # Written by: UPDATE_GOLDEN=1 cargo test -p lvs-testbed --test verifier_budget (as root). Say why in the commit.\n\n",
    );
    text.push_str(&format!("kernel = \"{}\"\n", version(&release())));
    for figures in figures {
        text.push_str(&format!(
            "\n[bpf.{}]\nverified_instructions = {}\ntranslated_bytes = {}\n",
            figures.program, figures.verified_instructions, figures.translated_bytes
        ));
    }
    text
}

/// Reads what [`written`] wrote: the kernel and the figures.
fn read(text: &str) -> (String, Vec<Figures>) {
    let (mut kernel, mut figures) = (String::new(), Vec::<Figures>::new());
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("[bpf.").and_then(|rest| rest.strip_suffix(']')) {
            let program = name.to_owned();
            figures.push(Figures { program, verified_instructions: 0, translated_bytes: 0 });
        }
        let Some((key, value)) = line.split_once(" = ") else { continue };
        let number = || value.parse().unwrap_or_else(|_| panic!("{line}: no number"));
        match (key, figures.last_mut()) {
            ("kernel", _) => kernel = value.trim_matches('"').to_owned(),
            ("verified_instructions", Some(last)) => last.verified_instructions = number(),
            ("translated_bytes", Some(last)) => last.translated_bytes = number(),
            _ => {}
        }
    }
    (kernel, figures)
}

fn percent(now: u32, then: u32) -> f64 {
    (f64::from(now) - f64::from(then)) * 100.0 / f64::from(then.max(1))
}

/// What breaks the budget, in words.
fn breaches(now: &[Figures], then: &[Figures]) -> Vec<String> {
    let mut breaches = Vec::new();
    for figures in now {
        let Some(old) = then.iter().find(|old| old.program == figures.program) else {
            breaches.push(format!("{} has no budget", figures.program));
            continue;
        };
        let pairs = [
            ("verified instructions", figures.verified_instructions, old.verified_instructions),
            ("translated bytes", figures.translated_bytes, old.translated_bytes),
        ];
        for (what, now, then) in pairs {
            let change = percent(now, then);
            if !(-SHRINK_MAX..=GROWTH_MAX).contains(&change) {
                breaches.push(format!("{}: {now} {what}, budget {then} ({change:+.1} %)", figures.program));
            }
        }
    }
    let is_gone = |old: &&Figures| !now.iter().any(|figures| figures.program == old.program);
    breaches.extend(then.iter().filter(is_gone).map(|old| format!("{} is no longer there", old.program)));
    breaches
}

#[test]
fn programs_keep_to_their_budget() {
    if !is_root_or_said("programs_keep_to_their_budget") {
        return;
    }
    let now = load();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(budget_file(), written(&now)).expect("perf/budget.toml");
        return;
    }
    let text = fs::read_to_string(budget_file()).expect("perf/budget.toml");
    let (kernel, then) = read(&text);
    let breaches = breaches(&now, &then);
    if kernel != version(&release()) {
        println!("the budget is of kernel {kernel}, this is {}: reported, not judged", release());
        println!("{now:?}\n{}", breaches.join("\n"));
        return;
    }
    assert!(breaches.is_empty(), "{}\nIf it must be: UPDATE_GOLDEN=1, and why", breaches.join("\n"));
}

#[test]
fn a_budget_is_read_as_it_was_written() {
    let figures = |program: &str, verified_instructions, translated_bytes| Figures {
        program: program.to_owned(),
        verified_instructions,
        translated_bytes,
    };
    let then = [figures("one", 1000, 800), figures("other", 50, 8)];
    let (kernel, read) = read(&written(&then));
    assert_eq!((kernel.as_str(), read.as_slice()), (version(&release()), &then[..]));
    assert!(breaches(&[figures("one", 1019, 721), figures("other", 50, 8)], &then).is_empty());
    assert_eq!(breaches(&[figures("one", 1021, 719), figures("third", 1, 1)], &then).len(), 4);
}

#[test]
fn three_capabilities_are_enough_to_load() {
    let kept = CapabilitySet::BPF | CapabilitySet::NET_ADMIN | CapabilitySet::PERFMON;
    loads_with("three_capabilities_are_enough_to_load", kept);
}

fn loads_with(test: &str, kept: CapabilitySet) {
    if std::env::var_os(CHILD).is_some() {
        load_with_few_privileges(kept);
        return;
    }
    if !is_root_or_said(test) {
        return;
    }
    // A process of its own: what is given up is given up for good.
    let own = std::env::current_exe().expect("own path");
    let child = Command::new(own)
        .args(["--exact", test, "--include-ignored", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("the child");
    let said =
        format!("{}{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success() && said.contains("loaded with few privileges"), "{said}");
}

fn load_with_few_privileges(kept: CapabilitySet) {
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).expect("giving up privileges");
    let held = capabilities(None).expect("own privileges");
    assert_eq!((held.effective, held.permitted), (kept, kept));
    assert!(!load().is_empty());
    println!("loaded with few privileges");
}
