//! Exactly once, as clients see it: producers, workers that consume, transform and produce, and
//! readers go on while the node is killed under them and while they die themselves; all that they
//! were told is taken down, and the history is judged.
//!
//! `TRANSACTIONS` is how many each producer makes, `NODE_KILLS` how often the node is killed on the
//! way, `HISTORY` a file that keeps the history; one with a fault is kept in any case, and
//! `cargo run -p forebay-history -- FILE` judges it again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use base::{Offset, PartitionIndex, Random, TopicPartition};
use history::{
    Action, History, Isolation, Outcome, Polled, Process, Reached, Recorder, Transaction, Value,
};

use crate::groups;
use crate::seed;
use crate::server::Server;
use crate::topics::{self, Topic};
use crate::txn_client::{Refused, TxnClient};

const PARTITIONS: i32 = 2;
const PRODUCERS: u64 = 3;
/// However busy the machine is, nobody waits so long.
const PATIENCE: Duration = Duration::from_secs(600);
const POLL_EVERY: Duration = Duration::from_millis(2);

/// What all processes share.
struct Run {
    address: SocketAddr,
    recorder: Mutex<Recorder>,
    input: Topic,
    output: Topic,
    group: String,
    /// How many transactions the producers have behind them.
    done: AtomicU64,
    producers_ended: AtomicBool,
    workers_ended: AtomicBool,
    /// Somebody panicked, so what others wait for may never come.
    is_failed: AtomicBool,
}

/// Tells the others when its thread panics.
struct Alarm<'run>(&'run Run);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.is_failed.store(true, Ordering::Relaxed);
        }
    }
}

impl Run {
    /// A step of waiting for others.
    fn wait(&self, begin: Instant, what: &str) {
        let is_failed = self.is_failed.load(Ordering::Relaxed);
        assert!(!is_failed, "{what} waits for one that failed");
        assert!(begin.elapsed() < PATIENCE, "{what} never ends");
        thread::sleep(POLL_EVERY);
    }

    fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key((topic, partition): (&Topic, i32)) -> TopicPartition {
    TopicPartition {
        topic: topic.name.clone(),
        partition: PartitionIndex(partition),
    }
}

fn outcome<T>(result: &Result<T, Refused>) -> Outcome {
    match result {
        Ok(_) => Outcome::Ok,
        Err(refused) => {
            let known = if refused.is_definite { "" } else { "perhaps " };
            println!("{known}refused with {:?}", refused.code);
            if refused.is_definite {
                Outcome::Failed
            } else {
                Outcome::Indefinite
            }
        }
    }
}

/// A process with a transactional id, life after life.
struct Life<'run> {
    run: &'run Run,
    name: String,
    client: TxnClient,
    process: Process,
}

impl<'run> Life<'run> {
    fn new(run: &'run Run, name: &str) -> Self {
        let mut client = TxnClient::new(run.address, name);
        client.begin_life();
        Self {
            run,
            name: name.to_owned(),
            client,
            process: run.recorder().new_process(),
        }
    }

    /// Ends this life without a word; what was left of it.
    fn renew(&mut self) -> Self {
        let next = Self::new(self.run, &self.name);
        std::mem::replace(self, next)
    }

    fn send(&mut self, of: Transaction, place: (&Topic, i32), count: u64) -> bool {
        let mut recorder = self.run.recorder();
        let values: Vec<Value> = (0..count).map(|_| recorder.new_value()).collect();
        let action = Action::Send {
            key: key(place),
            values: values.clone(),
            base_offset: None,
        };
        let ticket = recorder.invoke(self.process, Some(of), action);
        drop(recorder);
        let values: Vec<u64> = values.into_iter().map(|value| value.0).collect();
        let sent = self.client.send(place, &values);
        let mut recorder = self.run.recorder();
        match &sent {
            Ok(told) => recorder.answer_send(ticket, told.map(Offset)),
            Err(_) => recorder.answer(ticket, outcome(&sent)),
        }
        sent.is_ok()
    }

