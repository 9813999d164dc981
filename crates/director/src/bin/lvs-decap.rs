//! `lvs-decap`: the real server's side of a tunnel, what `lvsctl decap` runs. Unpacks tunnelled packets on one interface
//! until it is told to end.

use std::path::PathBuf;
use std::process::ExitCode;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

const USAGE: &str = "\
lvs-decap unpacks tunnelled packets (IPv4 and IPv6 in either) on a real server's interface.

Usage: lvs-decap INTERFACE [--pin FILE]

Without --pin it runs until SIGTERM or SIGINT. With --pin it ends at once and the program stays until FILE, a
name below /sys/fs/bpf, is removed.

Exit codes: 0 done, 1 refused, 2 wrong arguments.
";

struct Request {
    interface: String,
    pin: Option<PathBuf>,
}

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let Some(request) = parse(&words) else {
        eprintln!(
            "lvs-decap: one interface is wanted, and --pin FILE if it shall stay\nTry 'lvsctl decap --help'."
        );
        return ExitCode::from(2);
    };
    match serve(&request) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("lvs-decap: {problem}");
            ExitCode::from(1)
        }
    }
}

fn parse(words: &[String]) -> Option<Request> {
    let (interface, pin) = match words {
        [interface] => (interface, None),
        [interface, option, file] if option == "--pin" => (interface, Some(PathBuf::from(file))),
        _ => return None,
    };
    (!interface.starts_with('-')).then(|| Request { interface: interface.clone(), pin })
}

fn serve(request: &Request) -> Result<(), String> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| error.to_string())?;
    let program = lvs_dataplane::decap::run(&request.interface, request.pin.as_deref())
        .map_err(|error| error.to_string())?;
    if request.pin.is_none() {
        signals.forever().next();
    }
    drop(program);
    Ok(())
}
