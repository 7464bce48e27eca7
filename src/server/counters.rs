//! What one core's server counts, and how it tells.
//!
//! Counting happens where a response has left: by then its size, its errors and its time are
//! known, and no handler has to think of it. APIs are told apart by their row in the table.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use base::ErrorCode;
use metrics::{Counter, Histogram, Labels, Page, Source, names};

use crate::context::CoreServer;
use crate::table::API_TABLE;
use crate::watch::Connections;

/// What is counted of one API.
#[derive(Debug, Default)]
struct ApiCells {
    requests: Counter,
    request_bytes: Counter,
    response_bytes: Counter,
    duration: Histogram,
}

/// The row of an API; nothing for what is not served.
pub(crate) type Row = Option<usize>;

/// What one core's server counts.
#[derive(Debug)]
pub(crate) struct Counters {
    /// Connections accepted.
    pub(crate) connections_accepted: Counter,
    /// Connections that were refused or ended for a reason of ours.
    pub(crate) connections_refused: Counter,
    /// Requests dispatched.
    pub(crate) requests: Counter,
    /// Requests that could not be decoded or are not served.
    pub(crate) requests_refused: Counter,
    /// One for each row of the table.
    apis: Vec<ApiCells>,
    /// There are as many pairs as the table has rows and Kafka has codes, at most.
    errors: RefCell<BTreeMap<(Row, i16), u64>>,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            connections_accepted: Counter::default(),
            connections_refused: Counter::default(),
            requests: Counter::default(),
            requests_refused: Counter::default(),
            apis: API_TABLE.iter().map(|_| ApiCells::default()).collect(),
            errors: RefCell::default(),
        }
    }
}

/// What is known of a response once it has left.
pub(crate) struct Sent {
    pub(crate) bytes: u64,
    /// Since the request was there.
    pub(crate) took: Duration,
    pub(crate) errors: Vec<i16>,
}

impl Counters {
    /// Counts a request that needs no response.
    pub(crate) fn note_silence(&self, row: Row, request_bytes: usize) {
        if let Some(cells) = row.and_then(|row| self.apis.get(row)) {
            cells.requests.increment();
            cells.request_bytes.add(request_bytes as u64);
        }
    }

    /// Counts a request whose response has left.
    pub(crate) fn note_sent(&self, row: Row, request_bytes: usize, sent: &Sent) {
        self.note_silence(row, request_bytes);
        if let Some(cells) = row.and_then(|row| self.apis.get(row)) {
            cells.response_bytes.add(sent.bytes);
            cells.duration.record(sent.took);
        }
        for code in &sent.errors {
            let mut errors = self.errors.borrow_mut();
            *errors.entry((row, *code)).or_default() += 1;
        }
    }
}

/// Kafka's name of an API, for people.
fn api_name(row: Row) -> String {
    let row = row.and_then(|row| API_TABLE.get(row));
    row.map_or("none".to_owned(), |row| row.key.entry().name.to_owned())
}

/// Tells what the server of one core and listener counted.
pub(crate) struct Reporter {
    pub(crate) server: Rc<CoreServer>,
    pub(crate) connections: Rc<Connections>,
}

impl Source for Reporter {
    fn report(&self, page: &mut Page) {
        let counters = &self.server.counters;
        let own = Labels::of("core", self.server.broker.core().id())
            .and("listener", &self.server.listener_name);
        let count = |page: &mut Page, family, counter: &Counter| {
            page.count(family, own.clone(), counter.get());
        };
        count(
            page,
            &names::CONNECTIONS_ACCEPTED,
            &counters.connections_accepted,
        );
        count(
            page,
            &names::CONNECTIONS_REFUSED,
            &counters.connections_refused,
        );
        count(page, &names::REQUESTS_REFUSED, &counters.requests_refused);
        let open = self.connections.count() as u64;
        page.size(&names::CONNECTIONS, own.clone(), open);
        let unanswered = self.connections.unanswered();
        page.size(&names::REQUESTS_UNANSWERED, own.clone(), unanswered);
        for (row, cells) in counters.apis.iter().enumerate() {
            // What nobody ever asked would make up most of the page.
            if cells.requests.get() > 0 {
                report_api(page, &own.clone().and("api", api_name(Some(row))), cells);
            }
        }
        for ((row, code), count) in &*counters.errors.borrow() {
            let labels = own.clone().and("api", api_name(*row));
            let labels = labels.and("error", error_name(*code));
            page.count(&names::ERRORS, labels, *count);
        }
    }
}

fn report_api(page: &mut Page, labels: &Labels, cells: &ApiCells) {
    page.count(&names::REQUESTS, labels.clone(), cells.requests.get());
    let bytes = cells.request_bytes.get();
    page.count(&names::REQUEST_BYTES, labels.clone(), bytes);
    let bytes = cells.response_bytes.get();
    page.count(&names::RESPONSE_BYTES, labels.clone(), bytes);
    let reading = cells.duration.reading();
    page.durations(&names::REQUEST_DURATION, labels.clone(), reading);
}

fn error_name(code: i16) -> String {
    let known = ErrorCode::from_code(code);
    if known.code() == code {
        known.name().to_owned()
    } else {
        code.to_string()
    }
}
