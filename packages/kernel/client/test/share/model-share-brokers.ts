import { type Uuid, utf8, uuidFromBytes } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { buildBatch, endTxnBatch } from "@samsa/records";
import type { BrokerView, ClusterView, ShareEffect, TopicView } from "../../src/index.ts";
import type {
  ShareAcknowledgeAnswer,
  ShareAcknowledgeDraft,
  ShareFetchAnswer,
  ShareFetchDraft,
} from "../../src/share/share-effects.ts";
import { tools } from "../fetch/model-log.ts";

export const MEMBER = "member";
const TOPIC = "t";
const TOPIC_ID: Uuid = uuidFromBytes(new Uint8Array(16).fill(7));
const LOCK_MS = 1000;
const LIMIT = 50;

type ShareFetch = Extract<ShareEffect, { type: "shareFetch" }>;
type Topics = ShareFetchDraft["topics"];

interface Cell {
  state: "available" | "acquired" | "accepted" | "archived";
  until: number;
  count: number;
}

/** A share partition: a state for each offset, and nothing clever. */
export class ModelPartition {
  readonly cells: Cell[] = [];
  /** Delivery of each offset that the member means to acknowledge. */
  readonly meant = new Map<number, number>();
  /** Bytes of each batch, by its base offset, and whether its records are for applications. */
  readonly batches: { base: number; last: number; bytes: Uint8Array; isControl: boolean }[] = [];

  append(count: number, isControl: boolean): void {
    const base = this.cells.length;
    const size = isControl ? 1 : count;
    const news = Array.from({ length: size }, (_, i) => ({ timestamp: 1, key: null, value: utf8(String(base + i)) }));
    const bytes = isControl
      ? endTxnBatch({ producerId: 1n, producerEpoch: 0, commit: true, coordinatorEpoch: 0, timestamp: 1 }, tools)
      : buildBatch(news, {}, tools);
    new DataView(bytes.buffer, bytes.byteOffset).setBigInt64(0, BigInt(base));
    for (let i = 0; i < size; i++) this.cells.push({ state: "available", until: 0, count: 0 });
    this.batches.push({ base, last: base + size - 1, bytes, isControl });
  }

  expire(now: number): void {
    for (const cell of this.cells) if (cell.state === "acquired" && cell.until <= now) this.release(cell);
  }

  release(cell: Cell): void {
    cell.state = cell.count >= LIMIT ? "archived" : "available";
  }

  releaseAll(): void {
    for (const cell of this.cells) if (cell.state === "acquired") this.release(cell);
  }

  acquire(now: number, most: number, isExact: boolean) {
    const acquired: { firstOffset: number; lastOffset: number; deliveryCount: number }[] = [];
    let left = most;
    for (const { base, last } of this.batches) {
      if (left <= 0) break;
      for (let offset = base; offset <= last && (left > 0 || !isExact); offset++) {
        const cell = this.cells[offset];
        if (cell.state !== "available") continue;
        left--;
        Object.assign(cell, { state: "acquired", until: now + LOCK_MS, count: cell.count + 1 });
        const run = acquired.at(-1);
        if (run !== undefined && run.lastOffset + 1 === offset && run.deliveryCount === cell.count)
          run.lastOffset = offset;
        else acquired.push({ firstOffset: offset, lastOffset: offset, deliveryCount: cell.count });
      }
    }
    const [first, end] = [acquired[0]?.firstOffset ?? 0, acquired.at(-1)?.lastOffset ?? -1];
    const records = this.batches
      .filter(({ base, last }) => last >= first && base <= end)
      .map(({ bytes }) => bytes.slice());
    return { acquired, records };
  }

