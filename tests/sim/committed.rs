//! Committed offsets on a node with two log directories, one of which fails: groups whose part of
//! `__consumer_offsets` lies in the other one go on, the rest have no coordinator until it is back.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use base::{ErrorCode, Offset, PartitionIndex, TopicPartition};
use client::Client;
use reactor::Core;
use reactor::sim::NodeOptions;
use wire::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use wire::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse};

use crate::broker::{CALM, TOPIC, connect};
use crate::log_dirs::{DIRS, NODE, quiet_scene, restart, spread};
use crate::seeds::each_seed;
use crate::transactions::java_hash;

const GROUPS: u32 = 8;
const OFFSETS_TOPIC: &str = "__consumer_offsets";
/// How long is waited before something is tried again.
const PAUSE: Duration = Duration::from_millis(10);
/// `offsets.topic.num.partitions`.
const OFFSETS_PARTITIONS: i32 = 50;

fn groups() -> impl Iterator<Item = String> {
    (0..GROUPS).map(|index| format!("group-{index}"))
}

/// The partition that has the group's offsets.
fn home(group: &str) -> i32 {
    (java_hash(group) & i32::MAX) % OFFSETS_PARTITIONS
}

async fn commit(client: &Client, group: &str, offset: i64) {
    let partition = TopicPartition {
        topic: TOPIC.to_owned(),
        partition: PartitionIndex(0),
    };
    let offsets = BTreeMap::from([(partition, Offset(offset))]);
    while client.commit_offsets(group, &offsets).await.is_err() {
        client.core().sleep(PAUSE).await;
    }
}

async fn committed(client: &Client, group: &str) -> Vec<i64> {
    let found = client.committed(group).await.expect("it is known");
    found.values().map(|committed| committed.offset.0).collect()
}

/// What FindCoordinator and the node's own coordinator answer about a group.
async fn answers(client: &Client, group: &str) -> (ErrorCode, ErrorCode) {
    let connection = client.any().await.expect("the node is there");
    let request = FindCoordinatorRequest {
        coordinator_keys: vec![group.into()],
        ..FindCoordinatorRequest::default()
    };
    let answer = connection.call(&request, CALM).await.unwrap();
    let response: FindCoordinatorResponse<'_> = answer.decode().unwrap();
    let found = response.coordinators[0].error_code;
    let request = OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: group.into(),
            member_epoch: -1,
            ..OffsetFetchRequestGroup::default()
        }],
        ..OffsetFetchRequest::default()
    };
    let answer = connection.call(&request, CALM).await.unwrap();
    let response: OffsetFetchResponse<'_> = answer.decode().unwrap();
    let asked = response.groups[0].error_code;
    (ErrorCode::from_code(found), ErrorCode::from_code(asked))
}

#[derive(Default)]
struct Told {
    failing: Cell<bool>,
    went_on: Cell<bool>,
    /// Groups of the failed directory that could commit once it was back.
    back: RefCell<Vec<String>>,
    lost: Cell<usize>,
    compared: Cell<bool>,
}

async fn work(core: Core, told: Rc<Told>) {
    let client = spread(&core).await;
    for group in groups() {
        commit(&client, &group, 1).await;
    }
    let dirs = client.log_dirs(NODE).await.unwrap();
    let (kept, lost): (Vec<_>, Vec<_>) = groups().partition(|group| {
        let here = |place: usize| dirs[place].topics[OFFSETS_TOPIC].contains_key(&home(group));
        assert_ne!(here(0), here(1), "each partition lies in one directory");
        here(0)
    });
    assert!(!kept.is_empty() && !lost.is_empty());
    told.lost.set(lost.len());
    told.failing.set(true);
    core.sleep(PAUSE).await;
    for group in lost.clone() {
        let (core, told) = (core.clone(), Rc::clone(&told));
        core.clone().spawn(async move {
            commit(&connect(&core).await, &group, 2).await;
            told.back.borrow_mut().push(group);
        });
    }
    let gone = (
        ErrorCode::CoordinatorNotAvailable,
        ErrorCode::NotCoordinator,
    );
    for group in &lost {
        while answers(&client, group).await != gone {
            core.sleep(PAUSE).await;
        }
    }
    for group in &kept {
        commit(&client, group, 2).await;
        assert_eq!(
            answers(&client, group).await,
            (ErrorCode::None, ErrorCode::None)
        );
        assert_eq!(committed(&client, group).await, [2]);
    }
    assert!(told.back.borrow().is_empty(), "nobody has their log");
    told.went_on.set(true);
    while told.back.borrow().len() < lost.len() {
        core.sleep(PAUSE).await;
    }
    let client = connect(&core).await;
    for group in groups() {
        assert_eq!(committed(&client, &group).await, [2]);
    }
    told.compared.set(true);
}

/// The story: the disk with some groups' offsets fails. These groups have no coordinator, the others
/// commit as before; with the disk back everybody does, from where they were.
#[test]
fn a_failed_directory_takes_only_its_own_groups() {
    let name = "a_failed_directory_takes_only_its_own_groups";
    each_seed(name, 2, |seed| {
        let mut scene = quiet_scene(seed);
        let told = Rc::new(Told::default());
        let noted = Rc::clone(&told);
        let clients = scene.world.add_node(NodeOptions::numbered(3));
        scene
            .world
            .start(clients, 1, move |core| work(core, Rc::clone(&noted)));
        assert!(scene.world.run_until(|| told.failing.get(), CALM));
        scene.world.fail_dir(scene.node, Path::new(DIRS[1]));
        assert!(scene.world.run_until(|| told.went_on.get(), CALM));
        scene.expect_no_mistake();
        scene.world.heal_dirs(scene.node);
        restart(&mut scene);
        assert!(scene.world.run_until(|| told.compared.get(), CALM));
        assert_eq!(told.back.borrow().len(), told.lost.get());
        scene.expect_no_mistake();
        scene.world.trace_hash()
    });
}
