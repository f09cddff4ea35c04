import type { Env } from "@samsa/base";
import type { MetadataChanges, MetadataImage } from "@samsa/metadata";
import type { QuotaCluster } from "../quotas/quota-callback.ts";
import type { Quotas } from "../quotas/quotas.ts";
import type { MetadataPublisher } from "./publisher.ts";

/** Gives the quotas of the metadata to a node, and the cluster to its callback (`DynamicClientQuotaPublisher`). */
export class QuotaPublisher implements MetadataPublisher {
  readonly name = "client quotas";
  readonly #env: Pick<Env, "logger">;
  readonly #quotas: Quotas;
  readonly #clusterId: string;

  constructor(env: Pick<Env, "logger">, quotas: Quotas, clusterId: string) {
    this.#env = env;
    this.#quotas = quotas;
    this.#clusterId = clusterId;
  }

  publish({ changedBrokers, changedTopics, deletedTopics }: MetadataChanges, image: MetadataImage): void {
    const { logger } = this.#env;
    this.#quotas.update(image.quotas).then(
      unknown => {
        if (unknown.length > 0) logger.warn("quotas of hosts without an address do nothing", { hosts: unknown });
      },
      (error: unknown) => logger.error("client quotas could not be taken over", { error }),
    );
    if (changedBrokers.size + changedTopics.size + deletedTopics.size === 0) return;
    this.#quotas.custom?.followCluster(() => clusterOf(this.#clusterId, image));
  }
}

function clusterOf(clusterId: string, { brokers, topics }: MetadataImage): QuotaCluster {
  const nodes = [...brokers].map(([id, { rack }]) => ({ id, rack }));
  const named = [...topics.values()].map(({ name, partitions }) => {
    const all = [...partitions].map(([partition, { leader, replicas }]) => ({ partition, leader, replicas }));
    return [name, all] as const;
  });
  return { clusterId, nodes, topics: Object.fromEntries(named) };
}
