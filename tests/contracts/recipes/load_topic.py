"""Load a compacted topic into a DuckDB table with one row per key: python load_topic.py TOPIC DATABASE TABLE"""

import os
import sys

import duckdb
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

topic, database, table = sys.argv[1:]
consumer = Consumer(
    {
        "bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"],
        "group.id": "load-topic",  # the client wants a name; nothing is committed under it
        "enable.auto.commit": False,
        "enable.partition.eof": True,
    }
)
unread = set(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in unread])

newest: dict[bytes, bytes] = {}
while unread:
    record = consumer.poll(10)
    if record is None:
        continue
    error, key, value = record.error(), record.key() or b"", record.value()
    if error is not None:
        if error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        unread.discard(record.partition())
    elif value is None:
        newest.pop(key, None)  # the key is gone
    else:
        newest[key] = value  # a later record stands for all before it
consumer.close()

with duckdb.connect(database) as db:
    db.execute(f"CREATE OR REPLACE TABLE {table} (key VARCHAR PRIMARY KEY, record JSON)")
    if newest:
        rows = [(key.decode(), value.decode()) for key, value in newest.items()]
        db.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)
print(f"{len(newest)} rows in {table}")
