import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { availableParallelism } from "node:os";
import { Broker } from "@samsa/broker";
import { nodeEnv, nodeJudge } from "@samsa/node";
import { ClientMetrics } from "./client-metrics.ts";
import { Failure, reportFailure } from "./failure.ts";
import { serveHttp } from "./http.ts";
import { createLogger } from "./logger.ts";
import { placed, readSettings, unknownSettings } from "./settings-file.ts";
import { COMMIT, VERSION } from "./version.ts";

export interface StartOptions {
  readonly override: readonly string[];
  readonly logLevel: string;
  readonly httpPort: string;
  readonly httpHost: string;
  readonly json?: boolean;
}

/** Threads for batches that take long to judge. */
const MOST_THREADS = 4;

function parsePort(text: string): number | undefined {
  if (text === "off") return undefined;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new Failure(`--http-port wants a port or "off", not "${text}"`);
  }
  return port;
}

function banner(broker: Broker, http: Server | undefined, options: StartOptions): string {
  const listeners = [...broker.advertised.values()].map(({ name, host, port }) => ({ name, host, port }));
  const httpPort = (http?.address() as AddressInfo | null | undefined)?.port;
  const facts = {
    version: VERSION,
    commit: COMMIT,
    pid: process.pid,
    nodeId: broker.nodeId,
    clusterId: broker.clusterId,
    data: broker.dirs.paths.join(", "),
    listeners,
    http: httpPort === undefined ? null : `http://${options.httpHost}:${httpPort}`,
  };
  if (options.json === true) return JSON.stringify(facts);
  const servers = listeners.map(({ host, port }) => `${host}:${port}`).join(", ");
  return [
    `Samsa ${VERSION} (${COMMIT}) is ready.`,
    `  bootstrap servers  ${servers}`,
    `  data               ${facts.data}`,
    `  cluster, node      ${facts.clusterId}, ${facts.nodeId}`,
    ...(facts.http === null ? [] : [`  metrics, health    ${facts.http}/metrics, ${facts.http}/health`]),
    "  stop with          Ctrl-C",
  ].join("\n");
}

function stopOn(broker: Broker, http: Server | undefined): void {
  let stopping = false;
  const stop = (): void => {
    if (stopping) process.exit(1);
    stopping = true;
    http?.close();
    http?.closeAllConnections();
    broker.close().then(
      () => process.exit(0),
      error => {
        reportFailure(error);
        process.exit(1);
      },
    );
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
}

/** Starts a broker and prints where it is. */
export async function start(file: string | undefined, options: StartOptions): Promise<void> {
  const settings = placed(readSettings(file, options.override));
  const httpPort = parsePort(options.httpPort);
  const logger = createLogger(options.logLevel);
  for (const name of unknownSettings(settings)) {
    logger.warn("this setting is not available and has no effect", { setting: name });
  }
  const onHalt = (reason: string): void => {
    reportFailure(new Failure(reason));
    process.exit(1);
  };
  // One processor is the event loop's.
  const judge = nodeJudge(Math.max(1, Math.min(availableParallelism() - 1, MOST_THREADS)));
  const env = nodeEnv({ logger });
  // Clients push their metrics only where somebody can see them.
  const telemetry = httpPort === undefined ? undefined : new ClientMetrics(() => env.clock.monotonic());
  const broker = await Broker.start(env, {
    settings,
    onHalt,
    judge,
    ...(telemetry === undefined ? {} : { telemetry }),
  });
  let http: Server | undefined;
  try {
    if (httpPort !== undefined && telemetry !== undefined) {
      http = await serveHttp(broker, telemetry, options.httpHost, httpPort);
    }
  } catch (error) {
    await broker.close();
    throw error;
  }
  stopOn(broker, http);
  console.log(banner(broker, http, options));
}
