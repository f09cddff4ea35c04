import { type BrokerId, type Offset, type PartitionIndex, type Timer, type Uuid, ZERO_UUID } from "@samsa/base";
import { Errors, type FetchRequest } from "@samsa/protocol";
import { type FetchSession, FINAL_EPOCH, INITIAL_EPOCH } from "../../replica/fetch-sessions.ts";
import type { Partition } from "../../replica/partition.ts";
import type { Watched, Watcher } from "../../replica/readers.ts";
import { RACK_AWARE, replicaInRack } from "../../replica/replica-selector.ts";
import type { SessionPartition } from "../../replica/session-partition.ts";
import type { TopicContext } from "../../request/request-topics.ts";
import type { Reply, TopicHandler } from "../../request/handler.ts";
import type { BrokerParts } from "../parts.ts";
import {
  changed,
  divergence,
  failure,
  nothing,
  type PartitionAnswer,
  partitionKey,
  remember,
  requested,
  told,
} from "./fetch-answers.ts";
import { fetchForReplica } from "./replica-fetch.ts";

type Needs = Pick<
  BrokerParts,
  | "config"
  | "env"
  | "followerWaits"
  | "leaderQuota"
  | "metrics"
  | "node"
  | "nodeId"
  | "pendingFetches"
  | "quotas"
  | "sessions"
  | "topics"
  | "turn"
  | "unsent"
>;

/** First version in which a follower sends its replica id in a tagged field (KIP-903). */
const REPLICA_STATE_VERSION = 15;
/** First version in which consumers may read from followers (KIP-392). */
const FOLLOWER_VERSION = 11;
/** Isolation levels of a Fetch request: read_uncommitted, read_committed. */
const UNCOMMITTED = 0;
const COMMITTED = 1;
/** A partition of a Fetch request; partitions are served in this order. */
interface Wanted {
  readonly state: SessionPartition;
  readonly partition: Partition | undefined;
  /** Error known before any read, for instance an unknown topic or a wrong leader epoch. */
  readonly error: number;
}

export const fetch: TopicHandler<"Fetch", Needs> = (parts, request, context, reply) => {
  const { isolationLevel } = request;
  if (isolationLevel !== UNCOMMITTED && isolationLevel !== COMMITTED) {
    const errorCode = Errors.UNKNOWN_SERVER_ERROR.code;
    return reply({ throttleTimeMs: 0, errorCode, sessionId: request.sessionId, responses: [] });
  }
  const replicaId = context.version >= REPLICA_STATE_VERSION ? request.replicaState.replicaId : request.replicaId;
  if (replicaId >= 0) return fetchForReplica(parts, request, context, reply);
  const opened = openSession(parts, request, context);
  if (typeof opened === "number") {
    return reply({ throttleTimeMs: 0, errorCode: opened, sessionId: 0, responses: [] });
  }
  new PendingFetch({ parts, request, context, opened, reply }).begin();
};

/** Partitions to fetch, and the fetch session if there is one. */
interface Opened {
  readonly partitions: Map<string, SessionPartition>;
  readonly session: FetchSession | undefined;
  /** True if the response contains only partitions that have changed (incremental fetch). */
  readonly incremental: boolean;
  readonly wantsSession: boolean;
}

/** Finds the session of a request, or prepares a new one; else an error code (KIP-227). */
function openSession(parts: Needs, request: FetchRequest, { topics }: TopicContext): Opened | number {
  const { sessionId, sessionEpoch } = request;
  const { byId } = topics;
  if (sessionEpoch === FINAL_EPOCH || sessionEpoch === INITIAL_EPOCH) {
    if (sessionId !== 0) parts.sessions.remove(sessionId);
    const partitions = requested(topics, request);
    return { partitions, session: undefined, incremental: false, wantsSession: sessionEpoch === INITIAL_EPOCH };
  }
  const now = parts.env.clock.monotonic();
  const session = parts.sessions.continue(request, { usesTopicIds: byId, replicaId: undefined, now });
  if (typeof session === "number") return session;
  for (const [key, asked] of requested(topics, request)) {
    const known = session.partitions.get(key);
    if (known === undefined) session.partitions.set(key, asked);
    else {
      known.fetchOffset = asked.fetchOffset;
      known.maxBytes = asked.maxBytes;
      known.currentLeaderEpoch = asked.currentLeaderEpoch;
      known.lastFetchedEpoch = asked.lastFetchedEpoch;
      known.logStartOffset = asked.logStartOffset;
    }
  }
  for (const topic of request.forgottenTopicsData) {
    for (const index of topic.partitions) session.partitions.delete(partitionKey(topic, byId, index));
  }
  return { partitions: session.partitions, session, incremental: true, wantsSession: true };
}

