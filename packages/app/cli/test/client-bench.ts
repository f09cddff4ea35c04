import { type ChildProcess, execFile } from "node:child_process";
import { ignored } from "@samsa/base";
import { CLUSTER_DEFAULTS, ClusterClient } from "@samsa/client-runtime";
import { nodeEnv } from "@samsa/node";
import { buildBatch, type NewRecord } from "@samsa/records";
import type { TestCluster } from "@samsa/testkit";
import { parseEndpoints } from "@samsa/wire";
import { MAIN } from "./bundle.ts";

const env = nodeEnv({ logger: { debug() {}, info() {}, warn() {}, error() {} } });

/** End of a command. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function started(args: readonly string[], begin: (child: ChildProcess) => void): Promise<Ended> {
  return new Promise(resolve => {
    const child = execFile(process.execPath, [MAIN, ...args], { maxBuffer: 1 << 28 }, (_error, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    );
    begin(child);
  });
}

/** Runs `samsa` with arguments; resolves at its end. */
export function run(...args: string[]): Promise<Ended> {
  return started(args, ignored("its input stays open"));
}

/** Runs `samsa` with a text on standard input. */
export function feed(input: string, ...args: string[]): Promise<Ended> {
  return started(args, child => child.stdin?.end(input));
}

/** Runs `samsa` with arguments against a cluster. */
export function samsa(cluster: TestCluster, ...args: string[]): Promise<Ended> {
  return run(...args, "--bootstrap-server", cluster.bootstrapServers);
}

/** Runs a tool of Kafka's against a cluster. */
export function tool(cluster: TestCluster, name: string, ...args: string[]): Promise<Ended> {
  return run(name, "--bootstrap-server", cluster.bootstrapServers, ...args);
}

/** Last line of the messages, where a parser says what is wrong. */
export function lastLine({ err }: Ended): string | undefined {
  return err.trimEnd().split("\n").at(-1);
}

/** A client of a cluster. The caller closes it. */
export function clientOf(cluster: TestCluster): ClusterClient {
  return new ClusterClient(env, {
    ...CLUSTER_DEFAULTS,
    bootstrapServers: parseEndpoints(cluster.bootstrapServers) ?? [],
    clientId: "test",
    software: { name: "test", version: "1" },
  });
}

/** Appends records to a partition, as one batch. */
export async function put(client: ClusterClient, topic: string, index: number, values: NewRecord[]): Promise<void> {
  const tools = { crc32c: env.crypto.crc32c, codecs: env.codecs };
  const topicData = [{ name: topic, partitionData: [{ index, records: [buildBatch(values, {}, tools)] }] }];
  const { partitions } = await client.topic(topic, client.patience());
  const request = { transactionalId: null, acks: -1, timeoutMs: 3000, topicData };
  const { responses } = await client.call(partitions[index].leaderId, "Produce", request, { maxVersion: 12 });
  const { errorCode } = responses[0].partitionResponses[0];
  if (errorCode !== 0) throw new Error(`the records were refused with error ${errorCode}`);
}
