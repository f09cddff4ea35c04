import type { Mutant } from "./mutant.ts";

const CONTROLLER = "packages/kernel/controller/src";
const REPLICA = "packages/kernel/replica/src";
const LOG = "packages/kernel/log/src";
const METADATA = "packages/kernel/metadata/src";
const RAFT = "packages/runtime/raft/src";
const BROKER = "packages/runtime/broker/src";
const BROKER_TESTS = "packages/runtime/broker/test";

/**
 * Mistakes that a second guard hides from every history of a cluster: the next sweep, the next comparison of the logs, or
 * the leader's own check mends them. The tests of the part that makes them must fail.
 */
export const GUARDED_MUTANTS: readonly Mutant[] = [
  // The quorum.
  {
    name: "the log is deleted above its snapshot",
    file: `${RAFT}/raft-storage.ts`,
    find: "this.#log.raiseStart(next.offset);",
    replace: "this.#log.raiseStart(this.#log.endOffset);",
    why: "metadata after the snapshot are lost, and the controller does not start any more",
    tests: ["packages/runtime/raft/test"],
  },
  {
    name: "a snapshot is named after the end of the log",
    file: `${RAFT}/raft-client.ts`,
    find: "const id = { offset: last.offset + 1, epoch: last.epoch };",
    replace: "const id = { offset: this.#storage.log.endOffset, epoch: last.epoch };",
    why: "a snapshot counts for records that are not committed, or that it lacks",
    tests: ["packages/runtime/raft/test"],
  },
  // The controller.
  {
    name: "sessions have expired when a controller takes over",
    file: `${CONTROLLER}/broker-sessions.ts`,
    find: "if (!broker.fenced) session.contact = hasEnded(broker) ? -Infinity : now;",
    replace: "if (!broker.fenced) session.contact = -Infinity;",
    why: "each failover of the controller fences all brokers, and no partition has a leader",
    tests: ["packages/kernel/controller/test"],
  },
  {
    name: "a metadata transaction stays open after a failover",
    file: `${CONTROLLER}/features.ts`,
    find: "const abort = open ? ",
    replace: "const abort = !open ? ",
    why: "half of a decision is published with the next one",
    tests: ["packages/kernel/controller/test", `${BROKER_TESTS}/standby-controller.test.ts`],
  },
  {
    name: "an unclean election keeps the eligible replicas",
    file: `${CONTROLLER}/partition-change.ts`,
    find: "if (change.isr !== undefined || !elrEnabled) draft.elr = [];",
    replace: "if (!elrEnabled) draft.elr = [];",
    why: "a replica whose records were given up leads later, and the logs differ",
    tests: ["packages/kernel/controller/test"],
  },
  {
    name: "a replica that is removed stays eligible",
    file: `${CONTROLLER}/partition-change.ts`,
    find: "draft.replicas.includes(id) && !draft.isr.includes(id) && id !== target.crashed;",
    replace: "!draft.isr.includes(id) && id !== target.crashed;",
    why: "a replica that was deleted and added again leads without records",
    tests: ["packages/kernel/controller/test"],
  },
  {
    name: "a broker that crashed stays eligible",
    file: `${CONTROLLER}/partition-change.ts`,
    find: "draft.replicas.includes(id) && !draft.isr.includes(id) && id !== target.crashed;",
    replace: "draft.replicas.includes(id) && !draft.isr.includes(id);",
    why: "a replica that may have lost records leads",
    tests: ["packages/kernel/controller/test"],
  },
  {
    name: "a replica of an earlier life joins the ISR",
    file: `${CONTROLLER}/alter-partition.ts`,
    find: "return brokerEpoch !== -1 && brokerEpoch !== broker.brokerEpoch;",
    replace: "return brokerEpoch < -1;",
    why: "a broker that has lost records in a power cut is in sync (KIP-903)",
    tests: ["packages/kernel/controller/test"],
  },
  {
    name: "a fenced replica joins the ISR",
    file: `${CONTROLLER}/alter-partition.ts`,
    find: "if (broker === undefined || broker.inControlledShutdown || broker.fenced) return true;",
    replace: "if (broker === undefined) return true;",
    why: "a broker that is gone counts as in sync",
    tests: ["packages/kernel/controller/test"],
  },
  // Replicas.
  {
    name: "a follower that fetches never joins the ISR",
    file: `${REPLICA}/leader.ts`,
    find: "    this.#expand(follower);\n    if (hasMoved)",
    replace: "    if (hasMoved)",
    why: "a replica that was restarted stays out of sync while records arrive, until the next sweep",
    tests: ["packages/kernel/replica/test"],
  },
  {
    name: "a follower truncates to the leader's end of an epoch that it lacks",
    file: `${REPLICA}/follower.ts`,
    find: "const common = isKnown ? Math.min(end, divergingEpoch.endOffset) : end;",
    replace: "const common = isKnown && end < 0 ? end : divergingEpoch.endOffset;",
    why: "after two elections the logs of replicas differ until the next comparison (KIP-279)",
    tests: ["packages/kernel/replica/test"],
  },
  {
    name: "an answer to an earlier fetch is appended",
    file: `${REPLICA}/follower.ts`,
    find: "asked.leaderEpoch === this.leaderEpoch && asked.offset === log.endOffset;",
    replace: "asked.leaderEpoch <= this.leaderEpoch;",
    why: "a follower that has just truncated its log stops to follow",
    tests: ["packages/kernel/replica/test"],
  },
  {
    name: "a follower takes records of later epochs than it asked for",
    file: `${BROKER}/replica/fetched-batches.ts`,
    find: "while (cursor.next() && cursor.leaderEpoch <= leaderEpoch) {",
    replace: "while (cursor.next() && cursor.leaderEpoch <= leaderEpoch + 1000) {",
    why: "records are appended that an election has removed (KAFKA-18723)",
    tests: [`${BROKER_TESTS}/partition-roles.test.ts`],
  },
  {
    name: "a new leader does not note its epoch",
    file: `${BROKER}/replica/partition.ts`,
    find: "if (this.#log.latestEpoch < state.leaderEpoch) this.#log.beginEpoch(state.leaderEpoch);",
    replace: "if (this.#log.latestEpoch > state.leaderEpoch) this.#log.beginEpoch(state.leaderEpoch);",
    why: "a follower takes its records for those of the leader",
    tests: [`${BROKER_TESTS}/partition-roles.test.ts`, `${BROKER_TESTS}/replication.test.ts`],
  },
  {
    name: "the high watermark stays above a truncation",
    file: `${BROKER}/replica/partition.ts`,
    find: "this.#log.highWatermark = this.#replica.follow(Math.max(startOffset, highWatermark), endOffset);",
    replace: "this.#log.highWatermark = this.#replica.follow(Math.max(startOffset, highWatermark), highWatermark);",
    why: "a follower tells readers of records that are gone",
    tests: [`${BROKER_TESTS}/replication.test.ts`, `${BROKER_TESTS}/partition-roles.test.ts`],
  },
  {
    name: "acks=all looks at the ISR only before it appends",
    file: `${REPLICA}/replica.ts`,
    find: "const inSyncError = leader.isMaximalBelowMinimum ? Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND.code : 0;",
    replace: "const inSyncError = 0;",
    why: "a producer takes records for replicated that too few replicas have",
    tests: ["packages/kernel/replica/test"],
  },
  {
    name: "a fetch of an earlier leader epoch is answered",
    file: `${REPLICA}/replica.ts`,
    find: "if (currentLeaderEpoch === NO_EPOCH || currentLeaderEpoch === this.#epoch) return 0;",
    replace: "if (currentLeaderEpoch <= this.#epoch) return 0;",
    why: "a follower that missed an election takes records of another leader (KIP-320)",
    tests: ["packages/kernel/replica/test"],
  },
  {
    name: "producers stay as they were before a truncation",
    file: "packages/runtime/storage/src/log.ts",
    find: "reloadProducers(this.state, this.highWatermark, { path: this.path, env: this.home.env });\n    });",
    replace: "});",
    why: "records of an idempotent producer are refused, or taken twice",
    tests: ["packages/runtime/storage/test"],
  },
  {
    name: "a snapshot of producers survives a truncation below it",
    file: `${LOG}/state.ts`,
    find: "this.dropSnapshots(snapshot => snapshot > offset, out);",
    replace: "this.dropSnapshots(() => false, out);",
    why: "after a restart, sequences of records that were removed count",
    tests: ["packages/kernel/log/test", "packages/runtime/storage/test"],
  },
  {
    name: "a stale leader position is kept for the next epoch",
    file: `${REPLICA}/replica.ts`,
    find: "    this.#leader = undefined;\n    this.#fault = errorCode;",
    replace: "    this.#fault = errorCode;",
    why: "a leader that leads again counts what followers had before they truncated",
    tests: ["packages/kernel/replica/test"],
  },
  {
    name: "a marker of a deposed coordinator is written",
    file: `${LOG}/producers.ts`,
    find: "return entry.coordinatorEpoch > marker.coordinatorEpoch\n      ? PRODUCER_ERROR.TRANSACTION_COORDINATOR_FENCED\n      : PRODUCER_ERROR.NONE;",
    replace: "return PRODUCER_ERROR.NONE;",
    why: "a coordinator of an earlier epoch ends a transaction otherwise than its successor",
    tests: ["packages/kernel/log/test", "packages/runtime/storage/test"],
  },
  {
    name: "a verification outlives its transaction",
    file: `${LOG}/producers.ts`,
    find: "if (!isNextBegun) this.verifications.delete(producerId);",
    replace: "",
    why: "a late record begins a transaction that nobody ends (KIP-890)",
    tests: ["packages/kernel/log/test", "packages/runtime/storage/test"],
  },
  {
    name: "a replica that is about to join does not count",
    file: `${REPLICA}/leader.ts`,
    find: "follower.isMaximal = follower.id === joining || this.#isr.includes(follower.id);",
    replace: "follower.isMaximal = follower.id !== joining && this.#isr.includes(follower.id);",
    why: "the controller elects a replica that lacks what was acknowledged after it was proposed",
    tests: ["packages/kernel/replica/test"],
  },
  {
    name: "one directory tells how a broker has stopped",
    file: "packages/runtime/storage/src/directories.ts",
    find: "this.anyOffline || rest.some(epoch => epoch !== first) ? -1 : first;",
    replace: "rest.length < 0 ? -1 : first;",
    why: "a broker counts as stopped in order although one of its disks was replaced",
    tests: ["packages/runtime/storage/test"],
  },
  // Routing and coordinators.
  {
    name: "keys move when partitions are added to a coordinator's topic",
    file: `${BROKER}/coordinator/shards.ts`,
    find: "if (topic?.id !== this.#topicId) {",
    replace: "{",
    why: "a group is served by two coordinators, each with half of its offsets",
    tests: [`${BROKER_TESTS}/coordinator-load.test.ts`, `${BROKER_TESTS}/coordinator-unload.test.ts`],
  },
  {
    name: "a session goes on with a topic of the same name",
    file: `${BROKER}/api/records/replica-fetch.ts`,
    find: "return isSame ? partition : Errors.INCONSISTENT_TOPIC_ID.code;",
    replace: "return partition;",
    why: "a follower of a deleted topic takes records of its successor",
    tests: [`${BROKER_TESTS}/follower-session.test.ts`, `${BROKER_TESTS}/replica-reads.test.ts`],
  },
  // Metadata of brokers.
  {
    name: "records of an open metadata transaction are published",
    file: `${METADATA}/delta.ts`,
    find: "if (next.transaction === undefined) return replayRecord(this.#edits, record);",
    replace: "return replayRecord(this.#edits, record);",
    why: "brokers act on half of a decision that a failover aborts",
    tests: ["packages/kernel/metadata/test"],
  },
  {
    name: "metadata that a snapshot lacks stay",
    file: `${BROKER}/metadata/loader.ts`,
    find: "this.#delta = new MetadataDelta(EMPTY_IMAGE);",
    replace: "this.#delta = new MetadataDelta(this.#image);",
    why: "a topic that was deleted while a broker was away lives on there",
    tests: [`${BROKER_TESTS}/metadata-log.test.ts`, `${BROKER_TESTS}/standby-controller.test.ts`],
  },
];
