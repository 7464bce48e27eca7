#!/usr/bin/env python3
"""Kafka's TransactionalMessageCopier, killed together with the broker: one committed copy of each record.

VerifiableProducer seeds a topic; one copier for each of its partitions copies them in transactions that
also commit what was consumed. Copiers and broker are killed with SIGKILL at random points of the way and
started again. At the end each record has exactly one committed copy, in the order of its partition, the
group's offsets are the ends of the seed, and no transaction is open. Readers of committed records that ran
all the while, across the broker's kills, must have read the same.

Lines about results go to standard error; the last line of standard output is `passed failed skipped`.
"""

import argparse
import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time

from files import Files
from peers import Broker, Failure, Program, Tools, random_of, random_points, say

SILENCE_SECONDS = 240


class Copier:
    """One transactional id and its incarnations."""

    def __init__(self, run, number, kill_points):
        self.run = run
        self.number = number
        self.kill_points = kill_points
        self.incarnations = 0
        self.earlier = 0
        self.processed = 0
        self.program = None
        self.is_done = False

    def start(self):
        options = self.run.options
        mode = ["--group-mode", "--use-group-metadata"] if options.group_mode else []
        self.incarnations += 1
        self.earlier += self.processed
        self.processed = 0
        self.program = Program(
            f"copier-{self.number}-{self.incarnations}",
            self.run.tools.command(
                "TransactionalMessageCopier",
                *("--broker-list", options.bootstrap, "--consumer-group", self.run.group),
                *("--input-topic", self.run.source, "--output-topic", self.run.target),
                *("--input-partition", str(self.number), "--transactional-id", f"{self.run.group}-{self.number}"),
                *("--transaction-size", str(options.transaction_size), "--transaction-timeout", "30000"),
                *(["--enable-random-aborts"] if options.aborts else []),
                *mode,
            ),
            options.folder,
        )
        self.run.selector.register(self.program.process.stdout, selectors.EVENT_READ, self)

    def kill(self):
        self.run.selector.unregister(self.program.process.stdout)
        self.program.kill()

    def hear(self):
        """Takes in what it said; says whether it has come to its end."""
        events = self.program.events()
        if events is None:
            self.run.selector.unregister(self.program.process.stdout)
            status = self.program.process.wait()
            self.is_done = True
            if status != 0:
                raise Failure(f"{self.program.name} ended with {status}: {self.program.last_words()}")
            return
        for event in events:
            self.processed = event.get("totalProcessed", self.processed)

    def way(self):
        """The part of its way that it has come, as far as it told."""
        if self.run.options.group_mode:
            return self.run.way()
        return (self.earlier + self.processed) / max(len(self.run.seeds[self.number]), 1)


