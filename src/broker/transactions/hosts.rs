//! The hosts of transactions on one core, and the way to them from any core.

use std::future::Future;

use base::CoreId;
use coordinator::Refusal;
use coordinator::transaction::{Answer, Ask, ListAsk, Listed, Transactions, TransactionsConfig};
use metadata::Image;

use super::machine::{TransactionHost, TransactionSurroundings, options};
use crate::broker::Broker;
use crate::hosts::{Hosts, Surroundings, not_here};

/// The hosts of transactions on one core.
pub(crate) type TransactionHosts = Hosts<Transactions>;

impl Broker {
    /// Takes in what an image means for the transactions of this core; its partitions serve
    /// already.
    pub(crate) fn adopt_transactions(&self, image: &Image) {
        let transactions = &self.shared.transactions;
        let settings = &self.config().settings;
        let level = image.feature_level("transaction.version");
        let config = TransactionsConfig::new(settings, level);
        match transactions.surroundings() {
            None => {
                let own = TransactionSurroundings::new(config);
                transactions.surround(Surroundings::new(own, options(settings)));
            }
            // An image comes with every topic; telling the hosts looks at each transactional id.
            Some(surroundings) if *surroundings.own.config.borrow() == config => {}
            Some(surroundings) => {
                *surroundings.own.config.borrow_mut() = config;
                surroundings.options.set(options(settings));
                transactions
                    .all()
                    .iter()
                    .for_each(TransactionHost::configure);
            }
        }
        transactions.retain(|id| image.partition(id.topic, id.index).is_some());
    }

    /// Asks the coordinator of the transactional id that `ask` names. The asking begins now,
    /// before anything that is asked later.
    pub fn on_transaction(&self, ask: Ask) -> impl Future<Output = Answer> + use<> {
        let id = ask.transactional_id();
        let home = id.and_then(|id| self.transaction_home(id));
        self.ask_at::<Transactions>(home, ask)
    }

    /// The transactional ids of the whole node.
    ///
    /// # Errors
    /// While any of them are being loaded, or when the filter is none.
    pub async fn list_transactions(&self, ask: ListAsk) -> Result<Listed, Refusal> {
        let mut asking = Vec::new();
        for core in 0..self.cores() {
            let ask = ask.clone();
            asking.push(self.on_core(CoreId(core), move |broker| {
                let hosts = broker.shared.transactions.all();
                let asked = hosts.iter().map(|host| host.ask(Ask::List(ask.clone())));
                let asked: Vec<_> = asked.collect();
                async move {
                    let mut answers = Vec::new();
                    for asked in asked {
                        answers.push(match asked {
                            Ok(answer) => answer.await.ok(),
                            Err(refused) => Some(*refused),
                        });
                    }
                    answers
                }
            }));
        }
        let mut all = Listed::default();
        for asked in asking {
            let answers = asked.await.map_err(|_stopping| not_here())?;
            for answer in answers {
                let Some(Answer::List(listed)) = answer else {
                    return Err(not_here());
                };
                let listed = listed?;
                all.unknown_states = listed.unknown_states;
                all.transactions.extend(listed.transactions);
            }
        }
        all.transactions
            .sort_by(|left, right| left.transactional_id.cmp(&right.transactional_id));
        Ok(all)
    }
}
