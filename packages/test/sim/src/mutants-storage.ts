import type { Mutant } from "./mutant.ts";

const STORAGE = "packages/runtime/storage/src";
const BROKER = "packages/runtime/broker/src";
const LOG = "packages/kernel/log/src";
const RECORDS = "packages/format/records/src";

/** Mistakes in compactions, moves, starts, and values beyond the ordinary. */
export const STORAGE_MUTANTS: readonly Mutant[] = [
  {
    name: "tombstones go at once",
    file: `${LOG}/compaction.ts`,
    find: "return record.valueLength >= 0 || horizon === undefined || now < horizon;",
    replace: "return record.valueLength >= 0;",
    why: "who reads on after a pause keeps what was deleted meanwhile",
  },
  {
    name: "aborted records count as a key's last",
    file: `${LOG}/compaction.ts`,
    find: "else if (!txns.data(batch) && batch.lastOffset >= from) {",
    replace: "else if ((txns.data(batch) || true) && batch.lastOffset >= from) {",
    why: "what was committed before is compacted away",
  },
  {
    name: "memory keeps what was compacted",
    file: `${STORAGE}/log.ts`,
    find: "that they were aborted.\n      this.tail.clear();",
    replace: "that they were aborted.",
    why: "aborted records are served of which nobody can tell any more that they were aborted",
  },
  {
    name: "appends are acknowledged while logs change places",
    file: `${BROKER}/moves.ts`,
    find: "    partition.hold();\n",
    replace: "",
    why: "what was acknowledged is in the log that is deleted",
  },
  {
    name: "a copy takes its log's place before it is flushed",
    file: `${BROKER}/moves.ts`,
    find: "    await copy.flush();\n    return this.#goesOn(move);",
    replace: "    return this.#goesOn(move);",
    why: "a power cut takes what was flushed long ago",
  },
  {
    name: "a copy shows nothing",
    file: `${STORAGE}/log-move.ts`,
    find: "    copy.highWatermark = source.highWatermark;\n",
    replace: "",
    why: "consumers are told of an end that is long past",
  },
  {
    name: "every start is a clean one",
    file: `${STORAGE}/directory.ts`,
    find: "      clean: this.cleanStart,\n",
    replace: "      clean: true,\n",
    why: "torn ends of logs are served",
  },
  {
    name: "a start forgets where logs begin",
    file: `${STORAGE}/recovery.ts`,
    find: "Math.max(options.startOffset, state.segments[0].base)",
    replace: "state.segments[0].base",
    why: "deleted records are back",
  },
  {
    name: "sparse numbers of records are kept",
    file: `${RECORDS}/validate.ts`,
    find: "      if (record.offsetDelta !== index) rebuild = true;\n",
    replace: "",
    why: "two records get one offset",
  },
  {
    name: "a batch is as young as it says",
    file: `${RECORDS}/validate.ts`,
    find: "maxTimestamp: createTime ? maxTimestamp : now,",
    replace: "maxTimestamp: createTime ? batch.maxTimestamp : now,",
    why: "ListOffsets passes the record that it should find",
  },
  {
    name: "a snapshot of the metadata is not synced",
    file: `${BROKER}/metadata-snapshots.ts`,
    find: "      await file.sync();\n",
    replace: "",
    why: "the broker does not start after a power cut",
  },
  {
    name: "a marker ends no transaction",
    file: `${LOG}/producers.ts`,
    find: "    entry.txnFirstOffset = -1;\n    this.verifications",
    replace: "    this.verifications",
    why: "the next transaction of the producer hides nothing that is undecided",
  },
  {
    name: "a marker counts before it is replicated",
    file: `${LOG}/undecided.ts`,
    find: "if (ended[middle].lastOffset < highWatermark) low",
    replace: "if (ended[middle].firstOffset < highWatermark) low",
    why: "records are told to be committed that a flush has yet to make durable",
  },
  {
    name: "a start shows nothing of what there is",
    file: `${BROKER}/partition.ts`,
    find: "    this.log.highWatermark = this.log.endOffset;\n  }",
    replace: "  }",
    why: "consumers are told of an end that is long past",
  },
  {
    name: "a clean stop flushes nothing",
    file: `${STORAGE}/log.ts`,
    find: "      await this.flush();\n      this.sealedTo",
    replace: "      this.sealedTo",
    why: "what a clean stop has left is gone with the power",
  },
  {
    name: "a segment is closed without a snapshot of its producers",
    file: `${LOG}/state.ts`,
    find: "    this.takeSnapshot(out);\n    if (old.size > 0) {",
    replace: "    if (old.size > 0) {",
    why: "a start reads everything that was ever written",
  },
  {
    name: "a deletion takes all that there is",
    file: `${STORAGE}/log.ts`,
    find: "const wanted = beforeOffset === -1 ? this.highWatermark : beforeOffset;",
    replace: "const wanted = beforeOffset === -1 ? beforeOffset : this.highWatermark;",
    why: "DeleteRecords deletes what nobody wanted deleted",
  },
  {
    name: "every epoch ends where the log does",
    file: `${STORAGE}/log.ts`,
    find: "return this.state.epochs.endOffsetFor(epoch, this.endOffset);",
    replace: "return { epoch, endOffset: this.endOffset };",
    why: "a consumer is not told that what it has read is gone",
  },
  {
    name: "a repeated batch is told to be where its last record is",
    file: `${LOG}/state.ts`,
    find: "firstOffset: lastOffset - offsetDelta, lastOffset, logAppendTime",
    replace: "firstOffset: lastOffset, lastOffset, logAppendTime",
    why: "a producer is told wrong offsets",
  },
  {
    name: "only the first aborted transaction of a segment is told",
    file: `${LOG}/indexes.ts`,
    find: "if (txn.lastStableOffset >= upperBound) return true;",
    replace: "return true;",
    why: "aborted records are taken for committed ones",
  },
  {
    name: "an aborted transaction is told only where it begins",
    file: `${LOG}/indexes.ts`,
    find: "if (txn.firstOffset < upperBound) into.push(txn);",
    replace: "if (txn.firstOffset < upperBound && txn.firstOffset >= fetchOffset) into.push(txn);",
    why: "a consumer that begins in the midst of one takes aborted records for committed ones",
  },
];
