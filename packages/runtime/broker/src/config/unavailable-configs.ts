import { type AnyConfigSpec, type ConfigSpecs, type ConfigType, invariant, type UpdateMode } from "@samsa/base";

/**
 * Kafka's broker settings that have no effect here yet: name, type, default, allowed values and how they change at run
 * time, if they do. They are validated as in Kafka, so that a file or request that Kafka refuses is refused too.
 */
const TABLE = `
background.threads | int | 10 | 1.. | cluster-wide
controller.quorum.append.linger.ms | int | 25 | 0..
delete.records.purgatory.purge.interval.requests | int | 1
early.start.listeners | list | null
fetch.purgatory.purge.interval.requests | int | 1000
follower.fetch.last.tiered.offset.enable | boolean | false | | cluster-wide
group.consumer.assignor.offload.enable | boolean | true | | cluster-wide
group.coordinator.append.linger.ms | int | -1 | -1..
group.coordinator.background.threads | int | 2 | 1..
group.coordinator.cached.buffer.max.bytes | int | 1048588 | 524288.. | cluster-wide
group.coordinator.threads | int | 4 | 1..
group.share.assignor.offload.enable | boolean | true | | cluster-wide
group.share.dlq.manager.class.name | string | org.apache.kafka.server.share.dlq.DefaultShareGroupDLQManager
group.share.persister.class.name | string | org.apache.kafka.server.share.persister.DefaultStatePersister
group.streams.acceptable.recovery.lag | long | 10000 | 0..
group.streams.assignment.interval.ms | int | 1000 | 0.. | cluster-wide
group.streams.assignor.offload.enable | boolean | true | | cluster-wide
group.streams.assignors | list | sticky | nonempty
group.streams.heartbeat.interval.ms | int | 5000 | 1..
group.streams.initial.rebalance.delay.ms | int | 3000 | 0..
group.streams.max.assignment.interval.ms | int | 15000 | 0..
group.streams.max.heartbeat.interval.ms | int | 15000 | 1..
group.streams.max.session.timeout.ms | int | 60000 | 1..
group.streams.max.size | int | 2147483647 | 1..
group.streams.max.standby.replicas | int | 2 | 0..
group.streams.max.warmup.replicas | int | 20 | 0..
group.streams.min.assignment.interval.ms | int | 0 | 0..
group.streams.min.heartbeat.interval.ms | int | 5000 | 1..
group.streams.min.session.timeout.ms | int | 45000 | 1..
group.streams.min.task.offset.interval.ms | int | 15000 | 1..
group.streams.num.standby.replicas | int | 0 | 0..
group.streams.num.warmup.replicas | int | 2 | 0..
group.streams.rack.aware.assignment.tags | list | ""
group.streams.session.timeout.ms | int | 45000 | 1..
group.streams.task.offset.interval.ms | int | 60000 | 1..
group.streams.topology.description.plugin.class | class | null
kafka.metrics.polling.interval.secs | int | 10 | 1..
kafka.metrics.reporters | list | ""
log.local.retention.bytes | long | -2 | -2.. | cluster-wide
log.local.retention.ms | long | -2 | -2.. | cluster-wide
log.remote.copy.lag.bytes | long | -1 | -1.. | cluster-wide
log.remote.copy.lag.ms | long | 0 | -1.. | cluster-wide
metric.reporters | list | org.apache.kafka.common.metrics.JmxReporter | | cluster-wide
metrics.recording.level | string | INFO
num.io.threads | int | 8 | 1.. | cluster-wide
num.network.threads | int | 3 | 1.. | cluster-wide
num.recovery.threads.per.data.dir | int | 2 | 1.. | cluster-wide
num.replica.alter.log.dirs.threads | int | null
principal.builder.class | class | org.apache.kafka.common.security.authenticator.DefaultKafkaPrincipalBuilder | | per-broker
producer.purgatory.purge.interval.requests | int | 1000
queued.max.requests | int | 500 | 1..
remote.fetch.max.wait.ms | int | 500 | 1.. | cluster-wide
remote.list.offsets.request.timeout.ms | long | 30000 | 1.. | cluster-wide
remote.log.index.file.cache.total.size.bytes | long | 1073741824 | 1.. | cluster-wide
remote.log.index.file.cache.ttl.ms | long | 900000 | -1..
remote.log.manager.copier.thread.pool.size | int | 10 | 1.. | cluster-wide
remote.log.manager.copy.max.bytes.per.second | long | 9223372036854775807 | 1.. | cluster-wide
remote.log.manager.copy.quota.window.num | int | 11 | 1..
remote.log.manager.copy.quota.window.size.seconds | int | 1 | 1..
remote.log.manager.expiration.thread.pool.size | int | 10 | 1.. | cluster-wide
remote.log.manager.fetch.max.bytes.per.second | long | 9223372036854775807 | 1.. | cluster-wide
remote.log.manager.fetch.quota.window.num | int | 11 | 1..
remote.log.manager.fetch.quota.window.size.seconds | int | 1 | 1..
remote.log.manager.follower.thread.pool.size | int | 2 | 1.. | cluster-wide
remote.log.manager.task.interval.ms | long | 30000 | 1..
remote.log.manager.task.retry.backoff.max.ms | long | 30000 | 1..
remote.log.manager.task.retry.backoff.ms | long | 500 | 1..
remote.log.manager.task.retry.jitter | double | 0.2 | 0..0.5
remote.log.manager.thread.pool.size | int | 2 | 1..
remote.log.metadata.custom.metadata.max.bytes | int | 128 | 0..
remote.log.metadata.manager.class.name | string | org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager | nonempty
remote.log.metadata.manager.class.path | string | null
remote.log.metadata.manager.impl.prefix | string | rlmm.config. | nonempty
remote.log.metadata.manager.listener.name | string | null | nonempty
remote.log.reader.max.pending.tasks | int | 100 | 1..
remote.log.reader.threads | int | 10 | 1.. | cluster-wide
remote.log.storage.manager.class.name | string | null | nonempty
remote.log.storage.manager.class.path | string | null
remote.log.storage.manager.impl.prefix | string | rsm.config. | nonempty
remote.log.storage.system.enable | boolean | false
replica.socket.receive.buffer.bytes | int | 65536
sasl.client.callback.handler.class | class | null
sasl.kerberos.kinit.cmd | string | /usr/bin/kinit | | per-broker
sasl.kerberos.min.time.before.relogin | long | 60000 | | per-broker
sasl.kerberos.principal.to.local.rules | list | DEFAULT | | per-broker
sasl.kerberos.service.name | string | null | | per-broker
sasl.kerberos.ticket.renew.jitter | double | 0.05 | | per-broker
sasl.kerberos.ticket.renew.window.factor | double | 0.8 | | per-broker
sasl.login.class | class | null
sasl.login.connect.timeout.ms | int | null
security.providers | string | null
share.coordinator.append.linger.ms | int | -1 | -1..
share.coordinator.cached.buffer.max.bytes | int | 1048588 | 524288.. | cluster-wide
share.coordinator.threads | int | 1 | 1..
share.fetch.purgatory.purge.interval.requests | int | 1000
socket.receive.buffer.bytes | int | 102400
socket.send.buffer.bytes | int | 102400
ssl.engine.factory.class | class | null | | per-broker
ssl.keymanager.algorithm | string | SunX509 | | per-broker
ssl.provider | string | null | | per-broker
ssl.secure.random.implementation | string | null | | per-broker
ssl.trustmanager.algorithm | string | PKIX | | per-broker
unstable.feature.versions.enable | boolean | false
`;

