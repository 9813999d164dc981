//! The house rules that no compiler knows, as a check: which room may use which, where unsafe code lives, how long a
//! file and a function may be, and that a TODO has an owner.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tool::{self, Outcome};

/// Which rooms a room may use; ARCHITECTURE.md draws the same arrows.
const ARROWS: [(&str, &[&str]); 11] = [
    ("atomic", &[]),
    ("core", &["atomic"]),
    ("ebpf", &["atomic", "core"]),
    ("model", &["core"]),
    ("dataplane", &["atomic", "core", "model"]),
    ("l7", &["core", "model"]),
    ("cluster", &["core", "model"]),
    ("admin", &["core", "model"]),
    ("director", &["core", "model", "dataplane", "l7", "cluster", "admin"]),
    ("sim", &["core", "model", "l7", "cluster"]),
    ("preload", &["core", "model"]),
];

/// The only files with unsafe code. Each says at its head which invariants it holds; a new one needs a decision record.
const UNSAFE_FILES: [&str; 12] = [
    "bench/ebpf/src/main.rs",
    "bench/ebpf/src/pieces.rs",
    "crates/admin/src/names/system.rs",
    "crates/atomic/src/bpf.rs",
    "crates/dataplane/src/pod.rs",
    "crates/ebpf/src/frame.rs",
    "crates/ebpf/src/hook.rs",
    "crates/ebpf/src/main.rs",
    "crates/ebpf/src/maps.rs",
    "crates/l7/src/io.rs",
    "testbed/src/lab/ns.rs",
    "testbed/src/testrun.rs",
];

/// Lines of a source file, tests included.
const FILE_LINES_MAX: usize = 800;
/// Lines of a function. A longer one says why in a line above it: `// LONG: reason`.
const FUNCTION_LINES_MAX: usize = 70;
/// Where sources of ours lie.
const SOURCE_FOLDERS: [&str; 5] = ["crates", "testbed", "bench", "xtask", "fuzz"];
/// Not ours or not sources.
const SKIPPED_FOLDERS: [&str; 4] = ["target", "corpus", "artifacts", "oracle"];

/// Looks at every rule and reports every breach, not the first alone.
pub(crate) fn run() -> Outcome {
    let mut breaches = Vec::new();
    for folder in SOURCE_FOLDERS {
        for file in files_under(&tool::root().join(folder)) {
            let Ok(text) = fs::read_to_string(&file) else { continue };
            let name = file.strip_prefix(tool::root()).unwrap_or(&file).to_string_lossy().into_owned();
            if name.ends_with("/Cargo.toml") {
                breaches.extend(wrong_arrows(&name, &text));
            } else if name.ends_with(".rs") {
                breaches.extend(source_breaches(&name, &text));
            }
        }
    }
    if breaches.is_empty() {
        return Ok(());
    }
    breaches.sort();
    Err(format!("tidy:\n  {}", breaches.join("\n  ")))
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_dir() {
            if !SKIPPED_FOLDERS.iter().any(|skipped| name == *skipped) {
                files.extend(files_under(&path));
            }
        } else {
            files.push(path);
        }
    }
    files
}

/// Every dependency on a room that the arrows do not allow. `testbed` and `fuzz` may use everything.
fn wrong_arrows(name: &str, manifest: &str) -> Vec<String> {
    let Some(room) = name.strip_prefix("crates/").and_then(|rest| rest.strip_suffix("/Cargo.toml")) else {
        return Vec::new();
    };
    let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == room) else {
        return vec![format!("{name}: the room `{room}` has no arrows in xtask/src/tidy.rs")];
    };
    let used = rooms_used(manifest);
    used.filter(|used| !allowed.contains(used))
        .map(|used| format!("{name}: `{room}` may not use `{used}`"))
        .collect()
}

/// The rooms in the manifest's dependency sections, tests' included.
fn rooms_used(manifest: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    manifest.lines().filter_map(move |line| {
        if line.starts_with('[') {
            inside = line.trim_end_matches(']').ends_with("dependencies");
            return None;
        }
        let key = line.split(['=', '.', ' ']).next()?;
        key.strip_prefix("lvs-").filter(|_| inside)
    })
}

