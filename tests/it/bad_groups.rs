//! Members, committers and expressions that are wrong, absurd or very many: each is refused with the
//! code that Kafka's clients act upon, and costs the node a bounded time and memory.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use base::{ErrorCode, Uuid};
use wire::consumer_group_describe::ConsumerGroupDescribeRequest;
use wire::consumer_group_heartbeat::{ConsumerGroupHeartbeatRequest, RequestTopicPartitions};
use wire::heartbeat::HeartbeatRequest;
use wire::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use wire::leave_group::{LeaveGroupRequest, MemberIdentity};
use wire::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use wire::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup};

use crate::connection::{Connection, Sent};
use crate::groups::{
    BY_NAME_VERSION, Member, codes, commit, commit_request, fetch, find_coordinator, group,
    heartbeat, join, list, new_member, receive_sync, send_sync, sync,
};
use crate::healthy::Healthy;
use crate::seed;
use crate::server::{self, Server};
use crate::topics::{self, Topic};

/// Nothing here takes so long, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(20);
const METADATA_MAX: usize = 4096;

/// Joins with these timeouts, maybe under a static name; the code and the member's id.
fn join_with(
    connection: &mut Connection,
    group: &str,
    (member, instance): (&str, Option<&str>),
    (session_timeout_ms, rebalance_timeout_ms): (i32, i32),
) -> (ErrorCode, String, i32) {
    let protocol = JoinGroupRequestProtocol {
        name: "range".into(),
        metadata: b"".as_slice().into(),
    };
    let answer = connection.ask(&JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms,
        rebalance_timeout_ms,
        member_id: member.into(),
        group_instance_id: instance.map(Into::into),
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..Default::default()
    });
    let joined = answer.read::<JoinGroupRequest<'_>>();
    let code = ErrorCode::from_code(joined.error_code);
    (code, joined.member_id.to_string(), joined.generation_id)
}

/// A heartbeat by KIP-848: the code, the member's id and its epoch.
fn beat(
    connection: &mut Connection,
    request: &ConsumerGroupHeartbeatRequest<'_>,
) -> (ErrorCode, String, i32) {
    let answer = connection.ask(request);
    let response = answer.read::<ConsumerGroupHeartbeatRequest<'_>>();
    let member = response.member_id.as_deref().unwrap_or_default().to_owned();
    let code = ErrorCode::from_code(response.error_code);
    (code, member, response.member_epoch)
}

fn joining<'a>(group: &'a str, member: &'a str) -> ConsumerGroupHeartbeatRequest<'a> {
    ConsumerGroupHeartbeatRequest {
        group_id: group.into(),
        member_id: member.into(),
        rebalance_timeout_ms: 30_000,
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    }
}

/// A member that was given up on must not move, end or take part in what the others do.
#[test]
fn who_is_not_a_member_now_changes_nothing() {
    let server = Server::any("bad-members");
    let mut connection = server.connect();
    let group = group("bad-members");
    let topic = topics::create(&mut connection, "bad-members", 1);
    find_coordinator(&mut connection, &group);
    let id = new_member(&mut connection, &group);
    let member = join(&mut connection, &group, &id);
    sync(&mut connection, &member);
    let fine = commit(&mut connection, &group, Some(&member), &topic, &[(0, 7)]);
    assert_eq!(fine, [ErrorCode::None]);

    let illegal = ErrorCode::IllegalGeneration;
    for generation in [member.generation - 1, member.generation + 1, i32::MAX] {
        let wrong = Member {
            generation,
            ..member.clone()
        };
        assert_eq!(heartbeat(&mut connection, &wrong), illegal, "{generation}");
        let sent = send_sync(&mut connection, &wrong);
        assert_eq!(receive_sync(&mut connection, sent), Err(illegal));
        let codes = commit(&mut connection, &group, Some(&wrong), &topic, &[(0, 1)]);
        assert_eq!(codes, [illegal], "{generation}");
    }
    let unknown = ErrorCode::UnknownMemberId;
    for (group, id) in [(group.as_str(), "stranger"), ("no-such-group", id.as_str())] {
        let wrong = Member {
            group: group.to_owned(),
            id: id.to_owned(),
            ..member.clone()
        };
        assert_eq!(heartbeat(&mut connection, &wrong), unknown);
        let sent = send_sync(&mut connection, &wrong);
        assert_eq!(receive_sync(&mut connection, sent), Err(unknown));
    }
    let stranger = Member {
        id: "stranger".to_owned(),
        ..member.clone()
    };
    let codes = commit(&mut connection, &group, Some(&stranger), &topic, &[(0, 1)]);
    assert_eq!(codes, [unknown]);
    for absent in ["", "no-such-group"] {
        let codes = commit(&mut connection, absent, Some(&member), &topic, &[(0, 1)]);
        assert_eq!(codes, [ErrorCode::GroupIdNotFound]);
    }

    assert_eq!(heartbeat(&mut connection, &member), ErrorCode::None);
    assert_eq!(fetch(&mut connection, &group, &topic, 1), [7]);
}

