import { type AnyConfigSpec, type Env, type Int64, randomUuid } from "@samsa/base";
import { activationRecords, bootstrapRecords, Controller, type ControllerRequests, type Draw } from "@samsa/controller";
import { imageRecords, METADATA_VERSION, type MetadataImage, metadataVersionOf } from "@samsa/metadata";
import { encodeMetadataRecord, Errors, type MetadataRecord, metadataRecord } from "@samsa/protocol";
import { MAX_METADATA_BATCH } from "@samsa/quorum";
import type { Tools } from "@samsa/records";
import type { LogDirs } from "@samsa/storage";
import type { BrokerConfig } from "../config/configs.ts";
import { FEATURES, KRAFT_FEATURE, METADATA_LEVEL, TOLERATED } from "./features.ts";
import type { Endpoint } from "../network/listeners.ts";
import { MetadataLog } from "./metadata-log.ts";
import type { Placed } from "../replica/moves.ts";
import { type MutationQuota, NO_MUTATION_QUOTA } from "../limits/quotas.ts";
import { configRules, type Settings, SOURCE } from "../config/settings.ts";
import { topicConfigs } from "../config/topic-configs.ts";

/** First version of ApiVersions that may carry features with a minimum level of 0 (KAFKA-17011). */
const ZERO_MINIMUM_VERSION = 4;
const SNAPSHOT_RETRY_MS = 60_000;
/** Most bytes that a record takes in a batch besides its value. */
const RECORD_OVERHEAD = 64;

const BOOTSTRAP = bootstrapRecords({ metadataVersion: METADATA_LEVEL, features: FEATURES });

export type Quorum = Pick<MetadataLog, "epoch" | "endOffset" | "highWatermark" | "kraftVersion" | "voters">;

/** Most assignments in one request (`AssignReplicasToDirsRequest.MAX_ASSIGNMENTS_PER_REQUEST`). */
const MOST_ASSIGNMENTS = 2250;

/** The parts of a broker that its controller needs. */
export interface ControlHost {
  readonly env: Env;
  readonly nodeId: number;
  readonly clusterId: string;
  readonly config: BrokerConfig;
  readonly settings: Settings;
  readonly tools: Tools;
  readonly dirs: LogDirs;
  readonly topics: { readonly image: MetadataImage };
}

type Decider = keyof ControllerRequests;

/** Errors of an assignment whose topic or partition has been deleted. */
const GONE: ReadonlySet<number> = new Set([Errors.UNKNOWN_TOPIC_ID.code, Errors.UNKNOWN_TOPIC_OR_PARTITION.code]);

export interface ControlEvents {
  /** Called with the image of the replayed log, before this broker is registered. */
  known(image: MetadataImage): void;
  /** Called with each new image. */
  publish(image: MetadataImage): void;
}

/**
 * Controller of a single node (`QuorumController`): decides, appends the decision to `__cluster_metadata`, and once it
 * is durable publishes the new image and replies. It also registers this broker.
 */
export class Control {
  readonly #broker: ControlHost;
  readonly #events: ControlEvents;
  readonly #controller: Controller;
  readonly #log: MetadataLog;
  /** Monotonic time of the last snapshot, or of the start, in ms. */
  #lastSnapshot: number;
  /**
   * Monotonic time before which no snapshot is attempted. After a failure the next attempt waits, because a snapshot
   * holds all metadata.
   */
  #noSnapshotBefore = -Infinity;
  #brokerEpoch: Int64 = -1;
  /** Registered endpoints of this broker. */
  #endpoints: readonly Endpoint[] = [];
  /** Decisions are serialized: each sees the result of the one before. */
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;
  #nextProducerId = 0n;
  #producerIdsLeft = 0;

