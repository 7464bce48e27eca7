//! Conversations with the machine, as `conversations.rs` has them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base::{LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Uuid};
use wire::encode_versioned;
use wire::record::consumer_protocol_subscription::ConsumerProtocolSubscription;

use super::render::{self, long};
use super::world::{World, config, topics};
use crate::tests::conversations::conversations;
use crate::{
    Ask, CommitPartition, CommitTopic, DeleteGroupAsk, DescribeGroupAsk, FetchTopic, GroupsConfig,
    HeartbeatAsk, JoinAsk, JoinProtocol, LeaveAsk, LeavingMember, ListGroupsAsk, OffsetCommitAsk,
    OffsetDeleteAsk, OffsetFetchAsk, Planted, Producer, SyncAsk, TxnOffsetCommitAsk,
};

/// The words of one command: a verb, plain words, and `key=value` options.
struct Command<'c> {
    words: Vec<&'c str>,
    options: Vec<(&'c str, &'c str)>,
}

impl<'c> Command<'c> {
    fn new(line: &'c str) -> Self {
        let is_option = |word: &&str| word.contains('=') && !word.contains(':');
        let (options, words) = line.split(' ').partition::<Vec<&str>, _>(is_option);
        let options = options.into_iter().filter_map(|word| word.split_once('='));
        Self {
            words,
            options: options.collect(),
        }
    }

    fn get(&self, key: &str) -> Option<&'c str> {
        let found = self.options.iter().find(|(name, _)| *name == key)?;
        Some(found.1)
    }

    fn text(&self, key: &str) -> Option<String> {
        self.get(key).map(str::to_owned)
    }

    fn number(&self, key: &str, default: i32) -> i32 {
        self.get(key).map_or(default, |text| text.parse().unwrap())
    }

    fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    fn word(&self, index: usize) -> &'c str {
        self.words.get(index).copied().unwrap_or_default()
    }

    /// `topic:partition` words, behind the group, joined by topic.
    fn partitions(&self) -> Vec<FetchTopic> {
        let words = self.words.iter().skip(2);
        let words = words.filter_map(|word| word.split_once(':'));
        let topics = words.map(|(topic, partition)| FetchTopic {
            name: topic.to_owned(),
            id: Uuid::ZERO,
            partitions: vec![PartitionIndex(partition.parse().unwrap())],
        });
        topics.collect()
    }
}

/// The metadata of a consumer of these topics, as real consumers write it.
pub(super) fn subscription(list: &[&str]) -> Arc<[u8]> {
    let subscription = ConsumerProtocolSubscription {
        topics: list.iter().map(|topic| (*topic).into()).collect(),
        ..ConsumerProtocolSubscription::default()
    };
    encode_versioned(&subscription, 0).unwrap().into()
}

fn ask(command: &Command<'_>, fresh: u128) -> Option<Ask> {
    let group = command.word(1).to_owned();
    let member = command
        .text("member")
        .map(|id| long(&id))
        .unwrap_or_default();
    let instance = command.text("instance");
    Some(match command.word(0) {
        "join" => Ask::Join(join(command, fresh)),
        "sync" => Ask::Sync(SyncAsk {
            group,
            generation: command.number("gen", 0),
            member,
            instance,
            protocol_type: command.text("type"),
            protocol: command.text("protocol"),
            assignments: assignments(command),
        }),
        "beat" => Ask::Heartbeat(HeartbeatAsk {
            group,
            generation: command.number("gen", 0),
            member,
            instance,
        }),
        "leave" => Ask::Leave(LeaveAsk {
            group,
            members: leaving(command),
        }),
        "commit" => Ask::OffsetCommit(OffsetCommitAsk {
            group,
            member,
            instance,
            generation_or_epoch: command.number("gen", -1),
            retention_ms: command.get("retention").map(|text| text.parse().unwrap()),
            topics: commits(command),
            is_legacy: !command.has("modern"),
        }),
        "txn" => Ask::TxnOffsetCommit(TxnOffsetCommitAsk {
            transactional_id: "t".to_owned(),
            producer: producer(command),
            group,
            member,
            instance,
            generation_or_epoch: command.number("gen", -1),
            topics: commits(command),
        }),
        "fetch" => Ask::OffsetFetch(OffsetFetchAsk {
            group,
            member: None,
            member_epoch: -1,
            topics: Some(command.partitions()).filter(|list| !list.is_empty()),
            require_stable: command.has("stable"),
        }),
        "forget" => Ask::OffsetDelete(OffsetDeleteAsk {
            group,
            topics: command.partitions(),
        }),
        "delete" => Ask::DeleteGroup(DeleteGroupAsk { group }),
        "describe" => Ask::DescribeGroup(DescribeGroupAsk { group }),
        "list" => Ask::ListGroups(ListGroupsAsk {
            states: command.text("state").into_iter().collect(),
            types: command.text("type").into_iter().collect(),
        }),
        _ => return None,
    })
}

fn producer(command: &Command<'_>) -> Producer {
    Producer {
        id: ProducerId(command.number("id", 1).into()),
        epoch: ProducerEpoch(0),
    }
}

