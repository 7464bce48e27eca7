//! Stories of processes, their tasks and their time.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use super::{LIMIT, Notes, durable_file, one_machine, write};
use crate::sim::{Faults, NodeOptions, World};
use crate::{Core, Signal, mailbox};

/// A busy little world: cores that write, sleep, signal and talk to each other.
fn busy_world(seed: u64) -> (u64, u64) {
    let mut world = World::new(seed);
    let node = world.add_node(NodeOptions::numbered(1));
    world.set_faults(Faults::slow(seed));
    let (sender, receiver) = mailbox::<u64>();
    let mut ends = Some((sender, receiver));
    world.start(node, 3, |core| {
        let ends = if core.id().get() == 0 {
            ends.take()
        } else {
            None
        };
        async move {
            if let Some((sender, mut receiver)) = ends {
                core.spawn(async move { while receiver.recv().await.is_some() {} });
                for number in 0..20 {
                    sender.send(number).unwrap();
                    core.yield_now().await;
                }
            }
            let path = format!("/log-{}", core.id());
            let file = durable_file(&core, &path, 1, b'x').await.unwrap();
            for _ in 0..20 {
                write(&core, &file, 0, 1, b'y').await.unwrap();
                core.sleep(Duration::from_micros(core.entropy() % 1_000))
                    .await;
            }
        }
    });
    assert!(world.run_until(|| !world.is_running(node), LIMIT));
    world.power_cut(node);
    (world.trace_hash(), world.trace_len())
}

/// A failure that cannot be replayed is a rumour.
#[test]
fn the_run_of_a_seed_is_the_same_twice() {
    let mut hashes = std::collections::BTreeSet::new();
    for seed in 0..50 {
        let first = busy_world(seed);
        assert_eq!(first, busy_world(seed), "seed {seed}");
        hashes.insert(first.0);
    }
    assert_eq!(hashes.len(), 50, "different seeds take different ways");
}

/// The order in which tasks run is the seed's choice: each order of three occurs.
#[test]
fn every_order_of_tasks_occurs() {
    let mut orders = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let (world, node) = one_machine(seed);
        let notes = Notes::default();
        let told = notes.clone();
        world.run_process(node, LIMIT, |core| async move {
            for name in ["a", "b", "c"] {
                let told = told.clone();
                core.spawn(async move { told.add(name) });
            }
            core.sleep(Duration::from_secs(1)).await;
        });
        orders.insert(notes.take().concat());
    }
    assert_eq!(orders.len(), 6);
}

/// An hour of virtual time costs nothing, and sleepers wake in the order of their deadlines.
#[test]
fn time_is_virtual() {
    let (world, node) = one_machine(1);
    let notes = Notes::default();
    let told = notes.clone();
    let slept = world.run_process(node, Duration::from_secs(86_400), |core| async move {
        for seconds in [3_600, 60, 1] {
            let (core, told) = (core.clone(), told.clone());
            core.clone().spawn(async move {
                core.sleep(Duration::from_secs(seconds)).await;
                told.add(seconds.to_string());
            });
        }
        let (before, wall_before) = (core.now(), core.wall());
        core.sleep(Duration::from_secs(7_200)).await;
        (core.now() - before, core.wall().get() - wall_before.get())
    });
    let (slept, wall_ms) = slept.unwrap();
    assert!(slept >= Duration::from_secs(7_200) && slept < Duration::from_secs(7_201));
    assert!((7_200_000..7_201_000).contains(&wall_ms));
    assert_eq!(notes.take(), ["1", "60", "3600"]);
}

/// A task that only ever yields must not stop the clock for all others.
#[test]
fn yielding_does_not_stop_time() {
    let (world, node) = one_machine(1);
    let woken = world.run_process(node, LIMIT, |core| async move {
        let spinning = core.clone();
        core.spawn(async move {
            loop {
                spinning.yield_now().await;
            }
        });
        core.sleep(Duration::from_millis(5)).await;
    });
    assert_eq!(woken, Some(()));
}

