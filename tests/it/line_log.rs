//! The engine as a library: the example in `tools/examples` as a process of its own, killed in the
//! middle of its work, has everything that it acknowledged when it comes back.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const WRITERS: u32 = 4;

/// Builds the example, which cargo does by itself only when all targets are tested.
fn example() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_forebay")).parent().unwrap();
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--example", "line_log"]);
    if folder.ends_with("release") {
        build.arg("--release");
    }
    let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).status();
    assert!(built.unwrap().success());
    folder.join("examples").join("line_log")
}

/// The example, running on a directory.
struct Toy {
    child: Child,
    address: SocketAddr,
}

impl Toy {
    fn start(binary: &Path, folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let child = Command::new(binary)
            .arg(folder)
            .arg(address.to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut toy = Self { child, address };
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(toy.child.try_wait().unwrap().is_none(), "it ended at once");
            assert!(begin.elapsed() < PATIENCE, "it does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        toy
    }

    fn talk(&self) -> Talk {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        Talk { stream, reader }
    }
}

impl Drop for Toy {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

struct Talk {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Talk {
    fn say(&mut self, line: &str) -> Option<()> {
        self.stream.write_all(format!("{line}\n").as_bytes()).ok()
    }

    /// The next line of the answer; nothing when the process is gone.
    fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line).ok()?;
        line.strip_suffix('\n').map(str::to_owned)
    }

    fn ask(&mut self, line: &str) -> Option<String> {
        self.say(line)?;
        self.hear()
    }
}

/// Adds lines until the process is gone; what was acknowledged.
fn write(mut talk: Talk, name: &str, ready: &mpsc::Sender<()>) -> BTreeMap<i64, String> {
    let mut acknowledged = BTreeMap::new();
    for number in 0.. {
        let line = format!("{name} {number}");
        let Some(offset) = talk.ask(&format!("ADD {line}")) else {
            break;
        };
        acknowledged.insert(offset.parse().unwrap(), line);
        if number == 20 {
            ready.send(()).unwrap();
        }
    }
    acknowledged
}

/// The story: a program of one page keeps lines for its clients. It is killed with -9 while they
/// write, again and again; each line that was acknowledged is there, at its offset, and who
/// follows from the beginning sees them all in order, and the next one as it comes.
#[test]
fn what_the_example_acknowledged_outlives_kill_9() {
    let binary = example();
    let name = format!("it-{}-line-log", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut known: BTreeMap<i64, String> = BTreeMap::new();
    for round in 0..3 {
        let mut toy = Toy::start(&binary, &folder);
        let (ready, is_ready) = mpsc::channel();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (talk, ready) = (toy.talk(), ready.clone());
                let name = format!("round {round} writer {writer}");
                thread::spawn(move || write(talk, &name, &ready))
            })
            .collect();
        for _ in 0..WRITERS {
            is_ready.recv_timeout(PATIENCE).unwrap();
        }
        toy.child.kill().unwrap();
        for writer in writers {
            for (offset, line) in writer.join().unwrap() {
                let before = known.insert(offset, line);
                assert!(before.is_none(), "{offset} was given twice");
            }
        }
    }
    let toy = Toy::start(&binary, &folder);
    let mut talk = toy.talk();
    for (offset, line) in &known {
        assert_eq!(talk.ask(&format!("GET {offset}")).as_ref(), Some(line));
    }
    let last = talk.ask("ADD the last one").unwrap().parse().unwrap();
    assert!(known.keys().all(|offset| *offset < last));
    known.insert(last, "the last one".to_owned());
    let mut follower = toy.talk();
    follower.say("TAIL 0").unwrap();
    for offset in 0..=last {
        let line = follower.hear().unwrap();
        // What was not acknowledged may be there or not, but then at its own place.
        assert_eq!(&line, known.get(&offset).unwrap_or(&line), "{offset}");
    }
    let next = talk.ask("ADD one more").unwrap();
    assert_eq!(next, (last + 1).to_string());
    assert_eq!(follower.hear().unwrap(), "one more");
    drop(toy);
    fs::remove_dir_all(&folder).unwrap();
}
