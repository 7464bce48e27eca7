"""confluent-kafka for Python: create, produce, consume by the contract of the README."""

import contract
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

CLASSIC = {"session.timeout.ms": 60000, "heartbeat.interval.ms": 500}
PROTOCOLS = {
    "classic": {**CLASSIC, "partition.assignment.strategy": "range"},
    "cooperative": {**CLASSIC, "partition.assignment.strategy": "cooperative-sticky"},
    "consumer": {"group.protocol": "consumer"},
}
COMMON = {"reconnect.backoff.max.ms": 500}


def create(bootstrap, topic, partitions):
    admin = AdminClient({"bootstrap.servers": bootstrap, **COMMON})
    for future in admin.create_topics([NewTopic(topic, partitions, 1)]).values():
        future.result(30)


def produce(bootstrap, topic):
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, **COMMON})
    failures = []

    def note(error, _message):
        if error is not None:
            failures.append(error)

    for numbers in contract.sends():
        for number in numbers:
            producer.produce(
                topic, contract.value_of(number), contract.key_of(number), on_delivery=note
            )
        left = producer.flush(90)
        if left or failures:
            raise SystemExit(f"{left} records are not acknowledged, failures: {failures[:3]}")
        contract.say("sent", first=numbers.start, count=len(numbers))


class Member:
    """Reads, and remembers what it has read and not committed."""

    def __init__(self, bootstrap, topic, group, protocol):
        self.topic = topic
        self.owns = set()
        self.pending = {}
        self.consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                **COMMON,
                **PROTOCOLS[protocol],
            }
        )
        self.consumer.subscribe(
            [topic], on_assign=self.on_assign, on_revoke=self.on_revoke, on_lost=self.on_lost
        )

    def on_assign(self, _consumer, assigned):
        self.owns |= {place.partition for place in assigned}
        contract.say("owns", partitions=sorted(self.owns))

    def on_revoke(self, _consumer, revoked):
        self.commit()
        self.owns -= {place.partition for place in revoked}
        contract.say("owns", partitions=sorted(self.owns))

    def on_lost(self, _consumer, lost):
        self.pending = {}
        self.owns -= {place.partition for place in lost}
        contract.say("owns", partitions=sorted(self.owns))

    def commit(self):
        if not self.pending:
            return
        places = [TopicPartition(self.topic, *place) for place in self.pending.items()]
        for place in self.consumer.commit(offsets=places, asynchronous=False):
            if place.error is not None:
                raise SystemExit(f"commit of {place}: {place.error}")
        contract.say("committed", offsets=self.pending)
        self.pending = {}

    def read(self):
        message = self.consumer.poll(0.2)
        if message is None:
            return
        error = message.error()
        if error is None:
            contract.say_record(
                message.partition(), message.offset(), message.key(), message.value()
            )
            self.pending[message.partition()] = message.offset() + 1
        elif error.fatal() or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise SystemExit(str(error))

    def run(self):
        commands = contract.commands()
        while True:
            self.read()
            command = contract.next_command(commands)
            if command == ["commit"]:
                self.commit()
                contract.say("done")
            elif command == ["leave"]:
                self.commit()
                self.consumer.close()
                return


def consume(bootstrap, topic, group, protocol):
    Member(bootstrap, topic, group, protocol).run()


contract.main(create, produce, consume)
