import { Errors } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KafkaError, type TransactionOffset } from "../../src/index.ts";
import { ERRORS_AFTER, ERRORS_BEFORE, TOPIC } from "./model-cluster.ts";
import { ModelCoordinator } from "./model-coordinator.ts";
import { type Sent, World } from "./producer-world.ts";

const GROUP = { groupId: "group", generationId: 1, memberId: "member", groupInstanceId: null };
/** Errors of the coordinator after which the producer goes on. */
const COORDINATOR_ERRORS = [
  Errors.COORDINATOR_NOT_AVAILABLE,
  Errors.COORDINATOR_LOAD_IN_PROGRESS,
  Errors.NOT_COORDINATOR,
  Errors.CONCURRENT_TRANSACTIONS,
  Errors.TRANSACTION_ABORTABLE,
  Errors.UNKNOWN_PRODUCER_ID,
].map(({ code }) => code);
const BEFORE = ERRORS_BEFORE.map(({ code }) => code).concat(
  Errors.TRANSACTION_ABORTABLE.code,
  Errors.INVALID_PRODUCER_EPOCH.code,
);
const AFTER = ERRORS_AFTER.map(({ code }) => code);

interface Transaction {
  readonly records: Sent[];
  readonly offset: number;
  offsetsToken: number | undefined;
  /** The application has asked for a commit. */
  wantsCommit: boolean;
  outcome: "open" | "committed" | "aborted" | "unknown";
}

/** An application that sends transactions; a number decides each step. */
class Application {
  readonly transactions: Transaction[] = [];
  readonly world: World;
  readonly coordinator: ModelCoordinator;
  #token = 0;
  #waitsFor: { token: number; name: "init" | "commit" | "abort" } | undefined;
  #isDead = false;

  constructor(isV2: boolean) {
    const quick = { requestTimeoutMs: 300, deliveryTimeoutMs: 1000, retryBackoffMs: 10, retryBackoffMaxMs: 40 };
    this.world = new World({ ...quick, transactionalId: "t", batchBytes: 200, bufferBytes: 8000 });
    this.coordinator = new ModelCoordinator(this.world.cluster, isV2);
    this.world.core.learn({ transactionVersion: isV2 ? 2 : 1, initProducerIdVersion: 4 });
    this.world.coordinate = () => this.coordinate(undefined, false);
    this.#call("init");
  }

  get isIdle(): boolean {
    return this.#isDead || (this.#waitsFor === undefined && this.#current === undefined);
  }