/// Two processes with one static name: the one that came first must learn that it is not the one
/// any more, whatever it asks.
#[test]
fn a_fenced_instance_is_told_so() {
    let server = Server::any("fenced");
    let mut connection = server.connect();
    let group = group("fenced");
    let topic = topics::create(&mut connection, "fenced", 1);
    find_coordinator(&mut connection, &group);
    let name = Some("instance");
    let timeouts = (10_000, 10_000);
    let (code, first, generation) = join_with(&mut connection, &group, ("", name), timeouts);
    assert_eq!(code, ErrorCode::None);
    let (code, second, _) = join_with(&mut connection, &group, ("", name), timeouts);
    assert_eq!(code, ErrorCode::None);
    assert_ne!(first, second);

    let fenced = ErrorCode::FencedInstanceId;
    let answer = connection.ask(&HeartbeatRequest {
        group_id: group.as_str().into(),
        generation_id: generation,
        member_id: first.as_str().into(),
        group_instance_id: name.map(Into::into),
    });
    let beaten = answer.read::<HeartbeatRequest<'_>>();
    assert_eq!(ErrorCode::from_code(beaten.error_code), fenced);
    let (code, ..) = join_with(&mut connection, &group, (&first, name), timeouts);
    assert_eq!(code, fenced);
    let mut request = commit_request(&group, None, &topic, &[(0, 1)]);
    request.generation_id_or_member_epoch = generation;
    request.member_id = first.as_str().into();
    request.group_instance_id = name.map(Into::into);
    let committed = codes(&connection.call(BY_NAME_VERSION, &request));
    assert_eq!(committed, [fenced]);
    let answer = connection.ask(&LeaveGroupRequest {
        group_id: group.as_str().into(),
        members: vec![MemberIdentity {
            member_id: first.as_str().into(),
            group_instance_id: name.map(Into::into),
            ..Default::default()
        }],
        ..Default::default()
    });
    let left = answer.read::<LeaveGroupRequest<'_>>();
    assert_eq!(ErrorCode::from_code(left.members[0].error_code), fenced);
}

