//! The text that a scraper gets, and what falls into which bucket.

#![allow(clippy::unwrap_used, reason = "tests: a panic is a failed test")]

use std::collections::BTreeSet;
use std::time::Duration;

use crate::page::Kind;
use crate::{ForeignLabels, ForeignPage, Histogram, Labels, Page, names};

/// A dashboard finds a family by its name, and Prometheus refuses a page with a name that it does
/// not allow or that stands there twice.
#[test]
fn names_are_valid_and_said_once() {
    let mut known = BTreeSet::new();
    for family in names::ALL {
        let valid = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        assert!(family.name.bytes().all(valid), "{}", family.name);
        assert!(family.name.starts_with("forebay_"), "{}", family.name);
        assert!(known.insert(family.name), "{} twice", family.name);
        let is_total = family.name.ends_with("_total");
        assert_eq!(is_total, family.kind == Kind::Counter, "{}", family.name);
        assert!(family.help.ends_with('.'), "{}", family.name);
    }
}

/// A topic, group or file may be called almost anything; its name must not end its own quotes.
#[test]
fn labels_are_escaped() {
    let mut page = Page::new();
    let labels = Labels::of("dir", "a\\b\"c\nd").and("core", 1);
    page.whole(&names::LOG_DIR_FREE, labels, -3);
    let text = page.into_text();
    let line = text.lines().last().unwrap();
    assert_eq!(
        line,
        r#"forebay_log_dir_free_bytes{dir="a\\b\"c\nd",core="1"} -3"#
    );
}

/// Buckets count all that is below them, the last one everything.
#[test]
fn durations_fall_into_buckets_that_add_up() {
    let histogram = Histogram::default();
    for us in [0, 100, 101, 999, 20_000_000] {
        histogram.record(Duration::from_micros(us));
    }
    let mut page = Page::new();
    let labels = Labels::of("core", 0);
    page.durations(&names::FLUSH_DURATION, labels, histogram.reading());
    let text = page.into_text();
    let value = |start: &str| {
        let line = text.lines().find(|line| line.starts_with(start));
        line.unwrap().rsplit(' ').next().unwrap().to_owned()
    };
    let bucket = |le: &str| {
        value(&format!(
            "forebay_flush_duration_seconds_bucket{{core=\"0\",le=\"{le}\"}}"
        ))
    };
    assert_eq!(bucket("0.0001"), "2");
    assert_eq!(bucket("0.00025"), "3");
    assert_eq!(bucket("0.001"), "4");
    assert_eq!(bucket("10"), "4");
    assert_eq!(bucket("+Inf"), "5");
    assert_eq!(value("forebay_flush_duration_seconds_count"), "5");
    assert_eq!(value("forebay_flush_duration_seconds_sum"), "20.0012");
}

/// Each family is told of once, however many cores speak of it.
#[test]
fn pages_of_cores_become_one() {
    let mut page = Page::new();
    page.count(&names::COMPACTIONS, Labels::of("core", 0), 1);
    let mut other = Page::new();
    other.count(&names::COMPACTIONS, Labels::of("core", 1), 2);
    other.level(&names::UPTIME, Labels::none(), 1.5);
    page.merge(other);
    assert_eq!(page.series(), 3);
    let text = page.into_text();
    assert_eq!(
        text,
        "# HELP forebay_compactions_total Runs of compaction that came to their end.\n\
         # TYPE forebay_compactions_total counter\n\
         forebay_compactions_total{core=\"0\"} 1\n\
         forebay_compactions_total{core=\"1\"} 2\n\
         # HELP forebay_uptime_seconds Seconds since this node started.\n\
         # TYPE forebay_uptime_seconds gauge\n\
         forebay_uptime_seconds 1.5\n"
    );
}

/// Clients choose their metrics' names and may choose badly; one page must not become unreadable
/// for that.
#[test]
fn what_others_named_is_made_to_fit() {
    let mut page = ForeignPage::new();
    let labels = ForeignLabels::new()
        .and("client_id", "mine")
        .and("client.id", "made up")
        .and("9:lives\n", "a\"b");
    page.put("org.apache.kafka.x", &labels, 1.5, false);
    page.put("org_apache_kafka_x", &ForeignLabels::new(), 2.0, true);
    page.put("", &ForeignLabels::new(), f64::NAN, true);
    let texts: Vec<_> = std::iter::from_fn(|| page.take_text()).collect();
    let lines: Vec<_> = texts.iter().flat_map(|text| text.lines()).collect();
    let lines: Vec<_> = lines
        .iter()
        .filter(|line| !line.starts_with("# HELP"))
        .collect();
    assert_eq!(
        lines,
        [
            &"# TYPE _ counter",
            &"_ NaN",
            &"# TYPE org_apache_kafka_x untyped",
            &r#"org_apache_kafka_x{client_id="mine",_9_lives_="a\"b"} 1.5"#,
            &"org_apache_kafka_x 2",
        ]
    );
}
