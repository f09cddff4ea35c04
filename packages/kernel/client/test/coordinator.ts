import {
  type GroupConfig,
  type GroupEffect,
  type GroupRequest,
  GroupShard,
  type TopicDirectory,
} from "@samsa/coordinator";
import { nodePattern } from "@samsa/node";
import { type ApiName, Apis, Errors } from "@samsa/protocol";
import type { MemberRequest, MemberResponse } from "../src/index.ts";
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
    intervals: () => ({ sessionTimeoutMs: 45_000, heartbeatIntervalMs: 700, assignmentIntervalMs: 0 }),
  },
};

const SHARES = {
  sessionTimeoutMs: () => 45_000,
  heartbeatIntervalMs: () => 700,
  assignmentIntervalMs: () => 0,
  maxSize: () => 200,
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
  readonly #waiting = new Map<number, { readonly api: MemberRequest["api"]; readonly answer: Answer }>();
  #shard: GroupShard;
  readonly requests: MemberRequest[] = [];

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
    this.#waiting.set(ticket, { api: call.api, answer });
    const out: GroupEffect[] = [];
    this.#shard.request(this.now, ticket, requestOf(call), out);
    this.#settle(out);
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
        const waiting = this.#waiting.get(next.ticket);
        this.#waiting.delete(next.ticket);
        waiting?.answer(responseOf(waiting.api, next.response as Fields));
      } else if (next.type === "append") {
        append(this.#shard, this.now, { records: next.records, log: this.#log, isWritten: true });
        this.#shard.appended(this.now, next.token, 0, effects);
      } else if (next.type === "initialize") {
        const { initialization } = next;
        this.#shard.forShares(this.now, effects, shares => shares.initialized(initialization, true));
      }
    }
  }
}
