import { Errors } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type MarkerRequest,
  type ProducerReply,
  type ShardRecord,
  TransactionShard,
  type TxnEffect,
  type TxnRequest,
  type TxnState,
} from "../src/index.ts";
import { PREVIOUS_TXN_STATES } from "../src/txn/image.ts";
import { parseTxnRecord, txnRecord } from "../src/txn/records.ts";
import { namesOf, partitionsOf } from "./txn-bench.ts";

const AWAY = Errors.COORDINATOR_NOT_AVAILABLE.code;
const TIMED_OUT = Errors.REQUEST_TIMED_OUT.code;
const BUSY = Errors.CONCURRENT_TRANSACTIONS.code;
const MOVED = Errors.NOT_COORDINATOR.code;
const NO_LEADER = Errors.NOT_LEADER_OR_FOLLOWER.code;

type Append = Extract<TxnEffect, { type: "append" }>;
type Held = Append | Extract<TxnEffect, { type: "producerId" }> | Marker;
/** Marker for a partition. */
interface Marker {
  readonly type: "marker";
  readonly token: number;
  readonly marker: MarkerRequest;
  readonly topic: string;
  readonly index: number;
}

/** Knowledge of a transactional client about itself. */
interface Client {
  readonly id: string;
  producer: { readonly id: bigint; readonly epoch: number } | undefined;
}

interface Asked {
  readonly request: TxnRequest;
  readonly client: Client;
}

/**
 * Shard whose effects end in any order, or fail. The promises of transactions are checked at each step: what the log
 * says decides, once.
 */
class World {
  now = 5_000_000;
  readonly #version: number;
  readonly #clients: readonly Client[] = ["x", "y", "x"].map(id => ({ id, producer: undefined }));
  readonly #log: ShardRecord[] = [];
  /** Outcome of each epoch of a producer whose transaction is decided. */
  readonly #decided = new Map<string, boolean>();
  readonly #owners = new Map<bigint, string>();
  readonly #epochs = new Map<bigint, number>();
  /** Pairs that clients were given. */
  readonly #given = new Set<string>();
  readonly #asked = new Map<number, Asked>();
  readonly #states = new Map<string, TxnState>();
  #held: Held[] = [];
  #nextId = 100n;
  #tickets = 0;
  #shard: TransactionShard;
  timeouts = 0;
  commits = 0;

  constructor(version: number) {
    this.#version = version;
    this.#shard = this.#fresh();
    this.run(out => this.#shard.loaded(this.now, out));
  }

  #fresh(): TransactionShard {
    return new TransactionShard({
      ...{ maxTimeoutMs: 60_000, idExpirationMs: 500_000, requestTimeoutMs: 30_000 },
      version: () => this.#version,
    });
  }

  run(action: (out: TxnEffect[]) => void): void {
    const out: TxnEffect[] = [];
    action(out);
    for (const effect of out) {
      if (effect.type === "reply") this.#replied(effect.ticket, effect.response as ProducerReply);
      else if (effect.type === "markers") this.#mark(effect);
      else this.#held.push(effect);
    }
  }

  #mark({ token, marker, partitions }: Extract<TxnEffect, { type: "markers" }>): void {
    const key = `${marker.producerId}/${marker.producerEpoch}`;
    expect(this.#decided.get(key), "the log decides before a marker is written").toBe(marker.commit);
    for (const [topic, indexes] of partitions) {
      for (const index of indexes) this.#held.push({ type: "marker", token, marker, topic, index });
    }
  }

