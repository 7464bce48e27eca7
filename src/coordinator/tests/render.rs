//! Answers and records as one line of text each, for transcripts.

use std::fmt::Write as _;

use base::ErrorCode;
use wire::ConsumerOffsetsKey as Key;
use wire::decode_versioned;
use wire::record::consumer_offsets_group_metadata::GroupMetadataValue;
use wire::record::consumer_offsets_offset_commit::OffsetCommitValue;

use wire::record::consumer_protocol_subscription::ConsumerProtocolSubscription;

use super::model::Batch;
use crate::{Answer, FetchedTopic, Opaque, Record, Refusal, TopicCodes};

/// Ids are long; transcripts say `name#7` for the one made from the number 7.
pub(super) fn short(text: &str) -> String {
    match text.split_once("-00000000-0000-0000-0000-") {
        Some((name, number)) => {
            let (digits, rest) = number.split_at(12);
            let number = u64::from_str_radix(digits, 16).unwrap();
            format!("{name}#{number}{}", short(rest))
        }
        None => text.to_owned(),
    }
}

/// The id that [`short`] shortened.
pub(super) fn long(text: &str) -> String {
    match text.split_once('#') {
        Some((name, number)) => {
            let number: u64 = number.parse().unwrap();
            format!("{name}-00000000-0000-0000-0000-{number:012x}")
        }
        None => text.to_owned(),
    }
}

fn bytes(bytes: &Opaque) -> String {
    let subscription = decode_versioned::<ConsumerProtocolSubscription<'_>>(bytes);
    if let Ok((version, subscription)) = subscription {
        return format!("v{version}({})", subscription.topics.join(","));
    }
    format!("'{}'", String::from_utf8_lossy(bytes).escape_default())
}

fn refused(refusal: &Refusal) -> String {
    if refusal.message == refusal.code.name() {
        refusal.code.name().to_owned()
    } else {
        refusal.to_string()
    }
}

fn result(result: &Result<(), Refusal>) -> String {
    result
        .as_ref()
        .err()
        .map_or_else(|| "ok".to_owned(), refused)
}

fn codes(topics: &[TopicCodes]) -> String {
    let mut text = String::new();
    for topic in topics {
        for (partition, code) in &topic.partitions {
            let _ = write!(text, " {}:{partition} {code}", topic.name);
        }
    }
    text
}

pub(super) fn answer(answer: &Answer) -> String {
    let text = match answer {
        Answer::Join(_) | Answer::Sync(_) | Answer::Leave(_) => membership(answer),
        Answer::Heartbeat(outcome) | Answer::DeleteGroup(outcome) => result(outcome),
        Answer::OffsetCommit(Ok(topics))
        | Answer::TxnOffsetCommit(Ok(topics))
        | Answer::OffsetDelete(Ok(topics)) => codes(topics).trim_start().to_owned(),
        Answer::OffsetFetch(Ok(topics)) => offsets(topics),
        Answer::DescribeGroup(Ok(group)) => {
            let members = group.members.iter().map(|member| {
                let name = member.instance.as_deref();
                format!(
                    "{}({}) {} {} said {} got {}",
                    member.member,
                    name.unwrap_or("-"),
                    member.client_id,
                    member.client_host,
                    bytes(&member.metadata),
                    bytes(&member.assignment)
                )
            });
            format!(
                "{} {}/{} [{}]",
                group.state,
                group.protocol_type,
                group.protocol,
                members.collect::<Vec<_>>().join(", ")
            )
        }
        Answer::ListGroups(groups) => {
            let groups = groups.iter().map(|group| {
                format!(
                    "{} {}({}) {}",
                    group.group, group.kind, group.protocol_type, group.state
                )
            });
            format!("[{}]", groups.collect::<Vec<_>>().join(", "))
        }
        Answer::OffsetCommit(Err(refusal))
        | Answer::TxnOffsetCommit(Err(refusal))
        | Answer::OffsetFetch(Err(refusal))
        | Answer::OffsetDelete(Err(refusal))
        | Answer::DescribeGroup(Err(refusal)) => refused(refusal),
        Answer::ConsumerHeartbeat(_) | Answer::ConsumerDescribe(_) => format!("{answer:?}"),
    };
    short_all(&text)
}

