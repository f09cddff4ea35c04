import { crc32c, MalformedError, randomUuid, concat, type BlockCodecs } from "@samsa/base";
import { type MetadataRecord, metadataRecord } from "@samsa/protocol";
import {
  BOOTSTRAP_SNAPSHOT,
  checkpointName,
  controlBatch,
  decodeSnapshot,
  encodeSnapshot,
  fetchedRuns,
  latestCheckpoint,
  MAX_METADATA_BATCH,
  metadataBatch,
  parseCheckpointName,
  readMetadataBatches,
  VoterHistory,
} from "@samsa/quorum";
import { buildBatch, type ControlRecord, type Tools, type VoterDescription } from "@samsa/records";
import { describe, expect, test } from "vitest";

// The metadata log is never compressed.
const tools: Tools = { crc32c, codecs: {} as BlockCodecs };
const directoryId = randomUuid(length => new Uint8Array(length).fill(3));
const node: VoterDescription = {
  id: 1,
  directoryId,
  endpoints: [{ name: "CONTROLLER", host: "localhost", port: 9093 }],
  minKraftVersion: 0,
  maxKraftVersion: 1,
};
const level = (featureLevel: number) =>
  metadataRecord("FeatureLevelRecord", 0, { name: "metadata.version", featureLevel });
test("snapshots are named as Kafka names them", () => {
  expect(checkpointName(BOOTSTRAP_SNAPSHOT)).toBe("00000000000000000000-0000000000.checkpoint");
  expect(checkpointName({ offset: 1234, epoch: 5 }, ".part")).toBe("00000000000000001234-0000000005.checkpoint.part");
  expect(parseCheckpointName("00000000000000001234-0000000005.checkpoint")).toEqual({
    offset: 1234,
    epoch: 5,
    complete: true,
  });
  expect(parseCheckpointName("00000000000000001234-0000000005.checkpoint.deleted")?.complete).toBe(false);
  for (const other of ["00000000000000000000.log", "99999999999999999999-0000000000.checkpoint", "quorum-state"]) {
    expect(parseCheckpointName(other)).toBeUndefined();
  }
  const names = [
    { offset: 5, epoch: 2 },
    { offset: 7, epoch: 1 },
  ].map(id => checkpointName(id));
  expect(latestCheckpoint([...names, checkpointName({ offset: 9, epoch: 9 }, ".part")])).toEqual({
    offset: 7,
    epoch: 1,
  });
  expect(latestCheckpoint([])).toBeUndefined();
});

test("the bootstrap snapshot holds version, voters and first records, and every damage is noticed", () => {
  const records = [level(30)];
  const whole = { lastContainedLogTimestamp: 0, kraftVersion: 1, voters: [node], records };
  const batches = encodeSnapshot(BOOTSTRAP_SNAPSHOT, { ...whole, writtenAt: 77 }, tools);
  expect(batches).toHaveLength(3);
  const bytes = concat(batches);
  expect(decodeSnapshot(bytes, tools)).toEqual(whole);
  const read = [...readMetadataBatches(bytes, tools)];
  expect(read.map(b => [b.baseOffset, b.lastOffset, b.timestamp])).toEqual([
    [0, 2, 77],
    [3, 3, 77],
    [4, 4, 77],
  ]);
  expect(read[0].control.map(c => c.type)).toEqual(["snapshotHeader", "kraftVersion", "kraftVoters"]);
  for (let cut = 0; cut < bytes.length; cut++) {
    expect(() => decodeSnapshot(bytes.subarray(0, cut), tools)).toThrow(MalformedError);
  }
  for (let at = 17; at < bytes.length; at += 7) {
    const damaged = bytes.slice();
    damaged[at] ^= 4;
    let same: unknown;
    try {
      same = decodeSnapshot(damaged, tools);
    } catch (error) {
      expect(error).toBeInstanceOf(MalformedError);
      continue;
    }
    // No checksum covers the offsets and epochs of later batches, and the content does not depend on them.
    expect(same).toEqual(whole);
  }
  expect(() => decodeSnapshot(concat(batches.slice(1)), tools)).toThrow(MalformedError);
});

test("a large snapshot is cut into batches, offsets running on", () => {
  const value = "v".repeat(30_000);
  const records: MetadataRecord[] = Array.from({ length: 600 }, (_, i) =>
    metadataRecord("ConfigRecord", 0, { resourceType: 2, resourceName: `t${i}`, name: "n", value }),
  );
  const snapshot = { lastContainedLogTimestamp: 9, kraftVersion: 0, voters: undefined, records };
  const batches = encodeSnapshot({ offset: 600, epoch: 4 }, { ...snapshot, writtenAt: 1 }, tools);
  expect(batches.length).toBe(5);
  for (const batch of batches) expect(batch.length).toBeLessThanOrEqual(MAX_METADATA_BATCH);
  const bytes = concat(batches);
  let next = 0;
  for (const batch of readMetadataBatches(bytes, tools)) {
    expect([batch.baseOffset, batch.epoch]).toEqual([next, 4]);
    next = batch.lastOffset + 1;
  }
  expect(decodeSnapshot(bytes, tools)).toEqual(snapshot);
});

