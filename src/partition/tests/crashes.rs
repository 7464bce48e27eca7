//! An idempotent producer through crashes: everything acknowledged, in order, nothing twice.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use base::Random;
use reactor::sim::Faults;

use super::node::{consume, request, start, topic, world};

/// What the producer knows; it lives on another machine.
#[derive(Default)]
struct Producer {
    /// The records acknowledged, by sequence: their offsets.
    acked: Vec<i64>,
    lives: i32,
    mistakes: Vec<String>,
}

fn value(sequence: i32) -> Vec<u8> {
    let len = usize::try_from(sequence % 700).unwrap();
    let mut value = sequence.to_be_bytes().to_vec();
    value.resize(len + 4, 9);
    value
}

async fn live(core: reactor::Core, producer: Rc<RefCell<Producer>>) {
    let epoch = producer.borrow().lives;
    let mut config = topic(&[]);
    config.segment_bytes = 20_000;
    let opened = match start(&core, &config, epoch).await {
        Ok(opened) => opened,
        Err(error) => {
            producer.borrow_mut().mistakes.push(error.to_string());
            return;
        }
    };
    let partition = opened.partition.clone();
    let seen = consume(&partition).await;
    {
        let mut producer = producer.borrow_mut();
        producer.lives += 1;
        let in_order = seen.iter().enumerate().all(|(index, (offset, found))| {
            let sequence = i32::try_from(index).unwrap();
            *offset == i64::from(sequence) && *found == value(sequence)
        });
        if !in_order {
            producer
                .mistakes
                .push("records are missing, doubled or out of order".to_owned());
        }
        if seen.len() < producer.acked.len() {
            let acked = producer.acked.len();
            producer
                .mistakes
                .push(format!("{acked} acknowledged, {} there", seen.len()));
        }
    }
    // What was not acknowledged is sent again, the same batch under the same sequence.
    loop {
        let first = i32::try_from(producer.borrow().acked.len()).unwrap();
        core.sleep(Duration::from_millis(2)).await;
        let values: Vec<Vec<u8>> = (first..first + 3).map(value).collect();
        match partition
            .clone()
            .append(request(&values, Some(first)))
            .await
        {
            Ok(outcome) => {
                let mut producer = producer.borrow_mut();
                if outcome.base_offset.0 != i64::from(first) {
                    let mistake = format!("sequence {first} at offset {}", outcome.base_offset);
                    producer.mistakes.push(mistake);
                }
                producer
                    .acked
                    .extend((0..3).map(|index| outcome.base_offset.0 + index));
            }
            Err(error) => {
                producer.borrow_mut().mistakes.push(error.to_string());
                return;
            }
        }
        if first % 30 == 0 {
            let points = opened.engine.checkpoints();
            if opened.dir.write_checkpoints(&points).await.is_err() {
                return;
            }
        }
    }
}

/// The seeds to run: `SEED=17` replays one, `SEEDS=5000` runs so many.
pub(crate) fn seeds(all: std::ops::RangeInclusive<u64>) -> std::ops::RangeInclusive<u64> {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    match (number("SEED"), number("SEEDS")) {
        (Some(one), _) => one..=one,
        (None, Some(count)) => 1..=count,
        (None, None) => all,
    }
}

/// The story: one idempotent producer retries through power cuts and kills.
#[test]
fn an_idempotent_producer_survives_crashes() {
    for seed in seeds(1..=25) {
        let mut random = Random::salted(seed, 7);
        let (world, node) = world(seed);
        world.set_faults(Faults::slow(seed));
        let producer = Rc::new(RefCell::new(Producer::default()));
        for _ in 0..6 {
            let inner = Rc::clone(&producer);
            world.start(node, 1, move |core| live(core, Rc::clone(&inner)));
            world.run_for(Duration::from_micros(random.below(300_000)));
            if random.chance(1, 3) {
                world.kill(node);
            } else {
                world.power_cut(node);
            }
        }
        world.set_faults(Faults::none());
        let before = producer.borrow().lives;
        let inner = Rc::clone(&producer);
        world.start(node, 1, move |core| live(core, Rc::clone(&inner)));
        let look = Rc::clone(&producer);
        let done = move || look.borrow().lives > before || !look.borrow().mistakes.is_empty();
        assert!(
            world.run_until(done, Duration::from_secs(60)),
            "seed {seed}"
        );
        drop(world);
        let producer = producer.borrow();
        assert!(
            producer.mistakes.is_empty(),
            "seed {seed}: {:?}",
            producer.mistakes
        );
    }
}
