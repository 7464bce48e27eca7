//! The partitions that transactions write to: data, markers, and what became of each record.
//!
//! They keep Kafka's rules: data of an epoch older than the newest known is refused; a marker of an
//! older epoch finds nothing to end.

use std::collections::BTreeMap;

use base::{ProducerEpoch, ProducerId, TopicPartition};

use crate::transaction::Markers;

/// The number of one transaction in a run.
pub(super) type Number = u64;

/// What one partition knows of one producer.
#[derive(Default)]
struct Known {
    epoch: i16,
    open: Vec<Number>,
    /// The newest marker: its epoch, and whether it commits.
    marker: Option<(i16, bool)>,
}

/// All partitions.
#[derive(Default)]
pub(super) struct Partitions {
    known: BTreeMap<(TopicPartition, ProducerId), Known>,
    /// Per transaction, how each of its records ended.
    pub(super) outcomes: BTreeMap<Number, Vec<bool>>,
    pub(super) markers: usize,
}

impl Partitions {
    /// A client's record; false when it is refused.
    pub(super) fn append(
        &mut self,
        partition: &TopicPartition,
        (id, epoch): (ProducerId, ProducerEpoch),
        number: Number,
    ) -> bool {
        let known = self.known.entry((partition.clone(), id)).or_default();
        if epoch.0 < known.epoch {
            return false;
        }
        known.epoch = epoch.0;
        known.open.push(number);
        true
    }

    /// A coordinator's marker.
    pub(super) fn mark(&mut self, partition: &TopicPartition, markers: &Markers) {
        let key = (partition.clone(), markers.producer_id);
        let known = self.known.entry(key).or_default();
        if markers.producer_epoch.0 < known.epoch {
            assert!(
                known.open.is_empty(),
                "a late marker for an open transaction"
            );
            return;
        }
        known.epoch = markers.producer_epoch.0;
        known.marker = Some((markers.producer_epoch.0, markers.is_commit));
        self.markers += 1;
        for number in known.open.drain(..) {
            let outcomes = self.outcomes.entry(number).or_default();
            outcomes.push(markers.is_commit);
        }
    }

    /// Whether the newest marker of this producer is this one, with nothing open behind it.
    pub(super) fn is_marked(
        &self,
        partition: &TopicPartition,
        id: ProducerId,
        marker: (i16, bool),
    ) -> bool {
        let known = self.known.get(&(partition.clone(), id));
        known.is_some_and(|known| known.open.is_empty() && known.marker == Some(marker))
    }

    /// No transaction is left open anywhere.
    pub(super) fn assert_closed(&self) {
        for ((partition, id), known) in &self.known {
            let open = &known.open;
            assert!(open.is_empty(), "{open:?} of {id} hang in {partition}");
        }
    }
}