class Run:
    """One seed, its copiers, and what is expected of them."""

    def __init__(self, options, broker, tools):
        self.options = options
        self.broker = broker
        self.tools = tools
        name = "group" if options.group_mode else "assigned"
        self.source, self.target, self.group = f"seed-{name}", f"copy-{name}", f"copiers-{name}"
        self.selector = selectors.DefaultSelector()
        self.dice = random_of(options.seed)
        self.seeds = []
        self.copiers = []
        self.readers = []
        self.broker_kills = 0
        self.copier_kills = 0

    def seed(self):
        """Writes the records; keeps the values of each partition in the order of their offsets."""
        partitions = self.options.copiers
        self.tools.create(self.source, partitions)
        self.tools.create(self.target, partitions)
        said = self.tools.run(
            "VerifiableProducer",
            *("--topic", self.source, "--max-messages", str(self.options.records), "--repeating-keys", "997"),
        )
        places = [{} for _ in range(partitions)]
        for line in said.splitlines():
            event = json.loads(line)
            if event["name"] == "producer_send_success":
                places[event["partition"]][event["offset"]] = event["value"]
        self.seeds = [[place[offset] for offset in sorted(place)] for place in places]
        found = sum(map(len, self.seeds))
        if found != self.options.records or any(sorted(p) != list(range(len(p))) for p in places):
            raise Failure(f"the seed has {found} records of {self.options.records}, or gaps")

    def start_readers(self):
        for partition, seeds in enumerate(self.seeds):
            output = os.path.join(self.options.folder, f"{self.target}-{partition}.read")
            self.readers.append(self.tools.start_reader(self.target, partition, len(seeds), output))

    def way(self):
        told = sum(copier.earlier + copier.processed for copier in self.copiers)
        return told / self.options.records

    def copy(self):
        options = self.options
        for number in range(options.copiers):
            self.copiers.append(Copier(self, number, random_points(self.dice, options.copier_kills)))
        broker_points = random_points(self.dice, options.broker_kills)
        for copier in self.copiers:
            copier.start()
        heard = time.monotonic()
        while not all(copier.is_done for copier in self.copiers):
            for key, _ in self.selector.select(0.5):
                key.data.hear()
                heard = time.monotonic()
            if time.monotonic() - heard > SILENCE_SECONDS:
                raise Failure(f"no copier said anything within {SILENCE_SECONDS} s, at {self.way():.0%} of the way")
            if broker_points and self.way() >= broker_points[0]:
                broker_points.pop(0)
                self.kill_broker()
            for copier in self.copiers:
                if copier.kill_points and not copier.is_done and copier.way() >= copier.kill_points[0]:
                    copier.kill_points.pop(0)
                    self.kill_copier(copier)
        missed = len(broker_points) + sum(len(copier.kill_points) for copier in self.copiers)
        if missed and not options.group_mode:
            raise Failure(f"{missed} kills were not made: the copiers were done before")

    def kill_broker(self):
        # Somewhere between two reports of a copier: in the midst of transactions.
        time.sleep(self.dice.random() * 0.3)
        self.broker.restart(lambda: time.sleep(self.dice.random() * 2))
        self.broker_kills += 1

    def kill_copier(self, copier):
        time.sleep(self.dice.random() * 0.3)
        copier.hear()
        if copier.is_done:
            return
        copier.kill()
        self.copier_kills += 1
        copier.start()

    def check_copies(self):
        for partition, seeds in enumerate(self.seeds):
            found = self.tools.read_committed(self.target, partition, len(seeds))
            compare(f"{self.target}-{partition}", seeds, found)
            if self.options.forebay:
                compare(f"{self.target}-{partition} as shown by forebay", seeds, self.shown(partition))

    def shown(self, partition):
        """What our own command line shows of committed records."""
        options = self.options
        done = subprocess.run(
            [
                *(options.forebay, "consume", self.target, "--brokers", options.bootstrap),
                *("--partition", str(partition), "--committed", "--exit"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=300,
            check=True,
        )
        return done.stdout.decode().splitlines()

    def check_readers(self):
        for partition, (reader, seeds) in enumerate(zip(self.readers, self.seeds)):
            try:
                reader.wait(120)
            except subprocess.TimeoutExpired:
                raise Failure(f"a reader of {self.target}-{partition} has not come to its end") from None
            with open(os.path.join(self.options.folder, f"{self.target}-{partition}.read"), encoding="ascii") as file:
                compare(f"{self.target}-{partition} as read meanwhile", seeds, file.read().splitlines())

    def check_group(self):
        found = self.tools.committed_offsets(self.group)
        for partition, seeds in enumerate(self.seeds):
            committed = found.get((self.source, partition))
            if seeds and committed != (len(seeds), len(seeds)):
                raise Failure(f"{self.source}-{partition}: committed and end are {committed}, expected {len(seeds)}")
        left = self.tools.open_transactions()
        if left:
            raise Failure(f"transactions that have not ended: {left}")

    def check_files(self):
        """What the broker leaves when it has ended; says how many transactions were aborted."""
        self.broker.stop()
        files = Files(self.tools, self.options.data)
        aborted = files.check_aborted(self.target)
        ids = files.check_transactions()
        if ids < self.options.copiers:
            raise Failure(f"the log of transactions knows {ids} transactional ids")
        due = {(self.source, partition): len(seeds) for partition, seeds in enumerate(self.seeds) if seeds}
        files.check_offsets(self.group, due)
        return f"; {aborted} aborted transactions, all of them in .txnindex"

    def stop(self):
        for copier in self.copiers:
            if copier.program:
                copier.program.kill()
        for reader in self.readers:
            if reader.poll() is None:
                os.killpg(reader.pid, 9)
                reader.wait()


def compare(what, expected, found):
    """Fails with the first difference and with what kind it is of."""
    if expected == found:
        return
    repeated = len(found) - len(set(found))
    missing = len(set(expected) - set(found))
    at = next((i for i, pair in enumerate(zip(expected, found)) if pair[0] != pair[1]), min(len(expected), len(found)))
    raise Failure(
        f"{what}: {len(found)} records of {len(expected)}, {repeated} repeated, {missing} missing; "
        f"they differ from the {at}th on: {expected[at:at + 3]} expected, {found[at:at + 3]} found"
    )


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", required=True, help="host:port of the broker")
    parser.add_argument("--serve", required=True, help="runs the broker in the foreground; it is killed and run again")
    parser.add_argument("--kafka-home", required=True, help="an installation of Kafka, for bin/kafka-run-class.sh")
    parser.add_argument("--records", type=int, default=100000)
    parser.add_argument("--transaction-size", type=int, default=750)
    parser.add_argument("--copiers", type=int, default=3)
    parser.add_argument("--copier-kills", type=int, default=3, help="of each copier")
    parser.add_argument("--broker-kills", type=int, default=5)
    parser.add_argument("--group-mode", action="store_true", help="copiers share the partitions as a group")
    parser.add_argument("--aborts", action="store_true", help="copiers abort some transactions by themselves")
    parser.add_argument("--forebay", help="our own command line, which reads the copies too")
    parser.add_argument("--data", help="the broker's directory, for a look at the files when it has ended")
    parser.add_argument("--seed", type=int, help="of the points where something is killed")
    parser.add_argument("--folder", help="where traces go; kept")
    found = parser.parse_args()
    found.keep = found.folder is not None
    found.folder = found.folder or tempfile.mkdtemp(prefix="forebay-copier-")
    os.makedirs(found.folder, exist_ok=True)
    return found


def main():
    options = arguments()
    log = os.path.join(options.folder, "broker.log")
    broker = Broker(options.bootstrap, options.serve, None, log, is_killed=True)
    run = None
    began = time.monotonic()
    try:
        broker.start()
        run = Run(options, broker, Tools(options.kafka_home, options.bootstrap, options.folder))
        run.seed()
        run.start_readers()
        copying = time.monotonic()
        run.copy()
        copied = time.monotonic()
        run.check_readers()
        run.check_copies()
        run.check_group()
        seen = run.check_files() if options.data else ""
        say(
            f"  ok    {run.group}: {options.records} records in transactions of {options.transaction_size}, "
            f"{run.copier_kills} kills of copiers, {run.broker_kills} of the broker: one committed copy of each, "
            f"in order; copied in {copied - copying:.0f} s, all in {time.monotonic() - began:.0f} s{seen}"
        )
        failed = 0
    except Failure as failure:
        say(f"  FAIL  copier: {failure}")
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
