"""A walk through kafka-python; run with the broker's host:port."""
import sys
import time

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, OffsetSpec
from kafka.structs import OffsetAndMetadata

from walk import CODECS, DEADLINE_S, check, equal, need, refused, say, until

SERVER = sys.argv[1]
TOPIC = "kafka-python-walk"
ZERO, ONE = TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)
admin = KafkaAdminClient(bootstrap_servers=SERVER, request_timeout_ms=10000)


def create(name, **more):
    admin.create_topics({name: {"num_partitions": 2, "replication_factor": 1, **more}}, timeout_ms=8000)


def partitions(name):
    (found,) = admin.describe_topics([name])
    return len(found["partitions"])


def topics():
    def creates():
        create(TOPIC, configs={"retention.ms": "3600000"})
        refused("topicalreadyexists", lambda: create(TOPIC))

    def wrong():
        refused("invalidreplicationfactor", lambda: create("wrong", replication_factor=3))
        refused("invalidtopic", lambda: create("wr/ong"))

    def grows():
        create("grows", num_partitions=1)
        admin.create_partitions({"grows": 3})
        until("three", lambda: partitions("grows"), lambda n: n == 3)

    def alters():
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, TOPIC, {"retention.ms": "7200000"})])
        until("altered", lambda: "7200000" in configs(), lambda there: there)

    check("create a topic", creates)
    check("what is wrong with a topic is told", wrong)
    check("list topics", lambda: need(TOPIC in admin.list_topics(), "it is listed"))
    check("describe a topic", lambda: equal("partitions", partitions(TOPIC), 2))
    check("add partitions", grows)
    check("describe a topic's settings", lambda: need("3600000" in configs(), configs()))
    check("alter a topic's settings", alters)
    check("list config resources", lambda: need(TOPIC in str(admin.list_config_resources(["TOPIC"])), "it is listed"))
    check("describe the cluster", lambda: equal("nodes", len(admin.describe_cluster()["brokers"]), 1))
    check("describe features", lambda: need("metadata.version" in str(admin.describe_features()), "it is told"))
    check("describe topic partitions", lambda: need(TOPIC in str(admin.describe_topic_partitions([TOPIC])), "it is told"))


def configs():
    return str(admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, TOPIC)]))


def send(records, **settings):
    producer = KafkaProducer(bootstrap_servers=SERVER, **settings)
    sent = [producer.send(**record) for record in records]
    found = [future.get(DEADLINE_S) for future in sent]
    producer.close()
    return found


def produce():
    for codec in CODECS:
        settings = {"compression_type": None if codec == "none" else codec, "linger_ms": 20}
        records = [{"topic": TOPIC, "partition": 0, "value": codec.encode() * 50} for _ in range(20)]
        check(f"produce with {codec}", lambda: send(records, **settings))
    special = [
        {"key": b"key", "value": "žluťoučký".encode(), "headers": [("trace", b"1"), ("trace", b"2")], "timestamp_ms": 1000},
        {"key": b"gone", "value": None, "timestamp_ms": 2000},
        {"value": b"", "timestamp_ms": 3000},
    ]
    check("produce keys, headers and nulls", lambda: send([{"topic": TOPIC, "partition": 1, **one} for one in special]))
    plain = [{"topic": TOPIC, "partition": 0, "value": b"plain"}]
    for acks in [0, 1]:
        check(f"produce with acks={acks}", lambda: send(plain, acks=acks, enable_idempotence=False))

    def many():
        found = send([{"topic": "grows", "partition": 0, "value": b"x"} for _ in range(2000)], enable_idempotence=True)
        equal("offsets", [one.offset for one in found], list(range(2000)))

    def transaction():
        producer = KafkaProducer(bootstrap_servers=SERVER, transactional_id="kafka-python", max_block_ms=8000)
        producer.init_transactions()
        producer.begin_transaction()
        producer.send("grows", b"committed", partition=1)
        producer.commit_transaction()
        producer.close()

    check("produce 2000 records idempotently", many)
    check("produce in a transaction", transaction)


def take(consumer, count):
    found, end = [], time.monotonic() + DEADLINE_S
    while len(found) < count:
        need(time.monotonic() < end, f"{count} records come; {len(found)} came")
        for records in consumer.poll(500).values():
            found.extend(records)
    return found


