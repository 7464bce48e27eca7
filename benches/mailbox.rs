//! How long does a question to another core take, there and back?
//!
//! Half of all produce requests on two cores belong to a partition of the other one, so this
//! is added to their latency. `idle` has both cores asleep between questions and shows the
//! wake-ups; `busy` has 64 questions under way and shows the cost per message. Conclude that
//! messages are worth bundling only if `busy` per message comes near the cost of a request.

#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a bench: a panic is its failure, and criterion generates what has no documents"
)]

#[path = "support/cores.rs"]
mod cores;

use std::time::Duration;

use base::CoreId;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use reactor::{Core, Mesh};

const UNDER_WAY: u64 = 64;

fn round_trips(criterion: &mut Criterion) {
    if reactor::available_cores() < 2 {
        println!("mailbox: skipped, for it needs two cores");
        return;
    }
    let mut group = criterion.benchmark_group("mailbox");
    group.sample_size(10).throughput(Throughput::Elements(1));
    for (name, under_way) in [("idle", 1), ("busy", UNDER_WAY)] {
        group.bench_function(name, |bench| {
            bench.iter_custom(|count| ping(count, under_way))
        });
    }
    group.finish();
}

/// The time for `count` messages to the other core and back, `under_way` at a time.
fn ping(count: u64, under_way: u64) -> Duration {
    let mesh = Mesh::<u64>::new(2);
    cores::measure(2, move |core| {
        let mesh = mesh.clone();
        async move {
            if core.id() == CoreId(0) {
                ask(&core, &mesh, count, under_way).await
            } else {
                echo(&core, &mesh, count).await
            }
        }
    })
}

async fn ask(core: &Core, mesh: &Mesh<u64>, count: u64, under_way: u64) -> Duration {
    let mut answers = mesh.take(core.id());
    let other = mesh.senders().pop().expect("there are two");
    let begin = core.now();
    for number in 0..count.min(under_way) {
        other.send(number).expect("it listens");
    }
    let mut sent = count.min(under_way);
    for _ in 0..count {
        answers.recv().await.expect("it answers");
        if sent < count {
            other.send(sent).expect("it listens");
            sent += 1;
        }
    }
    core.now() - begin
}

async fn echo(core: &Core, mesh: &Mesh<u64>, count: u64) -> Duration {
    let mut questions = mesh.take(core.id());
    let senders = mesh.senders();
    let other = senders.first().expect("there are two");
    for _ in 0..count {
        let number = questions.recv().await.expect("it asks");
        other.send(number).expect("it listens");
    }
    Duration::ZERO
}

criterion_group!(benches, round_trips);
criterion_main!(benches);
