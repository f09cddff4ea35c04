import {
  Alarm,
  type BrokerEpoch,
  type BrokerId,
  type BufferPool,
  type Env,
  guard,
  type LeaderEpoch,
  nearestNumber,
  type PartitionIndex,
  type Uuid,
} from "@samsa/base";
import { Errors } from "@samsa/protocol";
import {
  type FetchAnswer,
  type FetchPosition,
  FollowerReplica,
  type FollowerStep,
  type LeaderRange,
} from "@samsa/replica";
import { BrokerLink, type Endpoint, type Introduction, type RequestOf, type ResponseOf, WireError } from "@samsa/wire";
import type { BrokerConfig } from "../config/configs.ts";
import { setupTimes } from "../config/server-configs.ts";
import type { Turn } from "../turn/turn.ts";
import { fetchedBatches } from "./fetched-batches.ts";
import { FollowerSession, type SessionMember } from "./follower-session.ts";
import type { Partition } from "./partition.ts";
import { isThrottled, type ReplicationQuota } from "../quotas/replication-quota.ts";

/** Broker whose replicas fetch. */
export interface FetcherHost {
  readonly env: Env;
  readonly turn: Turn;
  readonly nodeId: BrokerId;
  readonly config: () => BrokerConfig;
  readonly brokerEpoch: () => BrokerEpoch;
  /** Version of Fetch at the cluster's level of metadata.version. */
  readonly fetchVersion: () => number;
  /** Endpoint of a broker for other brokers; undefined while it is not known. */
  readonly endpointOf: (id: BrokerId) => Endpoint | undefined;
  readonly introduction: Introduction;
  /** Pool of the responses. */
  readonly buffers: BufferPool;
  /** Limit on what throttled followers here fetch. */
  readonly followerQuota: ReplicationQuota;
  /** Counts bytes of records and answers of leaders, over all fetchers. */
  readonly traffic: { bytesIn: number; fetches: number };
}

/** Partition that is fetched. */
interface Target extends SessionMember {
  readonly partition: Partition;
  readonly follower: FollowerReplica;
  /** Position of the last fetch that named it. */
  asked: FetchPosition | undefined;
  /** Errors in the leader's epoch. */
  errors: number;
  /** Records between the end of the log here and the leader's high watermark, as its last answer says. */
  lag: number;
  /** True if the last answer left nothing below the high watermark to fetch: the replica is not throttled. */
  isCaughtUp: boolean;
}

/** Pause after the first failure, or the first error of a partition in an epoch, in ms; each further one doubles it. */
const FIRST_RETRY_MS = 20;

type PartitionData = ResponseOf<"Fetch">["responses"][number]["partitions"][number];

/** Special timestamps of ListOffsets. */
const LATEST = -1;
const EARLIEST = -2;
/** First version of Fetch that carries the broker epoch (KIP-903). */
const REPLICA_STATE_VERSION = 15;
/** First version of ListOffsets at every level of metadata.version, and one with everything that a follower needs. */
const LIST_OFFSETS_VERSION = 7;

function keyOf(topicId: Uuid, index: PartitionIndex): string {
  return `${topicId}-${index}`;
}

/**
 * Fetches partitions from the broker that leads them (`ReplicaFetcherThread`). One fetch is under way at a time. The
 * next one leaves in the turn in which the records of the last are written, or once they are flushed if the settings ask
 * for it: a position tells the leader that everything before it is safe.
 */
export class ReplicaFetcher {
  readonly #host: FetcherHost;
  readonly #source: BrokerId;
  readonly #name: string;
  readonly #targets = new Map<string, Target>();
  readonly #session = new FollowerSession<Target>();
  /** Partitions whose position the leader does not know. */
  readonly #changed = new Set<Target>();
  /** Partitions whose records are being flushed. */
  readonly #unsafe = new Set<Target>();
  /** Monotonic time at which the next fetch leaves without them. */
  #unsafeUntil = -Infinity;
  /** Partitions that wait for `replica.fetch.backoff.ms`. */
  readonly #delayed = new Set<Target>();
  readonly #alarm: Alarm;
  #link: BrokerLink | undefined;
  #isFetching = false;
  #isScheduled = false;
  /** Monotonic time before which nothing is fetched, after a failure. */
  #blockedUntil = -Infinity;
  /** Failures since the last answer. */
  #failures = 0;
  #isClosed = false;

