/** Dumb model of brokers: partitions as lists of records, the sequences of producers, and connections that fail. */
import { type BrokerId, type LeaderEpoch, parseUuid, type PartitionIndex, type Uuid } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { BatchCursor, readRecords, type Tools } from "@samsa/records";
import type { ClusterView, ProduceCall, TopicView } from "../../src/index.ts";

export const TOPIC = "orders";
export const TOPIC_ID: Uuid = parseUuid("AAAAAAAAAAAAAAAAAAAAAQ") as Uuid;

/** Record of a model's log. */
export interface ModelRecord {
  readonly value: string;
  readonly offset: number;
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly isTransactional: boolean;
  /** Codec of its batch, and place there. */
  readonly codec: number;
  readonly place: number;
  /** Set by the marker of its transaction. */
  isCommitted?: boolean;
}

interface Entry {
  epoch: number;
  /** The last five batches: first and last sequence, offset. */
  batches: { first: number; last: number; offset: number }[];
}

/** Errors that a broker gives before it appends, for no reason that the producer could see. */
export const ERRORS_BEFORE = [
  Errors.NOT_ENOUGH_REPLICAS,
  Errors.KAFKA_STORAGE_ERROR,
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.NOT_LEADER_OR_FOLLOWER,
  Errors.CORRUPT_MESSAGE,
  Errors.TOPIC_AUTHORIZATION_FAILED,
  Errors.UNKNOWN_SERVER_ERROR,
] as const;
/** Errors that a broker gives although it has appended. */
export const ERRORS_AFTER = [
  Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  Errors.REQUEST_TIMED_OUT,
  Errors.NOT_LEADER_OR_FOLLOWER,
] as const;

/** Mishap that happens to the next request that a broker handles. */
export type Mishap = { readonly before?: number; readonly after?: number } | undefined;

export interface PartitionAnswer {
  readonly index: PartitionIndex;
  readonly errorCode: number;
  readonly baseOffset: number;
}

export class ModelPartition {
  leaderId: BrokerId = 0;
  leaderEpoch: LeaderEpoch = 0;
  readonly log: ModelRecord[] = [];
  readonly producers = new Map<bigint, Entry>();

  /** Writes the marker of a transaction. */
  mark(producerId: bigint, isCommitted: boolean, epoch: number): void {
    for (const record of this.log) {
      if (record.producerId === producerId && record.isTransactional) record.isCommitted ??= isCommitted;
    }
    const entry = this.producers.get(producerId);
    // A marker with a later epoch fences the batches before it (KIP-890).
    if (entry === undefined) this.producers.set(producerId, { epoch, batches: [] });
    else if (epoch > entry.epoch) Object.assign(entry, { epoch, batches: [] });
  }

  /** Appends a batch; returns the error code and the base offset. */
  append(bytes: Uint8Array, limit: number, tools: Tools): { errorCode: number; baseOffset: number } {
    const refused = ({ code }: { code: number }) => ({ errorCode: code, baseOffset: -1 });
    const batch = new BatchCursor(bytes);
    if (!batch.next() || !batch.intact(tools.crc32c) || batch.size !== bytes.length)
      return refused(Errors.CORRUPT_MESSAGE);
    if (bytes.length > limit) return refused(Errors.MESSAGE_TOO_LARGE);
    const records = readRecords(bytes, tools).map(({ value }) => new TextDecoder().decode(value ?? new Uint8Array(0)));
    if (records.some(value => value.startsWith("bad"))) return refused(Errors.INVALID_RECORD);
    const { producerId, producerEpoch: epoch, baseSequence: first, lastSequence: last } = batch;
    if (producerId >= 0n) {
      const entry = this.producers.get(producerId);
      if (entry !== undefined) {
        if (epoch < entry.epoch) return refused(Errors.INVALID_PRODUCER_EPOCH);
        const known = entry.batches.find(
          other => epoch === entry.epoch && other.first === first && other.last === last,
        );
        // A broker may remember the sequences of a batch without its offset.
        if (known !== undefined && known !== entry.batches.at(-1)) return refused(Errors.DUPLICATE_SEQUENCE_NUMBER);
        if (known !== undefined) return { errorCode: 0, baseOffset: known.offset };
        const expected = epoch > entry.epoch ? 0 : ((entry.batches.at(-1)?.last ?? -1) + 1) % 2 ** 31;
        if (first !== expected) return refused(Errors.OUT_OF_ORDER_SEQUENCE_NUMBER);
      }
      const batches = entry === undefined || epoch > entry.epoch ? [] : entry.batches.slice(-4);
      this.producers.set(producerId, { epoch, batches: [...batches, { first, last, offset: this.log.length }] });
    }
    const baseOffset = this.log.length;
    const { codec, isTransactional } = batch;
    for (const [place, value] of records.entries()) {
      const offset = this.log.length;
      this.log.push({ value, offset, producerId, producerEpoch: epoch, isTransactional, codec, place });
    }
    return { errorCode: 0, baseOffset };
  }
}

interface Handled {
  readonly call: ProduceCall;
  readonly answers: readonly PartitionAnswer[];
}

/** A request, and its bytes at the time when it was sent: as long as a socket has it they do not change. */
interface Request {
  readonly call: ProduceCall;
  readonly bytes: readonly Uint8Array[];
}

function bytesOf(call: ProduceCall): Uint8Array[] {
  return call.request.topicData.flatMap(topic => topic.partitionData.flatMap(({ records }) => [...(records ?? [])]));
}

