import { KafkaError } from "@samsa/client-kernel";
import { Admin, CLUSTER_DEFAULTS, ClusterClient, type ClusterSettings } from "@samsa/client-runtime";
import { nodeEnv } from "@samsa/node";
import { Failure } from "../../terminal/failure.ts";
import { createLogger } from "../../terminal/logger.ts";
import { VERSION } from "../../terminal/version.ts";
import { type ClientSettings, clientSettings, type Common } from "../../settings/client-settings.ts";

/** Longest time of a call, with all its attempts. */
const TIMEOUT_MS = 30_000;

/** A client of the cluster that the settings name, which does not create topics that it asks for, by default. */
export function clusterClient(
  { client, servers: bootstrapServers }: ClientSettings,
  settings: Partial<ClusterSettings> = {},
): ClusterClient {
  return new ClusterClient(nodeEnv({ logger: createLogger("error") }), {
    ...CLUSTER_DEFAULTS,
    clientId: "samsa",
    software: { name: "samsa", version: VERSION },
    apiTimeoutMs: TIMEOUT_MS,
    allowAutoTopicCreation: false,
    ...settings,
    ...client,
    bootstrapServers,
  });
}

/** Runs `action` with an admin of the cluster that the options name, and closes its connections afterwards. */
export async function administered(
  options: Common,
  action: (admin: Admin, client: ClusterClient) => Promise<void>,
): Promise<void> {
  const client = clusterClient(clientSettings(options));
  try {
    await reached(client);
    await action(new Admin(client), client);
  } finally {
    client.close();
  }
}

/** Connects, or fails with a sentence that says why. */
export async function reached(client: ClusterClient): Promise<void> {
  try {
    await client.connect();
  } catch (error) {
    if (!(error instanceof KafkaError) || error.name !== "BROKERS_UNREACHABLE") throw error;
    throw new Failure(`${error.message}. Is it running? Try: samsa start`);
  }
}
