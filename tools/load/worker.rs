//! What one core does: its share of the connections, each with a sender, a receiver, or both.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use base::{ErrorCode, Offset, PartitionIndex, TopicPartition};
use client::{Address, Client, ClientError, FetchOptions, NewTopic, OffsetSpec};
use reactor::Core;

use crate::options::{Isolation, Mode, Options};
use crate::receiver::Receiver;
use crate::running::Running;
use crate::sender::Sender;
use crate::tally::{Tally, Window};

/// Runs this core's share of the load.
///
/// # Errors
/// When the load cannot begin; failures on the way are counted instead.
pub(crate) async fn run(
    core: Core,
    addresses: Vec<Address>,
    options: Options,
    mark: u64,
) -> Result<Tally, String> {
    let tally = Rc::new(RefCell::new(Tally::new()?));
    let text = |error: ClientError| error.to_string();
    let first = Client::connect(&core, &addresses, client_options())
        .await
        .map_err(text)?;
    let partitions = prepare(&first, &options).await.map_err(text)?;
    // What lies in the topic is read once, so there is nothing to warm up with.
    let is_consume = options.mode == Mode::Consume;
    let begin = core.now()
        + if is_consume {
            Duration::ZERO
        } else {
            options.warm_up()
        };
    let window = Window {
        begin,
        end: begin + options.measured(),
    };
    let running = Running::default();
    for index in 0..options.connections {
        if index % options.cores != core.id().0 % options.cores {
            continue;
        }
        let share = if options.keyed {
            partitions.clone()
        } else {
            share_of(&partitions, index, options.connections)
        };
        let lane = Lane {
            addresses: &addresses,
            options: &options,
            share,
            mark,
            window,
        };
        lane.start(&core, &tally, &running).await.map_err(text)?;
    }
    running.all_ended().await;
    let mut tally = tally.borrow().clone();
    tally.produced.elapsed = options.measured();
    Ok(tally)
}

/// One connection's part in the load.
struct Lane<'run> {
    addresses: &'run [Address],
    options: &'run Options,
    share: Vec<PartitionIndex>,
    mark: u64,
    window: Window,
}

impl Lane<'_> {
    async fn start(
        &self,
        core: &Core,
        tally: &Rc<RefCell<Tally>>,
        running: &Running,
    ) -> Result<(), ClientError> {
        let mode = self.options.mode;
        if mode != Mode::Produce {
            let receiver = self.receiver(core, tally).await?;
            running.spawn(core, receiver.run());
        }
        if mode != Mode::Consume {
            let client = Client::connect(core, self.addresses, client_options()).await?;
            let (share, tally) = (self.share.clone(), Rc::clone(tally));
            let timing = (self.mark, self.window);
            let sender = Sender::new(&client, self.options, share, timing, tally).await?;
            let rate = self
                .options
                .rate
                .map(|rate| rate / f64::from(self.options.connections));
            running.spawn(core, sender.run(rate));
        }
        Ok(())
    }

    async fn receiver(
        &self,
        core: &Core,
        tally: &Rc<RefCell<Tally>>,
    ) -> Result<Receiver, ClientError> {
        let client = Client::connect(core, self.addresses, client_options()).await?;
        let is_both = self.options.mode == Mode::Both;
        let spec = if is_both {
            OffsetSpec::Latest
        } else {
            OffsetSpec::Earliest
        };
        let (mut positions, mut ends) = (BTreeMap::new(), BTreeMap::new());
        for partition in &self.share {
            let found = client.offset(&self.options.topic, *partition, spec).await?;
            let place = TopicPartition {
                topic: self.options.topic.clone(),
                partition: *partition,
            };
            let found = found.unwrap_or(Offset(0));
            let end = client
                .offset(&self.options.topic, *partition, OffsetSpec::Latest)
                .await?;
            if let Some(end) = end.filter(|end| *end > found) {
                ends.insert(place.clone(), end);
            }
            positions.insert(place, found);
        }
        let timing = (is_both.then_some(self.mark), self.window);
        let ends = (!is_both).then_some(ends);
        let fetching = FetchOptions {
            is_read_committed: self.options.isolation == Isolation::ReadCommitted,
            ..FetchOptions::default()
        };
        let from = (&positions, ends);
        Receiver::new(&client, fetching, from, timing, Rc::clone(tally)).await
    }
}

pub(crate) fn client_options() -> client::Options {
    client::Options {
        client_id: "forebay-load".to_owned(),
        ..client::Options::default()
    }
}

/// Creates the topic where it is missing; gives the partitions to use.
pub(crate) async fn prepare(
    client: &Client,
    options: &Options,
) -> Result<Vec<PartitionIndex>, ClientError> {
    let topic = match client.topic(&options.topic, false).await {
        Err(ClientError::NotFound { .. }) if options.mode != Mode::Consume => {
            let topic = NewTopic {
                name: options.topic.clone(),
                partitions: Some(i32::from(options.partitions)),
                replication_factor: None,
                configs: Vec::new(),
            };
            match client.create_topic(&topic, false).await {
                // Another core of this process may have been quicker.
                Ok(_) => {}
                Err(ClientError::Refused {
                    code: ErrorCode::TopicAlreadyExists,
                    ..
                }) => {}
                Err(error) => return Err(error),
            }
            client.topic(&options.topic, true).await?
        }
        found => found?,
    };
    Ok(topic
        .partitions
        .keys()
        .copied()
        .take(usize::from(options.partitions))
        .collect())
}

/// The partitions of connection `index`: every so many-th, or one that several connections share.
fn share_of(partitions: &[PartitionIndex], index: u16, connections: u16) -> Vec<PartitionIndex> {
    let (index, step) = (usize::from(index), usize::from(connections));
    if step >= partitions.len() {
        let shared = partitions.get(index % partitions.len().max(1));
        return shared.copied().into_iter().collect();
    }
    partitions
        .iter()
        .copied()
        .skip(index)
        .step_by(step)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::share_of;
    use base::PartitionIndex;

    #[test]
    fn every_partition_is_dealt_out() {
        let partitions: Vec<PartitionIndex> = (0..7).map(PartitionIndex).collect();
        for connections in [1, 2, 3, 7, 9] {
            let mut dealt: Vec<PartitionIndex> = (0..connections)
                .flat_map(|index| share_of(&partitions, index, connections))
                .collect();
            dealt.sort_unstable();
            dealt.dedup();
            assert_eq!(dealt, partitions, "{connections} connections");
        }
    }
}
