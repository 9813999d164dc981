//! `ipvsadm-restore`: replaces the table by what standard input says, whole or not at all. Arguments are ignored, as by
//! the original.

use std::io::{BufWriter, stderr, stdin, stdout};
use std::process::ExitCode;

use lvs_admin::client::Client;
use lvs_admin::ipvsadm::{self, World};
use lvs_admin::names::SystemNames;

fn main() -> ExitCode {
    let exit = match Client::connect() {
        Err(failure) => ipvsadm::unreachable(&failure, &mut stderr()),
        Ok(mut director) => ipvsadm::run_restore(&mut World {
            director: &mut director,
            names: &SystemNames,
            stdin: &mut stdin().lock(),
            stdout: &mut BufWriter::new(stdout().lock()),
            stderr: &mut stderr().lock(),
        }),
    };
    ExitCode::from(exit as u8)
}
