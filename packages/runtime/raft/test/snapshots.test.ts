import { concat } from "@samsa/base";
import { checkpointName, encodeSnapshot } from "@samsa/quorum";
import { World } from "@samsa/sim";
import { expect, test } from "vitest";
import { MetadataSnapshots } from "../src/metadata-snapshots.ts";
import { numbered } from "./cluster.ts";

test("a snapshot that a newer one of the leader has overtaken is dropped", async () => {
  const world = new World(1);
  const { env } = world.node("a");
  const tools = { crc32c: env.crypto.crc32c, codecs: env.codecs };
  env.disk.makeDirectory("/log");
  const snapshots = new MetadataSnapshots(env, tools, "/log");
  snapshots.open();
  const content = { lastContainedLogTimestamp: 1, kraftVersion: 0, voters: undefined, records: [numbered(1)] };
  const own = { offset: 5, epoch: 1 };
  const leaders = { offset: 9, epoch: 2 };
  const bytes = concat(encodeSnapshot(leaders, { ...content, writtenAt: 1 }, tools));
  let isWritten = false;
  const written = snapshots.write(own, content).then(() => void (isWritten = true));
  snapshots.storePart(leaders, 0, [bytes.subarray(0, 30)]);
  snapshots.storePart(leaders, 30, [bytes.subarray(30)]);
  expect(snapshots.latest).toBeUndefined();
  const checked = snapshots.complete(leaders);
  let isChecked = false;
  const whole = checked.finally(() => void (isChecked = true));
  await world.runUntil(() => isChecked);
  expect((await whole)?.records).toEqual([numbered(1)]);
  snapshots.adopt(leaders);
  await world.runUntil(() => isWritten);
  await written;
  expect(snapshots.latest).toMatchObject(leaders);
  const names = env.disk.list("/log").map(({ name }) => name);
  expect(names).toEqual([checkpointName(leaders)]);
});

test("a large snapshot is encoded and decoded in many turns", async () => {
  const world = new World(1);
  const { env } = world.node("a");
  const tools = { crc32c: env.crypto.crc32c, codecs: env.codecs };
  env.disk.makeDirectory("/log");
  let pauses = 0;
  const soon = (callback: () => void): void => {
    pauses++;
    env.timers.soon(callback);
  };
  const snapshots = new MetadataSnapshots({ ...env, timers: { ...env.timers, soon } }, tools, "/log");
  const settle = async <T>(promise: Promise<T>): Promise<T> => {
    let isSettled = false;
    const end = () => void (isSettled = true);
    promise.then(end, end);
    await world.runUntil(() => isSettled);
    return promise;
  };
  const records = Array.from({ length: 3500 }, (_, i) => numbered(i));
  const content = { lastContainedLogTimestamp: 1, kraftVersion: 0, voters: undefined, records };
  const id = { offset: 5, epoch: 1 };
  await settle(snapshots.write(id, content));
  expect(pauses).toBe(3);
  const [stored] = snapshots.all;
  expect(snapshots.read(stored!)).toEqual(content);
  const later = { offset: 9, epoch: 1 };
  snapshots.storePart(later, 0, [snapshots.part(stored!, 0, stored!.size)]);
  expect(await settle(snapshots.complete(later))).toEqual(content);
  expect(pauses).toBe(6);
  snapshots.storePart(later, 0, [snapshots.part(stored!, 0, stored!.size - 1)]);
  expect(await settle(snapshots.complete(later)), "torn").toBeUndefined();
});