  /** Kafka's rule: all of them, or none. Throws if the request could never be right. */
  acknowledge(
    now: number,
    batches: Topics[number]["partitions"][number]["acknowledgementBatches"],
    renews: boolean,
  ): number {
    let end = -1;
    const cells: { cell: Cell; type: number; offset: number }[] = [];
    for (const { firstOffset, lastOffset, acknowledgeTypes } of batches) {
      const [first, last] = [Number(firstOffset), Number(lastOffset)];
      if (first <= end || last < first) throw new Error("batches overlap or are out of order");
      end = last;
      if (acknowledgeTypes.length !== 1 && acknowledgeTypes.length !== last - first + 1) throw new Error("types");
      for (let offset = first; offset <= last; offset++) {
        const type = acknowledgeTypes.length === 1 ? acknowledgeTypes[0] : acknowledgeTypes[offset - first];
        if ((type === 4) !== renews || type < 0 || type > 4) throw new Error(`type ${type}`);
        const cell = this.cells[offset];
        if (cell === undefined || cell.count === 0) throw new Error(`offset ${offset} was never acquired`);
        const isControl = this.batches.some(({ base, isControl: control }) => control && base === offset);
        if (!renews && (type === 0) !== isControl) throw new Error(`offset ${offset} has type ${type}`);
        cells.push({ cell, type, offset });
      }
    }
    if (cells.some(({ cell }) => cell.state !== "acquired")) return Errors.INVALID_RECORD_STATE.code;
    for (const { cell, type, offset } of cells) {
      const meant = this.meant.get(offset) ?? cell.count;
      if (type !== 0 && type !== 4 && meant !== cell.count) throw new Error(`delivery ${meant} of ${offset} is over`);
      if (type === 4) cell.until = now + LOCK_MS;
      else if (type === 2) this.release(cell);
      else cell.state = type === 3 ? "archived" : "accepted";
    }
    return 0;
  }
}

interface Session {
  epoch: number;
  readonly partitions: Set<number>;
}

/** Brokers that keep share sessions by the letter of KIP-932, and the metadata of their one topic. */
export class ModelBrokers implements ClusterView {
  readonly partitions: ModelPartition[];
  readonly leaders: number[];
  readonly sessions = new Map<number, Session>();
  readonly lockMs = LOCK_MS;
  version = 1;
  #epoch = 1;

  constructor(partitions: number, brokers: number) {
    this.partitions = Array.from({ length: partitions }, () => new ModelPartition());
    this.leaders = this.partitions.map((_, i) => i % brokers);
  }

  topic(name: string): TopicView | undefined {
    if (name !== TOPIC) return undefined;
    const partitions = this.leaders.map((leaderId, index) => {
      return { index, leaderId, leaderEpoch: this.#epoch, replicas: [], inSync: [], offline: [] };
    });
    return { name: TOPIC, id: TOPIC_ID, isInternal: false, partitions };
  }

  topicOf(id: Uuid): TopicView | undefined {
    return id === TOPIC_ID ? this.topic(TOPIC) : undefined;
  }

  broker(id: number): BrokerView {
    return { id, host: "h", port: 9092, rack: null };
  }

  /** Places of all partitions, for `assign`. */
  get places() {
    return this.partitions.map((_, partition) => ({ topic: TOPIC, partition }));
  }

  /** A new leader forgets all locks. */
  move(partition: number, to: number): void {
    if (this.leaders[partition] === to) return;
    this.leaders[partition] = to;
    this.partitions[partition].releaseAll();
    this.#epoch++;
    this.version++;
  }

  /** The connection of a session is lost. */
  disconnect(broker: number): void {
    const session = this.sessions.get(broker);
    this.sessions.delete(broker);
    for (const partition of session?.partitions ?? []) this.#releaseAt(broker, partition);
  }

  #releaseAt(broker: number, partition: number): void {
    if (this.leaders[partition] === broker) this.partitions[partition].releaseAll();
  }

