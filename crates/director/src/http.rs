//! As much of HTTP/1.1 as one request over a unix socket needs: bounded in size and time, one request a connection.

use std::io::{self, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use lvs_model::limits::MAX_REQUEST_LEN;

/// Longest request line and header fields together.
const HEAD_LEN_MAX: usize = 16 * 1024;
/// Most header fields.
const FIELDS_MAX: usize = 64;
/// A peer that sends or takes nothing for this long is let go.
const IDLE_LIMIT: Duration = Duration::from_secs(10);
/// A request that is not whole after this long is let go.
pub(crate) const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// A whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
}

/// Why there is no request.
#[derive(Debug)]
pub(crate) enum Bad {
    /// To be answered with this status and text.
    Status(u16, &'static str),
    /// The connection is gone.
    Gone,
}

impl From<io::Error> for Bad {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Self::Status(408, "the request took too long")
            }
            _ => Self::Gone,
        }
    }
}

/// What a peer gets that may not ask anything: long enough to be told so.
pub(crate) const STRANGER_LIMIT: Duration = Duration::from_millis(200);

/// Sets the time limits of a new connection.
pub(crate) fn limit(stream: &UnixStream, limit: Duration) -> io::Result<()> {
    stream.set_read_timeout(Some(limit.min(IDLE_LIMIT)))?;
    stream.set_write_timeout(Some(IDLE_LIMIT))
}

/// Reads one request, which has to be whole within `limit`.
pub(crate) fn read(stream: &mut impl Read, limit: Duration) -> Result<Request, Bad> {
    let end = Instant::now() + limit;
    let mut bytes = Vec::with_capacity(4096);
    let (head_len, mut request, body_len) = loop {
        if let Some(found) = head(&bytes)? {
            break found;
        }
        if bytes.len() >= HEAD_LEN_MAX {
            return Err(Bad::Status(431, "the request's head is too long"));
        }
        more(stream, &mut bytes, end)?;
    };
    if body_len > MAX_REQUEST_LEN {
        return Err(Bad::Status(413, "the request's body is too long"));
    }
    while bytes.len() < head_len + body_len {
        more(stream, &mut bytes, end)?;
    }
    bytes.truncate(head_len + body_len);
    request.body = bytes.split_off(head_len);
    Ok(request)
}

fn more(stream: &mut impl Read, bytes: &mut Vec<u8>, end: Instant) -> Result<(), Bad> {
    let mut buffer = [0; 16 * 1024];
    if Instant::now() > end {
        return Err(Bad::Status(408, "the request took too long"));
    }
    match stream.read(&mut buffer) {
        Ok(0) => Err(Bad::Gone),
        Ok(read_len) => {
            bytes.extend_from_slice(&buffer[..read_len]);
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The head, its length, and the length of the body; none while it is not whole.
fn head(bytes: &[u8]) -> Result<Option<(usize, Request, usize)>, Bad> {
    const GARBLED: Bad = Bad::Status(400, "this is no HTTP/1.1 request");
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut fields);
    let Ok(status) = parsed.parse(bytes) else { return Err(GARBLED) };
    let httparse::Status::Complete(head_len) = status else { return Ok(None) };
    let mut body_len = None;
    for field in parsed.headers.iter() {
        if field.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Bad::Status(411, "a request's body needs a Content-Length"));
        }
        if field.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(field.value).unwrap_or_default();
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = if is_number { text.parse().ok() } else { None };
            match (number, body_len) {
                (Some(number), None) => body_len = Some(number),
                (None, _) if is_number => body_len = Some(usize::MAX),
                _ => return Err(GARBLED),
            }
        }
    }
    let (Some(method), Some(path)) = (parsed.method, parsed.path) else { return Err(GARBLED) };
    let request = Request { method: method.to_owned(), path: path.to_owned(), body: Vec::new() };
    Ok(Some((head_len, request, body_len.unwrap_or(0))))
}

/// Answers with a body of known length.
pub(crate) fn answer(stream: &mut impl Write, status: u16, body: &[u8]) -> io::Result<()> {
    let reason = reason(status);
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let mut whole = head.into_bytes();
    whole.extend_from_slice(body);
    stream.write_all(&whole)?;
    stream.flush()
}

/// Answers with lines that end with the connection.
pub(crate) fn answer_lines<W: Write>(
    stream: W,
    lines: impl FnOnce(&mut BufWriter<W>) -> io::Result<()>,
) -> io::Result<()> {
    let mut writer = BufWriter::with_capacity(64 * 1024, stream);
    writer
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n")?;
    lines(&mut writer)?;
    writer.flush()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one byte at a time: the worst a peer can do in good faith.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            buffer[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    fn status(text: &str) -> u16 {
        match read(&mut text.as_bytes(), REQUEST_LIMIT) {
            Err(Bad::Status(status, _)) => status,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_in_drops_is_read() {
        let text = b"POST /v1/commands HTTP/1.1\r\nHost: lvsd\r\ncontent-length: 3\r\n\r\n{ }";
        let request = read(&mut Drops(text), REQUEST_LIMIT).unwrap();
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/commands"));
        assert_eq!(request.body, b"{ }");
    }

    #[test]
    fn bad_requests_have_their_status() {
        assert_eq!(status("nonsense\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), 400);
        assert_eq!(status("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n"), 413);
        assert_eq!(status("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), 411);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\nA: {}", "b".repeat(20_000))), 431);
        assert!(matches!(read(&mut &b"GET / HT"[..], REQUEST_LIMIT), Err(Bad::Gone)));
    }
}
