"""Processes that speak the contract, what they have said, and the broker they talk to.

Everything is read by one thread through one selector, so that lines of several programs are judged
in the order in which they arrived.
"""

import json
import os
import selectors
import shlex
import signal
import socket
import subprocess
import time


START_SECONDS = 180


class Failure(Exception):
    """The run cannot go on, or its result is wrong; the text says why."""


class Program:
    """One running program; its standard error goes to a file of its own."""

    def __init__(self, name, command, folder):
        self.name = name
        self.trace = os.path.join(folder, name + ".err")
        self.buffer = b""
        self.owns = None
        self.positions = {}
        self.answered = 0
        self.ended = None
        with open(self.trace, "wb") as trace:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=trace,
                start_new_session=True,
            )
        os.set_blocking(self.process.stdout.fileno(), False)

    def tell(self, line):
        """Gives it one command."""
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Failure(f"{self.name} has ended and cannot be told '{line}'") from None

    def events(self):
        """What it has said since; None at its end."""
        try:
            chunk = os.read(self.process.stdout.fileno(), 1 << 16)
        except BlockingIOError:
            return []
        if not chunk:
            return None
        *lines, self.buffer = (self.buffer + chunk).split(b"\n")
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                raise Failure(f"{self.name} says what is no JSON: {line[:200]!r}") from None
        return found

    def kill(self):
        """Ends it and whatever it started."""
        if self.process.poll() is None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except OSError:
                pass

    def last_words(self):
        """The end of its standard error, for a report."""
        with open(self.trace, "rb") as trace:
            text = trace.read().decode(errors="replace").strip()
        return "\n".join(line[:300] for line in text.splitlines()[-12:])


class Broker:
    """The broker under test: ours to run, or somebody's with a command that restarts it."""

    def __init__(self, bootstrap, serve, restart, log, is_killed=False):
        self.bootstrap = bootstrap
        self.is_killed = is_killed
        self.serve = serve
        self.restart_command = restart
        self.log = log
        self.process = None

    def start(self):
        if not self.serve:
            return
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                shlex.split(self.serve), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        self.wait_until_it_answers()

    def answers(self):
        host, port = self.bootstrap.rsplit(":", 1)
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            return False
        return True

    def wait_until_it_answers(self):
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process and self.process.poll() is not None:
                raise Failure(f"the broker ended with {self.process.returncode}: see {self.log}")
            if time.monotonic() > deadline:
                raise Failure(f"the broker does not answer at {self.bootstrap}")
            time.sleep(0.05)

    def stop(self):
        if not self.process:
            return
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failure("the broker did not end within 60 s of being asked to") from None
        finally:
            self.process = None

    def restart(self, while_down):
        """Restarts it; `while_down` is called when it no longer answers and does not answer yet."""
        if self.serve:
            if self.is_killed:
                self.process.kill()
                self.process.wait()
            else:
                self.stop()
            while_down()
            self.start()
            return
        restarting = subprocess.Popen(self.restart_command, shell=True, stdout=subprocess.DEVNULL)
        while restarting.poll() is None and self.answers():
            time.sleep(0.01)
        while_down()
        if restarting.wait() != 0:
            raise Failure(f"'{self.restart_command}' ended with {restarting.returncode}")
        self.wait_until_it_answers()


