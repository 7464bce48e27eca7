//! Waiting for something, but not for ever.

use std::future::Future;
use std::time::Duration;

use reactor::{Core, First, first};

/// What `future` gives, or nothing when `limit` passes first; the future is dropped then.
pub(crate) async fn within<T>(
    core: &Core,
    limit: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    match first(future, core.sleep(limit)).await {
        First::Left(value) => Some(value),
        First::Right(()) => None,
    }
}
