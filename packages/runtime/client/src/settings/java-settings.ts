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
import { isSecuritySetting, javaSecurity, SECURITY_SETTINGS } from "./java-security.ts";
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

/** Settings that take values of a type, as in `producer.lingerMs`. */
type PathOf<V> = { [P in keyof Draft]: `${P}.${NamesOf<P, V>}` }[keyof Draft];

function refuse(message: string): never {
  throw new KafkaError("INVALID_ARGUMENT", message);
}

function row(spec: AnyConfigSpec, apply: Row["apply"]): Row {
  return { spec, apply };
}

/** Row that puts a value into several settings of the same meaning. */
function into(paths: readonly string[], spec: AnyConfigSpec, valueOf: (value: Value) => unknown = value => value): Row {
  return row({ ...spec, doc: paths.join(", ") }, (draft, value) => {
    for (const path of paths) {
      const [part, name = ""] = path.split(".");
      Object.assign(draft[part as keyof Draft], { [name]: valueOf(value) });
    }
  });
}

/** A whole number from `least` on. */
function whole(least: number, ...paths: readonly PathOf<number>[]): Row {
  return into(paths, { type: "long", default: null, min: least, doc: "" });
}

function flag(...paths: readonly PathOf<boolean>[]): Row {
  return into(paths, { type: "boolean", default: null, doc: "" });
}

function text(...paths: readonly PathOf<string>[]): Row {
  return into(paths, { type: "string", default: null, doc: "" });
}

/** A text of which `values` are known, each with its value here. */
function choice<const V>(path: PathOf<V>, values: Readonly<Record<string, V>>): Row {
  const spec = { type: "string", default: null, oneOf: Object.keys(values), doc: "" } as const;
  return into([path], spec, value => values[String(value)]);
}

