#!/usr/bin/env python3
"""A distributed worker of Kafka Connect with exactly-once sources, killed together with the broker.

FileStreamSource reads a file that grows, the worker writes its lines and the place in the file in one
transaction. Worker and broker are killed with SIGKILL at random points of the way. At the end each line has one
committed copy, in order, and FileStreamSink, which promises no more than that, has written each at least once;
the worker ends well and leaves no transaction open.

Lines about results go to standard error; the last line of standard output is `passed failed skipped`.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from files import Files
from peers import Broker, Failure, Tools, random_of, random_points, say

SILENCE_SECONDS = 300
NUDGE_SECONDS = 1
TOPIC = "connect-lines"


class Worker:
    """One worker of a Connect cluster, and its REST interface."""

    def __init__(self, tools, options):
        self.tools = tools
        self.options = options
        self.process = None
        self.incarnations = 0
        self.address = f"http://127.0.0.1:{options.port}"
        self.properties = os.path.join(options.folder, "worker.properties")
        settings = {
            "bootstrap.servers": options.bootstrap,
            "group.id": "connect-cluster",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
            "config.storage.topic": "connect-configs",
            "offset.storage.topic": "connect-offsets",
            "status.storage.topic": "connect-status",
            "config.storage.replication.factor": 1,
            "offset.storage.replication.factor": 1,
            "status.storage.replication.factor": 1,
            "exactly.once.source.support": "enabled",
            "offset.flush.interval.ms": 1000,
            "listeners": self.address,
            # Longer than a broker is away: a worker that was given up meanwhile stops its tasks, and may
            # then leave them so, on Apache Kafka too.
            "session.timeout.ms": 30000,
            "rebalance.timeout.ms": 60000,
            "scheduled.rebalance.max.delay.ms": 1000,
        }
        with open(self.properties, "w", encoding="ascii") as file:
            file.writelines(f"{key}={value}\n" for key, value in settings.items())

    def start(self):
        self.incarnations += 1
        trace = os.path.join(self.options.folder, f"worker-{self.incarnations}.log")
        with open(trace, "wb") as log:
            self.process = subprocess.Popen(
                [self.tools.run_class, "org.apache.kafka.connect.cli.ConnectDistributed", self.properties],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, 9)
            self.process.wait()

    def end(self):
        """Ends it as an operator does."""
        self.process.terminate()
        try:
            status = self.process.wait(SILENCE_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failure("the worker does not end") from None
        # What a Java machine ends with when it was asked to.
        if status != 128 + signal.SIGTERM:
            raise Failure(f"the worker ended with {status}")

    def ask(self, path, body=None):
        """Asks until it answers: a worker takes a while to be one."""
        deadline = time.monotonic() + SILENCE_SECONDS
        data = json.dumps(body).encode() if body else None
        last = None
        while time.monotonic() < deadline:
            request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"})
            if data:
                request.method = "PUT"
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except (OSError, urllib.error.URLError) as error:
                last = error
                if isinstance(error, urllib.error.HTTPError) and error.code == 400:
                    raise Failure(f"{path}: {error.read().decode()}") from None
            if self.process.poll() is not None:
                raise Failure(f"the worker ended with {self.process.returncode}")
            time.sleep(1)
        raise Failure(f"{path}: the worker does not answer: {last}")

    def configure(self, source, sink):
        """A source that must be exactly once, and a sink that reads what is committed."""
        self.ask(
            "/connectors/source/config",
            {
                "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
                "tasks.max": "1",
                "file": source,
                "topic": TOPIC,
                "batch.size": "200",
                "exactly.once.support": "required",
            },
        )
        self.ask(
            "/connectors/sink/config",
            {
                "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
                "tasks.max": "1",
                "file": sink,
                "topics": TOPIC,
                "consumer.override.isolation.level": "read_committed",
            },
        )

    def states(self):
        """State of each connector and task, for a report."""
        told = [self.ask(f"/connectors/{name}/status") for name in ("source", "sink")]
        return [(one["name"], one["connector"]["state"], [task["state"] for task in one["tasks"]]) for one in told]


class Run:
    """A file that grows, and what comes out of it."""

    def __init__(self, options, broker, tools):
        self.options = options
        self.broker = broker
        self.tools = tools
        self.dice = random_of(options.seed)
        self.worker = Worker(tools, options)
        self.source = os.path.join(options.folder, "source.txt")
        self.sink = os.path.join(options.folder, "sink.txt")
        self.amid = os.path.join(options.folder, "amid.read")
        self.lines = [f"line {number}" for number in range(options.records)]
        self.written = 0
        self.reader = None
        self.kills = {"worker": 0, "broker": 0}

    def grow(self, lines):
        with open(self.source, "a", encoding="ascii") as file:
            file.writelines(line + "\n" for line in self.lines[self.written : self.written + lines])
        self.written = min(self.written + lines, len(self.lines))

    def nudge(self):
        """Has the source look again at what it has read: it looks only where the file has more than it knows.

        What has no end of line is no line.
        """
        with open(self.source, "a", encoding="ascii") as file:
            file.write(".")

    def seen(self):
        """How many lines a reader of committed records has printed."""
        with open(self.amid, "rb") as file:
            return file.read().count(b"\n")

    def work(self):
        self.tools.create(TOPIC, 1)
        self.grow(1)
        self.worker.start()
        self.reader = self.tools.start_reader(TOPIC, 0, len(self.lines), self.amid)
        self.worker.configure(self.source, self.sink)
        points = [(point, "worker") for point in random_points(self.dice, self.options.worker_kills)]
        points += [(point, "broker") for point in random_points(self.dice, self.options.broker_kills)]
        points.sort()
        seen, heard = 0, time.monotonic()
        nudged = heard
        while seen < len(self.lines):
            # Not far ahead of the worker, so that it always has something under way.
            if self.written < seen + 3000:
                self.grow(500)
            time.sleep(0.05)
            before, seen = seen, self.seen()
            if seen != before:
                heard = nudged = time.monotonic()
            if self.written == len(self.lines) and time.monotonic() - nudged > NUDGE_SECONDS:
                self.nudge()
                nudged = time.monotonic()
            if time.monotonic() - heard > SILENCE_SECONDS:
                raise Failure(f"nothing new within {SILENCE_SECONDS} s, at {seen} lines: {self.worker.states()}")
            if points and seen >= points[0][0] * len(self.lines):
                self.kill(points.pop(0)[1])
        if points:
            raise Failure(f"{len(points)} kills were not made: all lines were there before")

    def kill(self, what):
        """Somewhere in the midst of transactions: the file grows on until then."""
        due = time.monotonic() + self.dice.random() * 0.5
        while time.monotonic() < due:
            self.grow(20)
            time.sleep(0.01)
        self.kills[what] += 1
        if what == "worker":
            self.worker.kill()
            self.worker.start()
        else:
            self.broker.restart(lambda: time.sleep(self.dice.random() * 2))

    def check(self):
        found = self.tools.read_committed(TOPIC, 0, len(self.lines))
        with open(self.amid, encoding="ascii") as file:
            amid = file.read().splitlines()
        for what, lines in (("committed", found), ("read meanwhile", amid)):
            if lines != self.lines:
                raise Failure(
                    f"{what}: {len(lines)} lines of {len(self.lines)}, {len(lines) - len(set(lines))} repeated, "
                    f"{len(set(self.lines) - set(lines))} missing"
                )
        deadline = time.monotonic() + SILENCE_SECONDS
        while True:
            with open(self.sink, encoding="ascii") as file:
                missing = set(self.lines) - set(file.read().splitlines())
            if not missing:
                return
            if time.monotonic() > deadline:
                raise Failure(f"the sink misses {len(missing)} lines: {self.worker.states()}")
            time.sleep(1)

    def check_ends(self):
        """Nothing is open when the worker has ended; says what the broker leaves in its files then."""
        self.worker.end()
        left = self.tools.open_transactions()
        if left:
            raise Failure(f"transactions that have not ended: {left}")
        if not self.options.data:
            return ""
        self.broker.stop()
        files = Files(self.tools, self.options.data)
        aborted = files.check_aborted(TOPIC)
        files.check_transactions()
        return f"; {aborted} aborted transactions, all of them in .txnindex"

    def stop(self):
        self.worker.kill()
        if self.reader and self.reader.poll() is None:
            os.killpg(self.reader.pid, 9)
            self.reader.wait()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True, help="host:port of the broker")
    parser.add_argument("--serve", required=True, help="runs the broker in the foreground; it is killed and run again")
    parser.add_argument("--kafka-home", required=True, help="an installation of Kafka, for bin/kafka-run-class.sh")
    parser.add_argument("--records", type=int, default=50000)
    parser.add_argument("--worker-kills", type=int, default=3)
    parser.add_argument("--broker-kills", type=int, default=3)
    parser.add_argument("--port", type=int, default=28083, help="where the worker's REST interface listens")
    parser.add_argument("--data", help="the broker's directory, for a look at the files when it has ended")
    parser.add_argument("--seed", type=int, help="of the points where something is killed")
    parser.add_argument("--folder", help="where traces go; kept")
    found = parser.parse_args()
    found.keep = found.folder is not None
    found.folder = found.folder or tempfile.mkdtemp(prefix="forebay-connect-")
    os.makedirs(found.folder, exist_ok=True)
    return found


def main():
    options = arguments()
    broker = Broker(options.bootstrap, options.serve, None, os.path.join(options.folder, "broker.log"), is_killed=True)
    began = time.monotonic()
    run, failed = None, 0
    try:
        broker.start()
        run = Run(options, broker, Tools(options.kafka_home, options.bootstrap, options.folder))
        run.work()
        run.check()
        seen = run.check_ends()
        say(
            f"  ok    connect: {options.records} lines, {run.kills['worker']} kills of the worker, "
            f"{run.kills['broker']} of the broker: one committed copy of each, in order "
            f"({time.monotonic() - began:.0f} s){seen}"
        )
    except Failure as failure:
        say(f"  FAIL  connect: {failure}")
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
    print(1 - failed, failed, 0)
    return failed


sys.exit(main())
