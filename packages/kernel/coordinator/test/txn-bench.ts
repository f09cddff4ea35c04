import { expect } from "vitest";
import { append } from "./append.ts";
import {
  type MarkerRequest,
  type ProducerReply,
  TransactionShard,
  type TxnConfig,
  type TxnEffect,
  type TxnPartitions,
  type TxnRequest,
} from "../src/index.ts";

export const DAY = 86_400_000;

export function partitionsOf(...names: string[]): TxnPartitions {
  const all = new Map<string, Set<number>>();
  for (const name of names) {
    const [topic, index] = name.split("-");
    all.set(topic, (all.get(topic) ?? new Set()).add(Number(index)));
  }
  return all;
}

export function namesOf(partitions: TxnPartitions): string[] {
  return [...partitions].flatMap(([topic, indexes]) => [...indexes].map(index => `${topic}-${index}`)).sort();
}

type Held = Exclude<TxnEffect, { type: "reply" }>;

/** Shard with a log and partitions: effects are carried out at once, unless `holding` or `failing` is set. */
export class TxnBench {
  now = 5_000_000;
  version: number;
  nextId = 1000n;
  tickets = 0;
  failing = 0;
  /** Kinds of effects that are put into `held`. */
  readonly holding = new Set<Held["type"]>();
  held: Held[] = [];
  readonly log: { key: Uint8Array; value: Uint8Array | null }[] = [];
  readonly markers: (MarkerRequest & { readonly partitions: string[] })[] = [];
  readonly replies = new Map<number, ProducerReply>();
  readonly config: TxnConfig;
  shard: TransactionShard;

  constructor(version = 2) {
    this.version = version;
    this.config = { maxTimeoutMs: 60_000, idExpirationMs: DAY, requestTimeoutMs: 30_000, version: () => this.version };
    this.shard = new TransactionShard(this.config);
    this.shard.loaded(this.now, []);
  }

  settle(effects: TxnEffect[]): void {
    for (let next = effects.shift(); next !== undefined; next = effects.shift()) {
      if (next.type === "reply") {
        expect(this.replies.has(next.ticket), "one reply a ticket").toBe(false);
        this.replies.set(next.ticket, next.response as ProducerReply);
      } else if (this.holding.has(next.type)) this.held.push(next);
      else this.perform(next, effects);
    }
  }

  private perform(effect: Held, out: TxnEffect[]): void {
    if (effect.type === "append") {
      append(this.shard, this.now, { records: effect.records, log: this.log, isWritten: this.failing === 0 });
      this.shard.appended(this.now, effect.token, this.failing, out);
    } else if (effect.type === "producerId") {
      this.shard.producerId(this.now, effect.token, { id: this.nextId++ }, out);
    } else {
      this.markers.push({ ...effect.marker, partitions: namesOf(effect.partitions) });
      for (const [topic, indexes] of effect.partitions) {
        for (const index of indexes) {
          this.shard.marked(this.now, effect.token, { topic, index, errorCode: 0 }, out);
        }
      }
    }
  }

  /** Carries out the held effects, oldest first. */
  release(): void {
    this.holding.clear();
    const out: TxnEffect[] = [];
    for (const effect of this.held.splice(0)) this.perform(effect, out);
    this.settle(out);
  }

  run(action: (out: TxnEffect[]) => void): void {
    const out: TxnEffect[] = [];
    action(out);
    this.settle(out);
  }

  send(request: TxnRequest): number {
    const ticket = ++this.tickets;
    this.run(out => this.shard.request(this.now, ticket, request, out));
    return ticket;
  }

  /** Sends a request that must be answered at once; returns the reply. */
  ask(request: TxnRequest): ProducerReply {
    const reply = this.replies.get(this.send(request));
    expect(reply).toBeDefined();
    return reply as ProducerReply;
  }

  init(id = "x", expected?: { id: bigint; epoch: number }, timeoutMs: number | "ENDLESS" = 1000): ProducerReply {
    return this.ask({ type: "init", transactionalId: id, timeoutMs, expected });
  }

  add(producer: ProducerReply, names: string[], { id = "x", clientVersion = 2 } = {}): number {
    const { producerId, producerEpoch: epoch } = producer;
    const request = { transactionalId: id, producer: { id: producerId, epoch }, partitions: partitionsOf(...names) };
    return this.ask({ type: "add", clientVersion, ...request }).errorCode;
  }

  end(producer: ProducerReply, commit: boolean, { id = "x", clientVersion = 2 } = {}): ProducerReply {
    const { producerId, producerEpoch: epoch } = producer;
    return this.ask({ type: "end", transactionalId: id, producer: { id: producerId, epoch }, commit, clientVersion });
  }

  abortTimedOut(): void {
    this.run(out => this.shard.abortTimedOut(this.now, out, () => {}));
  }

  pass(ms: number): void {
    const until = this.now + ms;
    while (this.shard.nextDeadline() <= until) {
      this.now = Math.max(this.now, this.shard.nextDeadline());
      this.run(out => this.shard.tick(this.now, out));
    }
    this.now = until;
  }

  /** Loads the log into a new shard, as after a move or a restart of the coordinator. */
  reload(): void {
    const loaded = new TransactionShard(this.config);
    loaded.wallAhead = this.shard.wallAhead;
    for (const record of this.log) loaded.replay(this.now, record);
    this.shard = loaded;
    this.held = [];
    this.run(out => loaded.loaded(this.now, out));
  }

  stateOf(id = "x"): string | undefined {
    return this.shard.view(id)?.state;
  }
}
