export { replayOf, SCENARIOS } from "./scenarios.ts";
export { type ScenarioName } from "./scenario-name.ts";
export { clusterReplayCommand, type ClusterOutcome, runCluster } from "./cluster/cluster-scenario.ts";
export { type CrashOptions, type DiskFault, type DiskOperation, SimDisk } from "./world/disk.ts";
export { type NetworkOptions, SimNetwork } from "./world/network.ts";
export { Prng } from "./world/prng.ts";
export { SimCluster, type SimClusterOptions } from "./stage/sim-cluster.ts";
export { type Outcome, replayCommand, runScenario } from "./scenario.ts";
export { type SimNode, World, type WorldOptions } from "./world/world.ts";
