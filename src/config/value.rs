//! Values: from text to a type and back, as Kafka reads and prints them.
//!
//! Invariant: `parse(print(v)) == v`, so a value that went through [`canonical`] once stays as it
//! is.

use crate::key::{Key, Kind};
use crate::limits::VALUE_BYTES_MAX;
use crate::refusal::Refusal;

/// A value of its key's type.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// A yes or no.
    Boolean(bool),
    /// A whole number of any width; the width was checked.
    Whole(i64),
    /// A number with a fraction.
    Double(f64),
    /// Text, or the name of a class.
    Text(String),
    /// Texts.
    List(Vec<String>),
    /// A secret.
    Secret(String),
}

/// Parses `raw` as `key`'s type and checks it against its rule.
///
/// # Errors
/// Says what is allowed when `raw` is not.
pub fn parse(key: &Key, raw: &str) -> Result<Value, Refusal> {
    if raw.len() > VALUE_BYTES_MAX {
        return Err(Refusal::TooLong {
            bytes_max: VALUE_BYTES_MAX,
        });
    }
    let trimmed = trim(raw);
    let not_number = || Refusal::NotNumber { kind: key.kind };
    let value = match key.kind {
        Kind::Boolean => Value::Boolean(parse_boolean(trimmed)?),
        Kind::Short => Value::Whole(trimmed.parse::<i16>().map_err(|_| not_number())?.into()),
        Kind::Int => Value::Whole(trimmed.parse::<i32>().map_err(|_| not_number())?.into()),
        Kind::Long => Value::Whole(trimmed.parse::<i64>().map_err(|_| not_number())?),
        Kind::Double => Value::Double(parse_double(trimmed).ok_or_else(not_number)?),
        Kind::Text | Kind::Class => Value::Text(trimmed.to_owned()),
        Kind::List => Value::List(parse_list(trimmed, key.rule.drops_repetition())),
        Kind::Password => Value::Secret(trimmed.to_owned()),
    };
    key.rule.check(&value)?;
    Ok(value)
}

/// `raw` in the one way of writing it that descriptions show.
///
/// # Errors
/// As [`parse`].
pub fn canonical(key: &Key, raw: &str) -> Result<String, Refusal> {
    Ok(match parse(key, raw)? {
        Value::Boolean(flag) => flag.to_string(),
        Value::Whole(number) => number.to_string(),
        Value::Double(number) => print_double(number),
        Value::Text(text) | Value::Secret(text) => text,
        Value::List(elements) => elements.join(","),
    })
}

/// Cuts what Java's `trim` cuts: everything up to and including the space.
fn trim(raw: &str) -> &str {
    raw.trim_matches(|character| character <= ' ')
}

fn parse_boolean(text: &str) -> Result<bool, Refusal> {
    if text.eq_ignore_ascii_case("true") {
        Ok(true)
    } else if text.eq_ignore_ascii_case("false") {
        Ok(false)
    } else {
        Err(Refusal::NotBoolean)
    }
}

/// A decimal number; Java's type suffixes are allowed, its words and hexadecimal form are not.
fn parse_double(text: &str) -> Option<f64> {
    let number = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    let is_decimal = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    number
        .parse::<f64>()
        .ok()
        .filter(|value| is_decimal && value.is_finite())
}

fn parse_list(text: &str, drop_repetition: bool) -> Vec<String> {
    let mut elements: Vec<String> = Vec::new();
    if text.is_empty() {
        return elements;
    }
    for element in text.split(',').map(str::trim) {
        if !drop_repetition || !elements.iter().any(|known| known == element) {
            elements.push(element.to_owned());
        }
    }
    elements
}

/// Prints a number as Java does: plain between 0.001 and 10,000,000, else with an exponent.
fn print_double(number: f64) -> String {
    let magnitude = number.abs();
    if number == 0.0 || (1e-3..1e7).contains(&magnitude) {
        return format!("{number:?}");
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => format!("{mantissa}E{exponent}"),
        Some((mantissa, exponent)) => format!("{mantissa}.0E{exponent}"),
        None => text,
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Boolean(flag) => write!(formatter, "{flag}"),
            Self::Whole(number) => write!(formatter, "{number}"),
            Self::Double(number) => write!(formatter, "{number}"),
            Self::Text(text) => write!(formatter, "{text:?}"),
            Self::List(elements) => write!(formatter, "{elements:?}"),
            Self::Secret(_) => write!(formatter, "[hidden]"),
        }
    }
}
