//! The result, for people and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::groups::Scenario;
use crate::options::{Mode, Options};
use crate::tally::{Flow, Tally};

/// The percentiles that are shown, with their names.
const PERCENTILES: [(&str, f64); 6] = [
    ("p50", 50.0),
    ("p90", 90.0),
    ("p99", 99.0),
    ("p99.9", 99.9),
    ("p99.99", 99.99),
    ("max", 100.0),
];

/// The flows that this run had, with their names.
fn flows<'tally>(options: &Options, tally: &'tally Tally) -> Vec<(&'static str, &'tally Flow)> {
    if let Some(Scenario::Transactions(_)) = options.scenario {
        return vec![
            ("transaction", &tally.consumed),
            ("end of transaction", &tally.produced),
        ];
    }
    if options.scenario.is_some() {
        let has_commits = tally.produced.records > 0;
        return has_commits
            .then_some(("commit", &tally.produced))
            .into_iter()
            .collect();
    }
    match options.mode {
        Mode::Produce => vec![("produce", &tally.produced)],
        Mode::Consume => vec![("consume", &tally.consumed)],
        Mode::Both => vec![("produce", &tally.produced), ("consume", &tally.consumed)],
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "rates are shown with three digits"
)]
fn per_second(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64().max(1e-6)
}

/// The result as text.
pub(crate) fn text(options: &Options, tally: &Tally) -> String {
    let mut out = String::new();
    for (name, flow) in flows(options, tally) {
        let rate = per_second(flow.records, flow.elapsed);
        // Writing to a string cannot fail.
        let requests = per_second(flow.latency.len(), flow.elapsed);
        let megabytes = per_second(flow.bytes, flow.elapsed) / 1e6;
        let _ = match name {
            "commit" => writeln!(out, "{name}: {requests:.0} requests/s, {rate:.0} offsets/s"),
            "end of transaction" => writeln!(out, "{name}: {requests:.0} /s"),
            "transaction" => writeln!(
                out,
                "{name}: {requests:.0} /s, {rate:.0} records/s, {megabytes:.1} MB/s"
            ),
            _ => writeln!(out, "{name}: {rate:.0} records/s, {megabytes:.1} MB/s"),
        };
        if flow.latency.is_empty() {
            continue;
        }
        let _ = write!(out, "  latency in us");
        for (label, percentile) in PERCENTILES {
            let value = flow.latency.value_at_percentile(percentile);
            let _ = write!(out, "  {label} {value}");
        }
        let _ = writeln!(out, "  ({})", measured_from(options, name));
    }
    for (name, figure) in &tally.figures {
        let _ = writeln!(out, "{name}: {figure:.4}");
    }
    if tally.errors.is_empty() {
        let _ = writeln!(out, "errors: none");
    } else {
        let _ = writeln!(out, "errors: {} records failed", tally.records_failed);
        for (reason, count) in &tally.errors {
            let _ = writeln!(out, "  {count} x {reason}");
        }
    }
    out
}

/// The result as one JSON object.
pub(crate) fn json(options: &Options, tally: &Tally) -> Value {
    let mut object = serde_json::Map::new();
    for (name, flow) in flows(options, tally) {
        let latency: serde_json::Map<String, Value> = PERCENTILES
            .iter()
            .filter(|_| !flow.latency.is_empty())
            .map(|(label, percentile)| {
                (
                    (*label).to_owned(),
                    flow.latency.value_at_percentile(*percentile).into(),
                )
            })
            .collect();
        if let Some(counted) = counted_in(name) {
            let value = json!({
                "seconds": flow.elapsed.as_secs_f64(),
                "requests": flow.latency.len(),
                counted: flow.records,
                "requests_per_second": per_second(flow.latency.len(), flow.elapsed),
                format!("{counted}_per_second"): per_second(flow.records, flow.elapsed),
                "latency_us": latency,
                "latency_from": measured_from(options, name),
            });
            object.insert(name.replace(' ', "_"), value);
            continue;
        }
        let value = json!({
            "seconds": flow.elapsed.as_secs_f64(),
            "records": flow.records,
            "bytes": flow.bytes,
            "records_per_second": per_second(flow.records, flow.elapsed),
            "bytes_per_second": per_second(flow.bytes, flow.elapsed),
            "latency_us": latency,
            "latency_from": measured_from(options, name),
        });
        object.insert(name.to_owned(), value);
    }
    for (name, figure) in &tally.figures {
        let told = object.entry(*name).or_insert_with(|| json!([]));
        if let Value::Array(told) = told {
            told.push((*figure).into());
        }
    }
    object.insert("records_failed".to_owned(), tally.records_failed.into());
    object.insert("errors".to_owned(), json!(tally.errors));
    Value::Object(object)
}

/// What each answer of a flow stands for, where the flow is counted in answers.
fn counted_in(flow: &str) -> Option<&'static str> {
    match flow {
        "commit" => Some("offsets"),
        "transaction" => Some("records"),
        "end of transaction" => Some("transactions"),
        _ => None,
    }
}

fn measured_from(options: &Options, flow: &str) -> &'static str {
    match (options.rate.is_some(), flow) {
        (_, "transaction") => "from making its records to the answer to its end",
        (_, "commit" | "end of transaction") => "from handing a request over to its answer",
        (true, "produce") => "from the moment each record should have left to its acknowledgement",
        (true, _) => "from the moment each record should have left to its arrival",
        (false, "produce") => "from handing a batch over to its acknowledgement",
        (false, _) => "from handing a batch over to its arrival",
    }
}
