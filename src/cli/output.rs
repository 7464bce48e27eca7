//! Standard output, for people and for programs.
//!
//! Invariant: a reader that goes away early (`| head`) ends the command quietly, as it ends `cat`.

use std::io::{ErrorKind, Write};

use super::failure::{Failure, Kind};

/// What became of an attempt to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Printed {
    /// All of it.
    All,
    /// Nobody reads any more.
    ReaderGone,
}

/// Writes bytes to standard output.
///
/// # Errors
/// When the output cannot be written, such as to a full disk.
pub(super) fn print(bytes: &[u8]) -> Result<Printed, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(Printed::All),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Printed::ReaderGone),
        Err(error) => Err(Failure::new(
            Kind::Data,
            "cannot write to standard output",
            error.to_string(),
            "make room there, or send the output elsewhere",
        )),
    }
}

/// Writes a line of text.
///
/// # Errors
/// As [`print()`].
pub(super) fn line(text: &str) -> Result<Printed, Failure> {
    print(format!("{text}\n").as_bytes())
}

/// Writes a JSON value on a line of its own.
///
/// # Errors
/// As [`print()`].
pub(super) fn json(value: &serde_json::Value) -> Result<Printed, Failure> {
    line(&value.to_string())
}

/// Bytes as a JSON string where they are UTF-8, else in hex under a name that says so.
pub(super) fn json_bytes(
    object: &mut serde_json::Map<String, serde_json::Value>,
    name: &str,
    bytes: Option<&[u8]>,
) {
    let Some(bytes) = bytes else {
        object.insert(name.to_owned(), serde_json::Value::Null);
        return;
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.to_owned(), text.into()),
        Err(_) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            object.insert(format!("{name}_hex"), hex.into())
        }
    };
}
