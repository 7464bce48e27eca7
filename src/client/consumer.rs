//! Reading several partitions onwards: one long poll per broker, positions that move by themselves.
//!
//! Lifecycle: positions are given at the start; a task per leader fetches until every partition of
//! that leader was removed or moved away; a partition whose leader changed is looked up again and
//! taken over by the new leader's task.
//!
//! Invariants: at most `READY_MAX` fetched pieces wait for the reader; what is given out of one
//! partition is in the order of its offsets.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use base::{ErrorCode, NodeId, Offset, TopicPartition};
use batch::Batches;
use reactor::Signal;

use crate::cluster::Client;
use crate::error::ClientError;
use crate::fetch::{FetchFrom, FetchOptions, Fetched, fetch};
use crate::image::Leader;

/// How many pieces may wait for the reader before fetching pauses.
const READY_MAX: usize = 16;

/// Reads partitions from given offsets on.
pub struct Consumer {
    shared: Rc<Shared>,
}

struct Shared {
    client: Client,
    options: FetchOptions,
    state: RefCell<State>,
    arrived: Signal,
    drained: Signal,
}

#[derive(Default)]
struct State {
    positions: BTreeMap<TopicPartition, Position>,
    /// The leaders that have a task.
    fetching: BTreeSet<NodeId>,
    ready: VecDeque<Result<Fetched, ClientError>>,
    is_stopped: bool,
}

struct Position {
    next: Offset,
    leader: Leader,
}

impl Consumer {
    /// Begins to fetch.
    ///
    /// # Errors
    /// When a partition does not exist or has no leader.
    pub async fn start(
        client: &Client,
        positions: &BTreeMap<TopicPartition, Offset>,
        options: FetchOptions,
    ) -> Result<Self, ClientError> {
        let shared = Rc::new(Shared {
            client: client.clone(),
            options,
            state: RefCell::default(),
            arrived: Signal::new(),
            drained: Signal::new(),
        });
        for (place, next) in positions {
            let leader = client.leader(&place.topic, place.partition).await?;
            let position = Position {
                next: *next,
                leader,
            };
            shared
                .state
                .borrow_mut()
                .positions
                .insert(place.clone(), position);
        }
        ensure_tasks(&shared);
        Ok(Self { shared })
    }

    /// The next piece of any partition, as soon as there is one. Pieces are never empty of batches,
    /// but all their records may lie before the offset asked for.
    ///
    /// # Errors
    /// What cannot be mended by asking again; other partitions go on.
    pub async fn next(&self) -> Result<Fetched, ClientError> {
        loop {
            let ready = self.shared.state.borrow_mut().ready.pop_front();
            if let Some(ready) = ready {
                self.shared.drained.notify();
                return ready;
            }
            self.shared.arrived.wait().await;
        }
    }

    /// Stops reading one partition; pieces that were fetched already may still come.
    pub fn remove(&self, place: &TopicPartition) {
        self.shared.state.borrow_mut().positions.remove(place);
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.shared.state.borrow_mut().is_stopped = true;
        self.shared.drained.notify();
    }
}

/// Starts a task for every leader that has none.
fn ensure_tasks(shared: &Rc<Shared>) {
    let mut started = Vec::new();
    {
        let mut state = shared.state.borrow_mut();
        let State {
            positions,
            fetching,
            ..
        } = &mut *state;
        for position in positions.values() {
            if fetching.insert(position.leader.node) {
                started.push(position.leader.node);
            }
        }
    }
    for node in started {
        let core = shared.client.core();
        core.spawn(fetch_from(Rc::clone(shared), node));
    }
}

async fn fetch_from(shared: Rc<Shared>, node: NodeId) {
    loop {
        while shared.state.borrow().ready.len() >= READY_MAX && !shared.state.borrow().is_stopped {
            shared.drained.wait().await;
        }
        let wanted = shared.wanted_from(node);
        if wanted.is_empty() {
            shared.state.borrow_mut().fetching.remove(&node);
            return;
        }
        let timeout = shared.client.options().request_timeout;
        let fetched = match shared.client.broker(node).await {
            Ok(connection) => fetch(&connection, &wanted, &shared.options, timeout).await,
            Err(error) => Err(error),
        };
        let mut lost = Vec::new();
        match fetched {
            Ok(results) => {
                for (index, result) in results {
                    let Some(from) = wanted.get(index) else {
                        continue;
                    };
                    if shared.take(from, result) {
                        lost.push(from.clone());
                    }
                }
            }
            Err(error) if error.is_retriable() => lost.clone_from(&wanted),
            Err(error) => {
                shared.state.borrow_mut().ready.push_back(Err(error));
                shared.state.borrow_mut().fetching.remove(&node);
                shared.arrived.notify();
                return;
            }
        }
        if !lost.is_empty() {
            shared
                .client
                .core()
                .sleep(shared.client.options().retry_pause)
                .await;
            shared.find_leaders(&lost).await;
            ensure_tasks(&shared);
        }
    }
}

impl Shared {
    fn wanted_from(&self, node: NodeId) -> Vec<FetchFrom> {
        let state = self.state.borrow();
        if state.is_stopped {
            return Vec::new();
        }
        let of_node = state
            .positions
            .iter()
            .filter(|(_, at)| at.leader.node == node);
        of_node
            .map(|(place, at)| FetchFrom {
                topic: place.topic.clone(),
                topic_id: at.leader.topic_id,
                partition: place.partition,
                leader_epoch: at.leader.epoch,
                offset: at.next,
            })
            .collect()
    }

    /// Takes in what one partition gave; true when its leader has to be looked up again.
    fn take(&self, from: &FetchFrom, result: Result<Fetched, ClientError>) -> bool {
        let place = TopicPartition {
            topic: from.topic.clone(),
            partition: from.partition,
        };
        let mut state = self.state.borrow_mut();
        let Some(position) = state.positions.get_mut(&place) else {
            // Removed while the request was under way.
            return false;
        };
        let ready = match result {
            Ok(fetched) => match end_of(&fetched) {
                // Nothing new yet, or only the beginning of a batch.
                None => return false,
                Some(end) => {
                    position.next = position.next.max(end);
                    Ok(fetched)
                }
            },
            Err(error) if error.is_retriable() => return true,
            Err(error) => {
                state.positions.remove(&place);
                Err(error)
            }
        };
        state.ready.push_back(ready);
        drop(state);
        self.arrived.notify();
        false
    }

    async fn find_leaders(&self, lost: &[FetchFrom]) {
        for from in lost {
            self.client.forget(&from.topic);
        }
        for from in lost {
            // What cannot be found now is asked of the old leader again, and looked for again then.
            let Ok(leader) = self.client.leader(&from.topic, from.partition).await else {
                continue;
            };
            let place = TopicPartition {
                topic: from.topic.clone(),
                partition: from.partition,
            };
            if let Some(position) = self.state.borrow_mut().positions.get_mut(&place) {
                position.leader = leader;
            }
        }
    }
}

/// The offset behind the last whole batch, or nothing when there is none.
fn end_of(fetched: &Fetched) -> Option<Offset> {
    let whole = Batches::new(&fetched.records).map_while(Result::ok);
    whole.map(|batch| batch.next_offset()).last()
}

impl Fetched {
    /// The offset to go on from.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        end_of(self).unwrap_or(self.offset).max(self.offset)
    }
}

/// The error that a consumer meets when its offset is no longer there, or not yet.
#[must_use]
pub fn is_out_of_range(error: &ClientError) -> bool {
    matches!(
        error,
        ClientError::Refused {
            code: ErrorCode::OffsetOutOfRange,
            ..
        }
    )
}
