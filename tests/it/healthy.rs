//! A well-behaved client beside the others: it writes all the time and counts what is acknowledged.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::connection::Connection;
use crate::records::Writer;
use crate::topics;

const IN_FLIGHT_MAX: usize = 4;
const RECORDS_PER_BATCH: u64 = 16;
const VALUE_BYTES: usize = 1024;

/// A producer on a thread of its own, until it is dropped.
pub(crate) struct Healthy {
    acknowledged: Arc<AtomicU64>,
    is_ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Healthy {
    pub(crate) fn start(address: SocketAddr) -> Self {
        let acknowledged = Arc::new(AtomicU64::new(0));
        let is_ending = Arc::new(AtomicBool::new(false));
        let thread = {
            let (acknowledged, is_ending) = (Arc::clone(&acknowledged), Arc::clone(&is_ending));
            thread::spawn(move || work(address, &acknowledged, &is_ending))
        };
        Self {
            acknowledged,
            is_ending,
            thread: Some(thread),
        }
    }

    /// Records acknowledged per second, measured over `duration`.
    pub(crate) fn rate_over(&self, duration: Duration) -> f64 {
        let before = self.acknowledged.load(Ordering::Relaxed);
        thread::sleep(duration);
        let after = self.acknowledged.load(Ordering::Relaxed);
        (after - before) as f64 / duration.as_secs_f64()
    }

    /// Ends it; fails when it failed.
    pub(crate) fn finish(mut self) {
        self.is_ending.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is finished once");
        assert!(thread.join().is_ok(), "the healthy client was harmed");
    }
}

impl Drop for Healthy {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }
}

fn work(address: SocketAddr, acknowledged: &AtomicU64, is_ending: &AtomicBool) {
    let mut connection = Connection::open(address);
    let topic = topics::create(&mut connection, "healthy", 1);
    // The same batch again and again: the client's own work must not be what is measured.
    let batch = Writer::new(0, VALUE_BYTES).batch(RECORDS_PER_BATCH);
    let mut in_flight = VecDeque::new();
    while !is_ending.load(Ordering::Relaxed) {
        while in_flight.len() < IN_FLIGHT_MAX {
            let sent = topics::send_batch(&mut connection, (&topic, 0), -1, &batch.bytes).unwrap();
            in_flight.push_back(sent);
        }
        let answer = connection.receive(in_flight.pop_front().unwrap());
        assert_eq!(topics::appended(&answer).error_code, 0);
        acknowledged.fetch_add(RECORDS_PER_BATCH, Ordering::Relaxed);
    }
}
