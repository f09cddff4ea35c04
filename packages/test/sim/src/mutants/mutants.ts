import type { Mutant } from "./mutant.ts";
import { CLIENT_READING_MUTANTS } from "./client-reading.ts";
import { CLIENT_SENDING_MUTANTS } from "./client-sending.ts";
import { CLUSTER_MUTANTS } from "./cluster.ts";
import { REPLICATION_MUTANTS } from "./replication.ts";
import { GUARDED_MUTANTS } from "./guarded.ts";
import { COORDINATOR_MUTANTS } from "./coordinator.ts";
import { METADATA_MUTANTS } from "./metadata.ts";
import { SECURITY_MUTANTS } from "./security.ts";
import { STORAGE_MUTANTS } from "./storage.ts";

export { KNOWN_SEEDS } from "./known-seeds.ts";
export type { Mutant } from "./mutant.ts";

const STORAGE = "packages/runtime/storage/src";
const BROKER = "packages/runtime/broker/src";
const RAFT = "packages/runtime/raft/src";
const LOG = "packages/kernel/log/src";
const RECORDS = "packages/format/records/src";
const PROTOCOL = "packages/format/protocol/src";

/** All mutants; their names are unique. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: "a flush syncs no segment",
    file: `${STORAGE}/log.ts`,
    find: "await this.files.sync(this.unflushed(all));",
    replace: "await this.files.sync([]);",
    why: "records acknowledged as flushed are lost in a power cut",
  },
  {
    name: "directories are never synced",
    file: `${STORAGE}/log-files.ts`,
    find: "await this.disk.syncDirectory(this.path);",
    replace: "",
    why: "a power cut loses the name of a flushed file, and so its records",
  },
  {
    name: "a flush counts records appended after its start",
    file: `${STORAGE}/log.ts`,
    find: "Math.min(target, this.cutTo, this.endOffset)",
    replace: "Math.min(this.cutTo, this.endOffset)",
    why: "unflushed records count as flushed: the recovery point is too high",
  },
  {
    name: "the clean shutdown file stays",
    file: `${STORAGE}/directory.ts`,
    find: "removeIfThere(env.disk, `${path}/${CLEAN}`);",
    replace: "",
    why: "after a crash nothing is recovered",
  },
  {
    name: "the clean shutdown file is written first",
    file: `${STORAGE}/directory.ts`,
    find: "      await paced(env.timers,",
    replace: '      await replaceFileLater(env.disk, `${path}/${CLEAN}`, utf8("{}"));\n      await paced(env.timers,',
    why: "an interrupted shutdown counts as clean",
  },
  {
    name: "log start offsets are not checkpointed",
    file: `${STORAGE}/directory.ts`,
    find: "log.startOffset > log.state.oldest.base ? log.startOffset : -1",
    replace: "-1",
    why: "deleted records come back after a restart",
  },
  {
    name: "recovery leaves a torn tail",
    file: `${STORAGE}/recovery.ts`,
    find: "file.truncate(scanner.validBytes);",
    replace: "",
    why: "later records follow bytes that are not a batch",
  },
  {
    name: "recovery does not verify checksums",
    file: `${LOG}/scanner.ts`,
    find: "if (!batch.intact(target.tools.crc32c)) {",
    replace: "if (batch.size === 0) {",
    why: "batches that were half written are served",
  },
  {
    name: "recovery loses producers",
    file: `${LOG}/scanner.ts`,
    find: "if (lastOffset >= target.producersFrom) {",
    replace: "if (lastOffset < 0) {",
    why: "a batch retried after a crash is appended twice",
  },
  {
    name: "a producer snapshot is not read",
    file: `${STORAGE}/recovery.ts`,
    find: "if (loadSnapshot(state, snapshot, path, env)) return snapshot;",
    replace: "return snapshot;",
    why: "a batch retried after a restart is appended or refused wrongly",
  },
  {
    name: "reads from files begin one batch late",
    file: `${LOG}/segment.ts`,
    find: "offsets.append(batch.lastOffset, this.size);",
    replace: "offsets.append(batch.lastOffset, this.size + batch.size);",
    why: "an index entry points behind its batch",
  },
  {
    name: "the offset of the largest timestamp is wrong",
    file: `${LOG}/segment.ts`,
    find: "this.maxTimeOffset = lastOffset;",
    replace: "this.maxTimeOffset = this.base;",
    why: "ListOffsets does not find the record with the largest timestamp",
  },
  {
    name: "a timestamp lookup excludes equal timestamps",
    file: `${STORAGE}/lookup.ts`,
    find: "(time, offset) => time >= timestamp &&",
    replace: "(time, offset) => time > timestamp &&",
    why: "ListOffsets by timestamp skips the right record",
  },
  {
    name: "reads go below the log start offset",
    file: `${STORAGE}/log.ts`,
    find: "if (offset < this.startOffset || offset > this.endOffset)",
    replace: "if (offset > this.endOffset)",
    why: "deleted records are served",
  },
  {
    name: "retention deletes one segment too many",
    file: `${LOG}/state.ts`,
    find: "    return gone;\n",
    replace: "    return gone === 0 ? 0 : Math.min(gone + 1, this.segments.length);\n",
    why: "records are deleted that should stay",
  },
  {
    name: "retention by size keeps no segment",
    file: `${LOG}/state.ts`,
    find: "excess >= segment.size && excess >= 0",
    replace: "excess >= 0",
    why: "a log shrinks below what its setting keeps",
  },
  {
    name: "retention by time does not subtract",
    file: `${LOG}/state.ts`,
    find: "subtractI64(now, this.measured(segment).largestTimestamp) > config.retentionMs",
    replace: "now > config.retentionMs",
    why: "everything is too old",
  },
  {
    name: "a reused offset",
    file: `${LOG}/state.ts`,
    find: "this.endOffset = lastOffset + 1;",
    replace: "this.endOffset = lastOffset;",
    why: "two records get one offset",
  },
  {
    name: "a leader epoch begins at the log start offset",
    file: `${STORAGE}/log.ts`,
    find: "this.state.epochs.begin(epoch, this.endOffset);",
    replace: "this.state.epochs.begin(epoch, this.startOffset);",
    why: "a consumer is told of a divergence that does not exist",
  },
  {
    name: "records are acknowledged before the write",
    file: `${BROKER}/replica/partition.ts`,
    find: "if (!this.#log.writePending()) {",
    replace: "if (false as boolean) {",
    why: "a killed process loses acknowledged records",
  },
  {
    name: "records are acknowledged before the flush",
    file: `${BROKER}/replica/partition.ts`,
    find: "if (isNamed && !isDue) {",
    replace: "if (isNamed) {",
    why: "a power cut loses records acknowledged as flushed",
  },
  {
    name: "a high watermark beyond the end",
    file: `${BROKER}/replica/partition.ts`,
    find: "      this.#advance(end);\n      // Appends",
    replace: "      this.#advance(end + 1);\n      // Appends",
    why: "a consumer waits for a record that is not there",
  },
  {
    name: "consumers see unflushed records",
    file: `${BROKER}/api/records/fetch.ts`,
    find: 'committed ? "TXN_COMMITTED" : "HIGH_WATERMARK"',
    replace: '"LOG_END"',
    why: "records beyond the high watermark are served, and may vanish",
  },
  {
    name: "a repeated batch is appended again",
    file: `${LOG}/state.ts`,
    find: "const duplicate = producers.duplicateOf(batch);",
    replace: "const duplicate = undefined as ProducerBatch | undefined;",
    why: "an idempotent producer cannot retry an unanswered batch",
  },
  {
    name: "sequence gaps are accepted",
    file: `${LOG}/producers.ts`,
    find: "addSequence(last, 1)) ? 0 : wrong;",
    replace: "addSequence(last, 1)) ? 0 : sequence > last ? 0 : wrong;",
    why: "a lost batch goes unnoticed",
  },
  {
    name: "stale producer epochs are accepted",
    file: `${LOG}/producers.ts`,
    find: "if (entry !== undefined && epoch < entry.epoch) return PRODUCER_ERROR.INVALID_PRODUCER_EPOCH;",
    replace: "",
    why: "a fenced producer continues to write",
  },
  {
    name: "an id is given to two producers",
    file: `${BROKER}/lifecycle/producer-ids.ts`,
    find: "return this.#next++;",
    replace: "return this.#next;",
    why: "two producers share their sequence numbers",
  },
  {
    name: "checksums of produced batches are not verified",
    file: `${RECORDS}/validate.ts`,
    find: "if (!batch.intact(this.tools.crc32c)) {",
    replace: "if (batch.size === 0) {",
    why: "damage on the way is stored for good",
  },
  {
    name: "batches of any size are accepted",
    file: `${BROKER}/replica/topics.ts`,
    find: "    maxMessageBytes,\n    segmentBytes,\n",
    replace: "    maxMessageBytes: segmentBytes,\n    segmentBytes,\n",
    why: "max.message.bytes does nothing",
  },
  {
    name: "batches are appended in the order in which validation ends",
    file: `${BROKER}/replica/order.ts`,
    find: "Promise.allSettled([ready, before])",
    replace: "Promise.allSettled([ready, undefined])",
    why: "a later batch overtakes an earlier one",
  },
  {
    name: "memory of evicted batches is reused at once",
    file: `${STORAGE}/tail.ts`,
    find: "slab.evicted = true;\n      if (slab.pins === 0) this",
    replace: "slab.evicted = true;\n      this",
    why: "a reply in flight changes",
  },
  {
    name: "memory of a read is reused at once",
    file: `${STORAGE}/log-reader.ts`,
    find: "const release = (): void => buffers.give(bytes);",
    replace: "const release = (): void => {};\n    buffers.give(bytes);",
    why: "a reply in flight changes",
  },
  {
    name: "unwritten batches are evicted",
    file: `${STORAGE}/tail.ts`,
    find: "if (![...slab.tails].every(tail => tail.canEvict(slab))) break;",
    replace: "",
    why: "a write uses memory that was reused meanwhile",
  },
  {
    name: "partial frames are stored at a wrong position",
    file: `${PROTOCOL}/framing.ts`,
    find: "this.pending.set(chunk.subarray(from, to), this.filled);",
    replace: "this.pending.set(chunk.subarray(from, to), Math.max(0, this.filled - 1));",
    why: "a request that comes in pieces is garbled",
  },
  {
    name: "replies of one turn are sent in reverse",
    file: `${BROKER}/network/connection.ts`,
    find: "for (const chunk of slot.chunks ?? []) chunks.push(chunk);",
    replace: "chunks.unshift(...(slot.chunks ?? []));",
    why: "a client gets the answer to another request",
  },
  {
    name: "a fetch session forgets added partitions",
    file: `${BROKER}/api/records/fetch.ts`,
    find: "if (known === undefined) session.partitions.set(key, asked);",
    replace: "if (known === undefined) continue;",
    why: "a consumer never gets records of the partition",
  },
  {
    name: "a fetch session keeps forgotten partitions",
    file: `${BROKER}/api/records/fetch.ts`,
    find: "session.partitions.delete(partitionKey(topic, byId, index));",
    replace: "session.partitions.get(partitionKey(topic, byId, index));",
    why: "a consumer gets records of a partition that it has left",
  },
  {
    name: "a fetch session never rotates its partitions",
    file: `${BROKER}/api/records/fetch.ts`,
    find: "      rotate(session, shown, this.#wanted);\n",
    replace: "",
    why: "a partition behind busy ones is never served",
  },
  {
    name: "a fetch session ignores new positions",
    file: `${BROKER}/api/records/fetch.ts`,
    find: "known.fetchOffset = asked.fetchOffset;",
    replace: "",
    why: "a consumer gets the same records again and again",
  },
  {
    name: "a fetch returns one batch too many",
    file: `${STORAGE}/cut.ts`,
    find: "if (cursor.end - from > room",
    replace: "if (cursor.at - from > room",
    why: "a consumer gets more than it has room for",
  },
  {
    name: "a fetch counts nothing against its limit",
    file: `${BROKER}/api/records/fetch.ts`,
    find: "left = Math.max(0, left - answer.size);",
    replace: "",
    why: "every partition may fill the limit of the whole fetch",
  },
  {
    name: "a topic's changed settings reach no log",
    file: `${BROKER}/replica/topics.ts`,
    find: "if (name !== undefined && this.#partitions.has(name)) yield name;",
    replace: "",
    why: "changed topic settings have no effect",
  },
  {
    name: "changed settings reach no log",
    file: `${BROKER}/replica/topics.ts`,
    find: "for (const name of this.#reconfigured(changes)) this.#configure(name);",
    replace: "",
    why: "a change is acknowledged and has no effect",
  },
  {
    name: "metadata is not flushed",
    file: `${RAFT}/flusher.ts`,
    find: "        await this.#storage.flush();\n",
    replace: "        this.#storage.write();\n        await Promise.resolve();\n",
    why: "topics are gone after a power cut",
  },
  {
    name: "a metadata snapshot leaves out its last record",
    file: `${BROKER}/quorum/snapshot-generator.ts`,
    find: "imageRecords(image), image",
    replace: "imageRecords(image).slice(0, -1), image",
    why: "a topic, a partition or a setting is gone after a restart",
  },
  {
    name: "metadata is loaded from the snapshot only",
    file: `${RAFT}/startup.ts`,
    find: "    feed.keep(batch);\n",
    replace: "    feed.keep(latest === undefined || latest.offset === 0 ? batch : { ...batch, records: [] });\n",
    why: "changes since the last snapshot are gone after a restart",
  },
  {
    name: "new partitions are not opened",
    file: `${BROKER}/replica/topics.ts`,
    find: "if (topic !== undefined) this.#change(topic, indexes);",
    replace: "if (topic !== undefined && !this.#partitions.has(topic.name)) this.#change(topic, indexes);",
    why: "the broker does not serve partitions of CreatePartitions",
  },
  {
    name: "commits are acknowledged even if the write fails",
    file: `${BROKER}/coordinator/shard-runner.ts`,
    find: "done: acknowledged };",
    replace: "done: () => acknowledged(0) };",
    why: "a committed offset that could not be written is lost",
  },
  {
    name: "sessions expire by the wall clock",
    file: `${BROKER}/coordinator/shard-runner.ts`,
    find: "    const now = clock.monotonic();",
    replace: "    const now = clock.now();",
    why: "all members are removed when the clock is set",
  },
  {
    name: "compaction keeps the first of each key",
    file: `${LOG}/compaction.ts`,
    find: "if (record.offset < map.get(key)) return false;",
    replace: "if (map.get(key) >= 0 && record.offset > map.get(key)) return false;",
    why: "a table has outdated values",
  },
  {
    name: "compaction keeps only new records",
    file: `${LOG}/compaction.ts`,
    find: "if (record.offset < map.get(key)) return false;",
    replace: "if (record.offset !== map.get(key)) return false;",
    why: "keys that did not change are lost",
  },
  {
    name: "compaction leaves gaps above the recovery point",
    file: `${STORAGE}/compact.ts`,
    find: "      await log.home.secure(log, log.state.after(lastEntry(group))?.base ?? log.endOffset);\n",
    replace: "",
    why: "recovery takes a gap for the end of the log, and removes later segments",
  },
  {
    name: "a log is compacted while it is copied",
    file: `${STORAGE}/log.ts`,
    find: "    this.cleaningPaused = true;\n    this.changes++;\n",
    replace: "",
    why: "the copy keeps a record whose tombstone it never gets",
  },
  {
    name: "the recovery point passes an unsynced index",
    file: `${STORAGE}/log.ts`,
    find: "return this.recoveryPoint > this.sealedTo ? Math.max(this.sealedTo, this.recoveryPoint - 1) : this.recoveryPoint;",
    replace: "return this.recoveryPoint;",
    why: "recovery trusts an index that a power cut has lost",
  },
  {
    name: "the recovery point does not advance at a roll",
    file: `${STORAGE}/log.ts`,
    find: "    if (this.sealDue) this.seal();\n",
    replace: "",
    why: "recovery reads all records since the last clean stop",
  },
  {
    name: "producers with an open transaction expire",
    file: `${LOG}/producers.ts`,
    find: "      if (entry.txnFirstOffset < 0 && subtractI64",
    replace: "      if (subtractI64",
    why: "the next batch begins another transaction, and the first stays open forever",
  },
  {
    name: "only the last aborted transaction of a segment is returned",
    file: `${LOG}/indexes.ts`,
    find: "for (let i = this.#markersBefore(fetchOffset); i < this.count; i++) {",
    replace: "for (let i = Math.max(0, this.count - 1); i < this.count; i++) {",
    why: "aborted records are read as committed",
  },
  {
    name: "a transaction is complete when its marker is written",
    file: `${LOG}/undecided.ts`,
    find: "    this.#ended.push({ firstOffset, lastOffset });\n",
    replace: "",
    why: "records count as committed before their marker is flushed",
  },
  {
    name: "a compacted segment is not synced before it takes another's place",
    file: `${STORAGE}/compact.ts`,
    find: "    await this.#file.sync();",
    replace: "",
    why: "records flushed long ago are lost in a power cut",
  },
  {
    name: "read_committed consumers see open transactions",
    file: `${BROKER}/replica/partition.ts`,
    find: "return committedOnly ? this.#log.stableOffset : this.#log.highWatermark;",
    replace: "return this.#log.highWatermark;",
    why: "records are served that are aborted later",
  },
  {
    name: "aborted transactions are not indexed",
    file: `${LOG}/scanner.ts`,
    find: "if (txn?.aborted === true && segment",
    replace: "if (txn?.aborted === false && segment",
    why: "aborted records are read as committed",
  },
  {
    name: "group coordinators ignore markers",
    file: `${BROKER}/coordinator/shard-runner.ts`,
    find: "const replay = (now: number): void => this.shard.ended(now, { producer, committed: marker.commit });",
    replace:
      "const replay = (now: number): void => this.shard.ended(now, { producer: { ...producer, id: -2n }, committed: false });",
    why: "offsets of a committed transaction appear only after a restart",
  },
  {
    name: "transactional offsets are loaded as committed",
    file: `${BROKER}/coordinator/shard-runner.ts`,
    find: "isTransactional ? { key, value, producer } : { key, value }",
    replace: "producer.id === -2n ? { key, value, producer } : { key, value }",
    why: "offsets of aborted transactions are committed",
  },
  ...SECURITY_MUTANTS,
  ...STORAGE_MUTANTS,
  ...COORDINATOR_MUTANTS,
  ...METADATA_MUTANTS,
  ...CLUSTER_MUTANTS,
  ...REPLICATION_MUTANTS,
  ...GUARDED_MUTANTS,
  ...CLIENT_SENDING_MUTANTS,
  ...CLIENT_READING_MUTANTS,
];

/** Returns the mutant `name`. Throws if there is none. */
export function mutantNamed(name: string): Mutant {
  const found = MUTANTS.find(mutant => mutant.name === name);
  if (found === undefined) throw new Error(`there is no mutant "${name}"`);
  return found;
}

/** Applies a mutant to `text`, the content of its file. Throws unless the text occurs exactly once. */
export function mutated({ name, file, find, replace }: Mutant, text: string): string {
  const parts = text.split(find);
  if (parts.length !== 2) {
    throw new Error(`mutant "${name}" finds its text ${parts.length - 1} times in ${file}: it must be there once`);
  }
  return parts.join(replace);
}
