import { type Uuid, ZERO_UUID } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { GroupEffect } from "../src/index.ts";
import { Bench, config, LATE } from "./bench.ts";
import { parseRecord } from "./records.ts";

const GROUPS = ["g", "h"];
const TOPICS = ["t", "u"];
const AWAY = Errors.COORDINATOR_NOT_AVAILABLE.code;

interface Committed {
  readonly topicId: Uuid;
  readonly offset: number;
  readonly at: number;
  /** Time at which it ends; -1: by the retention of the broker. */
  readonly expires: number;
}

type Step =
  | {
      readonly do: "commit";
      readonly group: string;
      readonly topic: string;
      readonly partition: number;
      readonly offset: number;
      readonly retention: number;
      readonly hasId: boolean;
      readonly metadata: string;
      readonly fault: number;
    }
  | {
      readonly do: "delete";
      readonly group: string;
      readonly topic: string;
      readonly partition: number;
      readonly fault: number;
    }
  | { readonly do: "deleteGroup"; readonly group: string }
  | { readonly do: "topic"; readonly topic: string; readonly isThere: boolean; readonly isErased: boolean }
  | { readonly do: "pass"; readonly ms: number; readonly cleans: boolean }
  | { readonly do: "reload" };

const place = { group: fc.constantFrom(...GROUPS), topic: fc.constantFrom(...TOPICS), partition: fc.nat(1) };
const faults = fc.constantFrom(0, 0, 0, AWAY);
const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({
      ...{
        do: fc.constant("commit" as const),
        ...place,
        offset: fc.nat(100),
        fault: fc.constantFrom(0, 0, 0, AWAY, LATE),
      },
      ...{ retention: fc.constantFrom(-1, -1, 5000, 0), hasId: fc.boolean() },
      metadata: fc.constantFrom("", "m", "x".repeat(16), "x".repeat(17)),
    }),
    fc.record({
      ...{ do: fc.constant("commit" as const), ...place, offset: fc.nat(100), fault: fc.constant(0) },
      ...{ retention: fc.constant(-1), hasId: fc.boolean(), metadata: fc.constant("") },
    }),
    fc.record({ do: fc.constant("delete" as const), ...place, fault: faults }),
    fc.record({ do: fc.constant("deleteGroup" as const), group: place.group }),
    fc.record({ do: fc.constant("topic" as const), topic: place.topic, isThere: fc.boolean(), isErased: fc.boolean() }),
    fc.record({
      do: fc.constant("pass" as const),
      ms: fc.constantFrom(1, 4999, 5000, config.offsetsRetentionMs),
      cleans: fc.boolean(),
    }),
    fc.constant({ do: "reload" as const }),
  ),
  { maxLength: 40, size: "max" },
);

/** Committed offsets of two groups without members, in one map, whose rules are told one after the other. */
class Model {
  readonly offsets = new Map<string, Committed>();
  readonly groups = new Set<string>();
  /** Groups of which the log has a record since their last tombstone. */
  readonly logged = new Set<string>();

  /** Offset that a fetch gives: none if its topic was made again under the name. */
  fetched(key: string, topicId: Uuid | undefined): number {
    const there = this.offsets.get(key);
    if (there === undefined) return -1;
    const isOther = topicId !== undefined && there.topicId !== ZERO_UUID && there.topicId !== topicId;
    return isOther ? -1 : there.offset;
  }

  erase(matches: (key: string, committed: Committed) => boolean): void {
    for (const [key, committed] of this.offsets) if (matches(key, committed)) this.offsets.delete(key);
  }

  #forget(group: string): void {
    this.groups.delete(group);
    this.logged.delete(group);
  }

  clean(now: number): void {
    this.erase((_, { at, expires }) => (expires === -1 ? now - at >= config.offsetsRetentionMs : now >= expires));
    for (const group of this.groups) {
      if (![...this.offsets.keys()].some(key => key.startsWith(`${group}/`))) this.#forget(group);
    }
  }
}

const keyOf = (group: string, topic: string, partition: number): string => `${group}/${topic}/${partition}`;

class Pair {
  readonly bench = new Bench();
  readonly model = new Model();

  constructor() {
    for (const topic of TOPICS) this.bench.topic(topic, 2);
  }

