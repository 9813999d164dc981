//! `lvsd` over its unix socket: blocking, one request a connection, nothing that would make a short call slow.

mod body;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use lvs_model::api::{
    self, AttachRequest, CommandsRequest, Done, ErrorAnswer, ExplainRequest, Explanation, Interface,
    Interfaces, Status, Totals,
};
use lvs_model::listing::{ConnectionRow, Listing};
use lvs_model::{Command, Timeouts};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::body::Body;
use crate::director::{Director, Failure};

/// Longest silence of the director: it answers a full batch in less than two seconds.
const SILENCE: Duration = Duration::from_secs(60);

/// Longest head of an answer in bytes; ours are below 200.
const MAX_HEAD_LEN: usize = 8192;

/// Where lvsd listens.
pub fn socket_path() -> PathBuf {
    std::env::var_os(api::SOCKET_VARIABLE).map_or_else(|| api::DEFAULT_SOCKET.into(), PathBuf::from)
}

/// A connection to lvsd.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    /// Opened by [`Client::connect`], used by the first request.
    ready: Option<UnixStream>,
}

impl Client {
    /// Connects to [`socket_path`].
    pub fn connect() -> Result<Self, Failure> {
        Self::connect_to(socket_path())
    }

    /// Connects to the socket at that path.
    pub fn connect_to(path: PathBuf) -> Result<Self, Failure> {
        let mut client = Self { path, ready: None };
        client.ready = Some(client.open()?);
        Ok(client)
    }

    fn open(&self) -> Result<UnixStream, Failure> {
        let stream = UnixStream::connect(&self.path).map_err(unreachable)?;
        stream.set_read_timeout(Some(SILENCE)).map_err(unreachable)?;
        stream.set_write_timeout(Some(SILENCE)).map_err(unreachable)?;
        Ok(stream)
    }

    /// Sends a request; the body of a good answer is to be read, a bad one is a failure.
    fn request(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<Body<BufReader<UnixStream>>, Failure> {
        let mut stream = match self.ready.take() {
            Some(stream) => stream,
            None => self.open()?,
        };
        let mut message = format!(
            "{method} {path} HTTP/1.1\r\nHost: lvsd\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        message.extend_from_slice(body);
        // lvsd may answer (413, say) and close before all is read: the answer counts, not the broken pipe.
        let sent = stream.write_all(&message);
        let mut reader = BufReader::with_capacity(64 * 1024, stream);
        let (status, mut body) = match (read_head(&mut reader), sent) {
            (Ok((status, kind)), _) => (status, Body::new(reader, kind)),
            (Err(_), Err(error)) => return Err(unreachable(error)),
            (Err(failure), Ok(())) => return Err(failure),
        };
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let mut text = Vec::new();
        body.read_to_end(&mut text).map_err(unreachable)?;
        Err(match serde_json::from_slice::<ErrorAnswer>(&text) {
            Ok(answer) => Failure::Refused(answer),
            Err(_) => Failure::Garbled(format!("lvsd answered with status {status}")),
        })
    }

    fn call<T: DeserializeOwned>(&mut self, method: &str, path: &str, body: &[u8]) -> Result<T, Failure> {
        let mut text = Vec::new();
        self.request(method, path, body)?.read_to_end(&mut text).map_err(unreachable)?;
        serde_json::from_slice(&text).map_err(|error| garbled(&error))
    }

    fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, Failure> {
        self.call("GET", path, b"")
    }

    fn post<T: DeserializeOwned>(&mut self, path: &str, body: &impl Serialize) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| garbled(&error))?;
        self.call("POST", path, &body)
    }
}

impl Director for Client {
    fn apply(&mut self, commands: &[Command]) -> Result<(), Failure> {
        let request = CommandsRequest { commands: commands.to_vec() };
        self.post::<Done>(api::path::COMMANDS, &request).map(drop)
    }

    fn listing(&mut self) -> Result<Listing, Failure> {
        self.get(api::path::SERVICES)
    }

    fn connections(&mut self, each: &mut dyn FnMut(ConnectionRow)) -> Result<(), Failure> {
        let mut body = BufReader::new(self.request("GET", api::path::CONNECTIONS, b"")?);
        let mut line = String::new();
        while body.read_line(&mut line).map_err(unreachable)? > 0 {
            each(serde_json::from_str(&line).map_err(|error| garbled(&error))?);
            line.clear();
        }
        Ok(())
    }

    fn timeouts(&mut self) -> Result<Timeouts, Failure> {
        self.get(api::path::TIMEOUTS)
    }

    fn totals(&mut self) -> Result<Totals, Failure> {
        self.get(api::path::STATISTICS)
    }

    fn status(&mut self) -> Result<Status, Failure> {
        self.get(api::path::STATUS)
    }

    fn interfaces(&mut self) -> Result<Interfaces, Failure> {
        self.get(api::path::INTERFACES)
    }

    fn attach(&mut self, request: &AttachRequest) -> Result<Interface, Failure> {
        self.post(api::path::INTERFACES, request)
    }

    fn detach(&mut self, name: &str) -> Result<(), Failure> {
        self.call::<Done>("DELETE", &format!("{}/{}", api::path::INTERFACES, percent_encoded(name)), b"")
            .map(drop)
    }

    fn explain(&mut self, request: &ExplainRequest) -> Result<Explanation, Failure> {
        self.post(api::path::EXPLAIN, request)
    }
}

/// Reads status and headers, up to the empty line; the reader then stands at the body.
fn read_head(reader: &mut impl BufRead) -> Result<(u16, body::Kind), Failure> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let read =
            reader.by_ref().take(MAX_HEAD_LEN as u64).read_until(b'\n', &mut head).map_err(unreachable)?;
        if read == 0 || head.len() >= MAX_HEAD_LEN {
            return Err(Failure::Garbled("lvsd closed the connection without an answer".to_owned()));
        }
    }
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(&head).map_err(|error| Failure::Garbled(format!("lvsd's answer is no HTTP: {error}")))?;
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok().map(str::trim)
    };
    let kind = if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        body::Kind::Chunked
    } else {
        header("content-length")
            .and_then(|value| value.parse().ok())
            .map_or(body::Kind::ToEnd, body::Kind::Length)
    };
    Ok((response.code.unwrap_or(0), kind))
}

/// A name as part of a path.
fn percent_encoded(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@:".contains(&byte);
    name.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn unreachable(error: std::io::Error) -> Failure {
    let text = error.to_string();
    let text = text.find(" (os error").map_or(text.as_str(), |end| &text[..end]).to_owned();
    Failure::Unreachable { text, errno: error.raw_os_error() }
}

fn garbled(error: &serde_json::Error) -> Failure {
    Failure::Garbled(format!("lvsd's answer is not understood: {error}"))
}

#[cfg(test)]
mod tests;
