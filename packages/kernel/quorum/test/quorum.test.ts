import { crc32c, MalformedError, randomUuid, concat, type BlockCodecs, ZERO_UUID } from "@samsa/base";
import { type MetadataRecord, metadataRecord, parseQuorumState } from "@samsa/protocol";
import {
  beginSoleEpoch,
  BOOTSTRAP_SNAPSHOT,
  checkpointName,
  decodeSnapshot,
  encodeSnapshot,
  type EpochStart,
  latestCheckpoint,
  MAX_METADATA_BATCH,
  metadataBatch,
  parseCheckpointName,
  readMetadataBatches,
} from "@samsa/quorum";
import { buildBatch, type Tools, type VoterDescription } from "@samsa/records";
import { expect, test } from "vitest";

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
const start: EpochStart = {
  node,
  voterSet: { kraftVersion: 1, voters: [node], inLog: false },
  quorumState: undefined,
  lastEpoch: 0,
  endOffset: 0,
  now: 1000,
};

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

test("the first epoch puts the voters into the log, later ones only when they change", () => {
  const first = beginSoleEpoch(start, tools);
  expect(first?.epoch).toBe(1);
  expect(first?.quorumState).toBe(
    `{"leaderId":1,"leaderEpoch":1,"votedId":-1,"votedDirectoryId":"${ZERO_UUID}","data_version":1}`,
  );
  const [batch] = readMetadataBatches(first?.batch ?? new Uint8Array(0), tools);
  expect(batch).toMatchObject({ baseOffset: 0, lastOffset: 2, epoch: 1, timestamp: 1000 });
  expect(batch.control).toEqual([
    {
      type: "leaderChange",
      version: 0,
      leaderId: 1,
      voters: [{ id: 1, directoryId: ZERO_UUID }],
      grantingVoters: [{ id: 1, directoryId: ZERO_UUID }],
    },
    { type: "kraftVersion", kraftVersion: 1 },
    { type: "kraftVoters", voters: [node] },
  ]);
  const again = { ...start, quorumState: first?.quorumState, lastEpoch: 1, endOffset: 9 };
  const voterSet = { ...start.voterSet, inLog: true };
  const second = beginSoleEpoch({ ...again, voterSet }, tools);
  const control = (bytes: Uint8Array | undefined) =>
    [...readMetadataBatches(bytes ?? new Uint8Array(0), tools)].flatMap(b => b.control.map(c => c.type));
  expect([second?.epoch, control(second?.batch)]).toEqual([2, ["leaderChange"]]);
  const moved = { ...node, endpoints: [{ name: "CONTROLLER", host: "localhost", port: 19093 }] };
  const third = beginSoleEpoch({ ...again, voterSet, node: moved }, tools);
  expect(control(third?.batch)).toEqual(["leaderChange", "kraftVersion", "kraftVoters"]);
  expect(third?.voters).toEqual([moved]);
});

test("an epoch is above all that was seen, in the state file as in the log; static quorums have the older file", () => {
  const quorumState = `{"leaderId":-1,"leaderEpoch":7,"votedId":1,"votedDirectoryId":"${directoryId}","data_version":1}`;
  expect(beginSoleEpoch({ ...start, quorumState }, tools)?.epoch).toBe(8);
  expect(beginSoleEpoch({ ...start, quorumState, lastEpoch: 12 }, tools)?.epoch).toBe(13);
  expect(() => beginSoleEpoch({ ...start, quorumState: "{" }, tools)).toThrow(MalformedError);
  const voter = { ...node, directoryId: ZERO_UUID };
  const fixed = beginSoleEpoch({ ...start, voterSet: { kraftVersion: 0, voters: [voter], inLog: false } }, tools);
  expect(parseQuorumState(fixed?.quorumState ?? "")).toMatchObject({
    version: 0,
    state: { leaderId: 1, leaderEpoch: 1, votedId: -1, currentVoters: [{ voterId: 1 }] },
  });
  expect([...readMetadataBatches(fixed?.batch ?? new Uint8Array(0), tools)][0].control).toHaveLength(1);
});

test("who is not the only voter does not elect himself", () => {
  const other = { ...node, id: 2 };
  const elsewhere = { ...node, directoryId: randomUuid(length => new Uint8Array(length).fill(4)) };
  for (const voters of [[], [other], [node, other], [elsewhere]]) {
    expect(beginSoleEpoch({ ...start, voterSet: { kraftVersion: 1, voters, inLog: true } }, tools)).toBeUndefined();
  }
});

test("batches of records read back; an unknown record is fatal", () => {
  const place = { baseOffset: 40, epoch: 3, timestamp: 5 };
  const bytes = metadataBatch([level(30), level(31)], place, tools);
  const [batch] = readMetadataBatches(bytes, tools);
  expect(batch).toEqual({ ...place, lastOffset: 41, records: [level(30), level(31)], control: [] });
  expect([...readMetadataBatches(new Uint8Array(0), tools)]).toEqual([]);
  const unknown = buildBatch([{ timestamp: 5, key: null, value: Uint8Array.of(1, 99, 0) }], {}, tools);
  expect(() => [...readMetadataBatches(unknown, tools)]).toThrow(MalformedError);
});
