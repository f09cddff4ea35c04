import { configSpecs } from "@samsa/base";

const INT_MAX = "2147483647";
const LONG_MAX = "9223372036854775807";

/** Settings of sockets, of background tasks and of the process (`SocketServerConfigs`, `ServerConfigs`, `MetricConfigs`). */
export const serverConfigs = configSpecs({
  "config.providers": {
    type: "list",
    update: "cluster-wide",
    default: "",
    doc: "Providers of values for variables in the settings file, which are looked up at a start.",
  },
  "log.flush.start.offset.checkpoint.interval.ms": {
    type: "int",
    default: "60000",
    min: 0,
    doc: "Longest time until start offsets of logs that have moved are written, in ms.",
  },
  "log.initial.task.delay.ms": {
    type: "long",
    default: "30000",
    min: 0,
    doc: "Time from the start until retention and checkpoints of logs begin, in ms.",
  },
  "max.connection.creation.rate": {
    type: "int",
    update: "cluster-wide",
    default: INT_MAX,
    min: 0,
    doc: "New connections per second; those above it wait, or are closed if ten windows of the quota are full. A listener may have its own: listener.name.NAME.max.connection.creation.rate.",
  },
  "metrics.num.samples": {
    type: "int",
    default: "2",
    min: 1,
    doc: "Number of windows over which averages and maxima of latencies are measured.",
  },
  "metrics.sample.window.ms": {
    type: "long",
    default: "30000",
    min: 1,
    doc: "Length of each of these windows, in ms.",
  },
  "offsets.topic.compression.codec": {
    type: "int",
    default: "0",
    doc: "Codec of records in __consumer_offsets: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.",
  },
  "server.max.startup.time.ms": {
    type: "long",
    default: LONG_MAX,
    min: 0,
    doc: "Time after which a start that is not complete fails, in ms.",
  },
  "socket.connection.setup.timeout.max.ms": {
    type: "long",
    default: "30000",
    doc: "Limit of the next setting as it grows with each failure, in ms.",
  },
  "socket.connection.setup.timeout.ms": {
    type: "long",
    default: "10000",
    doc: "Longest time to connect to another node, in ms; doubled with each failure.",
  },
  "socket.listen.backlog.size": {
    type: "int",
    default: "50",
    min: 1,
    doc: "Connections of a listener that may wait to be accepted; 511 unless it is set, as one event loop does all.",
  },
  "unstable.api.versions.enable": {
    type: "boolean",
    default: "false",
    internal: true,
    doc: "Serves versions of APIs that Kafka has not released: InitProducerId 6 (two-phase commit).",
  },
});

/** Settings that one listener may have for itself, as `listener.name.NAME.…` (KIP-402, KIP-612). */
export const LISTENER_LIMITS = ["max.connections", "max.connection.creation.rate"] as const;
export type ListenerLimit = (typeof LISTENER_LIMITS)[number];

/** Settings of connections to other nodes. */
interface SetupSettings {
  readonly "socket.connection.setup.timeout.ms": number;
  readonly "socket.connection.setup.timeout.max.ms": number;
}

/** Times for the setup of a connection to another node, of which none may take longer than `mostMs`. */
export function setupTimes(
  config: SetupSettings,
  mostMs = Infinity,
): { readonly setupTimeoutMs: number; readonly maxSetupTimeoutMs: number } {
  const first = Math.min(config["socket.connection.setup.timeout.ms"], mostMs);
  const last = Math.min(config["socket.connection.setup.timeout.max.ms"], mostMs);
  return { setupTimeoutMs: first, maxSetupTimeoutMs: Math.max(first, last) };
}

/**
 * Connections of a listener that may wait to be accepted; undefined: as many as the host allows, because Kafka's default is
 * meant for a thread that does nothing else.
 */
export function backlogOf(
  given: ReadonlyMap<string, string>,
  config: { readonly "socket.listen.backlog.size": number },
): number | undefined {
  return given.has("socket.listen.backlog.size") ? config["socket.listen.backlog.size"] : undefined;
}