    fn end(&mut self, of: Transaction, commit: bool) -> bool {
        let action = Action::End { commit };
        let ticket = self.run.recorder().invoke(self.process, Some(of), action);
        let ended = self.client.end(commit);
        self.run.recorder().answer(ticket, outcome(&ended));
        ended.is_ok()
    }

    /// Asks for the end and dies before the answer.
    fn end_and_die(&mut self, of: Transaction) {
        let action = Action::End { commit: true };
        // It never returns, so it is never answered.
        let _never = self.run.recorder().invoke(self.process, Some(of), action);
        let dead = self.client_of_the_dead();
        dead.end_and_die(true);
        *self = Self::new(self.run, &self.name);
    }

    fn client_of_the_dead(&mut self) -> TxnClient {
        let nobody = TxnClient::new(self.run.address, &self.name);
        std::mem::replace(&mut self.client, nobody)
    }

    fn commit_offset(&mut self, of: Transaction, place: (&Topic, i32), offset: i64) -> bool {
        let action = Action::CommitOffsets {
            group: self.run.group.clone(),
            offsets: vec![(key(place), Offset(offset))],
        };
        let ticket = self.run.recorder().invoke(self.process, Some(of), action);
        let committed = self.client.commit_offset(&self.run.group, place, offset);
        self.run.recorder().answer(ticket, outcome(&committed));
        committed.is_ok()
    }

    /// Goes to where the group is, or to the begin.
    fn resume(&mut self, place: (&Topic, i32)) -> i64 {
        let action = Action::Resume {
            group: self.run.group.clone(),
            key: key(place),
            offset: None,
        };
        let ticket = self.run.recorder().invoke(self.process, None, action);
        let told = self.client.group_offset(&self.run.group, place).unwrap();
        self.run.recorder().answer_resume(ticket, told.map(Offset));
        if told.is_none() {
            seek(self.run, self.process, place, 0);
        }
        told.unwrap_or(0)
    }
}

fn seek(run: &Run, process: Process, place: (&Topic, i32), offset: i64) {
    let action = Action::Seek {
        key: key(place),
        offset: Offset(offset),
    };
    run.recorder().note(process, action);
}

/// What one poll of one partition saw.
struct Seen {
    count: u64,
    next: i64,
    is_end: bool,
}

fn poll(
    run: &Run,
    client: &mut TxnClient,
    (process, of): (Process, Option<Transaction>),
    (place, offset): ((&Topic, i32), i64),
    isolation: Isolation,
) -> Seen {
    let action = Action::Poll {
        isolation,
        records: Vec::new(),
        reached: Vec::new(),
    };
    let ticket = run.recorder().invoke(process, of, action);
    let fetched = client.fetch(place, offset, isolation == Isolation::ReadCommitted);
    let records = fetched.records.iter().map(|(offset, value)| Polled {
        key: key(place),
        offset: Offset(*offset),
        value: Value(*value),
    });
    let is_end = fetched.next == fetched.high_watermark;
    let reached = Reached {
        key: key(place),
        next: Offset(fetched.next),
        is_end,
    };
    run.recorder()
        .answer_poll(ticket, records.collect(), vec![reached]);
    Seen {
        count: fetched.records.len() as u64,
        next: fetched.next,
        is_end,
    }
}

