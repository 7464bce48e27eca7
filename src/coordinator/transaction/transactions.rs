//! All transactional ids of one partition of `__transaction_state`: who is asked, what is due.
//!
//! Invariants: an input touches the transactional id that it names and no other, except a list,
//! the loading and what is due; an id of which nothing is on record is not in the map and has no
//! timer.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use base::ErrorCode;

use super::context::{Context, FreshIds};
use super::expiry::{self, Expiry};
use super::planted::{Planted, planted};
use super::state::Transaction;
use super::{
    Answer, Ask, MarkerReport, Step, TransactionReplayError, TransactionStatus, TransactionsConfig,
};
use super::{begin, end, init, listing, markers, records};
use crate::timers::{TimerKind, Timers};
use crate::{Caller, Now, Refusal};

/// After this many timers a tick ends, and another one follows at once.
const TIMERS_PER_TICK: usize = 1000;
/// With fewer fresh ids than this the machine asks for more.
const FRESH_IDS_LOW: u64 = 8;

/// All transactional ids of one partition of `__transaction_state`.
#[derive(Debug)]
pub struct Transactions {
    config: TransactionsConfig,
    /// The epoch of this reign over the partition, which goes into every marker.
    coordinator_epoch: i32,
    pub(crate) transactions: BTreeMap<Arc<str>, Transaction>,
    timers: Timers,
    expiry: Expiry,
    fresh: FreshIds,
    next_ticket: u64,
    no_member: Arc<str>,
    planted: Planted,
}

impl Transactions {
    /// No transactional ids yet; records follow by [`Transactions::replay`].
    #[must_use]
    pub fn new(config: TransactionsConfig, coordinator_epoch: i32) -> Self {
        Self::with_bug(config, coordinator_epoch, Planted::default())
    }

    /// As [`Transactions::new`], with a bug for the simulation to find.
    #[must_use]
    pub fn with_bug(config: TransactionsConfig, coordinator_epoch: i32, planted: Planted) -> Self {
        Self {
            config,
            coordinator_epoch,
            transactions: BTreeMap::new(),
            timers: Timers::default(),
            expiry: Expiry::default(),
            fresh: FreshIds::default(),
            next_ticket: 0,
            no_member: Arc::from(""),
            planted,
        }
    }

    /// Other settings from now on. The time of an open transaction ends as it was begun.
    pub fn configure(&mut self, config: TransactionsConfig) {
        self.config = config;
        for (id, transaction) in &mut self.transactions {
            self.expiry
                .watch(id, transaction, self.config.id_expiration_ms);
        }
    }

    /// Producer ids that nobody else has or will get; they are used in the order in which they
    /// come.
    ///
    /// # Panics
    /// For negative ids.
    pub fn supply(&mut self, ids: Range<i64>) {
        self.fresh.supply(ids);
    }

    /// True when more ids are wanted. Without any, new producers are told to ask again.
    #[must_use]
    pub fn is_short_of_ids(&self) -> bool {
        self.fresh.count() < FRESH_IDS_LOW
    }

    /// Applies one record of the log.
    ///
    /// # Errors
    /// When the record does not follow its format.
    pub fn replay(
        &mut self,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), TransactionReplayError> {
        let Some(id) = records::decode_key(key)? else {
            return Ok(());
        };
        match value.map(records::decode_value).transpose()? {
            Some(durable) => {
                self.transactions
                    .insert(id.into(), Transaction::new(durable));
            }
            None => {
                self.transactions.remove(id.as_str());
            }
        }
        Ok(())
    }

    /// The log has been replayed: markers that may have been on their way are sent again, and open
    /// transactions have the rest of their time.
    pub fn loaded(&mut self, now: Now) -> Step {
        self.expiry
            .begin(now.since_start, self.config.expiration_check_interval);
        let mut step = Step::default();
        let ids: Vec<Arc<str>> = self.transactions.keys().cloned().collect();
        for id in &ids {
            self.visit(&mut step, now, id, |ctx, transaction| {
                let Some(known) = transaction else {
                    return;
                };
                if known.durable.status.ending().is_none() {
                    expiry::watch_timeout(ctx, known);
                } else if !planted!(ctx.planted, MarkersForgotten) {
                    markers::send_all(ctx, known);
                }
            });
        }
        step
    }

    /// One question.
    pub fn handle(&mut self, now: Now, caller: Caller, ask: Ask) -> Step {
        let mut step = Step::default();
        if let Ask::List(ask) = &ask {
            let answer = Answer::List(self.list(now.wall.0, ask));
            step.answers.push((caller, answer));
            return step;
        }
        let id: Arc<str> = ask.transactional_id().unwrap_or_default().into();
        self.visit(&mut step, now, &id, |ctx, transaction| {
            if let (Ask::AddPartitions(ask), Some(known)) = (&ask, transaction.as_mut())
                && begin::is_early(known, ask)
            {
                markers::wait(ctx, known, (caller, ask.clone()));
                return;
            }
            let answer = dispatch(ctx, transaction, ask);
            ctx.answer(caller, answer);
        });
        step
    }

