"""librdkafka by its Python binding."""
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from judge import drafts, main, tell, tell_record, values

DEADLINE_S = 50


def create(server, topic, partitions):
    admin = AdminClient({"bootstrap.servers": server})
    new = NewTopic(topic, num_partitions=int(partitions), replication_factor=1)
    for done in admin.create_topics([new]).values():
        done.result()


def refuse(error, message):
    if error is not None:
        raise RuntimeError(str(error))


def produce(server, topic, codec):
    producer = Producer({"bootstrap.servers": server, "compression.type": codec, "linger.ms": 20, "acks": "all"})
    for partition, key, value, headers in drafts():
        where = {} if partition is None else {"partition": partition}
        producer.produce(topic, key=key, value=value, headers=headers, on_delivery=refuse, **where)
    if producer.flush(DEADLINE_S) > 0:
        raise RuntimeError("not delivered")


def consume(server, topic, group, count):
    settings = {"group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({"bootstrap.servers": server, **settings})
    consumer.subscribe([topic])
    after, left, end = {}, int(count), time.monotonic() + DEADLINE_S
    while left > 0:
        message = consumer.poll(1)
        if time.monotonic() > end:
            raise RuntimeError(f"{left} records did not come")
        if message is None:
            continue
        refuse(message.error(), message)
        tell_record(message.partition(), message.offset(), (message.key(), message.value(), message.headers()))
        after[message.partition()] = message.offset() + 1
        left -= 1
    offsets = [TopicPartition(topic, partition, offset) for partition, offset in after.items()]
    for committed in consumer.commit(offsets=offsets, asynchronous=False):
        refuse(committed.error, None)
    consumer.close()


def load(server, topic):
    settings = {"enable.idempotence": True, "linger.ms": 5, "retry.backoff.ms": 50, "reconnect.backoff.max.ms": 500}
    producer = Producer({"bootstrap.servers": server, **settings})

    def acknowledged(error, message):
        refuse(error, message)
        tell(message.partition(), message.offset(), value=message.value().decode())

    for value in values():
        producer.produce(topic, value=value.encode(), on_delivery=acknowledged)
        producer.poll(0)
    if producer.flush(DEADLINE_S) > 0:
        raise RuntimeError("not delivered")


main({"create": create, "produce": produce, "consume": consume, "load": load})