/// The same by KIP-848: epochs in place of generations.
#[test]
fn members_of_consumer_groups_cannot_make_epochs_up() {
    let server = Server::any("bad-epochs");
    let mut connection = server.connect();
    let group = group("bad-epochs");
    find_coordinator(&mut connection, &group);
    let subscribed = || Some(vec!["some-topic".into()]);
    let first = ConsumerGroupHeartbeatRequest {
        subscribed_topic_names: subscribed(),
        ..joining(&group, "first")
    };
    let (code, _, epoch) = beat(&mut connection, &first);
    assert_eq!(code, ErrorCode::None);
    let mut refused = |what: ConsumerGroupHeartbeatRequest<'_>| beat(&mut connection, &what).0;
    for wrong in [epoch + 1, i32::MAX] {
        let ahead = ConsumerGroupHeartbeatRequest {
            member_epoch: wrong,
            ..joining(&group, "first")
        };
        assert_eq!(refused(ahead), ErrorCode::FencedMemberEpoch, "{wrong}");
    }
    for (wrong, code) in [
        (-3, ErrorCode::InvalidRequest),
        (i32::MIN, ErrorCode::InvalidRequest),
        (-2, ErrorCode::InvalidRequest),
    ] {
        let below = ConsumerGroupHeartbeatRequest {
            member_epoch: wrong,
            ..joining(&group, "first")
        };
        assert_eq!(refused(below), code, "{wrong}");
    }
    let stranger = ConsumerGroupHeartbeatRequest {
        member_epoch: epoch,
        ..joining(&group, "stranger")
    };
    assert_eq!(refused(stranger), ErrorCode::UnknownMemberId);
    let boastful = ConsumerGroupHeartbeatRequest {
        subscribed_topic_names: subscribed(),
        topic_partitions: Some(vec![RequestTopicPartitions {
            topic_id: Uuid(7),
            partitions: vec![0],
        }]),
        ..joining(&group, "boastful")
    };
    assert_eq!(
        refused(boastful),
        ErrorCode::InvalidRequest,
        "who joins owns nothing yet"
    );
    let nameless = ConsumerGroupHeartbeatRequest {
        server_assignor: Some("no-such-assignor".into()),
        subscribed_topic_names: subscribed(),
        ..joining(&group, "second")
    };
    assert_eq!(refused(nameless), ErrorCode::UnsupportedAssignor);
    let holding = ConsumerGroupHeartbeatRequest {
        instance_id: Some("instance".into()),
        subscribed_topic_names: subscribed(),
        ..joining(&group, "third")
    };
    assert_eq!(refused(holding.clone()), ErrorCode::None);
    let taking = ConsumerGroupHeartbeatRequest {
        member_id: "fourth".into(),
        ..holding
    };
    assert_eq!(refused(taking), ErrorCode::UnreleasedInstanceId);
    let still = ConsumerGroupHeartbeatRequest {
        subscribed_topic_names: subscribed(),
        ..joining(&group, "first")
    };
    assert_eq!(refused(still), ErrorCode::None);
}

/// A member with no timeout would be gone at once, one with an endless one would hold its
/// partitions for ever.
#[test]
fn absurd_timeouts_are_refused() {
    let server = Server::any("timeouts");
    let mut connection = server.connect();
    let group = group("timeouts");
    find_coordinator(&mut connection, &group);
    for session in [0, -1, i32::MIN, i32::MAX, 5_999, 1_800_001] {
        let (code, ..) = join_with(&mut connection, &group, ("", None), (session, 10_000));
        assert_eq!(code, ErrorCode::InvalidSessionTimeout, "{session}");
    }
    assert!(!list(&mut connection).contains(&group), "nothing is left");
    // How long the others wait for a member is between them; it is bounded by the member's session.
    for rebalance in [0, -1, i32::MAX] {
        let timeouts = (6_000, rebalance);
        let (code, id, _) = join_with(&mut connection, &group, ("", None), timeouts);
        assert_eq!(code, ErrorCode::MemberIdRequired, "{rebalance}");
        let (code, ..) = join_with(&mut connection, &group, (&id, None), timeouts);
        assert_eq!(code, ErrorCode::None, "{rebalance}");
        let answer = connection.ask(&LeaveGroupRequest {
            group_id: group.as_str().into(),
            members: vec![MemberIdentity {
                member_id: id.as_str().into(),
                ..Default::default()
            }],
            ..Default::default()
        });
        let left = answer.read::<LeaveGroupRequest<'_>>();
        let code = ErrorCode::from_code(left.members[0].error_code);
        // Who has no time to come for its assignment is gone already.
        let is_gone = code == ErrorCode::UnknownMemberId && rebalance <= 0;
        assert!(code == ErrorCode::None || is_gone, "{rebalance}");
    }
    let modern = crate::groups::group("modern-timeouts");
    for (rebalance, expected) in [(-1, ErrorCode::InvalidRequest), (i32::MAX, ErrorCode::None)] {
        let request = ConsumerGroupHeartbeatRequest {
            rebalance_timeout_ms: rebalance,
            subscribed_topic_names: Some(vec!["t".into()]),
            ..joining(&modern, "member")
        };
        assert_eq!(beat(&mut connection, &request).0, expected, "{rebalance}");
    }
}

