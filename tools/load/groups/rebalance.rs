//! One more member joins a group that is stable: how long until every member has its assignment.
//!
//! Invariant: the time counts from the newcomer's first request, over a connection that is open
//! already, to the last member's answer in the new generation with all partitions dealt out.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use client::{Address, Client, ClientError};
use reactor::{Core, First, first};

use super::member::{Board, Seat, Subject, connect};
use super::{classic, consumer};
use crate::options::Options;
use crate::running::Running;
use crate::tally::Tally;
use crate::worker::{client_options, prepare};

/// How long a group may take to become stable.
const PATIENCE: Duration = Duration::from_secs(120);

/// What group to build, and how often to disturb it.
#[derive(Args, Clone, Debug)]
pub(crate) struct RebalanceOptions {
    /// Members before the one that joins, each with a connection of its own
    #[arg(long, default_value_t = 500)]
    pub(crate) members: usize,
    /// How the group is reordered
    #[arg(long, value_enum, default_value = "eager")]
    pub(crate) protocol: Protocol,
    /// How often members heartbeat, and so how soon they can hear of a newcomer
    #[arg(long, default_value_t = 100)]
    pub(crate) heartbeat_ms: u64,
    /// How often one more joins; it leaves again after each time
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// How long the group is left alone before each time: a broker deals out a group's partitions
    /// no more often than its assignment interval, and the last departure counts
    #[arg(long, default_value_t = 1500)]
    pub(crate) quiet_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// The classic one, in which all members give up everything
    Eager,
    /// The one of KIP-848, in which the coordinator moves what it must
    Consumer,
}

/// A group under test.
struct Group {
    core: Core,
    client: Client,
    name: String,
    subject: Rc<Subject>,
    options: RebalanceOptions,
    board: Rc<Board>,
    members: Running,
}

/// Builds the group, then lets one more member come and go.
///
/// # Errors
/// When a member is refused for good, or the group does not become stable.
pub(crate) async fn run(
    core: &Core,
    addresses: &[Address],
    options: &Options,
    rebalance: &RebalanceOptions,
) -> Result<Tally, ClientError> {
    let client = Client::connect(core, addresses, client_options()).await?;
    let partitions = prepare(&client, options).await?;
    let subject = Subject {
        name: options.topic.clone(),
        id: client.topic(&options.topic, false).await?.id,
        partitions,
    };
    let group = Group {
        core: core.clone(),
        client,
        name: format!("{}-rebalance-{:x}", options.topic, core.entropy()),
        subject: Rc::new(subject),
        options: rebalance.clone(),
        board: Rc::default(),
        members: Running::default(),
    };
    group.measure().await
}

impl Group {
    async fn measure(&self) -> Result<Tally, ClientError> {
        let count = self.options.members;
        let mut seats = Vec::with_capacity(count);
        for index in 0..count {
            seats.push(self.seat(index).await?);
        }
        let all: Vec<Rc<Cell<bool>>> = seats.iter().map(|seat| Rc::clone(&seat.leaves)).collect();
        let mut figures = Vec::new();
        let begin = self.core.now();
        for seat in seats {
            self.admit(seat);
        }
        let (mut generation, since) = self.stable(count, -1).await?;
        let seconds = |since: Duration, begin| since.saturating_sub(begin).as_secs_f64();
        figures.push(("all_joined_seconds", seconds(since, begin)));
        for _ in 0..self.options.rounds {
            let newcomer = self.seat(count).await?;
            self.core
                .sleep(Duration::from_millis(self.options.quiet_ms))
                .await;
            let leaves = Rc::clone(&newcomer.leaves);
            let begin = self.core.now();
            self.admit(newcomer);
            let (joined, since) = self.stable(count + 1, generation).await?;
            figures.push(("one_more_joined_seconds", seconds(since, begin)));
            leaves.set(true);
            (generation, _) = self.stable(count, joined).await?;
        }
        for leaves in all {
            leaves.set(true);
        }
        self.members.all_ended().await;
        // The histograms' bounds are constants, which a test shows to be right.
        let mut tally = Tally::new().map_err(|detail| ClientError::Unexpected {
            peer: "this program".to_owned(),
            detail,
        })?;
        tally.figures = figures;
        Ok(tally)
    }

    async fn seat(&self, index: usize) -> Result<Seat, ClientError> {
        Ok(Seat {
            client: self.client.clone(),
            connection: connect(&self.client, &self.name).await?,
            group: self.name.clone(),
            subject: Rc::clone(&self.subject),
            index,
            pace: Duration::from_millis(self.options.heartbeat_ms),
            board: Rc::clone(&self.board),
            leaves: Rc::default(),
        })
    }

    fn admit(&self, seat: Seat) {
        let (protocol, board) = (self.options.protocol, Rc::clone(&self.board));
        self.members.spawn(&self.core, async move {
            let ended = match protocol {
                Protocol::Eager => classic::run(seat).await,
                Protocol::Consumer => consumer::run(seat).await,
            };
            if let Err(error) = ended {
                board.fail(error);
            }
        });
    }

    async fn stable(&self, members: usize, before: i32) -> Result<(i32, Duration), ClientError> {
        let partitions = self.subject.partitions.len();
        let reached = self.board.stable(members, partitions, before);
        match first(reached, self.core.sleep(PATIENCE)).await {
            First::Left(reached) => reached,
            First::Right(()) => Err(ClientError::TimedOut {
                peer: format!("group {}", self.name),
                api: "a stable generation",
                after: PATIENCE,
            }),
        }
    }
}
