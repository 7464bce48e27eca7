//! Power cuts below the file system: the disk under it forgets what was not flushed.
//!
//! Needs root, a loop device, mkfs.ext4 and `POWERCUT`, the path of the `forebay-powercut` binary
//! (`cargo build -p forebay-powercut`); without that variable it says so and passes. `CUTS` is the
//! number of rounds; the first one cuts a very first start.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use crate::kill::Load;
use crate::seed;
use crate::server::{self, Server};

const DISK_BYTES: u64 = 2 << 30;
const PATIENCE: Duration = Duration::from_secs(20);

/// An image, and while it is plugged in: the disk that serves it, a loop device, a mount.
struct Disk {
    folder: PathBuf,
    served: Option<(Child, String)>,
}

impl Disk {
    /// A new, formatted disk, not plugged in.
    fn format() -> Self {
        let name = format!("it-{}-power-cut", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
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

    fn cut_power(&self) {
        let mut power = OpenOptions::new()
            .write(true)
            .open(self.folder.join("fuse/power"))
            .unwrap();
        power.write_all(b"cut").unwrap();
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

/// The promise again, with the one fault that a kill cannot show: a flush that was forgotten.
#[test]
fn acknowledged_records_survive_power_cuts() {
    let Ok(binary) = std::env::var("POWERCUT") else {
        println!("power cuts: skipped, POWERCUT does not name the forebay-powercut binary");
        return;
    };
    let _turn = server::turn();
    let mut random = seed::random("power cuts");
    let rounds = seed::knob("CUTS", 5);
    let mut disk = Disk::format();
    disk.plug_in(&binary, random.next_u64());
    let settings = ["log.segment.bytes=16777216"];
    let Some(mut server) = Server::without_start("power-cut", &disk.mounted(), &settings) else {
        return;
    };

    // A first start that never came to its end leaves nothing that a second one trips over.
    for _ in 0..rounds {
        let pause = Duration::from_millis(random.below(150));
        server.begin();
        thread::sleep(pause);
        disk.cut_power();
        server.kill();
        disk.pull_out();
        disk.plug_in(&binary, random.next_u64());
        println!("first start cut after {pause:?}");
    }

    server.start();
    let mut load = Load::new(&mut server.connect());
    for round in 1..=rounds {
        let pause = Duration::from_millis(200 + random.below(800));
        load.run(&mut server, |server| {
            thread::sleep(pause);
            disk.cut_power();
            server.kill();
        });
        disk.pull_out();
        disk.plug_in(&binary, random.next_u64());
        server.start();
        load.check(&mut server.connect());
        println!(
            "power cut {round} after {pause:?}: {} records acknowledged",
            load.records()
        );
    }
    load.check_all(&mut server.connect());
    server.kill();
}