/// What partition 0 of `topic` says beside its offset.
fn committed_metadata(connection: &mut Connection, group: &str, topic: &Topic) -> String {
    let request = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: group.into(),
            topics: None,
            ..Default::default()
        }],
        ..Default::default()
    };
    let answer = connection.call(BY_NAME_VERSION, &request);
    let response = answer.read::<OffsetFetchRequest<'_>>();
    let mut topics = response.groups[0].topics.iter();
    let found = topics.find(|one| one.name == topic.name.as_str()).unwrap();
    let metadata = found.partitions[0].metadata.as_deref();
    metadata.unwrap_or_default().to_owned()
}

/// Offsets are the consumers' own: any number is kept, if there is a place for it. What consumers
/// write beside them is kept whole or refused, never cut.
#[test]
fn commits_are_kept_whole_or_refused() {
    let server = Server::any("bad-commits");
    let mut connection = server.connect();
    let group = group("bad-commits");
    let topic = topics::create(&mut connection, "bad-commits", 1);
    find_coordinator(&mut connection, &group);
    let beyond = commit(&mut connection, &group, None, &topic, &[(0, i64::MAX)]);
    assert_eq!(beyond, [ErrorCode::None], "the log is empty");
    assert_eq!(fetch(&mut connection, &group, &topic, 1), [i64::MAX]);
    let nowhere = [(1, 1), (-1, 1), (i32::MAX, 1), (i32::MIN, 1)];
    let codes_of = commit(&mut connection, &group, None, &topic, &nowhere);
    assert_eq!(codes_of, [ErrorCode::UnknownTopicOrPartition; 4]);
    let gone = Topic {
        name: "no-such-topic".to_owned(),
        id: Uuid(77),
    };
    let unknown = commit(&mut connection, &group, None, &gone, &[(0, 1)]);
    assert_eq!(unknown, [ErrorCode::UnknownTopicOrPartition]);
    let by_id = OffsetCommitRequest {
        topics: vec![OffsetCommitRequestTopic {
            topic_id: gone.id,
            partitions: vec![OffsetCommitRequestPartition::default()],
            ..Default::default()
        }],
        ..commit_request(&group, None, &topic, &[])
    };
    let unknown = codes(&connection.ask(&by_id));
    assert_eq!(unknown, [ErrorCode::UnknownTopicId]);

    let write = |connection: &mut Connection, metadata: &str| {
        let mut request = commit_request(&group, None, &topic, &[(0, 5)]);
        request.topics[0].partitions[0].committed_metadata = Some(metadata.to_owned().into());
        codes(&connection.call(BY_NAME_VERSION, &request))
    };
    // Kafka counts the units of a Java string, so umlauts count once.
    for character in ["m", "ä"] {
        let longest = character.repeat(METADATA_MAX);
        assert_eq!(write(&mut connection, &longest), [ErrorCode::None]);
        assert_eq!(committed_metadata(&mut connection, &group, &topic), longest);
        let longer = character.repeat(METADATA_MAX + 1);
        let refused = write(&mut connection, &longer);
        assert_eq!(refused, [ErrorCode::OffsetMetadataTooLarge]);
        assert_eq!(committed_metadata(&mut connection, &group, &topic), longest);
    }
}

/// A heartbeat with an expression of a mebibyte, which no honest encoder writes.
fn megabyte(connection: &mut Connection, group: &str) -> (Sent, Vec<u8>) {
    let short = "(a|a)*".repeat(16);
    let version = connection.newest::<ConsumerGroupHeartbeatRequest<'_>>();
    let request = ConsumerGroupHeartbeatRequest {
        subscribed_topic_regex: Some(short.as_str().into()),
        ..joining(group, "megabyte")
    };
    let (sent, frame) = connection.prepare(version, &request);
    let mut windows = frame.windows(short.len());
    let at = windows.position(|found| found == short.as_bytes()).unwrap();
    let long = "(a|a)*".repeat((1 << 20) / 6);
    // One more than the length, in groups of seven bits.
    let count = long.len() + 1;
    let length = [
        count as u8 | 0x80,
        (count >> 7) as u8 | 0x80,
        (count >> 14) as u8,
    ];
    let tail = &frame[at + short.len()..];
    let body = [&frame[4..at - 1], &length, long.as_bytes(), tail].concat();
    let bytes = (body.len() as i32).to_be_bytes();
    (sent, [bytes.as_slice(), &body].concat())
}

