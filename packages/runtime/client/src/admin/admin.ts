import type { TopicPartition } from "@samsa/client-kernel";
import type { ClusterClient } from "../cluster/cluster-client.ts";
import { AccessAdmin } from "./access.ts";
import { ClusterAdmin } from "./cluster.ts";
import { ConfigAdmin } from "./configs.ts";
import type { AdminOptions } from "./drive.ts";
import { GroupAdmin } from "./groups.ts";
import { type FoundOffset, listOffsets, type OffsetSpec } from "./offsets.ts";
import type { PartitionOutcomes } from "./outcomes.ts";
import { ReplicaAdmin } from "./replicas.ts";
import { ShareGroupAdmin } from "./share-groups.ts";
import { TopicAdmin } from "./topics.ts";
import { TransactionAdmin } from "./transactions.ts";

/**
 * Administration of a cluster: the operations of Java's `Admin`, by subject. Each call repeats what may be repeated until
 * its time is over, and tells the result of each item alone (`Outcomes`).
 */
export class Admin {
  readonly topics: TopicAdmin;
  readonly configs: ConfigAdmin;
  readonly groups: GroupAdmin;
  readonly shareGroups: ShareGroupAdmin;
  readonly transactions: TransactionAdmin;
  readonly replicas: ReplicaAdmin;
  readonly access: AccessAdmin;
  readonly cluster: ClusterAdmin;
  readonly #client: ClusterClient;

  constructor(client: ClusterClient) {
    this.#client = client;
    this.topics = new TopicAdmin(client);
    this.configs = new ConfigAdmin(client);
    this.groups = new GroupAdmin(client);
    this.shareGroups = new ShareGroupAdmin(client);
    this.transactions = new TransactionAdmin(client);
    this.replicas = new ReplicaAdmin(client);
    this.access = new AccessAdmin(client);
    this.cluster = new ClusterAdmin(client);
  }

  /** Finds offsets in the logs of partitions: their ends, or by time. */
  offsets(
    specs: readonly (TopicPartition & { readonly at: OffsetSpec })[],
    options: AdminOptions & { readonly isolation?: "read_committed" | "read_uncommitted" } = {},
  ): Promise<PartitionOutcomes<FoundOffset>> {
    return listOffsets(this.#client, specs, options);
  }
}
