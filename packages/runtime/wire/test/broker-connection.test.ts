import { utf8 } from "@samsa/base";
import { ApiKey, responseFrame, Apis } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { BrokerConnection, type ConnectionOptions } from "../src/index.ts";
import { AT, Fixture, OPTIONS, RANGES, VERSIONS } from "./fake-broker.ts";

const METADATA = { topics: null };
const METADATA_REPLY = { brokers: [], topics: [] };

const connecting = (fixture: Fixture, options: Partial<ConnectionOptions> = {}): Promise<BrokerConnection> =>
  BrokerConnection.connect(fixture.env, AT, { ...OPTIONS, ...options });

const connected = (fixture: Fixture, options?: Partial<ConnectionOptions>): Promise<BrokerConnection> =>
  fixture.settled(connecting(fixture, options));

describe("connecting", () => {
  test("learns the versions, and tells the software", async () => {
    const fixture = await Fixture.start();
    const connection = await connected(fixture);
    expect(fixture.requests).toMatchObject([
      { key: ApiKey.ApiVersions, version: Apis.ApiVersions.lastStable, clientId: "test" },
    ]);
    expect(fixture.requests[0].body).toMatchObject({ clientSoftwareName: "samsa", clientSoftwareVersion: "0.1.0" });
    expect(connection.versions.latestUsable("Metadata")).toBe(9);
    expect([connection.isOpen, connection.endpoint]).toEqual([true, AT]);
  });

  test.each([
    ["lists the versions of ApiVersions", [{ apiKey: ApiKey.ApiVersions, minVersion: 0, maxVersion: 3 }], [5, 3]],
    ["lists nothing", [], [5, 0]],
  ])("falls back if the broker is older and %s", async (_, apiKeys, asked) => {
    const fixture = await Fixture.start();
    fixture.versions = request => {
      if (request.version > 3) request.reply({ errorCode: 35, apiKeys }, { version: 0 });
      else request.reply(VERSIONS);
    };
    const connection = await connected(fixture);
    expect(fixture.requests.map(({ version }) => version)).toEqual(asked);
    expect(connection.versions.latestUsable("Metadata")).toBe(9);
  });

  test("fails if the broker refuses ApiVersions at every version", async () => {
    const fixture = await Fixture.start();
    fixture.versions = request => request.reply({ errorCode: 35, apiKeys: RANGES }, { version: 0 });
    const error = await fixture.failed(connecting(fixture));
    expect(error).toMatchObject({ name: "WireError", code: "API_VERSIONS_REFUSED" });
    expect(error.message).toMatch(/^broker:9092 refuses ApiVersions: .+ \(UNSUPPORTED_VERSION\)$/);
    expect(fixture.requests.map(({ version }) => version)).toEqual([5, 4, 3, 2, 1, 0]);
    await fixture.world.runFor(10);
    expect(fixture.connections.size).toBe(0);
  });

  test("fails if the broker answers ApiVersions with another error", async () => {
    const fixture = await Fixture.start();
    fixture.versions = request => request.reply({ errorCode: 58, apiKeys: [] });
    expect(await fixture.failed(connecting(fixture))).toMatchObject({
      code: "API_VERSIONS_REFUSED",
      message: expect.stringContaining("(SASL_AUTHENTICATION_FAILED)"),
    });
  });

  test("fails if nobody listens", async () => {
    const fixture = new Fixture(1);
    const error = await fixture.failed(connecting(fixture));
    expect(error.code).toBe("CONNECTION_FAILED");
    expect(error.message).toBe("no broker at broker:9092: nobody at broker:9092 (ECONNREFUSED)");
  });

  test("fails after the setup timeout if the network is cut", async () => {
    const fixture = await Fixture.start();
    fixture.world.network.cut("client", "broker");
    const error = await fixture.failed(connecting(fixture, { setupTimeoutMs: 700 }));
    expect(error.code).toBe("SETUP_TIMED_OUT");
    expect(fixture.world.now()).toBeCloseTo(700);
  });

  test("fails after the setup timeout if the broker is mute, and closes the connection", async () => {
    const fixture = await Fixture.start();
    fixture.versions = () => {};
    const error = await fixture.failed(connecting(fixture));
    expect(error.code).toBe("SETUP_TIMED_OUT");
    expect(error.message).toMatch(/^broker:9092 accepted a connection but did not answer ApiVersions within 10 s/);
    expect(fixture.world.now()).toBeCloseTo(10_000);
    await fixture.world.runFor(10);
    expect(fixture.connections.size).toBe(0);
  });

  test.each([
    ["text", utf8("HTTP/1.1 400 Bad Request\r\n\r\n"), "INVALID_RECEIVE"],
    ["a negative size", Uint8Array.of(255, 255, 255, 255), "INVALID_RECEIVE"],
    ["a frame without a correlation id", Uint8Array.of(0, 0, 0, 2, 0, 0), "INVALID_RECEIVE"],
    ["a frame that ends early", Uint8Array.of(0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0), "INVALID_RECEIVE"],
    ["another correlation id", Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 9), "CORRELATION_MISMATCH"],
  ])("fails if the server sends %s", async (_, bytes, code) => {
    const fixture = await Fixture.start();
    fixture.versions = ({ connection }) => void connection.write([bytes]);
    const error = await fixture.failed(connecting(fixture));
    expect(error.code).toBe(code);
    expect(error.message).toContain("broker:9092");
    await fixture.world.runFor(10);
    expect(fixture.connections.size).toBe(0);
  });

  test("fails if the server closes the connection", async () => {
    const fixture = await Fixture.start();
    fixture.versions = ({ connection }) => connection.end();
    expect(await fixture.failed(connecting(fixture))).toMatchObject({
      code: "DISCONNECTED",
      message:
        "broker:9092 closed the connection, before it told its API versions; does its port expect TLS, or a certificate?",
    });
  });
});