/// An expression is a program that a stranger runs here. None may take the node's time or memory,
/// and the others' requests go on meanwhile.
#[test]
fn expressions_that_explode_harm_nobody() {
    let _turn = server::turn();
    let settings = ["forebay.cores=1", "forebay.memory.frames.bytes=67108864"];
    let Some(mut server) = Server::own("expressions", &settings) else {
        return;
    };
    let mut connection = server.connect();
    let group = group("expressions");
    for _ in 0..8 {
        // Long names of one letter are what backtracking is slowest at.
        topics::create(&mut connection, &"a".repeat(200), 1);
    }
    find_coordinator(&mut connection, &group);
    let healthy = Healthy::start(server.address());
    let before = server.peak_bytes();
    let refused = ErrorCode::InvalidRegularExpression;
    let cases: [(String, ErrorCode); 16] = [
        ("(a|a)*b".to_owned(), ErrorCode::None),
        ("(a*)*b".to_owned(), ErrorCode::None),
        ("((((a|a)*)*)*)*b".to_owned(), ErrorCode::None),
        ("(a?){200}a{200}".to_owned(), ErrorCode::None),
        ("(.*)(.*)(.*)(.*)(.*)(.*)(.*)b".to_owned(), ErrorCode::None),
        ("(a|a)*".repeat(1_000), ErrorCode::None),
        ("(a|a)*".repeat(2_700), refused),
        ("(a{1000}){1000}".to_owned(), refused),
        ("((a{100}){100}){100}".to_owned(), refused),
        ("a{1001}".to_owned(), refused),
        ("(".repeat(1_000) + &")".repeat(1_000), refused),
        (r"\pL{1000}".to_owned(), refused),
        ("[".to_owned(), refused),
        ("(?=a)".to_owned(), refused),
        (r"(a)\1".to_owned(), refused),
        ("x".repeat(32_000), refused),
    ];
    for (number, (pattern, expected)) in cases.iter().enumerate() {
        let member = format!("member-{number}");
        let request = ConsumerGroupHeartbeatRequest {
            subscribed_topic_regex: Some(pattern.as_str().into()),
            ..joining(&group, &member)
        };
        let begin = Instant::now();
        let (code, ..) = beat(&mut connection, &request);
        let shown: String = pattern.chars().take(30).collect();
        println!("{shown}: {} after {:?}", code.name(), begin.elapsed());
        assert_eq!(code, *expected, "{shown}");
        assert!(begin.elapsed() < PATIENCE, "{shown}");
    }
    // No string of the protocol may be so long, whatever its encoding could carry: as in Kafka, the
    // connection is closed.
    let mut other = server.connect();
    let (sent, frame) = megabyte(&mut other, &group);
    other.send_bytes(&frame).unwrap();
    assert!(other.try_receive(sent).is_err());
    // As many different ones as there are members, each of the dearest kind that is let in.
    let begin = Instant::now();
    for number in 0..100 {
        let pattern = format!("(a?){{150}}a{{150}}{number}");
        let member = format!("many-{number}");
        let request = ConsumerGroupHeartbeatRequest {
            subscribed_topic_regex: Some(pattern.as_str().into()),
            ..joining(&group, &member)
        };
        assert_eq!(beat(&mut connection, &request).0, ErrorCode::None);
    }
    let grown = server.peak_bytes() - before;
    println!(
        "100 dear expressions: {:?}, {} MiB more",
        begin.elapsed(),
        grown >> 20
    );
    assert!(begin.elapsed() < PATIENCE);
    assert!(grown < 128 << 20, "{grown} bytes more");
    assert!(healthy.rate_over(Duration::from_millis(300)) > 0.0);
    healthy.finish();
    assert!(server.is_running());
}

