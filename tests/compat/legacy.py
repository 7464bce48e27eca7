"""kafka-python, told that the broker is an old one: writes in every codec of its time, reads back.

usage: legacy.py BOOTSTRAP VERSION (0.8.2, 0.9, 0.10.0, 0.10.1); ends with 0 when all is the same.
"""

import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

RECORDS = 50
TIMEOUT_MS = 60_000


def values(codec):
    """Short and long values, some of them binary."""
    return [f"{codec} {index} ".encode() * (1 + index * 7) + bytes([index]) for index in range(RECORDS)]


def main(bootstrap, version):
    told = tuple(int(part) for part in version.split("."))
    topic = f"compat-legacy-{version}"
    expected = []
    for codec in [None, "gzip", "snappy", "lz4"]:
        producer = KafkaProducer(
            bootstrap_servers=bootstrap,
            api_version=told,
            compression_type=codec,
            linger_ms=20,
        )
        for index, value in enumerate(values(codec)):
            producer.send(topic, key=b"%d" % index, value=value, partition=0)
            expected.append((b"%d" % index, value))
        producer.flush(TIMEOUT_MS / 1000)
        producer.close()
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap,
        api_version=told,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        group_id=None,
        consumer_timeout_ms=TIMEOUT_MS,
        max_partition_fetch_bytes=4096,
    )
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)
    found, offsets = [], []
    for record in consumer:
        found.append((record.key, record.value))
        offsets.append(record.offset)
        if len(found) == len(expected):
            break
    consumer.close()
    if found != expected or offsets != list(range(len(expected))):
        sys.exit(f"{version}: {len(found)} records of {len(expected)}, offsets from {offsets[:1]}")
    print(f"{version}: {len(found)} records")


main(*sys.argv[1:])
