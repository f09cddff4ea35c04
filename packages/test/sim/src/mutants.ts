/** One small, plausible mistake in our own sources. */
export interface Mutant {
  readonly name: string;
  /** From the root of the repository. */
  readonly file: string;
  /** Is in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** What would go wrong. */
  readonly why: string;
}

const STORAGE = "packages/runtime/storage/src";
const BROKER = "packages/runtime/broker/src";
const LOG = "packages/kernel/log/src";
const COORDINATOR = "packages/kernel/coordinator/src";
const RECORDS = "packages/format/records/src";
const PROTOCOL = "packages/format/protocol/src";

export const MUTANTS: readonly Mutant[] = [
  {
    name: "a flush syncs no segment",
    file: `${STORAGE}/log.ts`,
    find: "await this.files.sync(this.unflushed());",
    replace: "await this.files.sync([]);",
    why: "what was acknowledged as flushed is lost with the power",
  },
  {
    name: "names of files are never synced",
    file: `${STORAGE}/log-files.ts`,
    find: "await this.disk.syncDirectory(this.path);",
    replace: "",
    why: "a file whose name is lost is lost with all that was flushed",
  },
  {
    name: "a flush counts what came after it began",
    file: `${STORAGE}/log.ts`,
    find: "Math.min(target, this.cutTo, this.endOffset)",
    replace: "Math.min(this.cutTo, this.endOffset)",
    why: "records are taken for flushed that are not: the recovery point is too high",
  },
  {
    name: "the mark of a clean stop stays",
    file: `${STORAGE}/directory.ts`,
    find: "removeIfThere(env.disk, `${path}/${CLEAN}`);",
    replace: "",
    why: "after a crash nothing is recovered",
  },
  {
    name: "the mark of a clean stop comes first",
    file: `${STORAGE}/directory.ts`,
    find: "      await paced(env.timers,",
    replace: '      await replaceFileLater(env.disk, `${path}/${CLEAN}`, utf8("{}"));\n      await paced(env.timers,',
    why: "a stop that is cut short passes for clean",
  },
  {
    name: "starts of logs are not written down",
    file: `${STORAGE}/directory.ts`,
    find: "log.startOffset > log.state.segments[0].base ? log.startOffset : -1",
    replace: "-1",
    why: "deleted records are back after a restart",
  },
  {
    name: "recovery leaves a torn tail",
    file: `${STORAGE}/recovery.ts`,
    find: "file.truncate(scanner.validBytes);",
    replace: "",
    why: "what is appended later comes behind bytes that are no batch",
  },
  {
    name: "recovery does not look at checksums",
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
    why: "a batch that is repeated after a crash is there twice",
  },
  {
    name: "a snapshot of producers is not read",
    file: `${STORAGE}/recovery.ts`,
    find: "if (loadSnapshot(state, snapshot, path, env)) return snapshot;",
    replace: "return snapshot;",
    why: "a batch that is repeated after a restart is taken or refused wrongly",
  },
  {
    name: "reads from files begin one batch late",
    file: `${LOG}/segment.ts`,
    find: "offsets.append(batch.lastOffset, this.size);",
    replace: "offsets.append(batch.lastOffset, this.size + batch.size);",
    why: "an index leads behind the batch that is looked for",
  },
  {
    name: "the youngest record is noted at a wrong offset",
    file: `${LOG}/segment.ts`,
    find: "    this.maxTimeOffset = lastOffset;\n  }\n\n  /** Notes a batch",
    replace: "    this.maxTimeOffset = this.base;\n  }\n\n  /** Notes a batch",
    why: "ListOffsets finds another record than the youngest",
  },
  {
    name: "a time is looked up as later than",
    file: `${STORAGE}/lookup.ts`,
    find: "(time, offset) => time >= timestamp &&",
    replace: "(time, offset) => time > timestamp &&",
    why: "ListOffsets by time passes the record that it should find",
  },
  {
    name: "reads go below the start",
    file: `${STORAGE}/log.ts`,
    find: "if (offset < this.startOffset || offset > this.endOffset)",
    replace: "if (offset > this.endOffset)",
    why: "deleted records are served",
  },
  {
    name: "retention takes one segment too many",
    file: `${LOG}/state.ts`,
    find: "    return gone;\n",
    replace: "    return gone === 0 ? 0 : Math.min(gone + 1, this.segments.length);\n",
    why: "records go that should stay",
  },
  {
    name: "retention by size counts nothing as kept",
    file: `${LOG}/state.ts`,
    find: "excess >= segment.size && excess >= 0",
    replace: "excess >= 0",
    why: "a log shrinks below what its setting keeps",
  },
  {
    name: "retention by time does not subtract",
    file: `${LOG}/state.ts`,
    find: "now - this.loaded(segment).largestTimestamp > config.retentionMs",
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
    name: "an epoch that begins where the log does",
    file: `${STORAGE}/log.ts`,
    find: "this.state.epochs.assign(epoch, this.endOffset);",
    replace: "this.state.epochs.assign(epoch, this.startOffset);",
    why: "a consumer is told that records diverge which do not",
  },
  {
    name: "producers are told before the write",
    file: `${BROKER}/partition.ts`,
    find: "if (!this.log.writePending()) {",
    replace: "if (false as boolean) {",
    why: "a killed process loses what it has acknowledged",
  },
  {
    name: "producers are told before the flush",
    file: `${BROKER}/partition.ts`,
    find: "if (!this.log.flushDue(",
    replace: "if (this.log.state.segments.length > 0 || !this.log.flushDue(",
    why: "a power cut takes what was acknowledged as flushed",
  },
  {
    name: "a high watermark beyond the end",
    file: `${BROKER}/partition.ts`,
    find: "const end = this.log.endOffset;",
    replace: "const end = this.log.endOffset + 1;",
    why: "a consumer waits for a record that is not there",
  },
  {
    name: "consumers see what is not flushed",
    file: `${BROKER}/api/fetch.ts`,
    find: "limitOffset: partition.limit(committed)",
    replace: "limitOffset: log.endOffset",
    why: "records beyond the high watermark are served, and may vanish",
  },
  {
    name: "a repeated batch is appended again",
    file: `${LOG}/state.ts`,
    find: "const duplicate = producers.duplicateOf(batch);",
    replace: "const duplicate = undefined as ProducerBatch | undefined;",
    why: "an idempotent producer cannot repeat what was not answered",
  },
  {
    name: "sequences with gaps are taken",
    file: `${LOG}/producers.ts`,
    find: "addSequence(last, 1)) ? 0 : wrong;",
    replace: "addSequence(last, 1)) ? 0 : sequence > last ? 0 : wrong;",
    why: "a batch that got lost is not missed",
  },
  {
    name: "an epoch that is over is taken",
    file: `${LOG}/producers.ts`,
    find: "if (entry !== undefined && epoch < entry.epoch) return PRODUCER_ERROR.INVALID_PRODUCER_EPOCH;",
    replace: "",
    why: "a producer that was replaced writes on",
  },
  {
    name: "an id is given to two producers",
    file: `${BROKER}/control.ts`,
    find: "return this.#nextProducerId++;",
    replace: "return this.#nextProducerId;",
    why: "the sequences of two producers are one",
  },
  {
    name: "checksums of produced batches are not looked at",
    file: `${RECORDS}/validate.ts`,
    find: "if (!batch.intact(this.tools.crc32c)) {",
    replace: "if (batch.size === 0) {",
    why: "damage on the way is stored for good",
  },
  {
    name: "batches of any size are taken",
    file: `${RECORDS}/validate.ts`,
    find: "if (batch.size > rules.maxMessageBytes) {",
    replace: "if (batch.size > rules.segmentBytes) {",
    why: "max.message.bytes does nothing",
  },
  {
    name: "batches are appended as their judgement comes",
    file: `${BROKER}/order.ts`,
    find: "Promise.allSettled([ready, before])",
    replace: "Promise.allSettled([ready, undefined])",
    why: "a later batch overtakes an earlier one",
  },
  {
    name: "memory of evicted batches is given back at once",
    file: `${STORAGE}/tail.ts`,
    find: "slab.evicted = true;\n      if (slab.pins === 0) this",
    replace: "slab.evicted = true;\n      this",
    why: "a reply on its way changes under way",
  },
  {
    name: "memory of a read is given back at once",
    file: `${STORAGE}/log.ts`,
    find: "const release = (): void => buffers.give(bytes);",
    replace: "const release = (): void => {};\n    buffers.give(bytes);",
    why: "a reply on its way changes under way",
  },
  {
    name: "what is not written yet is evicted",
    file: `${STORAGE}/tail.ts`,
    find: "if (![...slab.tails].every(tail => tail.canEvict(slab))) break;",
    replace: "",
    why: "a write takes memory that holds something else by then",
  },
  {
    name: "frames are held at a wrong place",
    file: `${PROTOCOL}/framing.ts`,
    find: "this.pending.set(chunk.subarray(from, to), this.filled);",
    replace: "this.pending.set(chunk.subarray(from, to), Math.max(0, this.filled - 1));",
    why: "a request that comes in pieces is garbled",
  },
  {
    name: "replies of one turn are sent in reverse",
    file: `${BROKER}/connection.ts`,
    find: "for (const chunk of slot.chunks ?? []) chunks.push(chunk);",
    replace: "chunks.unshift(...(slot.chunks ?? []));",
    why: "a client takes an answer for that to another question",
  },
  {
    name: "a session forgets partitions that are added",
    file: `${BROKER}/api/fetch.ts`,
    find: "if (known === undefined) session.partitions.set(key, asked);",
    replace: "if (known === undefined) continue;",
    why: "a consumer never gets what it asks for",
  },
  {
    name: "a session keeps what it should forget",
    file: `${BROKER}/api/fetch.ts`,
    find: "session.partitions.delete(partitionKey(topic, byId, index));",
    replace: "session.partitions.get(partitionKey(topic, byId, index));",
    why: "a consumer gets what it does not want any more",
  },
  {
    name: "a session serves in the same order for ever",
    file: `${BROKER}/api/fetch.ts`,
    find: "      rotate(session, shown, this.#wanted);\n",
    replace: "",
    why: "a partition behind busy ones is never served",
  },
  {
    name: "a session does not take new positions",
    file: `${BROKER}/api/fetch.ts`,
    find: "known.fetchOffset = asked.fetchOffset;",
    replace: "",
    why: "a consumer gets the same records again and again",
  },
  {
    name: "a fetch gives one batch too many",
    file: `${STORAGE}/cut.ts`,
    find: "if (cursor.end - from > room",
    replace: "if (cursor.at - from > room",
    why: "a consumer gets more than it has room for",
  },
  {
    name: "a fetch counts nothing against its limit",
    file: `${BROKER}/api/fetch.ts`,
    find: "left = Math.max(0, left - answer.size);",
    replace: "",
    why: "a consumer gets the limit of all from each",
  },
  {
    name: "changed settings reach no log",
    file: `${BROKER}/topics.ts`,
    find: "else if (configsChanged) this.#configure(topic.name);",
    replace: "",
    why: "a change is acknowledged and has no effect",
  },
  {
    name: "metadata is not flushed",
    file: `${BROKER}/metadata-log.ts`,
    find: "    await this.#log.flush();\n    this.#log.highWatermark",
    replace: "    this.#log.writePending();\n    this.#log.highWatermark",
    why: "topics are gone after a power cut",
  },
  {
    name: "a snapshot of the metadata leaves out its last records",
    file: `${BROKER}/control.ts`,
    find: "imageRecords(image), image",
    replace: "imageRecords(image).slice(0, -1), image",
    why: "a topic, a partition or a setting is gone after a restart",
  },
  {
    name: "metadata is read from a snapshot only",
    file: `${BROKER}/metadata-log.ts`,
    find: "this.#readLog(latest?.offset ?? 0);",
    replace: "if (latest === undefined || latest.offset === 0) this.#readLog(0);",
    why: "changes since the last snapshot are gone after a restart",
  },
  {
    name: "new partitions are not opened",
    file: `${BROKER}/topics.ts`,
    find: "if (before.topics.get(topic.id) !== topic || !this.#partitions.has(topic.name)) this.#create(topic);",
    replace: "if (!this.#partitions.has(topic.name)) this.#create(topic);",
    why: "CreatePartitions makes partitions that nobody serves",
  },
  {
    name: "commits are acknowledged whatever becomes of them",
    file: `${BROKER}/shard-runner.ts`,
    find: "this.partition.appended(bytes.length, added.lastOffset + 1, done);",
    replace: "this.partition.appended(bytes.length, added.lastOffset + 1, () => done(0));",
    why: "a committed offset that could not be written is lost",
  },
  {
    name: "commits of any generation are taken",
    file: `${COORDINATOR}/group-shard.ts`,
    find: "if (generation !== group.generation) return Errors.ILLEGAL_GENERATION.code;",
    replace: "",
    why: "a member that was replaced overwrites the offsets of its successor",
  },
  {
    name: "generations begin anew with each start",
    file: `${COORDINATOR}/group-shard.ts`,
    find: "group.generation = value.generation;",
    replace: "",
    why: "members of two rounds take themselves for those of one",
  },
  {
    name: "sessions end much too late",
    file: `${COORDINATOR}/rebalance.ts`,
    find: "member.expiresAt = this.#context.now + member.sessionTimeoutMs;",
    replace: "member.expiresAt = this.#context.now + member.sessionTimeoutMs * 1000;",
    why: "the share of a dead member goes to nobody",
  },
  {
    name: "sessions end by the wall clock",
    file: `${BROKER}/shard-runner.ts`,
    find: "    const now = clock.monotonic();",
    replace: "    const now = clock.now();",
    why: "everybody is thrown out when a clock is set",
  },
  {
    name: "heartbeats do not count",
    file: `${COORDINATOR}/membership.ts`,
    find: "    this.#rebalance.touch(group, group.members.get(request.memberId) as Member);\n    return group.state",
    replace: "    return group.state",
    why: "a member is thrown out though it is alive",
  },
  {
    name: "every member gets the leader's share",
    file: `${COORDINATOR}/rebalance.ts`,
    find: "member.assignment = assignments.get(member.id) ?? NO_BYTES;",
    replace: "member.assignment = [...assignments.values()][0] ?? NO_BYTES;",
    why: "a partition has two owners",
  },
  {
    name: "offsets are said to be deleted",
    file: `${COORDINATOR}/offsets.ts`,
    find: "if (!inUse && isThere) records",
    replace: "if (inUse && isThere) records",
    why: "a deleted offset is still there",
  },
  {
    name: "compaction keeps the first of each key",
    file: `${LOG}/compaction.ts`,
    find: "if (record.offset < map.get(key)) return false;",
    replace: "if (map.get(key) >= 0 && record.offset > map.get(key)) return false;",
    why: "a table says what was true once",
  },
  {
    name: "compaction keeps only what is new",
    file: `${LOG}/compaction.ts`,
    find: "if (record.offset < map.get(key)) return false;",
    replace: "if (record.offset !== map.get(key)) return false;",
    why: "keys that did not change are lost",
  },
  {
    name: "a compacted segment is not synced before it takes another's place",
    file: `${STORAGE}/compact.ts`,
    find: "    await this.#file.sync();",
    replace: "",
    why: "what was flushed long ago is lost with the power",
  },
  {
    name: "read-committed consumers see what is undecided",
    file: `${BROKER}/partition.ts`,
    find: "return committedOnly ? this.log.stableOffset : this.log.highWatermark;",
    replace: "return this.log.highWatermark;",
    why: "records are seen that are aborted later",
  },
  {
    name: "aborted transactions are not noted",
    file: `${LOG}/scanner.ts`,
    find: "if (txn?.aborted === true && segment",
    replace: "if (txn?.aborted === false && segment",
    why: "aborted records are taken for committed ones",
  },
  {
    name: "what was decided is not done by the next coordinator",
    file: `${COORDINATOR}/txn/transaction-shard.ts`,
    find: "      if (isPreparing(image)) this.#finish(txn);\n    }",
    replace: "    }",
    why: "a transaction stays open for ever",
  },
  {
    name: "every decision is to abort",
    file: `${COORDINATOR}/txn/transaction-shard.ts`,
    find: 'commit: image.state === "PrepareCommit",',
    replace: "commit: false,",
    why: "what was said to be committed is thrown away",
  },
  {
    name: "a transaction is complete before its markers",
    file: `${COORDINATOR}/txn/transaction-shard.ts`,
    find: "    if (left.size > 0) this.#out.push",
    replace: "    if (left.size > 99) this.#out.push",
    why: "nobody who reads what is committed gets on",
  },
  {
    name: "the producer before is not shut out",
    file: `${COORDINATOR}/txn/transaction-shard.ts`,
    find: '    if (image.state === "Ongoing") {\n      // The epoch',
    replace: '    if (image.state === ("ongoing" as TxnState)) {\n      // The epoch',
    why: "what a dead producer has left open blocks all who read",
  },
  {
    name: "transactions never last too long",
    file: `${COORDINATOR}/txn/transaction-shard.ts`,
    find: "      if (txn.deadline < now && txn",
    replace: "      if (txn.deadline < 0 && txn",
    why: "what a dead producer has left open blocks all who read",
  },
  {
    name: "a new epoch is not told",
    file: `${COORDINATOR}/txn/transaction-shard.ts`,
    find: "if (next.clientVersion >= EPOCH_BUMP_VERSION) answer(0, final.producerId, final.epoch);",
    replace: "if (next.clientVersion >= EPOCH_BUMP_VERSION) answer(0, final.producerId, final.epoch - 1);",
    why: "a producer goes on in an epoch that is over",
  },
  {
    name: "anybody may end a transaction",
    file: `${COORDINATOR}/txn/end-rules.ts`,
    find: "return producer.epoch === epoch ? look(CURRENT_EPOCH, state, commit) : FENCED;",
    replace: "return look(CURRENT_EPOCH, state, commit);",
    why: "a producer that was shut out commits half of its successor's transaction",
  },
  {
    name: "offsets in a transaction count at once",
    file: `${COORDINATOR}/group-shard.ts`,
    find: "        if (producer !== undefined) {\n",
    replace: "        if (producer?.id === -2n) {\n",
    why: "offsets are committed of what was aborted",
  },
  {
    name: "aborted offsets count",
    file: `${COORDINATOR}/txn-offsets.ts`,
    find: "if (!committed || entry?.value === undefined) continue;",
    replace: "if (entry?.value === undefined) continue;",
    why: "offsets are committed of what was aborted",
  },
  {
    name: "groups do not hear of markers",
    file: `${BROKER}/shard-runner.ts`,
    find: "    this.shard.ended(this.#now, { producer, committed: marker.commit });\n  }\n\n  /** Whether",
    replace: "  }\n\n  /** Whether",
    why: "offsets of a committed transaction are not there before the next start",
  },
  {
    name: "offsets in a transaction are loaded as any others",
    file: `${BROKER}/shard-runner.ts`,
    find: "isTransactional ? { key, value, producer } : { key, value }",
    replace: "producer.id === -2n ? { key, value, producer } : { key, value }",
    why: "offsets are committed of what was aborted",
  },
];

/** Throws when there is none. */
export function mutantNamed(name: string): Mutant {
  const found = MUTANTS.find(mutant => mutant.name === name);
  if (found === undefined) throw new Error(`there is no mutant "${name}"`);
  return found;
}

/** `text`, the content of the mutant's file, with the mistake in it. Throws when it does not fit any more. */
export function mutated({ name, file, find, replace }: Mutant, text: string): string {
  const parts = text.split(find);
  if (parts.length !== 2) {
    throw new Error(`mutant "${name}" finds its text ${parts.length - 1} times in ${file}: it must be there once`);
  }
  return parts.join(replace);
}