/// Services that make a group for each of their processes, and never remove one, are real. The
/// larger form is `MANY_GROUPS=100000`.
#[test]
fn very_many_groups_are_kept_listed_and_found_again() {
    let _turn = server::turn();
    let count = seed::knob("MANY_GROUPS", 3_000);
    let settings = ["offsets.topic.num.partitions=8"];
    let Some(mut server) = Server::own("many-groups", &settings) else {
        return;
    };
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "many-groups", 1);
    find_coordinator(&mut connection, "g-0");
    let before = server.peak_bytes();
    let begin = Instant::now();
    let mut in_flight = VecDeque::new();
    for number in 0..count {
        let name = format!("g-{number}");
        let request = commit_request(&name, None, &topic, &[(0, number as i64)]);
        in_flight.push_back(connection.send(BY_NAME_VERSION, &request));
        if in_flight.len() == 500 {
            let answer = connection.receive(in_flight.pop_front().unwrap());
            assert_eq!(codes(&answer), [ErrorCode::None]);
        }
    }
    for sent in in_flight {
        assert_eq!(codes(&connection.receive(sent)), [ErrorCode::None]);
    }
    let created = begin.elapsed();
    let begin = Instant::now();
    assert_eq!(list(&mut connection).len() as u64, count);
    let listed = begin.elapsed();
    let grown = server.peak_bytes() - before;
    server.kill();
    let begin = Instant::now();
    server.start();
    let mut connection = server.connect();
    let last = format!("g-{}", count - 1);
    let found = fetch(&mut connection, &last, &topic, 1);
    assert_eq!(found, [count as i64 - 1]);
    let restarted = begin.elapsed();
    assert_eq!(list_all(&mut connection, count), count);
    println!(
        "{count} groups: made in {created:?}, listed in {listed:?}, {} MiB more, found again \
         {restarted:?} after the crash with {} MiB",
        grown >> 20,
        server.peak_bytes() >> 20
    );
    // Buffers of the requests on their way, and what a group takes.
    let bound = (96 << 20) + count * 4096;
    assert!(grown < bound, "{grown} bytes more, {bound} allowed");
}

/// How many groups are listed, once all of their logs have been read.
fn list_all(connection: &mut Connection, count: u64) -> u64 {
    let begin = Instant::now();
    loop {
        let answer = connection.ask(&wire::list_groups::ListGroupsRequest::default());
        let response = answer.read::<wire::list_groups::ListGroupsRequest<'_>>();
        let listed = response.groups.len() as u64;
        if response.error_code == 0 && listed == count {
            return listed;
        }
        assert!(begin.elapsed() < PATIENCE, "only {listed} are listed");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The epochs of a new group, as members and administrators are told them: a tool that compares two
/// brokers, or a member that moves between them, sees the same numbers.
#[test]
fn a_new_group_counts_its_epochs_as_kafka_does() {
    let server = Server::any("first-epochs");
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "first-epochs", 2);
    let group = group("first-epochs");
    find_coordinator(&mut connection, &group);
    let names = Some(vec![topic.name.as_str().into()]);
    let mut told = Vec::new();
    for member in ["a", "b"] {
        let joins = ConsumerGroupHeartbeatRequest {
            subscribed_topic_names: names.clone(),
            ..joining(&group, member)
        };
        let (code, _, epoch) = beat(&mut connection, &joins);
        assert_eq!(code, ErrorCode::None);
        let answer = connection.ask(&ConsumerGroupDescribeRequest {
            group_ids: vec![group.as_str().into()],
            ..Default::default()
        });
        let response = answer.read::<ConsumerGroupDescribeRequest<'_>>();
        let described = &response.groups[0];
        told.push((epoch, described.group_epoch, described.assignment_epoch));
    }
    assert_eq!(told[0], (2, 2, 2));
    // The next assignment may wait a while, the group's epoch does not.
    assert_eq!(told[1].1, 3);
}
