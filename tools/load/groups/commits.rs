//! Commits of simple consumers: without members, each request with all partitions of the topic.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use client::{Address, Client, ClientError};
use reactor::Core;

use super::lane::{Lane, Order};
use crate::options::Options;
use crate::running::Running;
use crate::tally::{Tally, Window};
use crate::worker::{client_options, prepare};

/// How to commit for a while.
#[derive(Args, Clone, Debug)]
pub(crate) struct CommitsOptions {
    /// Groups that commit; dealt out to the connections
    #[arg(long, default_value_t = 100)]
    pub(crate) groups: usize,
}

/// How much to commit once.
#[derive(Args, Clone, Debug)]
pub(crate) struct FillOptions {
    /// Offsets to commit in all: as many groups as that takes with --partitions each
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) offsets: usize,
}

/// The name of the group with this number.
pub(crate) fn group_name(topic: &str, index: usize) -> String {
    format!("{topic}-group-{index}")
}

/// Commits again and again until the window ends.
///
/// # Errors
/// When the load cannot begin.
pub(crate) async fn commit(
    core: &Core,
    addresses: &[Address],
    options: &Options,
    commits: &CommitsOptions,
) -> Result<Tally, String> {
    let begin = core.now() + options.warm_up();
    let end = begin + options.measured();
    let window = Window { begin, end };
    let crew = Crew::new(core, options, (window, Order::Again))?;
    crew.work(addresses, commits.groups)
        .await
        .map_err(|error| error.to_string())?;
    let mut tally = crew.tally.borrow().clone();
    tally.produced.elapsed = options.measured();
    Ok(tally)
}

/// Commits for each group once.
///
/// # Errors
/// When the load cannot begin.
pub(crate) async fn fill(
    core: &Core,
    addresses: &[Address],
    options: &Options,
    fill: &FillOptions,
) -> Result<Tally, String> {
    let window = Window {
        begin: Duration::ZERO,
        end: Duration::MAX,
    };
    let crew = Crew::new(core, options, (window, Order::Once))?;
    let groups = fill.offsets.div_ceil(usize::from(options.partitions));
    let begin = core.now();
    crew.work(addresses, groups)
        .await
        .map_err(|error| error.to_string())?;
    let mut tally = crew.tally.borrow().clone();
    tally.produced.elapsed = core.now().saturating_sub(begin);
    let seconds = tally.produced.elapsed.as_secs_f64();
    tally.figures.push(("fill_seconds", seconds));
    Ok(tally)
}

/// The connections of one core.
struct Crew<'run> {
    core: &'run Core,
    options: &'run Options,
    window: Window,
    order: Order,
    tally: Rc<RefCell<Tally>>,
}

impl<'run> Crew<'run> {
    fn new(
        core: &'run Core,
        options: &'run Options,
        (window, order): (Window, Order),
    ) -> Result<Self, String> {
        Ok(Self {
            core,
            options,
            window,
            order,
            tally: Rc::new(RefCell::new(Tally::new()?)),
        })
    }

    /// Lets this core's share of the connections commit for their shares of `groups`.
    async fn work(&self, addresses: &[Address], groups: usize) -> Result<(), ClientError> {
        let running = Running::default();
        let options = self.options;
        for index in 0..options.connections {
            if index % options.cores != self.core.id().0 % options.cores {
                continue;
            }
            let client = Client::connect(self.core, addresses, client_options()).await?;
            let partitions = prepare(&client, options).await?;
            let share = share_of(groups, index, options.connections, self.order)
                .map(|group| group_name(&options.topic, group))
                .collect();
            let timing = (self.window, self.order);
            let tally = Rc::clone(&self.tally);
            let lane = Lane::new(&client, options, (share, partitions), timing, tally).await?;
            running.spawn(self.core, lane.run());
        }
        running.all_ended().await;
        Ok(())
    }
}

/// The groups of connection `index`: every so many-th. With fewer groups than connections, several
/// share one where it may commit more than once.
fn share_of(
    groups: usize,
    index: u16,
    connections: u16,
    order: Order,
) -> impl Iterator<Item = usize> {
    let first = match order {
        Order::Again => usize::from(index) % groups.max(1),
        Order::Once => usize::from(index),
    };
    (first..groups).step_by(usize::from(connections.max(1)))
}

#[cfg(test)]
mod tests {
    use super::{Order, share_of};

    /// A group that is filled twice would count twice.
    #[test]
    fn each_group_is_filled_once_and_no_connection_idles() {
        for connections in [1, 2, 7, 9] {
            let mut dealt: Vec<usize> = (0..connections)
                .flat_map(|index| share_of(7, index, connections, Order::Once))
                .collect();
            dealt.sort_unstable();
            assert_eq!(dealt, (0..7).collect::<Vec<_>>(), "{connections}");
            for index in 0..connections {
                let mut share = share_of(7, index, connections, Order::Again);
                assert!(share.next().is_some(), "{index} of {connections}");
            }
        }
    }
}
