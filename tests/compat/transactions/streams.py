#!/usr/bin/env python3
"""Two Kafka Streams applications with exactly_once_v2, killed together with the broker: exact totals.

A word count (repartition, store) with two instances and a windowed join (repartition, two window stores) work
on what an idempotent producer writes meanwhile; broker, instances are killed with SIGKILL at random points of
the way. At the end each word has been counted through every number once, each pair was joined once, the stores
answer with the same totals, the topics that Streams made are those of `topics.txt`, and the reset tool
takes an application back to its beginning, from where it finds the same again.

Lines about results go to standard error; the last line of standard output is `passed failed skipped`.
"""

import argparse
import collections
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from peers import Broker, Failure, Program, Tools, random_of, random_points, say

HERE = os.path.dirname(os.path.abspath(__file__))
PARTITIONS = 4
SILENCE_SECONDS = 300
PROGRAMS = ["Application.java", "Feed.java"]


class Programs:
    """Ours on Streams' jars: fetched and compiled once into the cache."""

    def __init__(self, folder):
        self.folder = folder

    def prepare(self, log):
        source = os.path.join(HERE, "streams")
        digest = hashlib.sha256()
        for name in ["pom.xml", *PROGRAMS]:
            with open(os.path.join(source, name), "rb") as file:
                digest.update(file.read())
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        base = os.environ.get("FOREBAY_COMPAT_CACHE") or os.path.join(base, "forebay-compat")
        self.folder = os.path.join(base, f"streams-{digest.hexdigest()[:12]}")
        if os.path.exists(os.path.join(self.folder, ".ready")):
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(source, self.folder)
        fetch = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs"]
        for command in (fetch, ["javac", "-cp", "libs/*", "-d", "classes", *PROGRAMS]):
            with open(log, "ab") as trace:
                done = subprocess.run(
                    command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=trace, stderr=trace, check=False
                )
            if done.returncode != 0:
                raise Failure(f"'{' '.join(command)}' ended with {done.returncode}: see {log}")
        with open(os.path.join(self.folder, ".ready"), "w", encoding="ascii"):
            pass

    def command(self, name, *arguments):
        path = os.path.join(self.folder, "classes") + ":" + os.path.join(self.folder, "libs/*")
        return ["java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", path, name, *map(str, arguments)]


