import type { SimCluster } from "@samsa/sim";
import { CLUSTER_DEFAULTS, ClusterClient, type ClusterSettings } from "../src/index.ts";

/** Client of a simulated cluster, with Kafka's defaults but for `settings`. */
export function simClient(cluster: SimCluster, settings: Partial<ClusterSettings> = {}): ClusterClient {
  return new ClusterClient(cluster.clientEnv, {
    ...CLUSTER_DEFAULTS,
    bootstrapServers: cluster.brokers,
    clientId: "test",
    software: { name: "test", version: "1" },
    ...settings,
  });
}
