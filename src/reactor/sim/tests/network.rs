//! Stories of connections that end in every way but the wished-for one.

use std::net::SocketAddr;
use std::time::Duration;

use super::{LIMIT, Notes};
use crate::sim::{Faults, Node, NodeOptions, World};
use crate::{Bytes, Core, IoErrorKind, Socket};

const PORT: u16 = 9092;

/// A world with a server, which is left to the test, and a client.
fn two_machines(seed: u64) -> (World, Node, Node) {
    let mut world = World::new(seed);
    let server = world.add_node(NodeOptions::numbered(1));
    let client = world.add_node(NodeOptions::numbered(2));
    (world, server, client)
}

fn server_address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], PORT))
}

fn any_address() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], PORT))
}

/// Accepts for ever and echoes every byte until the peer ends.
async fn echo(core: Core, notes: Notes) {
    let listener = core.listen(any_address()).await.unwrap();
    loop {
        let socket = listener.accept().await.unwrap();
        notes.add(format!("core {} serves {}", core.id(), socket.peer().ip()));
        let (notes, frames) = (notes.clone(), core.frames().clone());
        core.spawn(async move {
            loop {
                let mut buffer = frames.take(4096).await;
                match socket.read(&mut buffer, 4096).await {
                    Ok(0) => return notes.add("end"),
                    Ok(_) => {}
                    Err(error) => return notes.add(format!("read: {:?}", error.kind)),
                }
                if let Err(error) = socket.write(&[buffer.freeze()]).await {
                    return notes.add(format!("write: {:?}", error.kind));
                }
            }
        });
    }
}

async fn read_exactly(core: &Core, socket: &Socket, len: usize) -> Vec<u8> {
    let mut buffer = core.frames().take(len).await;
    while buffer.len() < len {
        let wanted = len - buffer.len();
        assert!(
            socket.read(&mut buffer, wanted).await.unwrap() > 0,
            "an early end"
        );
    }
    buffer.as_slice().to_vec()
}

fn start_echo(world: &World, server: Node, cores: u16) -> Notes {
    let notes = Notes::default();
    world.start(server, cores, |core| echo(core, notes.clone()));
    world.run_for(Duration::from_millis(10));
    notes
}

/// Bytes arrive whole and in order, whatever the portions and delays.
#[test]
fn bytes_arrive_in_order() {
    for seed in 0..100 {
        let (world, server, client) = two_machines(seed);
        world.set_faults(Faults::slow(seed));
        let notes = start_echo(&world, server, 1);
        let done = world.run_process(client, LIMIT, |core| async move {
            let socket = core.connect(server_address()).await.unwrap();
            assert_eq!(socket.peer(), server_address());
            let sent: Vec<u8> = (0..200_000_u32)
                .map(|number| (number % 251) as u8)
                .collect();
            let (writer, bytes) = (socket.clone(), Bytes::from(sent.clone()));
            core.spawn(async move {
                writer
                    .write(&[bytes.slice(0..7), bytes.slice(7..200_000)])
                    .await
                    .unwrap()
            });
            assert_eq!(read_exactly(&core, &socket, 200_000).await, sent);
            socket.close();
            let mut buffer = core.frames().take(1).await;
            assert_eq!(socket.read(&mut buffer, 1).await, Ok(0), "closed here");
            assert!(socket.write(&[Bytes::from_static(b"x")]).await.is_err());
        });
        assert_eq!(done, Some(()), "seed {seed}");
        world.run_for(Duration::from_secs(10));
        assert_eq!(notes.take(), ["core 0 serves 10.0.0.2", "end"]);
    }
}

/// Connections to one address spread over all cores that listen there.
#[test]
fn connections_spread_over_cores() {
    let (world, server, client) = two_machines(1);
    let notes = start_echo(&world, server, 3);
    world.run_process(client, LIMIT, |core| async move {
        for _ in 0..50 {
            drop(core.connect(server_address()).await.unwrap());
        }
    });
    world.run_for(Duration::from_secs(1));
    let lines = notes.take();
    for core in 0..3 {
        let served = format!("core {core} serves 10.0.0.2");
        assert!(lines.iter().filter(|line| **line == served).count() > 5);
    }
}

/// Nobody there: a machine without the process refuses at once, one without power is silent.
#[test]
fn connecting_to_the_dead_fails() {
    let (world, server, client) = two_machines(1);
    let connect = || {
        let kind = world.run_process(client, LIMIT, |core| async move {
            core.connect(server_address())
                .await
                .map(drop)
                .unwrap_err()
                .kind
        });
        kind.unwrap()
    };
    assert_eq!(connect(), IoErrorKind::Refused, "never started");
    start_echo(&world, server, 1);
    world.kill(server);
    assert_eq!(connect(), IoErrorKind::Refused, "killed");
    world.power_cut(server);
    assert_eq!(connect(), IoErrorKind::TimedOut, "without power");
}

/// Starts a client that sends a byte a second and tells how that ends.
fn start_ticking(world: &World, client: Node) -> Notes {
    let notes = Notes::default();
    world.start(client, 1, |core| {
        let notes = notes.clone();
        async move {
            let socket = core.connect(server_address()).await.unwrap();
            loop {
                if let Err(error) = socket.write(&[Bytes::from_static(b"x")]).await {
                    return notes.add(format!("write: {:?}", error.kind));
                }
                let mut buffer = core.frames().take(16).await;
                match socket.read(&mut buffer, 16).await {
                    Ok(0) => return notes.add("end"),
                    Ok(_) => {}
                    Err(error) => return notes.add(format!("read: {:?}", error.kind)),
                }
                core.sleep(Duration::from_secs(1)).await;
            }
        }
    });
    world.run_for(Duration::from_millis(2_500));
    assert!(notes.take().is_empty());
    notes
}