class Instance:
    """One instance of an application and its incarnations; its state survives them."""

    def __init__(self, run, kind, number):
        self.run = run
        self.kind = kind
        self.number = number
        self.incarnations = 0
        self.program = None
        self.state = ""
        self.replaced_threads = 0
        self.answers = []

    def start(self):
        self.incarnations += 1
        self.state = "STARTING"
        name = f"{self.kind}-{self.number}"
        state = os.path.join(self.run.options.folder, f"state-{name}")
        port = 7000 + self.number
        command = self.run.programs.command(
            "Application", self.kind, self.run.application(self.kind), self.run.options.bootstrap, state, port, 2
        )
        self.program = Program(f"{name}-{self.incarnations}", command, self.run.options.folder)

    def hear(self):
        """Takes in what it said; it must not end by itself."""
        events = self.program.events()
        if events is None:
            status = self.program.process.wait()
            raise Failure(f"{self.program.name} ended with {status}: {self.program.last_words()}")
        for event in events:
            if event["event"] == "state":
                self.state = event["state"]
            elif event["event"] == "thread":
                self.replaced_threads += 1
            else:
                self.answers.append(event)

    def ask(self, line, patience=120):
        """The answer to a query; it is asked again while the store moves."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            self.answers.clear()
            self.program.tell(line)
            while not self.answers and time.monotonic() < deadline:
                self.hear()
                time.sleep(0.01)
            if self.answers and self.answers[0]["event"] != "unavailable":
                return self.answers[0]
            time.sleep(0.5)
        raise Failure(f"{self.program.name} does not answer '{line}': {self.answers}")

    def stop(self):
        """Ends it as an operator does; it must end well."""
        self.program.process.stdin.close()
        try:
            status = self.program.process.wait(90)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.program.name} does not end") from None
        if status != 0:
            raise Failure(f"{self.program.name} ended with {status}: {self.program.last_words()}")


class Expected:
    """What follows from the number of records, by the rules of Feed.java."""

    def __init__(self, records):
        self.counts = collections.Counter()
        for number in range(records):
            self.counts[f"a{number % 1009}"] += 1
            self.counts[f"b{number * 7 % 211}"] += 1
        pairs = (records + 1) // 2
        self.stored = 2 * pairs
        self.joined = set()
        for left in range(pairs):
            for right in range(left % 300 + (left // 300 - 12) * 300, left + 1201, 300):
                if 0 <= right < pairs:
                    later = right * 10 + (20000 if right % 3 == 0 else 500)
                    if abs(later - left * 10) <= 5000:
                        self.joined.add(f"k{left % 300} {left}-{right}")


class Run:
    """One way from the first record to the last total."""

    def __init__(self, options, broker, tools, programs):
        self.options = options
        self.broker = broker
        self.tools = tools
        self.programs = programs
        self.dice = random_of(options.seed)
        self.expected = Expected(options.records)
        self.instances = [Instance(self, "count", 1), Instance(self, "count", 2), Instance(self, "join", 3)]
        self.writer = None
        self.reader = None
        self.seen = {"counts": 0, "joined": 0}
        self.written = 0
        self.broker_kills = 0
        self.instance_kills = 0

    @staticmethod
    def application(kind):
        return f"app-{kind}"

    def prepare(self):
        for topic in ("lines", "left", "right", "counts", "joined"):
            self.tools.create(topic, PARTITIONS)
        options = self.options
        # The join's window stores keep a day and more of the records' own time.
        base = int(time.time() * 1000) - options.records * 5
        arguments = ("write", options.bootstrap, options.records, options.per_second, base)
        self.writer = Program("writer", self.programs.command("Feed", *arguments), options.folder)
        self.reader = self.start_reader("amid", "follow", "counts", "joined")
        for instance in self.instances:
            instance.start()

    def start_reader(self, name, how_long, *topics):
        file = os.path.join(self.options.folder, f"{name}.read")
        command = self.programs.command("Feed", "read", self.options.bootstrap, file, how_long, *topics)
        return Program(f"reader-{name}", command, self.options.folder)

    def way(self):
        """The part of all output that a reader of committed records has seen."""
        due = sum(self.expected.counts.values()) + len(self.expected.joined)
        return (self.seen["counts"] + self.seen["joined"]) / due

    def listen(self):
        """Takes in what everybody said; says whether the reader saw something new."""
        before = dict(self.seen)
        for instance in self.instances:
            instance.hear()
        for program in (self.writer, self.reader):
            events = program.events()
            if events is None:
                if program is self.writer and program.process.wait() == 0:
                    continue
                raise Failure(f"{program.name} ended: {program.last_words()}")
            for event in events:
                if event["event"] == "seen":
                    self.seen = {topic: event[topic] for topic in self.seen}
                else:
                    self.written = event["records"]
        return self.seen != before

    def work(self):
        instance_points = random_points(self.dice, self.options.instance_kills)
        broker_points = random_points(self.dice, self.options.broker_kills)
        heard = time.monotonic()
        due = {"counts": sum(self.expected.counts.values()), "joined": len(self.expected.joined)}
        while any(self.seen[topic] < due[topic] for topic in due):
            time.sleep(0.05)
            if self.listen():
                heard = time.monotonic()
            if time.monotonic() - heard > SILENCE_SECONDS:
                raise Failure(f"nothing new within {SILENCE_SECONDS} s: {self.written} written, {self.seen} of {due}")
            if broker_points and self.way() >= broker_points[0]:
                broker_points.pop(0)
                time.sleep(self.dice.random() * 0.3)
                self.broker.restart(lambda: time.sleep(self.dice.random() * 2))
                self.broker_kills += 1
            if instance_points and self.way() >= instance_points[0]:
                instance_points.pop(0)
                self.kill_instance()
        if instance_points or broker_points:
            raise Failure("the applications were done before all kills were made")

    def kill_instance(self):
        """One of them, whoever it is."""
        instance = self.dice.choice(self.instances)
        time.sleep(self.dice.random() * 0.3)
        instance.program.kill()
        self.instance_kills += 1
        instance.start()

    def check_output(self, name, topics):
        """A fresh reader of committed records sees every step once."""
        file = os.path.join(self.options.folder, f"{name}.read")
        command = self.programs.command("Feed", "read", self.options.bootstrap, file, "once", *topics)
        with open(os.path.join(self.options.folder, f"reader-{name}.err"), "wb") as trace:
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=trace, timeout=900, check=False)
        if done.returncode != 0:
            raise Failure(f"reading {topics} ended with {done.returncode}: see reader-{name}.err")
        self.judge(name, topics)

    def check_reader_amid(self):
        """Who read all the while saw the same, and nothing behind it."""
        time.sleep(1)
        for event in self.reader.events() or []:
            self.seen = {topic: event[topic] for topic in self.seen}
        self.reader.kill()
        self.judge("amid", ["counts", "joined"])

    def judge(self, name, topics):
        """Compares what a reader has written to its file with what must have come out."""
        counts, joined = collections.defaultdict(list), collections.Counter()
        with open(os.path.join(self.options.folder, f"{name}.read"), encoding="ascii") as file:
            for line in file:
                topic, _, key, value = line.split()
                if topic == "counts":
                    counts[key].append(int(value))
                else:
                    joined[f"{key} {value}"] += 1
        if "counts" in topics:
            for word, total in self.expected.counts.items():
                if counts[word] != list(range(1, total + 1)):
                    raise Failure(f"{name}: {word}: {describe_steps(counts[word], total)}")
            if len(counts) != len(self.expected.counts):
                raise Failure(f"{name}: {len(counts)} words, expected {len(self.expected.counts)}")
        if "joined" in topics:
            twice = [pair for pair, times in joined.items() if times > 1]
            missing = self.expected.joined - joined.keys()
            foreign = joined.keys() - self.expected.joined
            if twice or missing or foreign:
                raise Failure(
                    f"{name}: pairs twice: {len(twice)} {twice[:3]}, missing: {len(missing)} {list(missing)[:3]}, "
                    f"wrong: {len(foreign)} {list(foreign)[:3]}"
                )

    def check_queries(self):
        """Every instance has a part of the words; together they have all of them, and each owner knows the total."""
        counters = [instance for instance in self.instances if instance.kind == "count"]
        joiner = self.instances[-1]
        found = [instance.ask("all") for instance in counters]
        told = sum(answer["entries"] for answer in found), sum(answer["sum"] for answer in found)
        due = len(self.expected.counts), sum(self.expected.counts.values())
        if told != due:
            raise Failure(f"the stores of the count have {told} words and their sum, expected {due}")
        answer = joiner.ask("all")
        told = answer["entries"], answer["sum"]
        due = self.expected.stored, self.expected.stored // 2
        if told != due:
            raise Failure(f"the join has {told} records in its stores and counted by the hour, expected {due}")
        for word in self.dice.sample(sorted(self.expected.counts), 20):
            answers = [instance.ask(f"get {word}") for instance in counters]
            values = [(one["value"], one["again"]) for one in answers if one["event"] == "answer"]
            total = self.expected.counts[word]
            if values != [(total, total)]:
                raise Failure(f"asked for {word}, expected {total}: {answers}")

    def topics(self):
        """What Streams made, as Kafka's own tool describes it: name, partitions, configuration."""
        found = []
        for line in self.tools.run("TopicCommand", "--describe").splitlines():
            told = re.match(r"Topic: (app-\S+)\s.*PartitionCount: (\d+)\s.*Configs: ?(\S*)", line)
            if told:
                name, partitions, configs = told.groups()
                settings = sorted(filter(None, re.split(r",(?=[a-z.]+=)", configs)))
                # The cluster's own: Kafka writes it down where eligible leader replicas (KIP-966) are kept.
                settings = [one for one in settings if not one.startswith("min.insync.replicas=")]
                found.append(f"{name} {partitions} {','.join(settings)}")
        return sorted(found)

    def check_topics(self):
        with open(os.path.join(HERE, "streams", "topics.txt"), encoding="ascii") as file:
            due = [line.rstrip("\n") for line in file if not line.startswith("#")]
        found = self.topics()
        if found != due:
            raise Failure(f"topics of the applications:\n{chr(10).join(found)}\nexpected:\n{chr(10).join(due)}")

    def check_groups(self):
        """What was committed is the end of what was written; no transaction is open."""
        for kind, topics in (("count", ["lines"]), ("join", ["left", "right"])):
            offsets = self.tools.committed_offsets(self.application(kind))
            for topic in topics:
                found = [offsets.get((topic, partition)) for partition in range(PARTITIONS)]
                if any(place is None or place[0] != place[1] for place in found):
                    raise Failure(f"{topic}: committed and end are {found}")
        left = self.tools.open_transactions()
        if left:
            raise Failure(f"transactions that have not ended: {left}")

    def check_reset(self):
        """StreamsResetter removes what the join made and goes back; the join then finds every pair once more."""
        joiner = self.instances[-1]
        said = self.tools.run(
            "StreamsResetter",
            *("--application-id", self.application("join"), "--input-topics", "left,right", "--force"),
        )
        left = [line for line in self.topics() if line.startswith(self.application("join"))]
        if left:
            raise Failure(f"after the reset there still are {left}; the tool said {said}")
        self.tools.run("TopicCommand", "--delete", "--topic", "joined")
        self.tools.create("joined", PARTITIONS)
        shutil.rmtree(os.path.join(self.options.folder, "state-join-3"))
        joiner.start()
        self.reader.kill()
        self.reader = self.start_reader("anew", "follow", "counts", "joined")
        heard = time.monotonic()
        self.seen = {"counts": 0, "joined": 0}
        while self.seen["joined"] < len(self.expected.joined):
            time.sleep(0.05)
            joiner.hear()
            for event in self.reader.events() or []:
                if self.seen != event:
                    heard = time.monotonic()
                self.seen = event
            if time.monotonic() - heard > SILENCE_SECONDS:
                raise Failure(f"after the reset: nothing new within {SILENCE_SECONDS} s: {self.seen}")
        joiner.stop()
        self.check_output("again", ["joined"])

    def stop(self):
        programs = [self.writer, self.reader, *(instance.program for instance in self.instances)]
        for program in programs:
            if program:
                program.kill()


