//! Readers of committed records, of all records, and of groups' offsets: along the way, and of
//! everything in the end. What was aborted they leave out as Java's consumer does.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use base::{ErrorCode, Offset, ProducerId, Random, Uuid};
use batch::{BatchView, Batches, ControlRecord, Scratch, records};
use history::Process;
use reactor::Core;
use wire::Request;
use wire::fetch::{FetchPartition, FetchRequest, FetchTopic, PartitionData};
use wire::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics};

use crate::history::Name;
use crate::outcomes::{Final, Outcomes, Pass, Place, key_of};
use crate::transactor::{Client, PLACES};
use crate::wires::{Lost, Wire, passes};

/// The last versions that name topics by their names.
const FETCH_VERSION: i16 = 12;
const OFFSET_FETCH_VERSION: i16 = 9;
const PLAIN_BYTES_MAX: usize = 64 << 20;
const PAUSE: Duration = Duration::from_millis(20);

/// What one fetch gave.
struct Seen {
    records: Vec<(Offset, Name)>,
    /// Behind the last batch.
    next: Offset,
    stable: Offset,
    high_watermark: Offset,
}

/// What is asked of one partition.
#[derive(Clone, Copy)]
struct Wanted {
    reader: Process,
    place: Place,
    from: Offset,
    is_committed: bool,
    bytes_max: i32,
}

/// One fetch; nothing where there is no answer, or one that passes.
async fn fetch(wire: &Wire, outcomes: &Outcomes, wanted: Wanted) -> Option<Seen> {
    let ticket = outcomes.poll(wanted.reader, wanted.place, wanted.is_committed);
    let seen = fetch_unrecorded(wire, wanted).await;
    if let Some(ticket) = ticket {
        let given = seen.as_ref().map(|seen| {
            let is_end = seen.next >= seen.high_watermark;
            (seen.records.as_slice(), seen.next, is_end)
        });
        outcomes.polled(ticket, wanted.place, given);
    }
    seen
}

async fn fetch_unrecorded(wire: &Wire, wanted: Wanted) -> Option<Seen> {
    let (topic, index, _) = PLACES[wanted.place];
    let partition = FetchPartition {
        partition: index,
        fetch_offset: wanted.from.0,
        partition_max_bytes: wanted.bytes_max,
        ..FetchPartition::default()
    };
    let request = FetchRequest {
        max_wait_ms: 20,
        min_bytes: 1,
        max_bytes: wanted.bytes_max,
        isolation_level: i8::from(wanted.is_committed),
        topics: vec![FetchTopic {
            topic: topic.into(),
            topic_id: Uuid::ZERO,
            partitions: vec![partition],
        }],
        ..FetchRequest::default()
    };
    let answer = wire.ask(&request, FETCH_VERSION).await;
    let answer = answer.ok()?;
    let response = answer.decode::<<FetchRequest<'_> as Request>::Response<'_>>();
    let response = response.expect("an answer");
    let data = &response.responses.first()?.partitions[0];
    match ErrorCode::from_code(data.error_code) {
        ErrorCode::None => Some(seen(data, wanted)),
        code if passes(code) => None,
        code => panic!("{} from {}: {code:?}", wanted.place, wanted.from),
    }
}

fn seen(data: &PartitionData<'_>, wanted: Wanted) -> Seen {
    let mut aborted: Vec<(Offset, ProducerId)> = Vec::new();
    for one in data.aborted_transactions.iter().flatten() {
        aborted.push((Offset(one.first_offset), ProducerId(one.producer_id)));
    }
    aborted.sort_unstable();
    let mut aborted = aborted.into_iter().peekable();
    let mut left_out = BTreeSet::new();
    let (mut found, mut next) = (Vec::new(), wanted.from);
    let mut scratch = Scratch::new();
    for view in Batches::new(data.records.bytes().expect("an answer has records")) {
        let view = view.expect("what was read consists of batches");
        view.verify_checksum().expect("what was read is intact");
        while let Some((_, id)) = aborted.next_if(|(first, _)| *first <= view.last_offset()) {
            left_out.insert(id);
        }
        next = next.max(view.next_offset());
        let id = view.producer_id();
        if view.attributes().is_control() {
            if is_abort(&view, &mut scratch) {
                left_out.remove(&id);
            }
            continue;
        }
        if view.attributes().is_transactional() && left_out.contains(&id) {
            continue;
        }
        read_batch(&view, wanted, &mut scratch, &mut found);
    }
    Seen {
        records: found,
        next,
        stable: Offset(data.last_stable_offset),
        high_watermark: Offset(data.high_watermark),
    }
}

fn read_batch(
    view: &BatchView<'_>,
    wanted: Wanted,
    scratch: &mut Scratch,
    found: &mut Vec<(Offset, Name)>,
) {
    for record in records(view, scratch, PLAIN_BYTES_MAX).expect("readable records") {
        let record = record.expect("a readable record");
        if record.offset < wanted.from {
            continue;
        }
        let name = Name::of(record.value.expect("records have values"));
        let key = PLACES[wanted.place].2.then(|| key_of(name));
        assert_eq!(record.key, key.as_deref(), "the key of {name:?}");
        found.push((record.offset, name));
    }
}

fn is_abort(view: &BatchView<'_>, scratch: &mut Scratch) -> bool {
    let mut all = records(view, scratch, PLAIN_BYTES_MAX).expect("readable records");
    let first = all.next().map(|record| record.expect("a readable record"));
    let control = first.and_then(|record| ControlRecord::parse(record.key, record.value));
    matches!(control, Some(ControlRecord::Abort { .. }))
}

