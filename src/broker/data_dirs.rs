//! Opening the data directories of a node: whose they are is checked before any is written to.
//!
//! Invariants: all of one node and one cluster, each once; a new one takes the cluster of the
//! others; none is made into a new cluster while another one holds data; one that cannot be read or
//! written is offline, unless it is the metadata log's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use base::{NodeId, Uuid};
use reactor::{Core, IoErrorKind};
use storage::{DataDir, DirIdentity, StorageError};

use crate::broker::Broker;
use crate::dirs::{self, Opened};
use crate::node::{NodeError, NodePlan};

/// The directories to open.
pub(crate) struct Opening {
    core: Core,
    node_id: NodeId,
    paths: Vec<PathBuf>,
    /// Which of them has the metadata log.
    metadata: usize,
    /// For a new cluster.
    cluster_id_new: String,
}

impl Opening {
    pub(crate) fn new(broker: &Broker, plan: &NodePlan, cluster_id_new: String) -> Self {
        Self {
            core: broker.core().clone(),
            node_id: broker.node_id(),
            paths: dirs::paths(&plan.config.storage),
            metadata: dirs::metadata_place(&plan.config.storage),
            cluster_id_new,
        }
    }

    /// Opens all of them, in their order.
    pub(crate) async fn open(self) -> Result<Vec<Opened>, NodeError> {
        let cluster_id = self.cluster_id().await?;
        let mut opened: BTreeMap<usize, Opened> = BTreeMap::new();
        let mut known: Vec<(Uuid, PathBuf)> = Vec::new();
        // That of the metadata log first: as soon as any belongs to a cluster, it must.
        let mut order: Vec<(usize, &PathBuf)> = self.paths.iter().enumerate().collect();
        order.sort_by_key(|(place, _)| *place != self.metadata);
        for (place, path) in order {
            if let Ok(Some(identity)) = DataDir::identity_of(&self.core, path).await {
                check_distinct(&known, &identity, path)?;
            }
            let is_metadata = place == self.metadata;
            let dir = DataDir::open(&self.core, path, self.node_id, &cluster_id).await;
            match dir {
                Ok(dir) => {
                    check_content(&dir, is_metadata)?;
                    tell_journal(&dir);
                    known.push((dir.identity().directory_id, path.clone()));
                    opened.insert(place, Ok(Rc::new(dir)));
                }
                Err(error) if is_metadata || !is_failure(&error) => return Err(error.into()),
                Err(error) => drop(opened.insert(place, Err(error))),
            }
        }
        Ok(opened.into_values().collect())
    }

    /// The cluster that all directories belong to, or will.
    async fn cluster_id(&self) -> Result<String, NodeError> {
        let mut identities: Vec<(usize, DirIdentity)> = Vec::new();
        for (place, path) in self.paths.iter().enumerate() {
            match DataDir::identity_of(&self.core, path).await {
                Ok(identity) => identities.extend(identity.map(|identity| (place, identity))),
                Err(error) if place == self.metadata || !is_failure(&error) => {
                    return Err(error.into());
                }
                // What it is will be known when it works again.
                Err(_) => {}
            }
        }
        let Some((first, identity)) = identities.first() else {
            return Ok(self.cluster_id_new.clone());
        };
        for (place, other) in &identities {
            if other.cluster_id != identity.cluster_id {
                return Err(NodeError::Unsupported(format!(
                    "{} belongs to cluster {}, but {} to cluster {}; all directories of log.dirs \
                     must belong to one cluster, so take out those that do not",
                    self.name(*first),
                    identity.cluster_id,
                    self.name(*place),
                    other.cluster_id
                )));
            }
        }
        if identities.iter().all(|(place, _)| *place != self.metadata) {
            return Err(NodeError::Unsupported(format!(
                "the metadata log is to be in {}, which is new, but {} belongs to cluster {} \
                 already; name the directory that has __cluster_metadata-0 with metadata.log.dir",
                self.name(self.metadata),
                self.name(*first),
                identity.cluster_id
            )));
        }
        Ok(identity.cluster_id.clone())
    }

    fn name(&self, place: usize) -> String {
        let path = self.paths.get(place);
        path.map_or_else(String::new, |path| path.display().to_string())
    }
}

/// Whether it is the device or the file system that fails, not what is in it.
fn is_failure(error: &StorageError) -> bool {
    match error {
        StorageError::Io(error) => !matches!(error.kind, IoErrorKind::Locked),
        _ => false,
    }
}

fn tell_journal(dir: &DataDir) {
    let (journal, path) = (dir.journal(), dir.path().display());
    if journal.frames > 0 {
        let (batches, bytes) = (journal.batches, journal.bytes);
        tracing::info!(dir = %path, batches, bytes, "gave segments what only the journal had");
    }
    for file in &journal.damaged {
        tracing::error!(
            file = %file.display(),
            "a part of the journal could not be read; what was acknowledged last may be lost"
        );
    }
    for (partition, error) in &journal.left_out {
        let kept = &journal.kept;
        tracing::error!(
            %partition, %error, ?kept,
            "the log could not be given what only the journal has; the journal's files were kept"
        );
    }
    for segment in &journal.unplaced {
        tracing::warn!(
            segment = %segment.display(),
            "it ends before what the journal has of it; if it is damaged, that is lost"
        );
    }
}

fn check_distinct(
    known: &[(Uuid, PathBuf)],
    identity: &DirIdentity,
    path: &Path,
) -> Result<(), NodeError> {
    let same = known.iter().find(|(id, _)| *id == identity.directory_id);
    let Some((id, other)) = same else {
        return Ok(());
    };
    Err(NodeError::Unsupported(format!(
        "{} and {} are the same directory, or copies of one (directory.id {id}); name it once in \
         log.dirs",
        other.display(),
        path.display()
    )))
}

fn check_content(dir: &DataDir, is_metadata: bool) -> Result<(), NodeError> {
    let metadata = crate::metadata_log::partition();
    let has_log = dir.logs().iter().any(|log| log.partition == metadata);
    if has_log && !is_metadata {
        return Err(NodeError::Unsupported(format!(
            "{} holds a metadata log, but is not the directory of it; name it with \
             metadata.log.dir, or, when another one counts, remove {metadata} there",
            dir.path().display()
        )));
    }
    Ok(())
}
