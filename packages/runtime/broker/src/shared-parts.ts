import type { BrokerId, BufferPool, Env, Uuid } from "@samsa/base";
import type { RaftClient } from "@samsa/raft";
import type { Tools } from "@samsa/records";
import type { Authorizer } from "@samsa/security";
import type { LogDirs } from "@samsa/storage";
import type { BrokerConfig } from "./config/configs.ts";
import type { Settings } from "./config/settings.ts";
import type { NodeSecurity } from "./security/node-security.ts";
import type { BrokerMetrics } from "./turn/metrics.ts";
import type { Quotas } from "./quotas/quotas.ts";
import type { MetadataLoader } from "./metadata/loader.ts";

/** Parts of a node that its roles share (`SharedServer`). */
export interface SharedParts {
  readonly env: Env;
  readonly nodeId: BrokerId;
  readonly clusterId: string;
  /** Id of this process, with which its broker registers. */
  readonly incarnationId: Uuid;
  /** Settings of the file, as they were at the start. */
  readonly config: BrokerConfig;
  readonly settings: Settings;
  readonly tools: Tools;
  readonly buffers: BufferPool;
  readonly dirs: LogDirs;
  readonly quotas: Quotas;
  /** Metrics of the node: its roles share them. */
  readonly metrics: BrokerMetrics;
  readonly authorizer: Authorizer;
  readonly security: NodeSecurity;
  /** Replica of the metadata log. */
  readonly quorum: RaftClient;
  readonly loader: MetadataLoader;
}
