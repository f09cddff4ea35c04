import { clusterFixture } from "@samsa/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { KafkaClient } from "../../client/src/index.ts";
import { samsa as samsaOf } from "./client-bench.ts";

const cluster = clusterFixture({ beforeAll, afterAll }, { topics: { jobs: 1, other: 2 } });
const samsa = (...args: string[]) => samsaOf(cluster(), ...args);
const lines = async (...args: string[]): Promise<string[]> => (await samsa("share", ...args)).out.trimEnd().split("\n");

beforeAll(async () => {
  await using kafka = new KafkaClient(cluster().bootstrapServers);
  const changes = { "group:work": { "share.auto.offset.reset": { op: "set", value: "earliest" } } } as const;
  (await kafka.admin().configs.alter(changes)).orThrow();
  for (const value of ["a", "b", "c"]) await kafka.producer().send({ topic: "jobs", value });
  await using consumer = kafka.shareConsumer({ groupId: "work" });
  await consumer.subscribe(["jobs"]);
  let count = 0;
  for await (const record of consumer.records()) {
    consumer.acknowledge(record);
    if (++count < 2) continue;
    await consumer.commit();
    break;
  }
  expect(await lines("list")).toEqual(["GROUP  STATE", "work   Stable"]);
  const members = await lines("describe", "work", "--members");
  expect(members.slice(0, 1)).toEqual(["work: Stable, 1 members"]);
  expect(members[2]).toMatch(/^\S{22}  .* jobs:0$/);
  expect((await samsa("share", "reset", "work", "--all-topics", "--to", "earliest")).err).toBe(
    "samsa: work has members: stop them first\n",
  );
});

test("share groups are listed and described, reset and deleted", async () => {
  expect(await lines("list", "--state", "Stable")).toEqual(["GROUP  STATE"]);
  expect(await lines("describe")).toEqual([
    "work: Empty, 0 members",
    "TOPIC  PARTITION  START  LAG",
    "jobs   0          2      1",
  ]);
  expect(await lines("reset", "work", "--all-topics", "--to", "earliest", "--dry-run")).toEqual([
    "TOPIC  PARTITION  BEFORE  AFTER",
    "jobs   0          2       0",
    "Nothing was changed (--dry-run).",
  ]);
  const reset = ["reset", "work", "--topic", "jobs", "--topic", "other:1", "--to", "latest", "--json"];
  expect(JSON.parse((await samsa("share", ...reset)).out)).toEqual({
    groupId: "work",
    applied: true,
    changes: [
      { topic: "jobs", partition: 0, before: 2, offset: 3 },
      { topic: "other", partition: 1, before: null, offset: 0 },
    ],
  });
  const [told] = JSON.parse((await samsa("share", "describe", "work", "--json")).out);
  expect(told).toMatchObject({ groupId: "work", state: "Empty", members: [] });
  const starts = told.offsets.map((one: Record<string, unknown>) => [one.topic, one.partition, one.startOffset]);
  expect(starts).toEqual([
    ["jobs", 0, 3],
    ["other", 1, 0],
  ]);
  expect(await lines("delete", "work", "--topic", "other")).toEqual([
    "Deleted the offsets of other of share group work.",
  ]);
  expect((await lines("describe", "work")).slice(2)).toEqual(["jobs   0          3      0"]);
  expect(await lines("delete", "work")).toEqual(["Deleted share group work."]);
  expect(JSON.parse((await samsa("share", "list", "--json")).out)).toEqual([]);
});

test("what cannot be is said in one sentence", async () => {
  await using kafka = new KafkaClient(cluster().bootstrapServers);
  const offsets = [{ topic: "jobs", partition: 0, offset: 1 }];
  (await kafka.admin().groups.alterOffsets("readers", offsets)).orThrow();
  for (const [args, why] of [
    [["delete", "readers"], "readers is no share group: samsa group is for it\n"],
    [["reset", "readers", "--topic", "jobs", "--to", "latest"], "readers is no share group: samsa group is for it\n"],
    [["describe", "absent"], "group absent: "],
    [["reset", "x", "--to", "latest"], "give --topic or --all-topics\n"],
  ] as const) {
    const { code, err } = await samsa("share", ...args);
    expect([code, err.startsWith(`samsa: ${why}`)]).toEqual([1, true]);
  }
});
