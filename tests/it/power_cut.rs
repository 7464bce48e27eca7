//! Power cuts below the file system: the disk under it forgets what was not flushed.
//!
//! Needs root, a loop device, mkfs.ext4 and `POWERCUT`, the path of the `forebay-powercut` binary
//! (`cargo build -p forebay-powercut`); without that variable it says so and passes. `CUTS` is the
//! number of cuts under load, `FIRST_CUTS` that of cuts during a very first start.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use base::Random;

use crate::kill::Load;
use crate::records::Writer;
use crate::server::{self, Server};
use crate::{log, seed, topics};

const DISK_BYTES: u64 = 2 << 30;
/// A first start is cut somewhere within this time; an idle machine serves after a tenth of it.
const FIRST_START: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(20);

/// An image, and while it is plugged in: the disk that serves it, a loop device, a mount.
struct Disk {
    folder: PathBuf,
    served: Option<(Child, String)>,
}

impl Disk {
    /// Where the one rig of this process is built.
    fn folder() -> PathBuf {
        let name = format!("it-{}-power-cut", std::process::id());
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
    }

    /// A new, formatted disk, not plugged in.
    fn format() -> Self {
        let folder = Self::folder();
        for name in ["fuse", "mount"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let image = File::create(folder.join("image")).unwrap();
        image.set_len(DISK_BYTES).unwrap();
        let disk = Self {
            folder,
            served: None,
        };
        let options = "nodiscard,lazy_itable_init=0,lazy_journal_init=0";
        run(
            "mkfs.ext4",
            &["-q", "-F", "-E", options, &disk.path("image")],
        );
        disk
    }

    /// Serves the image and mounts it.
    fn plug_in(&mut self, binary: &str, seed: u64) {
        let mut child = Command::new(binary)
            .args([self.path("image"), self.path("fuse"), seed.to_string()])
            .spawn()
            .unwrap();
        let begin = Instant::now();
        while !self.folder.join("fuse/disk").exists() {
            assert!(
                child.try_wait().unwrap().is_none(),
                "the disk ended at once"
            );
            assert!(begin.elapsed() < PATIENCE, "the disk was never served");
            thread::sleep(Duration::from_millis(5));
        }
        let device = run("losetup", &["--find", "--show", &self.path("fuse/disk")]);
        self.served = Some((child, device.clone()));
        run("mount", &["-t", "ext4", &device, &self.path("mount")]);
    }

    /// Cuts the power; what that took.
    fn cut_power(&self) -> Taken {
        let power = self.folder.join("fuse/power");
        let mut switch = OpenOptions::new().write(true).open(&power).unwrap();
        switch.write_all(b"cut").unwrap();
        let report = fs::read_to_string(power).unwrap();
        let mut numbers = report.split_whitespace().map(|word| word.parse().unwrap());
        Taken {
            lost: numbers.next().unwrap(),
            unflushed: numbers.next().unwrap(),
        }
    }

    /// Takes it out and puts it in again, as the next start finds it.
    fn replug(&mut self, binary: &str, random: &mut Random) {
        self.pull_out();
        self.plug_in(binary, random.next_u64());
    }

    /// Takes it out after a cut, or before; what the image holds is what survived.
    fn pull_out(&mut self) {
        let Some((mut child, device)) = self.served.take() else {
            return;
        };
        // The file system cannot write any more, and says so; that is all that may go wrong here.
        for (program, arguments) in [
            ("umount", vec![self.path("mount")]),
            ("losetup", vec!["--detach".to_owned(), device]),
            ("umount", vec![self.path("fuse")]),
        ] {
            insist(program, &arguments);
        }
        child.wait().unwrap();
    }

    fn mounted(&self) -> PathBuf {
        self.folder.join("mount")
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.served.is_some() {
            self.cut_power();
        }
        self.pull_out();
        if thread::panicking() {
            println!("kept for a look: {}", self.folder.display());
        } else {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Runs a program of the system; what it printed.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs it until it succeeds: a mount is busy until the last process has let go of it.
fn insist(program: &str, arguments: &[String]) {
    let begin = Instant::now();
    loop {
        let output = Command::new(program).args(arguments).output().unwrap();
        if output.status.success() {
            return;
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            begin.elapsed() < PATIENCE,
            "{program} {arguments:?}: {said}"
        );
        thread::sleep(Duration::from_millis(50));
    }
}

/// What power cuts have taken so far; a rig that takes nothing proves nothing.
#[derive(Default)]
struct Taken {
    lost: u64,
    unflushed: u64,
}

impl Taken {
    fn add(&mut self, cut: &Self) {
        self.lost += cut.lost;
        self.unflushed += cut.unflushed;
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} of {} unflushed sectors lost",
            self.lost, self.unflushed
        )
    }
}

/// The rig, or nothing and a word why.
fn rig(what: &str) -> Option<String> {
    let binary = std::env::var("POWERCUT").ok();
    if binary.is_none() {
        println!("{what}: skipped, POWERCUT does not name the forebay-powercut binary");
    }
    binary
}

/// A very first start that never came to its end leaves nothing that a second one trips over, and
/// the second one keeps what it acknowledges.
#[test]
fn first_starts_survive_power_cuts() {
    let Some(binary) = rig("first starts") else {
        return;
    };
    let _turn = server::turn();
    let mut random = seed::random("first starts");
    let rounds = seed::knob("FIRST_CUTS", 6);
    let mut disk = Disk::format();
    disk.plug_in(&binary, random.next_u64());
    let mut taken = Taken::default();
    let mut files_gone = 0;
    for round in 0..rounds {
        // From before the process has begun until long after it serves, each moment alike.
        let latest_us = FIRST_START.as_micros() as u64;
        let pause = latest_us * round / rounds + random.below(latest_us / rounds);
        let pause = Duration::from_micros(pause);
        let folder = disk.mounted().join(format!("first-{round}"));
        let Some(mut server) = Server::without_start("first-start", &folder, &[]) else {
            return;
        };
        // The folder is the operator's and durable; what is in it is the node's.
        File::open(disk.mounted()).unwrap().sync_all().unwrap();
        server.begin();
        thread::sleep(pause);
        let before = sizes(&folder);
        let cut = disk.cut_power();
        server.kill();
        disk.replug(&binary, &mut random);
        let after = sizes(&folder);
        let gone = before
            .iter()
            .filter(|(path, len)| after.get(*path) != Some(*len));
        let gone = gone.count() as u64;
        files_gone += gone;
        server.start();
        let mut connection = server.connect();
        let topic = topics::create(&mut connection, "first", 1);
        let batch = Writer::new(0, 100).batch(8);
        let sent = topics::send_batch(&mut connection, (&topic, 0), -1, &batch.bytes).unwrap();
        let appended = topics::appended(&connection.receive(sent));
        assert_eq!((appended.error_code, appended.base_offset), (0, 0));
        let second = disk.cut_power();
        server.kill();
        disk.replug(&binary, &mut random);
        server.start();
        let found = log::read_all(&mut server.connect(), (&topic, 0), 0);
        assert_eq!(
            found.len(),
            8,
            "acknowledged after a cut first start, and lost"
        );
        server.kill();
        println!(
            "first start cut after {pause:?}: {gone} of {} files gone or shorter, {cut}; then {second}",
            before.len()
        );
        taken.add(&cut);
        taken.add(&second);
    }
    println!("first starts: {files_gone} files gone or shorter, {taken}");
    // The node's own log is never flushed, so a rig that takes anything takes that.
    assert!(files_gone > 0, "the rig took nothing");
}

/// The files in a folder and below, and how long they are.
fn sizes(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        // A node at work renames and removes meanwhile.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => drop(found.insert(entry.path(), metadata.len())),
                Err(_) => {}
            }
        }
    }
    found.retain(|path, _| path.extension().is_none_or(|extension| extension != "tmp"));
    found
}

