import { createServer, type Socket } from "node:net";
import { ignored } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { expect, test } from "vitest";
import { AdminConnection } from "../src/commands/admin.ts";

test("a server that says nothing is named after ten seconds, with what was asked of it, and the next one is tried", async () => {
  const sockets: Socket[] = [];
  const servers = [0, 1].map(() => {
    return createServer(socket => void sockets.push(socket.on("error", ignored("the client gives up"))));
  });
  const asked = servers.map(server => {
    return new Promise<void>(resolve => server.on("connection", socket => socket.once("data", () => resolve())));
  });
  const addresses: string[] = [];
  for (const server of servers) {
    await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
    addresses.push(`127.0.0.1:${(server.address() as { port: number }).port}`);
  }
  const real = nodeEnv({ logger: { debug() {}, info() {}, warn() {}, error() {} } });
  const waits = new Map<() => void, number>();
  const after = (ms: number, run: () => void) => {
    waits.set(run, ms);
    return { cancel: () => void waits.delete(run) };
  };
  const opening = AdminConnection.open({ ...real, timers: { ...real.timers, after } }, addresses.join(","));
  const said = expect(opening).rejects.toThrow(
    new RegExp(`^${addresses.map(address => `${address} has not answered ApiVersions for 10 s`).join("; ")}$`),
  );
  for (const request of asked) {
    await request;
    expect([...waits.values()]).toEqual([10_000]);
    for (const run of [...waits.keys()]) run();
    waits.clear();
  }
  await said;
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
});