struct CountsDrops(Rc<Cell<u32>>);

impl Drop for CountsDrops {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

/// Nothing of a dead process goes on: every task is dropped and none is polled again, also the
/// tasks that dying tasks try to spawn.
#[test]
fn kill_drops_all_tasks() {
    struct SpawnsOnDrop(Core, Notes);
    impl Drop for SpawnsOnDrop {
        fn drop(&mut self) {
            let notes = self.1.clone();
            self.0
                .spawn(async move { notes.add("spawned by the dead") });
        }
    }

    for power in [false, true] {
        let (world, node) = one_machine(1);
        let (dropped, polls) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let notes = Notes::default();
        world.start(node, 2, |core| {
            let (guard, polls) = (CountsDrops(Rc::clone(&dropped)), Rc::clone(&polls));
            let spawns = SpawnsOnDrop(core.clone(), notes.clone());
            async move {
                let (_guard, _spawns) = (guard, spawns);
                loop {
                    polls.set(polls.get() + 1);
                    core.sleep(Duration::from_millis(1)).await;
                }
            }
        });
        world.run_for(Duration::from_secs(1));
        let polls_before = polls.get();
        assert!(polls_before > 1_000);
        if power {
            world.power_cut(node);
        } else {
            world.kill(node);
        }
        assert_eq!(dropped.get(), 2);
        world.run_for(Duration::from_secs(1));
        assert_eq!(polls.get(), polls_before);
        assert!(notes.take().is_empty());
        assert!(!world.is_running(node));
    }
}

/// The lock of a data directory dies with its process, so that a restart gets it.
#[test]
fn restart_gets_the_lock_and_sees_the_files() {
    let (world, node) = one_machine(1);
    for start in 0..3 {
        world.start(node, 1, move |core| async move {
            let _lock = core.lock_dir(Path::new("/")).await.unwrap();
            if start == 0 {
                durable_file(&core, "/log", 1, b'x').await.unwrap();
            }
            assert_eq!(
                core.read_small(Path::new("/log")).await.unwrap().len(),
                4096
            );
            std::future::pending::<()>().await;
        });
        world.run_for(Duration::from_secs(1));
        assert!(world.is_running(node));
        if start == 1 {
            world.power_cut(node)
        } else {
            world.kill(node)
        }
    }
}

/// A paused process does nothing and then goes on, late.
#[test]
fn paused_process_goes_on_later() {
    let (world, node) = one_machine(1);
    let ticks = Rc::new(Cell::new(0));
    let counted = Rc::clone(&ticks);
    world.start(node, 1, move |core| {
        let counted = Rc::clone(&counted);
        async move {
            loop {
                core.sleep(Duration::from_millis(1)).await;
                counted.set(counted.get() + 1);
            }
        }
    });
    world.run_for(Duration::from_millis(100));
    world.pause(node);
    let before = ticks.get();
    world.run_for(Duration::from_secs(10));
    assert_eq!(ticks.get(), before);
    world.resume(node);
    world.run_for(Duration::from_millis(100));
    assert!(ticks.get() > before + 50);
}

/// Signals and mailboxes wake tasks here as they do on the kernel.
#[test]
fn signals_wake_tasks() {
    let (world, node) = one_machine(1);
    let done = world.run_process(node, LIMIT, |core| async move {
        let signal = Signal::new();
        let notifier = signal.clone();
        let late = core.clone();
        core.spawn(async move {
            late.sleep(Duration::from_secs(5)).await;
            notifier.notify();
        });
        signal.wait().await;
        core.now() >= Duration::from_secs(5)
    });
    assert_eq!(done, Some(true));
}

/// Each start of a process draws other entropy, or ids would repeat after a restart.
#[test]
fn entropy_differs_between_starts() {
    let (world, node) = one_machine(1);
    let draw = || {
        world
            .run_process(node, LIMIT, |core| async move { core.entropy() })
            .unwrap()
    };
    assert_ne!(draw(), draw());
}
