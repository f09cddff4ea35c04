import { configSpecs } from "@samsa/base";
import { LONG_MAX } from "./topic-configs.ts";

/** Settings of replication (`ReplicationConfigs`). */
export const replicaConfigs = configSpecs({
  "alter.log.dirs.replication.quota.window.num": {
    type: "int",
    default: "11",
    min: 1,
    doc: "Windows over which the rate of copies between directories is measured.",
  },
  "alter.log.dirs.replication.quota.window.size.seconds": {
    type: "int",
    default: "1",
    min: 1,
    doc: "Length of each window, in seconds.",
  },
  "num.replica.fetchers": {
    type: "int",
    default: "1",
    min: 1,
    update: "cluster-wide",
    doc: "Fetches from each broker that are under way at a time; a change counts for partitions that change their leader.",
  },
  "replica.alter.log.dirs.io.max.bytes.per.second": {
    type: "long",
    update: "cluster-wide",
    default: LONG_MAX,
    min: 0,
    doc: "Bytes per second that moves of partitions between the directories of this broker may copy.",
  },
  "replica.fetch.backoff.ms": {
    type: "int",
    default: "1000",
    min: 0,
    doc: "Time after which a follower fetches a partition again after an error, or a throttled copy between directories goes on, in ms.",
  },
  "replica.fetch.max.bytes": {
    type: "int",
    default: "1048576",
    min: 0,
    doc: "Bytes of a partition that a follower fetches at once; a larger batch is fetched alone.",
  },
  "replica.fetch.min.bytes": {
    type: "int",
    default: "1",
    doc: "Bytes for which the leader lets a follower's fetch wait.",
  },
  "replica.fetch.response.max.bytes": {
    type: "int",
    default: "10485760",
    min: 0,
    doc: "Bytes that a follower fetches at once.",
  },
  "replica.fetch.wait.max.ms": {
    type: "int",
    default: "500",
    doc: "Longest time that the leader lets a follower's fetch wait, in ms.",
  },
  "replica.high.watermark.checkpoint.interval.ms": {
    type: "long",
    default: "5000",
    doc: "How often high watermarks that have moved are written to the disk, in ms.",
  },
  "replica.lag.time.max.ms": {
    type: "long",
    default: "30000",
    doc: "A follower that has not had the end of the leader's log for so long leaves the ISR, in ms.",
  },
  "replica.selector.class": {
    type: "string",
    default: null,
    oneOf: [
      "org.apache.kafka.common.replica.LeaderSelector",
      "org.apache.kafka.common.replica.RackAwareReplicaSelector",
    ],
    doc: "Class that tells consumers which replica to read from; default: the leader.",
  },
  "replica.socket.timeout.ms": {
    type: "int",
    default: "30000",
    doc: "Time for the answer to a follower's fetch, in ms.",
  },
  "replication.quota.window.num": {
    type: "int",
    default: "11",
    min: 1,
    doc: "Windows over which the rates of throttled replicas are measured.",
  },
  "replication.quota.window.size.seconds": {
    type: "int",
    default: "1",
    min: 1,
    doc: "Length of each window, in seconds.",
  },
});
