import type { RetrySettings } from "../cluster/retry-backoff.ts";
import { CODEC_NAMES, type Compression, defaultCompression } from "@samsa/records";
import { KafkaError } from "../error/kafka-error.ts";
import type { KeyHash } from "./partitioner.ts";

/** Settings of a producer (`ProducerConfig`), checked and complete. Times are in ms, sizes in bytes. */
export interface ProducerSettings extends RetrySettings {
  /** Replicas that must have a record before it is acknowledged: −1 all in sync, 1 the leader, 0 no answer at all. */
  readonly acks: -1 | 0 | 1;
  /** `enable.idempotence` */
  readonly idempotent: boolean;
  /** `transactional.id`; null: no transactions. */
  readonly transactionalId: string | null;
  /** `transaction.timeout.ms` */
  readonly transactionTimeoutMs: number;
  /** `linger.ms` */
  readonly lingerMs: number;
  /**
   * Batches do not linger while nothing is in flight to their broker: a lone send leaves at once, and under load
   * batches fill during the round trips.
   */
  readonly adaptiveLinger: boolean;
  /** `batch.size` */
  readonly batchBytes: number;
  /** `buffer.memory` */
  readonly bufferBytes: number;
  /** `max.request.size` */
  readonly maxRequestBytes: number;
  /** `max.in.flight.requests.per.connection` */
  readonly maxInFlight: number;
  /** `retries` */
  readonly retries: number;
  /** `request.timeout.ms` */
  readonly requestTimeoutMs: number;
  /** Longest time that a leader waits for the other replicas (`timeout` of Produce); `requestTimeoutMs` by default. */
  readonly ackTimeoutMs: number;
  /** `delivery.timeout.ms` */
  readonly deliveryTimeoutMs: number;
  /** `compression.type` and `compression.*.level` */
  readonly compression: Compression;
  /** `partitioner.ignore.keys` */
  readonly ignoreKeys: boolean;
  /** Hash by which keys are spread; `crc32` for producers that share topics with those of librdkafka. */
  readonly keyHash: KeyHash;
  /** `partitioner.adaptive.partitioning.enable` */
  readonly adaptivePartitioning: boolean;
  /** `partitioner.availability.timeout.ms`; 0: brokers are never unavailable. */
  readonly availabilityTimeoutMs: number;
}

/** Settings as a user gives them. Those that are left out get Kafka's defaults (4.x). */
export type ProducerOptions = { readonly [K in keyof ProducerSettings]?: ProducerSettings[K] | undefined };

const MAX_INT = 0x7fffffff;
/** Most requests in flight of an idempotent producer: brokers remember that many batches of it. */
const IDEMPOTENT_IN_FLIGHT = 5;
/** Bytes of a batch of one empty record, and some more. */
const SMALLEST_BUFFER = 1024;

const DEFAULTS: ProducerSettings = {
  acks: -1,
  idempotent: true,
  transactionalId: null,
  transactionTimeoutMs: 60_000,
  lingerMs: 5,
  adaptiveLinger: true,
  batchBytes: 16_384,
  bufferBytes: 33_554_432,
  maxRequestBytes: 1_048_576,
  maxInFlight: IDEMPOTENT_IN_FLIGHT,
  retries: MAX_INT,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1000,
  requestTimeoutMs: 30_000,
  ackTimeoutMs: 30_000,
  deliveryTimeoutMs: 120_000,
  compression: defaultCompression(0),
  ignoreKeys: false,
  keyHash: "murmur2",
  adaptivePartitioning: true,
  availabilityTimeoutMs: 0,
};

const KEY_HASHES: readonly KeyHash[] = ["murmur2", "crc32"];

type NumberKey = {
  [K in keyof ProducerSettings]: ProducerSettings[K] extends number ? K : never;
}[keyof ProducerSettings];

/** Least and greatest value of each number. */
const RANGES: { readonly [K in NumberKey]: readonly [number, number] } = {
  acks: [-1, 1],
  transactionTimeoutMs: [1, MAX_INT],
  lingerMs: [0, MAX_INT],
  batchBytes: [0, MAX_INT],
  bufferBytes: [SMALLEST_BUFFER, Number.MAX_SAFE_INTEGER],
  maxRequestBytes: [1, MAX_INT],
  maxInFlight: [1, MAX_INT],
  retries: [0, MAX_INT],
  retryBackoffMs: [0, MAX_INT],
  retryBackoffMaxMs: [0, MAX_INT],
  requestTimeoutMs: [1, MAX_INT],
  ackTimeoutMs: [0, MAX_INT],
  deliveryTimeoutMs: [1, MAX_INT],
  availabilityTimeoutMs: [0, MAX_INT],
};

