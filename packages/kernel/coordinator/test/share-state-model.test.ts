import { type Uuid, ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type ShareStateEffect, type ShareStateRequest, ShareStateShard } from "../src/index.ts";
import type { StateBatch } from "../src/share-state/batches.ts";
import { append } from "./append.ts";

const TOPIC = "AAAAAAAAAAAAAAAAAAAAZA" as Uuid;
const AWAY = Errors.COORDINATOR_NOT_AVAILABLE.code;

/** State of one share partition, as KIP-932 tells it. */
interface Stored {
  readonly stateEpoch: number;
  readonly leaderEpoch: number;
  readonly startOffset: number;
  readonly complete: number;
  /** State and delivery count of each offset. */
  readonly offsets: ReadonlyMap<number, readonly [number, number]>;
  readonly highestLeader: number;
  readonly highestState: number;
}

type Step =
  | { readonly do: "ask"; readonly request: ShareStateRequest; readonly fault: number }
  | { readonly do: "topic"; readonly partitions: number }
  | { readonly do: "reload" };

const partition = fc.constantFrom(0, 0, 0, 1, 2, -1);
const epoch = fc.constantFrom(0, 1, 1, 2, 3, -1);
const offset = fc.integer({ min: 0, max: 12 });
const stateBatches: fc.Arbitrary<StateBatch[]> = fc.array(
  fc
    .tuple(offset, fc.nat(3), fc.constantFrom(0, 2, 4), fc.integer({ min: 1, max: 3 }))
    .map(([firstOffset, more, deliveryState, deliveryCount]) => ({
      ...{ firstOffset, lastOffset: firstOffset + more, deliveryState, deliveryCount },
    })),
  { maxLength: 3 },
);
const requests: fc.Arbitrary<ShareStateRequest> = fc.oneof(
  fc.record({
    type: fc.constant("initialize" as const),
    body: fc.record({ partition, stateEpoch: epoch, startOffset: fc.constantFrom(-1, 0, 5) }),
  }),
  fc.record({ type: fc.constant("read" as const), body: fc.record({ partition, leaderEpoch: epoch }) }),
  fc.record({ type: fc.constant("summary" as const), body: fc.record({ partition, leaderEpoch: epoch }) }),
  fc.record({
    type: fc.constant("write" as const),
    body: fc.record({
      ...{ partition, stateEpoch: epoch, leaderEpoch: epoch, startOffset: offset },
      ...{ deliveryCompleteCount: fc.nat(5), stateBatches },
    }),
  }),
  fc.record({ type: fc.constant("delete" as const), body: fc.record({ partition }) }),
);
const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant("ask" as const),
        request: requests,
        fault: fc.constantFrom(0, 0, 0, AWAY),
      }),
    } as never,
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constant("topic" as const), partitions: fc.constantFrom(2, 2, 1) }),
    } as never,
    { weight: 1, arbitrary: fc.constant({ do: "reload" as const }) } as never,
  ),
  { maxLength: 40, size: "max" },
);

/** Error that a request must have, and the state after it. */
function judged(
  state: Stored | undefined,
  request: ShareStateRequest,
  partitions: number,
): { readonly errorCode: number; readonly next: Stored | undefined } {
  const refuse = ({ code }: { readonly code: number }) => ({ errorCode: code, next: state });
  const { INVALID_REQUEST, FENCED_LEADER_EPOCH, FENCED_STATE_EPOCH, UNKNOWN_TOPIC_OR_PARTITION } = Errors;
  const { body, type } = request;
  if (body.partition < 0) return refuse(INVALID_REQUEST);
  if ((type === "read" || type === "write") && body.leaderEpoch < 0) return refuse(INVALID_REQUEST);
  if ((type === "initialize" || type === "write") && body.stateEpoch < 0) return refuse(INVALID_REQUEST);
  if (type === "read" || type === "write") {
    if (state === undefined) return refuse(INVALID_REQUEST);
    if (body.leaderEpoch < state.highestLeader) return refuse(FENCED_LEADER_EPOCH);
  }
  if ((type === "initialize" || type === "write") && state !== undefined && body.stateEpoch < state.highestState) {
    return refuse(FENCED_STATE_EPOCH);
  }
  if (body.partition >= partitions) return refuse(UNKNOWN_TOPIC_OR_PARTITION);
  if (type === "summary") return { errorCode: 0, next: state };
  if (type === "delete") return { errorCode: 0, next: undefined };
  if (type === "initialize") {
    const { stateEpoch } = body;
    const startOffset = Number(body.startOffset);
    const complete = startOffset === -1 ? -1 : 0;
    const highestState = Math.max(stateEpoch, state?.highestState ?? 0);
    return {
      errorCode: 0,
      next: {
        stateEpoch,
        leaderEpoch: 0,
        startOffset,
        complete,
        offsets: new Map(),
        highestLeader: state?.highestLeader ?? 0,
        highestState,
      },
    };
  }
  if (state === undefined) throw new Error("it has been refused");
  if (type === "read") {
    const { leaderEpoch } = body;
    return { errorCode: 0, next: { ...state, leaderEpoch, highestLeader: leaderEpoch } };
  }
  const startOffset = Math.max(state.startOffset, Number(body.startOffset));
  const offsets = new Map(state.offsets);
  for (const { firstOffset, lastOffset, deliveryState, deliveryCount } of body.stateBatches) {
    for (let at = Number(firstOffset); at <= Number(lastOffset); at++) {
      const [knownState, knownCount] = offsets.get(at) ?? [-1, -1];
      const isNewer = deliveryCount > knownCount || (deliveryCount === knownCount && deliveryState > knownState);
      if (isNewer) offsets.set(at, [deliveryState, deliveryCount]);
    }
  }
  for (const at of offsets.keys()) if (at < startOffset) offsets.delete(at);
  const count = body.deliveryCompleteCount;
  const moved = Number(body.startOffset) - state.startOffset;
  const complete = moved < 0 ? state.complete : moved === 0 ? Math.max(count, state.complete) : count;
  return { errorCode: 0, next: { ...state, startOffset, offsets, complete } };
}

