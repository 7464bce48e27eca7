//! Conversations with consumer groups, as `conversations.rs` has them; what comes out is what is
//! written to the log and what the member is told.

use std::collections::BTreeMap;
use std::time::Duration;

use base::Uuid;
use wire::ConsumerOffsetsKey as Key;
use wire::record::{
    consumer_offsets_consumer_group_current_member_assignment as current,
    consumer_offsets_consumer_group_metadata as metadata,
    consumer_offsets_consumer_group_regular_expression as regex,
    consumer_offsets_consumer_group_target_assignment_member as target,
    consumer_offsets_consumer_group_target_assignment_metadata as target_metadata,
};

use super::world::{Consumer, World, config};
use crate::tests::conversations::conversations;
use crate::{ConsumerHeartbeatAnswer, Record, Topics};

fn named(topics: &Topics, id: Uuid, partitions: &[i32]) -> String {
    let name = topics.name(id).unwrap_or("gone");
    let partitions: Vec<String> = partitions.iter().map(ToString::to_string).collect();
    format!("{name}[{}]", partitions.join(" "))
}

fn or_nothing(texts: Vec<String>) -> String {
    if texts.is_empty() {
        "nothing".to_owned()
    } else {
        texts.join(" ")
    }
}

fn value<'a, T: wire::Decode<'a>>(record: &'a Record) -> Option<T> {
    let value = record.value.as_deref()?;
    let (_, value) = wire::decode_versioned(value).unwrap();
    Some(value)
}

fn render(topics: &Topics, record: &Record) -> String {
    let gone = || "gone".to_owned();
    match Key::decode(&record.key).unwrap() {
        Key::ConsumerGroupMetadata(_) => {
            let value: Option<metadata::ConsumerGroupMetadataValue> = value(record);
            format!(
                "group: {}",
                value.map_or_else(gone, |value| format!("epoch {}", value.epoch))
            )
        }
        Key::ConsumerGroupMemberMetadata(key) => {
            let said = if record.value.is_some() {
                "says of itself"
            } else {
                "gone"
            };
            format!("member {}: {said}", key.member_id)
        }
        Key::ConsumerGroupTargetAssignmentMetadata(_) => {
            let value: Option<target_metadata::ConsumerGroupTargetAssignmentMetadataValue> =
                value(record);
            let text = value.map_or_else(gone, |value| format!("epoch {}", value.assignment_epoch));
            format!("target: {text}")
        }
        Key::ConsumerGroupTargetAssignmentMember(key) => {
            let value: Option<target::ConsumerGroupTargetAssignmentMemberValue> = value(record);
            let text = value.map_or_else(gone, |value| {
                let parts = value.topic_partitions.iter();
                or_nothing(
                    parts
                        .map(|part| named(topics, part.topic_id, &part.partitions))
                        .collect(),
                )
            });
            format!("target of {}: {text}", key.member_id)
        }
        Key::ConsumerGroupCurrentMemberAssignment(key) => {
            let value: Option<current::ConsumerGroupCurrentMemberAssignmentValue> = value(record);
            let held = |parts: &[current::TopicPartitions]| {
                let parts = parts.iter();
                or_nothing(
                    parts
                        .map(|part| named(topics, part.topic_id, &part.partitions))
                        .collect(),
                )
            };
            let text = value.map_or_else(gone, |value| {
                let states = ["stable", "unrevoked", "unreleased"];
                let state = states[usize::from(value.state.unsigned_abs())];
                let (has, back) = (
                    held(&value.assigned_partitions),
                    held(&value.partitions_pending_revocation),
                );
                let epochs = (value.previous_member_epoch, value.member_epoch);
                format!(
                    "epoch {} after {}, {state}, has {has}, gives back {back}",
                    epochs.1, epochs.0
                )
            });
            format!("place of {}: {text}", key.member_id)
        }
        Key::ConsumerGroupRegularExpression(key) => {
            let value: Option<regex::ConsumerGroupRegularExpressionValue<'_>> = value(record);
            let text = value.map_or_else(gone, |value| {
                or_nothing(value.topics.iter().map(ToString::to_string).collect())
            });
            format!("expression {}: {text}", key.regular_expression)
        }
        other => format!("{other:?}"),
    }
}