  constructor(host: FetcherHost, source: BrokerId, index: number) {
    this.#host = host;
    this.#source = source;
    this.#name = `broker-${host.nodeId}-fetcher-${index}`;
    this.#alarm = new Alarm(host.env, () => this.#soon());
  }

  /** Number of partitions. */
  get size(): number {
    return this.#targets.size;
  }

  /** Partitions with their lags in records, and whether their last attempt has failed. */
  *lags(): IterableIterator<{ readonly partition: Partition; readonly lag: number; readonly failed: boolean }> {
    for (const { partition, lag, errors } of this.#targets.values()) yield { partition, lag, failed: errors > 0 };
  }

  /** Fetches a partition from now on, in the epoch of its leader. */
  assign(partition: Partition, leaderEpoch: LeaderEpoch): void {
    this.revoke(partition);
    const { topicId, index } = partition;
    const target: Target = {
      partition,
      follower: new FollowerReplica(leaderEpoch),
      asked: undefined,
      errors: 0,
      lag: 0,
      isCaughtUp: false,
      topicId,
      index,
    };
    this.#targets.set(keyOf(topicId, index), target);
    partition.onSafe(() => this.#settled(target));
    if (partition.isSafe) this.#changed.add(target);
    this.#soon();
  }

  /** Stops to fetch a partition. An answer that is under way is dropped. */
  revoke({ topicId, index }: Partition): void {
    const target = this.#targets.get(keyOf(topicId, index));
    if (target === undefined) return;
    target.partition.onSafe(undefined);
    this.#targets.delete(keyOf(topicId, index));
    if (this.#unsafe.delete(target)) this.#soon();
    this.#drop(target);
    this.#delayed.delete(target);
  }

  close(): void {
    this.#isClosed = true;
    for (const { partition } of [...this.#targets.values()]) this.revoke(partition);
    this.#alarm.stop();
    this.#link?.disconnect();
  }

  /** Takes a partition out of the session: its position is not known, or it must wait. */
  #drop(target: Target): void {
    this.#session.remove(target);
    this.#changed.delete(target);
    target.asked = undefined;
  }

  #settled(target: Target): void {
    const { follower, partition, topicId, index } = target;
    if (this.#unsafe.delete(target)) this.#soon();
    if (this.#targets.get(keyOf(topicId, index)) !== target || !partition.isSafe) return;
    if (!follower.isReady(this.#now())) return;
    this.#changed.add(target);
    this.#soon();
  }

  #now(): number {
    return this.#host.env.clock.monotonic();
  }

  #soon(): void {
    if (this.#isScheduled || this.#isFetching || this.#isClosed) return;
    this.#isScheduled = true;
    this.#host.turn.add("acknowledge", this.#fetch);
  }

  readonly #fetch = (): void => {
    this.#isScheduled = false;
    if (this.#isFetching || this.#isClosed) return;
    const now = this.#now();
    if (now < this.#blockedUntil) return this.#alarm.setAtLatest(this.#blockedUntil);
    // Positions that become known during a fetch have to wait for its answer, which the leader may hold back.
    if (this.#unsafe.size > 0 && now < this.#unsafeUntil) return this.#alarm.setAtLatest(this.#unsafeUntil);
    for (const target of [...this.#delayed]) {
      if (!target.follower.isReady(now)) {
        // Targets have different times, and an alarm may ring early.
        this.#alarm.setAtLatest(target.follower.dueAt);
        continue;
      }
      this.#delayed.delete(target);
      if (target.partition.isSafe) this.#changed.add(target);
    }
    if (this.#session.isNew) this.#nameAll(now);
    this.#throttle();
    // Without a session a fetch that names no partition would be answered at once.
    if (this.#changed.size === 0 && (this.#session.size === 0 || this.#session.isNew)) return;
    const link = this.#connect();
    if (link === undefined) return this.#block("its address is not known");
    const version = this.#host.fetchVersion();
    const timeoutMs = this.#host.config()["replica.socket.timeout.ms"];
    this.#isFetching = true;
    link.call("Fetch", this.#request(version), { version, timeoutMs }).then(
      response => this.#answered(response),
      (error: unknown) => this.#failed(error),
    );
  };

  /** Puts off throttled partitions while all of them together are over their quota (`shouldFollowerThrottle`). */
  #throttle(): void {
    const { followerQuota } = this.#host;
    for (const target of [...this.#changed]) {
      if (!target.isCaughtUp && this.#isThrottled(target) && followerQuota.isExceeded) {
        this.#delay(target, this.#backoffMs);
      }
    }
  }

  #isThrottled({ partition: { throttled, index } }: Target): boolean {
    return isThrottled(throttled.followers, index, this.#host.nodeId);
  }

  /** Names all partitions that may be fetched: a session begins. */
  #nameAll(now: number): void {
    for (const target of this.#targets.values()) {
      if (target.follower.isReady(now) && target.partition.isSafe) this.#changed.add(target);
    }
  }

  /** Link to the leader at its present address. */
  #connect(): BrokerLink | undefined {
    const { env, endpointOf, introduction, buffers, config } = this.#host;
    const endpoint = endpointOf(this.#source);
    const known = this.#link?.endpoint;
    if (endpoint !== undefined && known?.host === endpoint.host && known.port === endpoint.port) return this.#link;
    this.#link?.disconnect();
    this.#session.lost();
    this.#nameAll(this.#now());
    this.#link =
      endpoint === undefined
        ? undefined
        : new BrokerLink(env, endpoint, {
            clientId: this.#name,
            ...introduction,
            buffers,
            requestTimeoutMs: config()["replica.socket.timeout.ms"],
            ...setupTimes(config()),
          });
    return this.#link;
  }

  #request(version: number): RequestOf<"Fetch"> {
    const { nodeId, brokerEpoch } = this.#host;
    const config = this.#host.config();
    const topics = new Map<Uuid, RequestOf<"Fetch">["topics"][number]["partitions"][number][]>();
    for (const target of this.#changed) {
      const { partition, follower, topicId, index } = target;
      const asked = follower.position(partition.followerLog);
      target.asked = asked;
      this.#session.add(target);
      const partitions = topics.get(topicId) ?? [];
      topics.set(topicId, partitions);
      partitions.push({
        partition: index,
        currentLeaderEpoch: asked.leaderEpoch,
        fetchOffset: asked.offset,
        lastFetchedEpoch: asked.lastEpoch,
        logStartOffset: asked.logStart,
        partitionMaxBytes: config["replica.fetch.max.bytes"],
      });
    }
    this.#changed.clear();
    const replica =
      version >= REPLICA_STATE_VERSION
        ? { replicaState: { replicaId: nodeId, replicaEpoch: brokerEpoch() } }
        : { replicaId: nodeId };
    return {
      ...replica,
      maxWaitMs: config["replica.fetch.wait.max.ms"],
      minBytes: config["replica.fetch.min.bytes"],
      maxBytes: config["replica.fetch.response.max.bytes"],
      sessionId: this.#session.id,
      sessionEpoch: this.#session.epoch,
      topics: [...topics].map(([topicId, partitions]) => ({ topicId, partitions })),
      forgottenTopicsData: this.#session
        .takeForgotten()
        .map(({ topicId, index }) => ({ topicId, partitions: [index] })),
    };
  }

  #answered(response: ResponseOf<"Fetch">): void {
    this.#isFetching = false;
    if (this.#isClosed) return;
    const { logger } = this.#host.env;
    if (!this.#session.answered(response.errorCode, response.sessionId)) {
      logger.debug("a fetch session with a leader has ended", { leader: this.#source, error: response.errorCode });
      return this.#session.isNew ? this.#soon() : this.#block(`error ${response.errorCode}`);
    }
    this.#failures = 0;
    this.#host.traffic.fetches++;
    for (const { topicId, partitions } of response.responses) {
      for (const data of partitions) {
        const target = this.#targets.get(keyOf(topicId, data.partitionIndex));
        if (target?.asked === undefined) continue;
        guard(
          () => this.#take(target, data),
          error => this.#fail(target, error),
        );
      }
    }
    this.#giveBack(response);
    this.#soon();
  }

  /** Gives back the memory of a response, whose records the logs have copied. */
  #giveBack({ responses }: ResponseOf<"Fetch">): void {
    for (const { partitions } of responses) {
      for (const { records } of partitions) for (const bytes of records ?? []) this.#host.buffers.give(bytes);
    }
  }

  #fail(target: Target, error: unknown): void {
    const { topic, index: partition } = target.partition;
    this.#host.env.logger.error("a replica does not follow its leader any more", { topic, partition, error });
    target.follower.fail();
    this.#drop(target);
  }

  #failed(error: unknown): void {
    this.#isFetching = false;
    if (this.#isClosed) return;
    this.#session.lost();
    this.#block(error instanceof WireError ? error.message : error);
  }

  /** Fetches nothing for a while: a short one at first, since a connection may only have been closed. */
  #block(reason: unknown): void {
    this.#host.env.logger.debug("a leader cannot be fetched from", { leader: this.#source, reason });
    this.#blockedUntil = this.#now() + Math.min(this.#backoffMs, FIRST_RETRY_MS * 2 ** this.#failures++);
    this.#alarm.setAtLatest(this.#blockedUntil);
  }

  /** Takes the leader's answer for a partition. */
  #take(target: Target, data: PartitionData): void {
    const { partition, follower, asked } = target;
    if (asked === undefined) return;
    const divergingEpoch = {
      epoch: data.divergingEpoch.epoch,
      endOffset: nearestNumber(data.divergingEpoch.endOffset),
    };
    const answer: FetchAnswer = { errorCode: data.errorCode, divergingEpoch };
    const step = follower.answered(asked, answer, partition.followerLog);
    if (step.type === "APPEND") this.#append(target, data);
    else this.#follow(target, step);
  }

  #append(target: Target, data: PartitionData): void {
    const { partition, follower, asked } = target;
    const { chunks, baseOffset, size } = fetchedBatches(data.records, follower.leaderEpoch);
    const { startOffset, endOffset } = partition;
    const start = nearestNumber(data.logStartOffset);
    // The leader's log may begin within a batch (`Partition.appendRecordsToFollowerOrFutureReplica`). A truncation to its
    // begin leaves records that the leader has deleted; Kafka's follower fails on these.
    const hasNothing = startOffset === endOffset || endOffset <= start;
    if (baseOffset >= 0 && hasNothing && baseOffset < endOffset) partition.restartAt(baseOffset);
    const errorCode = partition.appendAsFollower(chunks, nearestNumber(data.highWatermark), start);
    if (errorCode === Errors.CORRUPT_MESSAGE.code) return this.#retry(target);
    if (errorCode !== 0) throw new Error(`the log refuses batches of its leader with error ${errorCode}`);
    this.#host.traffic.bytesIn += size;
    target.lag = Math.max(0, nearestNumber(data.highWatermark) - partition.endOffset);
    target.isCaughtUp = target.lag === 0;
    if (this.#isThrottled(target)) this.#host.followerQuota.record(size);
    if (size > 0) this.#unsettle(target);
    else if (partition.startOffset !== asked?.logStart) this.#changed.add(target);
  }

  /** Takes a step other than an append. */
  #follow(target: Target, step: FollowerStep): void {
    const { partition, follower } = target;
    const { logger } = this.#host.env;
    const { topic, index } = partition;
    switch (step.type) {
      case "TRUNCATE":
      case "RESTART":
        logger.info("a follower cuts its log", { topic, partition: index, from: partition.endOffset, ...step });
        if (step.type === "TRUNCATE") partition.truncateTo(step.offset);
        else partition.restartAt(step.offset);
        return this.#unsettle(target);
      case "ASK_RANGE":
        this.#drop(target);
        return this.#askRange(target);
      case "BACK_OFF":
        return this.#retry(target);
      case "STOP":
        logger.debug("a leader of a later epoch is awaited", { topic, partition: index, epoch: follower.leaderEpoch });
        return this.#drop(target);
      default:
    }
  }

  /** Waits until the records of a partition are safe; the leader must not count its position before. */
  #unsettle(target: Target): void {
    this.#changed.delete(target);
    target.asked = undefined;
    // The write at the end of the turn comes before the next fetch. After a flush it comes later.
    this.#host.turn.add("acknowledge", () => {
      if (target.partition.isSafe || this.#targets.get(keyOf(target.topicId, target.index)) !== target) return;
      this.#drop(target);
      if (this.#unsafe.size === 0) this.#unsafeUntil = this.#now() + this.#host.config()["replica.fetch.wait.max.ms"];
      this.#unsafe.add(target);
    });
  }

  get #backoffMs(): number {
    return this.#host.config()["replica.fetch.backoff.ms"];
  }

  /**
   * Fetches a partition again after an error: soon at first, since a leader may hear of its election later than its
   * followers, and acknowledges nothing without them; then after `replica.fetch.backoff.ms`.
   */
  #retry(target: Target): void {
    this.#delay(target, Math.min(this.#backoffMs, FIRST_RETRY_MS * 2 ** target.errors++));
  }

  #delay(target: Target, ms: number): void {
    target.follower.delay(this.#now() + ms);
    this.#drop(target);
    this.#delayed.add(target);
    this.#alarm.setAtLatest(target.follower.dueAt);
  }

  /** Asks the leader for the range of its log: this replica is out of it. */
  #askRange(target: Target): void {
    const ended = (range: LeaderRange): void => {
      if (this.#targets.get(keyOf(target.topicId, target.index)) !== target) return;
      guard(
        () => this.#ranged(target, range),
        error => this.#fail(target, error),
      );
      this.#soon();
    };
    this.#range(target).then(ended, (error: unknown) => {
      this.#host.env.logger.debug("a leader did not tell its range", { leader: this.#source, error });
      ended({ errorCode: Errors.NETWORK_EXCEPTION.code });
    });
  }

  #ranged(target: Target, range: LeaderRange): void {
    this.#follow(target, target.follower.ranged(range, target.partition.followerLog));
  }

  async #range(target: Target): Promise<LeaderRange> {
    const latest = await this.#offset(target, LATEST);
    if (typeof latest !== "number") return latest;
    const earliest = await this.#offset(target, EARLIEST);
    return typeof earliest === "number" ? { start: earliest, end: latest } : earliest;
  }

  async #offset({ partition, follower }: Target, timestamp: number): Promise<number | { readonly errorCode: number }> {
    const link = this.#connect();
    if (link === undefined) return { errorCode: Errors.NETWORK_EXCEPTION.code };
    const { leaderEpoch: currentLeaderEpoch } = follower;
    const asked = { partitionIndex: partition.index, currentLeaderEpoch, timestamp };
    const response = await link.call(
      "ListOffsets",
      { replicaId: this.#host.nodeId, topics: [{ name: partition.topic, partitions: [asked] }] },
      { version: LIST_OFFSETS_VERSION, timeoutMs: this.#host.config()["replica.socket.timeout.ms"] },
    );
    const answer = response.topics[0]?.partitions[0];
    if (answer === undefined) return { errorCode: Errors.UNKNOWN_SERVER_ERROR.code };
    return answer.errorCode === 0 ? nearestNumber(answer.offset) : { errorCode: answer.errorCode };
  }
}