interface FetchCall {
  readonly parts: Needs;
  readonly request: FetchRequest;
  readonly context: TopicContext;
  readonly opened: Opened;
  readonly reply: Reply<"Fetch">;
}

/** A fetch from its first read to its reply, including the wait for `minBytes` (`DelayedFetch`). */
class PendingFetch implements Watcher {
  readonly #call: FetchCall;
  readonly #wanted: Wanted[] = [];
  #timer: Timer | undefined;
  #missing = 0;
  /** Last stable offset of each partition when the wait began, for read_committed only. */
  #stable: Map<Watched, number> | undefined;
  #undecided = 0;
  #waiting = false;

  constructor(call: FetchCall) {
    this.#call = call;
    for (const state of call.opened.partitions.values()) this.#wanted.push(this.#resolve(state));
  }

  #resolve(state: SessionPartition): Wanted {
    const { topics } = this.#call.context;
    const failed = (error: number): Wanted => ({ state, partition: undefined, error });
    // A session keeps the name of a topic id even after the topic is deleted.
    if (state.topic === "") state.topic = topics.nameOf("", state.topicId) ?? "";
    if (state.topic === "" && topics.byId) return failed(Errors.UNKNOWN_TOPIC_ID.code);
    const partition = topics.partition(state.topic, state.partition);
    if (typeof partition === "number") return failed(partition);
    if (state.topicId !== partition.topicId && state.topicId !== ZERO_UUID) {
      // The name now belongs to another topic.
      return failed(Errors.INCONSISTENT_TOPIC_ID.code);
    }
    const { request } = this.#call;
    // Kafka fails a read with a negative byte limit.
    if (request.maxBytes < 0 || state.maxBytes < 0) return failed(Errors.UNKNOWN_SERVER_ERROR.code);
    return { state, partition, error: partition.epochFault(state.currentLeaderEpoch) };
  }

  /** Error code for reads of a partition. A follower serves consumers that may be told to read from it (KIP-392). */
  #faultOf(partition: Partition): number {
    return this.#call.context.version >= FOLLOWER_VERSION ? partition.readFault : partition.fault;
  }

  /** Replica that the consumer shall read from instead of this leader (`ReplicaManager.findPreferredReadReplica`). */
  #preferred({ leader }: Partition, offset: Offset): BrokerId | undefined {
    const { parts, context, request } = this.#call;
    if (leader === undefined || context.version < FOLLOWER_VERSION || request.rackId === "") return undefined;
    if (parts.config["replica.selector.class"] !== RACK_AWARE) return undefined;
    const { brokers } = context.topics.image;
    const others = leader.inSyncAt(offset).flatMap(replica => {
      const broker = brokers.get(replica.id);
      // The client must be able to reach it.
      if (broker === undefined || broker.fenced) return [];
      const isReachable = broker.endPoints.some(({ name }) => name === context.listener);
      return isReachable ? { ...replica, rack: broker.rack } : [];
    });
    const own = brokers.get(parts.nodeId)?.rack ?? parts.config["broker.rack"] ?? null;
    return replicaInRack(request.rackId, { rack: own }, others);
  }

  begin(): void {
    const { request, parts } = this.#call;
    const answers = this.#read();
    const got = answers.reduce((sum, { size }) => sum + size, 0);
    const failed = answers.some(
      ({ errorCode, divergingEpoch, preferredReadReplica }) =>
        errorCode !== 0 || divergingEpoch !== undefined || preferredReadReplica !== undefined,
    );
    if (got >= request.minBytes || failed || request.maxWaitMs <= 0 || this.#wanted.length === 0) {
      this.#finish(answers);
      return;
    }
    for (const { release } of answers) release?.();
    this.#waiting = true;
    this.#missing = request.minBytes - got;
    if (request.isolationLevel === COMMITTED) this.#stable = new Map();
    for (const { partition } of this.#wanted) {
      partition?.watch(this);
      if (partition !== undefined) this.#stable?.set(partition, partition.limit(true));
    }
    this.#timer = parts.env.timers.after(request.maxWaitMs, () => this.#complete());
    parts.pendingFetches.add(this);
  }

  advanced(bytes: number, partition: Watched): void {
    if (this.#stable !== undefined) {
      this.#undecided += bytes;
      if (partition.limit(true) <= (this.#stable.get(partition) ?? -1)) return;
      // The last stable offset moved: bytes appended so far count towards `minBytes`.
      this.#missing -= this.#undecided;
      this.#undecided = 0;
    } else this.#missing -= bytes;
    if (this.#missing <= 0) this.changed();
  }

  changed(): void {
    if (!this.#waiting) return;
    this.#waiting = false;
    // Other partitions may still advance in this turn: read once, after all of them.
    this.#call.parts.turn.add("acknowledge", () => this.#complete());
  }

  #complete(): void {
    const { parts } = this.#call;
    this.#waiting = false;
    this.#timer?.cancel();
    parts.pendingFetches.delete(this);
    for (const { partition } of this.#wanted) partition?.unwatch(this);
    this.#finish(this.#read());
  }

  #read(): PartitionAnswer[] {
    const { parts, request } = this.#call;
    const most = parts.quotas.mostAtOnce("consumer_byte_rate", this.#call.context);
    let left = Math.min(request.maxBytes, parts.config["fetch.max.bytes"], most, parts.unsent.room);
    // The first batch is returned even if it exceeds the client's limits (KIP-74), unless memory for replies is
    // exhausted.
    let first = parts.unsent.room > 0;
    return this.#wanted.map(wanted => {
      const answer = this.#readOne(wanted, left, first);
      if (answer.size > 0) first = false;
      left = Math.max(0, left - answer.size);
      return answer;
    });
  }

  #readOne({ state, partition, error }: Wanted, left: number, first: boolean): PartitionAnswer {
    const now = partition === undefined ? 0 : this.#faultOf(partition);
    const fault = now === 0 ? error : now;
    if (partition === undefined || fault !== 0) return failure(state, fault);
    const committed = this.#call.request.isolationLevel === COMMITTED;
    const { topics } = this.#call.parts.metrics;
    topics.add(partition.topic, "totalFetchRequests", 1);
    const preferredReadReplica = this.#preferred(partition, state.fetchOffset);
    if (preferredReadReplica !== undefined) return { ...nothing(partition, state), preferredReadReplica };
    const diverging = divergence(partition, state, this.#call.context.version);
    if (diverging !== undefined) return diverging;
    const read = partition.read({
      offset: state.fetchOffset,
      maxBytes: Math.min(left, state.maxBytes),
      minOneMessage: first,
      isolation: committed ? "TXN_COMMITTED" : "HIGH_WATERMARK",
    });
    if (read.error !== 0) {
      topics.fetchFailed(partition.topic, read.error);
      return failure(state, read.error);
    }
    const { aborted, chunks: records, size, release } = read;
    return { ...nothing(partition, state), abortedTransactions: aborted, records, size, release };
  }

  /** Throttle time of a response, in ms, by the consumer's quota; a response that is withheld does not count. */
  #overQuota(answers: readonly PartitionAnswer[]): number {
    const { parts, context } = this.#call;
    const now = parts.env.clock.monotonic();
    const bytes = answers.reduce((sum, { size }) => sum + size, 0);
    const wait = parts.quotas.record("consumer_byte_rate", context, bytes, now);
    if (wait <= 0) return 0;
    parts.metrics.throttles.add("fetch", context, wait, now);
    parts.quotas.record("consumer_byte_rate", context, -bytes, now);
    return wait;
  }

  #finish(answers: PartitionAnswer[]): void {
    const { parts, opened, reply, context } = this.#call;
    let { session } = opened;
    const throttleTimeMs = this.#overQuota(answers);
    if (throttleTimeMs > 0) {
      for (const { release } of answers) release?.();
      reply({ throttleTimeMs, errorCode: 0, sessionId: session?.id ?? 0, responses: [] });
      return;
    }
    let shown = answers;
    if (opened.incremental && session !== undefined) {
      shown = answers.filter((answer, i) => changed(answer, (this.#wanted[i] as Wanted).state));
      rotate(session, shown, this.#wanted);
    } else if (opened.wantsSession && answers.length > 0) {
      const now = parts.env.clock.monotonic();
      session = parts.sessions.create(now, context.topics.byId, opened.partitions);
    }
    for (let i = 0; i < answers.length; i++) remember(answers[i] as PartitionAnswer, (this.#wanted[i] as Wanted).state);
    for (const { size, topic } of shown) if (size > 0) parts.metrics.topics.add(topic, "bytesOut", size);
    const response = { throttleTimeMs: 0, errorCode: 0, sessionId: session?.id ?? 0, ...told(parts, context, shown) };
    const releases = answers.flatMap(({ release }) => release ?? []);
    if (releases.length === 0) reply(response);
    else reply(response, () => releases.forEach(release => release()));
  }
}

/**
 * Moves partitions that returned records to the end of the session, so that the others are served next if space is
 * short.
 */
function rotate(session: FetchSession, shown: readonly PartitionAnswer[], wanted: readonly Wanted[]): void {
  const placeOf = (topic: string, topicId: Uuid, index: PartitionIndex): string => `${topicId}-${topic}-${index}`;
  const served = new Set(shown.filter(({ size }) => size > 0).map(a => placeOf(a.topic, a.topicId, a.partitionIndex)));
  if (served.size === 0 || served.size === wanted.length) return;
  for (const [key, state] of [...session.partitions]) {
    if (!served.has(placeOf(state.topic, state.topicId, state.partition))) continue;
    session.partitions.delete(key);
    session.partitions.set(key, state);
  }
}
