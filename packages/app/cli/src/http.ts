import { createServer, type Server, type ServerResponse } from "node:http";
import type { Broker, MetricFamily } from "@samsa/broker";
import type { ClientMetrics } from "./client-metrics.ts";
import { Failure } from "./failure.ts";
import { watchTurns } from "./turns.ts";

/** Loaded when somebody first asks: it would be a tenth of the start otherwise. */
async function renderMetrics(families: readonly MetricFamily[]): Promise<string> {
  const prometheus = await import("./prometheus.ts");
  return prometheus.renderMetrics(families);
}

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "content-type": type });
  response.end(body);
}

/**
 * `/metrics` of the broker and of its clients in Prometheus' text, `/health` as 200 or 503. Rejects with a `Failure` when
 * the port is taken.
 */
export function serveHttp(broker: Broker, clients: ClientMetrics, host: string, port: number): Promise<Server> {
  const turns = watchTurns();
  const server = createServer((request, response) => {
    const path = (request.url ?? "/").split("?")[0];
    if (path === "/health") {
      const status = broker.healthy ? 200 : 503;
      answer(response, status, "application/json", JSON.stringify({ status: status === 200 ? "ok" : "unavailable" }));
    } else if (path === "/metrics") {
      renderMetrics([...broker.metrics.families(), turns(), ...clients.families()]).then(
        text => answer(response, 200, "text/plain; version=0.0.4; charset=utf-8", text),
        error => answer(response, 500, "text/plain", String(error)),
      );
    } else answer(response, 404, "text/plain", "Not here. Try /metrics or /health.\n");
  });
  return new Promise((resolve, reject) => {
    server.once("error", error => reject(new Failure(`cannot serve HTTP on ${host}:${port}: ${error.message}`)));
    server.listen(port, host, () => {
      server.removeAllListeners("error");
      server.on("error", () => {});
      resolve(server);
    });
  });
}