fn tell(topics: &Topics, answer: &ConsumerHeartbeatAnswer) -> String {
    let assignment = answer.assignment.as_ref().map_or_else(
        || "no news".to_owned(),
        |lists| {
            let lists = lists.iter().map(|list| {
                let partitions: Vec<i32> = list.partitions.iter().map(|index| index.0).collect();
                named(topics, list.id, &partitions)
            });
            format!("has {}", or_nothing(lists.collect()))
        },
    );
    format!("told: epoch {}, {assignment}", answer.member_epoch)
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs(text.parse().unwrap())
}

/// One command; what the member was told, if it was one member's.
fn run(world: &mut World, members: &mut BTreeMap<String, Consumer>, command: &str) -> String {
    let words: Vec<&str> = command.split(' ').collect();
    match words[..] {
        ["wait", time] => {
            world.pass(seconds(time));
            return String::new();
        }
        ["restart"] => {
            world.restart();
            return String::new();
        }
        ["topics", ..] => {
            let list = words[1..].iter().map(|word| word.split_once('=').unwrap());
            let list: Vec<(&str, i32)> = list
                .map(|(name, size)| (name, size.parse().unwrap()))
                .collect();
            world.set_topics(&list);
            world.pass(Duration::from_millis(1));
            return String::new();
        }
        ["describe"] => {
            let group = world.describe();
            return format!(
                "  {}, epoch {}, target {}\n",
                group.state, group.epoch, group.assignment_epoch
            );
        }
        _ => {}
    }
    let name = words[0];
    let mut member = members
        .get(name)
        .cloned()
        .unwrap_or_else(|| Consumer::new(name, &[]));
    let mut ask = match words[1..] {
        ["joins", topics] => {
            member.topics = topics.split(',').map(str::to_owned).collect();
            member.abandon();
            member.ask()
        }
        ["joins", "as", instance, topics] => {
            member.instance = Some(instance.to_owned());
            member.topics = topics.split(',').map(str::to_owned).collect();
            member.abandon();
            member.ask()
        }
        ["joins", "by", regex] => {
            member.regex = Some(regex.to_owned());
            member.abandon();
            member.ask()
        }
        ["beats" | "leaves"] | ["leaves", "for", "a", "while"] => member.ask(),
        _ => panic!("what is {command}?"),
    };
    match words[1..] {
        ["leaves"] => ask.member_epoch = -1,
        ["leaves", "for", ..] => ask.member_epoch = -2,
        _ => {}
    }
    let answer = world.heartbeat(ask);
    let told = match &answer {
        Ok(answer) => tell(&world.topics, answer),
        Err(refusal) => format!("told: {refusal}"),
    };
    if let Ok(answer) = answer {
        member.hear(answer);
    }
    members.insert(name.to_owned(), member);
    format!("  {told}\n")
}

fn converse(golden: &str) -> String {
    let mut world = World::new(config(), &[("bills", 2), ("orders", 4)]);
    let mut members = BTreeMap::new();
    let mut text = String::new();
    for line in golden.lines() {
        if line.starts_with('#') || line.is_empty() {
            text.push_str(&format!("{line}\n"));
        }
        let Some(command) = line.strip_prefix("> ") else {
            continue;
        };
        text.push_str(&format!("{line}\n"));
        let logged = world.log.len();
        let told = run(&mut world, &mut members, command);
        for record in &world.log[logged..] {
            text.push_str(&format!("  log: {}\n", render(&world.topics, record)));
        }
        text.push_str(&told);
    }
    text
}

conversations! {
    "consumer_groups", converse:
    members_come_and_go
    static_members_come_back
    members_that_fail_are_removed
    topics_and_expressions
}
