//! Results as files: what was measured, where, with what.

use std::fs;
use std::path::Path;
use std::thread;

use serde::Serialize;

use crate::machine::{self, Machine};

#[derive(Serialize)]
struct Report<'a, T> {
    machine: Machine,
    results: &'a T,
}

/// Writes `perf/results/NAME.json`.
pub(crate) fn write<T: Serialize>(name: &str, results: &T) -> Result<(), String> {
    let folder = Path::new("perf/results");
    let file = folder.join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(&Report { machine: machine::describe(), results });
    let text = text.map_err(|error| error.to_string())?;
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&file, text + "\n"));
    written.map_err(|error| format!("{}: {error}", file.display()))?;
    println!("written: {}", file.display());
    Ok(())
}

/// Runs work in a thread of its own, whose namespace, processor and priority end with it.
pub(crate) fn in_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    thread::spawn(work).join().unwrap_or_else(|_| Err("a benchmark ended with a panic".to_owned()))
}