/// A killed peer's kernel ends its connections; a peer without power says nothing, and the
/// connection ends when the sender has waited long enough.
#[test]
fn death_of_the_peer_is_noticed() {
    let mut endings = std::collections::BTreeSet::new();
    for seed in 0..20 {
        for power in [false, true] {
            let (world, server, client) = two_machines(seed);
            start_echo(&world, server, 1);
            let notes = start_ticking(&world, client);
            if power {
                world.power_cut(server)
            } else {
                world.kill(server)
            }
            let before = world.now();
            assert!(world.run_until(|| !world.is_running(client), LIMIT));
            let took = world.now() - before;
            assert_eq!(took > Duration::from_secs(15), power, "took {took:?}");
            endings.extend(notes.take().into_iter().map(|ending| (power, ending)));
        }
    }
    let told: Vec<(bool, &str)> = endings
        .iter()
        .map(|(power, ending)| (*power, ending.as_str()))
        .collect();
    assert!(told.contains(&(true, "read: TimedOut")), "{told:?}");
    assert!(told.contains(&(false, "write: Closed")), "{told:?}");
    assert!(told.contains(&(false, "end")), "{told:?}");
}

/// A machine that lost power and came back knows nothing of old connections and resets them.
#[test]
fn restarted_peer_resets_old_connections() {
    let (world, server, client) = two_machines(3);
    start_echo(&world, server, 1);
    let notes = start_ticking(&world, client);
    world.power_cut(server);
    start_echo(&world, server, 1);
    assert!(world.run_until(|| !world.is_running(client), Duration::from_secs(10)));
    assert_eq!(notes.take(), ["read: Closed"]);
}

/// A blocked link delays; it breaks connections only when it stays blocked.
#[test]
fn blocked_links_heal_or_break() {
    for healed in [true, false] {
        let (world, server, client) = two_machines(1);
        start_echo(&world, server, 1);
        let notes = start_ticking(&world, client);
        world.block(client, server);
        world.run_for(Duration::from_secs(10));
        assert!(world.is_running(client));
        if healed {
            world.unblock_all();
        }
        world.run_for(Duration::from_secs(60));
        assert_eq!(world.is_running(client), healed);
        let expected: &[&str] = if healed { &[] } else { &["read: TimedOut"] };
        assert_eq!(notes.take(), expected);
    }
}

/// Connections are cut and half closed under both ends.
#[test]
fn cuts_and_half_closes_are_seen() {
    let (world, server, client) = two_machines(1);
    let served = start_echo(&world, server, 1);
    let notes = start_ticking(&world, client);
    world.cut_connections(server, client);
    world.run_for(Duration::from_secs(2));
    assert_eq!(served.take().last().unwrap(), "read: Closed");
    assert_eq!(notes.take(), ["write: Closed"]);

    let notes = start_ticking(&world, client);
    world.half_close_connections(client, server);
    world.run_for(Duration::from_secs(2));
    assert_eq!(
        served.take().last().unwrap(),
        "end",
        "the server's input ended"
    );
    assert_eq!(
        notes.take().len(),
        1,
        "the server closed, and the client noticed"
    );
}

/// A writer waits for a reader that does not read: memory between them is bounded.
#[test]
fn slow_readers_hold_writers_back() {
    let (world, server, client) = two_machines(1);
    world.start(server, 1, |core| async move {
        let listener = core.listen(any_address()).await.unwrap();
        let socket = listener.accept().await.unwrap();
        core.sleep(Duration::from_secs(100)).await;
        drop(socket);
    });
    world.run_for(Duration::from_millis(10));
    let notes = Notes::default();
    let told = notes.clone();
    world.start(client, 1, move |core| {
        let told = told.clone();
        async move {
            let socket = core.connect(server_address()).await.unwrap();
            socket
                .write(&[Bytes::from(vec![0; 100_000])])
                .await
                .unwrap();
            told.add("a little fits");
            let error = socket
                .write(&[Bytes::from(vec![0; 1_000_000])])
                .await
                .unwrap_err();
            told.add(format!("{:?}", error.kind));
        }
    });
    world.run_for(Duration::from_secs(50));
    assert_eq!(notes.take(), ["a little fits"]);
    world.run_for(Duration::from_secs(60));
    assert_eq!(
        notes.take(),
        ["Closed"],
        "unread bytes turn a close into a reset"
    );
}

/// Names resolve to machines; addresses to themselves.
#[test]
fn names_resolve() {
    let (world, _, client) = two_machines(1);
    let resolved = world.run_process(client, LIMIT, |core| async move {
        assert!(core.resolve("nowhere", PORT).await.is_err());
        assert_eq!(
            core.resolve("10.0.0.1", PORT).await.unwrap(),
            [server_address()]
        );
        core.resolve("node-1", PORT).await.unwrap()
    });
    assert_eq!(resolved.unwrap(), [server_address()]);
}

/// Everything on: the same seed still takes the same way.
#[test]
fn swarm_runs_replay() {
    let run = |seed| {
        let (world, server, client) = two_machines(seed);
        start_echo(&world, server, 2);
        world.set_faults(Faults::swarm(seed));
        for _ in 0..3 {
            world.start(client, 1, |core| async move {
                while let Ok(socket) = core.connect(server_address()).await {
                    if socket.write(&[Bytes::from(vec![1; 30_000])]).await.is_err() {
                        continue;
                    }
                    let mut buffer = core.frames().take(30_000).await;
                    let _ended = socket.read(&mut buffer, 30_000).await;
                }
            });
            world.run_for(Duration::from_millis(50));
            world.kill(client);
        }
        world.trace_hash()
    };
    for seed in 0..10 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}