fn membership(answer: &Answer) -> String {
    let named = |name: &Option<String>| {
        let name = name.as_deref();
        name.map_or_else(String::new, |name| format!("({name})"))
    };
    match answer {
        Answer::Join(Ok(join)) => {
            let members = join.members.iter().map(|member| {
                let name = named(&member.instance);
                format!("{}{name}={}", member.member, bytes(&member.metadata))
            });
            format!(
                "joined as {} generation {} {}/{} leader {}{} members [{}]",
                join.member,
                join.generation,
                join.protocol_type.as_deref().unwrap_or("-"),
                join.protocol.as_deref().unwrap_or("-"),
                join.leader,
                if join.skip_assignment { " skip" } else { "" },
                members.collect::<Vec<_>>().join(", ")
            )
        }
        Answer::Join(Err(refusal)) => {
            format!("{} member '{}'", refused(&refusal.refusal), refusal.member)
        }
        Answer::Sync(Ok(sync)) => format!(
            "assigned {} by {}/{}",
            bytes(&sync.assignment),
            sync.protocol_type.as_deref().unwrap_or("-"),
            sync.protocol.as_deref().unwrap_or("-"),
        ),
        Answer::Leave(Ok(members)) => {
            let members = members.iter().map(|member| {
                let name = named(&member.instance);
                format!("'{}'{name} {}", member.member, result(&member.result))
            });
            members.collect::<Vec<_>>().join(", ")
        }
        Answer::Sync(Err(refusal)) | Answer::Leave(Err(refusal)) => refused(refusal),
        other => format!("{other:?}"),
    }
}

fn offsets(topics: &[FetchedTopic]) -> String {
    let mut text = String::from("offsets");
    for topic in topics {
        for one in &topic.partitions {
            let _ = write!(text, " {}:{}={}", topic.name, one.partition, one.offset);
            if one.leader_epoch.get() >= 0 {
                let _ = write!(text, "@{}", one.leader_epoch);
            }
            if !one.metadata.is_empty() {
                let _ = write!(text, "'{}'", one.metadata);
            }
            if one.error != ErrorCode::None {
                let _ = write!(text, " {}", one.error);
            }
        }
    }
    text
}

/// [`short`] for every id in a text.
fn short_all(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split(' ') {
        words.push(short(word));
    }
    words.join(" ")
}

/// One entry of the log.
pub(super) fn entry(entry: &Record, batch: Batch) -> String {
    match batch {
        Batch::Ordinary => record(entry),
        Batch::Transactional(producer) => format!("[{producer}] {}", record(entry)),
        Batch::End(producer, true) => format!("[{producer}] commit"),
        Batch::End(producer, false) => format!("[{producer}] abort"),
    }
}

fn record(record: &Record) -> String {
    let key = Key::decode(&record.key).unwrap();
    let text = match (&key, &record.value) {
        (Key::GroupMetadata(key), None) => format!("group {} gone", key.group),
        (Key::GroupMetadata(key), Some(value)) => {
            let (version, value): (_, GroupMetadataValue<'_>) = decode_versioned(value).unwrap();
            let members = value.members.iter().map(|member| {
                format!(
                    "{}={}",
                    member.member_id,
                    bytes(&member.assignment.as_ref().into())
                )
            });
            format!(
                "group {} v{version} generation {} {}/{} leader {} [{}]",
                key.group,
                value.generation,
                value.protocol_type,
                value.protocol.as_deref().unwrap_or("-"),
                value.leader.as_deref().unwrap_or("-"),
                members.collect::<Vec<_>>().join(", ")
            )
        }
        (Key::OffsetCommit(key), None) => {
            format!("offset {} {}:{} gone", key.group, key.topic, key.partition)
        }
        (Key::OffsetCommit(key), Some(value)) => {
            let (version, value): (_, OffsetCommitValue<'_>) = decode_versioned(value).unwrap();
            format!(
                "offset {} v{version} {}:{}={}",
                key.group, key.topic, key.partition, value.offset
            )
        }
        (key, value) => format!("{key:?} {value:?}"),
    };
    short_all(&text)
}
