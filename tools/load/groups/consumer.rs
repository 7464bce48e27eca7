//! A member under the consumer protocol (KIP-848): one request that carries everything, and an
//! assignment that changes only where it must.

use base::{ErrorCode, Random, Uuid};
use client::ClientError;
use wire::consumer_group_heartbeat::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, RequestTopicPartitions,
};

use super::member::{REBALANCE_TIMEOUT_MS, Seat};

/// The epoch of a member that joins.
const JOINS: i32 = 0;
/// The epoch of a member that leaves.
const LEAVES: i32 = -1;

struct Member {
    seat: Seat,
    id: String,
    epoch: i32,
    /// What it has been given last.
    owned: Vec<RequestTopicPartitions>,
    /// Whether the coordinator is still to hear what it has.
    is_news: bool,
}

/// Joins, heartbeats, takes and gives up partitions as it is told, and leaves when asked to.
///
/// # Errors
/// When the coordinator refuses for good.
pub(crate) async fn run(seat: Seat) -> Result<(), ClientError> {
    let mut random = Random::new(seat.client.core().entropy());
    let mut member = Member {
        seat,
        id: Uuid::random(&mut random).to_string(),
        epoch: JOINS,
        owned: Vec::new(),
        is_news: true,
    };
    while !member.seat.leaves.get() {
        member.beat().await?;
        // What changed is confirmed at once, as consumers do.
        if !member.is_news {
            member.seat.pause().await;
        }
    }
    member.seat.board.remove(member.seat.index);
    member.epoch = LEAVES;
    let request = member.request();
    member.seat.ask(&request).await.map(|_| ())
}

impl Member {
    fn request(&self) -> ConsumerGroupHeartbeatRequest<'static> {
        let joins = self.epoch == JOINS;
        ConsumerGroupHeartbeatRequest {
            group_id: self.seat.group.clone().into(),
            member_id: self.id.clone().into(),
            member_epoch: self.epoch,
            rebalance_timeout_ms: if joins { REBALANCE_TIMEOUT_MS } else { -1 },
            subscribed_topic_names: joins.then(|| vec![self.seat.subject.name.clone().into()]),
            topic_partitions: self.is_news.then(|| self.owned.clone()),
            ..ConsumerGroupHeartbeatRequest::default()
        }
    }

    async fn beat(&mut self) -> Result<(), ClientError> {
        let answer = self.seat.ask(&self.request()).await?;
        let beaten: ConsumerGroupHeartbeatResponse<'_> = answer.decode()?;
        match ErrorCode::from_code(beaten.error_code) {
            ErrorCode::None => {}
            ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId => {
                (self.epoch, self.is_news) = (JOINS, true);
                self.owned.clear();
                return Ok(());
            }
            code => return self.seat.bear(code).await,
        }
        self.is_news = false;
        let is_next = beaten.member_epoch != self.epoch;
        self.epoch = beaten.member_epoch;
        if let Some(assignment) = beaten.assignment {
            let topics = assignment.topic_partitions.into_iter();
            self.owned = topics
                .filter(|topic| topic.topic_id == self.seat.subject.id)
                .map(|topic| RequestTopicPartitions {
                    topic_id: topic.topic_id,
                    partitions: topic.partitions,
                })
                .collect();
            self.is_news = true;
        }
        if is_next || self.is_news {
            let count = self.owned.iter().map(|topic| topic.partitions.len()).sum();
            self.seat.stand(self.epoch, count);
        }
        Ok(())
    }
}
