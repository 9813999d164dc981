//! `ipvsadm-save [-n]`: `ipvsadm -S [-n]`.

use std::io::{BufWriter, stderr, stdin, stdout};
use std::process::ExitCode;

use lvs_admin::client::Client;
use lvs_admin::ipvsadm::{self, World};
use lvs_admin::names::SystemNames;

const HELP: &str = "ipvsadm-save: Script to save the IPVS table to stdout.\n   \
                    With the -n option, prints out the table in numeric format.";

fn main() -> ExitCode {
    let mut words = vec!["-S".to_owned()];
    for word in std::env::args_os().skip(1) {
        match word.to_string_lossy().as_ref() {
            "-n" => words.insert(1, "-n".to_owned()),
            other if other.starts_with('-') => {
                eprintln!("{HELP}");
                return ExitCode::FAILURE;
            }
            _ => {}
        }
    }
    words.truncate(2);
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