def describe_steps(steps, total):
    """What is wrong with the numbers that a word was counted through."""
    repeated = [step for step, times in collections.Counter(steps).items() if times > 1]
    missing = sorted(set(range(1, total + 1)) - set(steps))
    return f"{len(steps)} steps of {total}, repeated {repeated[:5]}, missing {missing[:5]}, last {steps[-1:]}"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True, help="host:port of the broker")
    parser.add_argument("--serve", required=True, help="runs the broker in the foreground; it is killed and run again")
    parser.add_argument("--kafka-home", required=True, help="an installation of Kafka, for bin/kafka-run-class.sh")
    parser.add_argument("--records", type=int, default=1000000)
    parser.add_argument("--per-second", type=int, default=20000, help="how fast they are written, at most")
    parser.add_argument("--instance-kills", type=int, default=6, help="of any instance of the applications")
    parser.add_argument("--broker-kills", type=int, default=5)
    parser.add_argument("--seed", type=int, help="of what is killed, and when")
    parser.add_argument("--folder", help="where traces and states go; kept")
    parser.add_argument("--show-topics", action="store_true", help="print what Streams made instead of judging it")
    found = parser.parse_args()
    found.keep = found.folder is not None
    found.folder = found.folder or tempfile.mkdtemp(prefix="forebay-streams-")
    os.makedirs(found.folder, exist_ok=True)
    return found


