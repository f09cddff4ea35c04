import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import type { BrokerId, Logger } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { ChildNode, type NodeFacts } from "../cluster/child-node.ts";
import { formatCluster, knownControllers } from "../cluster/cluster-folder.ts";
import { CHOSEN, type ClusterPlan, type ClusterShape, type NodePlan, planCluster } from "../cluster/cluster-plan.ts";
import { mergeMetrics } from "../cluster/merged-metrics.ts";
import { Supervisor } from "../cluster/supervisor.ts";
import { type HttpContent, type HttpPlace, serveHttp } from "../metrics/http.ts";
import { rootOf } from "../settings/settings-file.ts";
import { refuseOpenListeners } from "../security/exposure.ts";
import { reportFailure } from "../terminal/failure.ts";
import type { LevelName, LogFormat } from "../terminal/levels.ts";
import { createLogger, relay } from "../terminal/logger.ts";
import { onSignals } from "../terminal/signals.ts";
import { COMMIT, VERSION } from "../terminal/version.ts";

/** Options of `samsa start --brokers`. */
interface ClusterOptions {
  readonly override: readonly string[];
  readonly logLevel: LevelName;
  readonly logFormat: LogFormat;
  readonly httpHost: string;
  readonly json?: boolean;
  readonly insecure?: boolean;
  /** Base address of a receiver of metrics, to which each node sends its own, and seconds between two exports. */
  readonly otlpEndpoint?: string;
  readonly otlpInterval: string;
  readonly file: string | undefined;
  readonly size: Pick<ClusterShape, "brokers" | "controllers">;
  /** Place of `/metrics` and `/health`; undefined: none. */
  readonly httpPlace: HttpPlace | undefined;
}

/** Longest wait for the metrics of a node, in ms. */
const SCRAPE_MS = 5000;

/** Arguments of the process of a node. Settings of the user reach it by its file and its overrides. */
function commandOf({ settings }: NodePlan, options: ClusterOptions): [string, ...string[]] {
  const overrides = [...options.override, ...[...settings].map(([name, value]) => `${name}=${value}`)];
  return [
    process.execPath,
    ...process.execArgv,
    // The program itself: the first argument of a process of Node.
    ...process.argv.slice(1, 2),
    "start",
    ...(options.file === undefined ? [] : [options.file]),
    ...["--json", "--log-level", options.logLevel, "--log-format", "json"],
    ...(options.insecure === true ? ["--insecure"] : []),
    ...["--http-host", "127.0.0.1", "--http-port", options.httpPlace === undefined ? "off" : "0"],
    ...(options.otlpEndpoint === undefined
      ? []
      : ["--otlp-endpoint", options.otlpEndpoint, "--otlp-interval", options.otlpInterval]),
    ...overrides.flatMap(override => ["--override", override]),
  ];
}

function supervise(plan: ClusterPlan, root: string, { options, logger }: { options: ClusterOptions; logger: Logger }) {
  const nodes = plan.nodes.map(
    node =>
      new ChildNode({
        id: node.id,
        command: commandOf(node, options),
        logger,
        log: relay(node.id, logger, options.logFormat),
        pidFile: `${root}/${node.id}.pid`,
      }),
  );
  return new Supervisor(nodes, logger);
}

async function scrape(node: ChildNode, logger: Logger): Promise<readonly [BrokerId, string]> {
  const http = node.facts?.http ?? null;
  const up = (value: number): string =>
    [
      "# HELP samsa_node_up 1 if the node serves.\n# TYPE samsa_node_up gauge",
      `samsa_node_up ${value}`,
      "# HELP samsa_node_restarts_total Starts of the node after it had ended.\n# TYPE samsa_node_restarts_total counter",
      `samsa_node_restarts_total ${node.restarts}\n`,
    ].join("\n");
  if (http === null) return [node.id, up(0)];
  try {
    const answer = await fetch(`${http}/metrics`, { signal: AbortSignal.timeout(SCRAPE_MS) });
    if (answer.ok) return [node.id, `${up(1)}${await answer.text()}`];
  } catch (error) {
    logger.debug("a node does not give its metrics", { node: node.id, error: error as Error });
  }
  return [node.id, up(0)];
}

