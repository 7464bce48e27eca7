"""kcat: produce and consume by the contract of the README, as far as a command line tool goes.

It has no admin client: `create` asks for the topic's metadata, and the node makes the topic with its
`num.partitions`. It has no `commit` either: it commits by timer, often, so `commit` waits for that; what it owns is
read from what it tells people. Both its outputs go into one pipe, so that their order is kept.
"""

import queue
import re
import subprocess
import sys
import threading
import time

import contract

COMMIT_MS = 100
REBALANCED = re.compile(r"% Group .* rebalanced \(memberid .*?\): (assigned|revoked): (.*)")


def kcat(bootstrap, *arguments, **more):
    # It may not end (-E) because the node is away for a while.
    command = ["kcat", "-E", "-b", bootstrap, "-X", "reconnect.backoff.max.ms=500", *arguments]
    return subprocess.Popen(command, text=True, **more)


def create(bootstrap, topic, partitions):
    for _ in range(50):
        asked = kcat(
            bootstrap, "-L", "-t", topic, "-X", "allow.auto.create.topics=true", stdout=subprocess.PIPE
        )
        told, _ = asked.communicate()
        found = re.search(r'topic ".*" with (\d+) partitions', told)
        if found and int(found.group(1)) == partitions:
            return
        time.sleep(0.1)
    raise SystemExit(f"the broker makes no topics with {partitions} partitions by itself: {told}")


def produce(bootstrap, topic):
    for numbers in contract.sends():
        lines = b"".join(
            b"%s:%s\n" % (contract.key_of(number), contract.value_of(number)) for number in numbers
        )
        writer = kcat(
            bootstrap, "-P", "-t", topic, "-K", ":", "-X", "enable.idempotence=true", stdin=subprocess.PIPE
        )
        writer.communicate(lines.decode())
        if writer.returncode != 0:
            raise SystemExit(f"kcat ended with {writer.returncode}")
        contract.say("sent", first=numbers.start, count=len(numbers))


def consume(bootstrap, topic, group, protocol):
    strategy = "cooperative-sticky" if protocol == "cooperative" else "range"
    settings = {
        "auto.offset.reset": "earliest",
        "auto.commit.interval.ms": COMMIT_MS,
        "session.timeout.ms": 60000,
        "heartbeat.interval.ms": 500,
        "partition.assignment.strategy": strategy,
    }
    options = [word for name, value in settings.items() for word in ("-X", f"{name}={value}")]
    reader = kcat(
        bootstrap, "-G", group, "-u", "-f", "%p %o %k %s\n", *options, topic,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    lines = queue.Queue()
    threading.Thread(target=lambda: [lines.put(line) for line in reader.stdout], daemon=True).start()
    commands = contract.commands()
    while True:
        hear(lines)
        command = contract.next_command(commands)
        if command == ["commit"]:
            time.sleep(COMMIT_MS * 5 / 1000)
            contract.say("done")
        elif command == ["leave"]:
            reader.terminate()
            status = reader.wait()
            hear(lines)
            sys.exit(status)
        elif reader.poll() is not None:
            raise SystemExit(f"kcat ended with {reader.returncode}")


def hear(lines):
    """Passes on what kcat has printed within a moment."""
    try:
        while True:
            line = lines.get(timeout=0.1)
            rebalanced = REBALANCED.match(line)
            if rebalanced:
                assigned = re.findall(r"\[(\d+)\]", rebalanced.group(2))
                owns = [int(number) for number in assigned] if rebalanced.group(1) == "assigned" else []
                contract.say("owns", partitions=owns)
            elif line.startswith("%"):
                sys.stderr.write(line)
            else:
                partition, offset, key, value = line.split()
                contract.say_record(int(partition), int(offset), key.encode(), value.encode())
    except queue.Empty:
        pass


contract.main(create, produce, consume)
