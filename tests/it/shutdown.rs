//! SIGTERM: what was asked is answered, what was answered is kept, and the process ends well.

use std::time::Duration;

use crate::log;
use crate::records::Writer;
use crate::server::{self, Server};
use crate::topics;

const REQUESTS: usize = 20;
/// A second is the promise; a machine that builds beside the test may need more.
const END_PATIENCE: Duration = Duration::from_secs(3);

/// A rolling restart must not cost a client its requests in flight.
#[test]
fn sigterm_answers_what_is_in_flight_and_ends_with_0() {
    let _turn = server::turn();
    let Some(mut server) = Server::own("sigterm", &[]) else {
        return;
    };
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "sigterm", 1);
    let mut writer = Writer::new(0, 1000);
    let mut in_flight = Vec::new();
    for _ in 0..REQUESTS {
        let batch = writer.batch(4);
        in_flight.push(topics::send_batch(&mut connection, (&topic, 0), -1, &batch.bytes).unwrap());
    }
    let mut waiting = in_flight.into_iter();
    // The first answer says that the broker has begun to read what was sent in one go.
    connection.receive(waiting.next().unwrap());
    server.ask_to_end();
    for (answered, sent) in (1..).zip(waiting) {
        let answer = connection
            .try_receive(sent)
            .unwrap_or_else(|error| panic!("{answered} of {REQUESTS} were answered: {error}"));
        assert_eq!(topics::appended(&answer).error_code, 0);
    }
    let (status, took) = server.wait();
    println!("sigterm: ended in {took:?}");
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert!(took < END_PATIENCE, "it took {took:?}");
    server.start();
    let found = log::read_all(&mut server.connect(), (&topic, 0), 0);
    assert_eq!(found.len(), 4 * REQUESTS);
    assert!(
        found
            .iter()
            .all(|record| record.offset as u64 == record.number)
    );
}

/// An idle consumer waits for minutes; it must not hold up the end.
#[test]
fn sigterm_does_not_wait_for_waiting_fetches_and_idle_clients() {
    let _turn = server::turn();
    let Some(mut server) = Server::own("sigterm-idle", &[]) else {
        return;
    };
    let mut connection = server.connect();
    let topic = topics::create(&mut connection, "idle", 1);
    let _idle: Vec<_> = (0..5).map(|_| server.connect()).collect();
    let version = connection.newest::<wire::fetch::FetchRequest<'_>>();
    let mut request = log::fetch_request(&topic, 0, 0, version);
    request.max_wait_ms = 300_000;
    request.min_bytes = 1;
    connection.send(version, &request);
    std::thread::sleep(Duration::from_millis(100));
    server.ask_to_end();
    let (status, took) = server.wait();
    println!("sigterm with waiters: ended in {took:?}");
    assert_eq!(status.code(), Some(0), "{}", server.log());
    assert!(took < END_PATIENCE, "it took {took:?}");
}
