import { configSpecs } from "@samsa/base";

/** Settings of share groups and of their coordinator (`ShareGroupConfig`, `ShareCoordinatorConfig`). */
export const shareConfigs = configSpecs({
  "group.share.delivery.count.limit": {
    type: "int",
    default: "5",
    min: 2,
    max: 10,
    doc: "How often a record is delivered to a share group at most.",
  },
  "group.share.max.share.sessions": {
    type: "int",
    default: "2000",
    min: 1,
    doc: "Most sessions of members of share groups.",
  },
  "group.share.partition.max.record.locks": {
    type: "int",
    default: "2000",
    min: 100,
    max: 10000,
    doc: "Most records of a partition that a share group holds at once.",
  },
  "group.share.record.lock.duration.ms": {
    type: "int",
    default: "30000",
    min: 1000,
    max: 3600000,
    doc: "How long a member of a share group holds a record, in ms.",
  },
  "share.coordinator.snapshot.update.records.per.snapshot": {
    type: "int",
    default: "500",
    min: 0,
    max: 500,
    doc: "Updates of a share group's state in a partition between two snapshots of it.",
  },
  "share.coordinator.state.topic.min.isr": {
    type: "short",
    default: "1",
    min: 1,
    doc: "min.insync.replicas of __share_group_state.",
  },
  "share.coordinator.state.topic.num.partitions": {
    type: "int",
    default: "50",
    min: 1,
    doc: "Partitions of __share_group_state.",
  },
  "share.coordinator.state.topic.replication.factor": {
    type: "short",
    default: "1",
    min: 1,
    doc: "Replicas of __share_group_state.",
  },
  "share.coordinator.state.topic.segment.bytes": {
    type: "int",
    default: "104857600",
    min: 1,
    doc: "Segment size of __share_group_state.",
  },
  "group.share.heartbeat.interval.ms": {
    type: "int",
    default: "5000",
    min: 1,
    doc: "How often members of a share group send heartbeats, in ms.",
  },
  "group.share.max.size": {
    type: "int",
    default: "200",
    min: 1,
    max: 1000,
    doc: "Most members in a share group.",
  },
  "group.share.session.timeout.ms": {
    type: "int",
    default: "45000",
    min: 1,
    doc: "After how long without a heartbeat a member of a share group is out, in ms.",
  },
});
