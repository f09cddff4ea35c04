import { concat } from "@samsa/base";
import { nodeCodecs, nodeCrc32c, nodeEnv } from "@samsa/node";
import { BatchCursor, type BatchOptions, buildBatch, CONTROL_TYPE, controlTypeOf, RecordCursor } from "@samsa/records";
import { RawConnection, type Security } from "@samsa/wire";
import type { Logged } from "../check/history.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const env = nodeEnv({ logger: silent });
const tools = { crc32c: nodeCrc32c(), codecs: nodeCodecs() };
const READ_BYTES = 8 << 20;

/** Connects to `host:port` under a client id, by which a proxy knows the connection. */
export function connectAs(
  clientId: string,
  server: string,
  timeoutMs = 30_000,
  security?: Security,
): Promise<RawConnection> {
  const [host = "", port] = server.split(":");
  return RawConnection.open(env, { host, port: Number(port) }, { clientId, timeoutMs, security });
}

/** Batch of records without keys. */
export function batchOf(values: readonly string[], options: BatchOptions = {}): Uint8Array {
  const encoder = new TextEncoder();
  const records = values.map(value => ({ timestamp: Date.now(), key: null, value: encoder.encode(value) }));
  return buildBatch(records, options, tools);
}

/** Transaction that a fetch response tells to be aborted. */
interface Aborted {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

/** Records of whole batches from `offset` on; `aborted` leaves out those of aborted transactions. */
function recordsOf(bytes: Uint8Array, offset: number, aborted: readonly Aborted[]): Omit<Logged, "partition">[] {
  const decoder = new TextDecoder();
  const found: Omit<Logged, "partition">[] = [];
  const batch = new BatchCursor(bytes);
  const record = new RecordCursor();
  const waiting = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  const open = new Set<bigint>();
  while (batch.next()) {
    while (waiting[0] !== undefined && waiting[0].firstOffset <= batch.lastOffset) {
      open.add(waiting[0].producerId);
      waiting.shift();
    }
    record.open(batch, tools.codecs);
    while (record.next()) {
      if (batch.isControl) {
        if (controlTypeOf(record.key() ?? new Uint8Array(2)) === CONTROL_TYPE.abort) open.delete(batch.producerId);
      } else if (record.offset >= offset && !(batch.isTransactional && open.has(batch.producerId))) {
        found.push({ offset: record.offset, value: decoder.decode(record.value() ?? new Uint8Array(0)) });
      }
    }
  }
  return found;
}

/** Options of `readPartition`. */
export interface ReadOptions {
  readonly topic: string;
  readonly partition: number;
  /** Leaves out aborted records, and stops at the last stable offset. */
  readonly committed?: boolean;
  readonly security?: Security | undefined;
}

/** Reads a partition from its leader at `server`, from its beginning to its end. */
export async function readPartition(server: string, options: ReadOptions): Promise<Logged[]> {
  const { topic, partition, committed, security } = options;
  const connection = await connectAs("auditor", server, undefined, security);
  const all: Logged[] = [];
  try {
    for (let offset = 0; ; ) {
      const partitions = [{ partition, fetchOffset: offset, partitionMaxBytes: READ_BYTES }];
      const { responses } = await connection.ask("Fetch", 12, {
        ...{ maxWaitMs: 0, minBytes: 0, maxBytes: READ_BYTES, sessionId: 0, sessionEpoch: -1 },
        ...{ isolationLevel: committed === true ? 1 : 0, topics: [{ topic, partitions }] },
        ...{ forgottenTopicsData: [], rackId: "" },
      });
      const read = responses[0]?.partitions[0];
      if (read === undefined || read.errorCode !== 0) {
        throw new Error(`${topic}-${partition} cannot be read: error ${read?.errorCode}`);
      }
      const bytes = concat(read.records ?? []);
      all.push(
        ...recordsOf(
          bytes,
          offset,
          (read.abortedTransactions ?? []).map(aborted => ({ ...aborted, firstOffset: Number(aborted.firstOffset) })),
        ).map(one => ({ ...one, partition })),
      );
      const next = endOf(bytes, offset);
      if (next === offset) return all;
      offset = next;
    }
  } finally {
    connection.close();
  }
}

/** Offset after the last whole batch. */
function endOf(bytes: Uint8Array, start: number): number {
  const batch = new BatchCursor(bytes);
  let end = start;
  while (batch.next()) end = batch.lastOffset + 1;
  return end;
}
