//! Reads what a broker has, and checks on the way what must hold for every log: whole batches,
//! right checksums, offsets without gaps.

use base::Uuid;
use batch::{BatchView, Batches, Scratch};
use wire::fetch::FetchRequest;
use wire::list_offsets::ListOffsetsRequest;
use wire::{fetch, list_offsets};

use crate::connection::{Answer, Connection};
use crate::records;
use crate::topics::Topic;

const FETCH_BYTES_MAX: i32 = 8 << 20;
/// More than any record of these tests takes when its batch is decompressed.
const PLAIN_BYTES_MAX: usize = 256 << 20;
pub(crate) const EARLIEST: i64 = -2;
pub(crate) const LATEST: i64 = -1;

/// One record as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) offset: i64,
    pub(crate) writer: u32,
    pub(crate) number: u64,
}

/// What one partition answered to a fetch request.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    pub(crate) error_code: i16,
    pub(crate) high_watermark: i64,
    pub(crate) records: Vec<u8>,
}

/// A fetch request for one partition that does not wait.
pub(crate) fn fetch_request(
    topic: &Topic,
    partition: i32,
    offset: i64,
    version: i16,
) -> FetchRequest<'_> {
    let partition = fetch::FetchPartition {
        partition,
        current_leader_epoch: -1,
        fetch_offset: offset,
        last_fetched_epoch: -1,
        log_start_offset: -1,
        partition_max_bytes: FETCH_BYTES_MAX,
        high_watermark: i64::MAX,
        ..Default::default()
    };
    // Since KIP-516 a topic is named by its id.
    let by_id = version >= 13;
    let topics = vec![fetch::FetchTopic {
        topic: if by_id {
            "".into()
        } else {
            topic.name.as_str().into()
        },
        topic_id: if by_id { topic.id } else { Uuid::ZERO },
        partitions: vec![partition],
    }];
    FetchRequest {
        replica_id: -1,
        max_wait_ms: 0,
        min_bytes: 0,
        max_bytes: FETCH_BYTES_MAX,
        session_epoch: -1,
        topics,
        ..Default::default()
    }
}

pub(crate) fn fetched(answer: &Answer) -> Fetched {
    let response = answer.read::<FetchRequest<'_>>();
    assert_eq!(response.error_code, 0);
    let partition = &response.responses[0].partitions[0];
    Fetched {
        error_code: partition.error_code,
        high_watermark: partition.high_watermark,
        records: partition.records.bytes().unwrap().to_vec(),
    }
}

pub(crate) fn fetch_at(
    connection: &mut Connection,
    (topic, partition): (&Topic, i32),
    offset: i64,
) -> Fetched {
    let version = connection.newest::<FetchRequest<'_>>();
    fetched(&connection.call(version, &fetch_request(topic, partition, offset, version)))
}

/// Hands every batch from `offset` to the high watermark to `visit`; the offset behind the last.
pub(crate) fn each_batch(
    connection: &mut Connection,
    (topic, partition): (&Topic, i32),
    offset: i64,
    mut visit: impl FnMut(&BatchView<'_>),
) -> i64 {
    let mut next = offset;
    loop {
        let fetched = fetch_at(connection, (topic, partition), next);
        assert_eq!(
            fetched.error_code, 0,
            "{} {partition} at {next}",
            topic.name
        );
        let before = next;
        // The last batch of an answer may be cut; the next fetch begins with it.
        for batch in Batches::new(&fetched.records).map(Result::unwrap) {
            batch.verify_checksum().unwrap();
            let base = batch.base_offset().0;
            let may_overlap = next == offset && base < next;
            assert!(base == next || may_overlap, "{base} follows {next}");
            next = batch.next_offset().0;
            visit(&batch);
        }
        assert!(
            next <= fetched.high_watermark,
            "read {next} above the high watermark"
        );
        if next == fetched.high_watermark {
            return next;
        }
        assert!(
            next > before,
            "no progress at {next} below {}",
            fetched.high_watermark
        );
    }
}

/// Every record from `offset` to the high watermark.
pub(crate) fn read_all(
    connection: &mut Connection,
    (topic, partition): (&Topic, i32),
    offset: i64,
) -> Vec<Found> {
    let mut found = Vec::new();
    each_batch(connection, (topic, partition), offset, |batch| {
        found.extend(records_of(batch));
    });
    found
}

/// The records of one batch.
pub(crate) fn records_of(batch: &BatchView<'_>) -> Vec<Found> {
    let mut scratch = Scratch::new();
    let mut found = Vec::new();
    for record in batch::records(batch, &mut scratch, PLAIN_BYTES_MAX).unwrap() {
        let record = record.unwrap();
        let (writer, number) = records::read(&record);
        found.push(Found {
            offset: record.offset.0,
            writer,
            number,
        });
    }
    found
}

/// The offset that `timestamp` stands for.
pub(crate) fn list_offset(
    connection: &mut Connection,
    (topic, partition): (&Topic, i32),
    timestamp: i64,
    version: i16,
) -> i64 {
    let partition = list_offsets::ListOffsetsPartition {
        partition_index: partition,
        current_leader_epoch: -1,
        timestamp,
        max_num_offsets: 1,
    };
    let topics = vec![list_offsets::ListOffsetsTopic {
        name: topic.name.as_str().into(),
        partitions: vec![partition],
    }];
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics,
        ..Default::default()
    };
    let answer = connection.call(version, &request);
    let response = answer.read::<ListOffsetsRequest<'_>>();
    let partition = &response.topics[0].partitions[0];
    assert_eq!(partition.error_code, 0);
    // Version 0 answers with a list, later ones with one offset (KIP-79).
    partition
        .old_style_offsets
        .first()
        .copied()
        .unwrap_or(partition.offset)
}
