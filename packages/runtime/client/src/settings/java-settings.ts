import { ASSIGNORS, type AssignorName } from "@samsa/assign";
import { type AnyConfigSpec, ConfigError, nearest, parseConfigValue } from "@samsa/base";
import { KafkaError, parseOffsetReset } from "@samsa/client-kernel";
import { CODEC_NAMES, type Compression, defaultCompression } from "@samsa/records";
import { parseEndpoints } from "@samsa/wire";
import type { ClusterSettings } from "../cluster/cluster-settings.ts";
import type { ConsumerOptions } from "../consume/consumer-settings.ts";
import type { GroupSettings } from "../consume/group-settings.ts";
import type { ProducerOptions } from "../producer/producer.ts";
import type { ShareConsumerSettings } from "../share/share-settings.ts";
import { javaSecurity } from "./java-security.ts";
import { UNAVAILABLE_SETTINGS } from "./unavailable-settings.ts";

/** Settings of the parts of a client, as Java's names give them. Those that are not given are left out. */
export interface JavaSettings {
  readonly client: Partial<ClusterSettings>;
  readonly producer: ProducerOptions;
  readonly consumer: ConsumerOptions;
  readonly group: Partial<GroupSettings>;
  readonly share: Partial<ShareConsumerSettings>;
}

type Draft = { readonly [P in keyof JavaSettings]: { -readonly [K in keyof JavaSettings[P]]: JavaSettings[P][K] } };
type Value = ReturnType<typeof parseConfigValue>;

interface Row {
  readonly spec: AnyConfigSpec;
  readonly apply: (draft: Draft, value: Value) => void;
}

/** Names of the settings of a part that take values of a type. */
type NamesOf<P extends keyof Draft, V> = {
  [K in keyof Draft[P] & string]-?: V extends Draft[P][K] ? K : never;
}[keyof Draft[P] & string];

const OF_SECURITY = [
  ...["security.protocol", "sasl.mechanism", "sasl.jaas.config", "sasl.login.callback.handler.class"],
  ...["sasl.oauthbearer.token.endpoint.url", "sasl.oauthbearer.client.credentials.client.id"],
  ...["sasl.oauthbearer.client.credentials.client.secret", "sasl.oauthbearer.scope"],
  ...["sasl.oauthbearer.header.urlencode", "sasl.login.read.timeout.ms"],
  ...["ssl.protocol", "ssl.enabled.protocols", "ssl.cipher.suites", "ssl.endpoint.identification.algorithm"],
  ...["ssl.truststore.type", "ssl.truststore.location", "ssl.truststore.certificates"],
  ...["ssl.keystore.type", "ssl.keystore.location", "ssl.keystore.password", "ssl.keystore.key"],
  ...["ssl.keystore.certificate.chain", "ssl.key.password"],
];

function refuse(message: string): never {
  throw new KafkaError("INVALID_ARGUMENT", message);
}

function row(spec: AnyConfigSpec, apply: Row["apply"]): Row {
  return { spec, apply };
}

/** A number that may be negative only if `least` is. */
function whole<P extends keyof Draft>(part: P, name: NamesOf<P, number>, least = 0): Row {
  return row({ type: "long", default: null, min: least, doc: `${part}.${name}` }, (draft, value) => {
    Object.assign(draft[part], { [name]: value });
  });
}

function flag<P extends keyof Draft>(part: P, name: NamesOf<P, boolean>): Row {
  return row({ type: "boolean", default: null, doc: `${part}.${name}` }, (draft, value) => {
    Object.assign(draft[part], { [name]: value });
  });
}

function text<P extends keyof Draft>(part: P, name: NamesOf<P, string>): Row {
  return row({ type: "string", default: null, doc: `${part}.${name}` }, (draft, value) => {
    Object.assign(draft[part], { [name]: value });
  });
}

/** A text of which `values` are known, each with its value here. */
function choice<P extends keyof Draft, K extends keyof Draft[P] & string>(
  part: P,
  name: K,
  values: Readonly<Record<string, Draft[P][K]>>,
): Row {
  const spec = { type: "string", default: null, oneOf: Object.keys(values), doc: `${part}.${name}` } as const;
  return row(spec, (draft, value) => {
    Object.assign(draft[part], { [name]: values[String(value)] });
  });
}

/** Several rows of one name, as of a setting that two parts have. */
function both(one: Row, other: Row): Row {
  return row({ ...one.spec, doc: `${one.spec.doc}, ${other.spec.doc}` }, (draft, value) => {
    one.apply(draft, value);
    other.apply(draft, value);
  });
}

