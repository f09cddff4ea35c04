import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import type { Measurement } from "@samsa/client-kernel";
import { SimCluster } from "@samsa/sim";
import { afterEach, expect, test } from "vitest";
import { Producer } from "../src/index.ts";
import { metricsData } from "../src/telemetry/metrics-data.ts";

let cluster: SimCluster | undefined;

afterEach(async () => {
  await cluster?.close();
  cluster = undefined;
});

/** Fields of a message: numbers, and bytes of nested messages and texts. */
function fieldsOf(bytes: Uint8Array): (readonly [number, number | Uint8Array])[] {
  const reader = new BinaryReader(bytes);
  const all: (readonly [number, number | Uint8Array])[] = [];
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type === WireType.LengthDelimited) all.push([field, reader.bytes()]);
    else if (type === WireType.Varint) all.push([field, reader.uint32()]);
    else if (field === 4) all.push([field, reader.double()]);
    else all.push([field, Number(reader.fixed64())]);
  }
  return all;
}

/** The value of a field in a path of nested messages; the last one of each. */
function at(bytes: Uint8Array, ...path: readonly number[]): unknown {
  let value: number | Uint8Array | undefined = bytes;
  for (const field of path) {
    if (!(value instanceof Uint8Array)) return undefined;
    value = fieldsOf(value).findLast(([number]) => number === field)?.[1];
  }
  return value;
}

const text = (value: unknown): string => new TextDecoder().decode(value as Uint8Array);

test("metrics are written as OTLP's messages", () => {
  const sum: Measurement = { kind: "sum", name: "made", value: 3, labels: {} };
  const gauge: Measurement = { kind: "gauge", name: "took", value: 1.5, labels: { node_id: "node-1" } };
  const parts = { resource: { group_id: "g" }, time: 2000, since: 1000 };
  const one = metricsData({ ...parts, measurements: [gauge], isDelta: false });
  const metric = [1, 2, 2];
  expect(text(at(one, 1, 1, 1, 1))).toBe("group_id");
  expect(text(at(one, 1, 1, 1, 2, 1))).toBe("g");
  expect(text(at(one, ...metric, 1))).toBe("took");
  expect(at(one, ...metric, 5, 1, 3)).toBe(2_000_000_000);
  expect(at(one, ...metric, 5, 1, 4)).toBe(1.5);
  expect(text(at(one, ...metric, 5, 1, 7, 1))).toBe("node_id");
  expect(text(at(one, ...metric, 5, 1, 7, 2, 1))).toBe("node-1");
  for (const [isDelta, temporality] of [[true, 1] as const, [false, 2] as const]) {
    const other = metricsData({ ...parts, measurements: [gauge, sum], isDelta });
    expect(at(other, ...metric, 7, 2)).toBe(temporality);
    expect(at(other, ...metric, 7, 3)).toBe(1);
    expect(at(other, ...metric, 7, 1, 2)).toBe(1_000_000_000);
    expect(at(other, ...metric, 7, 1, 4)).toBe(3);
  }
});

test("a client has no id in a cluster without telemetry", async () => {
  const world = (cluster = new SimCluster());
  await world.startAll();
  const client = world.client();
  const producer = new Producer(client);
  const refused = producer.clientInstanceId().then(
    () => "no error",
    (error: unknown) => error,
  );
  await expect(world.settle(refused)).resolves.toMatchObject({ name: "ILLEGAL_STATE" });
  await world.settle(producer.close());
  client.close();
});
