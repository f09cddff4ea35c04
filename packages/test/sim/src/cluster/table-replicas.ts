import { type BlockCodecs, fromUtf8, type Offset } from "@samsa/base";
import { logOf } from "@samsa/broker";
import { BatchCursor, RecordCursor } from "@samsa/records";
import type { PartitionLog } from "@samsa/storage";
import { Violation } from "../ledgers/rules.ts";
import type { ClusterMachine } from "./machine.ts";

/** Last record of a key. */
interface Row {
  readonly offset: Offset;
  /** null: a tombstone. */
  readonly value: string | null;
}

const READ_BYTES = 1 << 20;

/** Last record of each key in a log. */
function tableOf(log: PartitionLog, codecs: BlockCodecs): Map<string, Row> {
  const rows = new Map<string, Row>();
  for (let offset = log.startOffset; offset < log.endOffset; ) {
    const read = log.read({ offset, maxBytes: READ_BYTES, minOneMessage: true, limitOffset: log.endOffset });
    for (const chunk of read.chunks) {
      for (const batch = new BatchCursor(chunk); batch.next(); ) {
        if (batch.isControl) continue;
        for (const record = new RecordCursor().open(batch, codecs); record.next(); ) {
          const value = record.value();
          const key = fromUtf8(record.key() ?? new Uint8Array(0));
          rows.set(key, { offset: record.offset, value: value === null ? null : fromUtf8(value) });
        }
      }
    }
    read.release?.();
    if (read.nextOffset <= offset) break;
    offset = read.nextOffset;
  }
  return rows;
}

/** Checks that replicas of a table, each compacted by its own broker, have the same last value of each key. */
export function compareTable(machines: readonly ClusterMachine[], topic: string, codecs: BlockCodecs): void {
  const logs = machines.flatMap(({ node, name, isBroker }) => {
    const partition = node === undefined || !isBroker ? undefined : node.broker.topics.partition(topic, 0);
    return partition === undefined ? [] : [{ name, log: logOf(partition) }];
  });
  // Records before the start of one log were deleted everywhere.
  const start = Math.max(0, ...logs.map(({ log }) => log.startOffset));
  const tables = logs.map(({ name, log }) => ({ name, rows: tableOf(log, codecs) }));
  for (const { name, rows } of tables) {
    for (const [key, { offset, value }] of rows) {
      if (value === null || offset < start) continue;
      for (const other of tables) {
        const found = other.rows.get(key);
        if (found?.value === value) continue;
        const detail = `${topic}: ${key} is ${value} on ${name}, and ${found?.value ?? "nothing"} on ${other.name}`;
        throw new Violation("compaction took a key's last record", detail);
      }
    }
  }
}
