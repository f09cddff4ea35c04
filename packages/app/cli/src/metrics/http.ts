import type { Server, ServerResponse } from "node:http";
import type { Logger } from "@samsa/base";
import type { MetricFamily, Node } from "@samsa/broker";
import type { ClientMetrics } from "./client-metrics.ts";
import { Failure } from "../terminal/failure.ts";
import type { Exposition } from "./prometheus.ts";
import { watchTurns } from "./turns.ts";

/** An `import` would read all exports, WebSocket among them, for which Node loads undici: a tenth of a start. */
const { createServer } = process.getBuiltinModule("node:http");

/** Number of ports to try, beginning with the default. */
const PORTS_TRIED = 10;

/** Renders metrics. Loads the library at the first scrape: it would take a tenth of the start time. */
function renderer(): (families: readonly MetricFamily[]) => Promise<string> {
  let exposition: Promise<Exposition> | undefined;
  return async families => {
    exposition ??= import("./prometheus.ts").then(prometheus => new prometheus.Exposition());
    return (await exposition).render(families);
  };
}

/** Address of the HTTP server. */
export interface HttpPlace {
  readonly host: string;
  readonly port: number;
  /** The port is a default: if it is taken, use the next free one. */
  readonly wish: boolean;
}

/** Content of the HTTP server. */
export interface HttpContent {
  /** Facts for `/health`, and true if all is well. */
  readonly health: () => { readonly ok: boolean; readonly facts: object };
  /** Text for `/metrics`. */
  readonly metrics: () => Promise<string>;
}

/** Content of a node: the metrics of the broker, of this process and of clients. */
export function nodeContent(node: Node, clients: ClientMetrics): HttpContent {
  const turns = watchTurns();
  const renderMetrics = renderer();
  return {
    health: () => ({ ok: node.healthy, facts: { status: node.healthy ? "ok" : "unavailable" } }),
    metrics: () => renderMetrics([...node.metricFamilies(), turns(), ...clients.families()]),
  };
}

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "content-type": type });
  response.end(body);
}

/**
 * Serves `/metrics` in Prometheus' text format, and `/health` as 200 or 503. Rejects with a `Failure` if the port is
 * taken.
 */
export async function serveHttp(content: HttpContent, place: HttpPlace, logger: Logger): Promise<Server> {
  const server = httpServer(content);
  const last = place.wish ? Math.min(place.port + PORTS_TRIED - 1, 65_535) : place.port;
  for (let port = place.port; ; port++) {
    try {
      await listen(server, place.host, port);
      server.on("error", error => logger.warn("the HTTP server failed", { error }));
      return server;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== "EADDRINUSE") throw new Failure(`cannot serve HTTP on ${place.host}:${port}: ${message}`);
      if (port < last) continue;
      const which = port === place.port ? `port ${port} of ${place.host} is` : `ports ${place.port} to ${port} are`;
      throw new Failure(`cannot serve metrics: ${which} taken. Choose another with --http-port, or "off".`);
    }
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

function httpServer({ health, metrics }: HttpContent): Server {
  return createServer((request, response) => {
    const path = (request.url ?? "/").split("?")[0];
    if (path === "/health") {
      const { ok, facts } = health();
      answer(response, ok ? 200 : 503, "application/json", JSON.stringify(facts));
    } else if (path === "/metrics") {
      metrics().then(
        text => answer(response, 200, "text/plain; version=0.0.4; charset=utf-8", text),
        error => answer(response, 500, "text/plain", String(error)),
      );
    } else answer(response, 404, "text/plain", "Not here. Try /metrics or /health.\n");
  });
}
