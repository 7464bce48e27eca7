"""The life of a group, the same for every client; README.md beside this file tells it in words."""

import os
import time

from harness import Failure, Group

PARTITIONS = 4


class Life:
    """One client, one protocol, one topic and one group."""

    def __init__(self, client, protocol, broker, folder, records):
        self.client = client
        self.protocol = protocol
        self.broker = broker
        self.folder = os.path.join(folder, f"{client.name}-{protocol}")
        os.makedirs(self.folder)
        self.topic = f"compat-{client.name}-{protocol}"
        self.records = records
        self.next = 0
        self.group = Group(client, PARTITIONS, self.folder, client.is_strict)
        self.producer = None

    def run(self):
        """Returns a line about what happened; raises Failure."""
        started = time.monotonic()
        try:
            self.live()
            self.group.judge()
        except Failure as failure:
            raise Failure(f"{failure}{self.last_words()}") from None
        finally:
            self.group.end()
        repeats = f", {self.group.repeats} uncommitted ones twice" if self.group.repeats else ""
        return f"{self.group.sent} records{repeats}, {time.monotonic() - started:.0f} s"

    def live(self):
        group = self.group
        group.finish(group.start("create", "create", self.broker.bootstrap, self.topic, str(PARTITIONS)))
        self.producer = group.start("produce", "produce", self.broker.bootstrap, self.topic)
        self.send(self.records)
        first = self.member("first")
        group.settle([first])
        group.read_all()

        second = self.member("second")
        self.send_until_settled([first, second])
        group.read_all()

        group.ask(first, "commit")
        if self.client.leaves_amid_records:
            second.tell("leave")
        else:
            group.finish(second, "leave")
        self.send_until_settled([first])
        group.until(lambda: second.ended is not None, 60, lambda: "the second member ends")
        group.read_all()

        group.ask(first, "commit")
        before = self.producer.answered
        self.broker.restart(lambda: self.producer.tell(f"send {self.next} {self.records}"))
        self.next += self.records
        group.until(
            lambda: self.producer.answered > before,
            90,
            lambda: "the producer finds the restarted broker",
        )
        self.send(self.records)
        group.settle([first])
        group.read_all()
        group.finish(first, "leave")

        self.send(self.records)
        third = self.member("third")
        group.settle([third])
        group.read_all()
        group.finish(third, "leave")
        group.finish(self.producer)

    def member(self, name):
        return self.group.start(
            name, "consume", self.broker.bootstrap, self.topic, self.topic + "-group", self.protocol
        )

    def send(self, count):
        """Sends that many records and waits for the acknowledgements."""
        self.group.ask(self.producer, f"send {self.next} {count}")
        self.next += count

    def send_until_settled(self, members):
        """Keeps records flowing in small portions until the members share all partitions."""
        portion = max(1, self.records // 20)
        goal = self.next + self.records
        deadline = time.monotonic() + 60
        while self.next < goal or not self.group.is_settled(members):
            if time.monotonic() > deadline:
                break
            self.send(portion)
            pause = time.monotonic() + 0.05
            while time.monotonic() < pause:
                self.group.listen(0.02)
        self.group.settle(members)

    def last_words(self):
        """What the programs that have not ended well wrote to standard error."""
        found = ""
        for program in self.group.programs:
            words = program.last_words() if program.ended != 0 else ""
            if words:
                found += f"\n--- {program.name} ({program.trace}):\n{words}"
        return found
