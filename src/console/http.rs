//! One request's head in, one answer out: as much of HTTP/1.1 as a page needs.
//!
//! `httparse` reads the bytes; this file bounds them. Invariants: a head of more than
//! [`HEAD_BYTES_MAX`] bytes or [`HEADERS_MAX`] headers is refused, and every answer closes its
//! connection.

use std::fmt::Write as _;

/// The longest head that is read, request line included.
pub(crate) const HEAD_BYTES_MAX: usize = 8 << 10;
/// The most headers; browsers send about twenty.
const HEADERS_MAX: usize = 64;

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path as it was sent, without its query.
    pub(crate) path: String,
}

/// How a page is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Ok,
    BadRequest,
    NotFound,
    MethodNotAllowed,
    HeadTooLarge,
    Unavailable,
}

/// What answers a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: Code,
    pub(crate) kind: &'static str,
    pub(crate) body: String,
}

/// What the bytes so far amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// More must come.
    Partial,
    /// All of it is there.
    Whole(Request),
    /// It is no request, or too much of one.
    Refused(Code),
}

pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
pub(crate) const JSON: &str = "application/json";
/// The exposition format of Prometheus.
pub(crate) const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Reads the head at the beginning of `bytes`.
pub(crate) fn parse(bytes: &[u8]) -> Head {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) if bytes.len() >= HEAD_BYTES_MAX => {
            return Head::Refused(Code::HeadTooLarge);
        }
        Ok(httparse::Status::Partial) => return Head::Partial,
        Err(httparse::Error::TooManyHeaders) => return Head::Refused(Code::HeadTooLarge),
        Err(_) => return Head::Refused(Code::BadRequest),
    }
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Head::Refused(Code::BadRequest);
    };
    let path = target.split(['?', '#']).next().unwrap_or_default();
    Head::Whole(Request {
        method: method.to_owned(),
        path: path.to_owned(),
    })
}

/// A part of a path with its `%41`s made into bytes; nothing where they are malformed or no text.
pub(crate) fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

impl Code {
    const fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::HeadTooLarge => "431 Request Header Fields Too Large",
            Self::Unavailable => "503 Service Unavailable",
        }
    }
}

impl Answer {
    /// A page of text.
    pub(crate) fn text(code: Code, body: impl Into<String>) -> Self {
        Self {
            code,
            kind: TEXT,
            body: body.into(),
        }
    }

    /// A page for programs.
    pub(crate) fn json(code: Code, value: &serde_json::Value) -> Self {
        Self {
            code,
            kind: JSON,
            body: format!("{value}\n"),
        }
    }

    /// The refusal of what could not be read.
    pub(crate) fn refusal(code: Code) -> Self {
        Self::text(code, format!("{}\n", code.line()))
    }

    /// The bytes of the answer, without its body where only the head was asked for.
    pub(crate) fn into_bytes(self, is_head_only: bool) -> Vec<u8> {
        let mut text = String::with_capacity(self.body.len() + 256);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
            self.code.line(),
            self.kind,
            self.body.len()
        );
        if self.code == Code::MethodNotAllowed {
            text.push_str("Allow: GET, HEAD\r\n");
        }
        text.push_str("Cache-Control: no-store\r\nConnection: close\r\n\r\n");
        if !is_head_only {
            text.push_str(&self.body);
        }
        text.into_bytes()
    }
}