/// Makes transactions; some it aborts, in some it dies, and some it ends only after its successor
/// has begun another one.
fn produce(run: &Run, index: u64, count: u64, mut random: Random) {
    let _alarm = Alarm(run);
    let mut life = Life::new(run, &format!("producer-{index}-{}", run.group));
    let mut zombie: Option<(Life<'_>, Transaction)> = None;
    for _ in 0..count {
        let of = run.recorder().new_transaction();
        let mut is_sound = true;
        for _ in 0..=random.below(3) {
            let partition = i32::try_from(random.below(2)).unwrap();
            let records = 1 + random.below(3);
            is_sound = is_sound && life.send(of, (&run.input, partition), records);
        }
        // An end that comes late must not end the transaction of another life.
        if let Some((mut dead, of)) = zombie.take() {
            assert!(!dead.end(of, true), "a life that was over has committed");
        }
        match random.below(12) {
            _ if !is_sound => drop(life.renew()),
            0 => drop(life.renew()),
            1 => life.end_and_die(of),
            2 => zombie = Some((life.renew(), of)),
            choice => {
                if !life.end(of, choice > 4) {
                    drop(life.renew());
                }
            }
        }
        run.done.fetch_add(1, Ordering::Relaxed);
    }
    // What the last one may have left open nobody else would end.
    drop(life.renew());
}

/// How a worker goes on behind a transaction.
enum Next {
    On,
    /// From where the group is.
    Back,
    /// The same in another life.
    Renew,
}

/// Consumes one partition, and produces as many records as it consumes, in one transaction each.
fn work(run: &Run, partition: i32, mut random: Random) {
    let _alarm = Alarm(run);
    let mut life = Life::new(run, &format!("worker-{partition}-{}", run.group));
    let (input, output) = ((&run.input, partition), (&run.output, partition));
    let mut place = life.resume(input);
    let mut of = run.recorder().new_transaction();
    let begin = Instant::now();
    loop {
        let is_last = run.producers_ended.load(Ordering::Relaxed);
        let who = (life.process, Some(of));
        let isolation = Isolation::ReadCommitted;
        let seen = poll(run, &mut life.client, who, (input, place), isolation);
        place = seen.next;
        if seen.count == 0 {
            if is_last && seen.is_end {
                break;
            }
            run.wait(begin, "a worker");
            continue;
        }
        let is_sound = life.send(of, output, seen.count) && life.commit_offset(of, input, place);
        let next = match random.below(12) {
            _ if !is_sound => Next::Renew,
            0 => Next::Renew,
            1 => {
                life.end_and_die(of);
                Next::Back
            }
            2 if life.end(of, false) => Next::Back,
            3.. if life.end(of, true) => Next::On,
            _ => Next::Renew,
        };
        if let Next::Renew = next {
            drop(life.renew());
        }
        if !matches!(next, Next::On) {
            // Everything since the last commit is to be done again.
            place = life.resume(input);
        }
        of = run.recorder().new_transaction();
    }
    drop(life.renew());
}

/// Reads everything until the workers have ended, and then up to the end of each log.
fn read(run: &Run, isolation: Isolation) {
    let _alarm = Alarm(run);
    let process = run.recorder().new_process();
    let mut client = TxnClient::new(run.address, "");
    let mut places: Vec<((&Topic, i32), i64)> = [&run.input, &run.output]
        .into_iter()
        .flat_map(|topic| (0..PARTITIONS).map(move |partition| ((topic, partition), 0)))
        .collect();
    let keys = places.iter().map(|(place, _)| key(*place)).collect();
    run.recorder().note(process, Action::Assign { keys });
    for (place, _) in &places {
        seek(run, process, *place, 0);
    }
    let begin = Instant::now();
    loop {
        let is_last = run.workers_ended.load(Ordering::Relaxed);
        let mut are_ends = true;
        let mut count = 0;
        for (place, next) in &mut places {
            let from = (*place, *next);
            let seen = poll(run, &mut client, (process, None), from, isolation);
            *next = seen.next;
            are_ends &= seen.is_end;
            count += seen.count;
        }
        if is_last && are_ends && count == 0 {
            return;
        }
        run.wait(begin, "a reader");
    }
}

/// Kills the node each time that a share of the transactions is done.
fn kill(run: &Run, server: &mut Server, kills: u64, count: u64) {
    for kill in 1..=kills {
        let due = PRODUCERS * count * kill / (kills + 1);
        let begin = Instant::now();
        while run.done.load(Ordering::Relaxed) < due {
            run.wait(begin, "who kills");
        }
        server.kill();
        server.start();
    }
}

/// Keeps a history as text.
fn keep(history: &History, path: &Path) {
    let lines = history.operations().iter().map(history::line_of);
    let lines: Vec<String> = lines.collect();
    std::fs::write(path, lines.join("\n") + "\n").unwrap();
    println!("the history is in {}", path.display());
}

fn judge(history: &History) {
    if let Some(path) = std::env::var_os("HISTORY") {
        keep(history, &PathBuf::from(path));
    }
    let verdict = history::check(history);
    println!("{verdict}");
    if !verdict.anomalies.is_empty() {
        let name = format!("exactly-once-{}.jsonl", std::process::id());
        keep(
            history,
            &PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name),
        );
    }
    assert!(verdict.anomalies.is_empty(), "see above");
    let counts = verdict.counts;
    let some = [
        counts.committed,
        counts.aborted,
        counts.undecided,
        counts.seen_committed,
        counts.seen - counts.seen_committed,
        counts.ends,
    ];
    assert!(
        some.iter().all(|count| *count > 0),
        "of some there is nothing: {some:?}"
    );
}

