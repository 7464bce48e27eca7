//! Groups as Burrow's HTTP interface, version 3, tells of them.
//!
//! Deviation: the one cluster there is goes by its id, and members are not named, since Burrow
//! knows them from other sources than commits as well.

use broker::coordinator::{CommitPoint, ListGroupsAsk, Status, complete};
use broker::{Broker, GroupLag, PartitionLag};
use serde_json::{Value, json};

use crate::http::{Answer, Code};
use crate::routes::unavailable;

/// Answers what lies under `/v3/kafka`; `url` is what was asked, for the answer to repeat.
pub(crate) async fn answer(broker: &Broker, url: &str, rest: &[&str]) -> Answer {
    let cluster = broker.cluster_id();
    let page = Page { url };
    match rest {
        [] => page.found("cluster list returned", "clusters", &json!([cluster])),
        [name, ..] if *name != cluster => page.missing("cluster or consumer not found"),
        [_, "consumer"] => match broker.list_groups(ListGroupsAsk::default()).await {
            Ok(groups) => {
                let names: Vec<String> = groups.into_iter().map(|group| group.group).collect();
                page.found("consumer list returned", "consumers", &json!(names))
            }
            Err(_) => page.missing("consumers not loaded yet"),
        },
        [_, "consumer", group, what] => match broker.group_lag(group).await {
            Ok(Some(lag)) => {
                let is_whole = *what == "lag";
                let status = status(&cluster, &lag, is_whole);
                page.found("consumer status returned", "status", &status)
            }
            Ok(None) => page.missing("cluster or consumer not found"),
            Err(error) => unavailable(error),
        },
        _ => page.missing("not found"),
    }
}

struct Page<'u> {
    url: &'u str,
}

impl Page<'_> {
    fn request(&self) -> Value {
        json!({ "url": self.url, "host": "" })
    }

    fn found(&self, message: &str, name: &str, value: &Value) -> Answer {
        let mut page = json!({ "error": false, "message": message, "request": self.request() });
        if let Some(page) = page.as_object_mut() {
            page.insert(name.to_owned(), value.clone());
        }
        Answer::json(Code::Ok, &page)
    }

    fn missing(&self, message: &str) -> Answer {
        let page = json!({ "error": true, "message": message, "request": self.request() });
        Answer::json(Code::NotFound, &page)
    }
}

/// The whole of a group, or only the partitions that do not get on well.
fn status(cluster: &str, group: &GroupLag, is_whole: bool) -> Value {
    let shown = group
        .partitions
        .iter()
        .filter(|partition| is_whole || partition.status != Status::Ok);
    let partitions: Vec<Value> = shown.map(partition).collect();
    let worst = group
        .partitions
        .iter()
        .max_by_key(|partition| partition.lag());
    json!({
        "cluster": cluster,
        "group": group.summary.group,
        "status": group.status().name(),
        "complete": share_complete(group),
        "partitions": partitions,
        "partition_count": group.partitions.len(),
        "maxlag": worst.map(partition),
        "totallag": group.total_lag(),
    })
}

/// The share of partitions of which all commits are known that are looked at.
fn share_complete(group: &GroupLag) -> f64 {
    let whole = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let complete = group.partitions.iter().filter(|one| one.is_complete());
    whole(complete.count()) / whole(group.partitions.len().max(1))
}

fn partition(partition: &PartitionLag) -> Value {
    json!({
        "topic": partition.partition.topic,
        "partition": partition.partition.partition.get(),
        "owner": "",
        "client_id": "",
        "status": partition.status.name(),
        "start": partition.points.first().map(point),
        "end": partition.points.last().map(point),
        "current_lag": partition.lag().unwrap_or(0),
        "complete": complete(&partition.points),
    })
}

fn point(point: &CommitPoint) -> Value {
    json!({
        "offset": point.offset.get(),
        "timestamp": point.at.get(),
        "observedAt": point.at.get(),
        "lag": point.lag.unwrap_or(0),
    })
}
