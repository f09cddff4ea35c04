import { configSpecs } from "@samsa/base";

const POLICIES: readonly string[] = ["bidirectional", "upgrade", "downgrade", "disabled"];
const INT_MAX = "2147483647";

/** Settings of consumer groups (`GroupCoordinatorConfig`). */
export const consumerGroupConfigs = configSpecs({
  "group.consumer.assignment.interval.ms": {
    type: "int",
    update: "cluster-wide",
    default: "1000",
    min: 0,
    doc: "Least time between two assignments of a consumer group, in ms.",
  },
  "group.consumer.assignors": {
    type: "list",
    default: "uniform,range",
    oneOf: ["uniform", "range"],
    check: names => (names.length === 0 ? "one assignor at least must be named" : undefined),
    doc: "Assignors of consumer groups; members may name one, otherwise the first is used.",
  },
  "group.consumer.heartbeat.interval.ms": {
    type: "int",
    default: "5000",
    min: 1,
    doc: "How often members of consumer groups are told to send heartbeats, in ms.",
  },
  "group.consumer.max.assignment.interval.ms": {
    type: "int",
    default: "15000",
    min: 0,
    doc: "The longest assignment interval that a group may have, in ms.",
  },
  "group.consumer.max.heartbeat.interval.ms": {
    type: "int",
    default: "15000",
    min: 1,
    doc: "The longest heartbeat interval that a group may have, in ms.",
  },
  "group.consumer.max.session.timeout.ms": {
    type: "int",
    default: "60000",
    min: 1,
    doc: "The longest session timeout that a group may have, in ms.",
  },
  "group.consumer.max.size": { type: "int", default: INT_MAX, min: 1, doc: "Most members in a consumer group." },
  "group.consumer.migration.policy": {
    type: "string",
    default: "bidirectional",
    check: policy =>
      POLICIES.includes(policy.toLowerCase()) ? undefined : `it must be one of ${POLICIES.join(", ")}, in any case`,
    doc: "Allowed changes of a group's protocol while it has members: bidirectional, upgrade, downgrade or disabled.",
  },
  "group.consumer.min.assignment.interval.ms": {
    type: "int",
    default: "0",
    min: 0,
    doc: "The shortest assignment interval that a group may have, in ms.",
  },
  "group.consumer.min.heartbeat.interval.ms": {
    type: "int",
    default: "5000",
    min: 1,
    doc: "The shortest heartbeat interval that a group may have, in ms.",
  },
  "group.consumer.min.session.timeout.ms": {
    type: "int",
    default: "45000",
    min: 1,
    doc: "The shortest session timeout that a group may have, in ms.",
  },
  "group.consumer.regex.refresh.interval.ms": {
    type: "int",
    default: "600000",
    min: 10_000,
    internal: true,
    doc: "Interval at which patterns of topics are matched again while no topic is created, in ms.",
  },
  "group.consumer.session.timeout.ms": {
    type: "int",
    default: "45000",
    min: 1,
    doc: "Time without a heartbeat after which a member of a consumer group is removed, in ms.",
  },
  "group.coordinator.rebalance.protocols": {
    type: "list",
    default: "classic,consumer",
    nonEmpty: true,
    oneOf: ["classic", "consumer", "share", "streams"],
    doc: "Group protocols that are served, within the features of the cluster.",
  },
});
