//! The kernel twin against the machine it runs on: files that come back as written, sockets that
//! carry every byte, values that cross cores.

#![allow(missing_docs, reason = "a test binary")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed step fails the test"
)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use base::Random;
use reactor::{Core, IoErrorKind, OpenMode, Options, mailbox, reply, run};

const OPTIONS: Options = Options {
    cores: 1,
    frames_bytes_max: 32 << 20,
    chunks_bytes_max: 32 << 20,
};

fn directory(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("forebay-reactor-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Who asks what the page cache has must not make it read ahead, or the answer would be another one
/// the next time.
#[test]
fn asking_for_cached_pages_leaves_them_as_they_are() {
    const LEN: usize = 1 << 20;
    let directory = directory("cached");
    let path = directory.join("log");
    let body = move |core: Core| {
        let path = path.clone();
        async move {
            let file = core.open(&path, OpenMode::CreateNew).await.unwrap();
            let mut buffer = core.chunks().take(LEN).await;
            buffer.append(&vec![7; LEN]);
            let blocks = buffer.blocks(0..LEN);
            file.write_blocks(blocks, 0).await.unwrap();
            let direct = file.is_cached(0, LEN);
            for _ in 0..100 {
                assert_eq!(file.is_cached(4096, 1), direct, "asking changed something");
            }
            file.read_shared(0, LEN).await.unwrap();
            // Older kernels cannot tell, and nothing counts as cached there.
            let release = nix::sys::utsname::uname().unwrap();
            let release = release.release().to_str().unwrap().to_owned();
            let mut numbers = release
                .split('.')
                .map(|part| part.parse::<u32>().unwrap_or(0));
            let can_tell = (numbers.next(), numbers.next()) >= (Some(6), Some(5));
            assert_eq!(file.is_cached(0, LEN), can_tell, "kernel {release}");
        }
    };
    run(&OPTIONS, body).unwrap();
    std::fs::remove_dir_all(directory).unwrap();
}

/// What a partition does all day: append, write the blocks, flush, go on in the same block.
#[test]
fn a_growing_buffer_reaches_the_file_block_by_block() {
    let directory = directory("growing");
    let path = directory.join("log");
    let body = move |core: Core| {
        let path = path.clone();
        async move {
            let file = core.open(&path, OpenMode::CreateNew).await.unwrap();
            let again = core.open(&path, OpenMode::CreateNew).await;
            assert_eq!(again.err().unwrap().kind, IoErrorKind::AlreadyExists);
            file.allocate(1 << 20).await.unwrap();
            let mut random = Random::new(11);
            let mut expected = Vec::new();
            let mut buffer = core.chunks().take(1 << 20).await;
            while buffer.len() < 900_000 {
                let mut bytes = vec![0; 1 + usize::try_from(random.below(30_000)).unwrap()];
                random.fill(&mut bytes);
                let from = buffer.len();
                buffer.append(&bytes);
                expected.extend_from_slice(&bytes);
                let blocks = buffer.blocks(from..buffer.len());
                file.write_blocks(blocks, (from - from % 4096) as u64)
                    .await
                    .unwrap();
                file.flush().await.unwrap();
            }
            for _ in 0..200 {
                let from = usize::try_from(random.below(expected.len() as u64)).unwrap();
                let len = 1 + usize::try_from(random.below(50_000)).unwrap();
                let read = file.read_at(from as u64, len).await.unwrap();
                let end = (from + len).min(expected.len());
                assert_eq!(&read[..end - from], &expected[from..end]);
            }
            file.truncate(expected.len() as u64).await.unwrap();
            assert_eq!(file.len().await.unwrap(), expected.len() as u64);
            let tail = file.read_at(expected.len() as u64 - 10, 100).await.unwrap();
            assert_eq!(tail.len(), 10);
        }
    };
    run(&OPTIONS, body).unwrap();
}

/// A consumer that reads slowly must get all of memory and file, in order, through full sockets.
#[test]
fn sockets_carry_memory_and_files_through_back_pressure() {
    let directory = directory("sockets");
    let path = directory.join("segment");
    let mut content = vec![0; 9_000_001];
    Random::new(5).fill(&mut content);
    std::fs::write(&path, &content).unwrap();
    let content = Arc::new(content);
    let body = move |core: Core| {
        let (path, content) = (path.clone(), Arc::clone(&content));
        async move {
            let listener = core.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
            let address = listener.local();
            let server = core.clone();
            let sent = Arc::clone(&content);
            core.spawn(async move {
                let file = server.open(&path, OpenMode::ReadOnly).await.unwrap();
                let socket = listener.accept().await.unwrap();
                let bytes = reactor::Bytes::from(sent.to_vec());
                let pieces: Vec<_> = (0..300)
                    .map(|index| bytes.slice(index * 30_000..index * 30_000 + 30_000))
                    .collect();
                socket.write(&pieces).await.unwrap();
                let range = file.range(123, sent.len() as u64 - 123).await.unwrap();
                socket.send_file(&range).await.unwrap();
                socket.close();
            });
            let socket = core.connect(address).await.unwrap();
            let mut received = Vec::new();
            loop {
                let mut buffer = core.frames().take(100_000).await;
                let count = socket.read(&mut buffer, 100_000).await.unwrap();
                if count == 0 {
                    break;
                }
                received.extend_from_slice(buffer.as_slice());
                if received.len() % 7 == 0 {
                    core.sleep(Duration::from_millis(1)).await;
                }
            }
            assert_eq!(received.len(), 9_000_000 + content.len() - 123);
            assert!(received[..9_000_000] == content[..9_000_000]);
            assert!(received[9_000_000..] == content[123..]);
        }
    };
    run(&OPTIONS, body).unwrap();
}

/// Each core sends to every other; order per sender holds and nobody misses a wake-up.
#[test]
fn values_cross_cores_in_the_order_of_each_sender() {
    let (to_first, first) = mailbox::<(usize, u64)>();
    let (to_second, second) = mailbox::<(usize, u64)>();
    let receivers = Arc::new(Mutex::new(vec![Some(first), Some(second)]));
    let senders = [to_first, to_second];
    let body = move |core: Core| {
        let me = usize::from(core.id().0);
        let mut mine = receivers.lock().unwrap()[me].take().unwrap();
        let other = senders[1 - me].clone();
        async move {
            let sending = core.clone();
            let (sent, all_sent) = reply();
            core.spawn(async move {
                for value in 0..20_000 {
                    other.send((me, value)).unwrap();
                    if value % 100 == 0 {
                        sending.yield_now().await;
                    }
                }
                sent.send(());
            });
            for expected in 0..20_000 {
                assert_eq!(mine.recv().await, Some((1 - me, expected)));
            }
            // A core whose body ends takes its unfinished tasks with it.
            all_sent.await.unwrap();
        }
    };
    run(
        &Options {
            cores: 2,
            ..OPTIONS
        },
        body,
    )
    .unwrap();
}

/// Power fails between the steps of `replace`: that is simulated elsewhere; here it must at least
/// leave one whole file and no other, and a directory must refuse its second owner.
#[test]
fn small_files_are_replaced_whole_and_directories_locked_once() {
    let directory = directory("small");
    let body = move |core: Core| {
        let directory = directory.clone();
        async move {
            let path = directory.join("checkpoint");
            core.replace(&path, b"one").await.unwrap();
            core.replace(&path, b"two").await.unwrap();
            assert_eq!(core.read_small(&path).await.unwrap(), b"two");
            let lock = core.lock_dir(&directory).await.unwrap();
            let second = core.lock_dir(&directory).await.err().unwrap();
            assert_eq!(second.kind, IoErrorKind::Locked);
            drop(lock);
            core.lock_dir(&directory).await.unwrap();
            let names: Vec<_> = core
                .list(&directory)
                .await
                .unwrap()
                .into_iter()
                .map(|e| e.name)
                .collect();
            assert_eq!(names, [".lock", "checkpoint"]);
        }
    };
    run(&OPTIONS, body).unwrap();
}

/// The story: thousands of partitions are made by one request. Their directories share their
/// flushes, and still each of them is there or has failed for itself.
#[test]
fn many_changes_share_flushes_and_fail_alone() {
    const COUNT: usize = 300;
    let directory = directory("changes");
    let body = move |core: Core| {
        let directory = directory.clone();
        async move {
            let (finished, mut ends) = mailbox();
            for index in 0..COUNT {
                let (core, finished) = (core.clone(), finished.clone());
                // One in ten asks for a place that does not exist.
                let place = match index % 10 {
                    3 => directory.join("nowhere"),
                    _ => directory.clone(),
                };
                let path = place.join(index.to_string());
                let prepared = place.join(format!("{index}-delete"));
                core.clone().spawn(async move {
                    let content = index.to_string();
                    let files: [(&str, &[u8]); 2] = [("name", content.as_bytes()), ("empty", &[])];
                    let made = core.make_dir(&prepared, &path, &files).await;
                    let replaced = core.replace(&path.join("name"), b"replaced").await;
                    let name = path.join("name");
                    let again = core.replace(&name, b"again");
                    let later = core.replace(&name, b"later");
                    let (again, later) = both(again, later).await;
                    let synced = core.sync_dir(&path).await;
                    let kinds = [made, replaced, again, later, synced];
                    let kinds = kinds.map(|done| done.err().map(|error| error.kind));
                    finished.send((index, kinds)).unwrap();
                });
            }
            for _ in 0..COUNT {
                let (index, kinds) = ends.recv().await.unwrap();
                if index % 10 == 3 {
                    assert_eq!(kinds, [Some(IoErrorKind::NotFound); 5]);
                    continue;
                }
                assert_eq!(kinds, [None; 5], "{index}");
                let path = directory.join(index.to_string());
                assert_eq!(core.read_small(&path.join("empty")).await.unwrap(), b"");
                assert_eq!(core.read_small(&path.join("name")).await.unwrap(), b"later");
                assert_eq!(core.list(&path).await.unwrap().len(), 2);
            }
            let all = core.list(&directory).await.unwrap();
            assert_eq!(all.len(), COUNT - COUNT / 10, "nothing prepared is left");
            // A place that is taken stays as it is, and what was prepared goes.
            let (prepared, path) = (directory.join("again-delete"), directory.join("0"));
            let taken = core.make_dir(&prepared, &path, &[("name", b"other")]).await;
            assert!(taken.is_err());
            assert_eq!(core.read_small(&path.join("name")).await.unwrap(), b"later");
            assert_eq!(core.list(&directory).await.unwrap().len(), all.len());
        }
    };
    run(&OPTIONS, body).unwrap();
}

/// Both results, the first future being asked first.
async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (Box::pin(a), Box::pin(b));
    let (mut from_a, mut from_b) = (None, None);
    std::future::poll_fn(move |context| {
        if from_a.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(context)
        {
            from_a = Some(value);
        }
        if from_b.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(context)
        {
            from_b = Some(value);
        }
        match (from_a.take(), from_b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (from_a, from_b) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// A core that ends while its helper thread is at work must not leave that thread with nobody to
/// answer to: it would panic, and a program that ended well would look as if it had not.
#[test]
fn a_core_ends_well_while_its_helper_thread_is_at_work() {
    static HELPERS_PANICKED: AtomicUsize = AtomicUsize::new(0);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.to_string().contains("failed to send response") {
            HELPERS_PANICKED.fetch_add(1, Ordering::Relaxed);
        }
        usual(panic);
    }));
    for _ in 0..20 {
        let directory = directory("helper");
        let body = move |core: Core| {
            let path = directory.join("many");
            async move {
                let worker = core.clone();
                core.spawn(async move {
                    for value in 0..1_000_u32 {
                        let bytes = value.to_be_bytes();
                        worker.replace(&path, &bytes).await.unwrap();
                    }
                });
                // Long enough that the task has begun, and far too short for it to end.
                core.sleep(Duration::from_millis(2)).await;
            }
        };
        run(&OPTIONS, body).unwrap();
    }
    // A thread that panics does so at once after its call.
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(HELPERS_PANICKED.load(Ordering::Relaxed), 0);
}
