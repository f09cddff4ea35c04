import { spawn } from "node:child_process";
import { once } from "node:events";
import { type Connection, type ConnectionHandler, concat, type Logger, NetworkError, utf8 } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { expect, test } from "vitest";

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const env = nodeEnv({ logger: silent, network: { highWaterMark: 64 * 1024, lingerMs: 50 } });
const host = "127.0.0.1";

/** A handler that gathers the received bytes and records when the connection closes. */
function gatherer(onData: (chunk: Uint8Array) => void = () => undefined) {
  const chunks: Uint8Array[] = [];
  let drains = 0;
  let closed: (error: Error | undefined) => void;
  const done = new Promise<Error | undefined>(resolve => (closed = resolve));
  const handler: ConnectionHandler = {
    onData(chunk) {
      chunks.push(chunk.slice());
      onData(chunk);
    },
    onDrain: () => void drains++,
    onClose: error => closed(error),
  };
  return { handler, done, bytes: () => concat(chunks), drains: () => drains };
}

test("echo, gathered writes, orderly end", async () => {
  const listener = await env.network.listen(host, 0, peer => gatherer(chunk => peer.write([chunk.slice()])).handler);
  expect(listener.port).toBeGreaterThan(0);
  let all: (bytes: Uint8Array) => void;
  const echoed = new Promise<Uint8Array>(resolve => (all = resolve));
  const client = gatherer(() => client.bytes().length === 6 && all(client.bytes()));
  const connection = await env.network.connect(host, listener.port, { timeoutMs: 10_000 }, () => client.handler);
  expect(connection.remotePort).toBe(listener.port);
  expect(connection.write([utf8("ab"), utf8("cd"), utf8("ef")])).toBe(true);
  expect(await echoed).toEqual(utf8("abcdef"));
  await new Promise<void>(sent => expect(connection.write([], sent)).toBe(true));
  connection.end();
  expect(await client.done).toBeUndefined();
  expect(connection.write([utf8("late")])).toBe(false);
  await listener.close();
});

test("back-pressure: write says stop, drain says go on, nothing is lost", async () => {
  const server = gatherer();
  let peer: Connection | undefined;
  const listener = await env.network.listen(host, 0, connection => {
    peer = connection;
    connection.pause();
    return server.handler;
  });
  const client = gatherer();
  const connection = await env.network.connect(host, listener.port, { timeoutMs: 10_000 }, () => client.handler);
  const chunk = new Uint8Array(1 << 20).fill(7);
  let sent = 0;
  while (sent < 16) {
    sent++;
    if (!connection.write([chunk]) && sent > 8) break;
  }
  expect(connection.pendingBytes()).toBeGreaterThan(0);
  peer?.resume();
  connection.end();
  await Promise.all([client.done, server.done]);
  expect(server.bytes().length).toBe(sent << 20);
  await listener.close();
});

test("errors have codes, and a cut reaches onClose once", async () => {
  let peer: Connection | undefined;
  const server = gatherer();
  const listener = await env.network.listen(host, 0, connection => {
    peer = connection;
    return server.handler;
  });
  const taken = await env.network.listen(host, listener.port, () => server.handler).catch(e => e as unknown);
  expect(taken).toBeInstanceOf(NetworkError);
  expect((taken as NetworkError).code).toBe("EADDRINUSE");
  const client = gatherer(() => peer?.destroy());
  const connection = await env.network.connect(host, listener.port, { timeoutMs: 10_000 }, () => client.handler);
  connection.destroy();
  expect(await client.done).toBeUndefined();
  await server.done;
  await listener.close();
  // A reserved port: another process may have been given the port of the closed listener.
  const refused = await env.network
    .connect(host, 1, { timeoutMs: 10_000 }, () => client.handler)
    .catch(e => e as unknown);
  expect((refused as NetworkError).code).toBe("ECONNREFUSED");
});

/** Server in a stopped process: the system accepts connections for it until its backlog is full. */
const STOPPED = `require("net").createServer().listen({ host: "127.0.0.1", port: 0, backlog: 1 }, function () {
  process.stdout.write(String(this.address().port));
  process.kill(process.pid, "SIGSTOP");
});`;

test("a connect that takes too long fails, and is given up", async () => {
  const child = spawn(process.execPath, ["-e", STOPPED]);
  try {
    const [text] = (await once(child.stdout, "data")) as [Buffer];
    const { handler } = gatherer();
    const codes: string[] = [];
    while (codes.length === 0) {
      await env.network
        .connect(host, Number(text.toString()), { timeoutMs: 200 }, () => handler)
        .catch((error: NetworkError) => codes.push(error.code));
    }
    expect(codes).toEqual(["ETIMEDOUT"]);
  } finally {
    child.kill("SIGKILL");
  }
});

test("timers fire in order and can be cancelled; ids are random", async () => {
  const seen: string[] = [];
  await new Promise<void>(resolve => {
    env.timers.after(20, resolve);
    env.timers.after(1, () => seen.push("one"));
    env.timers.after(0x100000000, () => seen.push("never")).cancel();
    env.timers.after(2, () => seen.push("cancelled")).cancel();
    env.timers.soon(() => seen.push("soon"));
    // A pending timer does not keep the process alive, so the test must.
    setTimeout(() => undefined, 30);
  });
  expect(seen).toEqual(["soon", "one"]);
  expect(env.random.bytes(16)).not.toEqual(env.random.bytes(16));
});
