import { uuidFromBytes, type Uuid } from "@samsa/base";
import { nodePattern } from "@samsa/node";
import { Errors } from "@samsa/protocol";
import { expect } from "vitest";
import {
  type GroupEffect,
  type GroupConfig,
  type GroupRequest,
  GroupShard,
  type TopicDirectory,
} from "../src/index.ts";
import { append } from "./append.ts";

/** Topic id that encodes the number of the topic. */
export function topicId(name: string): Uuid {
  const bytes = new Uint8Array(16);
  bytes.set(Buffer.from(name).subarray(0, 16));
  return uuidFromBytes(bytes);
}

export const config: GroupConfig = {
  initialRebalanceDelayMs: 3000,
  minSessionTimeoutMs: 6000,
  maxSessionTimeoutMs: 1_800_000,
  maxSize: 3,
  offsetMetadataMaxLength: 16,
  offsetsRetentionMs: 1000_000,
  consumer: {
    maxSize: 100,
    assignors: ["uniform", "range"],
    pattern: nodePattern,
    migration: { upgrade: true, downgrade: true },
    regexRefreshMs: 600_000,
    intervals: () => ({ sessionTimeoutMs: 45_000, heartbeatIntervalMs: 5000, assignmentIntervalMs: 1000 }),
  },
};

export const noShares = {
  sessionTimeoutMs: () => 45_000,
  heartbeatIntervalMs: () => 5000,
  assignmentIntervalMs: () => 0,
  maxSize: () => 200,
  initializeRetryMs: 30_000,
  topic: () => undefined,
};

export type Reply = Record<string, unknown> & { errorCode: number; memberId: string; generationId: number };

/** Outcome of an append whose records are in the log, but not committed in time. */
export const LATE: number = Errors.REQUEST_TIMED_OUT.code;

/** Shard with a log: appends succeed at once, unless `failing` or `hold` is set. */
export class Bench {
  now = 1_000_000;
  ids = 0;
  tickets = 0;
  failing = 0;
  hold = false;
  readonly log: { key: Uint8Array; value: Uint8Array | null }[] = [];
  readonly held: number[] = [];
  readonly replies = new Map<number, Reply>();
  readonly warnings: string[] = [];
  readonly notes: object[] = [];
  /** Largest classic group that a shard loaded from now on allows. */
  maxSize = config.maxSize;
  /** `group.consumer.regex.refresh.interval.ms` of such a shard. */
  regexRefreshMs = config.consumer.regexRefreshMs;
  shard = new GroupShard(config, () => `id${++this.ids}`, noShares);

  constructor() {
    this.shard.loaded(this.now, []);
  }

  /** Partitions by topic. */
  readonly topics = new Map<string, { readonly id: Uuid; readonly partitions: number }>();
  version = 0;

  /** Sets a topic's number of partitions; 0 deletes it. */
  topic(name: string, partitions: number): Uuid {
    const id = this.topics.get(name)?.id ?? topicId(`${name}${this.version}`);
    const created = !this.topics.has(name) && partitions > 0;
    if (partitions === 0) this.topics.delete(name);
    else this.topics.set(name, { id, partitions });
    this.version++;
    this.shard.topicsChanged(this.directory(), new Set([name]), created);
    return id;
  }

  directory(): TopicDirectory {
    const topics = new Map(this.topics);
    const of = (id: Uuid) => [...topics].find(([, topic]) => topic.id === id);
    return {
      version: this.version,
      idOf: name => topics.get(name)?.id,
      nameOf: id => of(id)?.[0],
      partitions: id => of(id)?.[1].partitions ?? 0,
      racks: () => [],
      names: () => topics.keys(),
    };
  }

  settle(effects: GroupEffect[]): void {
    for (let next = effects.shift(); next !== undefined; next = effects.shift()) {
      if (next.type === "reply") {
        expect(this.replies.has(next.ticket), "one reply a ticket").toBe(false);
        this.replies.set(next.ticket, next.response as Reply);
      } else if (next.type === "warn") this.warnings.push(next.message);
      else if (next.type === "note") this.notes.push({ message: next.message, ...next.about });
      else if (next.type === "initialize") continue;
      else if (this.hold) this.held.push(next.token);
      else {
        const isWritten = this.failing === 0 || this.failing === LATE;
        append(this.shard, this.now, { records: next.records, log: this.log, isWritten });
        this.shard.appended(this.now, next.token, this.failing, effects);
      }
    }
  }

  send(request: GroupRequest): number {
    const ticket = ++this.tickets;
    const out: GroupEffect[] = [];
    this.shard.request(this.now, ticket, request, out);
    this.settle(out);
    return ticket;
  }

  /** Sends a request that must be answered at once; returns the reply. */
  ask(request: GroupRequest): Reply {
    const reply = this.replies.get(this.send(request));
    expect(reply).toBeDefined();
    return reply as Reply;
  }

  pass(ms: number): void {
    const until = this.now + ms;
    while (this.shard.nextDeadline() <= until) {
      this.now = Math.max(this.now, this.shard.nextDeadline());
      const out: GroupEffect[] = [];
      this.shard.tick(this.now, out);
      this.settle(out);
    }
    this.now = until;
  }

  reload(): void {
    const consumer = { ...config.consumer, regexRefreshMs: this.regexRefreshMs };
    const loaded = new GroupShard({ ...config, maxSize: this.maxSize, consumer }, () => `id${++this.ids}`, noShares);
    if (this.version > 0) loaded.topicsChanged(this.directory(), new Set(), true);
    for (const record of this.log) loaded.replay(this.now, record);
    const out: GroupEffect[] = [];
    loaded.loaded(this.now, out);
    this.shard = loaded;
    this.settle(out);
  }
}
