import type { Mutant } from "./mutant.ts";

const REPLICA = "packages/kernel/replica/src";
const LOG = "packages/kernel/log/src";
const COORDINATOR = "packages/kernel/coordinator/src";
const BROKER = "packages/runtime/broker/src";

/** Mistakes of replicas, and of coordinators on several brokers, that only a cluster shows. */
export const REPLICATION_MUTANTS: readonly Mutant[] = (
  [
    // The leader.
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
      name: "a refused change of the ISR stays open",
      file: `${REPLICA}/leader.ts`,
      find: "    this.#pending = undefined;\n    this.#countMaximal();\n    // The controller does not",
      replace: "    this.#countMaximal();\n    // The controller does not",
      why: "the ISR of a partition does not change any more",
    },
    {
      name: "an accepted change of the ISR is not taken",
      file: `${REPLICA}/leader.ts`,
      find: "      this.#state = { ...this.#state, partitionEpoch, isr };\n      this.#isr = isr;",
      replace: "      this.#state = { ...this.#state, partitionEpoch, isr };",
      why: "a replica that the controller may elect does not count for acknowledgements",
    },
    // The follower.
    {
      name: "a follower truncates to its high watermark",
      file: `${BROKER}/replica/partition.ts`,
      find: "    this.#refuse(this.#replica.becomeFollower(leaderEpoch));",
      replace: "    this.#refuse(this.#replica.becomeFollower(leaderEpoch));\n    this.truncateTo(this.highWatermark);",
      why: "acknowledged records are lost if it is elected before it has fetched them again (KIP-101)",
    },
    {
      name: "a follower keeps records that its leader lacks",
      file: `${REPLICA}/follower.ts`,
      find: 'return { type: "TRUNCATE", offset: Math.min(common, log.endOffset) };',
      replace: 'return { type: "TRUNCATE", offset: log.endOffset };',
      why: "the logs of replicas differ for good",
    },
    {
      name: "a follower ignores the start of its leader's log",
      file: `${BROKER}/replica/partition.ts`,
      find: "if (leaderStart > this.#log.startOffset) {",
      replace: "if (leaderStart > this.#log.endOffset) {",
      why: "deleted records come back with the next leader, and a deletion never ends",
    },
    {
      name: "a truncation keeps the epochs of what it removes",
      file: `${LOG}/state.ts`,
      find: "    this.epochs.truncateFromEnd(offset);",
      replace: "    if (offset < 0) this.epochs.truncateFromEnd(offset);",
      why: "the next comparison with a leader goes wrong",
    },
    {
      name: "a consumer reads from a follower to the end of its log",
      file: `${BROKER}/replica/partition.ts`,
      find: "return committedOnly ? this.#log.stableOffset : this.#log.highWatermark;",
      replace: "return committedOnly ? this.#log.stableOffset : this.#log.endOffset;",
      why: "a consumer sees records that an election removes",
    },
    {
      name: "the log of a deleted topic serves the next one of its name",
      file: "packages/runtime/storage/src/directory.ts",
      find: "const topicId = bytes === undefined ? undefined : readTopicId(bytes);",
      replace: "const topicId = bytes === undefined ? undefined : undefined;",
      why: "a broker that was down during the deletion brings old records back",
    },
    // Coordinators.
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
    {
      name: "a marker that did not arrive counts as written",
      file: `${BROKER}/coordinator/remote-transactions.ts`,
      find: `errors.set(\`\${name}-\${partitionIndex}\`, errorCode);
      }
    }
    return (topic, index) => errors.get(\`\${topic}-\${index}\`) ?? Errors.UNKNOWN_SERVER_ERROR.code;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return () => Errors.NETWORK_EXCEPTION.code;`,
      replace: `errors.set(\`\${name}-\${partitionIndex}\`, errorCode);
      }
    }
    return (topic, index) => errors.get(\`\${topic}-\${index}\`) ?? Errors.UNKNOWN_SERVER_ERROR.code;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return () => 0;`,
      why: "a partition stays in an open transaction when its leader was not reached",
    },
    {
      name: "a new coordinator does not finish transactions",
      file: `${COORDINATOR}/txn/transaction-shard.ts`,
      find: "if (isPreparing(image)) this.#finish(txn);",
      replace: "if (isPreparing(image) && !this.#live) this.#finish(txn);",
      why: "a transaction whose coordinator has failed stays open",
    },
    {
      name: "a coordinator loads committed records only",
      file: `${BROKER}/coordinator/shard-runner.ts`,
      find: "    this.#loadEnd = partition.endOffset;",
      replace: "    this.#loadEnd = partition.highWatermark;",
      why: "what was committed under the coordinator before is forgotten",
    },
    {
      name: "a deposed coordinator keeps its state for its next election",
      file: `${BROKER}/coordinator/shards.ts`,
      find: "else this.resign(index, partition.isOffline ? undefined : partition.leaderEpoch);",
      replace: "else if (partition.isOffline) this.resign(index);",
      why: "offsets that others have committed meanwhile are forgotten",
    },
    {
      name: "a coordinator answers before all replicas in sync have its records",
      file: `${BROKER}/coordinator/shard-runner.ts`,
      find: "const acknowledgement = { acks: this.#acks, done: acknowledged };",
      replace: 'const acknowledgement = { acks: "LEADER" as const, done: acknowledged };',
      why: "a committed offset is lost with its coordinator",
    },
  ] satisfies readonly Mutant[]
).map(mutant => ({ ...mutant, scenario: "cluster" }));
