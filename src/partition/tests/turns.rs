//! Story: a producer waited for its coordinator, and all others of the partition waited with it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use base::ProducerId;

use crate::turns::Turns;

fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[test]
fn a_producer_waits_for_itself_and_for_nobody_else() {
    let turns = Turns::default();
    let first = poll(pin!(turns.enter(ProducerId(1))));
    assert!(first.is_some(), "nobody was before it");
    let mut second = Box::pin(turns.enter(ProducerId(1)));
    let third = Box::pin(turns.enter(ProducerId(1)));
    let mut fourth = Box::pin(turns.enter(ProducerId(1)));
    assert!(poll(second.as_mut()).is_none());
    let other = poll(pin!(turns.enter(ProducerId(2))));
    assert!(other.is_some(), "another producer");
    assert_eq!(turns.count(), 2);
    drop(other);
    assert_eq!(turns.count(), 1);
    // In their order, and whoever went away is passed over.
    drop(first);
    assert!(poll(fourth.as_mut()).is_none());
    let turn = poll(second.as_mut());
    assert!(turn.is_some());
    drop(third);
    drop(turn);
    assert!(poll(fourth.as_mut()).is_some_and(|_turn| turns.count() == 1));
    drop((second, fourth));
    assert_eq!(turns.count(), 0, "nothing is kept of who is done");
}
