import type { Mutant } from "./mutant.ts";

const QUORUM = "packages/kernel/quorum/src/raft";
const CONTROLLER = "packages/kernel/controller/src";
const RAFT = "packages/runtime/raft/src";
const BROKER = "packages/runtime/broker/src";
const METADATA = "packages/kernel/metadata/src";

/** Mistakes of the quorum, of controllers, and in the lives of brokers that only a cluster shows. */
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
      find: "if (isCommitted) resolve(reply);",
      replace: "resolve(reply, isCommitted);",
      why: "a topic whose creation was confirmed is lost in a failover",
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
      name: "a producer id is taken from a snapshot again",
      file: `${METADATA}/parts/producer-ids.ts`,
      find: "if (nextProducerId > 0n) put(",
      replace: "if (nextProducerId < 0n) put(",
      why: "after a restart, ids of producers are given twice",
    },
    {
      name: "an election keeps the leader epoch",
      file: `${METADATA}/parts/topics.ts`,
      find: "leaderEpoch: led ? old.leaderEpoch + 1 : old.leaderEpoch,",
      replace: "leaderEpoch: led && change.leader < 0 ? old.leaderEpoch + 1 : old.leaderEpoch,",
      why: "two brokers lead a partition in one epoch",
    },
    {
      name: "the controller elects a replica that is not in sync",
      file: `${CONTROLLER}/partition-change.ts`,
      find: "return (isr.includes(id) || (isr.length",
      replace: "return (isr.length > 0 || (isr.length",
      why: "acknowledged records are lost in an election",
    },
    {
      name: "leaders are elected unclean where topics forbid it",
      file: `${CONTROLLER}/periodic.ts`,
      find: '      if (electionOf(context, topic) !== "unclean") return undefined;\n',
      replace: "",
      why: "acknowledged records are lost in an election",
    },
    {
      name: "a move ends before the new replicas are in sync",
      file: `${CONTROLLER}/partition-change.ts`,
      find: `  if (removing.length > 0 && (isr.length === 0 || replicas.length === 0)) return;
  if (!includesAll(isr, adding)) return;
`,
      replace: "",
      why: "a partition is left to replicas that lack its records",
    },
    {
      name: "a move keeps the replicas that it removes",
      file: `${CONTROLLER}/partition-change.ts`,
      find: "Object.assign(draft, { isr, replicas, adding: [], removing: [] });",
      replace: "Object.assign(draft, { isr, adding: [], removing: [] });",
      why: "a partition stays on brokers that shall be emptied",
    },
    {
      name: "a fenced broker keeps its partitions",
      file: `${CONTROLLER}/heartbeat.ts`,
      find: "return [...withoutBroker(context, broker.brokerId), registrationChange(context, broker, { fenced: 1 })];",
      replace: "return [registrationChange(context, broker, { fenced: 1 })];",
      why: "partitions are led by a broker that is gone, and it counts as in sync",
    },
    {
      name: "a broker that returns gets no leaders",
      file: `${CONTROLLER}/heartbeat.ts`,
      find: "return [registrationChange(context, broker, { fenced: -1 }), ...returnedBroker(context, brokerId)];",
      replace: "return [registrationChange(context, broker, { fenced: -1 })];",
      why: "a partition whose replicas were all gone stays without a leader",
    },
    {
      name: "a controller publishes records that are lost",
      file: `${RAFT}/record-feed.ts`,
      find: "    while (this.#kept.length > this.#first) {",
      replace: "    while (this.#kept.length > this.#first && offset < 0) {",
      why: "brokers act on metadata that the quorum does not have",
    },
    {
      name: "a snapshot lacks the voters",
      file: `${RAFT}/raft-client.ts`,
      find: "voters: kraftVersion >= 1 ? voters : undefined,",
      replace: "voters: kraftVersion >= 1 ? voters.slice(0, 1) : undefined,",
      why: "after a restart, one controller decides alone",
    },
    {
      name: "an answer of the controller goes to another request",
      file: `${BROKER}/controller/envelope.ts`,
      find: "if (head.correlationId !== correlationId) {",
      replace: "if (head.correlationId === correlationId) {",
      why: "clients get no answers to what brokers forward",
    },
    {
      name: "a setting is committed without its value",
      file: `${METADATA}/parts/configs.ts`,
      find: "      else values.set(name, value);",
      replace: "      else if (!values.has(name)) values.set(name, value);",
      why: "a changed setting keeps its old value",
    },
  ] satisfies readonly Mutant[]
).map(mutant => ({ ...mutant, scenario: "cluster" }));
