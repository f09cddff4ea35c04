import { configSpecs } from "@samsa/base";

/** Settings of transactions and of their coordinator (`TransactionLogConfig`, `TransactionStateManagerConfig`). */
export const transactionConfigs = configSpecs({
  "add.partitions.to.txn.retry.backoff.max.ms": {
    type: "int",
    default: "100",
    min: 0,
    doc: "How long a produce request waits, in ms, for the transaction before to be complete.",
  },
  "add.partitions.to.txn.retry.backoff.ms": {
    type: "int",
    default: "20",
    min: 1,
    doc: "How often it looks meanwhile, in ms.",
  },
  "transaction.abort.timed.out.transaction.cleanup.interval.ms": {
    type: "int",
    default: "10000",
    min: 1,
    doc: "How often transactions that have lasted too long are looked for, in ms.",
  },
  "transaction.max.timeout.ms": {
    type: "int",
    default: "900000",
    min: 1,
    doc: "Longest timeout that a transactional producer may ask for, in ms.",
  },
  "transaction.partition.verification.enable": {
    type: "boolean",
    update: "cluster-wide",
    default: "true",
    doc: "Whether the coordinator is asked before the first records of a transaction are taken.",
  },
  "transaction.remove.expired.transaction.cleanup.interval.ms": {
    type: "int",
    default: "3600000",
    min: 1,
    doc: "How often transactional ids that are not used any more are looked for, in ms.",
  },
  "transaction.state.log.min.isr": {
    type: "int",
    default: "1",
    min: 1,
    doc: "min.insync.replicas of __transaction_state.",
  },
  "transaction.state.log.num.partitions": {
    type: "int",
    default: "50",
    min: 1,
    doc: "Partitions of __transaction_state.",
  },
  "transaction.state.log.replication.factor": {
    type: "short",
    default: "1",
    min: 1,
    doc: "Replicas of __transaction_state.",
  },
  "transaction.state.log.segment.bytes": {
    type: "int",
    default: "104857600",
    min: 1,
    doc: "Segment size of __transaction_state.",
  },
  "transactional.id.expiration.ms": {
    type: "int",
    default: "604800000",
    min: 1,
    doc: "How long a transactional id that is not used is remembered, in ms.",
  },
});
