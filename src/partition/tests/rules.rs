//! What producers and consumers may rely on, one rule a test.

use std::time::Duration;

use base::{LeaderEpoch, Offset, Timestamp};
use batch::BatchError;
use reactor::First;

use super::node::{LIMIT, consume, fetch_request, request, start, topic, world};
use crate::{AppendError, FetchError, Isolation, ListTarget, any};

/// The story: an answer is lost, the producer sends its last batches again, also to the restarted
/// node: it hears the offsets of the first time, and nothing is in the log twice.
#[test]
fn a_retry_hears_the_offset_of_the_first_time() {
    for clean in [true, false] {
        let (world, node) = world(1);
        for life in 0..2 {
            let done = world.run_process(node, LIMIT, move |core| async move {
                let opened = start(&core, &topic(&[]), life).await.unwrap();
                let partition = opened.partition.clone();
                for batch in 0..8_i32 {
                    let request = request(&[vec![1], vec![2], vec![3]], Some(batch * 3));
                    let answer = partition.clone().append(request).await;
                    let is_old = life == 1 && batch < 3;
                    match answer {
                        Ok(outcome) => {
                            assert!(!is_old);
                            assert_eq!(outcome.base_offset, Offset(i64::from(batch) * 3));
                        }
                        // The window is five batches; older ones are out of order.
                        Err(error) => assert!(is_old, "batch {batch}: {error}"),
                    }
                }
                assert_eq!(consume(&partition).await.len(), 24);
                if clean {
                    opened.stop().await;
                }
            });
            assert_eq!(done, Some(()));
        }
    }
}

/// The story: batches are deleted before their producer hears of them, in the segment that is
/// written and together with segments of their own, and the power fails. The producer sends them
/// again and hears their offsets: what it did is known without the records.
#[test]
fn a_retry_hears_the_offset_of_records_that_were_deleted() {
    for (segment_bytes, is_retained) in [(1 << 20, false), (1 << 20, true), (300, false)] {
        let (world, node) = world(3);
        let mut config = topic(&[("retention.ms", "1"), ("file.delete.delay.ms", "0")]);
        config.segment_bytes = segment_bytes;
        for life in 0..2 {
            let config = config.clone();
            let done = world.run_process(node, LIMIT, move |core| async move {
                let opened = start(&core, &config, life).await.unwrap();
                let partition = opened.partition.clone();
                for batch in 0..5_i32 {
                    let request = request(&[vec![1; 200]], Some(batch));
                    let outcome = partition.clone().append(request).await.unwrap();
                    assert_eq!(outcome.base_offset, Offset(i64::from(batch)));
                }
                assert_eq!(partition.high_watermark(), Offset(5));
                if is_retained {
                    partition.retain().await.unwrap();
                } else {
                    partition.delete_records(Offset(-1)).await.unwrap();
                }
                assert_eq!(partition.log_start_offset(), Offset(5));
            });
            assert_eq!(done, Some(()));
            world.power_cut(node);
        }
    }
}