/// Loads a node and cuts its power again and again; says what was taken.
fn cut_under_load(binary: &str, rounds: u64, random: &mut Random) -> Option<Taken> {
    let mut disk = Disk::format();
    disk.plug_in(binary, random.next_u64());
    let settings = ["log.segment.bytes=16777216"];
    let mut server = Server::without_start("power-cut", &disk.mounted(), &settings)?;
    server.start();
    let mut load = Load::new(&mut server.connect());
    load.allow_disk_failure();
    let mut taken = Taken::default();
    for round in 1..=rounds {
        let pause = Duration::from_millis(200 + random.below(800));
        let mut cut = Taken::default();
        load.run(&mut server, |server| {
            thread::sleep(pause);
            cut = disk.cut_power();
            server.kill();
        });
        disk.replug(binary, random);
        server.start();
        load.check(&mut server.connect());
        println!(
            "power cut {round} after {pause:?}: {cut}, {} records acknowledged",
            load.records()
        );
        taken.add(&cut);
    }
    load.check_all(&mut server.connect());
    server.kill();
    Some(taken)
}

/// The promise again, with the one fault that a kill cannot show: a flush that was forgotten.
#[test]
fn acknowledged_records_survive_power_cuts() {
    let Some(binary) = rig("power cuts") else {
        return;
    };
    let _turn = server::turn();
    let mut random = seed::random("power cuts");
    let rounds = seed::knob("CUTS", 5);
    let Some(taken) = cut_under_load(&binary, rounds, &mut random) else {
        return;
    };
    println!("power cuts: {taken}");
    assert!(taken.lost > 0, "the rig took nothing");
}