describe("a call", () => {
  test("uses the highest version that both sides support, or the pinned one", async () => {
    const fixture = await Fixture.start();
    const connection = await connected(fixture);
    fixture.script = request => request.reply({ ...METADATA_REPLY, clusterId: `at ${request.version}` });
    const one = await fixture.settled(connection.call("Metadata", METADATA));
    expect(one.clusterId).toBe("at 9");
    const other = await fixture.settled(connection.call("Metadata", METADATA, { version: 4 }));
    expect(other.clusterId).toBe("at 4");
  });

  test("fails without closing if the sides have no version in common, or none that can carry the request", async () => {
    const fixture = await Fixture.start();
    const connection = await connected(fixture);
    const pinned = await fixture.failed(connection.call("Metadata", METADATA, { version: 12 }));
    expect(pinned.code).toBe("UNSUPPORTED_VERSION");
    expect(pinned.message).toBe("Metadata needs version 12, but broker:9092 supports versions 0 to 9");
    const absent = await fixture.failed(connection.call("Vote", { topics: [], clusterId: null }));
    expect(absent.message).toBe("Vote needs versions 0 to 2, but broker:9092 does not support it");
    const byId = { topics: [{ topicId: "AQIDBAUGBwgJCgsMDQ4PEA" as never, name: null }] };
    expect((await fixture.failed(connection.call("Metadata", byId))).code).toBe("UNSUPPORTED_VERSION");
    expect([connection.isOpen, connection.pendingRequests]).toEqual([true, 0]);
    fixture.script = request => request.reply(METADATA_REPLY);
    await fixture.settled(connection.call("Metadata", METADATA));
  });

  test("gets its own response, in order, however the bytes are split", async () => {
    const fixture = await Fixture.start(3, { network: { splitChance: 0.9 } });
    const connection = await connected(fixture, { maxInFlight: 7 });
    fixture.script = request => {
      const groups = (request.body as { groups: readonly string[] }).groups.map(groupId => ({
        ...{ errorCode: 0, groupId, groupState: "x".repeat(2000), protocolType: "", protocolData: "", members: [] },
      }));
      request.reply({ groups });
    };
    const asked = Array.from({ length: 40 }, (_, i) => `group ${i}`);
    const calls = asked.map(group => connection.call("DescribeGroups", { groups: [group] }));
    const answers = await fixture.settled(Promise.all(calls));
    expect(answers.map(({ groups }) => groups[0].groupId)).toEqual(asked);
    expect(connection.pendingRequests).toBe(0);
  });

  test("waits while as many requests as may be are in flight", async () => {
    const fixture = await Fixture.start();
    const connection = await connected(fixture, { maxInFlight: 2 });
    const held: (() => void)[] = [];
    fixture.script = request => held.push(() => request.reply(METADATA_REPLY));
    const calls = Array.from({ length: 5 }, () => connection.call("Metadata", METADATA));
    await fixture.world.runFor(100);
    expect([held.length, connection.pendingRequests]).toEqual([2, 5]);
    held[0]();
    await fixture.world.runFor(100);
    expect([held.length, connection.pendingRequests]).toEqual([3, 4]);
    fixture.script = request => request.reply(METADATA_REPLY);
    held[1]();
    held[2]();
    await fixture.settled(Promise.all(calls));
  });

  test("waits while the socket does not take bytes, and goes on when it does", async () => {
    const fixture = await Fixture.start(1, { network: { highWaterMark: 1000 } });
    const connection = await connected(fixture, { maxInFlight: 100 });
    fixture.script = request => request.reply(METADATA_REPLY);
    for (const peer of fixture.connections) peer.pause();
    const topics = Array.from({ length: 50 }, () => ({ name: "t".repeat(100) }));
    const calls = Array.from({ length: 10 }, () => connection.call("Metadata", { topics }));
    await fixture.world.runFor(100);
    expect([fixture.requests.length, connection.pendingRequests]).toEqual([1, 10]);
    for (const peer of fixture.connections) peer.resume();
    await fixture.settled(Promise.all(calls));
  });

  test("without a response resolves once it is sent, and leaves the order as it is", async () => {
    const fixture = await Fixture.start();
    const connection = await connected(fixture);
    fixture.script = request => request.key === ApiKey.Metadata && request.reply(METADATA_REPLY);
    const produce = { acks: 0, timeoutMs: 1, topicData: [] };
    await fixture.settled(
      Promise.all([
        connection.tell("Produce", produce),
        connection.call("Metadata", METADATA),
        connection.tell("Produce", produce),
        connection.call("Metadata", METADATA),
      ]),
    );
    expect(fixture.requests.slice(1).map(({ key }) => key)).toEqual([0, 3, 0, 3]);
    await fixture.world.runFor(100_000);
    expect(connection.isOpen).toBe(true);
  });
});

