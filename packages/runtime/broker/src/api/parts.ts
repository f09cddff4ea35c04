import type { BrokerId, Env } from "@samsa/base";
import type { Tools } from "@samsa/records";
import type { LogDirs } from "@samsa/storage";
import type { AutoTopicCreation } from "../forwarding/auto-topic-creation.ts";
import type { BrokerConfig } from "../config/configs.ts";
import type { ControllerChannel } from "../controller/controller-channel.ts";
import type { FetchSessions } from "../replica/fetch-sessions.ts";
import type { ProducerIds } from "../lifecycle/producer-ids.ts";
import type { Groups } from "../coordinator/groups.ts";
import type { Judging } from "../limits/judging.ts";
import type { BrokerMetrics } from "../turn/metrics.ts";
import type { BrokerNode } from "../metadata/broker-nodes.ts";
import type { Moves } from "../replica/moves.ts";
import type { Watcher } from "../replica/readers.ts";
import type { Quotas } from "../quotas/quotas.ts";
import type { ReplicationQuota } from "../quotas/replication-quota.ts";
import type { FollowerWaits } from "../replica/replica-session.ts";
import type { NodeSecurity } from "../security/node-security.ts";
import type { Settings } from "../config/settings.ts";
import type { AnnouncedApi, ApiRow } from "../request/api-row.ts";
import type { RequestContext } from "../request/request-context.ts";
import type { ShareGroups } from "../share/share-groups.ts";
import type { ClientTelemetry } from "../limits/telemetry.ts";
import type { Topics } from "../replica/topics.ts";
import type { Transactions, writeMarker } from "../coordinator/transactions.ts";
import type { Turn } from "../turn/turn.ts";

/** Parts of a broker that request handlers use. Each handler selects its own with `Pick`. */
export interface BrokerParts {
  readonly env: Env;
  readonly nodeId: BrokerId;
  readonly clusterId: string;
  /** Current values: some settings change at run time. */
  readonly config: BrokerConfig;
  readonly settings: Settings;
  readonly security: Pick<NodeSecurity, "fault" | "tokens">;
  readonly turn: Turn;
  readonly tools: Tools;
  readonly judging: Judging;
  readonly metrics: BrokerMetrics;
  readonly quotas: Quotas;
  /** Limit on what throttled leaders send to followers that are not in sync. */
  readonly leaderQuota: ReplicationQuota;
  readonly followerWaits: FollowerWaits;
  readonly telemetry: ClientTelemetry | undefined;
  readonly sessions: FetchSessions;
  /** Fetches that wait for records. */
  readonly pendingFetches: Set<Watcher>;
  /** Bytes of replies that may still wait for clients; without room fetches return no records. */
  readonly unsent: { readonly room: number };
  readonly dirs: LogDirs;
  readonly moves: Moves;
  /** Metadata of the cluster. Requests that name topics find them in their own context (`RequestTopics`). */
  readonly topics: Pick<Topics, "image">;
  readonly groups: Groups;
  readonly transactions: Transactions;
  /** Writes a transaction marker into a partition of this broker. */
  readonly writeMarker: (write: Parameters<typeof writeMarker>[2], done: (errorCode: number) => void) => void;
  readonly shares: ShareGroups;
  /** Way to the active controller. */
  readonly channel: ControllerChannel;
  readonly producerIds: ProducerIds;
  readonly autoTopics: AutoTopicCreation;
  /** Level of kraft.version, which the quorum keeps. */
  readonly kraftVersion: () => number;
  /** APIs that this broker serves. */
  readonly apis: () => readonly AnnouncedApi[];
  /** Unfenced brokers with their endpoints for a listener. */
  readonly nodes: (listener: string) => readonly BrokerNode[];
  /** Endpoint of an unfenced broker for a listener; undefined if it has none. */
  readonly node: (id: BrokerId, listener: string) => BrokerNode | undefined;
}

/** A served API of a broker. */
export type ServedApi = ApiRow<BrokerParts, RequestContext>;
