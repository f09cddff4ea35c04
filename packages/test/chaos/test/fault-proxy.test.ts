import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CLIENTS, FaultProxy } from "../src/stage/fault-proxy.ts";

/** Frame whose header has a client id, as far as the proxy reads it. */
function frame(clientId: string, text: string): Buffer {
  const id = Buffer.from(clientId);
  const head = Buffer.alloc(14);
  head.writeInt32BE(10 + id.length + text.length);
  head.writeInt16BE(id.length, 12);
  return Buffer.concat([head, id, Buffer.from(text)]);
}

let proxy: FaultProxy;
let server: Server;
let address: string;
const sockets: Socket[] = [];

beforeEach(async () => {
  proxy = new FaultProxy();
  // Sends back what it gets.
  server = createServer(socket => {
    sockets.push(socket.on("error", () => socket.destroy()));
    socket.pipe(socket);
  });
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  address = await proxy.front(2, `127.0.0.1:${port}`);
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await proxy.close();
  await new Promise(resolve => server.close(resolve));
});

/** Connection of a client, and the text that it has got. */
class Peer {
  readonly socket: Socket;
  readonly #clientId: string;
  got = "";
  isClosed = false;

  constructor(clientId: string) {
    const [host, port] = address.split(":");
    this.#clientId = clientId;
    this.socket = connect(Number(port), host);
    sockets.push(this.socket);
    this.socket.on("error", () => this.socket.destroy());
    this.socket.on("data", bytes => (this.got += bytes.toString("latin1")));
    this.socket.on("close", () => (this.isClosed = true));
  }

  send(text: string): void {
    this.socket.write(frame(this.#clientId, text));
  }
}

const has = (peer: Peer, text: string) => expect.poll(() => peer.got).toContain(text);

test("a cut holds what goes in one direction, and a heal lets it arrive", async () => {
  const [node, client] = [new Peer("broker-1-fetcher-0"), new Peer("somebody")];
  node.send("before");
  await has(node, "before");
  proxy.cutOneWay("1", "2");
  node.send("held");
  client.send("others pass");
  await has(client, "others pass");
  expect(node.got).not.toContain("held");
  proxy.heal();
  await has(node, "held");
});

test("a cut of answers lets requests arrive", async () => {
  const node = new Peer("raft-client-1");
  proxy.cutOneWay("2", "1");
  node.send("asked");
  await expect
    .poll(() => sockets.some(({ bytesRead, remotePort }) => remotePort !== undefined && bytesRead > 20))
    .toBe(true);
  expect(node.got).toBe("");
  proxy.heal();
  await has(node, "asked");
});

test("a client with links of its own is not cut off with the others", async () => {
  proxy.link("auditor", "2");
  const [auditor, other] = [new Peer("auditor"), new Peer("other")];
  proxy.cut(CLIENTS, "2");
  other.send("held");
  auditor.send("passes");
  await has(auditor, "passes");
  expect(other.got).toBe("");
});

test("the end of a connection is held, too, and passed on after the bytes before it", async () => {
  const node = new Peer("1");
  node.send("first");
  await has(node, "first");
  proxy.cut("1", "2");
  for (const socket of sockets) if (socket !== node.socket) socket.destroy();
  const client = new Peer("client");
  client.send("passes");
  await has(client, "passes");
  expect(node.isClosed).toBe(false);
  proxy.heal();
  await expect.poll(() => node.isClosed).toBe(true);
});

test("a severed connection is closed, and only that of the two ends", async () => {
  const [one, three] = [new Peer("1"), new Peer("3")];
  for (const peer of [one, three]) peer.send("hello");
  await has(one, "hello");
  await has(three, "hello");
  proxy.sever("1", "2");
  await expect.poll(() => one.isClosed).toBe(true);
  three.send("still here");
  await has(three, "still here");
});

test("a slow link keeps the order of what it carries", async () => {
  const node = new Peer("1");
  proxy.slow("1", "2", { latencyMs: 5, bytesPerSecond: 100_000 });
  for (const text of ["a1", "b2", "c3"]) node.send(text);
  await has(node, "c3");
  const places = ["a1", "b2", "c3"].map(text => node.got.indexOf(text));
  expect(places).toEqual(places.toSorted((a, b) => a - b));
});

test("a connection to a node that is down is closed", async () => {
  await new Promise(resolve => server.close(resolve));
  const peer = new Peer("somebody");
  peer.send("nobody is there");
  await expect.poll(() => peer.isClosed).toBe(true);
});