    /// Word of a marker that this machine had sent.
    pub fn marked(&mut self, now: Now, report: MarkerReport) -> Step {
        let mut step = Step::default();
        let id = Arc::clone(&report.transactional_id);
        self.visit(&mut step, now, &id, |ctx, transaction| {
            if let Some(known) = transaction {
                markers::report(ctx, known, report);
            }
        });
        step
    }

    /// Does everything that is due.
    pub fn tick(&mut self, now: Now) -> Step {
        let mut step = Step::default();
        for _ in 0..TIMERS_PER_TICK {
            let Some(key) = self.timers.pop(now.since_start) else {
                break;
            };
            self.visit(&mut step, now, &key.group, |ctx, transaction| {
                match (transaction, key.kind) {
                    (Some(known), TimerKind::Transaction) => expiry::timed_out(ctx, known),
                    (Some(known), TimerKind::Markers) => markers::send_failed(ctx, known),
                    (Some(known), TimerKind::Waiting) => markers::begin_next(ctx, known),
                    _ => {}
                }
            });
        }
        let interval = self.config.expiration_check_interval;
        let due = self.expiry.take_due(now.since_start, now.wall.0, interval);
        for id in due {
            self.visit(&mut step, now, &id, |ctx, transaction| {
                if transaction
                    .as_ref()
                    .is_some_and(|known| expiry::is_forgotten(ctx, known))
                {
                    *transaction = None;
                }
            });
        }
        step
    }

    /// When [`Transactions::tick`] has something to do next, as a time since the start.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let times = [self.timers.next(), self.expiry.next_check()];
        times.into_iter().flatten().min()
    }

    /// Does something to one transactional id, which may come into being or go by it.
    fn visit(
        &mut self,
        step: &mut Step,
        now: Now,
        id: &Arc<str>,
        work: impl FnOnce(&mut Context<'_>, &mut Option<Transaction>),
    ) {
        let mut ctx = Context {
            now,
            id,
            config: &self.config,
            coordinator_epoch: self.coordinator_epoch,
            timers: &mut self.timers,
            fresh: &mut self.fresh,
            next_ticket: &mut self.next_ticket,
            step,
            no_member: &self.no_member,
            planted: self.planted,
        };
        let mut transaction = self.transactions.remove(id);
        let watched = transaction.as_ref().and_then(|known| known.watched);
        work(&mut ctx, &mut transaction);
        if let Some(mut known) = transaction {
            assert!(known.watched == watched, "only expiry watches");
            self.expiry
                .watch(id, &mut known, self.config.id_expiration_ms);
            self.transactions.insert(Arc::clone(id), known);
        } else {
            self.expiry.forget(id, watched);
        }
    }

    /// Whether the log says the same of all transactional ids here and in `other`; for tests that
    /// fold it.
    #[must_use]
    pub fn is_durably_equal(&self, other: &Self) -> bool {
        let all = self.transactions.iter();
        self.transactions.len() == other.transactions.len()
            && all
                .zip(&other.transactions)
                .all(|(mine, theirs)| mine.0 == theirs.0 && mine.1.durable == theirs.1.durable)
    }
}

/// Puts one ask to its transactional id.
fn dispatch(ctx: &mut Context<'_>, transaction: &mut Option<Transaction>, ask: Ask) -> Answer {
    match ask {
        Ask::Init(ask) => {
            let result = init::init(ctx, transaction, &ask);
            Answer::Init(result.map_err(|refusal| worded(refusal, ask.is_legacy)))
        }
        Ask::AddPartitions(ask) => {
            let is_legacy = ask.is_legacy;
            let result = begin::add(ctx, transaction.as_mut(), ask);
            Answer::AddPartitions(result.map_err(|refusal| worded(refusal, is_legacy)))
        }
        Ask::VerifyPartitions(ask) => {
            Answer::VerifyPartitions(begin::verify(transaction.as_ref(), ask))
        }
        Ask::End(ask) => {
            let result = end::end(ctx, transaction.as_mut(), &ask);
            Answer::End(result.map_err(|refusal| worded(refusal, ask.is_legacy)))
        }
        Ask::Abort(_) => Answer::Abort(abort(ctx, transaction.as_mut())),
        Ask::Describe(id) => Answer::Describe(listing::describe(&id, transaction.as_ref())),
        Ask::List(_) => Answer::List(Err(Refusal::from(ErrorCode::InvalidRequest))),
    }
}

/// Clients from before KIP-588 know only one word for being fenced.
pub(super) fn worded(refusal: Refusal, is_legacy: bool) -> Refusal {
    if is_legacy && refusal.code == ErrorCode::ProducerFenced {
        Refusal::from(ErrorCode::InvalidProducerEpoch)
    } else {
        refusal
    }
}

/// The operator's abort.
fn abort(ctx: &mut Context<'_>, transaction: Option<&mut Transaction>) -> Result<(), Refusal> {
    let known = transaction.ok_or_else(|| Refusal::from(ErrorCode::TransactionalIdNotFound))?;
    match known.durable.status {
        TransactionStatus::Ongoing => {
            end::abort_and_fence(ctx, known);
            Ok(())
        }
        TransactionStatus::PrepareAbort => Ok(()),
        _ => Err(Refusal::new(
            ErrorCode::InvalidTxnState,
            "no transaction is open",
        )),
    }
}
