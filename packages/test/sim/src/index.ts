export { type CrashOptions, type DiskFault, type DiskOperation, SimDisk } from "./disk.ts";
export { type NetworkOptions, SimNetwork } from "./network.ts";
export { Prng } from "./prng.ts";
export { type Outcome, replayCommand, runScenario } from "./scenario.ts";
export { type SimNode, World, type WorldOptions } from "./world.ts";