/// Reads along, now this partition and now that, and begins somewhere else now and then.
pub(crate) async fn read_along(
    core: Core,
    outcomes: Rc<Outcomes>,
    is_committed: bool,
    is_over: impl Fn() -> bool,
) {
    let mut random = Random::new(core.entropy());
    let wire = Wire::new(&core);
    let pause_us_max = 1 + random.below(30_000);
    let begin = |place, from| Pass {
        place,
        is_committed,
        from,
        to: from,
        seen: BTreeMap::new(),
    };
    let reader = outcomes.reader();
    for place in 0..PLACES.len() {
        outcomes.seek(reader, place, Offset(0));
    }
    let mut passes: Vec<Pass> = (0..PLACES.len())
        .map(|place| begin(place, Offset(0)))
        .collect();
    while !is_over() {
        let place = usize::try_from(random.below(PLACES.len() as u64)).unwrap();
        let wanted = Wanted {
            reader,
            place,
            from: passes[place].to,
            is_committed,
            bytes_max: 1 + i32::try_from(random.below(30_000)).unwrap(),
        };
        if let Some(seen) = fetch(&wire, &outcomes, wanted).await {
            if is_committed {
                outcomes.stable(place, seen.stable, seen.high_watermark);
            }
            let pass = &mut passes[place];
            for (offset, name) in seen.records {
                assert!(offset < seen.high_watermark, "beyond the high watermark");
                outcomes.read(place, offset, name, is_committed);
                pass.seen.insert(offset, name);
            }
            pass.to = seen.next;
            if random.chance(1, 30) {
                let reach = seen.stable.0.unsigned_abs() + 1;
                let from = Offset(i64::try_from(random.below(reach)).unwrap());
                outcomes.passed(std::mem::replace(pass, begin(place, from)));
                outcomes.seek(reader, place, from);
            }
        }
        core.sleep(Duration::from_micros(random.below(pause_us_max)))
            .await;
    }
    for pass in passes {
        outcomes.passed(pass);
    }
}

/// A group's offset; nothing while it may change, or where there is no answer.
async fn group_offset(wire: &Wire, client: &Client) -> Option<i64> {
    let (topic, index, _) = PLACES[0];
    let request = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: client.group().into(),
            topics: Some(vec![OffsetFetchRequestTopics {
                name: topic.into(),
                partition_indexes: vec![index],
                ..Default::default()
            }]),
            ..Default::default()
        }],
        require_stable: true,
        ..Default::default()
    };
    let answer = match wire.ask(&request, OFFSET_FETCH_VERSION).await {
        Ok(answer) => answer,
        Err(Lost::Unsent | Lost::Unknown) => return None,
    };
    let response = answer.decode::<<OffsetFetchRequest<'_> as Request>::Response<'_>>();
    let response = response.expect("an answer");
    let group = &response.groups[0];
    let partition = group.topics.first().map(|topic| &topic.partitions[0]);
    let code = partition.map_or(group.error_code, |partition| partition.error_code);
    match ErrorCode::from_code(code) {
        ErrorCode::None => partition.map(|partition| partition.committed_offset),
        ErrorCode::UnstableOffsetCommit => None,
        code if passes(code) => None,
        code => panic!("{}: {code:?}", client.group()),
    }
}

/// Looks at the groups' offsets again and again.
pub(crate) async fn watch_offsets(core: Core, outcomes: Rc<Outcomes>, clients: Vec<Client>) {
    let mut random = Random::new(core.entropy());
    let wire = Wire::new(&core);
    loop {
        for client in &clients {
            if let Some(offset) = group_offset(&wire, client).await {
                outcomes.offset_read(client.index, offset);
            }
        }
        core.sleep(Duration::from_micros(random.below(100_000)))
            .await;
    }
}

/// Everything there is in a partition, once nothing in it is undecided.
async fn read_all(
    core: &Core,
    (wire, outcomes): (&Wire, &Outcomes),
    place: Place,
    is_committed: bool,
) -> BTreeMap<Offset, Name> {
    let reader = outcomes.reader();
    outcomes.seek(reader, place, Offset(0));
    let mut all = BTreeMap::new();
    let mut from = Offset(0);
    loop {
        let wanted = Wanted {
            reader,
            place,
            from,
            is_committed,
            bytes_max: 1 << 20,
        };
        let Some(seen) = fetch(wire, outcomes, wanted).await else {
            core.sleep(PAUSE).await;
            continue;
        };
        all.extend(seen.records);
        let is_moving = seen.next > from;
        from = seen.next;
        if seen.stable == seen.high_watermark && from >= seen.high_watermark {
            return all;
        }
        if !is_moving {
            // A marker is still on its way.
            core.sleep(PAUSE).await;
        }
    }
}

/// Holds what is there in the end against what was told.
pub(crate) async fn check(core: Core, outcomes: Rc<Outcomes>, clients: Vec<Client>) {
    let wire = Wire::new(&core);
    let mut finals = Vec::new();
    for (place, (_, _, is_compacted)) in PLACES.into_iter().enumerate() {
        // In this order: compaction may take something in between.
        let all = read_all(&core, (&wire, &outcomes), place, false).await;
        let committed = read_all(&core, (&wire, &outcomes), place, true).await;
        finals.push(Final {
            is_compacted,
            all,
            committed,
        });
    }
    let mut offsets = Vec::new();
    for client in &clients {
        let offset = loop {
            match group_offset(&wire, client).await {
                Some(offset) => break offset,
                None => core.sleep(PAUSE).await,
            }
        };
        offsets.push(offset);
    }
    outcomes.check(&finals, &offsets);
}
