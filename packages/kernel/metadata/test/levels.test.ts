import {
  changesBetween,
  changesOf,
  defaultFeatureLevels,
  EMPTY_IMAGE,
  METADATA_RELEASES,
  METADATA_VERSION,
  metadataVersionOf,
  MetadataDelta,
  MetadataError,
  type MetadataImage,
  recordVersions,
  releaseLevel,
} from "@samsa/metadata";
import { type MetadataRecord, metadataRecord } from "@samsa/protocol";
import { describe, expect, test } from "vitest";
import { id } from "./model.ts";

const imageOf = (records: readonly MetadataRecord[], base: MetadataImage = EMPTY_IMAGE): MetadataImage => {
  const delta = new MetadataDelta(base);
  for (const record of records) delta.replay(record);
  return delta.apply({ offset: records.length, epoch: 1, timestamp: 0 } as never);
};
const level = (featureLevel: number, name = "metadata.version"): MetadataRecord =>
  metadataRecord("FeatureLevelRecord", 0, { name, featureLevel });
const topic = (name: string, n: number): MetadataRecord => metadataRecord("TopicRecord", 0, { name, topicId: id(n) });

describe("levels of metadata.version", () => {
  test("have Kafka's names, of which a release has the last", () => {
    expect(METADATA_RELEASES).toHaveLength(METADATA_VERSION.latest - METADATA_VERSION.minimum + 1);
    const levels = { "3.3": 7, "3.3-IV3": 7, "3.6": 14, "3.7": 19, "4.0": 25, "4.0-IV1": 23, "4.3.1": 30, "4.4": 33 };
    for (const [name, expected] of Object.entries(levels)) expect([name, releaseLevel(name)]).toEqual([name, expected]);
    for (const name of ["3.2", "4.5", "4", "", "4.0-IV9", "4.03"])
      expect([name, releaseLevel(name)]).toEqual([name, undefined]);
  });

  test("bring the features that Kafka has from then on", () => {
    const at = (metadataVersion: number) => Object.fromEntries(defaultFeatureLevels(metadataVersion));
    expect([at(7), at(21), at(22)]).toEqual([{}, {}, { "group.version": 1 }]);
    expect(at(24)).toEqual({ "group.version": 1, "transaction.version": 2 });
    expect(at(25)).toEqual(at(24));
    expect(at(26)).toEqual({ ...at(24), "eligible.leader.replicas.version": 1 });
    expect(at(28)).toEqual({ ...at(26), "share.version": 1 });
    expect(at(29)).toEqual({ ...at(28), "streams.version": 1 });
    expect(at(30)).toEqual(at(29));
    expect(at(33)).toEqual({ ...at(29), "share.version": 2 });
  });

  test("decide in which versions records are written", () => {
    const versions = (metadataVersion: number) => Object.values(recordVersions(metadataVersion));
    expect([7, 8, 16, 17, 22, 23, 29, 30, 33].map(versions)).toEqual([
      [1, 1, 0, 0],
      [2, 1, 0, 0],
      [2, 1, 0, 0],
      [3, 2, 1, 1],
      [3, 2, 1, 1],
      [3, 2, 2, 2],
      [3, 2, 2, 2],
      [4, 3, 2, 2],
      [4, 3, 2, 2],
    ]);
  });

  test("are the lowest if there is none, and none that this release does not know", () => {
    expect(metadataVersionOf(EMPTY_IMAGE)).toBe(7);
    expect(metadataVersionOf(imageOf([level(30)]))).toBe(30);
    expect(metadataVersionOf(imageOf([level(30), level(0)]))).toBe(7);
    for (const unknown of [6, 34, -1]) expect(() => imageOf([level(unknown)])).toThrow(MetadataError);
    expect(imageOf([level(99, "other.version")]).features.get("other.version")).toBe(99);
  });
});

describe("changes", () => {
  const setting = (resourceName: string, value: string | null): MetadataRecord =>
    metadataRecord("ConfigRecord", 0, { resourceType: 2, resourceName, name: "retention.ms", value });
  const before = imageOf([topic("a", 1), topic("b", 2), setting("a", "1")]);
  const after = imageOf([topic("b", 2), topic("c", 3), setting("c", "1")]);

  test("of a whole image are all that it has", () => {
    const changes = changesOf(after);
    expect([...changes.changedTopics.keys()]).toEqual([id(2), id(3)]);
    expect([changes.base, changes.deletedTopics.size, changes.changedConfigs.size]).toEqual([EMPTY_IMAGE, 0, 1]);
  });

  test("to an image that does not follow from the one before are all of both", () => {
    const changes = changesBetween(before, after);
    expect(changes.base).toBe(before);
    expect([...changes.deletedTopics].map(([topicId, { name }]) => [topicId, name])).toEqual([[id(1), "a"]]);
    expect([...changes.changedTopics.keys()]).toEqual([id(2), id(3)]);
    expect(changes.changedConfigs.size, "settings that are gone have changed, too").toBe(2);
  });

  test("of a delta without records are none", () => {
    const delta = new MetadataDelta(before);
    expect(delta.isEmpty()).toBe(true);
    delta.replay(metadataRecord("NoOpRecord", 0, {}));
    expect([delta.isEmpty(), delta.changedTopics.size, delta.changedConfigs.size]).toEqual([false, 0, 0]);
  });
});
