export { bootstrapFault, bootstrapRecords, type BootstrapOptions, kraftRefusal, kraftUpgrade } from "./features.ts";
export { Controller, type ControllerRequests } from "./controller.ts";
export type {
  ControllerSettings,
  Decision,
  Draw,
  FeatureRange,
  ReplicationRules,
  TokenSettings,
} from "./decision/decision.ts";
export {
  type ConfigAlteration,
  type ConfigFault,
  type ConfigRules,
  JUDGED_APIS,
  type PolicyRequest,
  type PolicyVerdict,
  type TopicCreation,
} from "./decision/rules.ts";
export type { PeriodicDecision } from "./periodic.ts";
export { listPartitionReassignments } from "./reassignments.ts";
export { placeReplicas } from "./placement.ts";
export { selectedAcls } from "./security/acls.ts";
export { isOver, isTokenOf, tokenOwner } from "./security/delegation-tokens.ts";
export { topicNameFault } from "./topic-names.ts";
export { isOnline } from "./placement.ts";
