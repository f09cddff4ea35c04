import {
  invariant,
  type LeaderEpoch,
  nearestNumber,
  type Offset,
  type PartitionIndex,
  type Uuid,
  type WireOffset,
} from "@samsa/base";
import {
  type DeleteShareGroupStateRequest,
  Errors,
  type InitializeShareGroupStateRequest,
  type ProtocolError,
  type ReadShareGroupStateRequest,
  type ReadShareGroupStateSummaryRequest,
  type ShareUpdateValue,
  type WriteShareGroupStateRequest,
} from "@samsa/protocol";
import type { Effect, ShardRecord, Ticket, Warning } from "../shard/effects.ts";
import { clientCode, type LoggedRecord, type Shard } from "../shard/shard.ts";
import { Timeline, TimelineMap, TimelineValue } from "../shard/timeline.ts";
import { combineBatches, type StateBatch } from "./batches.ts";
import { parseShareState, snapshotRecord, stateTombstone, updateRecord } from "./records.ts";

/** Topic partition of a share group (`SharePartitionKey`). */
export interface SharePartitionKey {
  readonly groupId: string;
  readonly topicId: Uuid;
  readonly partition: PartitionIndex;
}

/** Key that selects the partition of `__share_group_state` (`SharePartitionKey.asCoordinatorKey`). */
export function coordinatorKey({ groupId, topicId, partition }: SharePartitionKey): string {
  return `${groupId}:${topicId}:${partition}`;
}

/** Settings of the share coordinator. */
export interface ShareStateConfig {
  /** Number of updates of a share partition between two snapshots. */
  readonly updatesPerSnapshot: number;
  /** Interval at which redundant records at the head of the log are deleted, in ms. */
  readonly pruneIntervalMs: number;
  /** Age at which a snapshot is written again, so that it does not keep the log from being pruned, in ms. */
  readonly coldSnapshotIntervalMs: number;
  /** Returns the number of partitions of a topic; undefined: there is no such topic. */
  readonly partitionCount: (topicId: Uuid) => number | undefined;
}

type BodyOf<R extends { readonly topics: readonly { readonly partitions: readonly object[] }[] }> =
  R["topics"][number]["partitions"][number];

/** Partition of a share-state request (API keys 83 to 87). */
export type ShareStateRequest =
  | { readonly type: "initialize"; readonly body: BodyOf<InitializeShareGroupStateRequest> }
  | { readonly type: "read"; readonly body: BodyOf<ReadShareGroupStateRequest> }
  | { readonly type: "summary"; readonly body: BodyOf<ReadShareGroupStateSummaryRequest> }
  | { readonly type: "write"; readonly body: BodyOf<WriteShareGroupStateRequest> }
  | { readonly type: "delete"; readonly body: BodyOf<DeleteShareGroupStateRequest> };

/** Effects of a `ShareStateShard`, for its host to carry out. */
export type ShareStateEffect =
  | Effect
  | Warning
  /** Delete the records before `offset`: they are redundant. */
  | { readonly type: "prune"; readonly offset: Offset };

/** State of a share partition (`ShareGroupOffset`). */
interface ShareState {
  readonly key: SharePartitionKey;
  readonly snapshotEpoch: number;
  readonly stateEpoch: number;
  readonly leaderEpoch: LeaderEpoch;
  readonly startOffset: WireOffset;
  /** Number of records from the start offset on whose delivery is complete; -1: unknown. */
  readonly deliveryCompleteCount: number;
  readonly createTimestamp: number;
  readonly writeTimestamp: number;
  readonly batches: readonly StateBatch[];
  /** Highest epochs ever seen: requests with a lower one are fenced. */
  readonly highestLeaderEpoch: LeaderEpoch;
  readonly highestStateEpoch: number;
  /** Number of update records since the last due snapshot. */
  readonly updates: number;
  /** Log offset of the latest snapshot. */
  readonly snapshotOffset: Offset;
}

type Failure = readonly [error: ProtocolError, message?: string];

const NEGATIVE_PARTITION = "The partition id cannot be a negative number.";
const NEGATIVE_LEADER_EPOCH = "The leader epoch cannot be a negative number.";
const NEGATIVE_STATE_EPOCH = "The state epoch cannot be a negative number.";
const UNINITIALIZED = (what: string) => `${what} operation on uninitialized share partition not allowed.`;
const BACKWARDS = "A state batch cannot end before it begins.";
const UNKNOWN_OFFSET = -1;

/**
 * Keeps the states of share partitions of one partition of `__share_group_state` (KIP-932, `ShareCoordinatorShard`): a
 * snapshot of each, and updates that are merged into it.
 */