class Group:
    """What all programs of one run have said, and the rules that must hold at its end."""

    def __init__(self, client, partitions, folder, is_strict):
        self.client = client
        self.partitions = partitions
        self.folder = folder
        self.is_strict = is_strict
        self.selector = selectors.DefaultSelector()
        self.programs = []
        self.sent = 0
        self.records = {}
        self.repeats = 0
        self.committed = {}
        self.broken = []

    def start(self, name, *arguments):
        program = Program(name, [*self.client.command, *arguments], self.folder)
        self.programs.append(program)
        self.selector.register(program.process.stdout, selectors.EVENT_READ, program)
        return program

    def listen(self, seconds):
        """Takes in what is said within that time, at most once from each program."""
        for key, _ in self.selector.select(seconds):
            program = key.data
            events = program.events()
            if events is None:
                self.selector.unregister(key.fileobj)
                program.ended = program.process.wait()
                program.owns = set()
                if program.ended != 0:
                    raise Failure(f"{program.name} ended with {program.ended}")
                continue
            for event in events:
                self.hear(program, event)

    def hear(self, program, event):
        kind = event["event"]
        if kind == "record":
            self.hear_record(program, event)
        elif kind == "owns":
            program.owns = set(event["partitions"])
        elif kind == "committed":
            for partition, offset in event["offsets"].items():
                known = self.committed.get(int(partition), 0)
                self.committed[int(partition)] = max(known, offset)
        elif kind in ("done", "created"):
            program.answered += 1
        elif kind == "sent":
            program.answered += 1
            self.sent += event["count"]
        else:
            raise Failure(f"{program.name} says something unknown: {event}")

    def hear_record(self, program, event):
        partition, offset = event["partition"], event["offset"]
        place = f"partition {partition} offset {offset}"
        content = (event["key"], event["value"])
        is_repeat = (partition, offset) in self.records
        known = self.records.setdefault((partition, offset), content)
        if known != content:
            self.broken.append(f"{place} was first {known}, then {content}")
        if program.owns is None or partition not in program.owns:
            if self.is_strict:
                self.broken.append(f"{program.name} reads {place} and does not own the partition")
        last = program.positions.get(partition, -1)
        if self.is_strict and offset <= last:
            self.broken.append(f"{program.name} reads {place} after offset {last}")
        program.positions[partition] = offset
        if is_repeat:
            self.repeats += 1
            if offset < self.committed.get(partition, 0):
                self.broken.append(f"{program.name} reads {place} again, which was committed")

    def until(self, condition, seconds, what):
        """Listens until the condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failure(f"after {seconds} s still waiting until {what()}")
            self.listen(min(left, 0.2))

    def ask(self, program, line, seconds=60):
        """Gives a command and waits until it is obeyed."""
        before = program.answered
        program.tell(line)
        self.until(
            lambda: program.answered > before, seconds, lambda: f"{program.name} obeys '{line}'"
        )

    def is_settled(self, members):
        """Whether the members share all partitions, each with at least one."""
        shares = [sorted(member.owns or []) for member in members]
        return all(shares) and sorted(sum(shares, [])) == list(range(self.partitions))

    def settle(self, members, seconds=90):
        """Waits until that is so."""
        self.until(
            lambda: self.is_settled(members),
            seconds,
            lambda: "all partitions are shared out; now: "
            + ", ".join(f"{member.name} {sorted(member.owns or [])}" for member in members),
        )

    def read_all(self, seconds=60):
        """Waits until all that was sent has been read."""
        self.until(
            lambda: len(self.records) >= self.sent,
            seconds,
            lambda: f"{self.sent} records are read; now {len(self.records)}, "
            f"the least that is missing: {self.missing()}",
        )

    def missing(self):
        found = {int(value) for _, value in self.records.values()}
        return next((number for number in range(self.sent) if number not in found), None)

    def finish(self, program, line=None, seconds=60):
        """Waits for a program to end by itself."""
        if line:
            program.tell(line)
        else:
            program.process.stdin.close()
        self.until(lambda: program.ended is not None, seconds, lambda: f"{program.name} ends")

    def end(self):
        for program in self.programs:
            program.kill()
        self.selector.close()

    def judge(self):
        """Every rule of the README's last paragraph."""
        broken = list(self.broken)
        numbers, homes = {}, {}
        for partition in range(self.partitions):
            log = sorted(item for item in self.records.items() if item[0][0] == partition)
            offsets = [offset for (_, offset), _ in log]
            values = [int(value) for _, (_, value) in log]
            if offsets != list(range(len(offsets))):
                broken.append(f"partition {partition}: offsets have gaps")
            if not log:
                broken.append(f"partition {partition} has no records at all")
            for earlier, later in zip(values, values[1:]):
                if later <= earlier:
                    broken.append(f"partition {partition}: number {later} after {earlier}")
            for (_, offset), (key, value) in log:
                numbers.setdefault(int(value), []).append((partition, offset))
                homes.setdefault(key, set()).add(partition)
                if key != f"key-{int(value) % 40}":
                    broken.append(f"number {value} has the key {key}")
        for number in range(self.sent):
            places = numbers.pop(number, [])
            if len(places) != 1:
                broken.append(f"number {number} is in the log {len(places)} times: {places}")
        if numbers:
            broken.append(f"numbers that nobody sent: {sorted(numbers)[:10]}")
        for key, partitions in homes.items():
            if len(partitions) > 1:
                broken.append(f"{key} is in the partitions {sorted(partitions)}")
        if self.is_strict and self.repeats:
            broken.append(f"{self.repeats} records were read twice")
        if broken:
            more = f" (and {len(broken) - 8} more)" if len(broken) > 8 else ""
            raise Failure("; ".join(broken[:8]) + more)
