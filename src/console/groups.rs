//! How groups get on, for our own command line and whoever likes JSON.

use broker::coordinator::{ListGroupsAsk, TimelineEvent, complete};
use broker::{Broker, GroupLag, PartitionLag};
use serde_json::{Value, json};

use crate::http::{Answer, Code};
use crate::routes::unavailable;

/// The names of all groups.
pub(crate) async fn list(broker: &Broker) -> Answer {
    match broker.list_groups(ListGroupsAsk::default()).await {
        Ok(groups) => {
            let groups = groups.into_iter().map(|group| {
                json!({
                    "group": group.group,
                    "kind": group.kind,
                    "state": group.state,
                    "protocol_type": group.protocol_type,
                })
            });
            let groups: Vec<Value> = groups.collect();
            let cluster = broker.cluster_id();
            Answer::json(Code::Ok, &json!({ "cluster": cluster, "groups": groups }))
        }
        Err(refusal) => Answer::json(
            Code::Unavailable,
            &json!({ "error": refusal.code.name(), "message": refusal.message }),
        ),
    }
}

fn no_such_group(group: &str) -> Answer {
    let message = format!("there is no group {group}");
    Answer::json(
        Code::NotFound,
        &json!({ "error": "GROUP_ID_NOT_FOUND", "message": message }),
    )
}

/// One group with its lag.
pub(crate) async fn describe(broker: &Broker, group: &str) -> Answer {
    match broker.group_lag(group).await {
        Ok(Some(lag)) => Answer::json(Code::Ok, &described(&broker.cluster_id(), &lag)),
        Ok(None) => no_such_group(group),
        Err(error) => unavailable(error),
    }
}

fn described(cluster: &str, group: &GroupLag) -> Value {
    let partitions: Vec<Value> = group
        .partitions
        .iter()
        .map(|partition| described_partition(group, partition))
        .collect();
    json!({
        "cluster": cluster,
        "group": group.summary.group,
        "kind": group.summary.kind,
        "state": group.summary.state,
        "generation": group.summary.generation,
        "members": group.summary.members,
        "status": group.status().name(),
        "lag": group.total_lag(),
        "partitions": partitions,
    })
}

fn described_partition(group: &GroupLag, partition: &PartitionLag) -> Value {
    json!({
        "topic": partition.partition.topic,
        "partition": partition.partition.partition.get(),
        "committed": partition.committed.get(),
        "committed_at_ms": partition.committed_at.get(),
        "log_start": partition.bounds.map(|bounds| bounds.log_start.get()),
        "log_end": partition.bounds.map(|bounds| bounds.log_end.get()),
        "lag": partition.lag(),
        "lag_ms": partition.lag_ms,
        "status": partition.status.name(),
        "complete": complete(&partition.points),
        "remark": group.remark(partition),
    })
}

/// Why a group was rebalanced lately.
pub(crate) async fn timeline(broker: &Broker, group: &str) -> Answer {
    match broker.group_timeline(group).await {
        Some(events) => {
            let events: Vec<Value> = events.iter().map(event).collect();
            let cluster = broker.cluster_id();
            let page = json!({ "cluster": cluster, "group": group, "events": events });
            Answer::json(Code::Ok, &page)
        }
        None => no_such_group(group),
    }
}

fn event(event: &TimelineEvent) -> Value {
    json!({
        "at_ms": event.at.get(),
        "generation": event.generation,
        "cause": event.cause.name(),
        "subject": event.subject,
        "reason": event.reason,
    })
}
