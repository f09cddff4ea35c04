export type { Interception, InterceptedRequest } from "@samsa/broker";
export { clusterFixture, type Hooks } from "./fixture.ts";
export type { ActiveRule, InterceptionRule } from "./interceptions.ts";
export { startCluster, TestCluster, type TestClusterOptions, type TestLogLine } from "./test-cluster.ts";
export type { ErrorName } from "@samsa/protocol";
