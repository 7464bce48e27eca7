//! One connection's commits: so many under way, settled in the order in which they left.
//!
//! Invariant: a commit counts once all its partitions are acknowledged; one that is refused only
//! because its coordinator loads or has moved is sent again until it is.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use base::{ErrorCode, Offset, PartitionIndex, Uuid};
use client::{Client, ClientError, Connection, Pending, is_retriable};
use wire::Request;
use wire::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetCommitResponse,
};

use crate::options::Options;
use crate::tally::{Tally, Window};

/// From here on topics are known by id (KIP-848).
const BY_TOPIC_ID_MIN: i16 = 10;
/// More attempts than this in a row mean that waiting does not help.
const REFUSALS_MAX: u32 = 10_000;

/// Whether each group commits once or as long as there is time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Again,
    Once,
}

/// Commits on one connection.
pub(crate) struct Lane {
    client: Client,
    groups: Vec<Group>,
    request: OffsetCommitRequest<'static>,
    in_flight_max: usize,
    window: Window,
    order: Order,
    tally: Rc<RefCell<Tally>>,
    /// The groups whose commit is to be sent again.
    again: VecDeque<usize>,
    /// How many commits were sent, those again left out.
    turn: usize,
    refusals: u32,
    /// Until when the last pause after a refusal lasted.
    paused_until: Duration,
}

struct Group {
    name: String,
    coordinator: Connection,
}

/// A commit whose answer is to come.
struct UnderWay {
    group: usize,
    started: Duration,
    pending: Pending,
}

impl Lane {
    pub(crate) async fn new(
        client: &Client,
        options: &Options,
        (groups, partitions): (Vec<String>, Vec<PartitionIndex>),
        (window, order): (Window, Order),
        tally: Rc<RefCell<Tally>>,
    ) -> Result<Self, ClientError> {
        let mut found: Vec<Group> = Vec::with_capacity(groups.len());
        for name in groups {
            let coordinator = client.coordinator(&name).await?;
            found.push(Group { name, coordinator });
        }
        let by_id = match found.first() {
            Some(group) => group.coordinator.version(OffsetCommitRequest::KEY)? >= BY_TOPIC_ID_MIN,
            None => false,
        };
        let topic = client.topic(&options.topic, false).await?;
        let topic = OffsetCommitRequestTopic {
            name: if by_id {
                "".into()
            } else {
                options.topic.clone().into()
            },
            topic_id: if by_id { topic.id } else { Uuid::ZERO },
            partitions: partitions.into_iter().map(untouched).collect(),
        };
        Ok(Self {
            client: client.clone(),
            groups: found,
            request: OffsetCommitRequest {
                generation_id_or_member_epoch: -1,
                retention_time_ms: -1,
                topics: vec![topic],
                ..OffsetCommitRequest::default()
            },
            in_flight_max: options.in_flight.max(1),
            window,
            order,
            tally,
            again: VecDeque::new(),
            turn: 0,
            refusals: 0,
            paused_until: Duration::ZERO,
        })
    }

    /// Commits until the window ends or each group has committed, and waits for the last answer.
    pub(crate) async fn run(mut self) {
        let mut under_way = VecDeque::new();
        loop {
            while under_way.len() < self.in_flight_max
                && let Some(group) = self.next_group()
            {
                match self.start(group) {
                    Ok(started) => under_way.push_back(started),
                    Err(error) => return self.fail(&error),
                }
            }
            let Some(oldest) = under_way.pop_front() else {
                return;
            };
            if let Err(error) = self.settle(oldest).await {
                return self.fail(&error);
            }
        }
    }

    /// Whose turn it is to commit.
    fn next_group(&mut self) -> Option<usize> {
        let may_go_on = match self.order {
            Order::Again => self.client.core().now() < self.window.end,
            Order::Once => self.turn < self.groups.len() || !self.again.is_empty(),
        };
        if !may_go_on {
            return None;
        }
        self.again.pop_front().or_else(|| {
            let group = self.turn.checked_rem(self.groups.len())?;
            self.turn += 1;
            Some(group)
        })
    }

    fn start(&mut self, index: usize) -> Result<UnderWay, ClientError> {
        let Some(group) = self.groups.get(index) else {
            panic!("group {index} of {}", self.groups.len());
        };
        self.request.group_id = group.name.clone().into();
        let offset = Offset(i64::try_from(self.turn).unwrap_or(i64::MAX));
        for topic in &mut self.request.topics {
            for partition in &mut topic.partitions {
                partition.committed_offset = offset.0;
            }
        }
        let version = group.coordinator.version(OffsetCommitRequest::KEY)?;
        let allowed = self.client.options().request_timeout;
        let started = self.client.core().now();
        let pending = group
            .coordinator
            .start(&self.request, version, &[], allowed)?;
        Ok(UnderWay {
            group: index,
            started,
            pending,
        })
    }

    async fn settle(&mut self, commit: UnderWay) -> Result<(), ClientError> {
        let answer = commit.pending.await?;
        let response: OffsetCommitResponse<'_> = answer.decode()?;
        let codes = response
            .topics
            .iter()
            .flat_map(|topic| topic.partitions.iter().map(|part| part.error_code));
        let (mut offsets, mut refused) = (0, None);
        for code in codes {
            offsets += 1;
            if code != ErrorCode::None.code() {
                refused = Some(ErrorCode::from_code(code));
            }
        }
        match refused {
            None => {
                let now = self.client.core().now();
                self.refusals = 0;
                if self.window.contains(now) {
                    let mut tally = self.tally.borrow_mut();
                    tally.produced.count(offsets, 0);
                    tally.produced.record(now.saturating_sub(commit.started));
                }
                Ok(())
            }
            Some(code) if is_retriable(code) && self.refusals < REFUSALS_MAX => {
                self.refusals += 1;
                self.again.push_back(commit.group);
                self.find_again(commit.group, commit.started).await
            }
            Some(code) => {
                let reason = format!("OffsetCommit: refused with {code}");
                self.tally.borrow_mut().fail(&reason, offsets);
                Ok(())
            }
        }
    }

    /// Pauses, once for all that left before, and looks for the group's coordinator anew.
    async fn find_again(&mut self, index: usize, started: Duration) -> Result<(), ClientError> {
        if started >= self.paused_until {
            self.client
                .core()
                .sleep(self.client.options().retry_pause)
                .await;
            self.paused_until = self.client.core().now();
        }
        if let Some(group) = self.groups.get_mut(index) {
            group.coordinator = self.client.coordinator(&group.name).await?;
        }
        Ok(())
    }

    fn fail(&self, error: &ClientError) {
        let reason = format!("{}: {}", error.what(), error.why());
        self.tally.borrow_mut().fail(&reason, 0);
    }
}

fn untouched(partition: PartitionIndex) -> OffsetCommitRequestPartition<'static> {
    OffsetCommitRequestPartition {
        partition_index: partition.0,
        committed_leader_epoch: -1,
        committed_metadata: Some("".into()),
        ..OffsetCommitRequestPartition::default()
    }
}
