//! `forebay consume --group`: records of a topic as a member of a consumer group.
//!
//! Invariant: what is committed was printed; a record may be printed again after a failure, and
//! none is passed over.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use base::{Offset, TopicPartition};
use batch::Scratch;
use client::{Client, Consumer, HEARTBEAT_INTERVAL, Membership, OffsetSpec};
use reactor::{First, Mesh, Receiver, first, mailbox};

use super::consume::{Options, Printer, known_offset, out_of_range};
use super::failure::{Failure, Kind};
use super::session::{Cluster, with_client};

/// How often is committed what was printed.
const COMMIT_INTERVAL: Duration = Duration::from_secs(5);

pub(super) fn run(options: &Options, cluster: &Cluster) -> ExitCode {
    let (stop, stopping) = mailbox::<()>();
    let terminated = reactor::on_terminate(move || {
        // A command that has ended by itself no longer listens for this.
        let _ = stop.send(());
    });
    if let Err(reason) = terminated {
        let what = "the command cannot listen for signals";
        let mend = "allow sigprocmask in the container's seccomp profile";
        return Failure::new(Kind::General, what, reason, mend).report();
    }
    let stopping = Mesh::from_receiver(stopping);
    let (options, json) = (options.clone(), cluster.json);
    with_client(cluster, move |client| {
        let (options, stopping) = (options.clone(), stopping.clone());
        async move {
            let printer = Printer::new(&options, json)?;
            let group = options.group.clone().unwrap_or_default();
            let topics = [options.topic.clone()];
            let stop = stopping.take(client.core().id());
            let mut reading = Reading {
                membership: Membership::new(&client, &group, &topics),
                client,
                options,
                printer,
                stop,
                unsaved: BTreeMap::new(),
            };
            let read = reading.read().await;
            // What was printed is committed and the place given up, whatever went wrong.
            let saved = reading.save().await;
            let left = reading.membership.leave().await;
            read?;
            saved?;
            Ok(left?)
        }
    })
}

struct Reading {
    client: Client,
    options: Options,
    membership: Membership,
    printer: Printer,
    stop: Receiver<()>,
    /// Printed and not committed.
    unsaved: BTreeMap<TopicPartition, Offset>,
}

/// Why a generation of the group was left.
enum Ended {
    /// The group is being reordered.
    Reordered,
    /// Nothing more is wanted.
    Done,
}

impl Reading {
    async fn read(&mut self) -> Result<(), Failure> {
        loop {
            let partitions = self.membership.join().await?;
            tracing::debug!(?partitions, "joined");
            match self.read_generation(&partitions).await? {
                Ended::Done => return Ok(()),
                Ended::Reordered => {
                    // The coordinator takes offsets of the generation that ends, unless it has given
                    // this member up; whoever reads on then prints some records again.
                    if let Err(failure) = self.save().await {
                        eprintln!("{failure}");
                        self.unsaved.clear();
                    }
                }
            }
        }
    }

    async fn read_generation(&mut self, partitions: &[TopicPartition]) -> Result<Ended, Failure> {
        let mut ends = self.ends(partitions).await?;
        if self.options.exit && ends.is_empty() {
            return Ok(Ended::Done);
        }
        let starts = self.starts(partitions).await?;
        ends.retain(|partition, end| starts.get(partition).is_some_and(|start| start < end));
        if self.options.exit && ends.is_empty() {
            return Ok(Ended::Done);
        }
        let consumer = Consumer::start(&self.client, &starts, self.options.fetch()).await?;
        let mut scratch = Scratch::new();
        let core = self.client.core().clone();
        let mut beat_at = core.now() + HEARTBEAT_INTERVAL;
        let mut save_at = core.now() + COMMIT_INTERVAL;
        loop {
            let pause = beat_at.min(save_at).saturating_sub(core.now());
            let waited = first(consumer.next(), first(core.sleep(pause), self.stop.recv())).await;
            match waited {
                First::Left(fetched) => {
                    let fetched = fetched.map_err(|error| out_of_range(&error))?;
                    let partition = TopicPartition {
                        topic: fetched.topic.clone(),
                        partition: fetched.partition,
                    };
                    let goes_on = self.printer.print(&mut scratch, &fetched, None)?;
                    let next = self.printer.next_offset(&fetched, goes_on);
                    self.unsaved.insert(partition.clone(), next);
                    if ends.get(&partition).is_some_and(|end| next >= *end) {
                        ends.remove(&partition);
                    }
                    if !goes_on || (self.options.exit && ends.is_empty()) {
                        return Ok(Ended::Done);
                    }
                }
                First::Right(First::Right(_)) => return Ok(Ended::Done),
                First::Right(First::Left(())) => {}
            }
            if core.now() >= beat_at {
                beat_at = core.now() + HEARTBEAT_INTERVAL;
                if !self.membership.heartbeat().await? {
                    return Ok(Ended::Reordered);
                }
            }
            if core.now() >= save_at {
                save_at = core.now() + COMMIT_INTERVAL;
                self.save().await?;
            }
        }
    }

    /// Where the partitions end now.
    async fn ends(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Offset>, Failure> {
        let mut ends = BTreeMap::new();
        for place in partitions {
            let end = known_offset(
                &self.client,
                &place.topic,
                place.partition,
                self.options.end(),
            );
            ends.insert(place.clone(), end.await?);
        }
        Ok(ends)
    }

    /// Where to begin: where the group stopped, or where the arguments say.
    async fn starts(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Offset>, Failure> {
        let group = self.options.group.as_deref().unwrap_or_default();
        let committed = self.client.committed(group).await?;
        let mut starts = BTreeMap::new();
        for place in partitions {
            let (topic, index) = (place.topic.as_str(), place.partition);
            let ask = |spec| known_offset(&self.client, topic, index, spec);
            let begin = ask(OffsetSpec::Earliest).await?;
            let start = match committed.get(place) {
                Some(committed) => committed.offset.max(begin),
                None => {
                    let bounds = (begin, ask(self.options.end()).await?);
                    let start = self.options.offset;
                    start.resolve(&self.client, topic, index, bounds).await?
                }
            };
            starts.insert(place.clone(), start);
        }
        Ok(starts)
    }

    async fn save(&mut self) -> Result<(), Failure> {
        let saved = self.membership.commit(&self.unsaved).await;
        saved.map_err(|error| Failure::during("what was printed cannot be committed", &error))?;
        self.unsaved.clear();
        Ok(())
    }
}