describe("a connection is closed, and all its requests fail,", () => {
  test("when a request times out, the shortest first", async () => {
    const fixture = await Fixture.start();
    const connection = await connected(fixture);
    const began = fixture.world.now();
    const slow = connection.call("Metadata", METADATA);
    const fast = connection.call("ListGroups", {}, { timeoutMs: 250 });
    const [error, other] = await fixture.failures([slow, fast]);
    expect(other).toBe(error);
    expect([error.code, error.message]).toEqual([
      "REQUEST_TIMED_OUT",
      "broker:9092 did not answer ListGroups within 0.25 s",
    ]);
    expect(fixture.world.now() - began).toBeCloseTo(250);
    expect(await fixture.failed(connection.call("Metadata", METADATA))).toBe(error);
  });

  test("but not when one times out that was never sent", async () => {
    const fixture = await Fixture.start();
    const connection = await connected(fixture, { maxInFlight: 1 });
    const held: (() => void)[] = [];
    fixture.script = request => held.push(() => request.reply(METADATA_REPLY));
    const first = connection.call("Metadata", METADATA);
    const second = connection.call("Metadata", METADATA, { timeoutMs: 100 });
    expect((await fixture.failed(second)).code).toBe("REQUEST_TIMED_OUT");
    held[0]();
    await fixture.settled(first);
    expect([connection.isOpen, held.length]).toEqual([true, 1]);
  });

  test("when replies are out of order", async () => {
    const fixture = await Fixture.start();
    const connection = await connected(fixture);
    const held: (() => void)[] = [];
    fixture.script = request => {
      held.unshift(() => request.reply(METADATA_REPLY));
      if (held.length === 2) for (const reply of held) reply();
    };
    const calls = [connection.call("Metadata", METADATA), connection.call("Metadata", METADATA)];
    const errors = await fixture.failures(calls);
    expect(errors.map(({ code }) => code)).toEqual(["CORRELATION_MISMATCH", "CORRELATION_MISMATCH"]);
    expect(errors[0].message).toContain("instead of");
    await fixture.world.runFor(10);
    expect(fixture.connections.size).toBe(0);
  });

  test("when the broker replies to nothing", async () => {
    const fixture = await Fixture.start();
    const connection = await connected(fixture);
    fixture.requests[0].reply(VERSIONS);
    await fixture.world.runFor(10);
    const error = await fixture.failed(connection.call("Metadata", METADATA));
    expect(error.code).toBe("CORRELATION_MISMATCH");
    expect(error.message).toContain("while no request is in flight");
  });

  test("when a response is too large", async () => {
    const fixture = await Fixture.start();
    const connection = await connected(fixture, { maxResponseBytes: 5000 });
    fixture.script = request => request.reply({ ...METADATA_REPLY, clusterId: "x".repeat(5000) });
    const error = await fixture.failed(connection.call("Metadata", METADATA));
    expect(error.code).toBe("INVALID_RECEIVE");
    expect(error.message).toContain("the limit is 5000");
  });

  test("when a response cannot be read", async () => {
    const fixture = await Fixture.start();
    const connection = await connected(fixture);
    fixture.script = ({ key, version, correlationId, connection: peer }) => {
      const [whole] = responseFrame({ key, version, correlationId }, Apis.Metadata.response, METADATA_REPLY);
      const cut = whole.slice(0, -3);
      new DataView(cut.buffer).setInt32(0, cut.length - 4);
      peer.write([cut]);
    };
    const error = await fixture.failed(connection.call("Metadata", METADATA));
    expect(error.code).toBe("INVALID_RECEIVE");
    expect(error.message).toContain("its response to Metadata cannot be read");
    expect(connection.isOpen).toBe(false);
  });

  test("when the network loses it", async () => {
    const fixture = await Fixture.start();
    const connection = await connected(fixture);
    const call = connection.call("Metadata", METADATA);
    await fixture.world.runFor(10);
    fixture.world.network.sever("client", "broker");
    expect(await fixture.failed(call)).toMatchObject({
      code: "DISCONNECTED",
      message: "broker:9092 closed the connection: the connection was reset (ECONNRESET)",
    });
    expect(connection.isOpen).toBe(false);
  });

  test("when its owner closes it", async () => {
    const fixture = await Fixture.start();
    const connection = await connected(fixture, { maxInFlight: 1 });
    const calls = [connection.call("Metadata", METADATA), connection.call("Metadata", METADATA)];
    await fixture.world.runFor(10);
    connection.close();
    expect((await fixture.failures(calls)).map(({ code }) => code)).toEqual(["CLOSED", "CLOSED"]);
    await fixture.world.runFor(10);
    expect(fixture.connections.size).toBe(0);
  });
});

test("a cut network holds a reply back until it is healed", async () => {
  const fixture = await Fixture.start();
  const connection = await connected(fixture);
  fixture.script = request => request.reply(METADATA_REPLY);
  fixture.world.network.cut("client", "broker");
  const call = connection.call("Metadata", METADATA);
  await fixture.world.runFor(20_000);
  expect(connection.pendingRequests).toBe(1);
  fixture.world.network.heal("client", "broker");
  await fixture.settled(call);
});
