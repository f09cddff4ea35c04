import { fromUtf8, METADATA_TOPIC_ID, randomUuid, utf8 } from "@samsa/base";
import {
  bootstrapRecords,
  Controller,
  type ControllerRequests,
  type Draw,
  type FeatureRange,
  topicNameFault,
} from "@samsa/controller";
import type { LogConfig } from "@samsa/log";
import { METADATA_VERSION_FEATURE, type MetadataImage, metadataVersionOf, RESOURCE_TYPE } from "@samsa/metadata";
import {
  decodeMetadataRecord,
  encodeMetadataRecord,
  Errors,
  formatQuorumState,
  type MetadataRecord,
  parseQuorumState,
} from "@samsa/protocol";
import { BatchCursor, buildBatch, controlRecord, RecordCursor } from "@samsa/records";
import { type PartitionLog, readWhole, replaceFile } from "@samsa/storage";
import type { Broker } from "./broker.ts";
import { brokerConfigs, topicConfigs } from "./configs.ts";
import type { Endpoint } from "./listeners.ts";
import { brokerConfigFault, SOURCE, topicConfigFault } from "./settings.ts";
import { METADATA_TOPIC, OFFSETS_TOPIC } from "./topics.ts";

/** `__cluster_metadata`'s log: never flushed by policy (every append is), never deleted by age. */
export const METADATA_LOG_CONFIG: LogConfig = {
  segmentBytes: 1073741824,
  segmentMs: 604800000,
  segmentJitterMs: 0,
  indexIntervalBytes: 4096,
  segmentIndexBytes: 10485760,
  maxMessageBytes: 8388608,
  retentionMs: -1,
  retentionBytes: -1,
  flushMessages: Infinity,
  flushMs: Infinity,
  timestampType: "CreateTime",
  beforeMaxMs: Infinity,
  afterMaxMs: Infinity,
  compression: "producer",
  cleanupPolicy: new Set(),
  fileDeleteDelayMs: 60_000,
  preallocate: false,
};

/** The features that are served, and between which levels. A feature that is not here is at level 0. */
const FEATURES: ReadonlyMap<string, FeatureRange> = new Map([[METADATA_VERSION_FEATURE, { min: 7, max: 30 }]]);
const KRAFT_VERSION = { name: "kraft.version", min: 0, max: 1, level: 1 };
/** First version of ApiVersions that may carry features with a minimum of 0 (KAFKA-17011). */
const ZERO_MINIMUM_VERSION = 4;
const LOAD_BYTES = 4 * 1024 * 1024;
/** The most records of one batch; a decision larger than that is several. */
const BATCH_RECORDS = 10_000;

type Decider = keyof ControllerRequests;

/**
 * The controller of a single node: decides, writes the decision to `__cluster_metadata`, and once it is on the device
 * publishes the new image and answers.
 */
export class Control {
  readonly #broker: Broker;
  readonly #publish: (image: MetadataImage) => void;
  readonly #controller: Controller;
  readonly #log: PartitionLog;
  #epoch = 0;
  #brokerEpoch = -1;
  /** Decisions are taken one after the other: each sees what the one before has made. */
  #last: Promise<unknown> = Promise.resolve();
  #nextProducerId = 0n;
  #producerIdsLeft = 0;

