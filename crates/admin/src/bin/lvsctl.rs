//! `lvsctl`: what lvs has beyond `ipvsadm`.

use std::io::{Write, stderr, stdout};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use lvs_admin::client::Client;
use lvs_admin::director::{Director, Failure};
use lvs_admin::lvsctl;

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    if words.first().is_some_and(|word| word == "decap") {
        return decap(&words[1..]);
    }
    let mut connect = || -> Result<Box<dyn Director>, Failure> { Ok(Box::new(Client::connect()?)) };
    let answer = lvsctl::run(&words, &mut connect);
    // A closed pipe loses text and nothing else.
    let _ = stdout().write_all(answer.stdout.as_bytes());
    let _ = stderr().write_all(answer.stderr.as_bytes());
    ExitCode::from(answer.exit)
}

/// Becomes the decapsulator, which is a program of its own: it needs the data plane, and this one must not.
fn decap(words: &[String]) -> ExitCode {
    let name = "lvs-decap";
    let beside = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.join(name)));
    let program = beside.filter(|path| path.exists()).unwrap_or_else(|| PathBuf::from(name));
    let error = Command::new(&program).args(words).exec();
    eprintln!("lvsctl: {}: {error}; install lvs-decap beside lvsctl", program.display());
    ExitCode::from(1)
}