function checkMemory({ call, bytes }: Request): void {
  bytesOf(call).forEach((now, i) => {
    const then = bytes[i] ?? new Uint8Array(0);
    if (now.length !== then.length || now.some((byte, at) => byte !== then[at])) {
      throw new Error("the memory of a request that a socket has was used for something else");
    }
  });
}

/** Requests of the producer to one broker. */
export class ModelConnection {
  /** Requests that the broker has not handled. */
  readonly sent: Request[] = [];
  /** Answers that the producer has not got. */
  readonly handled: Handled[] = [];
  /** Requests of a lost connection that the broker may still handle, before those of the next one. */
  ghosts: Request[] = [];
  /** Requests of lost connections, whose memory the socket has until the next connection is made. */
  lost: Request[] = [];
}

export class ModelCluster {
  readonly partitions: ModelPartition[];
  readonly connections: ModelConnection[];
  readonly #tools: Tools;
  readonly #limit: number;
  /** Error of a batch that its transaction does not allow. */
  admit: (call: ProduceCall, index: PartitionIndex) => number = () => 0;
  /** Requests in flight at once, at most. */
  mostInFlight = 0;

  constructor(sizes: { brokers: number; partitions: number; limit: number }, tools: Tools) {
    this.#tools = tools;
    this.#limit = sizes.limit;
    this.partitions = Array.from({ length: sizes.partitions }, (_, i) => {
      const partition = new ModelPartition();
      partition.leaderId = i % sizes.brokers;
      return partition;
    });
    this.connections = Array.from({ length: sizes.brokers }, () => new ModelConnection());
  }

  connection(id: BrokerId): ModelConnection {
    const connection = this.connections[id];
    if (connection === undefined) throw new Error(`no broker ${id}`);
    return connection;
  }

  send(call: ProduceCall): void {
    const { sent, handled } = this.connection(call.brokerId);
    sent.push({ call, bytes: bytesOf(call).map(bytes => bytes.slice()) });
    this.mostInFlight = Math.max(this.mostInFlight, sent.length + handled.length);
  }

  /** Lets a broker handle its oldest request; first those of a lost connection. */
  handle(id: BrokerId, mishap: Mishap): void {
    const connection = this.connection(id);
    const request = connection.sent.shift();
    if (request === undefined) return;
    for (const lost of connection.lost) checkMemory(lost);
    for (const { call } of connection.ghosts) this.#apply(call, undefined);
    connection.ghosts = [];
    connection.lost = [];
    checkMemory(request);
    connection.handled.push({ call: request.call, answers: this.#apply(request.call, mishap) });
  }

  #apply(call: ProduceCall, mishap: Mishap): PartitionAnswer[] {
    const answers: PartitionAnswer[] = [];
    for (const { partitionData } of call.request.topicData) {
      for (const { index, records } of partitionData) {
        const partition = this.partitions[index];
        const refused = (code: number) => answers.push({ index, errorCode: code, baseOffset: -1 });
        if (partition === undefined) refused(Errors.UNKNOWN_TOPIC_OR_PARTITION.code);
        else if (partition.leaderId !== call.brokerId) refused(Errors.NOT_LEADER_OR_FOLLOWER.code);
        else if (mishap?.before !== undefined) refused(mishap.before);
        else if (this.admit(call, index) !== 0) refused(this.admit(call, index));
        else {
          const result = partition.append(records?.[0] ?? new Uint8Array(0), this.#limit, this.#tools);
          const code = result.errorCode === 0 ? (mishap?.after ?? 0) : result.errorCode;
          answers.push({ index, errorCode: code, baseOffset: code === 0 ? result.baseOffset : -1 });
        }
      }
    }
    return answers;
  }

  /** Loses the connection to a broker. Of the requests not handled the first `arrived` may still be. */
  disconnect(id: BrokerId, arrived: number): readonly ProduceCall[] {
    const connection = this.connection(id);
    const { handled, sent } = connection;
    const requests = sent.splice(0);
    const lost = [...handled.splice(0).map(({ call }) => call), ...requests.map(({ call }) => call)];
    connection.lost.push(...requests);
    connection.ghosts.push(...requests.slice(0, arrived));
    return lost;
  }

  /** Moves a partition to another broker. */
  move(index: number, to: BrokerId): void {
    const partition = this.partitions[index % this.partitions.length];
    if (partition === undefined || partition.leaderId === to) return;
    partition.leaderId = to;
    partition.leaderEpoch++;
  }
}

/** View of the cluster that the producer has, as old as its last `refresh`. */
export class ModelView implements ClusterView {
  version = 0;
  #topic: TopicView | undefined;

  refresh(cluster: ModelCluster): void {
    this.version++;
    const partitions = cluster.partitions.map(({ leaderId, leaderEpoch }, index) => {
      return { index, leaderId, leaderEpoch, replicas: [leaderId], inSync: [leaderId], offline: [] };
    });
    this.#topic = { name: TOPIC, id: TOPIC_ID, isInternal: false, partitions };
  }

  topic(name: string): TopicView | undefined {
    return name === TOPIC ? this.#topic : undefined;
  }

  topicOf(id: Uuid): TopicView | undefined {
    return id === TOPIC_ID ? this.#topic : undefined;
  }

  broker(id: BrokerId) {
    return { id, host: "localhost", port: 9092 + id, rack: null };
  }
}
