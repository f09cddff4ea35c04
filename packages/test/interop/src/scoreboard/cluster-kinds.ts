/** Kinds of clusters, each of which has three brokers and goes through the same trials. */
import type { ClusterPlan } from "../cluster/mixed-cluster.ts";
import type { NodePlan, Vendor } from "../cluster/mixed-node.ts";
import type { Members } from "./cluster-tools.ts";

/** Kind of a cluster. Its members name the nodes that tools must show. */
export interface Kind extends Members {
  /** Empty for Samsa alone. */
  readonly name: string;
  readonly plan: ClusterPlan;
}

const SETTINGS = [
  "offsets.topic.replication.factor=3",
  "transaction.state.log.replication.factor=3",
  "transaction.state.log.min.isr=2",
  "min.insync.replicas=2",
  // The tools read snapshots, too.
  "metadata.log.max.record.bytes.between.snapshots=4000",
];

const all = (
  ids: readonly number[],
  vendor: Vendor,
  roles: NodePlan["roles"],
  more: Partial<NodePlan> = {},
): NodePlan[] => ids.map(id => ({ id, vendor, roles, ...more }));

const BOTH = "broker,controller";
const VOTER = { isVoter: true } as const;

/** Three nodes of Samsa. */
export const SAMSA_ALONE: Kind = {
  name: "",
  brokers: [1, 2, 3],
  controllers: [1, 2, 3],
  voters: "fixed",
  plan: { voters: "fixed", nodes: all([1, 2, 3], "samsa", BOTH), settings: SETTINGS },
};

/** All kinds with nodes of both vendors. */
export const MIXED_KINDS: readonly Kind[] = [
  {
    name: "Samsa's brokers under Kafka's controllers",
    brokers: [11, 12, 13],
    controllers: [1, 2, 3],
    voters: "fixed",
    plan: {
      voters: "fixed",
      nodes: [...all([1, 2, 3], "kafka", "controller"), ...all([11, 12, 13], "samsa", "broker")],
      settings: SETTINGS,
    },
  },
  {
    name: "Kafka's brokers under Samsa's controllers",
    brokers: [11, 12, 13],
    controllers: [1, 2, 3],
    voters: "fixed",
    plan: {
      voters: "fixed",
      nodes: [...all([1, 2, 3], "samsa", "controller"), ...all([11, 12, 13], "kafka", "broker")],
      settings: SETTINGS,
    },
  },
  {
    name: "Samsa with a standby controller of Kafka",
    brokers: [1, 2, 3],
    controllers: [1, 2, 3, 4],
    voters: "changing",
    plan: {
      voters: "changing",
      nodes: [
        ...all([1, 2, 3], "samsa", BOTH, VOTER),
        ...all([4], "kafka", "controller", { format: ["--no-initial-controllers"] }),
      ],
      settings: SETTINGS,
    },
  },
  {
    name: "a quorum and brokers of both vendors",
    brokers: [1, 2, 3],
    controllers: [1, 2, 3],
    voters: "changing",
    plan: {
      voters: "changing",
      nodes: [...all([1, 3], "samsa", BOTH, VOTER), ...all([2], "kafka", BOTH, VOTER)].toSorted((a, b) => a.id - b.id),
      settings: SETTINGS,
    },
  },
];
