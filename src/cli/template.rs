//! The format string of `consume`: text with the tokens that kcat has.
//!
//! Invariant: a parsed template prints every record without failing; what a token cannot show (a
//! null key, say) prints as nothing, or as -1 where it is a length.

use batch::Record;

/// What the tokens stand for, one line each, for `--help` and for error texts.
pub(super) const TOKENS: &str = "%t topic, %p partition, %o offset, %T timestamp in ms, %k key, \
    %K key length, %s value, %S value length, %h headers, %% percent sign; \\n, \\r, \\t, \\\\, \\xHH";

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Timestamp,
    Key,
    KeyLength,
    Value,
    ValueLength,
    Headers,
}

/// A parsed format string.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

impl Template {
    /// Each value on a line of its own.
    pub(super) fn values() -> Self {
        Self {
            pieces: vec![Piece::Value, Piece::Text(b"\n".to_vec())],
        }
    }

    /// Reads a format string.
    ///
    /// # Errors
    /// A sentence that names the first token that is not known.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = Vec::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '%' => {
                    let token = letters.next().ok_or("the format ends in a single %")?;
                    if token == '%' {
                        plain.push(b'%');
                        continue;
                    }
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(Piece::of(token)?);
                }
                '\\' => plain.push(escaped(&mut letters)?),
                other => plain.extend(other.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }

    /// Appends the record as the template shows it.
    pub(super) fn print(&self, out: &mut Vec<u8>, topic: &str, partition: i32, record: &Record) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Topic => out.extend_from_slice(topic.as_bytes()),
                Piece::Partition => number(out, i64::from(partition)),
                Piece::Offset => number(out, record.offset.0),
                Piece::Timestamp => number(out, record.timestamp.0),
                Piece::Key => out.extend_from_slice(record.key.unwrap_or_default()),
                Piece::KeyLength => number(out, length(record.key)),
                Piece::Value => out.extend_from_slice(record.value.unwrap_or_default()),
                Piece::ValueLength => number(out, length(record.value)),
                Piece::Headers => headers(out, record),
            }
        }
    }
}

impl Piece {
    fn of(token: char) -> Result<Self, String> {
        Ok(match token {
            't' => Self::Topic,
            'p' => Self::Partition,
            'o' => Self::Offset,
            'T' => Self::Timestamp,
            'k' => Self::Key,
            'K' => Self::KeyLength,
            's' => Self::Value,
            'S' => Self::ValueLength,
            'h' => Self::Headers,
            other => return Err(format!("%{other} is not a token; known are {TOKENS}")),
        })
    }
}

/// The byte that a backslash and what follows it stand for.
fn escaped(letters: &mut std::str::Chars<'_>) -> Result<u8, String> {
    match letters.next() {
        Some('n') => Ok(b'\n'),
        Some('r') => Ok(b'\r'),
        Some('t') => Ok(b'\t'),
        Some('0') => Ok(0),
        Some('\\') => Ok(b'\\'),
        Some('x') => {
            let digits: String = letters.take(2).collect();
            u8::from_str_radix(&digits, 16)
                .map_err(|_| format!("\\x{digits} is not a byte in two hex digits"))
        }
        Some(other) => Err(format!(
            "\\{other} is not an escape; known are \\n \\r \\t \\0 \\xHH"
        )),
        None => Err("the format ends in a single backslash".to_owned()),
    }
}

/// A separator or delimiter given on the command line, with the same escapes as a format.
///
/// # Errors
/// A sentence that names the escape that is not known.
pub(super) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => bytes.push(escaped(&mut letters)?),
            other => bytes.extend(other.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    Ok(bytes)
}

fn number(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(value.to_string().as_bytes());
}

fn length(bytes: Option<&[u8]>) -> i64 {
    bytes.map_or(-1, |bytes| i64::try_from(bytes.len()).unwrap_or(i64::MAX))
}

/// `name=value` pairs with commas between them, NULL for a null value, as kcat prints them.
fn headers(out: &mut Vec<u8>, record: &Record) {
    for (index, header) in record.headers.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(header.key);
        out.push(b'=');
        out.extend_from_slice(header.value.unwrap_or(b"NULL"));
    }
}

#[cfg(test)]
mod tests {
    use super::{Piece, Template, unescape};
    use base::{Offset, Timestamp};
    use batch::{Headers, Record};

    fn printed(format: &str) -> String {
        let record = Record {
            offset: Offset(7),
            timestamp: Timestamp(1234),
            key: None,
            value: Some(b"v"),
            headers: Headers::default(),
        };
        let mut out = Vec::new();
        Template::parse(format)
            .unwrap()
            .print(&mut out, "t", 2, &record);
        String::from_utf8(out).unwrap()
    }

    /// Scripts written for kcat's `-f` keep working.
    #[test]
    fn tokens_print_what_kcat_prints() {
        assert_eq!(printed("%t [%p] at %o\\n"), "t [2] at 7\n");
        assert_eq!(printed("%T %k|%K|%s|%S|%h|%%\\x41"), "1234 |-1|v|1||%A");
    }

    #[test]
    fn unknown_tokens_are_named() {
        assert!(Template::parse("%q").unwrap_err().contains("%q"));
        assert!(Template::parse("a%").is_err());
        assert!(Template::parse("\\q").is_err());
        assert_eq!(Template::parse("%s\\n"), Ok(Template::values()));
        assert_eq!(Template::values().pieces.first(), Some(&Piece::Value));
        assert_eq!(unescape("\\t:").unwrap(), b"\t:");
    }
}
