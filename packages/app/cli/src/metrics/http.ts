import type { Server, ServerResponse } from "node:http";
import type { Logger } from "@samsa/base";
import type { Node } from "@samsa/broker";
import type { ClientMetrics } from "./client-metrics.ts";
import { Failure } from "../terminal/failure.ts";
import type { Exposition, Rendered } from "./exposition.ts";
import { watchProcess } from "./process-metrics.ts";

/** An `import` would read all exports, WebSocket among them, for which Node loads undici: a tenth of a start. */
const { createServer } = process.getBuiltinModule("node:http");

/** Number of ports to try, beginning with the default. */
const PORTS_TRIED = 10;

/** A client that takes nothing of a scrape for so long is closed, in ms. */
const STALLED_MS = 30_000;

/** Renders metrics. Loads the library at the first scrape: it would take a tenth of the start time. */
function renderer(): (metrics: Iterable<Rendered>) => AsyncIterable<string> {
  let exposition: Promise<Exposition> | undefined;
  return async function* render(metrics) {
    exposition ??= import("./prometheus.ts").then(prometheus => prometheus.processExposition());
    yield* (await exposition).chunks(metrics);
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
  /** Text for `/metrics`, in chunks. */
  readonly metrics: () => AsyncIterable<string>;
}

/** All metrics of a node: those of its roles, of this process and of clients. */
export function nodeMetrics(node: Node, clients: ClientMetrics): () => Iterable<Rendered> {
  const ofProcess = watchProcess();
  return function* all() {
    yield* ofProcess;
    yield* node.metricSources();
    yield* clients.families();
  };
}

/** Content of a node. */
export function nodeContent(node: Node, metrics: () => Iterable<Rendered>): HttpContent {
  const render = renderer();
  return {
    health: () => ({ ok: node.healthy, facts: { status: node.healthy ? "ok" : "unavailable" } }),
    metrics: () => render(metrics()),
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

/** Sends a text as the client takes it. Rejects if it cannot be made. */
async function send(response: ServerResponse, chunks: AsyncIterable<string>): Promise<void> {
  response.setTimeout(STALLED_MS, () => response.destroy());
  for await (const chunk of chunks) {
    if (response.destroyed) return;
    if (!response.headersSent) response.writeHead(200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
    // A string would be encoded anew for each of its parts.
    if (!response.write(Buffer.from(chunk))) await drained(response);
  }
  response.end();
}

/** Resolves once a response takes more, or has ended. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.once("drain", done).once("close", done);
  });
}

function httpServer({ health, metrics }: HttpContent): Server {
  return createServer((request, response) => {
    const path = (request.url ?? "/").split("?")[0];
    if (path === "/health") {
      const { ok, facts } = health();
      answer(response, ok ? 200 : 503, "application/json", JSON.stringify(facts));
    } else if (path === "/metrics") {
      send(response, metrics()).catch((error: unknown) => {
        if (response.headersSent) response.destroy();
        else answer(response, 500, "text/plain", String(error));
      });
    } else answer(response, 404, "text/plain", "Not here. Try /metrics or /health.\n");
  });
}