fn source_breaches(name: &str, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        breaches.push(format!("{name}: {lines} lines, {FILE_LINES_MAX} allowed"));
    }
    for (index, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", index + 1);
        let code = line.split("//").next().unwrap_or_default();
        if says_unsafe(code) && !UNSAFE_FILES.contains(&name) && name != "xtask/src/tidy.rs" {
            breaches.push(format!("{place}: unsafe code outside the files named in xtask/src/tidy.rs"));
        }
        if nameless(line, "TODO") || nameless(line, "FIXME") {
            breaches.push(format!("{place}: a TODO without a name: write TODO(name)"));
        }
    }
    breaches.extend(long_functions(name, text));
    breaches
}

/// `unsafe` as a word of code; attributes that carry the word (`unsafe(no_mangle)`) count as well.
fn says_unsafe(code: &str) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    code.split(|character| !is_word(character)).any(|word| word == "unsafe") && !code.contains('"')
}

fn nameless(line: &str, mark: &str) -> bool {
    let comment = line.split_once("//").map(|(_, comment)| comment.trim_start_matches(['/', '!', ' ']));
    comment.and_then(|comment| comment.strip_prefix(mark)).is_some_and(|rest| !rest.starts_with('('))
}

/// Functions by their indentation, which rustfmt guarantees: from `fn` to the brace in the same column.
fn long_functions(name: &str, text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut breaches = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(title) = function_title(line) else { continue };
        let column = line.len() - line.trim_start().len();
        let end = lines[start..].iter().position(|line| line.len() == column + 1 && line.ends_with('}'));
        // A declaration without a body (in a trait) meets another's brace; its own line ends with a semicolon.
        let body = end.filter(|_| !line.ends_with(';')).unwrap_or_default().saturating_sub(1);
        let excused =
            lines[..start].iter().rev().take(12).any(|line| line.trim_start().starts_with("// LONG:"));
        if body > FUNCTION_LINES_MAX && !excused {
            breaches.push(format!(
                "{name}:{}: `{title}` has {body} lines, {FUNCTION_LINES_MAX} allowed",
                start + 1
            ));
        }
    }
    breaches
}

fn function_title(line: &str) -> Option<&str> {
    let words = line.trim_start();
    let at = if words.starts_with("fn ") { 0 } else { words.find(" fn ")? + 1 };
    let before = ["pub", "pub(crate)", "pub(super)", "const", "async", "extern", "\"C\"", "unsafe"];
    if !words[..at].split_whitespace().all(|word| before.contains(&word)) {
        return None;
    }
    words[at + 3..].split(['(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_that_the_design_lacks_is_reported() {
        let manifest =
            "[package]\nname = \"lvs-core\"\n[dependencies]\nlvs-model.workspace = true\nlibc = \"1\"\n";
        assert_eq!(
            wrong_arrows("crates/core/Cargo.toml", manifest),
            ["crates/core/Cargo.toml: `core` may not use `model`"]
        );
        assert!(wrong_arrows("crates/admin/Cargo.toml", manifest).is_empty());
        assert!(wrong_arrows("testbed/Cargo.toml", manifest).is_empty());
    }

    #[test]
    fn unsafe_is_found_as_a_word_of_code() {
        assert!(says_unsafe("    unsafe { read() }"));
        assert!(says_unsafe("#[unsafe(no_mangle)]"));
        assert!(!says_unsafe("#![forbid(unsafe_code)]"));
        let breaches =
            source_breaches("crates/core/src/x.rs", "// unsafe in a comment\nunsafe impl A for B {}\n");
        assert_eq!(breaches.len(), 1);
        assert!(breaches[0].starts_with("crates/core/src/x.rs:2:"));
    }

    #[test]
    fn a_todo_needs_a_name() {
        assert_eq!(source_breaches("a.rs", concat!("work(); /", "/ TODO: later\n")).len(), 1);
        assert!(source_breaches("a.rs", "/// TODO(ada): later\n").is_empty());
    }

    #[test]
    fn a_long_function_is_reported_unless_it_says_why() {
        let body = "        work();\n".repeat(80);
        let function = format!("    pub fn long<T>(x: T) {{\n{body}    }}\n");
        assert_eq!(long_functions("a.rs", &function).len(), 1);
        assert!(long_functions("a.rs", &format!("    // LONG: a table\n{function}")).is_empty());
        let declaration = format!("    fn short();\n{body}    fn other() {{\n    }}\n");
        assert!(long_functions("a.rs", &declaration).is_empty());
    }
}
