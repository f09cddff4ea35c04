import { configSpecs } from "@samsa/base";

/** Settings of transactions and of their coordinator (`TransactionLogConfig`, `TransactionStateManagerConfig`). */
export const transactionConfigs = configSpecs({
  "add.partitions.to.txn.retry.backoff.max.ms": {
    type: "int",
    default: "100",
    min: 0,
    doc: "Longest time that a produce request waits for the previous transaction to complete, in ms.",
  },
  "add.partitions.to.txn.retry.backoff.ms": {
    type: "int",
    default: "20",
    min: 1,
    doc: "Interval at which a produce request checks the previous transaction, in ms.",
  },
  "request.timeout.ms": {
    type: "int",
    default: "30000",
    doc: "Time within which tombstones of expired transactional ids must be committed, in ms.",
  },
  "transaction.abort.timed.out.transaction.cleanup.interval.ms": {
    type: "int",
    default: "10000",
    min: 1,
    doc: "Interval at which transactions beyond their timeout are aborted, in ms.",
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
    doc: "Verifies with the coordinator that a partition is part of the transaction before its first records are appended.",
  },
  "transaction.remove.expired.transaction.cleanup.interval.ms": {
    type: "int",
    default: "3600000",
    min: 1,
    doc: "Interval at which expired transactional ids are removed, in ms.",
  },
  "transaction.state.log.load.buffer.size": {
    type: "int",
    default: "5242880",
    min: 1,
    doc: "Most bytes of __transaction_state that are loaded at once; a larger batch is loaded whole.",
  },
  "transaction.state.log.min.isr": {
    type: "int",
    default: "2",
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
    default: "3",
    min: 1,
    doc: "Replicas of __transaction_state.",
  },
  "transaction.state.log.segment.bytes": {
    type: "int",
    default: "104857600",
    min: 1,
    doc: "Segment size of __transaction_state.",
  },
  "transaction.two.phase.commit.enable": {
    type: "boolean",
    default: "false",
    doc: "Lets producers have transactions without a timeout, which another system ends (KIP-939); see unstable.api.versions.enable.",
  },
  "transactional.id.expiration.ms": {
    type: "int",
    default: "604800000",
    min: 1,
    doc: "Time that an unused transactional id is kept, in ms.",
  },
});
