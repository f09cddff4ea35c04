import { createServer, type Socket } from "node:net";
import { ignored } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { expect, test } from "vitest";
import { connectToAny } from "../src/commands/admin.ts";

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

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
  const real = nodeEnv({ logger: SILENT });
  const waits = new Map<() => void, number>();
  const after = (ms: number, run: () => void) => {
    waits.set(run, ms);
    return { cancel: () => void waits.delete(run) };
  };
  let shift = 0;
  const clock = { ...real.clock, monotonic: () => real.clock.monotonic() + shift };
  const opening = connectToAny(
    { ...real, clock, timers: { ...real.timers, after } },
    { bootstrapServer: addresses.join(",") },
  );
  const silence = "accepted a connection but did not answer ApiVersions within 10 s; is it a Kafka broker\\?";
  const said = expect(opening).rejects.toThrow(
    new RegExp(`^${addresses.map(address => `${address} ${silence}`).join("; ")}$`),
  );
  for (const request of asked) {
    await request;
    const [[run, ms]] = waits;
    // Connecting took a part of the ten seconds.
    expect([waits.size, Math.ceil(ms / 1000)]).toEqual([1, 10]);
    waits.clear();
    shift += ms;
    run();
  }
  await said;
  for (const socket of sockets) socket.destroy();
  for (const server of servers) server.close();
});

test("a response above 64 MiB is refused by its size, before its bytes arrive", async () => {
  const size = Buffer.alloc(4);
  const server = createServer(socket => {
    socket.on("error", ignored("the client gives up")).once("data", () => socket.write(size));
  });
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
  const address = `127.0.0.1:${(server.address() as { port: number }).port}`;
  size.writeInt32BE(64 * 1024 * 1024 + 1);
  await expect(connectToAny(nodeEnv({ logger: SILENT }), { bootstrapServer: address })).rejects.toThrow(
    `the server at ${address} does not speak Kafka's protocol: `,
  );
  server.close();
});
