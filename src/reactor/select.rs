//! Whichever of two futures ends first.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;

/// Which of two futures ended first, and with what.
#[derive(Debug, PartialEq, Eq)]
pub enum First<A, B> {
    /// The first argument did.
    Left(A),
    /// The second argument did.
    Right(B),
}

/// Waits for whichever ends first and drops the other; the first argument wins a tie.
pub async fn first<A: Future, B: Future>(left: A, right: B) -> First<A::Output, B::Output> {
    let mut left = pin!(left);
    let mut right = pin!(right);
    std::future::poll_fn(|context| {
        if let Poll::Ready(value) = left.as_mut().poll(context) {
            return Poll::Ready(First::Left(value));
        }
        right.as_mut().poll(context).map(First::Right)
    })
    .await
}