/** Codecs with levels: least and greatest (KIP-390). −1 is gzip's default. */
const LEVELS: { readonly [codec: number]: readonly [number, number] } = { 1: [-1, 9], 4: [-131_072, 22] };

function refuse(message: string): never {
  throw new KafkaError("INVALID_ARGUMENT", message);
}

/**
 * Completes and checks the settings of a producer. Throws `KafkaError` INVALID_ARGUMENT for a value out of range, and for
 * values that exclude each other. Idempotence that nobody asked for gives way to `acks`, `retries` or `maxInFlight`; a
 * delivery timeout that nobody asked for is raised to what `lingerMs` and `requestTimeoutMs` need (`ProducerConfig`), and a
 * batch size that nobody asked for is lowered to the memory.
 */
export function producerSettings(options: ProducerOptions): ProducerSettings {
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(DEFAULTS, name)) refuse(`a producer has no setting ${name}`);
    if (value !== undefined) given[name] = value;
  }
  const settings = { ...DEFAULTS, ...given };
  for (const name of Object.keys(RANGES) as NumberKey[]) checkNumber(name, settings[name]);
  checkCompression(settings.compression);
  if (!KEY_HASHES.includes(settings.keyHash)) refuse(`there is no hash ${String(settings.keyHash)} of keys`);
  const { requestTimeoutMs, lingerMs, transactionalId } = settings;
  if (transactionalId === "") refuse("the transactional id is empty");
  return {
    ...settings,
    batchBytes: batchBytes(settings, options.batchBytes),
    idempotent: idempotence(settings, options.idempotent),
    deliveryTimeoutMs: deliveryTimeout(settings, options.deliveryTimeoutMs),
    // As in Kafka, the largest delay is not below the first.
    retryBackoffMaxMs: Math.max(settings.retryBackoffMs, settings.retryBackoffMaxMs),
    requestTimeoutMs,
    ackTimeoutMs: options.ackTimeoutMs ?? requestTimeoutMs,
    lingerMs,
  };
}

function checkNumber(name: NumberKey, value: number): void {
  const [least, greatest] = RANGES[name];
  if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= greatest) return;
  refuse(`the setting ${name} must be a whole number from ${least} to ${greatest}, not ${String(value)}`);
}

function checkCompression({ codec, level }: Compression): void {
  if (CODEC_NAMES[codec] === undefined) refuse(`there is no compression codec ${String(codec)}`);
  const [least, greatest] = LEVELS[codec] ?? [-Infinity, Infinity];
  if (Number.isInteger(level) && level >= least && level <= greatest && !(codec === 1 && level === 0)) return;
  refuse(`the codec ${CODEC_NAMES[codec]} has no level ${String(level)}`);
}

function idempotence(settings: ProducerSettings, asked: boolean | undefined): boolean {
  const obstacle =
    settings.acks !== -1
      ? "acks of all"
      : settings.retries === 0
        ? "retries"
        : settings.maxInFlight > IDEMPOTENT_IN_FLIGHT
          ? `at most ${IDEMPOTENT_IN_FLIGHT} requests in flight`
          : undefined;
  if (settings.transactionalId !== null) {
    if (asked === false) refuse("a producer with a transactional id is idempotent");
    if (obstacle !== undefined) refuse(`a transactional producer needs ${obstacle}`);
    return true;
  }
  if (obstacle === undefined) return settings.idempotent;
  if (asked === true) refuse(`an idempotent producer needs ${obstacle}`);
  return false;
}

/** The first record of a batch takes the memory of a whole one, so a larger batch could never begin. */
function batchBytes({ batchBytes: size, bufferBytes }: ProducerSettings, asked: number | undefined): number {
  if (size <= bufferBytes) return size;
  if (asked === undefined) return bufferBytes;
  return refuse(`a batch of ${size} bytes does not fit into the memory of the producer, ${bufferBytes} bytes`);
}

function deliveryTimeout(settings: ProducerSettings, asked: number | undefined): number {
  const least = Math.min(MAX_INT, settings.lingerMs + settings.requestTimeoutMs);
  if (settings.deliveryTimeoutMs >= least) return settings.deliveryTimeoutMs;
  if (asked === undefined) return least;
  return refuse(
    `the delivery timeout of ${asked} ms is less than the linger time and the request timeout, ${least} ms`,
  );
}