export class ShareStateShard implements Shard<ShareStateEffect> {
  wallAhead = 0;
  readonly #config: ShareStateConfig;
  readonly timeline = new Timeline();
  readonly #states = new TimelineMap<string, ShareState>(this.timeline);
  readonly #appends = new Map<number, (errorCode: number) => void>();
  #tokens = 0;
  #live = false;
  /** Log offset of the last tombstone: all records before it are redundant if no share partition is left. */
  readonly #tombstoneOffset = new TimelineValue<Offset>(this.timeline, 0);
  #prunedTo: Offset = 0;
  #pruneAt = Infinity;
  #coldAt = Infinity;
  /** Sink of the effects of the current call. */
  #out: ShareStateEffect[] = [];

  constructor(config: ShareStateConfig) {
    this.#config = config;
  }

  request(
    now: number,
    ticket: Ticket,
    { key, request }: { readonly key: SharePartitionKey; readonly request: ShareStateRequest },
    out: ShareStateEffect[],
  ): void {
    this.#out = out;
    const { partition } = key;
    const answer = (body: object): void =>
      void this.#out.push({ type: "reply", ticket, response: { partition, ...body } });
    const state = this.#states.get(coordinatorKey(key));
    const fault = this.#fault(state, key, request);
    if (fault !== undefined) {
      const [error, message] = fault;
      return answer({ errorCode: error.code, errorMessage: message ?? error.message });
    }
    const { body, records } = this.#decide(now, state, key, request);
    this.#append(records, errorCode => answer(errorCode === 0 ? body : { errorCode, errorMessage: FAILED }));
  }