  get #current(): Transaction | undefined {
    const last = this.transactions.at(-1);
    return last?.outcome === "open" ? last : undefined;
  }

  #call(name: "init" | "commit" | "abort"): void {
    const token = this.#token++;
    const { core } = this.world;
    const refusal =
      name === "init"
        ? core.initTransactions(token)
        : name === "commit"
          ? core.commitTransaction(token)
          : core.abortTransaction(token);
    if (refusal === undefined) this.#waitsFor = { token, name };
    else this.#failed(name, refusal);
  }

  #failed(name: string, error: KafkaError): void {
    if (error.fatal) {
      this.#isDead = true;
      const current = this.#current;
      if (current !== undefined) current.outcome = "unknown";
    } else if (name === "init") this.#call("init");
    else {
      expect(error.abortable).toBe(true);
      expect(name).toBe("commit");
      this.#call("abort");
    }
  }

  /** Takes the outcome of what it waits for. */
  look(): void {
    const waits = this.#waitsFor;
    if (waits === undefined || !this.world.settled.has(waits.token)) return;
    this.#waitsFor = undefined;
    const error = this.world.settled.get(waits.token);
    if (error !== undefined) return this.#failed(waits.name, error);
    const current = this.#current;
    if (current !== undefined) current.outcome = waits.name === "commit" ? "committed" : "aborted";
  }

  /** Does the next thing: begins, sends, sends offsets, commits or aborts. */
  act(choice: number): void {
    this.look();
    if (this.#isDead || this.#waitsFor !== undefined) return;
    const { core } = this.world;
    const current = this.#current;
    if (current === undefined) {
      const refusal = core.beginTransaction();
      if (refusal === undefined) {
        const offset = this.transactions.length + 1;
        this.transactions.push({ records: [], offset, offsetsToken: undefined, wantsCommit: false, outcome: "open" });
      } else if (refusal.fatal) this.#isDead = true;
      else if (core.state === "UNINITIALIZED") this.#call("init");
      return;
    }
    if (choice % 10 < 6) {
      const sent = this.world.send(`t${this.transactions.length}-${current.records.length}`, choice % 3);
      if (sent instanceof KafkaError) this.#failed("commit", sent);
      else if (sent !== undefined) current.records.push(sent);
    } else if (choice % 10 === 6 && current.offsetsToken === undefined) {
      const offsets: TransactionOffset[] = [0, 1].map(partition => {
        return { topic: TOPIC, partition, offset: current.offset, leaderEpoch: -1, metadata: null };
      });
      const token = this.#token++;
      const refusal = core.sendOffsets(token, offsets, GROUP);
      if (refusal !== undefined) this.#failed("commit", refusal);
      else current.offsetsToken = token;
    } else if (choice % 10 === 7) this.#call("abort");
    else {
      current.wantsCommit = true;
      this.#call("commit");
    }
  }

  /** Lets the coordinator handle a request, with an error, or so that its answer is lost. */
  coordinate(errorCode: number | undefined, isLost: boolean): void {
    const call = this.world.calls.shift();
    if (call === undefined) return;
    const { core, now } = this.world;
    const answer = errorCode === undefined ? this.coordinator.handle(call) : ModelCoordinator.refusal(call, errorCode);
    if (isLost) core.transactionFailed(call.id, new KafkaError("DISCONNECTED", "The connection was lost."), now);
    else core.transactionAnswered(call.id, answer, now);
  }

  step(choice: number): void {
    const { world } = this;
    const kind = choice % 23;
    const rest = Math.floor(choice / 23);
    const broker = rest % 2;
    if (kind < 8) this.act(rest);
    else if (kind < 12) world.poll();
    else if (kind < 14) world.handle(broker);
    else if (kind === 14 && rest % 3 === 0) world.handle(broker, { before: BEFORE[rest % BEFORE.length] ?? 1 });
    else if (kind === 15 && rest % 2 === 0) world.handle(broker, { after: AFTER[rest % AFTER.length] ?? 1 });
    else if (kind < 18) world.answer(broker);
    else if (kind === 18 && rest % 3 === 0) world.disconnect(broker, rest % 5, rest % 7 === 0);
    else if (kind < 20) this.coordinate(undefined, false);
    else if (kind === 20)
      this.coordinate(
        rest % 3 === 0 ? COORDINATOR_ERRORS[rest % COORDINATOR_ERRORS.length] : undefined,
        rest % 2 === 0,
      );
    else if (kind === 21) world.now += [1, 10, 50, 400][rest % 4] ?? 0;
    else if (rest % 5 === 0) world.cluster.move(rest % 3, rest % 2);
    else world.refresh();
  }

  /** Lets everything go well, and ends the open transaction. */
  finish(): void {
    const { world } = this;
    world.finish(() => {
      this.look();
      if (!this.#isDead && this.#waitsFor === undefined && this.#current !== undefined) this.act(8);
      return this.isIdle;
    });
  }

  /** Transactions are visible as a whole or not at all, in order, and as their outcome says. */
  check(): void {
    const seen = this.world.cluster.partitions.map(({ log }) =>
      log.filter(record => record.isCommitted === true).map(({ value }) => value),
    );
    const visible = seen.flat();
    expect(new Set(visible).size).toBe(visible.length);
    for (const [partition, values] of seen.entries()) {
      const order = this.world.sent.filter(record => record.partition === partition).map(({ value }) => value);
      expect(values).toEqual(order.filter(value => values.includes(value)));
    }
    let offset: number | undefined;
    for (const { records, outcome, offsetsToken, ...transaction } of this.transactions) {
      const there = records.filter(({ value }) => visible.includes(value)).length;
      for (const record of records) expect(record.ends).toBe(1);
      if (outcome === "committed") {
        expect(there).toBe(records.length);
        expect(records.filter(({ error }) => error !== undefined)).toEqual([]);
        if (offsetsToken !== undefined) offset = transaction.offset;
      } else if (outcome === "aborted") expect(there).toBe(0);
      else {
        expect([0, records.length]).toContain(there);
        if (outcome === "unknown" && records.length === 0) return;
        if (there > 0 && offsetsToken !== undefined) offset = transaction.offset;
      }
    }
    const last = this.transactions.at(-1);
    if (last?.outcome === "unknown") return;
    expect(this.coordinator.offsets.get(0)).toBe(offset);
    expect(this.coordinator.offsets.get(1)).toBe(offset);
    expect(this.world.core.usedBytes).toBe(0);
  }
}

const runs = { numRuns: Number(process.env["PRODUCER_RUNS"] ?? 300) };

describe.each([false, true])("transactions, with version 2: %s", isV2 => {
  test("are atomic, whatever the brokers and the coordinator do", () => {
    const outcomes = new Map<string, number>();
    fc.assert(
      fc.property(fc.array(fc.nat(23 * 210 - 1), { minLength: 30, maxLength: 400, size: "max" }), choices => {
        const application = new Application(isV2);
        for (const choice of choices) application.step(choice);
        application.finish();
        application.check();
        for (const { outcome } of application.transactions) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      }),
      runs,
    );
    // The script reaches all ends.
    expect(outcomes.get("committed")).toBeGreaterThan(runs.numRuns / 4);
    expect(outcomes.get("aborted")).toBeGreaterThan(runs.numRuns / 4);
  });
});
