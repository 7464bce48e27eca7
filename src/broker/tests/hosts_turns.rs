//! After a restart with a million committed offsets the first client waited until every partition
//! of `__consumer_offsets` was read, since all were read at once.

use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::turns::{LOADING_MAX, Standing, Turn, Turns};

/// Somebody who wants to load.
struct Host {
    standing: Rc<Standing>,
    taking: Pin<Box<dyn Future<Output = Turn>>>,
}

impl Host {
    fn new(turns: &Turns) -> Self {
        let (standing, turns) = (turns.stand(), turns.clone());
        let stood = Rc::clone(&standing);
        let taking = Box::pin(async move { turns.take(&stood).await });
        Self { standing, taking }
    }

    fn poll(&mut self) -> Option<Turn> {
        poll(self.taking.as_mut())
    }
}

fn poll<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

/// Polls all that wait, again and again, as an executor would; who got a turn, and the turns.
fn run(waiting: &mut Vec<(usize, Host)>) -> Vec<(usize, Turn)> {
    let mut turns = Vec::new();
    loop {
        let before = turns.len();
        waiting.retain_mut(|(name, host)| match host.poll() {
            Some(turn) => {
                turns.push((*name, turn));
                false
            }
            None => true,
        });
        if turns.len() == before {
            return turns;
        }
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
        let turn = poll(taking.as_mut());
        assert!(turn.is_some(), "nobody else waits");
        turns.hurry(&standing);
    }
}
