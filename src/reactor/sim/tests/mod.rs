//! What the twin promises to the tests that stand on it.

mod disk;
mod network;
mod process;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use base::BLOCK_SIZE;

use crate::sim::{Node, NodeOptions, World};
use crate::{Core, File, IoError, OpenMode};

/// Longer than anything here takes without a mistake.
const LIMIT: Duration = Duration::from_secs(600);

/// A world with one machine.
fn one_machine(seed: u64) -> (World, Node) {
    let mut world = World::new(seed);
    let node = world.add_node(NodeOptions::numbered(1));
    (world, node)
}

/// Writes whole blocks of `fill`.
async fn write(
    core: &Core,
    file: &File,
    block: u64,
    count: usize,
    fill: u8,
) -> Result<(), IoError> {
    let mut buffer = core.chunks().take(count * BLOCK_SIZE).await;
    buffer.append_with(count * BLOCK_SIZE, |target| target.fill(fill));
    let blocks = buffer.blocks(0..count * BLOCK_SIZE);
    file.write_blocks(blocks, block * BLOCK_SIZE as u64).await
}

/// A new file in a durable root directory, with `count` durable blocks of `fill`.
async fn durable_file(core: &Core, path: &str, count: usize, fill: u8) -> Result<File, IoError> {
    let file = core.open(Path::new(path), OpenMode::CreateNew).await?;
    file.allocate((count * BLOCK_SIZE) as u64).await?;
    write(core, &file, 0, count, fill).await?;
    file.flush().await?;
    core.sync_dir(Path::new("/")).await?;
    Ok(file)
}

/// Collects what tasks want to tell the test.
#[derive(Clone, Default)]
struct Notes {
    lines: Rc<RefCell<Vec<String>>>,
}

impl Notes {
    fn add(&self, line: impl Into<String>) {
        self.lines.borrow_mut().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.borrow_mut())
    }
}
