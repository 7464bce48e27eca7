//! One `forebay serve` process with its own data directory: started, watched, ended.
//!
//! Invariants: the process ends with the value; the directory goes with it unless the test failed,
//! and then its place is printed, with the process's own log beside it.

use std::fs::{self, File, OpenOptions};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::Connection;

/// How long a start may take before the test gives up; it takes milliseconds unless the machine
/// is overloaded.
const START_PATIENCE: Duration = Duration::from_secs(30);
const POLL_EVERY: Duration = Duration::from_millis(5);

/// A running node, or the broker that `FOREBAY_IT_BOOTSTRAP` names.
pub(crate) struct Server {
    child: Option<Child>,
    folder: PathBuf,
    address: SocketAddr,
    settings: Vec<String>,
    environment: Vec<(String, String)>,
}

/// Tests that load the machine take turns, so that their figures mean something.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// Any broker that answers: for tests that only talk.
    pub(crate) fn any(name: &str) -> Self {
        match std::env::var("FOREBAY_IT_BOOTSTRAP") {
            Ok(text) => Self {
                child: None,
                folder: PathBuf::new(),
                address: text.to_socket_addrs().unwrap().next().unwrap(),
                settings: Vec::new(),
                environment: Vec::new(),
            },
            Err(_) => Self::own(name, &[]).unwrap(),
        }
    }

    /// A process of our own, for tests that kill, restart or look into it; nothing when the tests
    /// run against somebody else's broker.
    pub(crate) fn own(name: &str, settings: &[&str]) -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("it-{}-{number}-{name}", std::process::id()));
        let mut server = Self::without_start(name, &folder, settings)?;
        server.start();
        Some(server)
    }

    /// As [`Self::own`], in a folder of the caller's choice, and not yet started.
    pub(crate) fn without_start(name: &str, folder: &Path, settings: &[&str]) -> Option<Self> {
        if std::env::var_os("FOREBAY_IT_BOOTSTRAP").is_some() {
            println!("{name}: skipped, for it needs a process of its own");
            return None;
        }
        fs::create_dir_all(folder).unwrap();
        Some(Self {
            child: None,
            folder: folder.to_path_buf(),
            address: free_address(),
            settings: settings.iter().map(|text| (*text).to_owned()).collect(),
            environment: Vec::new(),
        })
    }

    /// Sets a variable of the process's environment, from its next start on.
    pub(crate) fn set_variable(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Sets one more key, over those before, from its next start on.
    pub(crate) fn add_setting(&mut self, setting: &str) {
        self.settings.push(setting.to_owned());
    }

    /// Starts the process on the directory as it is, and does not wait.
    pub(crate) fn begin(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        // A power cut may have taken the folder itself.
        fs::create_dir_all(&self.folder).unwrap();
        let started = self.command().spawn();
        self.child = Some(started.expect("the binary can be started"));
    }

    /// Starts the process on the directory as it is, and returns when it answers.
    pub(crate) fn start(&mut self) {
        self.begin();
        let begin = Instant::now();
        while Connection::try_open(self.address).is_err() {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none(),
                "it ended at once ({ended:?}):\n{}",
                self.log()
            );
            assert!(
                begin.elapsed() < START_PATIENCE,
                "no answer after {START_PATIENCE:?}:\n{}",
                self.log()
            );
            thread::sleep(POLL_EVERY);
        }
    }

    /// The command that starts it, with its output appended to the log beside the data.
    fn command(&self) -> Command {
        let log = self.log_file();
        let mut command = binary();
        command.arg("serve");
        for setting in self.own_settings().iter().chain(&self.settings) {
            command.arg("--set").arg(setting);
        }
        command
            .envs(self.environment.iter().cloned())
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        command
    }

    fn own_settings(&self) -> [String; 3] {
        [
            format!("log.dirs={}", self.data_folder().display()),
            format!("listeners=PLAINTEXT://{}", self.address),
            // Many of them run side by side.
            "forebay.admin.listeners=127.0.0.1:0".to_owned(),
        ]
    }

    /// Where its admin port is; it says so once all of it serves.
    pub(crate) fn admin(&self) -> SocketAddr {
        let begin = Instant::now();
        loop {
            let log = self.log();
            let (_, rest) = log.rsplit_once("  admin      http://").unwrap_or_default();
            if let Ok(address) = rest.lines().next().unwrap_or_default().parse() {
                return address;
            }
            assert!(begin.elapsed() < START_PATIENCE, "no admin port:\n{log}");
            thread::sleep(POLL_EVERY);
        }
    }

    /// Runs a command of the command line against it, which must end well; what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output = binary()
            .args(arguments)
            .args(["--brokers", &self.address.to_string()])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// Starts a second process on the same directory, with another port, and waits for its end.
    pub(crate) fn start_second(&self) -> (ExitStatus, String) {
        let output = binary()
            .arg("serve")
            .args([
                "--set",
                &format!("log.dirs={}", self.data_folder().display()),
            ])
            .args([
                "--set",
                &format!("listeners=PLAINTEXT://{}", free_address()),
            ])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status, String::from_utf8_lossy(&text).into_owned())
    }

    /// SIGKILL: what a crash of the process leaves behind.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks it to end, without waiting.
    pub(crate) fn ask_to_end(&self) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(asked.success());
    }

    /// Waits until it has ended; how it did and how long that took.
    pub(crate) fn wait(&mut self) -> (ExitStatus, Duration) {
        let begin = Instant::now();
        let mut child = self.child.take().expect("it runs");
        let status = child.wait().unwrap();
        (status, begin.elapsed())
    }

    /// The most memory that it ever had resident, in bytes, as the kernel counts it.
    pub(crate) fn peak_bytes(&self) -> u64 {
        let id = self.child.as_ref().expect("it runs").id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib << 10
    }

    /// True while the process has not ended by itself.
    pub(crate) fn is_running(&mut self) -> bool {
        let child = self.child.as_mut().expect("it was started");
        child.try_wait().unwrap().is_none()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the command line tool prints about this server; it must end with 0.
    pub(crate) fn tell(&self, arguments: &[&str]) -> String {
        let brokers = self.address.to_string();
        let mut command = binary();
        command.args(arguments).args(["--brokers", &brokers]);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Where the segments are.
    pub(crate) fn data_folder(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// What the process has printed so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log.txt")).unwrap_or_default()
    }

    fn log_file(&self) -> File {
        let path = self.folder.join("log.txt");
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if self.folder.as_os_str().is_empty() {
            return;
        }
        if thread::panicking() {
            println!("kept for a look: {}", self.folder.display());
        } else {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn binary() -> Command {
    let own = std::env::var_os("FOREBAY").unwrap_or_else(|| env!("CARGO_BIN_EXE_forebay").into());
    Command::new(own)
}

/// A port that was free a moment ago; another process may take it, which the start would report.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}
