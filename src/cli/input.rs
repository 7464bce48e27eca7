//! What `produce` reads: standard input or a file, cut into records.
//!
//! Invariant: a record is what stands between two delimiters; the last one needs none behind it.

use std::path::PathBuf;

use reactor::{Bytes, Core, File, OpenMode};

use super::failure::{Failure, Kind};

/// How much is read at once. A pipe gives at most 64 KiB; less than asked for means a pause.
const READ_BYTES: usize = 1 << 20;
/// The longest record that is collected: no broker takes more than its frames hold.
const RECORD_BYTES_MAX: usize = 64 << 20;

/// A source of bytes.
pub(super) struct Input {
    core: Core,
    source: Source,
}

enum Source {
    Standard,
    File { file: File, position: u64, len: u64 },
}

impl Input {
    /// Standard input, or the file where one is named.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(super) async fn open(core: &Core, path: Option<&PathBuf>) -> Result<Self, Failure> {
        let source = match path {
            None => Source::Standard,
            Some(path) => {
                let file = core.open(path, OpenMode::ReadOnly).await?;
                let len = file.len().await?;
                Source::File {
                    file,
                    position: 0,
                    len,
                }
            }
        };
        Ok(Self {
            core: core.clone(),
            source,
        })
    }

    /// How much there is in all, where that is known.
    pub(super) fn len(&self) -> Option<u64> {
        match &self.source {
            Source::Standard => None,
            Source::File { len, .. } => Some(*len),
        }
    }

    /// The next bytes, none at the end; and whether more may be slow to come.
    ///
    /// # Errors
    /// As the system answers.
    pub(super) async fn next(&mut self) -> Result<(Bytes, bool), Failure> {
        match &mut self.source {
            Source::Standard => {
                let bytes = self.core.read_stdin(READ_BYTES).await?;
                let pauses = bytes.len() < READ_BYTES;
                Ok((bytes, pauses))
            }
            Source::File {
                file,
                position,
                len,
            } => {
                let wanted = (*len - *position).min(READ_BYTES as u64);
                let bytes = file
                    .read_at(*position, base::usize_from_u64(wanted))
                    .await?;
                *position += bytes.len() as u64;
                Ok((bytes, false))
            }
        }
    }
}

/// Cuts bytes at a delimiter.
pub(super) struct Splitter {
    delimiter: Vec<u8>,
    rest: Vec<u8>,
}

impl Splitter {
    /// A splitter at `delimiter`.
    ///
    /// # Panics
    /// When the delimiter is empty.
    pub(super) fn new(delimiter: Vec<u8>) -> Self {
        assert!(!delimiter.is_empty(), "a delimiter has at least one byte");
        Self {
            delimiter,
            rest: Vec::new(),
        }
    }

    /// Takes in bytes and gives each whole record to `take`.
    ///
    /// # Errors
    /// When a record has no end in sight, and what `take` returns.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        // A delimiter may have begun in what is left from before.
        let mut searched = self.rest.len().saturating_sub(self.delimiter.len() - 1);
        self.rest.extend_from_slice(bytes);
        let mut start = 0;
        while let Some(at) = find(
            self.rest.get(searched..).unwrap_or_default(),
            &self.delimiter,
        ) {
            let end = searched + at;
            take(self.rest.get(start..end).unwrap_or_default())?;
            start = end + self.delimiter.len();
            searched = start;
        }
        self.rest.drain(..start);
        if self.rest.len() > RECORD_BYTES_MAX {
            return Err(Failure::new(
                Kind::Data,
                "a record of the input is too long",
                format!("no delimiter within {} MiB", RECORD_BYTES_MAX >> 20),
                "name the right one with --delimiter",
            ));
        }
        Ok(())
    }

    /// What stands behind the last delimiter, if anything.
    pub(super) fn unfinished(&self) -> Option<&[u8]> {
        (!self.rest.is_empty()).then_some(&self.rest)
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    match wanted {
        [single] => bytes.iter().position(|byte| byte == single),
        _ => bytes
            .windows(wanted.len())
            .position(|window| window == wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::Splitter;

    fn split(delimiter: &str, chunks: &[&str]) -> Vec<String> {
        let mut splitter = Splitter::new(delimiter.as_bytes().to_vec());
        let mut records = Vec::new();
        for chunk in chunks {
            splitter
                .feed(chunk.as_bytes(), |record| {
                    records.push(String::from_utf8(record.to_vec()).unwrap());
                    Ok(())
                })
                .unwrap();
        }
        records.extend(
            splitter
                .unfinished()
                .map(|rest| String::from_utf8(rest.to_vec()).unwrap()),
        );
        records
    }

    /// A pipe cuts where it likes, also inside a delimiter; records must not notice.
    #[test]
    fn cuts_of_the_pipe_do_not_show() {
        assert_eq!(split("\n", &["a\nb", "c\n", "\nd"]), ["a", "bc", "", "d"]);
        assert_eq!(split("--", &["a-", "-b-", "c--"]), ["a", "b-c"]);
        assert_eq!(split("\n", &["a\n"]), ["a"]);
    }
}