/** Parses a range of allowed values: `1..`, `1..17`, `a/b`, `~A/B` (any case) or `nonempty`. */
function allowed(text: string): Partial<AnyConfigSpec> {
  const range = /^(-?[\d.]+?)\.\.(-?[\d.]*)$/.exec(text);
  if (range !== null) {
    const max = range[2] === "" ? {} : { max: Number(range[2]) };
    return { min: Number(range[1]), ...max };
  }
  if (text === "") return {};
  if (text === "nonempty") return { nonEmpty: true };
  if (text.startsWith("~")) return { oneOf: text.slice(1).split("/"), ignoreCase: true };
  return { oneOf: text.split("/") };
}

function parse(row: string): readonly [name: string, spec: AnyConfigSpec] {
  const [name, type, initial, rule = "", update = "read-only"] = row.split("|").map(part => part.trim());
  invariant(name !== undefined && initial !== undefined, "a row has a name, a type and a default");
  const spec = {
    type: type as ConfigType,
    default: initial === "null" ? null : initial === '""' ? "" : initial,
    doc: "",
    update: update as UpdateMode,
    ...allowed(rule),
  };
  return [name, spec as AnyConfigSpec];
}

/** Broker settings of Kafka 4.4 without effect here, with their types, defaults and bounds. */
export const unavailableBrokerConfigs: ConfigSpecs = Object.fromEntries(TABLE.trim().split("\n").map(parse));

