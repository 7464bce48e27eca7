//! What members of both protocols have in common: a connection each, and a board on which all
//! note where they stand.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use base::{ErrorCode, PartitionIndex, Uuid};
use client::{Address, Client, ClientError, Connection, is_retriable};
use reactor::Signal;
use wire::Request;

/// How long the coordinator waits for a sign of life.
pub(crate) const SESSION_TIMEOUT_MS: i32 = 45_000;
/// How long the coordinator waits for members when the group is reordered.
pub(crate) const REBALANCE_TIMEOUT_MS: i32 = 60_000;
/// How long an answer may take that waits for all other members.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);

/// Where all members stand.
#[derive(Default)]
pub(crate) struct Board {
    standings: RefCell<BTreeMap<usize, Standing>>,
    failure: RefCell<Option<ClientError>>,
    changed: Signal,
}

/// What one member was told last, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// The generation, or the member's epoch.
    pub(crate) generation: i32,
    /// How many partitions it has.
    pub(crate) partitions: usize,
    pub(crate) since: Duration,
}

impl Board {
    pub(crate) fn note(&self, member: usize, standing: Standing) {
        self.standings.borrow_mut().insert(member, standing);
        self.changed.notify();
    }

    pub(crate) fn remove(&self, member: usize) {
        self.standings.borrow_mut().remove(&member);
        self.changed.notify();
    }

    pub(crate) fn fail(&self, error: ClientError) {
        self.failure.borrow_mut().get_or_insert(error);
        self.changed.notify();
    }

    /// Waits until `members` stand in one generation after `before`, with all `partitions`
    /// between them; gives that generation and when the last one came to it.
    pub(crate) async fn stable(
        &self,
        members: usize,
        partitions: usize,
        before: i32,
    ) -> Result<(i32, Duration), ClientError> {
        loop {
            if let Some(error) = self.failure.borrow().clone() {
                return Err(error);
            }
            let found = self.agreed(members, partitions);
            if let Some(found) = found.filter(|(generation, _)| *generation > before) {
                return Ok(found);
            }
            self.changed.wait().await;
        }
    }

    fn agreed(&self, members: usize, partitions: usize) -> Option<(i32, Duration)> {
        let standings = self.standings.borrow();
        let generation = standings.values().next()?.generation;
        let dealt: usize = standings.values().map(|standing| standing.partitions).sum();
        let is_agreed = standings.len() == members
            && dealt == partitions
            && standings
                .values()
                .all(|standing| standing.generation == generation);
        let last = standings.values().map(|standing| standing.since).max()?;
        is_agreed.then_some((generation, last))
    }
}

/// The topic that the group reads.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    pub(crate) partitions: Vec<PartitionIndex>,
}

/// A place in the group, for a member of either protocol.
pub(crate) struct Seat {
    pub(crate) client: Client,
    pub(crate) connection: Connection,
    pub(crate) group: String,
    pub(crate) subject: Rc<Subject>,
    pub(crate) index: usize,
    /// How often to heartbeat.
    pub(crate) pace: Duration,
    pub(crate) board: Rc<Board>,
    /// Whether the member is to leave at its next heartbeat.
    pub(crate) leaves: Rc<Cell<bool>>,
}

impl Seat {
    /// Notes what this member was told now.
    pub(crate) fn stand(&self, generation: i32, partitions: usize) {
        let since = self.client.core().now();
        let standing = Standing {
            generation,
            partitions,
            since,
        };
        self.board.note(self.index, standing);
    }

    pub(crate) async fn pause(&self) {
        self.client.core().sleep(self.pace).await;
    }

    /// Asks on this member's own connection, at the version agreed on.
    pub(crate) async fn ask<R: Request>(&self, request: &R) -> Result<client::Answer, ClientError> {
        self.connection.call(request, ANSWER_TIMEOUT).await
    }

    /// Where the coordinator loads or has moved, pauses and finds it anew; other refusals stay.
    pub(crate) async fn bear(&mut self, code: ErrorCode) -> Result<(), ClientError> {
        if !is_retriable(code) {
            return Err(ClientError::Refused {
                subject: format!("group {}", self.group),
                code,
                message: None,
            });
        }
        let pause = self.client.options().retry_pause;
        self.client.core().sleep(pause).await;
        self.connection = connect(&self.client, &self.group).await?;
        Ok(())
    }
}

/// A connection of its own to the group's coordinator.
pub(crate) async fn connect(client: &Client, group: &str) -> Result<Connection, ClientError> {
    let shared = client.coordinator(group).await?;
    let addresses = Address::parse_list(shared.peer()).unwrap_or_default();
    let own = Client::connect(client.core(), &addresses, client.options().clone()).await?;
    own.any().await
}

#[cfg(test)]
mod tests {
    use super::{Board, Standing};
    use std::time::Duration;

    /// A group is stable neither while one member is behind nor while partitions lie idle.
    #[test]
    fn members_agree_when_all_are_told_and_everything_is_dealt() {
        let board = Board::default();
        let standing = |generation, partitions, millis| Standing {
            generation,
            partitions,
            since: Duration::from_millis(millis),
        };
        board.note(0, standing(3, 2, 10));
        board.note(1, standing(2, 1, 20));
        assert_eq!(board.agreed(2, 3), None);
        board.note(1, standing(3, 0, 30));
        assert_eq!(board.agreed(2, 3), None);
        board.note(1, standing(3, 1, 40));
        assert_eq!(board.agreed(3, 3), None);
        assert_eq!(board.agreed(2, 3), Some((3, Duration::from_millis(40))));
        board.remove(1);
        assert_eq!(board.agreed(2, 3), None);
    }
}
