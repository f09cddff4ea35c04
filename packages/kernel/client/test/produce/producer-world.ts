/** A producer with the model of a cluster around it, which a test drives step by step. */
import { nodeCodecs, nodeCrc32c } from "@samsa/node";
import type { ProduceResponse } from "./responses.ts";
import { expect } from "vitest";
import {
  APPEND,
  type Delivery,
  KafkaError,
  ProducerCore,
  type ProducerEffect,
  type ProducerOptions,
  producerSettings,
  type TransactionAnswer,
  type TransactionCall,
} from "../../src/index.ts";
import { type Mishap, ModelCluster, ModelView, TOPIC, TOPIC_ID } from "./model-cluster.ts";

export const tools = { crc32c: nodeCrc32c(), codecs: nodeCodecs() };

/** A record that was sent, and what became of it. */
export interface Sent {
  readonly value: string;
  readonly partition: number;
  /** Ends that it got; there must be one. */
  ends: number;
  offset: number | undefined;
  error: KafkaError | undefined;
}

type Answer = ProduceResponse["responses"][number]["partitionResponses"][number];
/** Answer for a partition; the rest has defaults. */
export type PartialAnswer = Pick<Answer, "index" | "errorCode" | "baseOffset"> & Partial<Answer>;

export class World {
  now = 0;
  readonly cluster: ModelCluster;
  readonly view = new ModelView();
  readonly core: ProducerCore<Sent[]>;
  readonly sent: Sent[] = [];
  readonly settled = new Map<number, KafkaError | undefined>();
  readonly calls: TransactionCall[] = [];
  isStale = false;
  rooms = 0;
  refreshes = 0;
  leaderHints = 0;

  constructor(options: ProducerOptions, sizes = { brokers: 2, partitions: 3, limit: 1 << 20 }) {
    this.cluster = new ModelCluster(sizes, tools);
    this.view.refresh(this.cluster);
    this.core = new ProducerCore({ settings: producerSettings(options), cluster: this.view, tools, seed: 1 });
  }

  /** Sends a record; undefined if there is no room. */
  send(value: string, partition?: number, key: string | null = null): Sent | KafkaError | undefined {
    const call: Sent[] = [];
    const result = this.core.append({ topic: TOPIC, partition, key, value, timestamp: 1 }, this.now, call, 0);
    if (typeof result !== "number") return result;
    if (result === APPEND.NO_ROOM) return undefined;
    expect(result).toBeGreaterThanOrEqual(0);
    const record: Sent = { value, partition: result, ends: 0, offset: undefined, error: undefined };
    call.push(record);
    this.sent.push(record);
    return record;
  }

  /** Carries out the effects of the producer. */
  poll(): void {
    for (const effect of this.core.poll(this.now)) this.#do(effect);
  }

