/** Kinds of clusters, each of which has three brokers and goes through the same trials. */
import type { ClusterPlan } from "../cluster/mixed-cluster.ts";
import type { NodePlan, Vendor } from "../cluster/mixed-node.ts";
import type { Members } from "../tools/cluster-tools.ts";

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

/** Kind of the clusters of a plan, which names who has which role. */
function kind(name: string, voters: "fixed" | "changing", nodes: readonly NodePlan[]): Kind {
  const idsWith = (role: string): number[] => nodes.filter(({ roles }) => roles.includes(role)).map(({ id }) => id);
  const [a, b, c] = idsWith("broker");
  if (a === undefined || b === undefined || c === undefined) throw new Error("the kind has three brokers");
  return {
    name,
    brokers: [a, b, c],
    controllers: idsWith("controller"),
    voters,
    plan: { voters, nodes, settings: SETTINGS },
  };
}

/** Three nodes of one vendor, each with both roles. */
export function oneVendor(vendor: Vendor): Kind {
  return kind("", "fixed", all([1, 2, 3], vendor, BOTH));
}

/** Three nodes of Samsa. */
export const SAMSA_ALONE = oneVendor("samsa");

/** All kinds with nodes of both vendors. */
export const MIXED_KINDS: readonly Kind[] = [
  kind("Samsa's brokers under Kafka's controllers", "fixed", [
    ...all([1, 2, 3], "kafka", "controller"),
    ...all([11, 12, 13], "samsa", "broker"),
  ]),
  kind("Kafka's brokers under Samsa's controllers", "fixed", [
    ...all([1, 2, 3], "samsa", "controller"),
    ...all([11, 12, 13], "kafka", "broker"),
  ]),
  kind("Samsa with a standby controller of Kafka", "changing", [
    ...all([1, 2, 3], "samsa", BOTH, VOTER),
    ...all([4], "kafka", "controller", { format: ["--no-initial-controllers"] }),
  ]),
  kind("a quorum and brokers of both vendors", "changing", [
    ...all([1], "samsa", BOTH, VOTER),
    ...all([2], "kafka", BOTH, VOTER),
    ...all([3], "samsa", BOTH, VOTER),
  ]),
];