fn join(command: &Command<'_>, fresh: u128) -> JoinAsk {
    let metadata: Arc<[u8]> = match (command.get("topics"), command.get("data")) {
        (Some(topics), _) => subscription(&topics.split(',').collect::<Vec<_>>()),
        (None, Some(data)) => data.as_bytes().into(),
        (None, None) => Arc::from([]),
    };
    let protocols = command.get("protocols").unwrap_or("range");
    let protocols = protocols.split(',').filter(|name| !name.is_empty());
    let session_timeout_ms = command.number("session", 10_000);
    JoinAsk {
        group: command.word(1).to_owned(),
        member: command
            .text("member")
            .map(|id| long(&id))
            .unwrap_or_default(),
        instance: command.text("instance"),
        client_id: command.get("client").unwrap_or("c").to_owned(),
        client_host: "/10.0.0.1".to_owned(),
        session_timeout_ms,
        rebalance_timeout_ms: command.number("rebalance", 30_000),
        protocol_type: command.get("type").unwrap_or("consumer").to_owned(),
        protocols: protocols
            .map(|name| JoinProtocol {
                name: name.to_owned(),
                metadata: Arc::clone(&metadata),
            })
            .collect(),
        reason: command.text("reason"),
        needs_known_member: command.has("v4"),
        can_skip_assignment: command.has("v9"),
        fresh: Uuid(fresh),
    }
}

fn assignments(command: &Command<'_>) -> Vec<(String, Arc<[u8]>)> {
    let list = command.get("assign").unwrap_or_default();
    let pairs = list.split(',').filter_map(|pair| pair.split_once('/'));
    pairs
        .map(|(member, bytes)| (long(member), bytes.as_bytes().into()))
        .collect()
}

fn leaving(command: &Command<'_>) -> Vec<LeavingMember> {
    let reason = command.text("reason");
    let members = command.words.iter().skip(2);
    let leaving = members.map(|word| {
        let (member, instance) = match word.split_once('/') {
            Some((member, instance)) => (member, Some(instance.to_owned())),
            None => (*word, None),
        };
        LeavingMember {
            member: long(member),
            instance,
            reason: reason.clone(),
        }
    });
    leaving.collect()
}

fn commits(command: &Command<'_>) -> Vec<CommitTopic> {
    let words = command.words.iter().skip(2);
    let words = words.filter_map(|word| word.split_once(':'));
    let metadata = match command.get("long") {
        Some(length) => Some("x".repeat(length.parse().unwrap())),
        None => command.text("meta"),
    };
    let commit = |(topic, rest): (&str, &str)| {
        let (partition, offset) = rest.split_once('=').unwrap();
        CommitTopic {
            name: topic.to_owned(),
            id: Uuid::ZERO,
            partitions: vec![CommitPartition {
                partition: PartitionIndex(partition.parse().unwrap()),
                offset: Offset(offset.parse().unwrap()),
                leader_epoch: LeaderEpoch(command.number("epoch", -1)),
                metadata: metadata.clone(),
            }],
        }
    };
    words.map(commit).collect()
}

fn configure(command: &Command<'_>, config: &mut GroupsConfig) {
    for (key, value) in &command.options {
        let number: u64 = value.parse().unwrap();
        let time = Duration::from_millis(number);
        match *key {
            "delay" => config.initial_rebalance_delay = time,
            "max" => config.members_max = usize::try_from(number).unwrap(),
            "check" => config.retention_check_interval = time,
            _ => panic!("{key} is not configurable here"),
        }
    }
}

/// Runs the commands of one conversation and writes what comes out.
fn run(text: &str) -> String {
    let mut world = World::new(config(), Planted::default());
    let mut out = String::new();
    let mut drawn: BTreeMap<String, u128> = BTreeMap::new();
    for line in text.lines() {
        let Some(line) = line.strip_prefix("> ") else {
            // Comments and blank lines stay; old answers are written anew.
            if line.starts_with('#') || line.is_empty() {
                out.push_str(line);
                out.push('\n');
            }
            continue;
        };
        out.push_str(&format!("> {line}\n"));
        let command = Command::new(line);
        let logged = world.log.len();
        let answers = match command.word(0) {
            "pass" => world.pass(Duration::from_millis(command.word(1).parse().unwrap())),
            "jump" => {
                world.now.wall.0 += command.word(1).parse::<i64>().unwrap();
                Vec::new()
            }
            "restart" => world.restart(logged),
            "end" => {
                world.end(producer(&command).id, command.has("commit"));
                Vec::new()
            }
            "topics" => {
                let list = command.words.iter().skip(1);
                let list: Vec<(&str, i32)> = list.map(|name| (*name, 3)).collect();
                world.set_topics(topics(&list))
            }
            "config" => {
                configure(&command, &mut world.config);
                world.groups.configure(world.config.clone());
                Vec::new()
            }
            "why" => {
                for event in world.groups.timeline(command.word(1)).unwrap_or_default() {
                    let line = format!(
                        "  {:?} generation {} {} {}",
                        event.cause,
                        event.generation,
                        render::short(&event.subject),
                        event.reason
                    );
                    out.push_str(line.trim_end());
                    out.push('\n');
                }
                Vec::new()
            }
            _ => {
                // The ids of one name are numbered in the order in which they are made.
                let name = command.get("instance").or(command.get("client"));
                let fresh = drawn.entry(name.unwrap_or("c").to_owned()).or_default();
                if command.word(0) == "join" && command.get("member").is_none() {
                    *fresh += 1;
                }
                let ask = ask(&command, *fresh).unwrap_or_else(|| panic!("{line}?"));
                let (caller, answers) = world.ask(ask);
                out.push_str(&format!("  ({})\n", caller.0));
                answers
            }
        };
        for (record, batch) in world.log.iter().zip(&world.batches).skip(logged) {
            out.push_str(&format!("  log: {}\n", render::entry(record, *batch)));
        }
        for (caller, answer) in &answers {
            out.push_str(&format!("  {}: {}\n", caller.0, render::answer(answer)));
        }
    }
    out
}

conversations! {
    "groups", run:
    joining
    leaving_a_group
    static_members
    deadlines
    refusals
    committing
    expiring
    removing
    restarting
    describing
    transactional_offsets
}
