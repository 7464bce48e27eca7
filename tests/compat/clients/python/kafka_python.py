"""kafka-python: create, produce, consume by the contract of the README."""

import logging

import contract
from kafka import (
    AsyncConsumerRebalanceListener,
    KafkaAdminClient,
    KafkaConsumer,
    KafkaProducer,
    TopicPartition,
)
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.structs import OffsetAndMetadata

ASSIGNORS = {"classic": RangePartitionAssignor, "cooperative": CooperativeStickyAssignor}


def create(bootstrap, topic, partitions):
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1}})
    admin.close()


def produce(bootstrap, topic):
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all", reconnect_backoff_max_ms=500)
    for numbers in contract.sends():
        waiting = [
            producer.send(topic, key=contract.key_of(number), value=contract.value_of(number))
            for number in numbers
        ]
        for future in waiting:
            future.get(timeout=90)
        contract.say("sent", first=numbers.start, count=len(numbers))
    producer.close()


class Member(AsyncConsumerRebalanceListener):
    """Reads, and remembers what it has read and not committed.

    The listener runs on the library's own thread while `poll` waits for it, so that no lock is needed; on that
    thread only the commit that can be awaited is allowed.
    """

    def __init__(self, bootstrap, topic, group, protocol):
        self.topic = topic
        self.owns = set()
        self.pending = {}
        self.consumer = KafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=60000,
            heartbeat_interval_ms=500,
            reconnect_backoff_max_ms=500,
            partition_assignment_strategy=[ASSIGNORS[protocol]],
        )
        self.consumer.subscribe([topic], listener=self)

    async def on_partitions_revoked(self, revoked):
        if self.pending:
            await self.consumer.commit_async(self.offsets())
            self.note_commit()
        self.owns -= {place.partition for place in revoked}
        contract.say("owns", partitions=sorted(self.owns))

    async def on_partitions_lost(self, lost):
        self.pending = {}
        self.owns -= {place.partition for place in lost}
        contract.say("owns", partitions=sorted(self.owns))

    async def on_partitions_assigned(self, assigned):
        self.owns |= {place.partition for place in assigned}
        contract.say("owns", partitions=sorted(self.owns))

    def offsets(self):
        return {
            TopicPartition(self.topic, partition): OffsetAndMetadata(offset, "", -1)
            for partition, offset in self.pending.items()
        }

    def commit(self):
        if self.pending:
            self.consumer.commit(self.offsets())
            self.note_commit()

    def note_commit(self):
        contract.say("committed", offsets=self.pending)
        self.pending = {}

    def run(self):
        commands = contract.commands()
        while True:
            for records in self.consumer.poll(timeout_ms=200).values():
                for record in records:
                    contract.say_record(record.partition, record.offset, record.key, record.value)
                    self.pending[record.partition] = record.offset + 1
            command = contract.next_command(commands)
            if command == ["commit"]:
                self.commit()
                contract.say("done")
            elif command == ["leave"]:
                self.commit()
                self.consumer.close(autocommit=False)
                return


def consume(bootstrap, topic, group, protocol):
    Member(bootstrap, topic, group, protocol).run()


logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
contract.main(create, produce, consume)
