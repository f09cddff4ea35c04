const SERDES = "serdes are given in the program";
const CLASSES = "classes of Java cannot be loaded";
const KERBEROS = "GSSAPI is not available";
const NODE = "Node decides";

/** Settings of Kafka's clients that have no counterpart, and why if there is more to say. */
export const UNAVAILABLE_SETTINGS: Readonly<Record<string, string>> = {
  "key.serializer": SERDES,
  "value.serializer": SERDES,
  "key.deserializer": SERDES,
  "value.deserializer": SERDES,
  "interceptor.classes": CLASSES,
  "metric.reporters": CLASSES,
  "partitioner.class": CLASSES,
  "config.providers": CLASSES,
  "security.providers": CLASSES,
  "sasl.client.callback.handler.class": CLASSES,
  "sasl.login.class": CLASSES,
  "sasl.oauthbearer.jwt.validator.class": CLASSES,
  "ssl.engine.factory.class": CLASSES,
  "ssl.provider": CLASSES,
  "sasl.kerberos.service.name": KERBEROS,
  "sasl.kerberos.kinit.cmd": KERBEROS,
  "sasl.kerberos.ticket.renew.window.factor": KERBEROS,
  "sasl.kerberos.ticket.renew.jitter": KERBEROS,
  "sasl.kerberos.min.time.before.relogin": KERBEROS,
  "sasl.login.connect.timeout.ms": "sasl.login.read.timeout.ms is the time of the whole request",
  "ssl.keymanager.algorithm": NODE,
  "ssl.trustmanager.algorithm": NODE,
  "ssl.secure.random.implementation": NODE,
  "send.buffer.bytes": NODE,
  "receive.buffer.bytes": NODE,
  "client.dns.lookup": "the first address of a host is used",
  "bootstrap.resolve.timeout.ms": "",
  "buffer.memory.allocation.strategy": "",
  "compression.lz4.level": "",
  "exclude.internal.topics": "",
  "metrics.num.samples": "metrics are of the last 30 to 60 s",
  "metrics.recording.level": "all metrics are recorded",
  "metrics.sample.window.ms": "metrics are of the last 30 to 60 s",
  "partitioner.rack.aware": "",
  "transaction.two.phase.commit.enable": "",
};