describe("the history of voters", () => {
  const other = { ...node, id: 2 };
  const records = (voters: readonly VoterDescription[]): ControlRecord[] => [
    { type: "kraftVersion", kraftVersion: 1 },
    { type: "kraftVoters", voters },
  ];

  test("goes back when the log is truncated, and knows the voters before each offset", () => {
    const history = new VoterHistory([other]);
    expect(history.last).toEqual({ offset: -1, set: { kraftVersion: 0, voters: [other] } });
    expect(history.take(3, [{ type: "snapshotFooter" }])).toBe(false);
    expect(history.take(4, records([node]))).toBe(true);
    expect(history.take(9, [{ type: "kraftVoters", voters: [node, other] }])).toBe(true);
    expect([4, 5, 9, 10].map(offset => history.before(offset).voters.length)).toEqual([1, 1, 1, 2]);
    expect([history.before(4).kraftVersion, history.before(5).kraftVersion]).toEqual([0, 1]);
    history.truncate(9);
    expect(history.last).toEqual({ offset: 4, set: { kraftVersion: 1, voters: [node] } });
    history.truncate(0);
    expect(history.last.set.voters).toEqual([other]);
  });

  test("begins at a snapshot, and forgets what a snapshot covers", () => {
    const history = new VoterHistory([other]);
    history.take(4, records([node]));
    history.take(9, records([node, other]));
    history.trim(9);
    expect(history.before(5).voters).toEqual([node]);
    history.trim(10);
    expect(history.before(5).voters).toEqual([node, other]);
    history.restart(20, { kraftVersion: 1, voters: [node] });
    expect(history.last).toEqual({ offset: 19, set: { kraftVersion: 1, voters: [node] } });
    history.restart(30, undefined);
    expect(history.last.set).toEqual({ kraftVersion: 0, voters: [other] });
  });

  test("has a leader announce the voters that are not in the log, or that describe it otherwise", () => {
    const history = new VoterHistory([]);
    history.restart(0, { kraftVersion: 1, voters: [node, other] });
    expect(history.announcement(node)).toEqual(records([node, other]));
    history.take(0, records([node, other]));
    expect(history.announcement(node)).toBeUndefined();
    const moved = { ...node, endpoints: [{ name: "CONTROLLER", host: "localhost", port: 19093 }] };
    expect(history.announcement(moved)).toEqual(records([moved, other]));
    const fixed = new VoterHistory([node]);
    expect(fixed.announcement(node), "kraft.version 0 has no voters in the log").toBeUndefined();
  });
});

test("what a peer sends is the next part of a log, or refused", () => {
  const batch = (baseOffset: number, epoch = 3) =>
    metadataBatch([level(30), level(31)], { baseOffset, epoch, timestamp: 5 }, tools);
  const control = controlBatch(
    [{ type: "kraftVersion", kraftVersion: 1 }],
    { baseOffset: 42, epoch: 4, timestamp: 5 },
    tools,
  );
  const bytes = concat([batch(40), control, batch(43, 4).subarray(0, 30)]);
  expect(fetchedRuns(bytes, tools)).toEqual([
    { epoch: 3, baseOffset: 40, endOffset: 42, size: batch(40).length },
    {
      epoch: 4,
      baseOffset: 42,
      endOffset: 43,
      size: control.length,
      control: [{ type: "kraftVersion", kraftVersion: 1 }],
    },
  ]);
  expect(fetchedRuns(new Uint8Array(0), tools)).toEqual([]);
  const damaged = batch(40);
  damaged[damaged.length - 1]! ^= 1;
  const old = batch(40);
  old[16] = 1;
  for (const wrong of [damaged, old, concat([batch(40), batch(43)]), batch(40).subarray(0, 50), batch(40, -1)]) {
    expect(() => fetchedRuns(wrong, tools)).toThrow(MalformedError);
  }
});

test("batches of records read back; an unknown record is fatal", () => {
  const place = { baseOffset: 40, epoch: 3, timestamp: 5 };
  const bytes = metadataBatch([level(30), level(31)], place, tools);
  const [batch] = readMetadataBatches(bytes, tools);
  expect(batch).toEqual({ ...place, lastOffset: 41, size: bytes.length, records: [level(30), level(31)], control: [] });
  expect([...readMetadataBatches(new Uint8Array(0), tools)]).toEqual([]);
  const unknown = buildBatch([{ timestamp: 5, key: null, value: Uint8Array.of(1, 99, 0) }], {}, tools);
  expect(() => [...readMetadataBatches(unknown, tools)]).toThrow(MalformedError);
});
