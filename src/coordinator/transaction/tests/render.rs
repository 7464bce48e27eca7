//! Answers, records and markers as one line of text each.

use base::TopicPartition;

use crate::transaction::{Answer, Markers, records};
use crate::{Record, Refusal};

pub(super) fn partitions<'p>(all: impl IntoIterator<Item = &'p TopicPartition>) -> String {
    let all = all.into_iter();
    let all = all.map(|one| format!("{}:{}", one.topic, one.partition));
    format!("[{}]", all.collect::<Vec<_>>().join(" "))
}

fn refused(refusal: &Refusal) -> String {
    if refusal.message == refusal.code.name() {
        refusal.code.name().to_owned()
    } else {
        refusal.to_string()
    }
}

pub(super) fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Init(Ok(who)) => format!("is {}/{}", who.producer_id, who.producer_epoch),
        Answer::End(Ok(who)) => format!("goes on as {}/{}", who.producer_id, who.producer_epoch),
        Answer::AddPartitions(Ok(())) | Answer::Abort(Ok(())) => "ok".to_owned(),
        Answer::VerifyPartitions(Ok(codes)) => {
            let codes = codes.iter();
            let codes = codes.map(|(one, code)| format!("{}:{} {code}", one.topic, one.partition));
            codes.collect::<Vec<_>>().join(", ")
        }
        Answer::Describe(Ok(one)) => format!(
            "{} {}/{} timeout {} since {} {}",
            one.status.name(),
            one.producer_id,
            one.producer_epoch,
            one.timeout_ms,
            one.started_at,
            partitions(&one.partitions)
        ),
        Answer::List(Ok(list)) => {
            let all = list.transactions.iter();
            let all = all.map(|one| {
                format!(
                    "{} {} {}",
                    one.transactional_id,
                    one.producer_id,
                    one.status.name()
                )
            });
            let unknown = match list.unknown_states.as_slice() {
                [] => String::new(),
                names => format!(" unknown {names:?}"),
            };
            format!("[{}]{unknown}", all.collect::<Vec<_>>().join(", "))
        }
        Answer::Init(Err(refusal))
        | Answer::End(Err(refusal))
        | Answer::AddPartitions(Err(refusal))
        | Answer::Abort(Err(refusal))
        | Answer::VerifyPartitions(Err(refusal))
        | Answer::Describe(Err(refusal))
        | Answer::List(Err(refusal)) => refused(refusal),
    }
}

pub(super) fn record(record: &Record) -> String {
    let id = records::decode_key(&record.key).unwrap().unwrap();
    let Some(value) = &record.value else {
        return format!("{id} gone");
    };
    let durable = records::decode_value(value).unwrap();
    let next = match durable.next_id.0 {
        -1 => String::new(),
        id => format!(" next {id}"),
    };
    format!(
        "{id} {} {}/{} before {}{next} timeout {} level {} {}",
        durable.status.name(),
        durable.producer_id,
        durable.epoch,
        durable.previous_id,
        durable.timeout_ms,
        durable.level.number(),
        partitions(&durable.partitions)
    )
}

pub(super) fn markers(markers: &Markers) -> String {
    format!(
        "{} {} {}/{} by {} level {} to {}",
        markers.transactional_id,
        if markers.is_commit { "commit" } else { "abort" },
        markers.producer_id,
        markers.producer_epoch,
        markers.coordinator_epoch,
        markers.level.number(),
        partitions(&markers.partitions)
    )
}
