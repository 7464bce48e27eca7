//! Runs a measurement inside the reactor and brings its duration out again.

#![allow(dead_code, reason = "each bench takes what it needs")]

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use base::CoreId;
use reactor::{Core, Options};

const MEMORY_BYTES_MAX: usize = 64 << 20;

/// Runs `body` on each of `cores`; the duration that it returned on the first.
pub(crate) fn measure<F, T>(cores: usize, body: F) -> Duration
where
    F: Fn(Core) -> T + Clone + Send + Sync + 'static,
    T: Future<Output = Duration> + 'static,
{
    let (sender, receiver) = mpsc::channel();
    let options = Options {
        cores,
        frames_bytes_max: MEMORY_BYTES_MAX,
        chunks_bytes_max: MEMORY_BYTES_MAX,
    };
    let started = reactor::run(&options, move |core| {
        let (body, sender) = (body.clone(), sender.clone());
        async move {
            let id = core.id();
            let took = body(core).await;
            if id == CoreId(0) {
                sender.send(took).expect("the bench waits for it");
            }
        }
    });
    started.expect("the reactor starts on this machine");
    receiver.recv().expect("the first core measured")
}

/// An empty folder on the device that the target directory is on.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the target directory can be written");
    folder
}