function level(codec: Compression["codec"]): Row {
  return row({ type: "int", default: null, doc: "producer.compression.level" }, ({ producer }, value) => {
    // As in Kafka, levels of other codecs have no effect.
    if (producer.compression?.codec === codec) producer.compression = { codec, level: Number(value) };
  });
}

const CODECS = Object.fromEntries(
  ([0, 1, 2, 3, 4] as const).map(codec => [CODEC_NAMES[codec], defaultCompression(codec)]),
);

/** Kafka's classes of assignors, which may also be named as here. */
const ASSIGNOR_CLASSES: Readonly<Record<string, AssignorName>> = {
  "org.apache.kafka.clients.consumer.RangeAssignor": "range",
  "org.apache.kafka.clients.consumer.RoundRobinAssignor": "roundrobin",
  "org.apache.kafka.clients.consumer.StickyAssignor": "sticky",
  "org.apache.kafka.clients.consumer.CooperativeStickyAssignor": "cooperative-sticky",
};

function assignorOf(name: string): AssignorName {
  const found = ASSIGNOR_CLASSES[name] ?? Object.values(ASSIGNOR_CLASSES).find(known => known === name);
  if (found !== undefined && Object.hasOwn(ASSIGNORS, found)) return found;
  return refuse(`partition.assignment.strategy has an assignor that is not available: ${name}`);
}

/** Settings by Java's names, in the order in which they apply. */
const ROWS: Readonly<Record<string, Row>> = {
  "bootstrap.servers": row({ type: "string", default: null, doc: "client.bootstrapServers" }, ({ client }, value) => {
    const endpoints = parseEndpoints(String(value));
    client.bootstrapServers = endpoints ?? refuse(`bootstrap.servers wants host:port, not "${String(value)}"`);
  }),
  "client.id": text("client", "clientId"),
  "request.timeout.ms": whole("client", "requestTimeoutMs", 1),
  "default.api.timeout.ms": whole("client", "apiTimeoutMs"),
  "metadata.max.age.ms": whole("client", "maxAgeMs"),
  "metadata.max.idle.ms": whole("client", "maxIdleMs"),
  "metadata.recovery.rebootstrap.trigger.ms": whole("client", "rebootstrapTriggerMs"),
  "metadata.recovery.strategy": row(
    { type: "string", default: null, oneOf: ["none", "rebootstrap"], doc: "client.rebootstrapTriggerMs" },
    ({ client }, value) => {
      if (value === "none") client.rebootstrapTriggerMs = undefined;
    },
  ),
  "allow.auto.create.topics": flag("client", "allowAutoTopicCreation"),
  "reconnect.backoff.ms": whole("client", "reconnectBackoffMs"),
  "reconnect.backoff.max.ms": whole("client", "reconnectBackoffMaxMs"),
  "socket.connection.setup.timeout.ms": whole("client", "setupTimeoutMs"),
  "socket.connection.setup.timeout.max.ms": whole("client", "setupTimeoutMaxMs"),
  "connections.max.idle.ms": whole("client", "maxIdleConnectionMs"),
  "retry.backoff.ms": both(whole("client", "retryBackoffMs"), whole("producer", "retryBackoffMs")),
  "retry.backoff.max.ms": both(whole("client", "retryBackoffMaxMs"), whole("producer", "retryBackoffMaxMs")),
  "max.in.flight.requests.per.connection": both(whole("client", "maxInFlight", 1), whole("producer", "maxInFlight", 1)),
  acks: choice("producer", "acks", { all: -1, "-1": -1, "0": 0, "1": 1 }),
  "enable.idempotence": flag("producer", "idempotent"),
  "transactional.id": text("producer", "transactionalId"),
  "transaction.timeout.ms": whole("producer", "transactionTimeoutMs"),
  "linger.ms": whole("producer", "lingerMs"),
  "batch.size": whole("producer", "batchBytes"),
  "buffer.memory": whole("producer", "bufferBytes"),
  "max.request.size": whole("producer", "maxRequestBytes"),
  retries: whole("producer", "retries"),
  "delivery.timeout.ms": whole("producer", "deliveryTimeoutMs"),
  "max.block.ms": whole("producer", "maxBlockMs"),
  "compression.type": choice("producer", "compression", CODECS),
  "compression.gzip.level": level(1),
  "compression.zstd.level": level(4),
  "partitioner.ignore.keys": flag("producer", "ignoreKeys"),
  "partitioner.adaptive.partitioning.enable": flag("producer", "adaptivePartitioning"),
  "partitioner.availability.timeout.ms": whole("producer", "availabilityTimeoutMs"),
  "fetch.min.bytes": both(whole("consumer", "minBytes"), whole("share", "minBytes")),
  "fetch.max.bytes": both(whole("consumer", "maxBytes"), whole("share", "maxBytes")),
  "fetch.max.wait.ms": both(whole("consumer", "maxWaitMs"), whole("share", "maxWaitMs")),
  "max.partition.fetch.bytes": whole("consumer", "maxPartitionBytes"),
  "max.poll.records": both(whole("consumer", "maxPollRecords", 1), whole("share", "maxPollRecords", 1)),
  "isolation.level": choice("consumer", "isolation", {
    read_uncommitted: "read_uncommitted",
    read_committed: "read_committed",
  }),
  "auto.offset.reset": row({ type: "string", default: null, doc: "consumer.reset" }, ({ consumer }, value) => {
    consumer.reset = parseOffsetReset(String(value));
  }),
  "client.rack": both(text("consumer", "rackId"), text("share", "rackId")),
  "check.crcs": both(flag("consumer", "checkCrcs"), flag("share", "checkCrcs")),
  "group.id": both(text("group", "groupId"), text("share", "groupId")),
  "group.protocol": choice("group", "protocol", { classic: "classic", consumer: "consumer" }),
  "group.instance.id": text("group", "instanceId"),
  "group.remote.assignor": text("group", "serverAssignor"),
  "partition.assignment.strategy": row({ type: "list", default: null, doc: "group.assignors" }, ({ group }, value) => {
    group.assignors = (typeof value === "object" ? value : [String(value)]).map(assignorOf);
  }),
  "session.timeout.ms": whole("group", "sessionTimeoutMs"),
  "heartbeat.interval.ms": whole("group", "heartbeatIntervalMs"),
  "max.poll.interval.ms": whole("group", "rebalanceTimeoutMs", 1),
  "enable.auto.commit": flag("group", "autoCommit"),
  "auto.commit.interval.ms": whole("group", "autoCommitIntervalMs"),
  "share.acknowledgement.mode": choice("share", "acknowledgement", { implicit: "implicit", explicit: "explicit" }),
  "share.acquire.mode": choice("share", "acquireMode", {
    batch_optimized: "batch_optimized",
    record_limit: "record_limit",
  }),
};

