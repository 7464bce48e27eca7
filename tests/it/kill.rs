//! kill -9 under full load, again and again: what was acknowledged is there after every restart.
//!
//! Each writer is an idempotent producer with five requests in flight; after a crash it sends
//! what was not acknowledged once more, as real clients do, and must not find it twice.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::{Connection, Sent};
use crate::idempotence;
use crate::ledger::{Acknowledged, Ledger, Read};
use crate::records::{Numbered, Writer};
use crate::seed;
use crate::server::{self, Server};
use crate::topics::{self, Topic};

const PARTITIONS: i32 = 4;
const WRITERS: u32 = 8;
/// Idempotent producers have five at most.
const IN_FLIGHT_MAX: usize = 5;
const RECORDS_PER_BATCH: u64 = 16;
const VALUE_BYTES: usize = 1024;

/// KAFKA_STORAGE_ERROR: what a node says of a disk that is gone.
const STORAGE_ERROR: i16 = 56;

/// A producer that outlives the broker's process.
struct Producer {
    writer: Writer,
    disk_may_fail: bool,
    partition: i32,
    unacknowledged: VecDeque<Numbered>,
    acknowledged: Vec<Acknowledged>,
}

impl Producer {
    fn new(index: u32, connection: &mut Connection) -> Self {
        let mut writer = Writer::new(index, VALUE_BYTES);
        writer.identity = Some(idempotence::identity(connection));
        Self {
            writer,
            disk_may_fail: false,
            partition: i32::try_from(index).unwrap() % PARTITIONS,
            unacknowledged: VecDeque::new(),
            acknowledged: Vec::new(),
        }
    }

    /// Writes until the connection breaks.
    fn run(&mut self, address: SocketAddr, topic: &Topic) {
        let Err(end) = self.try_run(address, topic);
        let is_expected = !matches!(
            end.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        );
        assert!(is_expected, "a request was never answered: {end}");
    }

    fn try_run(
        &mut self,
        address: SocketAddr,
        topic: &Topic,
    ) -> Result<std::convert::Infallible, io::Error> {
        let mut connection = Connection::try_open(address)?;
        let mut in_flight: VecDeque<Sent> = VecDeque::new();
        for batch in &self.unacknowledged {
            let target = (topic, self.partition);
            in_flight.push_back(topics::send_batch(
                &mut connection,
                target,
                -1,
                &batch.bytes,
            )?);
        }
        loop {
            while in_flight.len() < IN_FLIGHT_MAX {
                self.unacknowledged
                    .push_back(self.writer.batch(RECORDS_PER_BATCH));
                let batch = self.unacknowledged.back().unwrap();
                let target = (topic, self.partition);
                in_flight.push_back(topics::send_batch(
                    &mut connection,
                    target,
                    -1,
                    &batch.bytes,
                )?);
            }
            let answer = connection.try_receive(in_flight.pop_front().unwrap())?;
            let appended = topics::appended(&answer);
            if self.disk_may_fail && appended.error_code == STORAGE_ERROR {
                return Err(io::Error::other("the node has lost its disk"));
            }
            assert_eq!(appended.error_code, 0, "writer {}", self.writer.index);
            let batch = self.unacknowledged.pop_front().unwrap();
            self.acknowledged.push(Acknowledged {
                partition: self.partition,
                base_offset: appended.base_offset,
                writer: self.writer.index,
                first: batch.first,
                count: batch.count,
            });
        }
    }
}

/// All producers, what was acknowledged to them, and how far that was compared.
pub(crate) struct Load {
    topic: Topic,
    producers: Vec<Producer>,
    ledger: Ledger,
    read: Read,
}

impl Load {
    pub(crate) fn new(connection: &mut Connection) -> Self {
        let topic = topics::create(connection, "load", PARTITIONS);
        let producers = (0..WRITERS).map(|index| Producer::new(index, connection));
        Self {
            topic,
            producers: producers.collect(),
            ledger: Ledger::default(),
            read: Read::default(),
        }
    }

    /// From now on the disk may go before the process does.
    pub(crate) fn allow_disk_failure(&mut self) {
        for producer in &mut self.producers {
            producer.disk_may_fail = true;
        }
    }

    /// Writes as fast as it goes until `end` has ended the server.
    pub(crate) fn run(&mut self, server: &mut Server, end: impl FnOnce(&mut Server)) {
        let address = server.address();
        let topic = &self.topic;
        thread::scope(|scope| {
            for producer in &mut self.producers {
                scope.spawn(move || producer.run(address, topic));
            }
            end(server);
        });
        for producer in &mut self.producers {
            self.ledger.extend(producer.acknowledged.drain(..));
        }
    }

    /// Compares what came since the last comparison.
    pub(crate) fn check(&mut self, connection: &mut Connection) {
        self.ledger
            .check(connection, &self.topic, PARTITIONS, &mut self.read);
    }

    /// Compares everything: no restart may harm what an earlier one had kept.
    pub(crate) fn check_all(&self, connection: &mut Connection) {
        let records = self.ledger.records();
        assert!(
            records > 0,
            "nothing was acknowledged, so nothing was tested"
        );
        self.ledger
            .check(connection, &self.topic, PARTITIONS, &mut Read::default());
    }

    pub(crate) fn records(&self) -> u64 {
        self.ledger.records()
    }
}

/// The promise of the whole product: acknowledged is kept.
#[test]
fn acknowledged_records_survive_kill_9() {
    let _turn = server::turn();
    let mut random = seed::random("kill");
    let rounds = seed::knob("KILLS", 3);
    let Some(mut server) = Server::own("kill", &["log.segment.bytes=16777216"]) else {
        return;
    };
    let mut load = Load::new(&mut server.connect());
    for round in 1..=rounds {
        let pause = Duration::from_millis(200 + random.below(1000));
        load.run(&mut server, |server| {
            thread::sleep(pause);
            server.kill();
        });
        let begin = Instant::now();
        server.start();
        let back = begin.elapsed();
        load.check(&mut server.connect());
        println!(
            "kill {round}: after {pause:?}, back in {back:?}, {} records acknowledged in all",
            load.records()
        );
    }
    load.check_all(&mut server.connect());
}
