import type { Mutant } from "./mutant.ts";

const QUORUM = "packages/kernel/quorum/src/raft";
const REPLICA = "packages/kernel/replica/src";
const CONTROLLER = "packages/kernel/controller/src";
const RAFT = "packages/runtime/raft/src";
const BROKER = "packages/runtime/broker/src";

/** Mistakes that only a cluster shows. */
export const CLUSTER_MUTANTS: readonly Mutant[] = (
  [
    {
      name: "a vote is not durable",
      file: `${RAFT}/raft-storage.ts`,
      find: "utf8(text), true);",
      replace: "utf8(text), false);",
      why: "a voter votes twice in an epoch, and two controllers lead",
    },
    {
      name: "a voter takes any candidate's log for up to date",
      file: `${QUORUM}/raft-node.ts`,
      find: "(end.epoch === own.epoch && end.offset >= own.offset);",
      replace: "end.epoch <= own.epoch;",
      why: "a controller without committed metadata leads",
    },
    {
      name: "one voter commits metadata",
      file: `${QUORUM}/leadership.ts`,
      find: "[majorityOf(this.#voters) - 1] ?? -1;",
      replace: "[0] ?? -1;",
      why: "metadata that were committed vanish with their controller",
    },
    {
      name: "the controller answers before its records are committed",
      file: `${BROKER}/controller/quorum-controller.ts`,
      find: "      if (isCommitted) resolve(reply);\n",
      replace: "      resolve(reply);\n",
      why: "a topic whose creation was confirmed is lost in a failover",
    },
    {
      name: "the slowest replica in sync does not count",
      file: `${REPLICA}/leader.ts`,
      find: "if (isMaximal || (this.#isCaughtUp(follower, now) && this.#isEligible(follower))) next = end;",
      replace: "if (isMaximal && end === Infinity) next = end;",
      why: "acknowledged records are lost with their leader",
    },
    {
      name: "too few replicas in sync commit records",
      file: `${REPLICA}/leader.ts`,
      find: "    if (this.isBelowMinimum) return;\n    let next",
      replace: "    let next",
      why: "records that one replica has are committed",
    },
    {
      name: "a replica joins the ISR before it has all that is committed",
      file: `${REPLICA}/leader.ts`,
      find: " || end < this.highWatermark || end < this.#epochStart) return;",
      replace: ") return;",
      why: "a leader is elected that lacks committed records",
    },
    {
      name: "a follower keeps records that its leader lacks",
      file: `${REPLICA}/follower.ts`,
      find: 'return { type: "TRUNCATE", offset: Math.min(common, log.endOffset) };',
      replace: 'return { type: "TRUNCATE", offset: log.endOffset };',
      why: "the logs of replicas differ for good",
    },
    {
      name: "a crash counts as a clean shutdown",
      file: `${CONTROLLER}/nodes.ts`,
      find: "const clean = existing !== undefined && previousBrokerEpoch === existing.brokerEpoch;",
      replace: "const clean = existing !== undefined && previousBrokerEpoch !== 0;",
      why: "a broker that has lost records is elected",
    },
    {
      name: "a block of producer ids is given twice",
      file: `${CONTROLLER}/nodes.ts`,
      find: "const nextProducerId = producerIdStart + BigInt(PRODUCER_ID_BLOCK);",
      replace: "const nextProducerId = producerIdStart;",
      why: "two producers have the same id",
    },
    {
      name: "a controller that leads no more keeps its decisions",
      file: `${BROKER}/controller-role.ts`,
      find: "if (leaderId !== nodeId) return this.#controller.renounce();",
      replace: "if (leaderId !== nodeId) return;",
      why: "two controllers decide, and requests to the old one are never answered",
    },
    {
      name: "batches wait for another broker in memory that is in use",
      file: `${BROKER}/api/records/produce-transaction.ts`,
      find: "const data = copied(topicData);",
      replace: "const data = topicData;",
      why: "a transaction's records are refused, or are those of another request",
    },
    {
      name: "a marker is sent to other brokers once",
      file: `${BROKER}/coordinator/remote-transactions.ts`,
      find: "errors.set(`${name}-${partitionIndex}`, errorCode);",
      replace: "errors.set(`${name}-${partitionIndex}`, 0);",
      why: "a partition stays in an open transaction",
    },
  ] satisfies readonly Mutant[]
).map(mutant => ({ ...mutant, isCluster: true }));
