"""aiokafka: create, produce, consume by the contract of the README."""

import asyncio
import logging
import sys

import contract
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def lines():
    """A reader of standard input that does not hold up the loop."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def create(bootstrap, topic, partitions):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    answer = await admin.create_topics([NewTopic(topic, partitions, 1)])
    await admin.close()
    for name, code, *text in answer.topic_errors:
        if code != 0:
            raise SystemExit(f"{name} is not created: {code} {text}")


async def produce(bootstrap, topic):
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    reader = await lines()
    while line := await reader.readline():
        _, first, count = line.split()
        first, count = int(first), int(count)
        waiting = [
            await producer.send(
                topic, key=contract.key_of(number), value=contract.value_of(number)
            )
            for number in range(first, first + count)
        ]
        await asyncio.gather(*waiting)
        contract.say("sent", first=first, count=count)
    await producer.stop()


class Member(ConsumerRebalanceListener):
    """Reads, and remembers what it has read and not committed."""

    def __init__(self, bootstrap, topic, group):
        self.topic = topic
        self.pending = {}
        self.consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=60000,
            heartbeat_interval_ms=500,
        )
        self.consumer.subscribe([topic], listener=self)

    async def on_partitions_revoked(self, revoked):
        await self.commit()
        contract.say("owns", partitions=[])

    async def on_partitions_assigned(self, assigned):
        contract.say("owns", partitions=sorted(place.partition for place in assigned))

    async def commit(self):
        if not self.pending:
            return
        pending, self.pending = self.pending, {}
        await self.consumer.commit(
            {TopicPartition(self.topic, number): offset for number, offset in pending.items()}
        )
        contract.say("committed", offsets=pending)

    async def read(self):
        for records in (await self.consumer.getmany(timeout_ms=200)).values():
            for record in records:
                contract.say_record(record.partition, record.offset, record.key, record.value)
                self.pending[record.partition] = record.offset + 1

    async def obey(self):
        """Commands, until it is told to leave."""
        reader = await lines()
        while (line := await reader.readline()) and line.split() != [b"leave"]:
            await self.commit()
            contract.say("done")
        self.is_leaving = True

    async def run(self):
        self.is_leaving = False
        await self.consumer.start()
        orders = asyncio.create_task(self.obey())
        while not self.is_leaving:
            await self.read()
        await orders
        await self.commit()
        await self.consumer.stop()


async def consume(bootstrap, topic, group):
    await Member(bootstrap, topic, group).run()


logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
contract.main(
    lambda *arguments: asyncio.run(create(*arguments)),
    lambda *arguments: asyncio.run(produce(*arguments)),
    lambda bootstrap, topic, group, _protocol: asyncio.run(consume(bootstrap, topic, group)),
)
