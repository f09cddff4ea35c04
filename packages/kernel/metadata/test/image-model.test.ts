import { MIGRATING_DIRECTORY, type Uuid, uuidFromBytes } from "@samsa/base";
import {
  changesBetween,
  changesOf,
  collisionName,
  configsOf,
  EMPTY_IMAGE,
  imageRecords,
  type MetadataChanges,
  MetadataDelta,
  MetadataError,
  type MetadataImage,
  replicaDirectory,
  topicNamed,
  topicsByName,
} from "@samsa/metadata";
import { decodeMetadataRecord, encodeMetadataRecord, type MetadataRecord, metadataRecord } from "@samsa/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CAN_BE_WRONG, type Draw, draws, recordOf } from "./draws.ts";
import { applyRecord, emptyPlain, type Plain, plainOf, Touched } from "./model.ts";

const ELR = "eligible.leader.replicas.version";

function sameText(a: unknown, b: unknown): boolean {
  const text = (value: unknown): string =>
    JSON.stringify(value, (_key, part: unknown) => {
      if (part instanceof Map) return [...part].sort(([x], [y]) => (x < y ? -1 : 1));
      return typeof part === "bigint" ? `${part}n` : part;
    });
  return text(a) === text(b);
}

/** Keys of entries that only one of the maps has, or that differ. */
function differing<K>(before: ReadonlyMap<K, unknown>, after: ReadonlyMap<K, unknown>): K[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].filter(key => before.has(key) !== after.has(key) || !sameText(before.get(key), after.get(key)));
}

/** Checks that the changes name all that differs, and the topics that are gone. */
function checkCover(changes: MetadataChanges, before: Plain, after: Plain): void {
  for (const [topicId, topic] of after.topics) {
    const indexes = differing(before.topics.get(topicId)?.partitions ?? new Map(), topic.partitions);
    const named = changes.changedTopics.get(topicId as Uuid);
    if (!before.topics.has(topicId)) expect(named, "a new topic is named").toBeDefined();
    expect(indexes.filter(index => named?.has(index) !== true)).toEqual([]);
  }
  const gone = [...before.topics].filter(([topicId]) => !after.topics.has(topicId));
  expect(new Map([...changes.deletedTopics].map(([topicId, { name }]) => [topicId as string, name]))).toEqual(
    new Map(gone.map(([topicId, { name }]) => [topicId, name])),
  );
  for (const topicId of changes.changedTopics.keys()) expect(after.topics.has(topicId)).toBe(true);
  expect(differing(before.configs, after.configs).filter(key => !changes.changedConfigs.has(key))).toEqual([]);
  expect(differing(before.brokers, after.brokers).filter(key => !changes.changedBrokers.has(key))).toEqual([]);
}

/** Metadata that a snapshot in the records of the image's `metadata.version` can hold. */
function inSnapshot(plain: Plain): Plain {
  const level = plain.features.get("metadata.version") ?? 7;
  const hasElr = level >= 23 && (plain.features.get(ELR) ?? 0) > 0;
  for (const topic of plain.topics.values()) {
    for (const [index, partition] of topic.partitions) {
      topic.partitions.set(index, {
        ...partition,
        directories: level >= 17 ? partition.directories : partition.replicas.map(() => MIGRATING_DIRECTORY),
        eligibleLeaderReplicas: hasElr ? partition.eligibleLeaderReplicas : [],
        lastKnownElr: hasElr ? partition.lastKnownElr : [],
      });
      // A record without directories and one with an empty list are the same.
    }
  }
  for (const [brokerId, broker] of plain.brokers) {
    const without = {
      ...(level >= 30 ? {} : { cordonedLogDirs: null }),
      ...(level >= 17 ? {} : { logDirs: [] }),
      ...(level >= 8 ? {} : { isMigratingZkBroker: false }),
    };
    plain.brokers.set(brokerId, { ...broker, ...without });
  }
  return plain;
}

function replayed(records: readonly MetadataRecord[]): MetadataImage {
  const delta = new MetadataDelta(EMPTY_IMAGE);
  for (const record of records) delta.replay(decodeMetadataRecord(encodeMetadataRecord(record)));
  return delta.apply({ offset: 1, epoch: 1, timestamp: 1 });
}

class Pair {
  image = EMPTY_IMAGE;
  delta = new MetadataDelta(EMPTY_IMAGE);
  /** Metadata without those of an open transaction. */
  plain = emptyPlain();
  /** Metadata before the delta. */
  before = emptyPlain();
  touched = new Touched();
  /** Records of the open transaction, and the metadata as if it had ended. */
  open: { readonly records: MetadataRecord[]; readonly plain: Plain } | undefined;
  readonly old: { readonly image: MetadataImage; readonly plain: Plain; readonly held: unknown[] }[] = [];
  count = 0;
  #ids = 0;

