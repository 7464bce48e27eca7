//! After a restart with a million committed offsets the first client waited until every partition
//! of `__consumer_offsets` was read, since all were read at once.

use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::turns::{LOADING_MAX, Standing, Turn, Turns};

/// Somebody who wants to load.
struct Host {
    standing: Rc<Standing>,
    taking: Pin<Box<dyn Future<Output = Turn>>>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Host {
    fn new(turns: &Turns) -> Self {
        let (standing, turns) = (turns.stand(), turns.clone());
        let stood = Rc::clone(&standing);
        let taking = Box::pin(async move { turns.take(&stood).await });
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        Self {
            standing,
            taking,
            woken,
        }
    }

    /// Runs it if it was woken, as an executor would.
    fn poll(&mut self) -> Option<Turn> {
        if !self.woken.0.swap(false, Ordering::Relaxed) {
            return None;
        }
        poll(self.taking.as_mut(), &Arc::clone(&self.woken).into())
    }
}

fn poll<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>, waker: &Waker) -> Option<T> {
    match future.poll(&mut Context::from_waker(waker)) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

/// Runs all that wait until nobody is woken any more; who got a turn, and the turns.
fn run(waiting: &mut Vec<(usize, Host)>) -> Vec<(usize, Turn)> {
    let mut turns = Vec::new();
    loop {
        let is_woken = |(_, host): &(usize, Host)| host.woken.0.load(Ordering::Relaxed);
        if !waiting.iter().any(is_woken) {
            return turns;
        }
        waiting.retain_mut(|(name, host)| match host.poll() {
            Some(turn) => {
                turns.push((*name, turn));
                false
            }
            None => true,
        });
    }
}

fn names(turns: &[(usize, Turn)]) -> Vec<usize> {
    turns.iter().map(|(name, _)| *name).collect()
}

#[test]
fn a_few_load_at_a_time_in_the_order_in_which_they_came() {
    let turns = Turns::default();
    let mut waiting: Vec<_> = (0..5).map(|name| (name, Host::new(&turns))).collect();

    let first = run(&mut waiting);
    assert_eq!(names(&first), [0, 1]);
    assert_eq!(first.len(), LOADING_MAX);
    drop(first);
    let second = run(&mut waiting);
    assert_eq!(names(&second), [2, 3]);
    drop(second);
    assert_eq!(names(&run(&mut waiting)), [4]);
}

#[test]
fn who_is_asked_for_goes_first() {
    let turns = Turns::default();
    let mut waiting: Vec<_> = (0..6).map(|name| (name, Host::new(&turns))).collect();
    let first = run(&mut waiting);
    for (name, host) in &waiting {
        if *name == 5 {
            turns.hurry(&host.standing);
            turns.hurry(&host.standing);
        }
    }

    drop(first);
    let mut second = names(&run(&mut waiting));
    second.sort_unstable();
    assert_eq!(second, [2, 5]);
}

/// The story: a turn becomes free, and all that wait are woken for it. One of them finds that it is
/// not the first; then somebody asks for it, and now the first one finds that it is not any more.
/// With nobody awake nobody would ever load again.
#[test]
fn who_is_asked_for_late_is_woken_once_more() {
    let turns = Turns::default();
    let mut waiting: Vec<_> = (0..4).map(|name| (name, Host::new(&turns))).collect();
    drop(run(&mut waiting));
    let (name, last) = waiting.last_mut().unwrap();
    assert_eq!(*name, 3);
    assert!(last.poll().is_none(), "another one is before it");
    turns.hurry(&last.standing);
    assert_eq!(names(&run(&mut waiting)), [3, 2]);
}

#[test]
fn who_gives_up_waiting_holds_nobody_back() {
    let turns = Turns::default();
    let mut waiting: Vec<_> = (0..4).map(|name| (name, Host::new(&turns))).collect();
    let first = run(&mut waiting);
    waiting.remove(0);

    drop(first);
    assert_eq!(names(&run(&mut waiting)), [3]);
}

#[test]
fn a_host_takes_a_turn_again_in_its_old_place() {
    let turns = Turns::default();
    let standing = turns.stand();
    for _ in 0..3 {
        let mut taking = pin!(turns.take(&standing));
        let turn = poll(taking.as_mut(), Waker::noop());
        assert!(turn.is_some(), "nobody else waits");
        turns.hurry(&standing);
    }
}
