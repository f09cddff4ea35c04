export { bootstrapFault, bootstrapRecords, type BootstrapOptions, kraftRefusal, kraftUpgrade } from "./features.ts";
export type { ConfigFault, ConfigRules } from "./config-rules.ts";
export { Controller, type ControllerRequests } from "./controller.ts";
export type { ControllerSettings, Decision, Draw, FeatureRange, ReplicationRules } from "./decision.ts";
export type { PeriodicDecision } from "./periodic.ts";
export { listPartitionReassignments } from "./reassignments.ts";
export { placeReplicas } from "./placement.ts";
export { topicNameFault } from "./topic-names.ts";
export { isOnline } from "./placement.ts";
