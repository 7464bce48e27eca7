"""What the exactly-once runs share: the broker that is killed, Kafka's own tools, a folder for traces."""

import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "clients"))

# The harness for groups has what these runs need too: programs that say JSON, a broker that is restarted.
from harness import Broker, Failure, Program  # noqa: E402

__all__ = ["Broker", "Failure", "Program", "Tools", "say", "random_points", "random_of"]


def say(text):
    print(text, file=sys.stderr, flush=True)


def random_of(seed):
    """The generator of one run; its seed is printed, and replays the choices."""
    seed = seed if seed is not None else random.SystemRandom().randrange(1 << 32)
    say(f"  SEED={seed}")
    return random.Random(seed)


def random_points(dice, count, least=0.05, most=0.9):
    """That many fractions of a way, rising, one in each of equal parts of it."""
    part = (most - least) / max(count, 1)
    return [least + part * (index + dice.random()) for index in range(count)]


class Tools:
    """Classes of Kafka's own jars, each in a Java machine of its own."""

    def __init__(self, home, bootstrap, folder):
        self.run_class = os.path.join(home, "bin", "kafka-run-class.sh")
        if not os.access(self.run_class, os.X_OK):
            raise Failure(f"there is no {self.run_class}")
        self.bootstrap = bootstrap
        self.folder = folder

    def command(self, name, *arguments):
        return [self.run_class, f"org.apache.kafka.tools.{name}", *arguments]

    def run(self, name, *arguments, seconds=300):
        """What the tool prints about the broker; it must end with 0."""
        return self.run_alone(name, "--bootstrap-server", self.bootstrap, *arguments, seconds=seconds)

    def run_alone(self, name, *arguments, seconds=300):
        """The same for a tool that needs no broker."""
        trace = os.path.join(self.folder, name.rsplit(".", 1)[-1] + ".err")
        with open(trace, "ab") as errors:
            try:
                done = subprocess.run(
                    self.command(name, *arguments),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    timeout=seconds,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise Failure(f"{name} did not end within {seconds} s: see {trace}") from None
        text = done.stdout.decode(errors="replace")
        if done.returncode != 0:
            raise Failure(f"{name} ended with {done.returncode}: {text[-300:]} (see {trace})")
        return text

    def create(self, topic, partitions):
        self.run("TopicCommand", "--create", "--topic", topic, "--partitions", str(partitions))

    def start_reader(self, topic, partition, count, output):
        """A reader of committed records that ends when it has read that many, in the background."""
        trace = os.path.join(self.folder, f"reader-{topic}-{partition}.err")
        with open(output, "wb") as out, open(trace, "ab") as errors:
            return subprocess.Popen(
                self.command(
                    "consumer.ConsoleConsumer",
                    *("--bootstrap-server", self.bootstrap, "--topic", topic),
                    *("--partition", str(partition), "--offset", "earliest"),
                    *("--isolation-level", "read_committed", "--max-messages", str(count)),
                    *("--command-property", "metadata.max.age.ms=5000"),
                ),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                start_new_session=True,
            )

    def read_committed(self, topic, partition, count):
        """Values of all committed records of a partition, in the order of their offsets; `count` are expected.

        The tool ends when nothing came for a while, also where the machine was busy with something else: what
        is too little is asked for once more, with more patience. What is too much is seen at once.
        """
        found = []
        for patience_ms in (10000, 90000):
            found = self.run(
                "consumer.ConsoleConsumer",
                *("--topic", topic, "--partition", str(partition), "--offset", "earliest"),
                *("--isolation-level", "read_committed", "--timeout-ms", str(patience_ms)),
                *("--max-messages", str(count + 1)),
            ).splitlines()
            if len(found) >= count:
                break
        return found

    def open_transactions(self):
        """Transactional ids whose transaction has not ended: (id, state)."""
        rows = [line.split() for line in self.run("TransactionsCommand", "list").splitlines()]
        ended = ("CompleteCommit", "CompleteAbort", "Empty")
        return [(row[0], row[-1]) for row in rows[1:] if row and row[-1] not in ended]

    def committed_offsets(self, group):
        """Per topic and partition: (committed offset, end of the log)."""
        found = {}
        # The tool ends well when it gives up; its own patience is 5 s.
        asked = ("--describe", "--group", group, "--timeout", "60000")
        for line in self.run("consumer.group.ConsumerGroupCommand", *asked).splitlines():
            words = line.split()
            if len(words) >= 6 and words[0] == group and words[3].isdigit():
                found[(words[1], int(words[2]))] = (int(words[3]), int(words[4]))
        return found
