import {
  type GroupConfig,
  type GroupEffect,
  type GroupRequest,
  GroupShard,
  type TopicDirectory,
} from "@samsa/coordinator";
import { nodePattern } from "@samsa/node";
import { type ApiName, Apis, Errors, type OffsetCommitRequest, type OffsetCommitResponse } from "@samsa/protocol";
import type { MemberRequest, MemberResponse, TopicPartition } from "../src/index.ts";
import { append } from "../../coordinator/test/append.ts";

const CONFIG: GroupConfig = {
  initialRebalanceDelayMs: 500,
  minSessionTimeoutMs: 100,
  maxSessionTimeoutMs: 1_800_000,
  maxSize: 1000,
  offsetMetadataMaxLength: 16,
  offsetsRetentionMs: 1e9,
  consumer: {
    maxSize: 100,
    assignors: ["uniform", "range"],
    pattern: nodePattern,
    migration: { upgrade: true, downgrade: true },
    regexRefreshMs: 600_000,
    intervals: () => ({ sessionTimeoutMs: 45_000, heartbeatIntervalMs: 700, assignmentIntervalMs: 0 }),
  },
};

const SHARES = {
  sessionTimeoutMs: () => 45_000,
  heartbeatIntervalMs: () => 700,
  assignmentIntervalMs: () => 0,
  maxSize: () => 200,
  initializeRetryMs: 30_000,
};

/** Fields of a response that it sets; the others are defaults. */
type Fields = Record<string, unknown>;
type Answer = (response: MemberResponse) => void;

function responseOf(api: MemberRequest["api"], fields: Fields): MemberResponse {
  return { api, response: Apis[api as ApiName].response.defaults(fields as never) } as MemberResponse;
}

function requestOf(call: MemberRequest): GroupRequest {
  const client = { id: "c", host: "/h" };
  switch (call.api) {
    case "JoinGroup":
      return { type: "join", version: 9, client, body: call.request };
    case "SyncGroup":
      return { type: "sync", body: call.request };
    case "Heartbeat":
      return { type: "heartbeat", body: call.request };
    case "LeaveGroup":
      return { type: "leave", version: 5, body: call.request(5) };
    case "ConsumerGroupHeartbeat":
      return { type: "consumerHeartbeat", version: 1, client, body: call.request };
    case "ShareGroupHeartbeat":
      return { type: "share", client, body: call.request };
  }
}

/** Coordinator of the group `g`: a shard with its log, which may fail over and be away for a while. */
export class Coordinator {
  now = 1000;
  isAway = false;
  #ids = 0;
  #tickets = 0;
  #topics: TopicDirectory | undefined;
  readonly #log: { key: Uint8Array; value: Uint8Array | null }[] = [];
  /** Takers of the replies, by ticket. */
  readonly #waiting = new Map<number, (reply: Fields) => void>();
  #shard: GroupShard;
  readonly requests: MemberRequest[] = [];
  /**
   * Epoch at which a consumer group has become a classic one again; −1: it has not. Its members then have the target
   * assignment, as in Kafka (`ClassicGroup.fromConsumerGroup`), also those that have yet to revoke what is not in it.
   */
  convertedAt = -1;
  /** Epoch of the group while it is a consumer group, or −1. */
  #consumerEpoch = -1;

  constructor() {
    this.#shard = this.#fresh();
    this.#shard.loaded(this.now, []);
  }