type Reply = Readonly<Record<string, unknown>> & { readonly errorCode: number };

class Pair {
  readonly #log: { key: Uint8Array; value: Uint8Array | null }[] = [];
  #partitions = 2;
  #shard: ShareStateShard;
  readonly #states = new Map<number, Stored>();
  readonly #updates: number;

  constructor(updates: number) {
    this.#updates = updates;
    this.#shard = this.#loaded();
  }

  #loaded(): ShareStateShard {
    const shard = new ShareStateShard({
      ...{ updatesPerSnapshot: this.#updates, pruneIntervalMs: 1e12, coldSnapshotIntervalMs: 1e12 },
      partitionCount: id => (id === TOPIC ? this.#partitions : undefined),
    });
    this.#log.forEach((record, at) => shard.replay(1, record, at));
    shard.loaded(1, []);
    return shard;
  }

  #ask(request: ShareStateRequest, fault: number): Reply {
    const out: ShareStateEffect[] = [];
    const key = { groupId: "g", topicId: TOPIC, partition: request.body.partition };
    this.#shard.request(1, 1, { key, request }, out);
    const replies: Reply[] = [];
    for (let next = out.shift(); next !== undefined; next = out.shift()) {
      if (next.type === "reply") replies.push(next.response as Reply);
      if (next.type !== "append") continue;
      append(this.#shard, 1, { records: next.records, log: this.#log, isWritten: fault === 0 });
      this.#shard.appended(1, next.token, fault, out);
    }
    expect(replies).toHaveLength(1);
    return replies[0];
  }

  play(step: Step): void {
    if (step.do === "topic") this.#partitions = step.partitions;
    else if (step.do === "reload") this.#shard = this.#loaded();
    else this.#compare(step.request, step.fault);
  }

  #compare(request: ShareStateRequest, fault: number): void {
    const { partition: at } = request.body;
    const state = this.#states.get(at);
    const { errorCode, next } = judged(state, request, this.#partitions);
    // Requests that write nothing cannot fail to be written.
    const isRead =
      request.type === "summary" ||
      (request.type === "read" &&
        next?.leaderEpoch === state?.highestLeader &&
        request.body.leaderEpoch === state?.highestLeader);
    const isSilent = errorCode !== 0 || isRead || (request.type === "delete" && state === undefined);
    const reply = this.#ask(request, fault);
    expect([reply.partition, reply.errorCode]).toEqual([at, isSilent ? errorCode : fault]);
    if (reply.errorCode !== 0) return;
    if (request.type === "read") {
      expect([reply.stateEpoch, Number(reply.startOffset)]).toEqual([state?.stateEpoch, state?.startOffset]);
      const given = (reply.stateBatches as StateBatch[]).flatMap(batch =>
        Array.from({ length: Number(batch.lastOffset) - Number(batch.firstOffset) + 1 }, (_, i) => [
          ...[Number(batch.firstOffset) + i, batch.deliveryState, batch.deliveryCount],
        ]),
      );
      expect(given).toEqual(
        [...(state?.offsets ?? [])].map(([each, values]) => [each, ...values]).toSorted(([a], [b]) => a - b),
      );
    } else if (request.type === "summary") {
      const { startOffset = -1, complete = -1, leaderEpoch = 0, stateEpoch = 0 } = state ?? {};
      expect([Number(reply.startOffset), reply.deliveryCompleteCount, reply.leaderEpoch, reply.stateEpoch]).toEqual([
        ...[startOffset, complete, leaderEpoch, stateEpoch],
      ]);
    }
    if (isSilent) return;
    if (next === undefined) this.#states.delete(at);
    else this.#states.set(at, next);
  }
}

test("states of share partitions are what their requests say, in the order of the log", () => {
  expect(TOPIC).not.toBe(ZERO_UUID);
  fc.assert(
    fc.property(steps, fc.nat(3), (all, updates) => {
      const pair = new Pair(updates);
      for (const step of all) pair.play(step);
    }),
    { numRuns: 200 },
  );
});
