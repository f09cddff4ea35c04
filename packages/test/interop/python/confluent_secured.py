"""Ways of connecting with librdkafka; run with a file of cases that src/samsa-client/secured-cases.ts has written."""
import json
import sys
import time
import uuid

import confluent_kafka as ck
from confluent_kafka import admin as ca

from walk import DEADLINE_S, check, need, say

FILES = {"ca": "ssl.ca.location", "cert": "ssl.certificate.location", "key": "ssl.key.location"}


def settings(way):
    sasl = "mechanism" in way
    protocol = ("SASL_" if sasl else "") + ("SSL" if way["tls"] else "PLAINTEXT")
    found = {"bootstrap.servers": way["server"], "security.protocol": protocol, "socket.timeout.ms": 8000}
    found.update({name: way[key] for key, name in FILES.items() if key in way})
    if sasl:
        names = {"sasl.mechanism": "mechanism", "sasl.username": "username", "sasl.password": "password"}
        found.update({name: way[key] for name, key in names.items()})
    return found


def exchange(way):
    """Sends a record and reads it."""
    value = str(uuid.uuid4()).encode()
    producer = ck.Producer(settings(way))
    producer.produce(way["topic"], value)
    need(producer.flush(DEADLINE_S) == 0, "the record is acknowledged")
    consumer = ck.Consumer({**settings(way), "group.id": "confluent"})
    consumer.assign([ck.TopicPartition(way["topic"], 0, ck.OFFSET_BEGINNING)])
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        found = consumer.poll(0.2)
        if found is not None and found.error() is None and found.value() == value:
            consumer.close()
            return
    raise AssertionError("the record has not come")


def told(way, error):
    if way["refused"] == "credentials":
        return error.code() == ck.KafkaError._AUTHENTICATION
    # With TLS 1.3, the broker's alert comes after the handshake.
    return error.code() == ck.KafkaError._SSL or "SSL alert number" in error.str()


def refusal(way):
    """Waits for the error by which librdkafka tells why there is no connection."""
    errors = []
    admin = ca.AdminClient({**settings(way), "error_cb": errors.append})
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        admin.poll(0.1)
        if any(told(way, error) for error in errors):
            return
    raise AssertionError(f"not refused: {errors}")


say(version=f"{ck.version()} on librdkafka {ck.libversion()[0]}")
for case in json.load(open(sys.argv[1])):
    check(case["name"], refusal if "refused" in case else exchange, case)