/** Names of the settings that are available, each with the settings of a part that it gives, as in `producer.lingerMs`. */
export const JAVA_SETTINGS: Readonly<Record<string, string>> = Object.fromEntries([
  ...Object.entries(ROWS).map(([name, { spec }]) => [name, spec.doc]),
  ...OF_SECURITY.map(name => [name, "client.security"]),
]);

function checkName(name: string): void {
  if (Object.hasOwn(JAVA_SETTINGS, name)) return;
  const why = UNAVAILABLE_SETTINGS[name];
  if (why !== undefined)
    refuse(`${name} is a setting of Kafka that is not available here${why === "" ? "" : `: ${why}`}`);
  const near = nearest(name, [...Object.keys(JAVA_SETTINGS), ...Object.keys(UNAVAILABLE_SETTINGS)]);
  refuse(`there is no setting ${name}${near === undefined ? "" : `; did you mean ${near}?`}`);
}

/**
 * Settings that have Java's names, as of a properties file. Throws `KafkaError` INVALID_ARGUMENT for a name that is
 * unknown or not available, and for a value that cannot be.
 */
export function javaSettings(properties: ReadonlyMap<string, string>): JavaSettings {
  for (const name of properties.keys()) checkName(name);
  const draft: Draft = { client: {}, producer: {}, consumer: {}, group: {}, share: {} };
  for (const [name, { spec, apply }] of Object.entries(ROWS)) {
    const given = properties.get(name);
    if (given === undefined) continue;
    try {
      apply(draft, parseConfigValue(name, spec, given));
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      refuse(error.message);
    }
  }
  const lookup = (name: string): string | undefined => properties.get(name)?.trim();
  const names = [...properties.keys()].filter(name => OF_SECURITY.includes(name));
  const security = javaSecurity(lookup, names);
  return names.length === 0 ? draft : { ...draft, client: { ...draft.client, security } };
}
