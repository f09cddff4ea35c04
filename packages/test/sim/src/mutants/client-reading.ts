import type { Mutant } from "./mutant.ts";

const KERNEL = "packages/kernel/client/src";
const RUNTIME = "packages/runtime/client/src";

/** Mistakes of our consumers, groups and share consumers that programs on a cluster show. */
export const CLIENT_READING_MUTANTS: readonly Mutant[] = (
  [
    // Fetching.
    {
      name: "records before the position are given out",
      file: `${KERNEL}/fetch/record-reader.ts`,
      find: "while (record.next()) if (record.offset >= progress.position) return",
      replace: "while (record.next()) if (record.offset >= 0) return",
      why: "a consumer that begins within a batch reads records again",
    },
    {
      name: "records of aborted transactions are given out",
      file: `${KERNEL}/fetch/aborted-transactions.ts`,
      find: "return batch.isTransactional && this.#producers.has(producerId);",
      replace: "return batch.isTransactional && this.#producers.has(producerId) && batch.lastOffset < 0;",
      why: "a reader of committed records sees what was taken back",
    },
    {
      name: "an abort lasts for ever",
      file: `${KERNEL}/fetch/aborted-transactions.ts`,
      find: "      this.#producers.delete(batch.producerId);\n",
      replace: "",
      why: "committed records are passed over after an aborted transaction",
    },
    {
      name: "an answer from before a seek counts",
      file: `${KERNEL}/fetch/assigned-partition.ts`,
      find: "    this.target = undefined;\n    this.ticket = 0;\n",
      replace: "    this.target = undefined;\n",
      why: "a consumer reads on where it was",
    },
    {
      name: "records from before a seek stay",
      file: `${KERNEL}/fetch/assigned-partition.ts`,
      find: "for (const reader of this.queue) reader.isOver = true;\n    this.queue.length = 0;",
      replace: "",
      why: "a consumer reads on where it was",
    },
    {
      name: "a consumer stays with its first leader",
      file: `${KERNEL}/fetch/assigned-partition.ts`,
      find: "if (!isRecreated && leaderEpoch >= 0 && leaderEpoch < this.leaderEpoch) return false;",
      replace: "if (!isRecreated && this.leaderEpoch >= 0) return false;",
      why: "nothing is read any more after an election",
    },
    {
      name: "a fetch that fails is never repeated",
      file: `${KERNEL}/fetch/fetch-requests.ts`,
      find: "    release(broker.asked, ticket);\n    broker.asked = [];\n    this.#backOff(broker, moment);",
      replace: "    broker.asked = [];\n    this.#backOff(broker, moment);",
      why: "a partition is not read any more after a lost connection",
    },
    {
      name: "positions begin one record late",
      file: `${KERNEL}/fetch/position-lookups.ts`,
      find: "      partition.seek(offset, leaderEpoch);\n",
      replace: "      partition.seek(offset + 1, leaderEpoch);\n",
      why: "each rebalance loses a record",
    },
    // Offsets.
    {
      name: "records that handlers work on count as processed",
      file: `${KERNEL}/offsets/offset-tracker.ts`,
      find: "return this.#head === this.#tail ? this.#position :",
      replace: "return this.#head <= this.#tail ? this.#position :",
      why: "records are lost when a consumer crashes",
    },
    {
      name: "partitions are given up while records of them are processed",
      file: `${RUNTIME}/consume/consumer-group.ts`,
      find: "while (isBusyWith(partitions) && !this.#isClosing",
      replace: "while (isBusyWith([]) && !this.#isClosing",
      why: "two members process the same record",
    },
    {
      name: "offsets of a lost partition are kept",
      file: `${RUNTIME}/consume/consumer-group.ts`,
      find: "    this.#tracked.end(partitions);\n",
      replace: "",
      why: "a partition that comes back begins with an old account",
    },
    {
      name: "offsets of records that handlers work on are started anew",
      file: `${RUNTIME}/consume/consumer-group.ts`,
      find: "      else if (tracker !== undefined && this.#parts.isRunning()) continue;\n",
      replace: "",
      why: "records are lost when a consumer crashes while its handlers are busy",
    },
    // Groups.
    {
      name: "a member does not answer the call to a rebalance",
      file: `${KERNEL}/group/classic-member.ts`,
      find: 'if (this.#state === "STABLE") this.#requestRejoin("the group rebalances");',
      replace: "",
      why: "a group loses a member with each rebalance",
    },
    {
      name: "a member that was fenced does not join again",
      file: `${KERNEL}/group/heartbeat-member.ts`,
      find: "    this.#core.lose(() => this.#join());\n  }\n\n  #fail(",
      replace: "    this.#core.lose(() => undefined);\n  }\n\n  #fail(",
      why: "a consumer reads nothing more after a long pause",
    },
    {
      name: "a heartbeat without an answer is the last one",
      file: `${KERNEL}/group/heartbeat-member.ts`,
      find: '      this.#core.emit({ type: "forgetCoordinator" });\n      this.#heartbeatAt = this.#core.retryAt();',
      replace: '      this.#core.emit({ type: "forgetCoordinator" });',
      why: "a member is thrown out of its group after a lost connection",
    },
    {
      name: "a new epoch is not told to commits",
      file: `${RUNTIME}/consume/consumer-group.ts`,
      find: "        this.#offsets?.identify(identity);\n",
      replace: "        if (this.#offsets !== undefined && identity?.epoch === 1) this.#offsets.identify(identity);\n",
      why: "offsets are refused after the first rebalance",
    },
    // Share groups.
    {
      name: "demand for shared records is met once",
      file: `${KERNEL}/share/share-fetcher.ts`,
      find: "    this.#exchange.demand = count;\n",
      replace: "    this.#exchange.demand = this.#progressAt > 5000 ? 0 : count;\n",
      why: "a share consumer stops after a while",
    },
    {
      name: "an accepted record is released",
      file: `${RUNTIME}/share/share-stream.ts`,
      find: 'this.#settle("accept");',
      replace: 'this.#settle("release");',
      why: "a share group gets the same records again and again",
    },
  ] satisfies readonly Mutant[]
).map(mutant => ({ ...mutant, scenario: "client" }));
