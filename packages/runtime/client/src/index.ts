export { Admin } from "./admin/admin.ts";
export type { AdminOptions } from "./admin/drive.ts";
export { type Outcome, Outcomes, PartitionOutcomes } from "./admin/outcomes.ts";
export { ClusterClient, type ClusterCallOptions } from "./cluster/cluster-client.ts";
export { CLUSTER_DEFAULTS, type ClusterSettings } from "./cluster/cluster-settings.ts";
export { type LinkUse } from "./cluster/broker-pool.ts";
export { type CoordinatorKind } from "./cluster/coordinators.ts";
export { type CancelSignal, pause, patiently, type Patience } from "./cluster/deadline.ts";