/** Features that are missing, and what Java's machinery needs that this broker does not have. */
const TIERING = "tiering: there is no remote storage";
const STREAMS = "streams: there are no streams groups";

/** Reason why a setting has no effect, by a pattern of its name; the first that matches counts. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/^(?:group\.)?streams\./, STREAMS],
  [/^remote\.|^(?:log\.)?local\.retention|^log\.remote\.|tiered/, TIERING],
  [/^sasl\.kerberos\./, "security: GSSAPI (Kerberos) needs a library of the system; SCRAM and OAUTHBEARER need none"],
  [
    /^sasl\.login\.connect/,
    "Java-only: sasl.login.read.timeout.ms bounds a request to the endpoint for tokens as a whole",
  ],
  [/^ssl\./, "Java-only: OpenSSL, which is a part of Node, speaks TLS, with its own choice of keys and random numbers"],
  [
    /^principal\.builder/,
    "Java-only: it names a class; Kafka's own is built in, and a node does not start with another",
  ],
  [/^sasl\.(?:client|login)\.|^security\.providers$/, "Java-only: it names a class; Kafka's own is built in"],
  [/^early\.start/, "Java-only: all listeners open early; until the ACLs are known, super users alone may do anything"],
  [/purgatory/, "Java-only: requests that wait are removed as soon as they are over, so nothing is purged"],
  [/assignor\.offload/, "Java-only: assignments are computed on the event loop, without a pool of threads"],
  [
    /\.append\.linger\.ms$/,
    "Java-only: what is appended in one turn of the event loop is written and flushed together, without a wait",
  ],
  [/cached\.buffer/, "Java-only: batches are built without buffers that are kept"],
  [/^num\.recovery/, "Java-only: logs are recovered one after the other, on the event loop"],
  [/threads$/, "Java-only: one event loop does the work of these threads"],
  [
    /^(?:kafka\.metrics|metric\.reporters|metrics\.recording)/,
    "Java-only: all metrics are at /metrics, for Prometheus",
  ],
  [
    /socket.*buffer\.bytes$/,
    "Java-only: Node leaves the buffers of sockets to the operating system, which sizes them by need",
  ],
  [
    /^queued\.max\.requests$/,
    "Java-only: a request is handled once it has been read, so there is no queue; see queued.max.request.bytes",
  ],
  [/^group\.share\..*\.class\.name$/, "Java-only: it names a class; Kafka's own is built in"],
  [/^unstable\.feature/, "unreleased: levels of features that Kafka has not released are not built"],
];

/** Reason why a setting of Kafka has no effect: a word, and a sentence for what is not a missing feature. */
export function whyUnavailable(name: string): string | undefined {
  return REASONS.find(([pattern]) => pattern.test(name))?.[1];
}
