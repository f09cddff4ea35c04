import { type BlockCodecs, concat, crc32c, MalformedError, randomUuid } from "@samsa/base";
import { type MetadataRecord, metadataRecord } from "@samsa/protocol";
import {
  checkpointName,
  controlBatch,
  decodeSnapshot,
  decodeSnapshotSteps,
  encodeSnapshot,
  encodeSnapshotSteps,
  fetchedRuns,
  latestCheckpoint,
  metadataBatch,
  parseCheckpointName,
  readMetadataBatches,
  type Snapshot,
  type SnapshotSteps,
  VoterHistory,
} from "@samsa/quorum";
import type { ControlRecord, Tools, VoterDescription } from "@samsa/records";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const tools: Tools = { crc32c, codecs: {} as BlockCodecs };

const voters: fc.Arbitrary<VoterDescription[]> = fc.uniqueArray(
  fc.record({
    id: fc.nat(5),
    directoryId: fc.integer({ min: 1, max: 200 }).map(byte => randomUuid(length => new Uint8Array(length).fill(byte))),
    endpoints: fc.array(
      fc.record({ name: fc.constantFrom("A", "B"), host: fc.string({ maxLength: 5 }), port: fc.nat(65_535) }),
      { maxLength: 2 },
    ),
    minKraftVersion: fc.constant(0),
    maxKraftVersion: fc.nat(2),
  }),
  { selector: ({ id }) => id, maxLength: 4 },
);
const records: fc.Arbitrary<MetadataRecord[]> = fc.array(
  fc
    .record({ name: fc.string({ maxLength: 8 }), featureLevel: fc.nat(30) })
    .map(fields => metadataRecord("FeatureLevelRecord", 0, fields)),
  { maxLength: 20 },
);
const ids = fc.record({
  offset: fc.oneof(fc.nat(2), fc.nat(2 ** 40)),
  epoch: fc.oneof(fc.nat(3), fc.nat(0x7fffffff)),
});

/** Result of work in steps, and its pauses. */
function finished<T>(steps: SnapshotSteps<T>): { readonly value: T; readonly pauses: number } {
  for (let pauses = 0; ; pauses++) {
    const step = steps.next();
    if (step.done === true) return { value: step.value, pauses };
  }
}