class Report:
    """Counts steps; the first that fails ends the run."""

    def __init__(self):
        self.passed = 0
        self.began = time.monotonic()

    def passes(self, text):
        self.passed += 1
        say(f"  ok    streams: {text} ({time.monotonic() - self.began:.0f} s)")


def steps(run, report):
    options = run.options
    run.prepare()
    run.work()
    threads = sum(instance.replaced_threads for instance in run.instances)
    report.passes(
        f"{options.records} lines, {run.expected.stored} sides of pairs, {run.instance_kills} kills of instances, "
        f"{run.broker_kills} of the broker, {threads} threads replaced"
    )
    run.check_queries()
    report.passes("interactive queries know every total")
    for instance in run.instances:
        instance.stop()
    report.passes("the instances end well")
    run.check_output("after", ["counts", "joined"])
    report.passes(f"{len(run.expected.counts)} words counted without a gap, {len(run.expected.joined)} pairs once each")
    run.check_reader_amid()
    report.passes("who read meanwhile has seen the same")
    run.check_groups()
    report.passes("the groups have committed the ends, no transaction is open")
    if options.show_topics:
        print("\n".join(run.topics()))
    else:
        run.check_topics()
        report.passes("topics of the applications are named and configured as with Kafka")
    run.check_reset()
    report.passes("the reset tool takes the join back to its beginning, and it finds the same")


def main():
    options = arguments()
    for tool in ("java", "javac", "mvn"):
        if shutil.which(tool) is None:
            say(f"  skip  streams: {tool} is not in PATH")
            print(0, 0, 1)
            return 0
    broker = Broker(options.bootstrap, options.serve, None, os.path.join(options.folder, "broker.log"), is_killed=True)
    report = Report()
    run, failed = None, 0
    try:
        programs = Programs(None)
        programs.prepare(os.path.join(options.folder, "install.log"))
        broker.start()
        run = Run(options, broker, Tools(options.kafka_home, options.bootstrap, options.folder), programs)
        steps(run, report)
    except Failure as failure:
        say(f"  FAIL  streams: {failure}")
        failed = 1
    finally:
        if run:
            run.stop()
        if broker.process:
            broker.process.kill()
            broker.process.wait()
    if failed or options.keep:
        say(f"kept: {options.folder}")
    else:
        shutil.rmtree(options.folder)
    print(report.passed, failed, 0)
    return failed


sys.exit(main())