  constructor(broker: ControlHost, events: ControlEvents) {
    this.#broker = broker;
    this.#events = events;
    this.#lastSnapshot = broker.env.clock.monotonic();
    this.#log = new MetadataLog({
      dir: broker.dirs.metadata,
      tools: broker.tools,
      nodeId: broker.nodeId,
      staticVoters: broker.config["controller.quorum.voters"].map(voter => Number(voter.split("@")[0])),
      replay: (record, place) => this.#controller.replay(record, place),
      bootstrap: () => BOOTSTRAP,
      retention: {
        maxBytes: broker.config["metadata.max.retention.bytes"],
        maxMs: broker.config["metadata.max.retention.ms"],
      },
    });
    this.#controller = new Controller({
      clusterId: broker.clusterId,
      numPartitions: broker.config["num.partitions"],
      replicationFactor: broker.config["default.replication.factor"],
      minInsyncReplicas: broker.config["min.insync.replicas"],
      nodeId: broker.nodeId,
      features: TOLERATED,
      offered: FEATURES,
      kraftVersion: () => this.#log.kraftVersion,
      configs: configRules(() => broker.config),
      replication: (image, topic) => ({
        uncleanLeaderElection:
          broker.settings.topicValue(image, topic, "unclean.leader.election.enable").value === "true",
        minInsyncReplicas: Number(broker.settings.topicValue(image, topic, "min.insync.replicas").value),
      }),
      describeTopic: overrides => this.#describeTopic(overrides),
    });
  }

  get brokerEpoch(): Int64 {
    return this.#brokerEpoch;
  }

  /** Replays the log, begins the next epoch, and registers this broker. */
  async activate(endpoints: readonly Endpoint[]): Promise<void> {
    this.#endpoints = endpoints;
    this.#log.load();
    await this.#log.lead();
    await this.#commit(activationRecords(this.#controller.image, this.#log.first ?? BOOTSTRAP));
    this.#events.known(this.#controller.image);
    await this.#register();
    this.#events.publish(this.#controller.image);
    // A directory may have failed since the registration.
    if (this.#broker.dirs.offlineIds.length > 0) await this.heartbeat();
  }

  /**
   * Appends records and waits until they are durable. After a crash either all or none of them exist: they are one
   * batch, or the batches of a metadata transaction (KIP-868).
   */
  async #commit(records: readonly MetadataRecord[]): Promise<void> {
    if (records.length === 0) return;
    for (const batch of wholeDecision(records, metadataVersionOf(this.#controller.image))) {
      const timestamp = this.#broker.env.clock.now();
      const first = this.#log.append(batch, timestamp);
      batch.forEach((record, i) => {
        this.#controller.replay(record, { offset: first + i, epoch: this.#log.epoch, timestamp });
      });
    }
    await this.#log.flush();
  }

  /** Starts a snapshot if a restart would have to replay many bytes, or if the last snapshot is too old. */
  #snapshotIfDue(): void {
    const { config, env } = this.#broker;
    if (this.#log.isSnapshotting) return;
    const now = env.clock.monotonic();
    if (now < this.#noSnapshotBefore) return;
    const bytes = this.#log.bytesSinceSnapshot;
    const interval = config["metadata.log.max.snapshot.interval.ms"];
    const tooLong = interval > 0 && bytes > 0 && now - this.#lastSnapshot >= interval;
    if (!tooLong && bytes < config["metadata.log.max.record.bytes.between.snapshots"]) return;
    this.#lastSnapshot = now;
    const { image } = this.#controller;
    this.#log.snapshot(imageRecords(image), image.provenance.timestamp).then(
      // Another snapshot may be due by now.
      () => this.maintain(),
      (error: unknown) => {
        this.#noSnapshotBefore = env.clock.monotonic() + SNAPSHOT_RETRY_MS;
        env.logger.error("a snapshot of the metadata could not be written; it is tried again after a minute", {
          error,
        });
      },
    );
  }

  /** Starts a snapshot if one is due, and trims the log by `metadata.max.retention.*`. */
  maintain(): void {
    this.#last = this.#last
      .then(() => {
        if (this.#closed) return;
        this.#snapshotIfDue();
        this.#log.trim();
      })
      .catch((error: unknown) => this.#broker.env.logger.error("the metadata log could not be trimmed", { error }));
  }

  #draw(quota: MutationQuota = NO_MUTATION_QUOTA): Draw {
    const { env } = this.#broker;
    return {
      uuid: () => randomUuid(length => env.random.bytes(length)),
      below: limit => Math.floor(env.random.next() * limit),
      nextOffset: this.#log.endOffset,
      mutate: partitions => quota.take(partitions),
    };
  }

  async #register(): Promise<void> {
    const { dirs, nodeId, clusterId, config } = this.#broker;
    const features = [...TOLERATED].map(([name, { min, max }]) => ({
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
        listeners: this.#endpoints.map(({ name, host, port }) => ({ name, host, port, securityProtocol: 0 })),
        features,
        rack: config["broker.rack"] ?? null,
        isMigratingZkBroker: false,
        logDirs: dirs.live.map(({ directoryId }) => directoryId).sort(),
        previousBrokerEpoch: dirs.previousBrokerEpoch,
      },
      this.#draw(),
    );
    if (reply.errorCode !== 0) throw new Error(`this broker cannot register: error ${reply.errorCode}`);
    this.#brokerEpoch = reply.brokerEpoch;
    await this.#commit(records);
    await this.#commit(this.#controller.decide("brokerHeartbeat", this.#beat(), this.#draw()).records);
  }

  #beat() {
    const { dirs, nodeId } = this.#broker;
    return {
      brokerId: nodeId,
      brokerEpoch: this.#brokerEpoch,
      currentMetadataOffset: this.#log.endOffset,
      wantFence: false,
      wantShutDown: false,
      offlineLogDirs: dirs.offlineIds,
      cordonedLogDirs: dirs.cordonedIds,
    };
  }

  /** Sends a heartbeat with the failed and the cordoned directories. */
  async heartbeat(): Promise<void> {
    const { errorCode } = await this.submit("brokerHeartbeat", this.#beat());
    if (errorCode !== 0) throw new Error(`the controller refused a heartbeat with error ${errorCode}`);
  }

  /** Reports replicas whose directory differs from the metadata (KIP-858); rejects if the controller refuses. */
  async assign(placed: readonly Placed[]): Promise<void> {
    for (let from = 0; from < placed.length; from += MOST_ASSIGNMENTS) {
      const { errorCode, directories } = await this.submit("assignReplicasToDirs", {
        brokerId: this.#broker.nodeId,
        brokerEpoch: this.#brokerEpoch,
        directories: placed.slice(from, from + MOST_ASSIGNMENTS).map(({ topicId, partition, directory }) => ({
          id: directory,
          topics: [{ topicId, partitions: [{ partitionIndex: partition }] }],
        })),
      });
      const answers = directories.flatMap(({ topics }) => topics.flatMap(({ partitions }) => partitions));
      // The topic may have been deleted in the meantime.
      const refused = answers.find(answer => answer.errorCode !== 0 && !GONE.has(answer.errorCode));
      const error = errorCode === 0 ? refused?.errorCode : errorCode;
      if (error !== undefined) throw new Error(`the controller refused an assignment with error ${error}`);
    }
  }

  /** Submits a request to the controller; resolves with the reply once the decision is durable and published. */
  submit<N extends Decider>(
    name: N,
    request: ControllerRequests[N]["request"],
    quota: MutationQuota = NO_MUTATION_QUOTA,
  ): Promise<ControllerRequests[N]["reply"]> {
    // Records after the end offset that a clean stop has stored would be lost.
    if (this.#closed) return Promise.reject(new Error("the controller has stopped"));
    const turn = this.#last.then(async () => {
      const { records, reply } = this.#controller.decide(name, request, this.#draw(quota));
      await this.#commit(records);
      // Register again if the broker was unregistered while it runs, before an image with leaderless partitions is
      // published.
      if (!this.#controller.image.brokers.has(this.#broker.nodeId)) await this.#register();
      if (records.length > 0) {
        this.#events.publish(this.#controller.image);
        this.#snapshotIfDue();
      }
      return reply;
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Returns a fresh producer id; the metadata log hands out blocks of a thousand. */
  async producerId(): Promise<bigint> {
    while (this.#producerIdsLeft === 0) {
      const block = await this.submit("allocateProducerIds", {
        brokerId: this.#broker.nodeId,
        brokerEpoch: this.#brokerEpoch,
      });
      if (block.errorCode !== 0) throw new Error(`no producer ids: error ${block.errorCode}`);
      // A concurrent request may have fetched a block too; the rest of that block is dropped for simplicity.
      this.#nextProducerId = block.producerIdStart;
      this.#producerIdsLeft = block.producerIdLen;
    }
    this.#producerIdsLeft--;
    return this.#nextProducerId++;
  }

  /** Features fields of an ApiVersions response. */
  features(version: number): object {
    const { image } = this.#broker.topics;
    const supported = [...FEATURES, [KRAFT_FEATURE.name, KRAFT_FEATURE] as const]
      .filter(([, { min }]) => min > 0 || version >= ZERO_MINIMUM_VERSION)
      .map(([name, { min, max }]) => ({ name, minVersion: min, maxVersion: max }));
    const finalized = [...image.features, [KRAFT_FEATURE.name, this.#log.kraftVersion] as const];
    return {
      supportedFeatures: supported,
      finalizedFeaturesEpoch: image.provenance.offset,
      finalizedFeatures: finalized.map(([name, level]) => ({ name, maxVersionLevel: level, minVersionLevel: level })),
    };
  }

  #describeTopic(overrides: ReadonlyMap<string, string>) {
    const { settings, topics } = this.#broker;
    // Kafka does not show its internal settings.
    const told = Object.entries<AnyConfigSpec>(topicConfigs).filter(([, { internal }]) => internal !== true);
    return told.map(([name]) => {
      const own = overrides.get(name);
      const found = settings.topicValue(topics.image, "", name);
      const { value, source } = own === undefined ? found : { value: own, source: SOURCE.topic };
      return { name, value, readOnly: false, configSource: source, isSensitive: false };
    });
  }

  /** State of the quorum as its leader, this node, sees it. */
  get quorum(): Quorum {
    return this.#log;
  }

  /** Refuses further requests, and waits for those in progress. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
    await this.#log.close();
  }
}

/**
 * Batches to append for a decision: one if it fits, else those of a metadata transaction if the metadata.version has
 * these.
 */
function* wholeDecision(records: readonly MetadataRecord[], version: number): Generator<readonly MetadataRecord[]> {
  const batches: MetadataRecord[][] = [[]];
  let size = 0;
  for (const record of records) {
    const bytes = encodeMetadataRecord(record).length + RECORD_OVERHEAD;
    if (size + bytes > MAX_METADATA_BATCH) {
      batches.push([]);
      size = 0;
    }
    size += bytes;
    (batches.at(-1) as MetadataRecord[]).push(record);
  }
  if (batches.length === 1) return yield records;
  if (version < METADATA_VERSION.transactions) {
    throw new Error(`the decision has ${records.length} records, more than fit a batch: decide on less at once`);
  }
  yield [metadataRecord("BeginTransactionRecord", 0, { name: "Decision" })];
  yield* batches;
  yield [metadataRecord("EndTransactionRecord", 0, {})];
}
