import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { availableParallelism } from "node:os";
import { DiskError, ignored, NetworkError } from "@samsa/base";
import { Node } from "@samsa/broker";
import { nodeEnv, nodeJudge, nodePolicies, nodeQuotaCallback } from "@samsa/node";
import { adviceOf } from "@samsa/storage";
import { ClientMetrics } from "../metrics/client-metrics.ts";
import { answerSupervisor } from "../cluster/hand-over.ts";
import { Failure, reportFailure } from "../terminal/failure.ts";
import { checkNoCluster } from "../cluster/cluster-folder.ts";
import { clusterSize, ofOneNode } from "../cluster/cluster-plan.ts";
import { type HttpPlace, nodeContent, nodeMetrics, serveHttp } from "../metrics/http.ts";
import { refuseOpenListeners } from "../security/exposure.ts";
import type { LevelName, LogFormat } from "../terminal/levels.ts";
import { createLogger } from "../terminal/logger.ts";
import { notifier, type Notifier, writePidFile } from "../terminal/notify.ts";
import { onSignals } from "../terminal/signals.ts";
import { placed, readSettings, rootOf, idleSettings } from "../settings/settings-file.ts";
import { COMMIT, VERSION } from "../terminal/version.ts";

/** Options of `samsa start`. */
export interface StartOptions {
  readonly override: readonly string[];
  readonly logLevel: LevelName;
  readonly logFormat: LogFormat;
  readonly httpPort?: string;
  readonly httpHost: string;
  readonly json?: boolean;
  /** Base address of a receiver of metrics (OTLP over HTTP). */
  readonly otlpEndpoint?: string;
  /** Seconds between two exports. */
  readonly otlpInterval: string;
  /** Lets everyone in on listeners that other machines reach. */
  readonly insecure?: boolean;
  /** File that gets the id of the process. */
  readonly pidFile?: string;
  /** Number of brokers of a cluster on this machine. */
  readonly brokers?: string;
  /** Number of them that are controllers, too. */
  readonly controllers?: string;
}

/** Maximum number of threads that validate large batches. */
const MOST_THREADS = 4;

/** Default port of `/metrics`, that of Prometheus' JMX exporter. */
const HTTP_PORT = 9404;

/** Receiver of metrics, and the time between two exports. */
interface OtlpPlace {
  readonly endpoint: string;
  readonly intervalMs: number;
}

/** Longest time between two exports, in seconds: a day. */
const LONGEST_INTERVAL = 86_400;

function otlpPlace({ otlpEndpoint: endpoint, otlpInterval }: StartOptions): OtlpPlace | undefined {
  if (endpoint === undefined) return undefined;
  if (!/^https?:/.test(endpoint) || !URL.canParse(endpoint)) {
    throw new Failure(`--otlp-endpoint wants an address such as http://localhost:4318, not "${endpoint}"`);
  }
  const seconds = Number(otlpInterval);
  if (!(seconds >= 1 && seconds <= LONGEST_INTERVAL)) {
    throw new Failure(`--otlp-interval wants 1 to ${LONGEST_INTERVAL} seconds, not "${otlpInterval}"`);
  }
  return { endpoint, intervalMs: seconds * 1000 };
}

function parsePort(text: string): number | undefined {
  if (text === "off") return undefined;
  const port = Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new Failure(`--http-port wants a port or "off", not "${text}"`);
  }
  return port;
}

