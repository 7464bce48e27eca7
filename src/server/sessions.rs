//! Incremental fetch sessions (KIP-227): the partitions a consumer fetches again and again are
//! remembered, so that its requests name only what changed and our responses only what is new.
//!
//! Lifecycle: a request with epoch 0 makes a session; each further request carries the next
//! epoch; epoch -1 ends it. Sessions live on the core that made them. A consumer that comes back
//! to another core is told that its session is unknown, and begins a new one, as it would after
//! a restart.
//!
//! Invariants: a session's partitions are visited starting behind those that gave data last, so
//! that none starves; the number of sessions is bounded, and the one unused longest gives way
//! once it was idle for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use base::{ErrorCode, Random, Uuid};

/// A session younger than this is not evicted for a new one (Kafka's two minutes).
const EVICTABLE_AFTER: Duration = Duration::from_secs(120);
/// The epoch that ends a session or declines one.
const EPOCH_FINAL: i32 = -1;
/// The epoch that asks for a new session.
const EPOCH_INITIAL: i32 = 0;

/// How a request names a topic: by id from version 13 on, by name before (KIP-516).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TopicKey {
    /// The name; empty in requests by id.
    pub(crate) name: String,
    /// The id; zero in requests by name.
    pub(crate) id: Uuid,
}

/// What a consumer asks of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The topic, as the request named it.
    pub(crate) topic: TopicKey,
    /// The partition's index.
    pub(crate) index: i32,
    /// The first offset wanted.
    pub(crate) fetch_offset: i64,
    /// The most bytes wanted of this partition.
    pub(crate) bytes_max: i32,
    /// The leader epoch the consumer believes in, -1 for none (KIP-320).
    pub(crate) current_leader_epoch: i32,
}

/// What was last told of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// The high watermark.
    pub(crate) high_watermark: i64,
    /// The log start offset.
    pub(crate) log_start_offset: i64,
}

struct Member {
    wanted: Wanted,
    told: Option<Told>,
    /// Its key in the session's order of visits.
    turn: u64,
}

struct Session {
    epoch: i32,
    by_id: bool,
    members: BTreeMap<(TopicKey, i32), Member>,
    turns: BTreeMap<u64, (TopicKey, i32)>,
    next_turn: u64,
    last_used: Duration,
}

/// The sessions of one core.
pub(crate) struct FetchSessions {
    sessions_max: usize,
    sessions: BTreeMap<i32, Session>,
}

/// What a fetch request amounts to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The session to name in the response; zero for none.
    pub(crate) session_id: i32,
    /// True when only what is new belongs into the response.
    pub(crate) incremental: bool,
    /// The partitions to read, in the order to read them.
    pub(crate) wanted: Vec<Wanted>,
}

/// The session fields of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionRequest {
    /// The session it continues; zero for none.
    pub(crate) id: i32,
    /// Its epoch.
    pub(crate) epoch: i32,
    /// True when topics are named by id.
    pub(crate) by_id: bool,
}

impl FetchSessions {
    pub(crate) fn new(sessions_max: usize) -> Self {
        Self {
            sessions_max,
            sessions: BTreeMap::new(),
        }
    }

    /// Turns a request into what to read.
    ///
    /// # Errors
    /// The error for the whole response, as KIP-227 has it.
    pub(crate) fn plan(
        &mut self,
        now: Duration,
        random: &mut Random,
        request: SessionRequest,
        wanted: Vec<Wanted>,
        forgotten: &[(TopicKey, i32)],
    ) -> Result<Plan, ErrorCode> {
        if matches!(request.epoch, EPOCH_FINAL | EPOCH_INITIAL) {
            self.sessions.remove(&request.id);
        }
        match request.epoch {
            EPOCH_FINAL => Ok(Plan {
                session_id: 0,
                incremental: false,
                wanted,
            }),
            EPOCH_INITIAL => {
                let session_id = self.open(now, random, request.by_id, &wanted);
                Ok(Plan {
                    session_id,
                    incremental: false,
                    wanted,
                })
            }
            _ => self.resume(now, request, wanted, forgotten),
        }
    }

    /// A new session's id, or zero when there is no room for it.
    fn open(&mut self, now: Duration, random: &mut Random, by_id: bool, wanted: &[Wanted]) -> i32 {
        if wanted.is_empty() || !self.make_room(now) {
            return 0;
        }
        let id = loop {
            let id = i32::try_from(1 + random.below(i32::MAX as u64)).unwrap_or(1);
            if !self.sessions.contains_key(&id) {
                break id;
            }
        };
        let mut session = Session {
            epoch: 1,
            by_id,
            members: BTreeMap::new(),
            turns: BTreeMap::new(),
            next_turn: 0,
            last_used: now,
        };
        for one in wanted {
            session.want(one.clone());
        }
        self.sessions.insert(id, session);
        id
    }

    fn make_room(&mut self, now: Duration) -> bool {
        if self.sessions.len() < self.sessions_max {
            return true;
        }
        let oldest = self
            .sessions
            .iter()
            .min_by_key(|(_, session)| session.last_used);
        let Some((id, session)) = oldest else {
            return false;
        };
        let id = *id;
        if now.saturating_sub(session.last_used) < EVICTABLE_AFTER {
            return false;
        }
        self.sessions.remove(&id);
        true
    }

    fn resume(
        &mut self,
        now: Duration,
        request: SessionRequest,
        wanted: Vec<Wanted>,
        forgotten: &[(TopicKey, i32)],
    ) -> Result<Plan, ErrorCode> {
        let session = self
            .sessions
            .get_mut(&request.id)
            .ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.epoch != request.epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.by_id != request.by_id {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        // Epochs wrap to 1, since 0 would ask for a new session.
        session.epoch = session.epoch.checked_add(1).unwrap_or(1);
        session.last_used = now;
        for key in forgotten {
            session.forget(key);
        }
        for one in wanted {
            session.want(one);
        }
        let wanted = session
            .turns
            .values()
            .filter_map(|key| session.members.get(key))
            .map(|member| member.wanted.clone())
            .collect();
        Ok(Plan {
            session_id: request.id,
            incremental: true,
            wanted,
        })
    }

    /// Notes what a response tells of one partition, and says whether an incremental one must
    /// name it: with data or an error always, else when something about it changed.
    pub(crate) fn tell(
        &mut self,
        session_id: i32,
        wanted: &Wanted,
        told: Told,
        notable: bool,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(&session_id) else {
            return true;
        };
        let key = (wanted.topic.clone(), wanted.index);
        let Some(member) = session.members.get_mut(&key) else {
            return true;
        };
        let changed = member.told.replace(told) != Some(told);
        if notable {
            session.turns.remove(&member.turn);
            member.turn = session.next_turn;
            session.turns.insert(session.next_turn, key);
            session.next_turn += 1;
        }
        assert_eq!(session.turns.len(), session.members.len());
        notable || changed
    }
}

impl Session {
    fn want(&mut self, wanted: Wanted) {
        let key = (wanted.topic.clone(), wanted.index);
        if let Some(member) = self.members.get_mut(&key) {
            member.wanted = wanted;
            return;
        }
        let turn = self.next_turn;
        self.next_turn += 1;
        self.turns.insert(turn, key.clone());
        self.members.insert(
            key,
            Member {
                wanted,
                told: None,
                turn,
            },
        );
        assert_eq!(self.turns.len(), self.members.len());
    }

    fn forget(&mut self, key: &(TopicKey, i32)) {
        if let Some(member) = self.members.remove(key) {
            self.turns.remove(&member.turn);
        }
    }
}