/// The story: hundreds of partitions are made by one request, whose directories share their
/// flushes, and the power fails meanwhile. A topic that is there has all of its partitions; they
/// take records and keep them.
#[test]
fn wide_topics_survive_power_cuts() {
    const PARTITIONS: i32 = 300;
    let Some(binary) = rig("wide topics") else {
        return;
    };
    let _turn = server::turn();
    let mut random = seed::random("wide topics");
    let rounds = seed::knob("WIDE_CUTS", 4);
    let mut disk = Disk::format();
    disk.plug_in(&binary, random.next_u64());
    let Some(mut server) = Server::without_start("wide-topics", &disk.mounted(), &[]) else {
        return;
    };
    server.start();
    let (mut taken, mut made, mut dirs_gone) = (Taken::default(), 0, 0);
    for round in 0..rounds {
        let name = format!("wide-{round}");
        let mut connection = server.connect();
        let sent = topics::begin_creation(&mut connection, &name, PARTITIONS);
        // The last round's cut comes after the answer: then the topic has been promised.
        let is_promised = round + 1 == rounds;
        if is_promised {
            drop(connection.receive(sent));
        } else {
            wait_for_dirs(&disk, &name);
            thread::sleep(Duration::from_micros(random.below(30_000)));
        }
        let before = dirs(&disk, &name);
        taken.add(&disk.cut_power());
        server.kill();
        disk.replug(&binary, &mut random);
        dirs_gone += before.saturating_sub(dirs(&disk, &name));
        server.start();
        let mut connection = server.connect();
        let found = topics::find(&mut connection, &name);
        assert!(
            found.is_some() || !is_promised,
            "{name} was promised and lost"
        );
        let Some((topic, led)) = found else {
            continue;
        };
        made += 1;
        assert_eq!(led, PARTITIONS, "partitions of {name} with a leader");
        let chosen: Vec<i32> = (0..PARTITIONS).step_by(23).collect();
        for partition in &chosen {
            let batch = Writer::new(0, 100).batch(3);
            let place = (&topic, *partition);
            let sent = topics::send_batch(&mut connection, place, -1, &batch.bytes).unwrap();
            let appended = topics::appended(&connection.receive(sent));
            assert_eq!((appended.error_code, appended.base_offset), (0, 0));
        }
        taken.add(&disk.cut_power());
        server.kill();
        disk.replug(&binary, &mut random);
        server.start();
        for partition in &chosen {
            let found = log::read_all(&mut server.connect(), (&topic, *partition), 0);
            assert_eq!(
                found.len(),
                3,
                "acknowledged in {name}-{partition}, and lost"
            );
        }
    }
    server.kill();
    println!("wide topics: {made} of {rounds} were there, {dirs_gone} directories gone, {taken}");
    assert!(dirs_gone > 0, "the rig took nothing");
}

/// How many partitions' directories of a topic there are, whole or half made.
fn dirs(disk: &Disk, topic: &str) -> usize {
    let prefix = format!("{topic}-");
    let entries = fs::read_dir(disk.mounted().join("data")).unwrap().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(&prefix)).count()
}

/// Waits until the first of a topic's directories is being made.
fn wait_for_dirs(disk: &Disk, topic: &str) {
    let begin = Instant::now();
    while dirs(disk, topic) == 0 {
        assert!(begin.elapsed() < PATIENCE, "{topic} is never made");
        thread::sleep(Duration::from_millis(1));
    }
}

/// The rig's own proof: a node that acknowledges before it has flushed does not get through.
/// `PLANTED_BUG=ack-before-flush` makes it such a node where it was built with
/// `--features planted`; `FOREBAY` names that binary.
#[test]
fn power_cuts_find_a_node_that_acknowledges_too_early() {
    let Some(binary) = rig("planted") else {
        return;
    };
    if std::env::var_os("PLANTED_BUG").is_none() {
        println!("planted: skipped, PLANTED_BUG names no bug for the node to run with");
        return;
    }
    let _turn = server::turn();
    let mut random = seed::random("planted");
    let rounds = seed::knob("CUTS", 5);
    let run = || cut_under_load(&binary, rounds, &mut random);
    let Err(panic) = catch_unwind(AssertUnwindSafe(run)) else {
        panic!("nothing was noticed in {rounds} cuts");
    };
    let words = panic.downcast_ref::<String>().map_or("", String::as_str);
    let is_loss = words.contains("acknowledged and lost") || words.contains("given one offset");
    if !is_loss {
        resume_unwind(panic);
    }
    // What a failed test keeps is of no use where it should fail.
    fs::remove_dir_all(Disk::folder()).unwrap();
}
