"""A walk through librdkafka by its Python binding; run with the broker's host:port."""
import sys
import time

import confluent_kafka as ck
from confluent_kafka import admin as ca

from walk import CODECS, DEADLINE_S, check, equal, need, refused, say, until

SERVER = sys.argv[1]
TOPIC = "confluent-walk"
RESOURCE = ca.ConfigResource(ca.ResourceType.TOPIC, TOPIC)
ZERO, ONE = ck.TopicPartition(TOPIC, 0), ck.TopicPartition(TOPIC, 1)
admin = ca.AdminClient({"bootstrap.servers": SERVER, "socket.timeout.ms": 8000})


def one(futures):
    """Waits for the only result of an admin call."""
    (future,) = futures.values()
    return future.result(DEADLINE_S)


def create(name, **more):
    one(admin.create_topics([ca.NewTopic(name, **{"num_partitions": 2, "replication_factor": 1, **more})]))


def topics():
    def creates():
        create(TOPIC, config={"retention.ms": "3600000"})
        refused("topicalreadyexists", lambda: create(TOPIC))

    def wrong():
        refused("invalidreplicationfactor", lambda: create("wrong", replication_factor=3))
        refused("topicexception", lambda: create("wr/ong"))
        refused("invalidconfig", lambda: create("wrong", config={"retention.ms": "soon"}))

    def describes():
        found = one(admin.describe_topics(ck.TopicCollection([TOPIC])))
        equal("partitions", len(found.partitions), 2)
        refused("unknowntopicorpart", lambda: one(admin.describe_topics(ck.TopicCollection(["nowhere"]))))

    def grows():
        create("grows", num_partitions=1)
        one(admin.create_partitions([ca.NewPartitions("grows", 3)]))
        until("three", lambda: len(admin.list_topics("grows", 5).topics["grows"].partitions), lambda n: n == 3)

    def retention():
        return one(admin.describe_configs([RESOURCE]))["retention.ms"].value

    def alters():
        entry = ca.ConfigEntry("retention.ms", "7200000", incremental_operation=ca.AlterConfigOpType.SET)
        resource = ca.ConfigResource(ca.ResourceType.TOPIC, TOPIC, incremental_configs=[entry])
        one(admin.incremental_alter_configs([resource]))
        until("altered", retention, lambda value: value == "7200000")

    def replaces():
        resource = ca.ConfigResource(ca.ResourceType.TOPIC, "grows", set_config={"retention.ms": "1000"})
        one(admin.alter_configs([resource]))

    check("create a topic", creates)
    check("what is wrong with a topic is told", wrong)
    check("list topics", lambda: need(TOPIC in admin.list_topics(timeout=5).topics, "it is listed"))
    check("describe a topic", describes)
    check("add partitions", grows)
    check("describe a topic's settings", lambda: equal("retention", retention(), "3600000"))
    check("alter a topic's settings", alters)
    check("replace a topic's settings (AlterConfigs)", replaces)
    check("describe the cluster", lambda: equal("nodes", len(admin.describe_cluster().result(DEADLINE_S).nodes), 1))


def send(records, **settings):
    failures = []
    producer = ck.Producer({"bootstrap.servers": SERVER, "message.timeout.ms": 10000, **settings})
    for record in records:
        producer.produce(on_delivery=lambda error, _: error and failures.append(error), **record)
    equal("not delivered", producer.flush(DEADLINE_S), 0)
    equal("failures", [str(failure) for failure in failures], [])


def produce():
    for codec in CODECS:
        records = [{"topic": TOPIC, "partition": 0, "value": codec * 50} for _ in range(20)]
        check(f"produce with {codec}", lambda: send(records, **{"compression.type": codec, "linger.ms": 20}))
    special = [
        {"key": "key", "value": "žluťoučký", "headers": [("trace", b"1"), ("none", None), ("trace", b"2")], "timestamp": 1000},
        {"key": "gone", "value": None, "timestamp": 2000},
        {"key": None, "value": "", "timestamp": 3000},
    ]
    check("produce keys, headers and nulls", lambda: send([{"topic": TOPIC, "partition": 1, **one} for one in special]))
    plain = [{"topic": TOPIC, "partition": 0, "value": "plain"}]
    for acks in ["0", "1"]:
        check(f"produce with acks={acks}", lambda: send(plain, acks=acks))
    many = [{"topic": "grows", "partition": 0, "value": str(index)} for index in range(5000)]
    check("produce 5000 records idempotently", lambda: send(many, **{"enable.idempotence": True, "batch.size": 2000}))

    def transaction():
        settings = {"bootstrap.servers": SERVER, "transactional.id": "confluent", "transaction.timeout.ms": 10000}
        producer = ck.Producer(settings)
        producer.init_transactions(8)
        producer.begin_transaction()
        producer.produce("grows", "committed", partition=1)
        producer.commit_transaction(8)

    check("produce in a transaction", transaction)


def take(consumer, count):
    found, end = [], time.monotonic() + DEADLINE_S
    while len(found) < count:
        message = consumer.poll(0.5)
        need(time.monotonic() < end, f"{count} records come; {len(found)} came")
        if message is not None and message.error() is not None:
            raise ck.KafkaException(message.error())
        if message is not None:
            found.append(message)
    return found