def member(group, *subscribed, **more):
    settings = {"auto_offset_reset": "earliest", "enable_auto_commit": False, **more}
    return KafkaConsumer(*subscribed, bootstrap_servers=SERVER, group_id=group, **settings)


def consume():
    counter = member(None)
    total = sum(counter.end_offsets([ZERO, ONE]).values())

    def everything():
        consumer = member("all", TOPIC)
        full, gone, empty = [one for one in take(consumer, total) if one.partition == 1]
        equal("value", full.value.decode(), "žluťoučký")
        equal("headers", list(full.headers), [("trace", b"1"), ("trace", b"2")])
        equal("timestamp", full.timestamp, 1000)
        equal("tombstone", gone.value, None)
        equal("no key and nothing in it", (empty.key, empty.value), (None, b""))
        consumer.close()

    def commits():
        for first in [0, 2]:
            consumer = member("commit", TOPIC)
            found = take(consumer, total - first)
            equal("first offset", next(one.offset for one in found if one.partition == 1), first)
            consumer.commit({ONE: OffsetAndMetadata(2, "mine", -1)})
            equal("committed", consumer.committed(ONE), 2)
            consumer.close()

    def seeks():
        consumer = member(None)
        consumer.assign([ONE])
        consumer.seek(ONE, 2)
        equal("offset", take(consumer, 1)[0].offset, 2)
        consumer.seek_to_beginning(ONE)
        equal("offset", take(consumer, 1)[0].offset, 0)
        consumer.close()

    def times():
        equal("offset", counter.offsets_for_times({ONE: 1500})[ONE].offset, 1)
        equal("beginning", counter.beginning_offsets([ONE]), {ONE: 0})

    check("consume everything in a group", everything)
    check("commit, then go on from there", commits)
    check("seek", seeks)
    check("offsets by time", times)
    check("partitions of a topic", lambda: equal("partitions", counter.partitions_for_topic(TOPIC), {0, 1}))


def groups():
    def offsets():
        equal("offset", admin.list_group_offsets({"commit": [ONE]})["commit"][ONE].offset, 2)
        admin.alter_group_offsets("commit", {ONE: OffsetAndMetadata(1, "", -1)})
        equal("offset", admin.list_group_offsets({"commit": [ONE]})["commit"][ONE].offset, 1)

    def specs():
        asked = [OffsetSpec.EARLIEST, OffsetSpec.LATEST, OffsetSpec.MAX_TIMESTAMP, 1500]
        found = [admin.list_partition_offsets({ONE: spec})[ONE].offset for spec in asked]
        equal("offsets", found, [0, 3, 2, 1])

    def deletes():
        admin.delete_groups(["commit"])
        need("commit" not in str(admin.list_groups()), "it is no longer listed")

    def reassigns():
        node = admin.describe_cluster()["brokers"][0]["broker_id"]
        admin.alter_partition_reassignments({ZERO: [node]})
        equal("under way", admin.list_partition_reassignments(), {})

    def drops():
        admin.delete_topics([TOPIC])
        until("gone", lambda: TOPIC in admin.list_topics(), lambda there: not there)

    check("list groups", lambda: need("commit" in str(admin.list_groups()), "it is listed"))
    check("describe a group", lambda: need("Empty" in str(admin.describe_groups(["commit"])), "it is empty"))
    check("list and alter offsets of a group", offsets)
    check("delete offsets of a group", lambda: admin.delete_group_offsets("commit", [ONE]))
    check("delete a group", deletes)
    check("list offsets, earliest, latest, of the largest time, by time", specs)
    check("delete records", lambda: need("2" in str(admin.delete_records({ONE: 2})), "the low watermark is told"))
    check("describe log directories", lambda: need(TOPIC in str(admin.describe_log_dirs()), "it is told"))
    check("elect leaders", lambda: admin.elect_leaders(0, {TOPIC: [0]}, raise_errors=False))
    check("reassign partitions", reassigns)
    check("describe the quorum", lambda: need("leader_id" in str(admin.describe_metadata_quorum()), "it is told"))
    check("describe producers", lambda: need(len(admin.describe_producers([ZERO])) == 1, "it is told"))
    check("list transactions", lambda: admin.list_transactions())
    check("delete a topic", drops)


say(version=kafka.__version__)
topics()
produce()
consume()
groups()
