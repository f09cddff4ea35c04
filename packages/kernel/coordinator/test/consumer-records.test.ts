import { ByteReader, uuidFromBytes, type Uuid } from "@samsa/base";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ConsumerMember, Owned } from "../src/consumer/member.ts";
import { newMember } from "../src/consumer/member.ts";
import {
  CONSUMER_RECORD_TYPES,
  currentRecord,
  epochRecord,
  groupTombstones,
  memberRecord,
  memberTombstones,
  parseConsumerRecord,
  partitionMetadataTombstone,
  regexRecord,
  regexTombstone,
  targetEpochRecord,
  targetRecord,
} from "../src/consumer/records.ts";
import { offsetRecord, offsetTombstone, parseOffsetRecord } from "../src/group/records.ts";
import { TopicHashes } from "../src/group/topics.ts";
import type { ShardRecord, TopicDirectory } from "../src/index.ts";

function read({ key, value }: ShardRecord) {
  const reader = new ByteReader(key);
  const type = reader.i16();
  expect(CONSUMER_RECORD_TYPES).toContain(type);
  return parseConsumerRecord(type, reader, value);
}

const texts = fc.string({ maxLength: 8, unit: "grapheme" });
const ids: fc.Arbitrary<Uuid> = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(bytes => uuidFromBytes(bytes));
const epochs = fc.integer({ min: -2, max: 0x7fffffff });
const owned: fc.Arbitrary<Owned> = fc
  .uniqueArray(
    fc.tuple(
      ids,
      fc.uniqueArray(fc.tuple(fc.nat(50), fc.nat(9)), { selector: ([partition]) => partition, maxLength: 4 }),
    ),
    {
      ...{ selector: ([id]) => id, maxLength: 3 },
    },
  )
  .map(all => new Map(all.map(([id, partitions]) => [id, new Map(partitions)])));
const members: fc.Arbitrary<ConsumerMember> = fc
  .record({
    ...{ id: texts, instanceId: fc.option(texts), rackId: fc.option(texts), clientId: texts, clientHost: texts },
    ...{ topicNames: fc.array(texts, { maxLength: 3 }), regex: texts, assignor: fc.option(texts) },
    ...{ rebalanceTimeoutMs: fc.nat(), epoch: epochs, previousEpoch: epochs, assigned: owned, revoking: owned },
  })
  .map(fields => ({ ...newMember(fields.id), ...fields }));

const partitionsOf = (
  all: readonly {
    readonly topicId: Uuid;
    readonly partitions: readonly number[];
    readonly assignmentEpochs: readonly number[] | null;
  }[],
): unknown =>
  all.map(({ topicId, partitions, assignmentEpochs }) => [
    topicId,
    partitions.map((id, at) => [id, assignmentEpochs?.[at]]),
  ]);
const listed = (all: Owned): unknown => [...all].map(([topicId, partitions]) => [topicId, [...partitions]]);

describe("records of consumer groups", () => {
  test("read back as they were written", () => {
    fc.assert(
      fc.property(texts, members, fc.nat(), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), (groupId, member, epoch, hash) => {
        const key = { groupId, memberId: member.id };
        const { topicNames, regex, assignor, classic, instanceId, rackId, clientId, clientHost } = member;
        expect(read(memberRecord(groupId, member))).toMatchObject({
          ...{ type: "member", key },
          value: {
            ...{ instanceId, rackId, clientId, clientHost, serverAssignor: assignor, classicMemberMetadata: classic },
            ...{ subscribedTopicNames: topicNames, subscribedTopicRegex: regex },
            rebalanceTimeoutMs: member.rebalanceTimeoutMs,
          },
        });
        const current = read(currentRecord(groupId, member));
        if (current.type !== "current" || current.value === null) throw new Error("another record");
        expect([current.key, current.value.memberEpoch, current.value.previousMemberEpoch]).toEqual([
          ...[key, member.epoch, member.previousEpoch],
        ]);
        expect(partitionsOf(current.value.assignedPartitions)).toEqual(listed(member.assigned));
        expect(partitionsOf(current.value.partitionsPendingRevocation)).toEqual(listed(member.revoking));
        const group = read(epochRecord(groupId, epoch, hash));
        expect(group).toMatchObject({ type: "group", key: { groupId }, value: { epoch } });
        if (group.type === "group") expect(BigInt(group.value?.metadataHash ?? 0)).toBe(hash);
        const assignment = new Map([...member.assigned].map(([id, partitions]) => [id, new Set(partitions.keys())]));
        expect(read(targetRecord(groupId, member.id, assignment))).toMatchObject({
          ...{ type: "targetMember", key },
          value: {
            topicPartitions: [...assignment].map(([topicId, partitions]) => ({ topicId, partitions: [...partitions] })),
          },
        });
        expect(read(targetEpochRecord(groupId, epoch, 7))).toMatchObject({
          ...{ type: "target", key: { groupId }, value: { assignmentEpoch: epoch, assignmentTimestamp: 7 } },
        });
      }),
      { numRuns: 200 },
    );
  });

  test("of patterns list their topics in order", () => {
    const resolved = { topics: new Set(["b", "a", "B"]), version: 4, timestamp: 5 };
    expect(read(regexRecord("g", "x.*", resolved))).toMatchObject({
      ...{ type: "regex", key: { groupId: "g", regularExpression: "x.*" } },
      value: { topics: ["B", "a", "b"], version: 4, timestamp: 5 },
    });
    expect(read(regexTombstone("g", "x.*"))).toEqual({
      ...{ type: "regex", key: { groupId: "g", regularExpression: "x.*" }, value: null },
    });
  });

  test("end in the order that Kafka's replay requires", () => {
    const types = (records: readonly ShardRecord[]): unknown =>
      records.map(record => {
        const { type, key, value } = read(record);
        expect(value).toBeNull();
        const { memberId, regularExpression } = key as { memberId?: string; regularExpression?: string };
        return [type, memberId ?? regularExpression];
      });
    expect(types(memberTombstones("g", "m"))).toEqual([
      ["current", "m"],
      ["targetMember", "m"],
      ["member", "m"],
    ]);
    expect(types([partitionMetadataTombstone("g")])).toEqual([["partitions", undefined]]);
    expect(types(groupTombstones("g", ["m", "n"], ["x"]))).toEqual([
      ["current", "m"],
      ["current", "n"],
      ["targetMember", "m"],
      ["targetMember", "n"],
      ["target", undefined],
      ["member", "m"],
      ["member", "n"],
      ["regex", "x"],
      ["partitions", undefined],
      ["group", undefined],
    ]);
  });
});

