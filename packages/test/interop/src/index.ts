export {
  type ClientSecurity,
  ClusterSecurity,
  credentialOf,
  deletionOf,
  javaSettings,
  type Login,
  renewed,
  wireSecurity,
} from "./cluster/cluster-security.ts";
export { type ClusterPlan, MixedCluster } from "./cluster/mixed-cluster.ts";
export { type MixedNode } from "./cluster/mixed-node.ts";
export { segmentsHash } from "./cluster/segments.ts";
export { startCopier, startOurCopier } from "./judges/copier.ts";
export { PropertiesFile, VerifiableJudge } from "./judges/java-judges.ts";
export { type Acknowledged, type Load } from "./judges/judge.ts";
export { KafkajsJudge } from "./judges/kafkajs-judge.ts";
export { PlatformaticJudge } from "./judges/platformatic-judge.ts";
export { Child } from "./processes/child.ts";
export { findFranzTests, findJava, findOurJava, findSamsa, type Java, Missing } from "./processes/runtimes.ts";
export { until } from "./processes/until.ts";
