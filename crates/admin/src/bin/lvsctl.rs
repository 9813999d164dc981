//! `lvsctl`: what lvs has beyond `ipvsadm`.

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use lvs_admin::client::Client;
use lvs_admin::director::{Director, Failure};
use lvs_admin::lvsctl;

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let mut connect = || -> Result<Box<dyn Director>, Failure> { Ok(Box::new(Client::connect()?)) };
    let answer = lvsctl::run(&words, &mut connect);
    // A closed pipe loses text and nothing else.
    let _ = stdout().write_all(answer.stdout.as_bytes());
    let _ = stderr().write_all(answer.stderr.as_bytes());
    ExitCode::from(answer.exit)
}