function banner(node: Node, http: Server | undefined, options: StartOptions): string {
  const listeners = [...node.advertised.values()].map(({ name, host, port }) => ({ name, host, port }));
  const httpPort = (http?.address() as AddressInfo | null | undefined)?.port;
  const facts = {
    version: VERSION,
    commit: COMMIT,
    pid: process.pid,
    nodeId: node.nodeId,
    clusterId: node.clusterId,
    data: node.dirs.paths.join(", "),
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

const LONG_MS = 3_600_000;

/**
 * Keeps the process until the returned function is called. The timers of a node do not: while it stops and waits for one,
 * with its connections closed, the process would end before the logs are flushed.
 */
function stayAlive(): () => void {
  const timer = setInterval(ignored("it only keeps the event loop alive"), LONG_MS);
  return () => clearInterval(timer);
}

interface Served {
  readonly http: Server | undefined;
  readonly stopExport: (() => Promise<void>) | undefined;
  readonly supervisor: Notifier;
}

function stopOn(node: Node, { http, stopExport, supervisor }: Served): void {
  answerSupervisor(() => node.handOver());
  onSignals({
    stop: () => {
      http?.close();
      http?.closeAllConnections();
      const told = new Promise<void>(resolve => supervisor.stopping(resolve));
      const exported = stopExport?.().catch(ignored("a receiver that is away does not keep a node from its stop"));
      Promise.all([node.close(), exported, told]).then(
        () => process.exit(0),
        error => {
          reportFailure(error);
          process.exit(1);
        },
      );
    },
    kill: () => process.exit(1),
    ignored: (why, signal) => node.env.logger.info(why, { signal }),
  });
}

/** Adds advice to an error that prevents a start. */
function withAdvice(error: unknown): unknown {
  if (error instanceof DiskError) return new Failure(`${error.message}: ${adviceOf(error)}`);
  if (error instanceof NetworkError && error.code === "EADDRINUSE") {
    return new Failure(`${error.message}: end the program that uses it, or choose another port in listeners`);
  }
  return error;
}

/** A supervisor that ends while its node starts ends the node, too. */
function endWithSupervisor(): () => void {
  const orphaned = (): void => process.exit(1);
  if (process.connected) process.once("disconnect", orphaned);
  // A start that fails ends the process: the channel must not keep it.
  process.channel?.unref();
  return () => {
    process.off("disconnect", orphaned);
  };
}

/** `samsa start`. Starts a broker, or a cluster on this machine, and prints the addresses. */
export async function start(file: string | undefined, options: StartOptions): Promise<void> {
  const settings = placed(readSettings(file, options.override));
  if (options.pidFile !== undefined) writePidFile(options.pidFile);
  const httpPort = options.httpPort === undefined ? HTTP_PORT : parsePort(options.httpPort);
  const wish = options.httpPort === undefined;
  const httpPlace = httpPort === undefined ? undefined : { host: options.httpHost, port: httpPort, wish };
  const otlp = otlpPlace(options);
  if (options.brokers !== undefined) {
    const size = clusterSize(options.brokers, options.controllers);
    const { startCluster } = await import("./start-cluster.ts");
    return startCluster(settings, { ...options, file, size, httpPlace });
  }
  if (options.controllers !== undefined) throw new Failure("--controllers is for --brokers: give both");
  const release = stayAlive();
  try {
    if (options.insecure !== true) await refuseOpenListeners(settings);
    await startNode(ofOneNode(settings), options, { httpPlace, otlp });
  } catch (error) {
    release();
    throw error;
  }
}

/** Starts a node, which ends the process when it is stopped or fails. */
async function startNode(
  settings: ReadonlyMap<string, string>,
  options: StartOptions,
  { httpPlace, otlp }: { readonly httpPlace: HttpPlace | undefined; readonly otlp: OtlpPlace | undefined },
): Promise<void> {
  const started = endWithSupervisor();
  const logger = createLogger(options.logLevel, options.logFormat);
  const onHalt = (reason: string): void => {
    reportFailure(new Failure(reason));
    process.exit(1);
  };
  // Keep one processor for the event loop.
  const judge = nodeJudge(Math.max(1, Math.min(availableParallelism() - 1, MOST_THREADS)));
  const supervisor = notifier(error => logger.warn("systemd is not told how the node fares", { error }));
  const env = nodeEnv({ logger });
  checkNoCluster(env, rootOf(settings));
  // Accept metrics of clients only if an HTTP port exposes them.
  const telemetry =
    httpPlace === undefined && otlp === undefined ? undefined : new ClientMetrics(() => env.clock.monotonic());
  const node = await Node.start(env, {
    settings,
    onHalt,
    judge,
    policies: (classes, configs) =>
      nodePolicies(classes, configs, {
        failed: error => logger.error("the policies have failed, and are begun anew for the next request", { error }),
      }),
    refusesStrangers: options.insecure !== true,
    quotaCallback: (name, configs) =>
      nodeQuotaCallback(name, configs, {
        failed: error => logger.error("the quota callback has failed, and is begun anew", { error }),
      }),
    ...(telemetry === undefined ? {} : { telemetry }),
  }).catch((error: unknown) => {
    throw withAdvice(error);
  });
  for (const { setting, why } of idleSettings(settings)) logger.warn(why, { setting });
  let http: Server | undefined;
  let stopExport: (() => Promise<void>) | undefined;
  try {
    const metrics = telemetry && nodeMetrics(node, telemetry);
    if (httpPlace !== undefined && metrics !== undefined) {
      http = await serveHttp(nodeContent(node, metrics), httpPlace, logger);
    }
    if (otlp !== undefined && metrics !== undefined) {
      const { exportMetrics } = await import("../metrics/otlp-export.ts");
      stopExport = exportMetrics({ ...otlp, nodeId: node.nodeId, clusterId: node.clusterId, metrics, logger });
    }
  } catch (error) {
    await node.close();
    throw error;
  }
  started();
  stopOn(node, { http, stopExport, supervisor });
  supervisor.ready();
  console.log(banner(node, http, options));
}