  fetch(now: number, { brokerId, request }: ShareFetch): ShareFetchAnswer {
    const { shareSessionEpoch: epoch, topics, forgottenTopicsData } = request;
    const batches = topics.flatMap(({ partitions }) => partitions);
    const hasAcknowledgements = batches.some(one => one.acknowledgementBatches.length > 0);
    let session = this.sessions.get(brokerId);
    if (epoch === 0) {
      if (hasAcknowledgements) throw new Error("a first request acknowledges");
      session = { epoch: 1, partitions: new Set() };
      this.sessions.set(brokerId, session);
    } else if (session === undefined) return this.refuse(Errors.SHARE_SESSION_NOT_FOUND.code);
    else if (session.epoch !== epoch) return this.refuse(Errors.INVALID_SHARE_SESSION_EPOCH.code);
    else session.epoch++;
    for (const { partitionIndex } of batches) session.partitions.add(partitionIndex);
    for (const { partitions } of forgottenTopicsData) for (const index of partitions) session.partitions.delete(index);
    const shown = new Map<number, ShareFetchAnswer["responses"][number]["partitions"][number]>();
    const entry = (partitionIndex: number) => {
      const found = shown.get(partitionIndex) ?? {
        ...{ partitionIndex, errorCode: 0, errorMessage: null, acknowledgeErrorCode: 0, acknowledgeErrorMessage: null },
        ...{ currentLeader: { leaderId: -1, leaderEpoch: -1 }, records: [], acquiredRecords: [] },
      };
      shown.set(partitionIndex, found);
      return found;
    };
    for (const { partitionIndex, acknowledgementBatches } of batches) {
      if (acknowledgementBatches.length === 0) continue;
      const code = this.#acknowledge(now, brokerId, partitionIndex, acknowledgementBatches, false);
      Object.assign(entry(partitionIndex), { acknowledgeErrorCode: code });
    }
    let left = request.maxRecords;
    const isExact = request.shareAcquireMode === 1;
    for (const index of session.partitions) {
      if (this.leaders[index] !== brokerId) {
        Object.assign(entry(index), { errorCode: Errors.NOT_LEADER_OR_FOLLOWER.code });
        continue;
      }
      this.partitions[index].expire(now);
      const { acquired, records } = this.partitions[index].acquire(now, left, isExact);
      left -= acquired.reduce((sum, run) => sum + run.lastOffset - run.firstOffset + 1, 0);
      if (acquired.length > 0) Object.assign(entry(index), { records, acquiredRecords: acquired });
    }
    return { ...this.refuse(0), responses: [{ topicId: TOPIC_ID, partitions: [...shown.values()] }] };
  }

  acknowledge(now: number, brokerId: number, request: ShareAcknowledgeDraft): ShareAcknowledgeAnswer {
    const { shareSessionEpoch: epoch, topics, isRenewAck = false } = request;
    const session = this.sessions.get(brokerId);
    if (epoch === 0) throw new Error("an acknowledgement begins a session");
    if (session === undefined) return this.refuse(Errors.SHARE_SESSION_NOT_FOUND.code);
    if (epoch !== -1 && session.epoch !== epoch) return this.refuse(Errors.INVALID_SHARE_SESSION_EPOCH.code);
    session.epoch++;
    const partitions = topics.flatMap(topic =>
      topic.partitions.map(({ partitionIndex, acknowledgementBatches }) => ({
        ...{ partitionIndex, errorMessage: null, currentLeader: { leaderId: 0, leaderEpoch: 0 } },
        errorCode: this.#acknowledge(now, brokerId, partitionIndex, acknowledgementBatches, isRenewAck),
      })),
    );
    if (epoch === -1) this.disconnect(brokerId);
    return { ...this.refuse(0), responses: [{ topicId: TOPIC_ID, partitions }] };
  }

  #acknowledge(
    now: number,
    broker: number,
    index: number,
    batches: Topics[number]["partitions"][number]["acknowledgementBatches"],
    renews: boolean,
  ): number {
    if (batches.length === 0) throw new Error("nothing is acknowledged");
    if (this.leaders[index] !== broker) return Errors.NOT_LEADER_OR_FOLLOWER.code;
    this.partitions[index].expire(now);
    return this.partitions[index].acknowledge(now, batches, renews);
  }

  /** Answer without partitions. */
  refuse(errorCode: number) {
    return {
      ...{ throttleTimeMs: 0, errorCode, errorMessage: null, responses: [], nodeEndpoints: [] },
      acquisitionLockTimeoutMs: LOCK_MS,
    };
  }
}
