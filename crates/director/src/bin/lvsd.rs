//! The daemon; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    match lvs_director::run(std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lvsd: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
