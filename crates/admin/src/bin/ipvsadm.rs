//! `ipvsadm`, asking `lvsd`.

use std::io::{BufWriter, stderr, stdin, stdout};
use std::process::ExitCode;

use lvs_admin::client::Client;
use lvs_admin::ipvsadm::{self, World};
use lvs_admin::names::SystemNames;

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let exit = match Client::connect() {
        Err(failure) => ipvsadm::unreachable(&failure, &mut stderr()),
        Ok(mut director) => ipvsadm::run(
            &words,
            &mut World {
                director: &mut director,
                names: &SystemNames,
                stdin: &mut stdin().lock(),
                stdout: &mut BufWriter::new(stdout().lock()),
                stderr: &mut stderr().lock(),
            },
        ),
    };
    ExitCode::from(exit as u8)
}