test("records of offsets have the fields of their version", () => {
  const place = fc.tuple(texts, texts, fc.nat(50));
  const offsets = fc.record({
    ...{ topicId: ids, offset: fc.nat(), leaderEpoch: fc.integer({ min: -1, max: 9 }), metadata: texts },
    ...{ commitTimestamp: fc.nat(), expireTimestamp: fc.constantFrom(-1, -1, 5) },
  });
  const parsed = ({ key, value }: ShardRecord): unknown => {
    const reader = new ByteReader(key);
    return parseOffsetRecord(reader.i16(), reader, value);
  };
  fc.assert(
    fc.property(place, offsets, ([groupId, topic, partition], offset) => {
      const isOld = offset.expireTimestamp !== -1;
      const there = isOld ? { ...offset, leaderEpoch: -1, topicId: "AAAAAAAAAAAAAAAAAAAAAA" } : offset;
      const at = { groupId, topic, partition };
      const written = offsetRecord(groupId, topic, partition, offset);
      expect(new ByteReader(written.value as Uint8Array).i16()).toBe(isOld ? 1 : 4);
      expect(parsed(written)).toEqual({ ...at, value: there });
      expect(parsed(offsetTombstone(groupId, topic, partition))).toEqual({ ...at, value: null });
    }),
    { numRuns: 200 },
  );
  expect(parsed(epochRecord("g", 1, 0n))).toBeUndefined();
});

describe("the hash of a group's topics", () => {
  type Topics = ReadonlyMap<string, readonly (readonly string[])[]>;
  const idOf = (name: string): Uuid => uuidFromBytes(new Uint8Array(16).fill(name.charCodeAt(0)));
  const directory = (topics: Topics): TopicDirectory => {
    const named = (id: Uuid): string | undefined => [...topics.keys()].find(name => idOf(name) === id);
    const racksOf = (id: Uuid): readonly (readonly string[])[] => topics.get(named(id) ?? "") ?? [];
    return {
      version: 1,
      idOf: name => (topics.has(name) ? idOf(name) : undefined),
      nameOf: named,
      partitions: id => racksOf(id).length,
      racks: (id, partition) => racksOf(id)[partition] ?? [],
      names: () => topics.keys(),
    };
  };
  const racks = fc.uniqueArray(fc.constantFrom("r", "s", "rs", ""), { maxLength: 3 });
  const topics: fc.Arbitrary<Topics> = fc
    .uniqueArray(fc.tuple(fc.constantFrom("a", "b", "c"), fc.array(racks, { maxLength: 3 })), {
      selector: ([name]) => name,
    })
    .map(all => new Map(all));

  test("depends on their partitions and racks, not on any order", () => {
    const canonical = (all: Topics, names: readonly string[]): string =>
      JSON.stringify(
        [...names]
          .toSorted()
          .flatMap(name => (all.has(name) ? [[name, all.get(name)?.map(each => [...each].toSorted())]] : [])),
      );
    const names = fc.shuffledSubarray(["a", "b", "c", "d"]);
    fc.assert(
      fc.property(topics, topics, names, names, (one, other, some, others) => {
        const hash = (all: Topics, asked: readonly string[]): bigint => new TopicHashes().of(directory(all), asked);
        const isSame = canonical(one, some) === canonical(other, others);
        expect(hash(one, some) === hash(other, others)).toBe(isSame);
        expect(hash(one, some.toReversed())).toBe(hash(one, some));
        const reversed = new Map([...one].map(([name, all]) => [name, all.map(each => each.toReversed())] as const));
        expect(hash(reversed, some)).toBe(hash(one, some));
        if (!some.some(name => one.has(name))) expect(hash(one, some)).toBe(0n);
      }),
      { numRuns: 500 },
    );
  });

  test("is computed again for a topic that is forgotten", () => {
    const hashes = new TopicHashes();
    const [before, after] = [new Map([["a", [["r"]]]]), new Map([["a", [["r"], ["r"]]]])] as const;
    const first = hashes.of(directory(before), ["a"]);
    expect(hashes.of(directory(after), ["a"]), "it is kept").toBe(first);
    hashes.forget("b");
    expect(hashes.of(directory(after), ["a"])).toBe(first);
    hashes.forget("a");
    const second = hashes.of(directory(after), ["a"]);
    expect(second).not.toBe(first);
    hashes.clear();
    expect(hashes.of(directory(before), ["a"])).toBe(first);
  });
});