/** A text that is one of `values`. */
function oneOf<const V extends string>(path: PathOf<V>, ...values: readonly V[]): Row {
  return into([path], { type: "string", default: null, oneOf: values, doc: "" });
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
  "bootstrap.controllers": row({ type: "string", default: null, doc: "client.nodes" }, ({ client }, value) => {
    const endpoints = parseEndpoints(String(value));
    if (client.bootstrapServers !== undefined)
      refuse("there are bootstrap.servers and bootstrap.controllers: give one of them");
    client.bootstrapServers = endpoints ?? refuse(`bootstrap.controllers wants host:port, not "${String(value)}"`);
    client.nodes = "controllers";
  }),
  "client.id": text("client.clientId"),
  "request.timeout.ms": whole(1, "client.requestTimeoutMs"),
  "default.api.timeout.ms": whole(0, "client.apiTimeoutMs"),
  "metadata.max.age.ms": whole(0, "client.maxAgeMs"),
  "metadata.max.idle.ms": whole(0, "client.maxIdleMs"),
  "metadata.recovery.rebootstrap.trigger.ms": whole(0, "client.rebootstrapTriggerMs"),
  "metadata.cluster.check.enable": flag("client.checkCluster"),
  "metadata.recovery.strategy": row(
    { type: "string", default: null, oneOf: ["none", "rebootstrap"], doc: "client.rebootstrapTriggerMs" },
    ({ client }, value) => {
      if (value === "none") client.rebootstrapTriggerMs = undefined;
    },
  ),
  "allow.auto.create.topics": flag("client.allowAutoTopicCreation"),
  "enable.metrics.push": flag("client.pushMetrics"),
  "reconnect.backoff.ms": whole(0, "client.reconnectBackoffMs"),
  "reconnect.backoff.max.ms": whole(0, "client.reconnectBackoffMaxMs"),
  "socket.connection.setup.timeout.ms": whole(0, "client.setupTimeoutMs"),
  "socket.connection.setup.timeout.max.ms": whole(0, "client.setupTimeoutMaxMs"),
  "connections.max.idle.ms": whole(0, "client.maxIdleConnectionMs"),
  "retry.backoff.ms": whole(0, "client.retryBackoffMs", "producer.retryBackoffMs"),
  "retry.backoff.max.ms": whole(0, "client.retryBackoffMaxMs", "producer.retryBackoffMaxMs"),
  "max.in.flight.requests.per.connection": whole(1, "client.maxInFlight", "producer.maxInFlight"),
  acks: choice("producer.acks", { all: -1, "-1": -1, "0": 0, "1": 1 }),
  "enable.idempotence": flag("producer.idempotent"),
  "transactional.id": text("producer.transactionalId"),
  "transaction.timeout.ms": whole(0, "producer.transactionTimeoutMs"),
  "linger.ms": whole(0, "producer.lingerMs"),
  "batch.size": whole(0, "producer.batchBytes"),
  "buffer.memory": whole(0, "producer.bufferBytes"),
  "max.request.size": whole(0, "producer.maxRequestBytes"),
  retries: whole(0, "producer.retries"),
  "delivery.timeout.ms": whole(0, "producer.deliveryTimeoutMs"),
  "max.block.ms": whole(0, "producer.maxBlockMs"),
  "compression.type": choice("producer.compression", CODECS),
  "compression.gzip.level": level(1),
  "compression.zstd.level": level(4),
  "partitioner.ignore.keys": flag("producer.ignoreKeys"),
  "partitioner.adaptive.partitioning.enable": flag("producer.adaptivePartitioning"),
  "partitioner.availability.timeout.ms": whole(0, "producer.availabilityTimeoutMs"),
  "fetch.min.bytes": whole(0, "consumer.minBytes", "share.minBytes"),
  "fetch.max.bytes": whole(0, "consumer.maxBytes", "share.maxBytes"),
  "fetch.max.wait.ms": whole(0, "consumer.maxWaitMs", "share.maxWaitMs"),
  "max.partition.fetch.bytes": whole(0, "consumer.maxPartitionBytes"),
  "max.poll.records": whole(1, "consumer.maxPollRecords", "share.maxPollRecords"),
  "isolation.level": oneOf("consumer.isolation", "read_uncommitted", "read_committed"),
  "auto.offset.reset": row({ type: "string", default: null, doc: "consumer.reset" }, ({ consumer }, value) => {
    consumer.reset = parseOffsetReset(String(value));
  }),
  "client.rack": text("consumer.rackId", "share.rackId"),
  "check.crcs": flag("consumer.checkCrcs", "share.checkCrcs"),
  "group.id": text("group.groupId", "share.groupId"),
  "group.protocol": oneOf("group.protocol", "classic", "consumer"),
  "group.instance.id": text("group.instanceId"),
  "group.remote.assignor": text("group.serverAssignor"),
  "partition.assignment.strategy": row({ type: "list", default: null, doc: "group.assignors" }, ({ group }, value) => {
    group.assignors = (typeof value === "object" ? value : [String(value)]).map(assignorOf);
  }),
  "session.timeout.ms": whole(0, "group.sessionTimeoutMs"),
  "heartbeat.interval.ms": whole(0, "group.heartbeatIntervalMs"),
  "max.poll.interval.ms": whole(1, "group.rebalanceTimeoutMs"),
  "enable.auto.commit": flag("group.autoCommit"),
  "auto.commit.interval.ms": whole(0, "group.autoCommitIntervalMs"),
  "share.acknowledgement.mode": oneOf("share.acknowledgement", "implicit", "explicit"),
  "share.acquire.mode": oneOf("share.acquireMode", "batch_optimized", "record_limit"),
};

/** Names of the settings that are available, each with the settings of a part that it gives, as in `producer.lingerMs`. */
export const JAVA_SETTINGS: Readonly<Record<string, string>> = Object.fromEntries([
  ...Object.entries(ROWS).map(([name, { spec }]) => [name, spec.doc]),
  ...SECURITY_SETTINGS.map(name => [name, "client.security"]),
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
  const names = [...properties.keys()].filter(isSecuritySetting);
  const security = javaSecurity(name => properties.get(name)?.trim(), names);
  return names.length === 0 ? draft : { ...draft, client: { ...draft.client, security } };
}
