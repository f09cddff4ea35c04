import type { Mutant } from "./mutant.ts";

const PRODUCE = "packages/kernel/client/src/produce";
const PRODUCER = "packages/runtime/client/src/producer";

/** Mistakes of our producers, and of what all our clients share, that programs on a cluster show. */
export const CLIENT_SENDING_MUTANTS: readonly Mutant[] = (
  [
    {
      name: "a repeated batch gets new sequence numbers",
      file: `${PRODUCE}/sender.ts`,
      find: "if (transactions !== undefined && !batch.hasSequence) {",
      replace: "if (transactions !== undefined) {",
      why: "a record whose answer was lost is written twice",
    },
    {
      name: "an epoch that must be new is the old one",
      file: `${PRODUCE}/transaction-manager.ts`,
      find: "this.producer = { producerId, producerEpoch: producerEpoch + 1 };",
      replace: "this.producer = { producerId, producerEpoch };",
      why: "the broker takes new records for repetitions of old ones, and drops them",
    },
    {
      name: "a batch without an answer counts as written",
      file: `${PRODUCE}/sender.ts`,
      find: "    const code = codeOf(error);\n",
      replace: '    const code = error.name === "DISCONNECTED" ? 0 : codeOf(error);\n',
      why: "records are acknowledged that no broker has",
    },
    {
      name: "each record of a batch has the offset of the first",
      file: `${PRODUCER}/tickets.ts`,
      find: "const offset = baseOffset < 0 ? -1 : baseOffset + record;",
      replace: "const offset = baseOffset < 0 ? -1 : baseOffset;",
      why: "a program that keeps offsets finds other records there",
    },
    {
      name: "a batch of sends has offsets that are one too high",
      file: `${PRODUCER}/tickets.ts`,
      find: "baseOffset < 0 ? -1 : baseOffset + first + i;",
      replace: "baseOffset < 0 ? -1 : baseOffset + first + i + 1;",
      why: "a program that keeps offsets finds other records there",
    },
    {
      name: "sends overtake those that wait for memory",
      file: `${PRODUCER}/blocked-sends.ts`,
      find: "return this.#topics.has(topic);",
      replace: 'return this.#topics.has(topic) && topic === "";',
      why: "records change their order under load",
    },
    {
      name: "a send that has waited is tried once more",
      file: `${PRODUCER}/blocked-sends.ts`,
      find: "          blocked.resolve();\n",
      replace: "          if (this.#size > 1) blocked.resolve();\n",
      why: "a record is sent twice",
    },
    {
      name: "a commit does not wait for its records",
      file: `${PRODUCE}/transaction-manager.ts`,
      find: '(request.api === "EndTxn" && hasIncompleteBatches) || request.notBefore',
      replace: "request.notBefore",
      why: "records of a transaction come after its end",
    },
    {
      name: "a commit does not wait for sends that wait for memory",
      file: `${PRODUCER}/producer.ts`,
      find: '    await this.#untilPassed("commitTransaction", patience);\n',
      replace: "",
      why: "a transaction is committed without its last records",
    },
    {
      name: "the epoch that ends a transaction is passed over",
      file: `${PRODUCE}/transaction-manager.ts`,
      find: "if (producerId >= 0n) this.producer = { producerId, producerEpoch };",
      replace: "",
      why: "the second transaction of each producer is fenced",
    },
    {
      name: "partitions of a transaction need not be added",
      file: `${PRODUCE}/transaction-manager.ts`,
      find: "    member.isJoined = this.#isV2;\n",
      replace: "    member.isJoined = true;\n",
      why: "with transaction version 1, a commit leaves partitions out",
    },
    {
      name: "offsets that a coordinator refuses are part of the transaction",
      file: `${PRODUCE}/transaction-manager.ts`,
      find: "        if (errorCode === 0) {\n          request.offsets",
      replace: "        if (errorCode >= 0) {\n          request.offsets",
      why: "a record is copied twice",
    },
    {
      name: "a transaction that fails is left open",
      file: `${PRODUCER}/producer.ts`,
      find: "throw (await this.#abortAfter(error)) ?? error;",
      replace: "throw error;",
      why: "the next transaction cannot begin",
    },
  ] satisfies readonly Mutant[]
).map(mutant => ({ ...mutant, scenario: "client" }));