function contentOf(supervisor: Supervisor, logger: Logger): HttpContent {
  return {
    health: () => {
      const nodes = supervisor.nodes.map(({ id, facts, restarts }) => {
        const status = facts === undefined ? "unavailable" : "ok";
        return [id, { status, pid: facts?.pid ?? null, restarts }] as const;
      });
      const down = nodes.filter(([, { status }]) => status !== "ok").length;
      const status = down === 0 ? "ok" : down < nodes.length ? "degraded" : "unavailable";
      return { ok: down === 0, facts: { status, nodes: Object.fromEntries(nodes) } };
    },
    metrics: async function* merged() {
      yield mergeMetrics(new Map(await Promise.all(supervisor.nodes.map(node => scrape(node, logger)))));
    },
  };
}

interface Ready {
  readonly clusterId: string;
  readonly root: string;
  readonly plan: ClusterPlan;
  readonly nodes: ReadonlyMap<BrokerId, NodeFacts>;
  readonly http: Server | undefined;
}

function banner({ clusterId, root, plan, nodes, http }: Ready, options: ClusterOptions): string {
  const httpPort = (http?.address() as AddressInfo | null | undefined)?.port;
  const facts = {
    version: VERSION,
    commit: COMMIT,
    pid: process.pid,
    clusterId,
    data: root,
    listeners: [...nodes.values()].flatMap(({ listeners }) => listeners),
    http: httpPort === undefined ? null : `http://${options.httpHost}:${httpPort}`,
    nodes: plan.nodes.map(({ id, isController }) => {
      const { pid, listeners, data } = nodes.get(id) ?? { pid: 0, listeners: [], data: "" };
      return { nodeId: id, pid, isController, data, listeners };
    }),
  };
  if (options.json === true) return JSON.stringify(facts);
  const servers = facts.listeners.map(({ host, port }) => `${host}:${port}`).join(", ");
  const controllers = plan.nodes.flatMap(({ id, isController }) => (isController ? [id] : []));
  return [
    `Samsa ${VERSION} (${COMMIT}) is ready: a cluster of ${nodes.size} broker${nodes.size === 1 ? "" : "s"}.`,
    `  bootstrap servers  ${servers}`,
    `  data               ${root}/1 to ${root}/${nodes.size}`,
    `  cluster            ${clusterId}`,
    `  nodes              ${facts.nodes.map(({ nodeId, pid }) => `${nodeId} (process ${pid})`).join(", ")}`,
    `  controllers        ${controllers.join(", ")}`,
    ...(facts.http === null ? [] : [`  metrics, health    ${facts.http}/metrics, ${facts.http}/health`]),
    "  stop with          Ctrl-C",
  ].join("\n");
}

function stopOn(supervisor: Supervisor, logger: Logger): { isStopping: boolean } {
  const state = { isStopping: false };
  const end = (ended: Promise<void>, code: number): void => {
    state.isStopping = true;
    ended.then(
      () => process.exit(code),
      error => {
        reportFailure(error);
        process.exit(1);
      },
    );
  };
  onSignals({
    stop: () => end(supervisor.stop(), 0),
    kill: () => end(supervisor.kill(), 1),
    ignored: (why, signal) => logger.info(why, { signal }),
  });
  return state;
}

/** Starts a cluster on this machine, and prints its addresses once all nodes serve. */
export async function startCluster(settings: ReadonlyMap<string, string>, options: ClusterOptions): Promise<void> {
  const logger = createLogger(options.logLevel, options.logFormat);
  const env = nodeEnv({ logger });
  const root = rootOf(settings);
  const known = knownControllers(env, root, options.size);
  const shape = { ...options.size, hostName: hostname(), ...(known === undefined ? {} : { known }) };
  const plan = planCluster(settings, shape);
  for (const setting of CHOSEN.filter(name => settings.has(name))) {
    logger.warn("--brokers chooses this setting for each node, so its value has no effect", { setting });
  }
  if (options.insecure !== true) {
    for (const node of plan.nodes) await refuseOpenListeners(new Map([...settings, ...node.settings]));
  }
  const clusterId = formatCluster(env, root, { plan, settings });
  const supervisor = supervise(plan, root, { options, logger });
  const state = stopOn(supervisor, logger);
  let http: Server | undefined;
  try {
    const nodes = await supervisor.start();
    if (options.httpPlace !== undefined)
      http = await serveHttp(contentOf(supervisor, logger), options.httpPlace, logger);
    console.log(banner({ clusterId, root, plan, nodes, http }, options));
  } catch (error) {
    // A stop during the start ends the process by itself.
    if (state.isStopping) return;
    await supervisor.kill();
    reportFailure(error);
    process.exit(1);
  }
}
