export { writeBootstrapSnapshot } from "./metadata-snapshots.ts";
export { QuorumError } from "./quorum-error.ts";
export type { RaftApi, RaftReply, RaftRequest, RaftResponse } from "./raft-api.ts";
export { RaftClient, type RaftClientOptions } from "./raft-client.ts";
export type { LeaderAndEpoch, RaftListener } from "./raft-listener.ts";
export type { QuorumSettings } from "./raft-network.ts";
export { metadataLogConfig, type Retention } from "./raft-storage.ts";
export type { StaticVoter } from "./startup.ts";
