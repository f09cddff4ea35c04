/** Kind of scenario: one broker, a cluster, or programs that use our client on a cluster. */
export type ScenarioName = "broker" | "cluster" | "client";
