import { randomBytes } from "node:crypto";
import { ApiKey, apiOf, Errors } from "@samsa/protocol";
import { buildBatch } from "@samsa/records";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestBroker } from "./wire.ts";

let broker: TestBroker;

beforeAll(async () => {
  broker = await TestBroker.start({ "socket.request.max.bytes": "100000" });
});

afterAll(() => broker.stop());

function frame(bytes: Uint8Array): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(bytes.length);
  return Buffer.concat([size, bytes]);
}

function batch(value = "v"): Uint8Array {
  const records = [{ timestamp: Date.now(), key: null, value: Buffer.from(value) }];
  return buildBatch(records, {}, broker.broker.tools);
}

async function stillServes(): Promise<void> {
  const wire = await broker.connect();
  const answer = await wire.ask("ApiVersions", 0, {});
  expect(answer.errorCode).toBe(0);
  wire.close();
}

async function produce(bytes: Uint8Array, options: { topic?: string; acks?: number; version?: number } = {}) {
  const wire = await broker.connect();
  const { topic = "good", acks = -1, version = 9 } = options;
  await wire.ask("Metadata", 9, { topics: [{ name: "good" }], includeTopicAuthorizedOperations: false });
  const answer = await wire.ask("Produce", version, {
    transactionalId: null,
    acks,
    timeoutMs: 1000,
    topicData: [{ name: topic, partitionData: [{ index: 0, records: [bytes] }] }],
  });
  wire.close();
  return answer.responses[0].partitionResponses[0];
}

describe("bytes that are no request", () => {
  const cases: readonly (readonly [string, () => Buffer])[] = [
    ["a negative size", () => Buffer.from([255, 255, 255, 255])],
    ["a size over the limit", () => Buffer.from([0, 0x10, 0, 0])],
    ["an empty frame", () => frame(new Uint8Array(0))],
    ["a frame too short for a header", () => frame(Buffer.from([0, 1, 0]))],
    ["an unknown API", () => frame(Buffer.from([3, 231, 0, 0, 0, 0, 0, 1, 255, 255]))],
    ["a version too new", () => frame(Buffer.from([0, 3, 0, 99, 0, 0, 0, 1, 255, 255]))],
    ["a version too old", () => frame(Buffer.from([0, 0, 0, 2, 0, 0, 0, 1, 255, 255]))],
    ["a body cut short", () => frame(Buffer.from([0, 3, 0, 1, 0, 0, 0, 1, 255, 255, 0, 0]))],
    [
      "an array longer than the frame",
      () => frame(Buffer.from([0, 3, 0, 1, 0, 0, 0, 1, 255, 255, 127, 255, 255, 255])),
    ],
  ];

  test.each(cases)("%s closes the connection with one line", async (_, bytes) => {
    const before = broker.lines.length;
    const wire = await broker.connect();
    wire.write(bytes());
    await wire.whenClosed();
    expect(broker.lines.length).toBe(before + 1);
    expect(broker.lines.at(-1)?.level).toBe("warn");
    await stillServes();
  });

  test("noise, on many connections at once", async () => {
    const wires = await Promise.all(Array.from({ length: 50 }, () => broker.connect()));
    for (const wire of wires) wire.write(frame(randomBytes(200)));
    await Promise.all(wires.map(wire => wire.whenClosed()));
    await stillServes();
  });

  test("noise behind a good header, for every API and version", async () => {
    for (const [key] of Object.entries(Object.fromEntries(Object.values(ApiKey).map(k => [k, k])))) {
      const api = apiOf(Number(key));
      if (api === undefined) continue;
      const wire = await broker.connect();
      const head = Buffer.from([0, api.key, 0, api.lastStable, 0, 0, 0, 1, 255, 255]);
      wire.write(frame(Buffer.concat([head, Buffer.alloc(64, 0x7f)])));
      await Promise.race([wire.whenClosed(), wire.frame()]);
      wire.close();
    }
    await stillServes();
    expect(broker.lines.filter(({ level }) => level === "error")).toEqual([]);
  });

  test("half a frame waits, and nobody else with it", async () => {
    const slow = await broker.connect();
    slow.write(Buffer.from([0, 0, 0x40, 0, 0, 18]));
    await stillServes();
    slow.close();
  });
});