  #append(records: readonly ShardRecord[], done: (errorCode: number) => void): void {
    if (records.length === 0) return done(0);
    const token = ++this.#tokens;
    this.#appends.set(token, done);
    this.#out.push({ type: "append", token, records });
  }

  appended(_now: number, token: number, errorCode: number, out: ShareStateEffect[]): void {
    const done = this.#appends.get(token);
    invariant(done !== undefined, "an append ends once");
    this.#appends.delete(token);
    this.#out = out;
    done(clientCode(errorCode));
  }

  #fault(state: ShareState | undefined, { topicId, partition }: SharePartitionKey, request: ShareStateRequest) {
    if (partition < 0) return [Errors.INVALID_REQUEST, NEGATIVE_PARTITION] as const;
    const fault = requestFault(state, request);
    if (fault !== undefined) return fault;
    const count = this.#config.partitionCount(topicId);
    return count === undefined || count <= partition ? ([Errors.UNKNOWN_TOPIC_OR_PARTITION] as const) : undefined;
  }

  /** Response to a valid request, to send once `records` are written. */
  #decide(
    now: number,
    state: ShareState | undefined,
    key: SharePartitionKey,
    request: ShareStateRequest,
  ): { readonly body: object; readonly records: readonly ShardRecord[] } {
    const ok = { errorCode: 0, errorMessage: null };
    switch (request.type) {
      case "summary":
        return { body: { ...ok, ...summary(state) }, records: [] };
      case "delete":
        return { body: ok, records: state === undefined ? [] : [stateTombstone(key)] };
      case "initialize":
        return { body: ok, records: [this.#initial(now, state, key, request.body)] };
      default:
    }
    invariant(state !== undefined, "a share partition that is read or written has been initialized");
    if (request.type === "write") return { body: ok, records: [this.#next(now, state, request.body)] };
    const { stateEpoch, startOffset, batches, highestLeaderEpoch, deliveryCompleteCount } = state;
    const { leaderEpoch } = request.body;
    const body = { ...ok, stateEpoch, startOffset, stateBatches: batches };
    if (leaderEpoch === highestLeaderEpoch) return { body, records: [] };
    const change = { leaderEpoch, startOffset, deliveryCompleteCount, stateBatches: [] };
    return { body, records: [this.#next(now, state, change, leaderEpoch)] };
  }

  #initial(
    now: number,
    state: ShareState | undefined,
    key: SharePartitionKey,
    { stateEpoch, startOffset }: BodyOf<InitializeShareGroupStateRequest>,
  ): ShardRecord {
    const timestamp = this.#wall(now);
    return snapshotRecord(key, {
      snapshotEpoch: state === undefined ? 0 : state.snapshotEpoch + 1,
      stateEpoch,
      leaderEpoch: 0,
      startOffset,
      // Without a start offset there is no lag to report; with one there is.
      deliveryCompleteCount: startOffset === UNKNOWN_OFFSET ? -1 : 0,
      createTimestamp: timestamp,
      writeTimestamp: timestamp,
      stateBatches: [],
    });
  }

  /** Update record, or a snapshot if one is due. The start offset never decreases. */
  #next(
    now: number,
    state: ShareState,
    change: Omit<BodyOf<WriteShareGroupStateRequest>, "partition" | "stateEpoch">,
    leaderEpoch = state.leaderEpoch,
  ): ShardRecord {
    const { key, stateEpoch, snapshotEpoch } = state;
    const startOffset = change.startOffset > state.startOffset ? change.startOffset : state.startOffset;
    const known = state.deliveryCompleteCount;
    let deliveryCompleteCount = change.deliveryCompleteCount;
    if (change.startOffset < state.startOffset) deliveryCompleteCount = known;
    else if (change.startOffset === state.startOffset) deliveryCompleteCount = Math.max(deliveryCompleteCount, known);
    const common = { leaderEpoch, startOffset, deliveryCompleteCount };
    if (state.updates < this.#config.updatesPerSnapshot) {
      const stateBatches = combineBatches(change.stateBatches, startOffset);
      return updateRecord(key, { ...common, snapshotEpoch, stateBatches: [...stateBatches] });
    }
    const timestamp = this.#wall(now);
    return snapshotRecord(key, {
      ...common,
      snapshotEpoch: snapshotEpoch + 1,
      stateEpoch,
      stateBatches: [...combineBatches([...state.batches, ...change.stateBatches], startOffset)],
      createTimestamp: timestamp,
      writeTimestamp: timestamp,
    });
  }

  /** Erases the states of deleted topics, as `partitionCount` shows. */
  topicsDeleted(_now: number, out: ShareStateEffect[]): void {
    this.#out = out;
    this.#eraseOrphans();
  }

  /** Erases the share partitions of topics that do not exist any more. */
  #eraseOrphans(): void {
    const gone = [...this.#states.values()].filter(({ key }) => this.#config.partitionCount(key.topicId) === undefined);
    const records = gone.map(({ key }) => stateTombstone(key));
    this.#maintain("tombstones of share partitions of deleted topics", records);
  }

  /** Appends records that need not be atomic; a failed write is repeated after the next start. */
  #maintain(what: string, records: readonly ShardRecord[]): void {
    if (records.length === 0) return;
    const token = ++this.#tokens;
    const done = (errorCode: number): void => {
      if (errorCode !== 0) this.#out.push({ type: "warn", message: `Failed to write ${what}.`, errorCode });
    };
    this.#appends.set(token, done);
    this.#out.push({ type: "append", token, records, divisible: true });
  }

  replay(_now: number, { key, value }: LoggedRecord, offset: Offset): void {
    const record = parseShareState(key, value);
    if (record === undefined) return;
    const id = coordinatorKey(record.key);
    const state = this.#states.get(id);
    if (record.type === "update") {
      if (record.value !== null) this.#update(id, state, record.key, record.value);
    } else if (record.value === null) {
      this.#states.delete(id);
      this.#tombstoneOffset.set(offset);
    } else {
      const { stateBatches: batches, ...values } = record.value;
      const { updatesPerSnapshot } = this.#config;
      this.#states.set(id, {
        key: record.key,
        ...values,
        createTimestamp: nearestNumber(values.createTimestamp),
        writeTimestamp: nearestNumber(values.writeTimestamp),
        batches,
        highestLeaderEpoch: Math.max(values.leaderEpoch, state?.highestLeaderEpoch ?? 0),
        highestStateEpoch: Math.max(values.stateEpoch, state?.highestStateEpoch ?? 0),
        updates: state === undefined || state.updates >= updatesPerSnapshot ? 0 : state.updates,
        snapshotOffset: offset,
      });
    }
  }

  #update(id: string, before: ShareState | undefined, key: SharePartitionKey, value: ShareUpdateValue): void {
    // The log may have lost the snapshot: then the update alone is the state.
    const state = before ?? fresh(key, value.snapshotEpoch);
    const startOffset = value.startOffset === -1 ? state.startOffset : value.startOffset;
    this.#states.set(id, {
      ...state,
      startOffset,
      leaderEpoch: value.leaderEpoch === -1 ? state.leaderEpoch : value.leaderEpoch,
      highestLeaderEpoch: Math.max(state.highestLeaderEpoch, value.leaderEpoch),
      deliveryCompleteCount: value.deliveryCompleteCount,
      batches: combineBatches([...state.batches, ...value.stateBatches], startOffset),
      updates: state.updates + 1,
    });
  }

  /** Does nothing: this topic has no transactions. */
  ended(): void {}

  loaded(now: number, out: ShareStateEffect[]): void {
    this.#live = true;
    this.timeline.start();
    this.#out = out;
    // The broker may have stopped between the deletion of a topic and that of its states.
    this.#eraseOrphans();
    this.#pruneAt = now + this.#config.pruneIntervalMs;
    this.#coldAt = now + this.#config.coldSnapshotIntervalMs;
  }

  nextDeadline(): number {
    return this.#live ? Math.min(this.#pruneAt, this.#coldAt) : Infinity;
  }

  tick(now: number, out: ShareStateEffect[]): void {
    this.#out = out;
    if (now >= this.#coldAt) {
      this.#coldAt = now + this.#config.coldSnapshotIntervalMs;
      this.#snapshotCold(now);
    }
    if (now < this.#pruneAt) return;
    this.#pruneAt = now + this.#config.pruneIntervalMs;
    const offset = this.#redundantBefore();
    if (offset <= this.#prunedTo) return;
    this.#prunedTo = offset;
    out.push({ type: "prune", offset });
  }

  /** Log offset before which all records are redundant: no share partition has its latest snapshot before it. */
  #redundantBefore(): Offset {
    let least: Offset = Infinity;
    for (const { snapshotOffset } of this.#states.values("committed")) least = Math.min(least, snapshotOffset);
    return least === Infinity ? this.#tombstoneOffset.get("committed") : least;
  }

  #snapshotCold(now: number): void {
    const states = [...this.#states.values()];
    // If all latest snapshots are cold ones, no state has changed since, and new ones would not help.
    if (states.every(({ createTimestamp, writeTimestamp }) => createTimestamp !== writeTimestamp)) return;
    const timestamp = this.#wall(now);
    const cold = states.filter(
      ({ writeTimestamp }) => timestamp - writeTimestamp >= this.#config.coldSnapshotIntervalMs,
    );
    const records = cold.map(state => {
      const { snapshotEpoch, stateEpoch, leaderEpoch, startOffset, deliveryCompleteCount, createTimestamp } = state;
      return snapshotRecord(state.key, {
        snapshotEpoch: snapshotEpoch + 1,
        stateEpoch,
        leaderEpoch,
        startOffset,
        deliveryCompleteCount,
        createTimestamp,
        writeTimestamp: timestamp,
        stateBatches: [...state.batches],
      });
    });
    this.#maintain("snapshots of states that have not changed for long", records);
  }

  unload(_now: number, errorCode: number, out: ShareStateEffect[]): void {
    this.#live = false;
    this.#out = out;
    for (const done of [...this.#appends.values()]) done(errorCode);
    this.#appends.clear();
  }

  #wall(now: number): number {
    return Math.round(now + this.wallAhead);
  }
}

const FAILED = "the state of the share group could not be written";

function fresh(key: SharePartitionKey, snapshotEpoch: number): ShareState {
  return {
    key,
    snapshotEpoch,
    stateEpoch: 0,
    leaderEpoch: 0,
    startOffset: UNKNOWN_OFFSET,
    deliveryCompleteCount: -1,
    createTimestamp: 0,
    writeTimestamp: 0,
    batches: [],
    highestLeaderEpoch: 0,
    highestStateEpoch: 0,
    updates: 0,
    snapshotOffset: 0,
  };
}

function summary(state: ShareState | undefined): object {
  if (state === undefined) return { startOffset: -1, deliveryCompleteCount: -1, leaderEpoch: 0, stateEpoch: 0 };
  const { startOffset, deliveryCompleteCount, leaderEpoch, stateEpoch } = state;
  return { startOffset, deliveryCompleteCount, leaderEpoch, stateEpoch };
}

/** Error of a request that does not depend on its topic; undefined: none. */
function requestFault(state: ShareState | undefined, request: ShareStateRequest): Failure | undefined {
  const { INVALID_REQUEST, FENCED_LEADER_EPOCH, FENCED_STATE_EPOCH } = Errors;
  const { type, body } = request;
  if ((type === "read" || type === "write") && body.leaderEpoch < 0) return [INVALID_REQUEST, NEGATIVE_LEADER_EPOCH];
  if ((type === "write" || type === "initialize") && body.stateEpoch < 0) {
    return [INVALID_REQUEST, NEGATIVE_STATE_EPOCH];
  }
  if (type === "write" && body.stateBatches.some(batch => batch.lastOffset < batch.firstOffset)) {
    return [INVALID_REQUEST, BACKWARDS];
  }
  if (type === "read" || type === "write") {
    if (state === undefined) return [INVALID_REQUEST, UNINITIALIZED(type === "read" ? "Read" : "Write")];
    if (state.highestLeaderEpoch > body.leaderEpoch) return [FENCED_LEADER_EPOCH];
  }
  if (type !== "write" && type !== "initialize") return undefined;
  return state !== undefined && state.highestStateEpoch > body.stateEpoch ? [FENCED_STATE_EPOCH] : undefined;
}