  #run(action: (out: GroupEffect[]) => void): void {
    const out: GroupEffect[] = [];
    action(out);
    this.bench.settle(out);
  }

  play(step: Step): void {
    const { bench, model } = this;
    switch (step.do) {
      case "commit":
        return this.#commit(step);
      case "delete":
        return this.#delete(step);
      case "deleteGroup":
        return this.#deleteGroup(step.group);
      case "topic":
        bench.topic(step.topic, step.isThere ? 2 : 0);
        if (step.isErased) {
          this.#run(out => bench.shard.topicsDeleted(bench.now, new Set([step.topic]), out));
          model.erase((key, committed) => key.split("/")[1] === step.topic && this.#isOrphan(committed, step.topic));
        }
        return undefined;
      case "pass":
        bench.pass(step.ms);
        if (!step.cleans) return undefined;
        this.#run(out => bench.shard.cleanUp(bench.now, out));
        // A group goes with the offsets that have expired, before offsets of deleted topics do.
        model.clean(bench.now);
        return model.erase((key, committed) => this.#isOrphan(committed, key.split("/")[1]));
      case "reload":
        bench.reload();
        // A start erases what a crash has left, and knows of no group that only had refused commits.
        model.erase((key, committed) => this.#isOrphan(committed, key.split("/")[1]));
        for (const group of model.groups) if (!model.logged.has(group)) model.groups.delete(group);
        return undefined;
    }
  }

  #isOrphan({ topicId }: Committed, topic: string): boolean {
    const current = this.bench.topics.get(topic);
    return topicId === ZERO_UUID ? current === undefined : current?.id !== topicId;
  }

  #commit(step: Extract<Step, { do: "commit" }>): void {
    const { bench, model } = this;
    const { group, topic, partition, offset, retention, metadata, fault } = step;
    const topicId = (step.hasId ? bench.topics.get(topic)?.id : undefined) ?? ZERO_UUID;
    bench.failing = fault;
    const reply = bench.ask({
      ...{ type: "commit", version: 9 },
      body: {
        ...{ groupId: group, generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null },
        retentionTimeMs: retention,
        topics: [
          {
            ...{ name: topic, topicId },
            partitions: [
              {
                partitionIndex: partition,
                committedOffset: offset,
                committedLeaderEpoch: 4,
                committedMetadata: metadata,
              },
            ],
          },
        ],
      },
    });
    bench.failing = 0;
    const [{ partitions }] = reply.topics as { partitions: { errorCode: number }[] }[];
    const isTooLong = metadata.length > config.offsetMetadataMaxLength;
    const told = fault === LATE ? AWAY : fault;
    expect(partitions).toEqual([
      { partitionIndex: partition, errorCode: isTooLong ? Errors.OFFSET_METADATA_TOO_LARGE.code : told },
    ]);
    const isWritten = fault === 0 || fault === LATE;
    if (isTooLong || isWritten) model.groups.add(group);
    if (isTooLong || !isWritten) return;
    model.logged.add(group);
    const at = bench.now + bench.shard.wallAhead;
    const expires = retention === -1 ? -1 : at + retention;
    // Nor has it an id.
    const written = expires === -1 ? topicId : ZERO_UUID;
    model.offsets.set(keyOf(group, topic, partition), { topicId: written, offset, at, expires });
  }

  #delete({ group, topic, partition, fault }: Extract<Step, { do: "delete" }>): void {
    const { bench, model } = this;
    const key = keyOf(group, topic, partition);
    const isThere = model.offsets.has(key);
    bench.failing = fault;
    let errorCode = -1;
    const topics = [{ name: topic, partitions: [{ partitionIndex: partition }] }];
    this.#run(out => bench.shard.deleteOffsets(bench.now, { groupId: group, topics }, out, code => (errorCode = code)));
    bench.failing = 0;
    if (!model.groups.has(group)) expect(errorCode).toBe(Errors.GROUP_ID_NOT_FOUND.code);
    else expect(errorCode).toBe(isThere ? fault : 0);
    if (errorCode === 0) model.offsets.delete(key);
  }

  #deleteGroup(group: string): void {
    const { bench, model } = this;
    let errorCode = -1;
    this.#run(out => bench.shard.delete(bench.now, group, out, code => (errorCode = code)));
    const isThere = model.groups.delete(group);
    model.logged.delete(group);
    expect(errorCode).toBe(isThere ? 0 : Errors.GROUP_ID_NOT_FOUND.code);
    model.erase(key => key.startsWith(`${group}/`));
  }

  /** The log must say the same: the last record of each offset is a tombstone if it is gone. */
  #checkLog(): void {
    const last = new Map<string, boolean>();
    for (const record of this.bench.log) {
      const read = parseRecord(record);
      if (read.type !== "offset") continue;
      const key = keyOf(read.groupId, read.topic, read.partition);
      last.delete(key);
      last.set(key, read.value !== null);
    }
    const there = [...last].flatMap(([key, isThere]) => (isThere ? [key] : []));
    expect(there.toSorted()).toEqual([...this.model.offsets.keys()].toSorted());
  }

  check(): void {
    this.#checkLog();
    const { bench, model } = this;
    const { committed } = bench.shard;
    expect(committed.count).toBe(model.offsets.size);
    const listed = [...committed.all()].map(({ groupId, topic, partition }) => keyOf(groupId, topic, partition));
    expect(listed.toSorted()).toEqual([...model.offsets.keys()].toSorted());
    for (const group of GROUPS) {
      expect(bench.shard.typeOf(group) !== undefined, group).toBe(model.groups.has(group));
      for (const stable of [false, true]) {
        const topics = TOPICS.map(name => ({ name, topicId: ZERO_UUID, partitionIndexes: [0, 1] }));
        const fetched = bench.shard.committed.fetch(group, topics, stable);
        for (const { name, partitions } of fetched) {
          const id = bench.topics.get(name)?.id;
          for (const { partitionIndex, committedOffset, committedLeaderEpoch, errorCode } of partitions) {
            const expected = model.fetched(keyOf(group, name, partitionIndex), id);
            expect([Number(committedOffset), errorCode]).toEqual([expected, 0]);
            // The version of a record with an expiry time has no leader epoch.
            const isOld = model.offsets.get(keyOf(group, name, partitionIndex))?.expires !== -1;
            expect(committedLeaderEpoch).toBe(expected === -1 || isOld ? -1 : 4);
          }
        }
        const all = bench.shard.committed.fetch(group, null, stable);
        const names = all.flatMap(({ name, partitions }) => partitions.map(p => keyOf(group, name, p.partitionIndex)));
        const there = [...model.offsets.keys()].filter(
          key => key.startsWith(`${group}/`) && model.fetched(key, bench.topics.get(key.split("/")[1])?.id) !== -1,
        );
        expect(names.toSorted()).toEqual(there.toSorted());
      }
    }
  }
}

describe("committed offsets beside a map", () => {
  test("are what was committed last, until they expire, are deleted, or their topic is", () => {
    fc.assert(
      fc.property(steps, all => {
        const pair = new Pair();
        for (const step of all) {
          pair.play(step);
          pair.check();
        }
      }),
      { numRuns: 60 },
    );
  });
});