  ask(at: number, make: (client: Client) => TxnRequest): void {
    const client = this.#clients[at % this.#clients.length];
    const ticket = ++this.#tickets;
    const request = make(client);
    this.#asked.set(ticket, { request, client });
    this.run(out => this.#shard.request(this.now, ticket, request, out));
  }

  #replied(ticket: number, reply: ProducerReply): void {
    const asked = this.#asked.get(ticket);
    if (asked === undefined) throw new Error("a second reply");
    this.#asked.delete(ticket);
    const { request, client } = asked;
    const { producerId: id, producerEpoch: epoch, errorCode } = reply;
    if (errorCode !== 0) {
      expect([id, epoch], "an error gives no producer id").toEqual([-1n, -1]);
      return;
    }
    const { image } = this.#newest(client.id) ?? {};
    if (request.type === "init") {
      if (request.expected === undefined) {
        expect(this.#given.has(`${id}/${epoch}`), "nobody else has this epoch").toBe(false);
      }
      expect([image?.producerId, image?.epoch, image?.state], "it is in the log").toEqual([id, epoch, "Empty"]);
    } else if (request.type === "add") {
      for (const name of namesOf(request.partitions)) expect(namesOf(image?.partitions ?? new Map())).toContain(name);
      return;
    } else {
      // The log says so: of the epoch that ended, which a client of version 2 does not have any more.
      const ended = this.#version >= 2 ? request.producer.epoch + 1 : request.producer.epoch;
      expect(this.#decided.get(`${request.producer.id}/${ended}`)).toBe(request.commit);
      if (request.commit) this.commits++;
      if (this.#version < 2) return;
    }
    client.producer = { id, epoch };
    this.#given.add(`${id}/${epoch}`);
  }

  /** Image of the last record of a transactional id in the log. */
  #newest(id: string) {
    for (const record of this.#log.toReversed()) {
      const read = parseTxnRecord(record.key, record.value);
      if (read?.transactionalId === id) return { image: read.image ?? undefined };
    }
    return undefined;
  }

  #write(record: ShardRecord): void {
    const read = parseTxnRecord(record.key, record.value);
    if (read === undefined) throw new Error("no record of a transaction");
    const { transactionalId, image } = read;
    const before = this.#states.get(transactionalId);
    const next = image?.state ?? "Dead";
    if (before !== undefined) expect(PREVIOUS_TXN_STATES[next], `${before} to ${next}`).toContain(before);
    this.#log.push(record);
    if (image === null) this.#states.delete(transactionalId);
    else this.#states.set(transactionalId, image.state);
    if (image === null) return;
    const { producerId, epoch, state } = image;
    expect(this.#owners.get(producerId) ?? transactionalId, "a producer id is of one client").toBe(transactionalId);
    this.#owners.set(producerId, transactionalId);
    expect(epoch, "epochs grow").toBeGreaterThanOrEqual(this.#epochs.get(producerId) ?? 0);
    this.#epochs.set(producerId, epoch);
    if (state !== "PrepareCommit" && state !== "PrepareAbort") return;
    const key = `${producerId}/${epoch}`;
    expect(this.#version >= 2 && this.#decided.has(key), "an epoch has one transaction").toBe(false);
    this.#decided.set(key, state === "PrepareCommit");
  }

  /** Ends one of the effects that are on their way; `fault` is not 0 if it fails. */
  end(at: number, fault: number): void {
    const [effect] = this.#held.splice(at % Math.max(1, this.#held.length), 1);
    if (effect === undefined) return;
    if (effect.type === "append") {
      if (fault === 0) for (const record of effect.records) this.#write(record);
      this.run(out => this.#shard.appended(this.now, effect.token, fault, out));
    } else if (effect.type === "producerId") {
      const outcome = fault === 0 ? { id: this.#nextId++ } : { errorCode: fault };
      this.run(out => this.#shard.producerId(this.now, effect.token, outcome, out));
    } else {
      const { token, topic, index } = effect;
      const errorCode = fault === 0 ? 0 : NO_LEADER;
      this.run(out => this.#shard.marked(this.now, token, { topic, index, errorCode }, out));
    }
  }

  endAll(): void {
    while (this.#held.length > 0) this.end(0, 0);
  }

  pass(ms: number): void {
    const until = this.now + ms;
    while (this.#shard.nextDeadline() <= until) {
      this.now = Math.max(this.now, this.#shard.nextDeadline());
      this.run(out => this.#shard.tick(this.now, out));
    }
    this.now = until;
    this.run(out => this.#shard.abortTimedOut(this.now, out, () => this.timeouts++));
    this.run(out => this.#shard.expire(this.now, out));
  }

  /** Another broker takes over; what was on its way is lost, or has just reached the log. */
  move(isWritten: boolean): void {
    const appends = this.#held.filter(effect => effect.type === "append");
    if (isWritten) for (const record of appends[0]?.records ?? []) this.#write(record);
    this.run(out => this.#shard.unload(this.now, MOVED, out));
    expect(this.#asked.size, "whoever waits is told").toBe(0);
    this.#held = [];
    this.#shard = this.#fresh();
    for (const record of this.#log) this.#shard.replay(this.now, record);
    this.run(out => this.#shard.loaded(this.now, out));
  }

  /** Lets everything end well; then nothing may be open but transactions that no client has ended. */
  settle(): void {
    for (let rounds = 0; this.#held.length > 0 || this.#shard.nextDeadline() < Infinity; rounds++) {
      if (rounds > 2000) throw new Error("it never ends");
      this.endAll();
      this.pass(500);
    }
    expect(this.#asked.size, "each request has its reply").toBe(0);
    const views = [...this.#shard.views()];
    for (const { state } of views) expect(["Empty", "Ongoing", "CompleteCommit", "CompleteAbort"]).toContain(state);
    // Before version 2, a fence that could not be written has raised the epoch here only.
    const unlogged = this.#version < 2 ? { producerEpoch: undefined } : {};
    const said = (shard: TransactionShard): unknown =>
      [...shard.views()]
        // An id whose first record could not be written is not in the log.
        .filter(({ producerEpoch }) => producerEpoch >= 0)
        .map(view => ({ ...view, partitions: namesOf(view.partitions), ...unlogged }))
        .toSorted((a, b) => (a.transactionalId < b.transactionalId ? -1 : 1));
    const before = said(this.#shard);
    this.#shard = this.#fresh();
    for (const record of this.#log) this.#shard.replay(this.now, record);
    this.run(out => this.#shard.loaded(this.now, out));
    expect(said(this.#shard), "the log has it all").toEqual(before);
  }
}

const clients = fc.nat(2);
const partitions = fc.uniqueArray(fc.constantFrom("t-0", "t-1", "u-0"), { minLength: 1, maxLength: 3 });
const faults = fc.constantFrom(0, 0, 0, 0, AWAY, AWAY);

type Step =
  | { readonly do: "init"; readonly client: number; readonly goesOn: boolean }
  /** A whole transaction, whose end may be on its way yet. */
  | { readonly do: "round"; readonly client: number; readonly names: string[]; readonly commit: boolean }
  | { readonly do: "add"; readonly client: number; readonly names: string[]; readonly back: number }
  | { readonly do: "end"; readonly client: number; readonly commit: boolean; readonly back: number }
  | { readonly do: "done"; readonly at: number; readonly fault: number }
  /** Ends all that is on its way. */
  | { readonly do: "all" }
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "move"; readonly isWritten: boolean };

const back = fc.constantFrom(0, 0, 0, 1);
const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({ do: fc.constant("init" as const), client: clients, goesOn: fc.boolean() }),
    fc.record({ do: fc.constant("round" as const), client: clients, names: partitions, commit: fc.boolean() }),
    fc.record({ do: fc.constant("add" as const), client: clients, names: partitions, back }),
    fc.record({ do: fc.constant("end" as const), client: clients, commit: fc.boolean(), back }),
    fc.record({ do: fc.constant("done" as const), at: fc.nat(5), fault: faults }),
    fc.record({ do: fc.constant("done" as const), at: fc.nat(5), fault: fc.constant(0) }),
    fc.constant({ do: "all" as const }),
    fc.constant({ do: "all" as const }),
    fc.record({ do: fc.constant("pass" as const), ms: fc.constantFrom(0, 500, 1100, 600_000) }),
    fc.record({ do: fc.constant("move" as const), isWritten: fc.boolean() }),
  ),
  { maxLength: 60, size: "max" },
);

function play(world: World, step: Step, clientVersion: number): void {
  const claim = (client: Client, behind: number) => {
    const { id, epoch } = client.producer ?? { id: 1n, epoch: 0 };
    return { id, epoch: epoch - behind };
  };
  switch (step.do) {
    case "round": {
      const { client, names, commit } = step;
      play(world, { do: "init", client, goesOn: false }, clientVersion);
      world.endAll();
      play(world, { do: "add", client, names, back: 0 }, clientVersion);
      world.endAll();
      return play(world, { do: "end", client, commit, back: 0 }, clientVersion);
    }
    case "init":
      return world.ask(step.client, client => ({
        ...{ type: "init", transactionalId: client.id, timeoutMs: 1000 },
        expected: step.goesOn ? client.producer : undefined,
      }));
    case "add":
      return world.ask(step.client, client => ({
        ...{ type: "add", transactionalId: client.id, clientVersion },
        ...{ producer: claim(client, step.back), partitions: partitionsOf(...step.names) },
      }));
    case "end":
      return world.ask(step.client, client => ({
        ...{ type: "end", transactionalId: client.id, commit: step.commit, clientVersion },
        producer: claim(client, step.back),
      }));
    case "done":
      return world.end(step.at, step.fault);
    case "all":
      return world.endAll();
    case "pass":
      return world.pass(step.ms);
    case "move":
      return world.move(step.isWritten);
  }
}

describe("transactions whose steps end in any order, or fail", () => {
  test.each([0, 1, 2])("are decided once, by the log, with transaction.version %i", version => {
    let commits = 0;
    let timeouts = 0;
    fc.assert(
      fc.property(steps, all => {
        const world = new World(version);
        for (const step of all) play(world, step, version);
        world.settle();
        commits += world.commits;
        timeouts += world.timeouts;
      }),
      { numRuns: 150 },
    );
    expect(commits).toBeGreaterThan(0);
    expect(timeouts).toBeGreaterThan(0);
  });

  test("a client with the last epoch gets another id, whatever fails on the way", () => {
    const outcomes = fc.array(fc.constantFrom(0, 0, AWAY, TIMED_OUT), { maxLength: 12 });
    fc.assert(
      fc.property(outcomes, fc.boolean(), (all, commit) => {
        const out: TxnEffect[] = [];
        const shard = new TransactionShard({
          ...{ maxTimeoutMs: 60_000, idExpirationMs: 500_000, requestTimeoutMs: 30_000 },
          version: () => 2,
        });
        // An open transaction at the last epoch.
        const image = { producerId: 7n, epoch: 32_766 };
        const open = openAt(image);
        shard.replay(0, open);
        shard.loaded(0, out);
        const replies: ProducerReply[] = [];
        let ticket = 0;
        let id = 50n;
        const producer = { id: 7n, epoch: 32_766 };
        const ask = (): void =>
          shard.request(1, ++ticket, { type: "end", transactionalId: "x", producer, commit, clientVersion: 2 }, out);
        const faults = [...all];
        ask();
        for (let rounds = 0; rounds < 100; rounds++) {
          const next = out.shift();
          if (next === undefined) {
            if (replies.some(({ errorCode }) => errorCode === 0)) break;
            ask();
          } else if (next.type === "append") shard.appended(1, next.token, faults.shift() ?? 0, out);
          else if (next.type === "producerId") {
            const errorCode = faults.shift() ?? 0;
            shard.producerId(1, next.token, errorCode === 0 ? { id: id++ } : { errorCode }, out);
          } else if (next.type === "reply") replies.push(next.response as ProducerReply);
          else
            for (const [topic, indexes] of next.partitions)
              for (const index of indexes) shard.marked(1, next.token, { topic, index, errorCode: 0 }, out);
        }
        const done = replies.find(({ errorCode }) => errorCode === 0);
        expect(done?.producerEpoch).toBe(0);
        expect(done?.producerId).toBeGreaterThanOrEqual(50n);
        for (const { errorCode } of replies) expect([0, AWAY, BUSY, TIMED_OUT]).toContain(errorCode);
      }),
      { numRuns: 100 },
    );
  });
});

describe("markers", () => {
  const MARKED = { topic: "t", index: 0 };
  /** A shard with a prepared transaction, loaded from its log. */
  function prepared(): { readonly shard: TransactionShard; readonly out: TxnEffect[]; readonly token: number } {
    const shard = new TransactionShard({
      ...{ maxTimeoutMs: 60_000, idExpirationMs: 500_000, requestTimeoutMs: 30_000 },
      version: () => 2,
    });
    const { key, value } = openAt({ producerId: 7n, epoch: 3 });
    const { image } = parseTxnRecord(key, value) ?? {};
    if (image === null || image === undefined) throw new Error("no open transaction");
    shard.replay(0, txnRecord("x", { ...image, state: "PrepareCommit", epoch: 4 }, 2));
    const out: TxnEffect[] = [];
    shard.loaded(0, out);
    const [markers] = out.splice(0);
    if (markers?.type !== "markers") throw new Error("no markers");
    expect(markers.marker).toEqual({ producerId: 7n, producerEpoch: 4, commit: true, transactionVersion: 2 });
    return { shard, out, token: markers.token };
  }

  test.each([Errors.INVALID_PRODUCER_EPOCH.code, Errors.TRANSACTION_COORDINATOR_FENCED.code])(
    "that are refused with %i are another coordinator's, and are not written again",
    errorCode => {
      const { shard, out, token } = prepared();
      shard.marked(1, token, { ...MARKED, errorCode }, out);
      expect([out, shard.nextDeadline()]).toEqual([[], Infinity]);
      shard.marked(2, token, { ...MARKED, errorCode: 0 }, out);
      expect(out, "what comes later says nothing").toEqual([]);
      const producer = { id: 7n, epoch: 4 };
      shard.request(3, 1, { type: "end", transactionalId: "x", producer, commit: true, clientVersion: 2 }, out);
      expect(out).toMatchObject([{ type: "reply", response: { errorCode: BUSY } }]);
    },
  );

  test("that were to be written again are not, once another coordinator has them", () => {
    const { shard, out, token } = prepared();
    shard.marked(1, token, { ...MARKED, errorCode: NO_LEADER }, out);
    shard.marked(2, token, { ...MARKED, errorCode: Errors.INVALID_PRODUCER_EPOCH.code }, out);
    shard.tick(501, out);
    expect(out).toEqual([]);
  });

  test("that fail are written again after a while, each on its own", () => {
    const { shard, out, token } = prepared();
    shard.marked(1, token, { ...MARKED, errorCode: NO_LEADER }, out);
    expect([out, shard.nextDeadline()]).toEqual([[], 501]);
    shard.tick(500, out);
    expect(out).toEqual([]);
    shard.tick(501, out);
    expect(out).toMatchObject([{ type: "markers", token, marker: { commit: true } }]);
    out.length = 0;
    shard.marked(502, token, { ...MARKED, errorCode: 0 }, out);
    expect(out).toMatchObject([{ type: "append" }]);
  });
});

test("a transaction that times out at the last epoch is aborted once, however often that is tried", () => {
  const shard = new TransactionShard({
    ...{ maxTimeoutMs: 60_000, idExpirationMs: 500_000, requestTimeoutMs: 30_000 },
    version: () => 2,
  });
  shard.replay(0, openAt({ producerId: 7n, epoch: 32_766 }));
  const out: TxnEffect[] = [];
  shard.loaded(0, out);
  const outcomes: number[] = [];
  const abort = (): void => shard.abortTimedOut(70_000, out, (_, errorCode) => outcomes.push(errorCode));
  abort();
  abort();
  const asked = out.splice(0);
  expect(asked.map(({ type }) => type)).toEqual(["producerId", "producerId"]);
  for (const [at, effect] of asked.entries()) {
    if (effect.type === "producerId") shard.producerId(70_001, effect.token, { id: BigInt(90 + at) }, out);
  }
  expect([out.map(({ type }) => type), outcomes]).toEqual([["append"], [BUSY]]);
});

test("ids that expire are erased in batches, and come back if that fails", () => {
  const shard = new TransactionShard({
    ...{ maxTimeoutMs: 60_000, idExpirationMs: 1000, requestTimeoutMs: 30_000 },
    version: () => 2,
  });
  const { key, value } = openAt({ producerId: 7n, epoch: 3 });
  const { image } = parseTxnRecord(key, value) ?? {};
  if (image === null || image === undefined) throw new Error("no open transaction");
  const long = "x".repeat(32_000);
  for (const id of "abcdefghij") {
    shard.replay(0, txnRecord(id + long, { ...image, state: "CompleteCommit", partitions: new Map() }, 2));
  }
  const out: TxnEffect[] = [];
  shard.loaded(0, out);
  shard.expire(999, out);
  expect(out, "not yet").toEqual([]);
  shard.expire(1000, out);
  const appends = out.splice(0).filter(effect => effect.type === "append");
  expect(appends.map(({ records, timeoutMs }) => [records.length, timeoutMs])).toEqual([
    [9, 30_000],
    [1, 30_000],
  ]);
  for (const { records } of appends) for (const record of records) expect(record.value).toBeNull();
  shard.expire(1001, out);
  expect(out, "they are on their way").toEqual([]);
  shard.appended(1002, appends[0].token, AWAY, out);
  shard.appended(1002, appends[1].token, 0, out);
  expect([...shard.views()].map(({ transactionalId }) => transactionalId[0])).toEqual("abcdefghi".split(""));
  shard.expire(1003, out);
  expect(out).toMatchObject([{ type: "append", records: { length: 9 } }]);
});

/** Record of an open transaction of "x". */
function openAt({ producerId, epoch }: { readonly producerId: bigint; readonly epoch: number }): ShardRecord {
  const records: ShardRecord[] = [];
  const shard = new TransactionShard({
    ...{ maxTimeoutMs: 60_000, idExpirationMs: 1, requestTimeoutMs: 1 },
    version: () => 2,
  });
  const out: TxnEffect[] = [];
  shard.loaded(0, out);
  const settle = (): void => {
    for (let next = out.shift(); next !== undefined; next = out.shift()) {
      if (next.type === "producerId") shard.producerId(0, next.token, { id: producerId }, out);
      else if (next.type === "append") {
        records.push(...next.records);
        shard.appended(0, next.token, 0, out);
      }
    }
  };
  const producer = { id: producerId, epoch: 0 };
  shard.request(0, 1, { type: "init", transactionalId: "x", timeoutMs: 60_000, expected: undefined }, out);
  settle();
  const added = partitionsOf("t-0");
  shard.request(0, 2, { type: "add", transactionalId: "x", producer, partitions: added, clientVersion: 2 }, out);
  settle();
  const { key, value } = records.at(-1) as ShardRecord;
  const { image } = parseTxnRecord(key, value) ?? {};
  if (image === null || image === undefined) throw new Error("no open transaction");
  return txnRecord("x", { ...image, epoch }, 2);
}
