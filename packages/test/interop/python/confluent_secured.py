"""Ways of connecting with librdkafka; run with a file of cases that src/samsa-client/secured-cases.ts has written."""
import time
import uuid

import confluent_kafka as ck
from confluent_kafka import admin as ca

from walk import DEADLINE_S, need, say, secured_settings, secured_walk

NAMES = {
    **{"server": "bootstrap.servers", "protocol": "security.protocol"},
    **{"ca": "ssl.ca.location", "cert": "ssl.certificate.location", "key": "ssl.key.location"},
    **{"mechanism": "sasl.mechanism", "username": "sasl.username", "password": "sasl.password"},
}


def settings(way):
    """Settings of a client; librdkafka asks for the token, and for the time of its end in seconds."""
    token = {"oauth_cb": lambda _: (way["token"], time.time() + 1800)} if "token" in way else {}
    return {**secured_settings(way, NAMES), **token, "socket.timeout.ms": 8000}


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
secured_walk(exchange, refusal)