describe("snapshots", () => {
  const snapshots: fc.Arbitrary<Snapshot> = fc
    .record({ lastContainedLogTimestamp: fc.nat(2 ** 41), kraftVersion: fc.nat(1), voters, records })
    .map(one => (one.kraftVersion === 0 ? { ...one, voters: undefined } : one));

  test("read back as they were written, in however many steps", () => {
    fc.assert(
      fc.property(ids, snapshots, fc.nat(2 ** 41), fc.integer({ min: 1, max: 8 }), (id, snapshot, writtenAt, most) => {
        const written = { ...snapshot, writtenAt };
        const batches = encodeSnapshot(id, written, tools);
        const bytes = concat(batches);
        expect(decodeSnapshot(bytes, tools)).toEqual(snapshot);
        const count = snapshot.records.length;
        const encoded = finished(encodeSnapshotSteps(id, written, { tools, most }));
        expect(concat(encoded.value)).toEqual(bytes);
        expect(encoded.pauses).toBe(Math.floor(count / most));
        const decoded = finished(decodeSnapshotSteps(bytes, { tools, most }));
        expect(decoded).toEqual({ value: snapshot, pauses: Math.floor(count / most) });
        // All batches are of the snapshot's epoch, were written at one time, and count from 0.
        let next = 0;
        for (const batch of readMetadataBatches(bytes, tools)) {
          expect([batch.baseOffset, batch.epoch, batch.timestamp]).toEqual([next, id.epoch, writtenAt]);
          next = batch.lastOffset + 1;
        }
        // No part of it is a snapshot, nor is it with a part twice.
        for (const [at, batch] of batches.entries()) {
          const without = concat(batches.filter((_, each) => each !== at));
          const isOfRecords = at > 0 && at < batches.length - 1;
          if (isOfRecords) expect(decodeSnapshot(without, tools).records).toHaveLength(0);
          else expect(() => decodeSnapshot(without, tools)).toThrow(MalformedError);
          if (!isOfRecords && at > 0) {
            expect(() => decodeSnapshot(concat([bytes, batch]), tools)).toThrow("goes on after its footer");
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  test("are named so that the newest one sorts last, and nothing else is taken for one", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(ids, fc.constantFrom("", ".part", ".deleted") as fc.Arbitrary<"" | ".part" | ".deleted">), {
          maxLength: 8,
        }),
        all => {
          const names = all.map(([id, state]) => checkpointName(id, state));
          all.forEach(([id, state], at) =>
            expect(parseCheckpointName(names[at])).toEqual({ ...id, complete: state === "" }),
          );
          const newest = names
            .filter(name => name.endsWith(".checkpoint"))
            .toSorted()
            .at(-1);
          const latest = latestCheckpoint([...names, "00000000000000000000.log"]);
          expect(latest && checkpointName(latest)).toBe(newest);
        },
      ),
      { numRuns: 300 },
    );
    for (const other of [
      "00000000000000000001-0000000001.checkpoint.tmp",
      "0000000000000000001-0000000001.checkpoint",
      "00000000000000000001-000000001.checkpoint",
      "x00000000000000000001-0000000001.checkpoint",
      "00000000000000000001-2147483648.checkpoint",
      "00009007199254740992-0000000001.checkpoint",
    ]) {
      expect(parseCheckpointName(other)).toBeUndefined();
    }
    expect(parseCheckpointName("00009007199254740991-2147483647.checkpoint")?.offset).toBe(2 ** 53 - 1);
  });

  test("have batches of one kind: control records are not among the others", () => {
    const place = { baseOffset: 0, epoch: 1, timestamp: 5 };
    const header = controlBatch([{ type: "snapshotHeader", lastContainedLogTimestamp: 7 }], place, tools);
    const footer = controlBatch([{ type: "snapshotFooter" }], { ...place, baseOffset: 1 }, tools);
    expect(decodeSnapshot(concat([header, footer]), tools)).toEqual({
      ...{ lastContainedLogTimestamp: 7, kraftVersion: 0, voters: undefined, records: [] },
    });
    const level = metadataRecord("FeatureLevelRecord", 0, { name: "x", featureLevel: 1 });
    const batch = metadataBatch([level], place, tools);
    expect(() => decodeSnapshot(concat([batch, header, footer]), tools)).toThrow("begins without its header");
    expect(() => decodeSnapshot(new Uint8Array(0), tools)).toThrow("without its footer");
    expect(() => decodeSnapshot(header, tools)).toThrow("without its footer");
    expect(() => decodeSnapshot(footer, tools)).toThrow("without its header");
  });
});

test("runs of a fetch are those that were appended, up to where it is cut off", () => {
  const batches = fc.array(
    fc.record({ count: fc.integer({ min: 1, max: 3 }), later: fc.nat(2), isControl: fc.boolean() }),
    { minLength: 1, maxLength: 6 },
  );
  fc.assert(
    fc.property(fc.nat(2 ** 40), batches, fc.double({ min: 0, max: 1, noNaN: true }), (from, all, share) => {
      let baseOffset = from;
      let epoch = 1;
      const written = all.map(({ count, later, isControl }) => {
        epoch += later;
        const place = { baseOffset, epoch, timestamp: 5 };
        const control: ControlRecord[] = Array.from({ length: count }, (_, kraftVersion) => ({
          type: "kraftVersion",
          kraftVersion,
        }));
        const level = metadataRecord("FeatureLevelRecord", 0, { name: "x", featureLevel: 1 });
        const bytes = isControl
          ? controlBatch(control, place, tools)
          : metadataBatch(
              control.map(() => level),
              place,
              tools,
            );
        baseOffset += count;
        const run = { epoch, baseOffset: place.baseOffset, endOffset: baseOffset, size: bytes.length };
        return { bytes, run: isControl ? { ...run, control } : run };
      });
      const bytes = concat(written.map(one => one.bytes));
      const cut = Math.round(bytes.length * share);
      let whole = 0;
      for (let size = 0; whole < written.length && size + written[whole].bytes.length <= cut; whole++) {
        size += written[whole].bytes.length;
      }
      if (cut > 0 && whole === 0) expect(() => fetchedRuns(bytes.subarray(0, cut), tools)).toThrow("no whole batch");
      else expect(fetchedRuns(bytes.subarray(0, cut), tools)).toEqual(written.slice(0, whole).map(({ run }) => run));
    }),
    { numRuns: 300 },
  );
});

describe("the history of voters", () => {
  type Step =
    | {
        readonly do: "take";
        readonly voters?: readonly VoterDescription[];
        readonly kraftVersion?: number;
        readonly skip: number;
      }
    | { readonly do: "truncate" | "trim"; readonly share: number }
    | { readonly do: "restart"; readonly ahead: number; readonly set: readonly VoterDescription[] | undefined };
  const steps = fc.array(
    fc.oneof<fc.Arbitrary<Step>[]>(
      fc.record(
        { do: fc.constant("take" as const), voters, kraftVersion: fc.nat(2), skip: fc.nat(3) },
        { requiredKeys: ["do", "skip"] },
      ),
      fc.record({ do: fc.constantFrom("truncate", "trim"), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({ do: fc.constant("restart" as const), ahead: fc.nat(4), set: fc.option(voters, { nil: undefined }) }),
    ),
    { maxLength: 20 },
  );

  test("is what a reader of the log would know at each place", () => {
    fc.assert(
      fc.property(voters, steps, (fixed, all) => {
        const history = new VoterHistory(fixed);
        // Set that counts at each offset: sets[i] holds for readers of the records before start + i.
        const nothing = { kraftVersion: 0, voters: fixed };
        let start = 0;
        let sets: { readonly kraftVersion: number; readonly voters: readonly VoterDescription[] }[] = [nothing];
        for (const step of all) {
          const end = start + sets.length - 1;
          const at = "share" in step ? start + Math.round((end - start) * step.share) : 0;
          if (step.do === "take") {
            for (let i = 0; i < step.skip; i++) sets.push(sets.at(-1)!);
            const { kraftVersion, voters: changed } = step;
            const control: ControlRecord[] = [
              ...(kraftVersion === undefined ? [] : [{ type: "kraftVersion" as const, kraftVersion }]),
              ...(changed === undefined ? [] : [{ type: "kraftVoters" as const, voters: changed }]),
            ];
            expect(history.take(end + step.skip, control)).toBe(control.length > 0);
            const before = sets.at(-1)!;
            sets.push({ kraftVersion: kraftVersion ?? before.kraftVersion, voters: changed ?? before.voters });
          } else if (step.do !== "restart") {
            if (step.do === "truncate") {
              history.truncate(at);
              sets.length = at - start + 1;
            } else {
              history.trim(at);
              sets = sets.slice(at - start);
              start = at;
            }
          } else {
            start = end + step.ahead;
            const set = step.set && { kraftVersion: 1, voters: step.set };
            history.restart(start, set);
            sets = [set ?? nothing];
          }
          expect(history.last.set).toEqual(sets.at(-1));
          sets.forEach((set, i) => expect(history.before(start + i)).toEqual(set));
        }
      }),
      { numRuns: 300 },
    );
  });
});
