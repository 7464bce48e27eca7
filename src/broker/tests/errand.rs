//! Errands that wait for one another.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use reactor::Signal;
use reactor::sim::{NodeOptions, World};

use super::{Answer, begin};

const LIMIT: Duration = Duration::from_secs(60);

/// The story: a request begins work on two partitions and waits for the first one, which waits for
/// something that the second one holds, and that waits for the disk.
#[test]
fn the_first_errand_may_wait_for_the_second() {
    let mut world = World::new(1);
    let node = world.add_node(NodeOptions::numbered(1));
    let done = world.run_process(node, LIMIT, |core| async move {
        let given_back = Signal::new();
        let waiter = begin(&core, given_back.wait());
        let sleeping = core.clone();
        let holder = begin(&core, async move {
            sleeping.sleep(Duration::from_millis(3)).await;
            given_back.notify();
        });
        for answer in [waiter, holder] {
            match answer {
                Answer::Now(()) => panic!("both have to wait"),
                Answer::Later(answer) => answer.await.expect("it ends"),
            }
        }
    });
    assert_eq!(done, Some(()));
}

/// The story: a connection ends while what it asked for is half done.
#[test]
fn an_errand_ends_though_nobody_waits() {
    let mut world = World::new(1);
    let node = world.add_node(NodeOptions::numbered(1));
    let done = world.run_process(node, LIMIT, |core| async move {
        let ended = Rc::new(Cell::new(false));
        let (sleeping, is_ended) = (core.clone(), Rc::clone(&ended));
        let answer = begin(&core, async move {
            sleeping.sleep(Duration::from_millis(3)).await;
            is_ended.set(true);
        });
        drop(answer);
        core.sleep(Duration::from_millis(10)).await;
        assert!(ended.get());
    });
    assert_eq!(done, Some(()));
}