def member(group, **more):
    settings = {"group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False, **more}
    return ck.Consumer({"bootstrap.servers": SERVER, **settings})


def consume():
    total = sum(member("total").get_watermark_offsets(partition, 5)[1] for partition in [ZERO, ONE])

    def everything():
        consumer = member("all")
        consumer.subscribe([TOPIC])
        full, gone, empty = [one for one in take(consumer, total) if one.partition() == 1]
        equal("value", full.value().decode(), "žluťoučký")
        equal("headers", full.headers(), [("trace", b"1"), ("none", None), ("trace", b"2")])
        equal("timestamp", full.timestamp()[1], 1000)
        equal("tombstone", gone.value(), None)
        equal("no key and nothing in it", (empty.key(), empty.value()), (None, b""))
        consumer.close()

    def commits():
        for first in [0, 2]:
            consumer = member("commit")
            consumer.subscribe([TOPIC])
            found = take(consumer, total - first)
            equal("first offset", next(one.offset() for one in found if one.partition() == 1), first)
            done = consumer.commit(offsets=[ck.TopicPartition(TOPIC, 1, 2)], asynchronous=False)
            equal("error", done[0].error, None)
            equal("committed", consumer.committed([ONE], 5)[0].offset, 2)
            consumer.close()

    def seeks():
        consumer = member("seek")
        consumer.assign([ck.TopicPartition(TOPIC, 1, 0)])
        take(consumer, 1)
        consumer.seek(ck.TopicPartition(TOPIC, 1, 2))
        equal("offset", take(consumer, 1)[0].offset(), 2)
        consumer.close()

    def times():
        consumer = member("times")
        found = consumer.offsets_for_times([ck.TopicPartition(TOPIC, 1, 1500)], 5)
        equal("offset", found[0].offset, 1)
        equal("watermarks", consumer.get_watermark_offsets(ONE, 5), (0, 3))

    def sticky():
        consumer = member("sticky", **{"partition.assignment.strategy": "cooperative-sticky"})
        consumer.subscribe([TOPIC])
        take(consumer, total)
        consumer.close()

    def new_protocol():
        consumer = member("new", **{"group.protocol": "consumer"})
        consumer.subscribe([TOPIC])
        take(consumer, total)
        consumer.close()

    check("consume everything in a group", everything)
    check("commit, then go on from there", commits)
    check("seek", seeks)
    check("offsets by time", times)
    check("consume with the cooperative assignor", sticky)
    check("consume with group.protocol=consumer", new_protocol)


def latest(spec):
    return one(admin.list_offsets({ONE: spec})).offset


def groups():
    def lists():
        found = admin.list_consumer_groups().result(DEADLINE_S).valid
        need("commit" in [group.group_id for group in found], "the group is listed")

    def offsets():
        found = one(admin.list_consumer_group_offsets([ck.ConsumerGroupTopicPartitions("commit", [ONE])]))
        equal("offset", found.topic_partitions[0].offset, 2)
        asked = ck.ConsumerGroupTopicPartitions("commit", [ck.TopicPartition(TOPIC, 1, 1)])
        one(admin.alter_consumer_group_offsets([asked]))

    def deletes():
        one(admin.delete_consumer_groups(["commit"]))
        refused("groupidnotfound", lambda: one(admin.delete_consumer_groups(["commit"])))

    def specs():
        spec = ca.OffsetSpec
        found = [latest(one) for one in [spec.earliest(), spec.latest(), spec.for_timestamp(1500), spec.max_timestamp()]]
        equal("offsets", found, [0, 3, 1, 2])

    def records():
        equal("low", one(admin.delete_records([ck.TopicPartition(TOPIC, 1, 2)])).low_watermark, 2)

    def described():
        return one(admin.describe_consumer_groups(["commit"])).state

    def elects():
        found = admin.elect_leaders(ck.ElectionType.PREFERRED, [ZERO]).result(DEADLINE_S)
        need("ELECTION_NOT_NEEDED" in str(list(found.values())[0].code()) or list(found.values())[0].code() == 84, str(found))

    def scram():
        info = ca.ScramCredentialInfo(ca.ScramMechanism.SCRAM_SHA_256, 4096)
        one(admin.alter_user_scram_credentials([ca.UserScramCredentialUpsertion("walk", info, b"secret")]))
        until("told", lambda: len(one(admin.describe_user_scram_credentials(["walk"])).scram_credential_infos), lambda n: n == 1)

    def acls():
        allowed = (ca.AclOperation.READ, ca.AclPermissionType.ALLOW)
        acl = ca.AclBinding(ca.ResourceType.TOPIC, TOPIC, ca.ResourcePatternType.LITERAL, "User:walk", "*", *allowed)
        refused("securitydisabled", lambda: one(admin.create_acls([acl])))

    def drops():
        one(admin.delete_topics([TOPIC]))
        until("gone", lambda: TOPIC in admin.list_topics(timeout=5).topics, lambda there: not there)

    check("list groups", lists)
    check("describe a group", lambda: equal("state", described(), ck.ConsumerGroupState.EMPTY))
    check("list and alter offsets of a group", offsets)
    check("delete a group", deletes)
    check("list offsets, earliest, latest, by time, of the largest time", specs)
    check("delete records", records)
    check("elect leaders", elects)
    check("alter and describe SCRAM credentials", scram)
    check("create access rules, which no authorizer keeps", acls)
    check("delete a topic", drops)


say(version=f"{ck.version()} on librdkafka {ck.libversion()[0]}")
topics()
produce()
consume()
groups()
