"""kafka-python."""
import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.structs import OffsetAndMetadata

from judge import drafts, main, tell, tell_record, values

DEADLINE_S = 50


def create(server, topic, partitions):
    admin = KafkaAdminClient(bootstrap_servers=server)
    admin.create_topics([NewTopic(topic, num_partitions=int(partitions), replication_factor=1)])
    admin.close()


def produce(server, topic, codec):
    compression = None if codec == "none" else codec
    producer = KafkaProducer(bootstrap_servers=server, compression_type=compression, linger_ms=20, acks="all")
    sent = []
    for partition, key, value, headers in drafts():
        sent.append(producer.send(topic, key=key, value=value, headers=headers, partition=partition))
    for future in sent:
        future.get(DEADLINE_S)
    producer.close()


def consume(server, topic, group, count):
    settings = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    consumer = KafkaConsumer(topic, bootstrap_servers=server, group_id=group, **settings)
    after, left, end = {}, int(count), time.monotonic() + DEADLINE_S
    while left > 0:
        if time.monotonic() > end:
            raise RuntimeError(f"{left} records did not come")
        for records in consumer.poll(500, max_records=left).values():
            for record in records:
                tell_record(record.partition, record.offset, (record.key, record.value, record.headers))
                after[record.partition] = record.offset + 1
                left -= 1
    consumer.commit({TopicPartition(topic, p): OffsetAndMetadata(offset, "", -1) for p, offset in after.items()})
    consumer.close(autocommit=False)


def load(server, topic):
    settings = {"enable_idempotence": True, "acks": "all", "linger_ms": 5, "retry_backoff_ms": 50}
    producer = KafkaProducer(bootstrap_servers=server, reconnect_backoff_max_ms=500, **settings)
    sent = []

    def told():
        while sent and sent[0][1].is_done:
            value, future = sent.pop(0)
            record = future.get(0)
            tell(record.partition, record.offset, value=value)

    for value in values():
        sent.append((value, producer.send(topic, value=value.encode())))
        told()
    producer.flush(DEADLINE_S)
    told()
    if sent:
        raise RuntimeError("not delivered")
    producer.close()


main({"create": create, "produce": produce, "consume": consume, "load": load})
