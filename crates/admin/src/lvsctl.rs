//! `lvsctl`: status, interfaces, statistics and explanations, for people and (with `--json`) for programs.

mod text;

use std::fmt::Display;
use std::net::SocketAddr;

use lvs_model::Protocol;
use lvs_model::api::{AttachMode, AttachRequest, ExplainRequest};
use serde::Serialize;

use crate::director::{Director, Failure};

const USAGE: &str = "\
lvsctl shows and steers lvsd, the LVS director.

Usage: lvsctl [--json] COMMAND

  status                              how the director is
  interfaces                          where it takes packets from
  interfaces attach NAME [MODE]       take packets from NAME; MODE is auto (default), xdp, tc or generic
  interfaces detach NAME              no longer
  explain CLIENT:PORT VIP:PORT [udp]  where a packet would go, and why (tcp unless udp is said)
  statistics                          total counters and rates
  decap INTERFACE [--pin FILE]        on a real server: unpack tunnelled packets until ended

  --json      the answer as JSON
  --help      this text
  --version   the version

Exit codes: 0 done, 1 refused, 2 wrong arguments or no director.
The director listens on /run/lvs/lvsd.sock; LVS_SOCKET names another socket.
";

/// What a run prints, and its exit code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// For standard output.
    pub stdout: String,
    /// For standard error.
    pub stderr: String,
    /// 0 done, 1 refused, 2 wrong arguments or no director.
    pub exit: u8,
}

/// How to reach the director, when it is needed.
pub type Connect<'a> = &'a mut dyn FnMut() -> Result<Box<dyn Director>, Failure>;

/// A parsed command line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Request {
    Help,
    Version,
    Status,
    Interfaces,
    Attach(AttachRequest),
    Detach(String),
    Explain(ExplainRequest),
    Statistics,
}

/// Runs `lvsctl` with these words (without the program's name).
pub fn run(words: &[String], connect: Connect<'_>) -> Answer {
    let json = words.iter().any(|word| word == "--json");
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "--json").collect();
    let request = match parse(&words) {
        Ok(request) => request,
        Err(problem) => {
            let stderr = format!("lvsctl: {problem}\nTry 'lvsctl --help'.\n");
            return Answer { stderr, exit: 2, ..Answer::default() };
        }
    };
    let result = match request {
        Request::Help => Ok(USAGE.to_owned()),
        Request::Version => Ok(format!("lvsctl {}\n", env!("CARGO_PKG_VERSION"))),
        request => connect().and_then(|mut director| ask(&request, director.as_mut(), json)),
    };
    match result {
        Ok(stdout) => Answer { stdout, ..Answer::default() },
        Err(failure) => failed(&failure),
    }
}

fn parse(words: &[&str]) -> Result<Request, String> {
    if words.iter().any(|word| matches!(*word, "--help" | "-h")) {
        return Ok(Request::Help);
    }
    match words {
        ["--version" | "-V"] => Ok(Request::Version),
        ["status"] => Ok(Request::Status),
        ["statistics"] => Ok(Request::Statistics),
        ["interfaces"] => Ok(Request::Interfaces),
        ["interfaces", "attach", name] => attach(name, "auto"),
        ["interfaces", "attach", name, mode] => attach(name, mode),
        ["interfaces", "detach", name] => Ok(Request::Detach((*name).to_owned())),
        ["explain", client, virtual_address] => explain(client, virtual_address, "tcp"),
        ["explain", client, virtual_address, protocol] => explain(client, virtual_address, protocol),
        [] => Err("a command is missing".to_owned()),
        [command @ ("status" | "statistics" | "interfaces" | "explain"), ..] => {
            Err(format!("these are not the arguments of '{command}'"))
        }
        [word, ..] => Err(format!("there is no command '{word}'")),
    }
}

fn attach(name: &str, mode: &str) -> Result<Request, String> {
    let mode = AttachMode::from_name(mode)
        .ok_or_else(|| format!("'{mode}' is no mode: auto, xdp, tc and generic are"))?;
    Ok(Request::Attach(AttachRequest { name: name.to_owned(), mode }))
}

fn explain(client: &str, virtual_address: &str, protocol: &str) -> Result<Request, String> {
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        other => return Err(format!("'{other}' is no protocol: tcp and udp are")),
    };
    let (client, virtual_address) = (socket(client)?, socket(virtual_address)?);
    if client.is_ipv6() != virtual_address.is_ipv6() {
        return Err("client and virtual address are of different families".to_owned());
    }
    Ok(Request::Explain(ExplainRequest { client, virtual_address, protocol }))
}

fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| format!("'{text}' is no address with port, such as 10.1.0.2:3001 or [2001:db8::2]:3001"))
}

fn ask(request: &Request, director: &mut dyn Director, json: bool) -> Result<String, Failure> {
    match request {
        Request::Status => shown(&director.status()?, json, text::status),
        Request::Statistics => shown(&director.totals()?, json, text::totals),
        Request::Interfaces => shown(&director.interfaces()?, json, text::interfaces),
        Request::Attach(request) => shown(&director.attach(request)?, json, text::attached),
        Request::Detach(name) => {
            director.detach(name)?;
            shown(&lvs_model::api::Done {}, json, |_| format!("{name}: detached\n"))
        }
        Request::Explain(request) => shown(&director.explain(request)?, json, text::explanation),
        Request::Help | Request::Version => Ok(String::new()),
    }
}

fn shown<T: Serialize>(answer: &T, json: bool, text: impl FnOnce(&T) -> String) -> Result<String, Failure> {
    if !json {
        return Ok(text(answer));
    }
    let mut line = serde_json::to_string(answer).map_err(|error| Failure::Garbled(error.to_string()))?;
    line.push('\n');
    Ok(line)
}

fn failed(failure: &Failure) -> Answer {
    let line = |text: &dyn Display| format!("lvsctl: {text}\n");
    let (stderr, exit) = match failure {
        Failure::Refused(answer) => (line(&answer.text), 1),
        Failure::Garbled(text) => (line(text), 2),
        Failure::Unreachable { text, .. } => {
            let socket = crate::client::socket_path();
            (line(&format_args!("cannot reach lvsd on {}: {text}", socket.display())), 2)
        }
    };
    Answer { stderr, exit, ..Answer::default() }
}

#[cfg(test)]
mod tests;
