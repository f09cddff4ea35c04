export { type ClusterPlan, MixedCluster } from "./cluster/mixed-cluster.ts";
export { type MixedNode } from "./cluster/mixed-node.ts";
export { segmentsHash } from "./cluster/segments.ts";
export { VerifiableJudge } from "./judges/java-judges.ts";
export { type Acknowledged, type Load } from "./judges/judge.ts";
export { KafkajsJudge } from "./judges/kafkajs-judge.ts";
export { PlatformaticJudge } from "./judges/platformatic-judge.ts";
export { findJava, Missing } from "./processes/runtimes.ts";
export { until } from "./processes/until.ts";