/// The story: a consumer asks while a batch is in memory and not on the device: it sees nothing
/// of it, waits, and is woken by the flush.
#[test]
fn nobody_sees_what_is_not_durable() {
    let (world, node) = world(2);
    let done = world.run_process(node, LIMIT, |core| async move {
        let opened = start(&core, &topic(&[]), 0).await.unwrap();
        let partition = opened.partition.clone();
        let mut appending = Box::pin(partition.clone().append(request(&[vec![7]], None)));
        let begun = std::future::poll_fn(|context| {
            assert!(
                appending.as_mut().poll(context).is_pending(),
                "the flush takes its time"
            );
            std::task::Poll::Ready(partition.log().log_end())
        });
        // The reservation needs memory at first, which may wait; then the batch is in the log.
        let mut end = begun.await;
        while end < Offset(1) {
            core.yield_now().await;
            let look = std::future::poll_fn(|context| {
                assert!(appending.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(partition.log().log_end())
            });
            end = look.await;
        }
        assert_eq!(partition.high_watermark(), Offset(0));
        let fetched = partition.fetch(fetch_request(Offset(0))).await.unwrap();
        if partition.high_watermark() == Offset(0) {
            assert_eq!(fetched.len, 0);
        }
        let woken = any(std::slice::from_ref(&partition));
        if partition.high_watermark() == Offset(0) {
            let patience = core.sleep(Duration::from_secs(5));
            assert!(matches!(
                reactor::first(woken, patience).await,
                First::Left(())
            ));
        }
        assert_eq!(partition.high_watermark(), Offset(1));
        assert_eq!(appending.await.unwrap().base_offset, Offset(0));
        assert_eq!(consume(&partition).await.len(), 1);
    });
    assert_eq!(done, Some(()));
}

/// The story: fetches at all the odd places.
#[test]
fn fetches_at_the_edges() {
    let (world, node) = world(3);
    let done = world.run_process(node, LIMIT, |core| async move {
        let opened = start(&core, &topic(&[]), 4).await.unwrap();
        let partition = opened.partition.clone();
        for value in 0..10_u8 {
            let values = vec![vec![value; 100]; 3];
            partition
                .clone()
                .append(request(&values, None))
                .await
                .unwrap();
        }
        assert!(matches!(
            partition.fetch(fetch_request(Offset(31))).await,
            Err(FetchError::OutOfRange)
        ));
        let at_end = partition.fetch(fetch_request(Offset(30))).await.unwrap();
        assert_eq!((at_end.len, at_end.high_watermark), (0, Offset(30)));
        // In the middle of a batch: the whole batch comes.
        let mut middle = fetch_request(Offset(4));
        middle.bytes_max = 1;
        let fetched = partition.fetch(middle).await.unwrap();
        assert!(fetched.len > 300);
        middle.at_least_one = false;
        assert_eq!(partition.fetch(middle).await.unwrap().len, 0);
        assert_eq!(
            partition.delete_records(Offset(5)).await.unwrap(),
            Offset(5)
        );
        assert!(matches!(
            partition.fetch(fetch_request(Offset(4))).await,
            Err(FetchError::OutOfRange)
        ));
        assert_eq!(consume(&partition).await.len(), 25);
        assert!(partition.delete_records(Offset(31)).await.is_err());
        assert_eq!(
            partition.delete_records(Offset(-1)).await.unwrap(),
            Offset(30)
        );
    });
    assert_eq!(done, Some(()));
}

/// The story: ListOffsets and OffsetForLeaderEpoch after three reigns.
#[test]
fn offsets_by_time_and_epoch() {
    let (world, node) = world(4);
    let done = world.run_process(node, LIMIT, |core| async move {
        let opened = start(&core, &topic(&[]), 0).await.unwrap();
        let partition = opened.partition.clone();
        for epoch in 1..4 {
            partition
                .clone()
                .append(request(&[vec![1], vec![2]], None))
                .await
                .unwrap();
            partition.lead(LeaderEpoch(epoch)).await.unwrap();
        }
        let list = |target| partition.list_offset(target, Isolation::ReadUncommitted);
        let latest = list(ListTarget::Latest).await.unwrap().unwrap();
        assert_eq!(
            (latest.offset, latest.leader_epoch),
            (Offset(6), Some(LeaderEpoch(3)))
        );
        let earliest = list(ListTarget::Earliest).await.unwrap().unwrap();
        assert_eq!(
            (earliest.offset, earliest.leader_epoch),
            (Offset(0), Some(LeaderEpoch(0)))
        );
        let by_time = list(ListTarget::Timestamp(Timestamp(1_000)))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(by_time.offset, Offset(0));
        assert_eq!(
            list(ListTarget::Timestamp(Timestamp(1_001))).await.unwrap(),
            None
        );
        let greatest = list(ListTarget::MaxTimestamp).await.unwrap().unwrap();
        assert_eq!(greatest.timestamp, Timestamp(1_000));
        for (epoch, end) in [(0, 2), (1, 4), (2, 6), (3, 6)] {
            let found = partition.epoch_end(LeaderEpoch(epoch)).unwrap();
            assert_eq!((found.epoch, found.end), (LeaderEpoch(epoch), Offset(end)));
        }
    });
    assert_eq!(done, Some(()));
}

/// The story: topics with their own wishes: the broker's time, another codec, a size limit.
#[test]
fn a_topics_configuration_counts() {
    let (world, node) = world(5);
    let done = world.run_process(node, LIMIT, |core| async move {
        let config = topic(&[
            ("message.timestamp.type", "LogAppendTime"),
            ("compression.type", "zstd"),
            ("max.message.bytes", "5000"),
        ]);
        let opened = start(&core, &config, 0).await.unwrap();
        let partition = opened.partition.clone();
        let outcome = partition
            .clone()
            .append(request(&[vec![3; 4_000]], None))
            .await
            .unwrap();
        assert!(outcome.log_append_time > Timestamp(1_000));
        let fetched = partition.fetch(fetch_request(Offset(0))).await.unwrap();
        assert!(fetched.len < 1_000, "the batch is compressed now");
        assert_eq!(consume(&partition).await, [(0, vec![3; 4_000])]);
        let too_large = partition
            .clone()
            .append(request(&[vec![3; 6_000]], None))
            .await;
        assert!(matches!(
            too_large,
            Err(AppendError::Batch(BatchError::TooLarge { .. }))
        ));
    });
    assert_eq!(done, Some(()));
}

/// The story: with `forebay.ack.durability=memory` nobody waits for the device.
#[test]
fn memory_durability_acknowledges_at_once() {
    let (world, node) = world(6);
    let done = world.run_process(node, LIMIT, |core| async move {
        let config = topic(&[("forebay.ack.durability", "memory")]);
        let opened = start(&core, &config, 0).await.unwrap();
        let partition = opened.partition.clone();
        for value in 0..50_u8 {
            partition
                .clone()
                .append(request(&[vec![value; 30_000]], None))
                .await
                .unwrap();
        }
        assert!(partition.log().durable_end() < partition.high_watermark());
        assert_eq!(consume(&partition).await.len(), 50);
        opened.stop().await;
    });
    assert_eq!(done, Some(()));
    let done = world.run_process(node, LIMIT, |core| async move {
        let opened = start(&core, &topic(&[]), 1).await.unwrap();
        consume(&opened.partition).await.len()
    });
    assert_eq!(done, Some(50));
}

/// The story: a topic is deleted while a producer waits.
#[test]
fn who_waits_hears_of_the_end() {
    let (world, node) = world(7);
    let done = world.run_process(node, LIMIT, |core| async move {
        let opened = start(&core, &topic(&[]), 0).await.unwrap();
        let partition = opened.partition.clone();
        partition
            .clone()
            .append(request(&[vec![1]], None))
            .await
            .unwrap();
        let appending = partition.clone().append(request(&[vec![2]], None));
        let removing = async {
            core.yield_now().await;
            partition.remove().await.unwrap();
            core.sleep(Duration::from_secs(5)).await;
        };
        match reactor::first(appending, removing).await {
            First::Left(Err(AppendError::Storage(_)) | Ok(_)) => {}
            First::Left(Err(error)) => panic!("{error}"),
            First::Right(()) => panic!("the producer waits for ever"),
        }
        assert!(
            partition
                .clone()
                .append(request(&[vec![3]], None))
                .await
                .is_err()
        );
        assert!(partition.fetch(fetch_request(Offset(0))).await.is_err());
    });
    assert_eq!(done, Some(()));
}