  fresh = (): Uuid => {
    const bytes = new Uint8Array(16);
    // Ids come in no order.
    new DataView(bytes.buffer).setUint32(0, Math.imul(++this.#ids, 0x9e3779b1));
    return uuidFromBytes(bytes);
  };

  run(draw: Draw): void {
    if (draw.kind === "transaction") this.#transaction(draw);
    else {
      const isWrong = draw.wrong && CAN_BE_WRONG.has(draw.kind);
      const record = recordOf(draw, this.open?.plain ?? this.plain, this.fresh);
      if (record !== undefined && !isWrong) this.replay(record);
      if (record !== undefined && isWrong && this.open === undefined) this.contradict(record);
    }
    if (draw.cut) this.cut();
  }

  replay(record: MetadataRecord): void {
    this.count++;
    this.delta.replay(decodeMetadataRecord(encodeMetadataRecord(record)));
    if (this.open === undefined) return applyRecord(this.plain, record, this.touched);
    this.open.records.push(record);
    applyRecord(this.open.plain, record, new Touched());
  }

  #transaction({ a, b }: Draw): void {
    const begin = metadataRecord("BeginTransactionRecord", 0, { name: "t" });
    const end = metadataRecord("EndTransactionRecord", 0, {});
    const abort = metadataRecord("AbortTransactionRecord", 0, {});
    this.count++;
    if (this.open === undefined) {
      this.delta.replay(begin);
      this.open = { records: [], plain: structuredClone(this.plain) };
      return;
    }
    // A second begin is refused, and changes nothing.
    if (b % 4 === 0) expect(() => this.delta.replay(begin)).toThrow(MetadataError);
    const { records } = this.open;
    this.open = undefined;
    if (a % 3 === 0) {
      this.delta.replay(abort);
      return;
    }
    this.delta.replay(end);
    for (const record of records) applyRecord(this.plain, record, this.touched);
  }

  /** Replays a record that contradicts the metadata, in a delta that is thrown away then. */
  contradict(record: MetadataRecord): void {
    this.cut();
    expect(() => this.delta.replay(record), JSON.stringify(record.value)).toThrow(MetadataError);
    this.delta = new MetadataDelta(this.image);
    if (this.open !== undefined) return;
    for (const type of ["EndTransactionRecord", "AbortTransactionRecord"] as const) {
      expect(() => new MetadataDelta(this.image).replay(metadataRecord(type, 0, {}))).toThrow(MetadataError);
    }
  }

  /** Ends the delta, and compares the image and the changes with the model. */
  cut(): void {
    const { delta, before, touched } = this;
    expect([delta.isEmpty(), delta.base === this.image]).toEqual([this.count === 0, true]);
    const provenance = { offset: (this.image.provenance.offset as number) + this.count, epoch: 3, timestamp: 5 };
    const image = delta.apply(provenance);
    const after = plainOf(image);
    expect(after).toEqual(this.plain);
    expect(image.provenance).toEqual(provenance);
    expect((image.transaction ?? []).length).toBe(this.open?.records.length ?? 0);
    expect(image.transaction !== undefined).toBe(this.open !== undefined);
    checkCover(delta, before, after);
    expect(new Map<string, unknown>(delta.changedTopics)).toEqual(touched.topics);
    expect(delta.changedConfigs).toEqual(touched.configs);
    expect(delta.changedBrokers).toEqual(touched.brokers);
    this.#checkLookups(image);
    this.old.push({ image, plain: after, held: [...(image.transaction ?? [])] });
    this.image = image;
    this.delta = new MetadataDelta(image);
    this.before = after;
    this.touched = new Touched();
    this.count = 0;
  }

  #checkLookups(image: MetadataImage): void {
    const { topics } = this.plain;
    const names = [...topics.values()].map(({ name }) => name).sort((a, b) => (a < b ? -1 : 1));
    expect(topicsByName(image).map(({ name }) => name)).toEqual(names);
    for (const [topicId, { name, partitions }] of topics) {
      const topic = topicNamed(image, name);
      expect([topic?.id, topic?.partitions.size]).toEqual([topicId, partitions.size]);
      const wanted = this.plain.configs.get(`2/${name}`) ?? new Map();
      expect(configsOf(image, 2, name)).toEqual(wanted);
    }
    for (const topic of image.topics.values()) {
      expect([...topic.partitions.keys()]).toEqual([...topic.partitions.keys()].sort((a, b) => a - b));
      for (const partition of topic.partitions.values()) {
        const homes = partition.replicas.map(replica => replicaDirectory(partition, replica));
        expect(homes).toEqual(partition.directories);
      }
    }
    expect(topicNamed(image, "none")).toBeUndefined();
    const risky = names.filter(name => /[._]/.test(name));
    const collisions = [...image.collisions].map(([key, all]) => [key, [...all].sort()] as const);
    const wanted = new Map<string, string[]>();
    for (const name of risky) wanted.set(collisionName(name), [...(wanted.get(collisionName(name)) ?? []), name]);
    expect(new Map(collisions)).toEqual(wanted);
  }

  end(): void {
    this.cut();
    for (const { image, plain, held } of this.old) {
      expect(plainOf(image), "an old image has not changed").toEqual(plain);
      expect(image.transaction ?? [], "nor has its open transaction").toEqual(held);
    }
    // Any image comes back from its snapshot, and any two have changes between them.
    for (const { image, plain } of [...this.old.slice(-2), this.old[this.old.length >> 1]]) {
      const loaded = replayed(imageRecords(image));
      expect(plainOf(loaded)).toEqual(inSnapshot(structuredClone(plain)));
      expect(imageRecords(loaded)).toEqual(imageRecords(image));
      checkCover(changesBetween(image, this.image), plain, this.before);
      checkCover(changesOf(image), emptyPlain(), plain);
    }
  }
}

describe("an image", () => {
  test("is what plain maps are, and deltas name what has changed", () => {
    fc.assert(
      fc.property(draws, all => {
        const pair = new Pair();
        for (const draw of all) pair.run(draw);
        pair.end();
      }),
      { numRuns: 150 },
    );
  });
});