  #do(effect: ProducerEffect<Sent[]>): void {
    switch (effect.type) {
      case "produce":
        return this.cluster.send(effect);
      case "transaction":
        this.calls.push(effect);
        return;
      case "delivered":
        return this.#delivered(effect);
      case "refreshMetadata":
        this.isStale = true;
        this.refreshes++;
        return;
      case "leaders":
        this.leaderHints++;
        return;
      case "room":
        this.rooms++;
        return;
      case "settled":
        expect(this.settled.has(effect.token)).toBe(false);
        this.settled.set(effect.token, effect.error);
        return;
      case "findCoordinator":
        return;
    }
  }

  #delivered({ runs, baseOffset, failure, partition, count }: Delivery<Sent[]>): void {
    for (const { ticket, first, index, count: length } of runs) {
      expect(first + length).toBeLessThanOrEqual(count);
      for (let i = 0; i < length; i++) {
        const record = ticket[index + i];
        if (record === undefined) throw new Error("a run names a record that was not sent");
        expect(record.partition).toBe(partition);
        record.ends++;
        if (failure === undefined) record.offset = baseOffset < 0 ? -1 : baseOffset + first + i;
        else record.error = failure.records.get(first + i) ?? failure.error;
      }
    }
  }

  /** Lets a broker handle a request. */
  handle(broker: number, mishap?: Mishap): void {
    this.cluster.handle(broker, mishap);
  }

  /** Gives the producer the oldest answer of a broker. */
  answer(broker: number): void {
    const handled = this.cluster.connection(broker).handled.shift();
    if (handled === undefined) return;
    const { call, answers } = handled;
    this.core.answered(call.id, this.response(answers), this.now);
  }

  /** A response with `answers`, which may have more than the model of a broker gives. */
  response(answers: readonly PartialAnswer[], throttleTimeMs = 0): ProduceResponse {
    const none = { leaderId: -1, leaderEpoch: -1, tags: undefined };
    return {
      responses: [
        {
          name: "",
          topicId: TOPIC_ID,
          partitionResponses: answers.map(answer => ({
            logAppendTimeMs: -1,
            logStartOffset: 0,
            recordErrors: [],
            errorMessage: null,
            currentLeader: none,
            ...answer,
          })),
        },
      ],
      throttleTimeMs,
      nodeEndpoints: [],
    };
  }

  /** Loses a connection, or lets its requests time out. */
  disconnect(broker: number, arrived: number, hasTimedOut: boolean): void {
    for (const { id } of this.cluster.disconnect(broker, arrived)) {
      const name = hasTimedOut ? "TIMED_OUT" : "DISCONNECTED";
      this.core.failed(id, new KafkaError(name, "The connection was lost."), this.now);
    }
  }

  /** Answers the oldest request of transactions, if the test has a coordinator. */
  coordinate: (() => void) | undefined;

  /** Answers the oldest request of idempotence. */
  initProducerId(errorCode = 0, producerId = 7n, producerEpoch = 0): void {
    const call = this.calls.shift();
    if (call === undefined) return;
    expect(call.api).toBe("InitProducerId");
    const response = { throttleTimeMs: 0, errorCode, producerId, producerEpoch } as const;
    const rest = { ongoingTxnProducerId: -1n, ongoingTxnProducerEpoch: -1 };
    const answer: TransactionAnswer = { api: "InitProducerId", response: { ...response, ...rest } };
    this.core.transactionAnswered(call.id, answer, this.now);
  }

  #shown(): string {
    const { state, incompleteBatches } = this.core;
    return `${state}, ${incompleteBatches} batches, at ${this.now} until ${this.core.nextDeadline()}, ${this.calls.length} calls`;
  }

  refresh(): void {
    this.isStale = false;
    this.view.refresh(this.cluster);
  }

  /** Lets everything go well, until the producer has nothing to do, and `isOver`. */
  finish(isOver: () => boolean = () => true): void {
    let isDone = false;
    let idleRounds = 0;
    for (let round = 0; round < 3000; round++) {
      const isEnough = isOver();
      this.poll();
      isDone = this.core.incompleteBatches === 0 && isEnough;
      if (isDone) break;
      if (this.isStale) this.refresh();
      let isBusy = this.calls.length > 0;
      if (this.coordinate === undefined) this.initProducerId(0, BigInt(100 + round));
      else this.coordinate();
      this.cluster.connections.forEach((connection, broker) => {
        isBusy ||= connection.sent.length + connection.handled.length > 0;
        this.handle(broker);
        this.answer(broker);
      });
      idleRounds = isBusy ? 0 : idleRounds + 1;
      // The test has its turn as well.
      if (idleRounds < 3) continue;
      // The producer must wake up by itself.
      const next = this.core.nextDeadline();
      if (next === Infinity && !this.isStale) throw new Error(`the producer waits for nothing: ${this.#shown()}`);
      if (next > this.now) idleRounds = 0;
      if (next > this.now) this.now = this.isStale ? Math.min(this.now + 10, next) : next;
    }
    if (!isDone) throw new Error(`the producer does not finish: ${this.#shown()}`);
    // Requests whose batches were given up meanwhile.
    for (let round = 0; round < 20; round++) {
      this.cluster.connections.forEach((_, broker) => {
        this.handle(broker);
        this.answer(broker);
      });
    }
    this.poll();
  }
}
