//! Errands that wait for one another.

use std::time::Duration;

use reactor::sim::{NodeOptions, World};
use reactor::{Signal, reply};

use super::run;

const LIMIT: Duration = Duration::from_secs(60);

/// The story: a request begins work on two partitions and waits for the first one, which waits for
/// something that the second one holds, and that waits for the disk.
#[test]
fn the_first_errand_may_wait_for_the_second() {
    let mut world = World::new(1);
    let node = world.add_node(NodeOptions::numbered(1));
    let done = world.run_process(node, LIMIT, |core| async move {
        let given_back = Signal::new();
        let ((first, first_ended), (second, second_ended)) = (reply(), reply());
        let wait = given_back.wait();
        run(&core, wait, first);
        let holder = core.clone();
        let work = async move {
            holder.sleep(Duration::from_millis(3)).await;
            given_back.notify();
        };
        run(&core, work, second);
        first_ended.await.expect("it ends");
        second_ended.await.expect("it ends");
    });
    assert_eq!(done, Some(()));
}

/// The story: a connection ends while what it asked for is half done.
#[test]
fn an_errand_ends_though_nobody_waits() {
    let mut world = World::new(1);
    let node = world.add_node(NodeOptions::numbered(1));
    let done = world.run_process(node, LIMIT, |core| async move {
        let ended = std::rc::Rc::new(std::cell::Cell::new(false));
        let (replier, answer) = reply();
        let (worker, is_ended) = (core.clone(), std::rc::Rc::clone(&ended));
        let work = async move {
            worker.sleep(Duration::from_millis(3)).await;
            is_ended.set(true);
        };
        run(&core, work, replier);
        drop(answer);
        core.sleep(Duration::from_millis(10)).await;
        assert!(ended.get());
    });
    assert_eq!(done, Some(()));
}
