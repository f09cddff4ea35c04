"""Ways of connecting with kafka-python; run with a file of cases that src/samsa-client/secured-cases.ts has written."""
import logging
import time
import uuid

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.net.sasl.oauth import AbstractTokenProvider

from walk import DEADLINE_S, need, refused, say, secured_settings, secured_walk

NAMES = {
    **{"server": "bootstrap_servers", "protocol": "security_protocol"},
    **{"ca": "ssl_cafile", "cert": "ssl_certfile", "key": "ssl_keyfile"},
    **{"mechanism": "sasl_mechanism", "username": "sasl_plain_username", "password": "sasl_plain_password"},
}


class Token(AbstractTokenProvider):
    def __init__(self, text):
        self.text = text

    def token(self):
        return self.text


def settings(way):
    token = {"sasl_oauth_token_provider": Token(way["token"])} if "token" in way else {}
    return {**secured_settings(way, NAMES), **token, "bootstrap_timeout_ms": 5000}


def exchange(way):
    """Sends a record and reads it."""
    value = str(uuid.uuid4()).encode()
    producer = KafkaProducer(**settings(way))
    producer.send(way["topic"], value).get(DEADLINE_S)
    producer.close()
    consumer = KafkaConsumer(**settings(way))
    zero = TopicPartition(way["topic"], 0)
    consumer.assign([zero])
    consumer.seek_to_beginning(zero)
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        for records in consumer.poll(200).values():
            if any(record.value == value for record in records):
                consumer.close()
                return
    raise AssertionError("the record has not come")


def asks(way):
    KafkaAdminClient(**settings(way)).list_topics()


def refusal(way):
    """kafka-python tells in its log why there is no connection, and raises that there is none."""
    LOG.clear()
    refused("unable to bootstrap", asks, way)
    word = "authentication" if way["refused"] == "credentials" else "ssl"
    need(any(word in line.lower() for line in LOG), f"the log tells of {word}: {LOG}")


class Kept(logging.Handler):
    def emit(self, record):
        LOG.append(record.getMessage())


LOG = []
logging.getLogger("kafka").addHandler(Kept(logging.WARNING))


say(version=kafka.__version__)
secured_walk(exchange, refusal)
