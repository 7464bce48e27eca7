//! What waits for a partition's opening.

use std::cell::RefCell;
use std::rc::Rc;

use base::{PartitionIndex, Uuid};

use super::{Hosted, Hosting, Unavailable, WAITING_BYTES_MAX};
use crate::ownership::PartitionId;

fn id(index: i32) -> PartitionId {
    PartitionId {
        topic: Uuid(1),
        index: PartitionIndex(index),
    }
}

/// Who was called, in order, and why its partition does not serve.
type Called = Rc<RefCell<Vec<(usize, Option<Unavailable>)>>>;

fn wait(hosted: &Hosted, index: i32, bytes: usize, (name, called): (usize, &Called)) {
    let called = Rc::clone(called);
    let opened = move |found: Result<_, _>| called.borrow_mut().push((name, found.err()));
    hosted.wait(id(index), bytes, Box::new(opened));
}

#[test]
fn who_waits_is_called_in_order_and_once() {
    let (hosted, called) = (Hosted::default(), Called::default());
    hosted.set(id(0), Hosting::Opening);
    hosted.set(id(1), Hosting::Opening);
    for (name, index) in [(0, 0), (1, 1), (2, 0), (3, 0)] {
        wait(&hosted, index, 10, (name, &called));
    }
    assert_eq!(*called.borrow(), []);
    hosted.set(id(0), Hosting::Offline);
    let offline = Some(Unavailable::Offline);
    assert_eq!(
        called.take(),
        [(0, offline), (2, offline), (3, offline)],
        "another partition's opening is not theirs"
    );
    hosted.remove(id(1));
    assert_eq!(called.take(), [(1, Some(Unavailable::Unknown))]);
    hosted.set(id(0), Hosting::Opening);
    hosted.set(id(0), Hosting::Offline);
    assert_eq!(called.take(), []);
}

#[test]
fn only_so_much_waits() {
    let (hosted, called) = (Hosted::default(), Called::default());
    hosted.set(id(0), Hosting::Opening);
    hosted.set(id(1), Hosting::Opening);
    wait(&hosted, 0, WAITING_BYTES_MAX - 1, (0, &called));
    assert!(!hosted.has_room(2));
    wait(&hosted, 1, 1, (1, &called));
    hosted.set(id(0), Hosting::Offline);
    assert!(hosted.has_room(WAITING_BYTES_MAX - 1));
    assert!(!hosted.has_room(WAITING_BYTES_MAX));
}
