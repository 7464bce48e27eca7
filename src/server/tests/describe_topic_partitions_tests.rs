//! Pages must cover every partition once, whatever the limit (KIP-966).

use base::{ErrorCode, NodeId};
use metadata::Image;
use wire::ApiKey;
use wire::describe_topic_partitions::{
    DescribeTopicPartitionsRequest, RequestCursor, TopicRequest,
};

use super::{View, page};
use crate::access::Access;
use crate::handlers::sample::{check_every_version, cluster};
use crate::handlers::shown::Alive;

fn request(
    names: &[&'static str],
    cursor: Option<(String, i32)>,
) -> DescribeTopicPartitionsRequest<'static> {
    DescribeTopicPartitionsRequest {
        topics: names
            .iter()
            .map(|name| TopicRequest {
                name: (*name).into(),
            })
            .collect(),
        cursor: cursor.map(|(topic_name, partition_index)| RequestCursor {
            topic_name: topic_name.into(),
            partition_index,
        }),
        ..Default::default()
    }
}

fn view<'a, 'v>(image: &'a Image, alive: &'v Alive) -> View<'a, 'v> {
    View {
        image,
        alive,
        access: &Access::OPEN,
    }
}

/// Follows the cursor to the end; gives `topic-partition` for each, `topic!code` for errors.
fn pages(image: &Image, names: &[&'static str], limit: usize) -> Vec<String> {
    let alive = Alive::all_of([NodeId(1)]);
    let mut lines = Vec::new();
    let mut cursor = None;
    for _ in 0..100 {
        let request = request(names, cursor);
        let page = page(view(image, &alive), &request, limit);
        let count: usize = page.topics.iter().map(|topic| topic.partitions.len()).sum();
        assert!(
            count <= limit,
            "{count} partitions where {limit} were allowed"
        );
        for topic in &page.topics {
            let name = topic.name.as_deref().unwrap();
            if topic.error_code != 0 {
                lines.push(format!("{name}!{}", topic.error_code));
            }
            let indexes = topic.partitions.iter().map(|one| one.partition_index);
            lines.extend(indexes.map(|index| format!("{name}-{index}")));
        }
        match page.next_cursor {
            None => return lines,
            Some(next) => cursor = Some((next.topic_name.into_owned(), next.partition_index)),
        }
    }
    panic!("the cursor does not advance: {lines:?}");
}

/// Any limit gives the same partitions, in order, none twice.
#[test]
fn pages_cover_everything_once() {
    let image = cluster(1, &[("a", 2), ("b", 3), ("c", 1)]);
    let all = ["a-0", "a-1", "b-0", "b-1", "b-2", "c-0"];
    for limit in 1..=7 {
        assert_eq!(pages(&image, &[], limit), all, "limit {limit}");
        assert_eq!(
            pages(&image, &["c", "a", "b", "a"], limit),
            all,
            "limit {limit}"
        );
    }
}

/// Topics that do not exist are told only to those who asked for them, and take no room.
#[test]
fn unknown_topics_are_told_where_asked_for() {
    let image = cluster(1, &[("a", 1), ("c", 1)]);
    assert_eq!(
        pages(&image, &["a", "b", "c@", "c"], 1),
        ["a-0", "b!3", "c-0", "c@!17"]
    );
}

/// A topic deleted between two pages must not end the listing.
#[test]
fn a_cursor_survives_the_deletion_of_its_topic() {
    let image = cluster(1, &[("a", 1), ("c", 1)]);
    let alive = Alive::all_of([NodeId(1)]);
    let asked = request(&[], Some(("b".into(), 4)));
    let rest = page(view(&image, &alive), &asked, 10);
    assert_eq!(rest.topics[0].name.as_deref(), Some("c"));
    let asked = request(&["a", "b", "c"], Some(("b".into(), 4)));
    let rest = page(view(&image, &alive), &asked, 10);
    assert_eq!(
        rest.topics[0].error_code,
        ErrorCode::UnknownTopicOrPartition.code()
    );
    assert_eq!(rest.topics[1].name.as_deref(), Some("c"));
    // Behind the last partition there is nothing, but no error either.
    let asked = request(&["c"], Some(("c".into(), 4)));
    let rest = page(view(&image, &alive), &asked, 10);
    assert_eq!(
        (rest.topics[0].error_code, rest.topics[0].partitions.len()),
        (0, 0)
    );
}

/// A cursor before the first partition is a mistake of the client.
#[test]
fn a_negative_cursor_is_refused() {
    let image = cluster(1, &[("a", 1)]);
    let asked = request(&["a"], Some(("a".into(), -1)));
    let refused = page(view(&image, &Alive::all_of([])), &asked, 10);
    assert_eq!(
        refused.topics[0].error_code,
        ErrorCode::InvalidRequest.code()
    );
}

/// The one version must carry a page with and without errors.
#[test]
fn every_version_is_carried() {
    let image = cluster(1, &[("a", 3)]);
    let alive = Alive::all_of([NodeId(1)]);
    let asked = request(&["a", "b"], None);
    check_every_version(ApiKey::DescribeTopicPartitions, |_| {
        page(view(&image, &alive), &asked, 2)
    });
}
