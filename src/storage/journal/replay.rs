//! At the start of a node: what the journals of a directory have and the segments do not goes into
//! the segments, then the journals go. No log is open yet, so whoever opens one, at once, later or
//! never, on whichever core, finds it in its own files.
//!
//! Invariants: a crash meanwhile changes nothing, since nothing is removed before all of it is on
//! the device; of one journal the older file goes first, durably, so that no void goes before what
//! it is about.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use base::{CoreId, TopicPartition};
use batch::Batches;
use reactor::{Core, Pool};

use super::journal_file::{Batch, Found, LastTurn, read_turn};
use super::restore::{LogDir, OfLog, Restored, WRITE_BYTES};
use crate::error::StorageError;
use crate::flusher::join_all;
use crate::layout;

/// How many logs are looked at side by side.
const LOGS_AT_ONCE: usize = 64;

/// What the journals had at the start of a node that had not stopped in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalReport {
    /// How many frames were read.
    pub frames: u64,
    /// How many batches were given back to their segments.
    pub batches: u64,
    /// How many bytes these have.
    pub bytes: u64,
    /// The files of which a frame cannot be read although later ones can. What only those frames
    /// had is lost.
    pub damaged: Vec<PathBuf>,
    /// The logs that could not be given anything, since a small file of theirs makes no sense, and
    /// why.
    pub left_out: Vec<(TopicPartition, StorageError)>,
    /// Where the journals are now that have something of those.
    pub kept: Vec<PathBuf>,
    /// Segments that end before what the journal has of them: where they are damaged, it is lost;
    /// where the power went while they were written, nobody was promised anything.
    pub unplaced: Vec<PathBuf>,
}

/// A journal's files, in no order.
type Files = Vec<PathBuf>;

/// Gives the logs in `dir` what only its journals have, and removes them. `names` are those of the
/// directory's files.
///
/// # Errors
/// When the device refuses; another start does all of it again then.
pub(crate) async fn replay(
    core: &Core,
    dir: &Path,
    names: impl Iterator<Item = &str>,
) -> Result<JournalReport, StorageError> {
    let mut journals: BTreeMap<CoreId, Files> = BTreeMap::new();
    for name in names {
        if let Some(owner) = layout::parse_journal_name(name) {
            journals.entry(owner).or_default().push(dir.join(name));
        }
    }
    let mut report = JournalReport::default();
    for files in journals.into_values() {
        let mut turns = Vec::new();
        for path in files {
            turns.push((read_turn(core, &path).await?, path));
        }
        turns.sort_by_key(|(turn, _)| turn.generation);
        note_damage(&turns, &mut report);
        let logs = by_log(&mut turns, &mut report);
        let restored = restore_all(core, dir, logs).await?;
        report.batches += restored.batches;
        report.bytes += restored.bytes;
        report.unplaced.extend(restored.unplaced);
        let keeps = !restored.left_out.is_empty();
        report.left_out.extend(restored.left_out);
        for (_, path) in &turns {
            if keeps {
                // Under a name that no start takes for a journal.
                let tag = format!(".kept-{:016x}", core.entropy());
                let kept = layout::with_suffix(path, &tag);
                core.rename(path, &kept).await?;
                report.kept.push(kept);
            } else {
                core.remove_file(path).await?;
            }
            core.sync_dir(dir).await?;
        }
    }
    Ok(report)
}

/// Removes the journals of a directory whose logs were all closed, and which says so.
///
/// # Errors
/// When the device refuses.
pub(crate) async fn remove_all(core: &Core, dir: &Path) -> Result<(), StorageError> {
    for entry in core.list(dir).await? {
        if layout::parse_journal_name(&entry.name).is_some() {
            core.remove_file(&dir.join(&entry.name)).await?;
        }
    }
    Ok(core.sync_dir(dir).await?)
}

/// A file lacks its first frames for good reason while it is begun anew, and only then: the other
/// one's turn is later in that case.
fn note_damage(turns: &[(LastTurn, PathBuf)], report: &mut JournalReport) {
    let newest = turns.last().map(|(turn, _)| turn.generation);
    for (turn, path) in turns {
        let is_newest = Some(turn.generation) == newest;
        if turn.has_gap || (is_newest && turn.first > 0) {
            report.damaged.push(path.clone());
        }
    }
}

/// What counts of the turns' entries, in the order of their coming.
fn by_log(
    turns: &mut [(LastTurn, PathBuf)],
    report: &mut JournalReport,
) -> BTreeMap<TopicPartition, OfLog> {
    let mut logs: BTreeMap<TopicPartition, OfLog> = BTreeMap::new();
    for (turn, _) in turns {
        for frame in std::mem::take(&mut turn.frames) {
            report.frames += 1;
            for Found { partition, batches } in frame {
                let Some((target, bytes)) = batches else {
                    logs.remove(&partition);
                    continue;
                };
                let log = logs.entry(partition).or_default();
                let segment = log.entry((target.topic_id, target.base)).or_default();
                let mut position = target.position;
                // What is no batch is none of ours: it was validated before it was appended.
                for view in Batches::new(&bytes).map_while(Result::ok) {
                    let batch = Batch {
                        bytes: view.bytes().to_vec(),
                        base_offset: view.base_offset(),
                        next_offset: view.next_offset(),
                    };
                    segment.insert(position, batch);
                    position += view.len() as u64;
                }
            }
        }
    }
    logs
}

async fn restore_all(
    core: &Core,
    data_dir: &Path,
    logs: BTreeMap<TopicPartition, OfLog>,
) -> Result<Restored, StorageError> {
    let memory = Pool::new(LOGS_AT_ONCE * WRITE_BYTES);
    let logs = RefCell::new(logs.into_iter().collect::<VecDeque<_>>());
    let workers = (0..LOGS_AT_ONCE).map(|_| async {
        let mut restored = Restored::default();
        loop {
            let next = logs.borrow_mut().pop_front();
            let Some((partition, entries)) = next else {
                return Ok(restored);
            };
            let dir = LogDir {
                core,
                data_dir,
                memory: &memory,
            };
            match dir.restore(&partition, &entries).await {
                // Whoever opens this log fails, too, and nobody else has to.
                Err(error @ StorageError::Metadata { .. }) => {
                    restored.left_out.push((partition, error));
                }
                done => restored.add(done?),
            }
        }
    });
    let mut all = Restored::default();
    for restored in join_all(workers).await {
        let restored: Result<Restored, StorageError> = restored;
        all.add(restored?);
    }
    Ok(all)
}
