import { configSpecs } from "@samsa/base";

/** Checks entries of `controller.quorum.voters`. */
const VOTERS = (voters: readonly string[]): string | undefined =>
  voters.every(voter => /^-?\d+@\[?[0-9a-zA-Z\-%._:]+\]?:\d+$/.test(voter))
    ? undefined
    : "Each entry should be in the form `{id}@{host}:{port}`.";

const ADDRESSES = (servers: readonly string[]): string | undefined =>
  servers.every(server => /^(?:.*:\/\/)?\[?[0-9a-zA-Z\-%._:]+\]?:\d+$/.test(server))
    ? undefined
    : 'Each entry should be in the form "{host}:{port}"';

/** Settings of the quorum of controllers, and of brokers towards it (`QuorumConfig`, `KRaftConfigs`). */
export const quorumConfigs = configSpecs({
  "alter.config.policy.class.name": {
    type: "class",
    default: null,
    doc: "Module whose class judges changes of settings, for a controller; see operations/policies.md.",
  },
  "auto.leader.rebalance.enable": {
    type: "boolean",
    default: "true",
    doc: "Lets the controller elect the preferred leaders of partitions at an interval.",
  },
  "broker.heartbeat.interval.ms": {
    type: "int",
    default: "2000",
    doc: "Interval of a broker's heartbeats to the controller, in ms.",
  },
  "broker.session.timeout.ms": {
    type: "int",
    default: "9000",
    doc: "Time without heartbeats after which the controller fences a broker, in ms.",
  },
  "controlled.shutdown.enable": {
    type: "boolean",
    default: "true",
    doc: "Moves the leaders to other brokers before this broker stops.",
  },
  "controller.listener.names": {
    type: "list",
    default: "CONTROLLER",
    nonEmpty: true,
    doc: "Names of the listeners of controllers; a node with both roles and without such a listener is a cluster of its own.",
  },
  "controller.performance.always.log.threshold.ms": {
    type: "long",
    default: "2000",
    min: 0,
    doc: "Time from a request to its commit from which the controller logs it as an error, in ms.",
  },
  "controller.performance.sample.period.ms": {
    type: "long",
    default: "60000",
    min: 100,
    doc: "Interval at which the controller logs the number, the average and the slowest of its decisions (debug), in ms.",
  },
  "controller.quorum.auto.join.enable": {
    type: "boolean",
    default: "false",
    doc: "Lets a controller that is no voter take part in the votes once it follows the metadata log.",
  },
  "controller.quorum.bootstrap.servers": {
    type: "list",
    default: "",
    check: ADDRESSES,
    doc: "Controllers as host:port, to find the quorum with.",
  },
  "controller.quorum.election.backoff.max.ms": {
    type: "int",
    default: "1000",
    min: 0,
    doc: "Longest wait before a voter that should succeed a leader asks for votes, in ms.",
  },
  "controller.quorum.election.timeout.ms": {
    type: "int",
    default: "1000",
    min: 0,
    doc: "Least time that a voter waits for a leader or for votes before it asks for votes, in ms.",
  },
  "controller.quorum.fetch.max.bytes": {
    type: "int",
    default: "1048576",
    min: 1,
    doc: "Most bytes of the metadata log in a reply to a replica, besides a first batch that is larger.",
  },
  "controller.quorum.fetch.snapshot.max.bytes": {
    type: "int",
    default: "1048576",
    min: 1,
    doc: "Most bytes of a snapshot of the metadata in a reply to a replica.",
  },
  "controller.quorum.fetch.timeout.ms": {
    type: "int",
    default: "2000",
    min: 0,
    doc: "Time without a successful fetch after which a voter asks for votes, and a leader resigns, in ms.",
  },
  "controller.quorum.request.timeout.ms": {
    type: "int",
    default: "2000",
    min: 0,
    doc: "Longest wait for the reply of another controller, in ms.",
  },
  "controller.quorum.retry.backoff.ms": {
    type: "int",
    default: "20",
    min: 0,
    doc: "Pause after a failed request to another controller, in ms.",
  },
  "controller.quorum.voters": {
    type: "list",
    default: "",
    check: VOTERS,
    doc: "Voters as id@host:port, for a quorum whose voters do not change at run time.",
  },
  "controller.socket.timeout.ms": {
    type: "int",
    default: "30000",
    doc: "Longest wait for the reply of the controller to a broker, in ms.",
  },
  "create.topic.policy.class.name": {
    type: "class",
    default: null,
    doc: "Module whose class judges new topics, for a controller; see operations/policies.md.",
  },
  "initial.broker.registration.timeout.ms": {
    type: "int",
    default: "60000",
    doc: "Time within which a starting broker must register with the controller, in ms.",
  },
  "internal.metadata.delete.delay.millis": {
    type: "long",
    default: "60000",
    internal: true,
    doc: "Time after which a trimmed segment of the metadata log is deleted, in ms.",
  },
  "internal.metadata.log.segment.bytes": {
    type: "int",
    default: null,
    internal: true,
    doc: "metadata.log.segment.bytes without its lower bound, for tests.",
  },
  "internal.metadata.max.batch.size.in.bytes": {
    type: "int",
    default: "8388608",
    internal: true,
    doc: "Largest batch that the controller writes, for tests; a larger decision is a metadata transaction.",
  },
  "leader.imbalance.check.interval.seconds": {
    type: "long",
    default: "300",
    min: 1,
    doc: "Interval at which preferred leaders are elected, in seconds.",
  },
  "metadata.max.idle.interval.ms": {
    type: "int",
    default: "500",
    min: 0,
    doc: "Time without a metadata record after which the active controller of several nodes writes an empty one, in ms; 0: never.",
  },
  "process.roles": {
    type: "list",
    default: "broker,controller",
    oneOf: ["broker", "controller"],
    nonEmpty: true,
    doc: "Roles of this node.",
  },
  "unclean.leader.election.interval.ms": {
    type: "long",
    default: "300000",
    min: 1,
    doc: "Interval at which leaders are elected for partitions without one, where the topic allows any replica, in ms.",
  },
});
