export { hasZstd, nodeCodecs, pureCodecs } from "./codecs.ts";
export { nodeCrc32c } from "./crc32c.ts";
export { blockingHashes } from "./digest.ts";
export { nodeDisk } from "./disk.ts";
export { nodeEnv } from "./env.ts";
export { type NodeJudge, nodeJudge } from "./judge.ts";
export type { NodeNetworkOptions } from "./net/network.ts";
export { nodePattern } from "./pattern.ts";
export { type NodePolicies, nodePolicies, type PolicyOptions } from "./policies/policies.ts";