describe("ApiVersions", () => {
  test("a client of the future is told what there is", async () => {
    const wire = await broker.connect();
    wire.write(frame(Buffer.from([0, 18, 0, 99, 0, 0, 0, 7, 255, 255, 0])));
    const answer = await wire.receive("ApiVersions", 0);
    expect(answer.errorCode).toBe(35);
    expect(answer.apiKeys.map(({ apiKey }) => apiKey)).toEqual([18]);
    wire.close();
  });

  test("a client that remembers another cluster begins anew", async () => {
    const wire = await broker.connect();
    const ask = (clusterId: string | null, nodeId: number) =>
      wire.ask("ApiVersions", 5, {
        clientSoftwareName: "t",
        clientSoftwareVersion: "1",
        clusterId,
        nodeId,
      });
    expect((await ask("other", 1)).errorCode).toBe(129);
    expect((await ask("other", -1)).errorCode).toBe(42);
    expect((await ask(broker.node.clusterId, 1)).errorCode).toBe(0);
    expect((await ask(null, -1)).errorCode).toBe(0);
    wire.close();
  });
});

describe("batches that are not right", () => {
  test.each([
    ["a good one", (b: Uint8Array) => b, 0],
    ["a wrong checksum", (b: Uint8Array) => b.with(20, b[20] ^ 1), 2],
    ["an old magic", (b: Uint8Array) => b.with(16, 1), 87],
    ["nothing", () => new Uint8Array(0), 87],
    ["two batches", (b: Uint8Array) => Buffer.concat([b, b]), 87],
    ["half a batch", (b: Uint8Array) => b.slice(0, 40), 87],
  ] as const)("%s", async (_, spoil, code) => {
    expect((await produce(spoil(batch()))).errorCode).toBe(code);
  });

  test("acks that mean nothing, topics that are not there, topics that are ours", async () => {
    expect((await produce(batch(), { acks: 2 })).errorCode).toBe(21);
    expect((await produce(batch(), { topic: "nowhere" })).errorCode).toBe(3);
    expect((await produce(batch(), { topic: "__consumer_offsets" })).errorCode).toBe(3);
    const wire = await broker.connect();
    await wire.ask("FindCoordinator", 3, { key: "g", keyType: 0 });
    wire.close();
    expect((await produce(batch(), { topic: "__consumer_offsets" })).errorCode).toBe(17);
  });

  test("a batch above max.message.bytes", async () => {
    const wire = await broker.connect();
    const created = await wire.ask("CreateTopics", 7, {
      topics: [
        {
          name: "small",
          numPartitions: 1,
          replicationFactor: 1,
          assignments: [],
          configs: [{ name: "max.message.bytes", value: "100" }],
        },
      ],
      timeoutMs: 1000,
    });
    expect(created.topics[0].errorCode).toBe(0);
    expect((await produce(batch("x".repeat(200)), { topic: "small" })).errorCode).toBe(10);
    wire.close();
  });
});

test("names and settings that cannot be get Kafka's codes", async () => {
  const wire = await broker.connect();
  const create = async (name: string, more: object = {}) => {
    const topic = { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...more };
    const answer = await wire.ask("CreateTopics", 7, {
      topics: [topic],
      timeoutMs: 1000,
    });
    return answer.topics[0].errorCode;
  };
  expect(await create("bad name")).toBe(17);
  expect(await create("..")).toBe(17);
  expect(await create("x".repeat(250))).toBe(17);
  expect(await create("ok", { numPartitions: 0 })).toBe(37);
  expect(await create("ok", { replicationFactor: 2 })).toBe(38);
  expect(await create("ok", { configs: [{ name: "no.such", value: "1" }] })).toBe(40);
  expect(await create("ok", { configs: [{ name: "retention.ms", value: "soon" }] })).toBe(40);
  expect(await create("ok")).toBe(0);
  expect(await create("ok")).toBe(36);
  wire.close();
});

test("a reply that repeats more than its format can hold becomes the response to a failed request", async () => {
  const wire = await broker.connect();
  const name = "x".repeat(32_700);
  const topics = [{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }];
  for (const version of [3, 7]) {
    const answer = await wire.ask("CreateTopics", version, { topics, timeoutMs: 1000 });
    expect(answer).toMatchObject({ topics: [{ name, errorCode: Errors.UNKNOWN_SERVER_ERROR.code }] });
  }
  expect(await wire.ask("ApiVersions", 0, {})).toMatchObject({ errorCode: 0 });
  wire.close();
});

test("replies come in the order of the requests", async () => {
  const wire = await broker.connect();
  const sent: number[] = [];
  for (let i = 0; i < 20; i++) {
    sent.push(wire.send("ApiVersions", 0, {}));
    const topicData = [{ name: "good", partitionData: [{ index: 0, records: [batch(`${i}`)] }] }];
    sent.push(wire.send("Produce", 9, { transactionalId: null, acks: 1, timeoutMs: 1000, topicData }));
  }
  const received: (number | undefined)[] = [];
  for (let i = 0; i < sent.length; i++) {
    const answer = (await wire.frame()) ?? new Uint8Array(0);
    received.push(new DataView(answer.buffer, answer.byteOffset).getInt32(0));
  }
  expect(received).toEqual(sent);
  wire.close();
});