/// The story: payments go through a chain of applications, each of which may die at any point, as
/// may the node. Each payment has its effect once or not at all, and whole.
#[test]
fn each_transaction_has_its_effect_once() {
    let mut random = seed::random("exactly-once");
    let count = seed::knob("TRANSACTIONS", 25);
    let is_own = std::env::var_os("FOREBAY_IT_BOOTSTRAP").is_none();
    let kills = if is_own {
        seed::knob("NODE_KILLS", 2)
    } else {
        0
    };
    let mut server = Server::any("exactly-once");
    let mut connection = server.connect();
    let group = groups::group("exactly-once");
    groups::find_coordinator(&mut connection, &group);
    let run = Run {
        address: server.address(),
        recorder: Mutex::default(),
        input: topics::create(&mut connection, "exactly-in", PARTITIONS),
        output: topics::create(&mut connection, "exactly-out", PARTITIONS),
        group,
        done: AtomicU64::new(0),
        producers_ended: AtomicBool::new(false),
        workers_ended: AtomicBool::new(false),
        is_failed: AtomicBool::new(false),
    };
    let mut fork = || Random::new(random.next_u64());
    thread::scope(|scope| {
        let run = &run;
        for isolation in [Isolation::ReadCommitted, Isolation::ReadUncommitted] {
            scope.spawn(move || read(run, isolation));
        }
        let workers = (0..PARTITIONS).map(|partition| {
            let random = fork();
            scope.spawn(move || work(run, partition, random))
        });
        let workers: Vec<_> = workers.collect();
        let producers = (0..PRODUCERS).map(|index| {
            let random = fork();
            scope.spawn(move || produce(run, index, count, random))
        });
        let producers: Vec<_> = producers.collect();
        kill(run, &mut server, kills, count);
        let ended = producers.into_iter().map(thread::ScopedJoinHandle::join);
        let is_failed = ended.fold(false, |failed, end| failed | end.is_err());
        run.producers_ended.store(true, Ordering::Relaxed);
        let ended = workers.into_iter().map(thread::ScopedJoinHandle::join);
        let is_failed = ended.fold(is_failed, |failed, end| failed | end.is_err());
        run.workers_ended.store(true, Ordering::Relaxed);
        assert!(!is_failed, "a process failed, see above");
    });
    // Somebody who begins only now finds the same.
    for isolation in [Isolation::ReadCommitted, Isolation::ReadUncommitted] {
        read(&run, isolation);
    }
    let recorder = run.recorder.into_inner().unwrap();
    judge(&recorder.finish().unwrap());
}
