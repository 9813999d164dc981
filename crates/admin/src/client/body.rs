//! The body of an HTTP answer: counted, chunked, or up to the end of the connection.

use std::io::{self, BufRead, Read};

/// How the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// After that many bytes.
    Length(u64),
    /// After a chunk without content.
    Chunked,
    /// With the connection.
    ToEnd,
}

/// Reads a body.
#[derive(Debug)]
pub(super) struct Body<R> {
    reader: R,
    kind: Kind,
    /// Bytes left, of the body or of the present chunk.
    left: u64,
    is_first_chunk: bool,
}

impl<R: BufRead> Body<R> {
    pub(super) fn new(reader: R, kind: Kind) -> Self {
        let left = if let Kind::Length(len) = kind { len } else { 0 };
        Self { reader, kind, left, is_first_chunk: true }
    }

    /// Reads the line before a chunk, and the end of the line behind the last one; false after the last chunk.
    fn next_chunk(&mut self) -> io::Result<bool> {
        let mut line = String::new();
        if !self.is_first_chunk {
            self.reader.by_ref().take(4).read_line(&mut line)?;
            line.clear();
        }
        self.is_first_chunk = false;
        self.reader.by_ref().take(64).read_line(&mut line)?;
        let digits = line.trim_end().split(';').next().unwrap_or_default();
        self.left =
            u64::from_str_radix(digits, 16).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(self.left > 0)
    }
}

impl<R: BufRead> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.kind == Kind::ToEnd {
            return self.reader.read(buffer);
        }
        if self.left == 0 && (self.kind != Kind::Chunked || !self.next_chunk()?) {
            self.kind = Kind::Length(0);
            return Ok(0);
        }
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.reader.read(&mut buffer[..wanted])?;
        if read == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: Kind, bytes: &str) -> io::Result<String> {
        let mut text = String::new();
        Body::new(bytes.as_bytes(), kind).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn every_kind_of_body_ends_where_it_should() {
        assert_eq!(read(Kind::Length(3), "abcdef").unwrap(), "abc");
        assert_eq!(read(Kind::ToEnd, "abcdef").unwrap(), "abcdef");
        assert_eq!(
            read(Kind::Chunked, "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\nrest").unwrap(),
            "abc0123456789"
        );
        assert!(read(Kind::Length(9), "abcdef").is_err());
        assert!(read(Kind::Chunked, "9\r\nabc").is_err());
        assert!(read(Kind::Chunked, "x\r\nabc").is_err());
    }
}
