//! Java's `.properties` format, as `java.util.Properties` reads it, from UTF-8.
//!
//! Deviations, all on the side of telling the operator: bytes that are not UTF-8 and values without
//! a key are errors with their line. A lone backslash at the end of a file is nothing, not a key
//! without a name.

use crate::error::{ConfigError, LineProblem};
use crate::limits::{FILE_BYTES_MAX, FILE_SETTINGS_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX};

/// One setting of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// The line, counted from one, on which it begins.
    pub line: usize,
    /// The key, without its escapes.
    pub key: String,
    /// The value, without its escapes.
    pub value: String,
}

/// Reads the settings of a file in their order. Later ones of the same key win; that is the
/// caller's business. `path` is only for errors.
///
/// # Errors
/// With the line that cannot be read.
pub fn parse(path: &str, bytes: &[u8]) -> Result<Vec<Property>, ConfigError> {
    let fail = |line, problem| ConfigError::BadLine {
        path: path.to_owned(),
        line,
        problem,
    };
    if bytes.len() > FILE_BYTES_MAX {
        return Err(fail(1, LineProblem::FileTooLarge));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        fail(1 + count_line_ends(valid), LineProblem::NotUtf8)
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut properties = Vec::new();
    for logical in logical_lines(text) {
        if properties.len() == FILE_SETTINGS_MAX {
            return Err(fail(logical.number, LineProblem::TooManySettings));
        }
        let property = split(&logical).map_err(|problem| fail(logical.number, problem))?;
        properties.push(property);
    }
    Ok(properties)
}

fn count_line_ends(bytes: &[u8]) -> usize {
    let mut count = 0;
    let mut previous = 0;
    for &byte in bytes {
        if byte == b'\r' || (byte == b'\n' && previous != b'\r') {
            count += 1;
        }
        previous = byte;
    }
    count
}

/// A setting with its continuation lines joined and its escapes still in place.
struct LogicalLine {
    number: usize,
    text: String,
}

const fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\u{c}')
}

/// Joins continued lines, drops comments, blank lines and leading blanks.
fn logical_lines(text: &str) -> Vec<LogicalLine> {
    let mut lines = Vec::new();
    let mut current = String::new();
    let mut began = 1;
    for (index, natural) in natural_lines(text).enumerate() {
        // A comment cannot continue a setting, and a setting that is still empty has not begun.
        let content = natural.trim_start_matches(is_blank);
        if current.is_empty() {
            if content.is_empty() || content.starts_with(['#', '!']) {
                continue;
            }
            began = index + 1;
        }
        let backslashes = content
            .bytes()
            .rev()
            .take_while(|byte| *byte == b'\\')
            .count();
        if backslashes % 2 == 1 {
            current.push_str(content.get(..content.len() - 1).unwrap_or_default());
            continue;
        }
        current.push_str(content);
        lines.push(LogicalLine {
            number: began,
            text: std::mem::take(&mut current),
        });
    }
    if !current.is_empty() {
        lines.push(LogicalLine {
            number: began,
            text: current,
        });
    }
    lines
}

/// Lines that end with a line feed, a carriage return, or both in this order.
fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let remaining = rest?;
        let Some((line, _)) = remaining.split_once(['\n', '\r']) else {
            rest = None;
            return Some(remaining);
        };
        let behind = remaining.get(line.len()..).unwrap_or_default();
        let behind = behind.strip_prefix("\r\n").or_else(|| behind.get(1..));
        rest = behind;
        Some(line)
    })
}

/// Finds the end of the key: the first blank, `=` or `:` without a backslash before it.
fn split(logical: &LogicalLine) -> Result<Property, LineProblem> {
    let mut escaped = false;
    let key_end = logical.text.char_indices().find(|(_, letter)| {
        let ends = !escaped && (is_blank(*letter) || matches!(letter, '=' | ':'));
        escaped = !escaped && *letter == '\\';
        ends
    });
    let at = key_end.map_or(logical.text.len(), |(at, _)| at);
    let (raw_key, rest) = logical.text.split_at_checked(at).unwrap_or_default();
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    let key = unescape(raw_key)?;
    let value = unescape(rest.trim_start_matches(is_blank))?;
    if key.is_empty() {
        return Err(LineProblem::NoKey);
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(LineProblem::KeyTooLong);
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err(LineProblem::ValueTooLong);
    }
    Ok(Property {
        line: logical.number,
        key,
        value,
    })
}

/// Resolves `\t`, `\n`, `\r`, `\f`, `\uXXXX`; a backslash before anything else disappears.
fn unescape(text: &str) -> Result<String, LineProblem> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut letters = text.chars();
    let mut buffer = [0_u16; 2];
    while let Some(letter) = letters.next() {
        let plain = if letter == '\\' {
            match letters.next() {
                Some('u') => {
                    units.push(hexadecimal(&mut letters)?);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some(other) => other,
                None => break,
            }
        } else {
            letter
        };
        units.extend_from_slice(plain.encode_utf16(&mut buffer));
    }
    String::from_utf16(&units).map_err(|_| LineProblem::BadUnicodeEscape)
}

fn hexadecimal(letters: &mut std::str::Chars<'_>) -> Result<u16, LineProblem> {
    let mut unit: u16 = 0;
    for _ in 0..4 {
        let digit = letters.next().and_then(|letter| letter.to_digit(16));
        let digit = digit.and_then(|digit| u16::try_from(digit).ok());
        unit = (unit << 4) | digit.ok_or(LineProblem::BadUnicodeEscape)?;
    }
    Ok(unit)
}