  constructor(broker: Broker, publish: (image: MetadataImage) => void) {
    this.#broker = broker;
    this.#publish = publish;
    this.#log = broker.dir.get(METADATA_TOPIC, 0) ?? broker.dir.create(METADATA_TOPIC, 0, METADATA_TOPIC_ID);
    this.#controller = new Controller({
      clusterId: broker.clusterId,
      numPartitions: broker.config["num.partitions"],
      replicationFactor: broker.config["default.replication.factor"],
      features: FEATURES,
      configs: {
        validate: (type, _name, key, value) => configVerdict(type, key, value),
        isList: (type, key) => specOf(type, key)?.type === "list",
        initial: (type, key) => specOf(type, key)?.default ?? null,
      },
      describeTopic: overrides => this.#describeTopic(overrides),
    });
  }

  get brokerEpoch(): number {
    return this.#brokerEpoch;
  }

  /** Reads the log, takes the next epoch, and registers this broker. */
  async activate(endpoints: readonly Endpoint[]): Promise<void> {
    this.#load();
    await this.#lead();
    if (metadataVersionOf(this.#controller.image) < 0 || this.#controller.image.features.size === 0) {
      await this.#commit(bootstrapRecords({ metadataVersion: 30, features: FEATURES }));
    }
    await this.#register(endpoints);
    this.#publish(this.#controller.image);
  }

  #load(): void {
    const log = this.#log;
    const batch = new BatchCursor();
    const record = new RecordCursor();
    for (let offset = log.startOffset; offset < log.endOffset; ) {
      const read = log.read({ offset, maxBytes: LOAD_BYTES, minOneMessage: true, limitOffset: log.endOffset });
      if (read.chunks.length === 0) break;
      for (const chunk of read.chunks) {
        batch.reset(chunk);
        while (batch.next()) this.#replayBatch(batch, record);
      }
      offset = read.nextOffset;
    }
  }

  #replayBatch(batch: BatchCursor, record: RecordCursor): void {
    if (batch.isControl) return;
    record.open(batch, this.#broker.tools.codecs);
    while (record.next()) {
      const value = record.value();
      if (value === null) continue;
      const provenance = { offset: record.offset, epoch: batch.leaderEpoch, timestamp: record.timestamp };
      this.#controller.replay(decodeMetadataRecord(value), provenance);
    }
  }

  /** Begins the next epoch of the quorum, whose only voter this node is. */
  async #lead(): Promise<void> {
    const { env, dir, nodeId } = this.#broker;
    const path = `${this.#log.path}/quorum-state`;
    const stored = readWhole(env.disk, path);
    const known = stored === undefined ? -1 : parseQuorumState(fromUtf8(stored)).state.leaderEpoch;
    this.#epoch = Math.max(known, this.#log.latestEpoch, 0) + 1;
    const state = {
      clusterId: "",
      leaderId: nodeId,
      leaderEpoch: this.#epoch,
      votedId: nodeId,
      votedDirectoryId: dir.directoryId,
      appliedOffset: 0,
      currentVoters: null,
    };
    replaceFile(env.disk, path, utf8(formatQuorumState({ version: 1, state })), true);
    const now = env.clock.now();
    const voters = [{ id: nodeId, directoryId: dir.directoryId }];
    const controls = [
      controlRecord({ type: "leaderChange", version: 1, leaderId: nodeId, voters, grantingVoters: voters }, now),
    ];
    if (this.#log.endOffset === 0) {
      const supported = { minKraftVersion: KRAFT_VERSION.min, maxKraftVersion: KRAFT_VERSION.max };
      controls.push(
        controlRecord({ type: "kraftVersion", kraftVersion: KRAFT_VERSION.level }, now),
        controlRecord({ type: "kraftVoters", voters: [{ ...voters[0], endpoints: [], ...supported }] }, now),
      );
    }
    this.#log.beginEpoch(this.#epoch);
    this.#append(buildBatch(controls, { control: true }, this.#broker.tools));
    await this.#log.flush();
  }

  #append(bytes: Uint8Array): number {
    const now = this.#broker.env.clock.now();
    const added = this.#log.append(bytes, { origin: "coordinator", now, leaderEpoch: this.#epoch });
    if (added.error !== 0) throw new Error(`the metadata log refused a batch with error ${added.error}`);
    return added.firstOffset;
  }

  /** Writes records and waits until they are durable. */
  async #commit(records: readonly MetadataRecord[]): Promise<void> {
    const { env, tools } = this.#broker;
    for (let from = 0; from < records.length; from += BATCH_RECORDS) {
      const timestamp = env.clock.now();
      const part = records.slice(from, from + BATCH_RECORDS);
      const rows = part.map(record => ({ timestamp, key: null, value: encodeMetadataRecord(record) }));
      const first = this.#append(buildBatch(rows, {}, tools));
      part.forEach((record, i) => {
        this.#controller.replay(record, { offset: first + i, epoch: this.#epoch, timestamp });
      });
    }
    if (records.length === 0) return;
    await this.#log.flush();
    this.#log.highWatermark = this.#log.endOffset;
  }

  #draw(): Draw {
    const { env } = this.#broker;
    return {
      uuid: () => randomUuid(length => env.random.bytes(length)),
      below: limit => Math.floor(env.random.next() * limit),
      nextOffset: this.#log.endOffset,
    };
  }

  async #register(endpoints: readonly Endpoint[]): Promise<void> {
    const { dir, nodeId, clusterId, config } = this.#broker;
    const features = [...FEATURES].map(([name, { min, max }]) => ({
      name,
      minSupportedVersion: min,
      maxSupportedVersion: max,
    }));
    const { records, reply } = this.#controller.decide(
      "registerBroker",
      {
        brokerId: nodeId,
        clusterId,
        incarnationId: this.#draw().uuid(),
        listeners: endpoints.map(({ name, host, port }) => ({ name, host, port, securityProtocol: 0 })),
        features,
        rack: config["broker.rack"] ?? null,
        isMigratingZkBroker: false,
        logDirs: [dir.directoryId],
        previousBrokerEpoch: dir.previousBrokerEpoch,
      },
      this.#draw(),
    );
    if (reply.errorCode !== 0) throw new Error(`this broker cannot register: error ${reply.errorCode}`);
    this.#brokerEpoch = reply.brokerEpoch;
    await this.#commit(records);
    const unfence = this.#controller.decide(
      "brokerHeartbeat",
      {
        brokerId: nodeId,
        brokerEpoch: this.#brokerEpoch,
        currentMetadataOffset: this.#log.endOffset,
        wantFence: false,
        wantShutDown: false,
        offlineLogDirs: [],
        cordonedLogDirs: null,
      },
      this.#draw(),
    );
    await this.#commit(unfence.records);
  }

  /** Decides on a request; resolves with the reply once the decision is durable and in force. */
  submit<N extends Decider>(
    name: N,
    request: ControllerRequests[N]["request"],
  ): Promise<ControllerRequests[N]["reply"]> {
    const turn = this.#last.then(async () => {
      const { records, reply } = this.#controller.decide(name, request, this.#draw());
      await this.#commit(records);
      if (records.length > 0) this.#publish(this.#controller.image);
      return reply;
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** The error of a topic name that does not exist: it cannot, or it could. */
  nameFault(name: string): number {
    const impossible = topicNameFault(name) !== undefined;
    return (impossible ? Errors.INVALID_TOPIC_EXCEPTION : Errors.UNKNOWN_TOPIC_OR_PARTITION).code;
  }

  /** Creates a topic as auto-creation does; resolves with 0 or the error code. */
  async autoCreate(name: string): Promise<number> {
    if (topicNameFault(name) !== undefined) return Errors.INVALID_TOPIC_EXCEPTION.code;
    const { config } = this.#broker;
    const internal = name === OFFSETS_TOPIC;
    const configs = internal
      ? [
          { name: "cleanup.policy", value: "compact" },
          { name: "compression.type", value: "producer" },
          { name: "segment.bytes", value: String(config["offsets.topic.segment.bytes"]) },
        ]
      : [];
    const topic = {
      name,
      numPartitions: internal ? config["offsets.topic.num.partitions"] : -1,
      replicationFactor: internal ? config["offsets.topic.replication.factor"] : -1,
      assignments: [],
      configs,
    };
    const { topics } = await this.submit("createTopics", { topics: [topic], timeoutMs: 30_000, validateOnly: false });
    const code = topics[0]?.errorCode ?? 0;
    return code === Errors.TOPIC_ALREADY_EXISTS.code ? 0 : code;
  }

  /** A fresh producer id; blocks of a thousand come from the metadata log. */
  async producerId(): Promise<bigint> {
    while (this.#producerIdsLeft === 0) {
      const block = await this.submit("allocateProducerIds", {
        brokerId: this.#broker.nodeId,
        brokerEpoch: this.#brokerEpoch,
      });
      if (block.errorCode !== 0) throw new Error(`no producer ids: error ${block.errorCode}`);
      // Another request may have fetched a block meanwhile; what was left of it is worth less than simplicity.
      this.#nextProducerId = block.producerIdStart;
      this.#producerIdsLeft = block.producerIdLen;
    }
    this.#producerIdsLeft--;
    return this.#nextProducerId++;
  }

  /** The features part of an ApiVersions answer. */
  features(version: number): object {
    const { image } = this.#broker.topics;
    const supported = [...FEATURES].map(([name, { min, max }]) => ({ name, minVersion: min, maxVersion: max }));
    if (version >= ZERO_MINIMUM_VERSION) {
      supported.push({ name: KRAFT_VERSION.name, minVersion: KRAFT_VERSION.min, maxVersion: KRAFT_VERSION.max });
    }
    const finalized = [...image.features, [KRAFT_VERSION.name, KRAFT_VERSION.level] as const];
    return {
      supportedFeatures: supported,
      finalizedFeaturesEpoch: image.provenance.offset,
      finalizedFeatures: finalized.map(([name, level]) => ({ name, maxVersionLevel: level, minVersionLevel: level })),
    };
  }

  #describeTopic(overrides: ReadonlyMap<string, string>) {
    const { settings, topics } = this.#broker;
    return Object.entries(topicConfigs).map(([name]) => {
      const own = overrides.get(name);
      const found = settings.topicValue(topics.image, "", name);
      const { value, source } = own === undefined ? found : { value: own, source: SOURCE.topic };
      return { name, value, readOnly: false, configSource: source, isSensitive: false };
    });
  }

  /** Waits for the decisions under way. */
  async close(): Promise<void> {
    await this.#last;
  }
}

function specOf(resourceType: number, key: string) {
  if (resourceType === RESOURCE_TYPE.topic) return topicConfigs[key as keyof typeof topicConfigs];
  return brokerConfigs[key as keyof typeof brokerConfigs];
}

function configVerdict(resourceType: number, key: string, value: string) {
  if (resourceType === RESOURCE_TYPE.topic) {
    const fault = topicConfigFault(key, value);
    return fault === undefined ? ({ ok: true } as const) : ({ error: "INVALID_CONFIG", message: fault } as const);
  }
  if (resourceType === RESOURCE_TYPE.broker) {
    const fault = brokerConfigFault(key, value);
    return fault === undefined ? ({ ok: true } as const) : ({ error: "INVALID_REQUEST", message: fault } as const);
  }
  const message = `Configurations of resource type ${resourceType} are not available`;
  return { error: "INVALID_REQUEST", message } as const;
}
