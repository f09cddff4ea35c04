"""A walk through aiokafka; run with the broker's host:port."""
import asyncio
import sys

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from walk import CODECS, DEADLINE_S, acheck, equal, need, say

SERVER = sys.argv[1]
TOPIC = "aiokafka-walk"
ZERO, ONE = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)


async def topics(admin):
    async def create(name, **more):
        answer = await admin.create_topics([NewTopic(name, **{"num_partitions": 2, "replication_factor": 1, **more})])
        return answer.topic_errors[0][1]

    async def creates():
        equal("error", await create(TOPIC, topic_configs={"retention.ms": "3600000"}), 0)
        equal("error", await create(TOPIC), 36)

    async def wrong():
        equal("error", await create("wrong", replication_factor=3), 38)
        equal("error", await create("wr/ong"), 17)

    async def describes():
        (found,) = await admin.describe_topics([TOPIC])
        equal("partitions", len(found["partitions"]), 2)

    async def grows():
        await create("grows")
        await admin.create_partitions({"grows": NewPartitions(3)})
        (found,) = await admin.describe_topics(["grows"])
        equal("partitions", len(found["partitions"]), 3)

    async def retention(value):
        found = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, TOPIC)])
        need(value in str(found), f"it is {value}")

    async def alters():
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, TOPIC, {"retention.ms": "7200000"})])
        await retention("7200000")

    async def lists():
        need(TOPIC in await admin.list_topics(), "it is listed")

    async def cluster():
        equal("nodes", len((await admin.describe_cluster())["brokers"]), 1)

    await acheck("create a topic", creates)
    await acheck("what is wrong with a topic is told", wrong)
    await acheck("list topics", lists)
    await acheck("describe a topic", describes)
    await acheck("add partitions", grows)
    await acheck("describe a topic's settings", lambda: retention("3600000"))
    await acheck("alter a topic's settings (AlterConfigs)", alters)
    await acheck("describe the cluster", cluster)


async def send(records, **settings):
    async with AIOKafkaProducer(bootstrap_servers=SERVER, **settings) as producer:
        sent = [await producer.send(**record) for record in records]
        return [await asyncio.wait_for(one, DEADLINE_S) for one in sent]


async def produce():
    for codec in CODECS:
        settings = {"compression_type": None if codec == "none" else codec, "linger_ms": 20}
        records = [{"topic": TOPIC, "partition": 0, "value": codec.encode() * 50} for _ in range(20)]
        await acheck(f"produce with {codec}", lambda: send(records, **settings))
    special = [
        {"key": b"key", "value": "žluťoučký".encode(), "headers": [("trace", b"1")], "timestamp_ms": 1000},
        {"key": b"gone", "value": None, "timestamp_ms": 2000},
        {"value": b"", "timestamp_ms": 3000},
    ]
    records = [{"topic": TOPIC, "partition": 1, **one} for one in special]
    await acheck("produce keys, headers and nulls", lambda: send(records))

    async def many():
        found = await send([{"topic": "grows", "partition": 0, "value": b"x"}] * 2000, enable_idempotence=True)
        equal("offsets", [one.offset for one in found], list(range(2000)))

    async def transaction():
        producer = AIOKafkaProducer(bootstrap_servers=SERVER, transactional_id="aiokafka")
        try:
            await asyncio.wait_for(producer.start(), 8)
            async with producer.transaction():
                await producer.send("grows", b"committed", partition=1)
        finally:
            await asyncio.wait_for(producer.stop(), 8)

    await acheck("produce 2000 records idempotently", many)
    await acheck("produce in a transaction", transaction)


async def take(consumer, count):
    found = []
    async with asyncio.timeout(DEADLINE_S):
        while len(found) < count:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found.extend(records)
    return found


def member(group, *subscribed):
    settings = {"auto_offset_reset": "earliest", "enable_auto_commit": False}
    return AIOKafkaConsumer(*subscribed, bootstrap_servers=SERVER, group_id=group, **settings)


async def consume():
    async with member(None, TOPIC) as counter:
        total = sum((await counter.end_offsets([ZERO, ONE])).values())

        async def times():
            equal("offset", (await counter.offsets_for_times({ONE: 1500}))[ONE].offset, 1)
            equal("beginning", await counter.beginning_offsets([ONE]), {ONE: 0})

        await acheck("offsets by time", times)

    async def everything():
        async with member("all", TOPIC) as consumer:
            full, gone, empty = [one for one in await take(consumer, total) if one.partition == 1]
            equal("value", full.value.decode(), "žluťoučký")
            equal("headers", list(full.headers), [("trace", b"1")])
            equal("tombstone", gone.value, None)
            equal("no key and nothing in it", (empty.key, empty.value), (None, b""))

    async def commits():
        for first in [0, 2]:
            async with member("commit", TOPIC) as consumer:
                found = await take(consumer, total - first)
                equal("first offset", next(one.offset for one in found if one.partition == 1), first)
                await consumer.commit({ONE: 2})
                equal("committed", await consumer.committed(ONE), 2)

    async def seeks():
        consumer = member(None)
        await consumer.start()
        consumer.assign([ONE])
        consumer.seek(ONE, 2)
        equal("offset", (await take(consumer, 1))[0].offset, 2)
        await consumer.seek_to_beginning(ONE)
        equal("offset", (await take(consumer, 1))[0].offset, 0)
        await consumer.stop()

    await acheck("consume everything in a group", everything)
    await acheck("commit, then go on from there", commits)
    await acheck("seek", seeks)


async def groups(admin):
    async def lists():
        need("commit" in str(await admin.list_consumer_groups()), "it is listed")

    async def describes():
        need("Empty" in str(await admin.describe_consumer_groups(["commit"])), "it is empty")

    async def offsets():
        equal("offset", (await admin.list_consumer_group_offsets("commit"))[ONE].offset, 2)

    async def records():
        equal("low", (await admin.delete_records({ONE: RecordsToDelete(2)}))[ONE], 2)

    async def drops():
        await admin.delete_topics([TOPIC])
        need(TOPIC not in await admin.list_topics(), "it is gone")

    await acheck("list groups", lists)
    await acheck("describe a group", describes)
    await acheck("list offsets of a group", offsets)
    await acheck("delete records", records)
    await acheck("delete a topic", drops)


async def main():
    say(version=aiokafka.__version__)
    admin = AIOKafkaAdminClient(bootstrap_servers=SERVER)
    await admin.start()
    await topics(admin)
    await produce()
    await consume()
    await groups(admin)
    await admin.close()


asyncio.run(main())
