import { nodeEnv } from "@samsa/node";
import { ApiKey, Apis, responseFrame } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { BrokerConnection, RawConnection } from "../src/index.ts";
import { AT, Fixture, OPTIONS, VERSIONS } from "./fake-broker.ts";

describe("a raw connection", () => {
  test("sends requests at any version and in any order, and returns what comes", async () => {
    const fixture = await Fixture.start();
    fixture.script = request => request.reply({ brokers: [], topics: [], clusterId: `${request.correlationId}` });
    const raw = await fixture.settled(RawConnection.open(fixture.env, AT));
    expect([raw.send("Metadata", 12, { topics: null }), raw.send(ApiKey.ApiVersions, 0, {})]).toEqual([1, 2]);
    const metadata = await fixture.settled(raw.receive("Metadata", 12));
    expect(metadata.clusterId).toBe("1");
    expect(await fixture.settled(raw.receive(ApiKey.ApiVersions, 0))).toMatchObject(VERSIONS);
    const answer = await fixture.settled(raw.ask("ApiVersions", 3, {}));
    expect(answer.apiKeys.length).toBe(VERSIONS.apiKeys.length);
  });

  test("sends bytes as they are, and gives frames without looking at them", async () => {
    const fixture = await Fixture.start();
    fixture.versions = ({ connection }) => void connection.write([Uint8Array.of(0, 0, 0, 2, 7, 8, 0, 0, 0, 0)]);
    const raw = await fixture.settled(RawConnection.open(fixture.env, AT));
    for (const byte of [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255]) raw.write(Uint8Array.of(byte));
    expect(await fixture.settled(raw.frame())).toEqual(Uint8Array.of(7, 8));
    expect(await fixture.settled(raw.frame())).toEqual(new Uint8Array(0));
    raw.writeFrame(Uint8Array.of(0, 18, 0, 0, 0, 0, 0, 2, 255, 255));
    expect(await fixture.settled(raw.frame())).toEqual(Uint8Array.of(7, 8));
    expect(fixture.requests.map(({ correlationId }) => correlationId)).toEqual([1, 2]);
    expect(raw.isOpen).toBe(true);
  });

  test("ends with the peer, or without a frame in time", async () => {
    const fixture = await Fixture.start();
    const raw = await fixture.settled(RawConnection.open(fixture.env, AT));
    const [frame, closed] = [raw.frame(), raw.whenClosed()];
    for (const peer of fixture.connections) peer.end();
    expect(await fixture.settled(frame)).toBeUndefined();
    await fixture.settled(closed);
    await raw.whenClosed();
    expect([raw.isOpen, raw.closed?.code]).toEqual([false, "DISCONNECTED"]);
    expect(await fixture.settled(raw.frame())).toBeUndefined();

    const other = await fixture.settled(RawConnection.open(fixture.env, AT, { timeoutMs: 500 }));
    const error = await fixture.failed(other.ask("Metadata", 1, { topics: null }));
    expect([error.code, error.message]).toEqual(["REQUEST_TIMED_OUT", "broker:9092 sent no frame within 0.5 s"]);
  });

  test("that does not read leaves the answers with the peer until it does", async () => {
    const fixture = await Fixture.start();
    const raw = await fixture.settled(RawConnection.open(fixture.env, AT));
    raw.pause();
    raw.send("ApiVersions", 0, {});
    await fixture.world.runFor(100);
    expect([...fixture.connections].map(peer => peer.pendingBytes() > 0)).toEqual([true]);
    raw.resume();
    expect(await fixture.settled(raw.receive("ApiVersions", 0))).toMatchObject(VERSIONS);
  });
});

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const env = nodeEnv({ logger: silent });
/** A reserved port, which the system hands out to no listener. */
const NOBODY = { host: "127.0.0.1", port: 1 };

test("over real sockets, a refused connection and a server that says nothing fail alike", async () => {
  const listener = await env.network.listen("127.0.0.1", 0, () => ({ onData() {}, onDrain() {}, onClose() {} }));
  const at = { host: "127.0.0.1", port: listener.port };
  await expect(BrokerConnection.connect(env, at, { ...OPTIONS, setupTimeoutMs: 50 })).rejects.toMatchObject({
    code: "SETUP_TIMED_OUT",
  });
  await listener.close();
  // Another process may have been given the port of the closed listener, but nobody listens at this one.
  await expect(BrokerConnection.connect(env, NOBODY, OPTIONS)).rejects.toMatchObject({ code: "CONNECTION_FAILED" });
  await expect(RawConnection.open(env, NOBODY)).rejects.toMatchObject({ code: "CONNECTION_FAILED" });
});

test("a reply that arrives in time counts, even if this process is busy until it is late", async () => {
  const { key, lastStable: version, response } = Apis.ApiVersions;
  const listener = await env.network.listen("127.0.0.1", 0, peer => ({
    onData() {
      peer.write(responseFrame({ key, version, correlationId: 1 }, response, VERSIONS));
      const until = env.clock.monotonic() + 300;
      while (env.clock.monotonic() < until);
    },
    onDrain() {},
    onClose() {},
  }));
  const at = { host: "127.0.0.1", port: listener.port };
  const connection = await BrokerConnection.connect(env, at, { ...OPTIONS, setupTimeoutMs: 200 });
  expect(connection.isOpen).toBe(true);
  connection.close();
  await listener.close();
});