  #fresh(): GroupShard {
    return new GroupShard(CONFIG, () => `id${++this.#ids}`, { ...SHARES, topic: () => undefined } as never);
  }

  ask(now: number, call: MemberRequest, answer: Answer): void {
    this.#enter(now);
    this.requests.push(call);
    const { code } = Errors.NOT_COORDINATOR;
    if (this.isAway) return answer(responseOf(call.api, { errorCode: code }));
    const ticket = ++this.#tickets;
    this.#waiting.set(ticket, reply => answer(responseOf(call.api, reply)));
    const out: GroupEffect[] = [];
    this.#shard.request(this.now, ticket, requestOf(call), out);
    this.#settle(out);
  }

  commit(now: number, body: OffsetCommitRequest, answer: (response: OffsetCommitResponse) => void): void {
    this.#enter(now);
    const { code: errorCode } = Errors.NOT_COORDINATOR;
    const refused = body.topics.map(({ partitions, ...topic }) => ({
      ...topic,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    }));
    if (this.isAway) return answer(Apis.OffsetCommit.response.defaults({ topics: refused }));
    const ticket = ++this.#tickets;
    this.#waiting.set(ticket, reply => answer(Apis.OffsetCommit.response.defaults(reply as never)));
    const out: GroupEffect[] = [];
    this.#shard.request(this.now, ticket, { type: "commit", version: 10, body }, out);
    this.#settle(out);
  }

  /** Committed offset; −1: none. */
  committed({ topic, partition }: TopicPartition): number {
    const [found] = this.#shard.committed.fetch("g", [{ name: topic, partitionIndexes: [partition] }] as never, false);
    return Number(found?.partitions[0]?.committedOffset ?? -1);
  }

  nextDeadline(): number {
    return this.#shard.nextDeadline();
  }

  tick(now: number): void {
    this.#enter(now);
    const out: GroupEffect[] = [];
    this.#shard.tick(this.now, out);
    this.#settle(out);
  }

  setTopics(now: number, topics: TopicDirectory, changed: ReadonlySet<string>): void {
    this.#enter(now);
    this.#topics = topics;
    this.#shard.topicsChanged(topics, changed, true);
  }

  /** Another broker becomes the coordinator, and loads the log. */
  failOver(now: number): void {
    this.#enter(now);
    const out: GroupEffect[] = [];
    this.#shard.unload(this.now, Errors.NOT_COORDINATOR.code, out);
    this.#settle(out);
    this.#shard = this.#fresh();
    if (this.#topics !== undefined) this.#shard.topicsChanged(this.#topics, new Set(), true);
    for (const record of this.#log) this.#shard.replay(this.now, record);
    const loaded: GroupEffect[] = [];
    this.#shard.loaded(this.now, loaded);
    this.#settle(loaded);
  }

  /** Ids of the members of the group. */
  members(): Set<string> {
    const classic = this.#shard.view("g")?.members.map(({ id }) => id) ?? [];
    const view = this.#shard.consumerView("g") as { members?: readonly { memberId: string }[] };
    const share = this.#shard.shares.view("g") as { members?: readonly { memberId: string }[] } | undefined;
    const ids = [...(view.members ?? []), ...(share?.members ?? [])].map(({ memberId }) => memberId);
    return new Set([...classic, ...ids]);
  }

  #enter(now: number): void {
    this.now = Math.max(this.now, now);
  }

  #settle(effects: GroupEffect[]): void {
    for (let next = effects.shift(); next !== undefined; next = effects.shift()) {
      if (next.type === "reply") {
        const take = this.#waiting.get(next.ticket);
        this.#waiting.delete(next.ticket);
        take?.(next.response as Fields);
      } else if (next.type === "append") {
        append(this.#shard, this.now, { records: next.records, log: this.#log, isWritten: true });
        this.#shard.appended(this.now, next.token, 0, effects);
      } else if (next.type === "initialize") {
        const { initialization } = next;
        this.#shard.forShares(this.now, effects, shares => shares.initialized(initialization, true));
      }
    }
    this.#noteConversion();
  }

  #noteConversion(): void {
    const { groupState, groupEpoch } = this.#shard.consumerView("g");
    const isConsumer = groupState !== "";
    const isClassic = this.#shard.view("g") !== undefined;
    if (isClassic && this.#consumerEpoch >= 0) this.convertedAt = this.#consumerEpoch;
    else if (!isClassic && !isConsumer) this.convertedAt = -1;
    this.#consumerEpoch = isConsumer ? groupEpoch : -1;
  }
}
