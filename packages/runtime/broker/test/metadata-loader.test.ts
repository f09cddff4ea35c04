import { parseUuid, type Uuid } from "@samsa/base";
import type { MetadataChanges, MetadataImage } from "@samsa/metadata";
import { metadataRecord } from "@samsa/protocol";
import { expect, test } from "vitest";
import { MetadataLoader } from "../src/metadata/loader.ts";

const uuid = (n: number): Uuid => parseUuid(Buffer.alloc(16, n).toString("base64url")) as Uuid;
const topic = (n: number) => metadataRecord("TopicRecord", 0, { name: `t${n}`, topicId: uuid(n) });
const at = (offset: number) => ({ offset, epoch: 1, timestamp: 0 });

test("a snapshot takes the place of all records before: what it lacks is gone, and publishers hear of that", () => {
  const loader = new MetadataLoader({ debug() {}, info() {}, warn() {}, error() {} });
  const published: { readonly names: string[]; readonly deleted: string[] }[] = [];
  loader.install([
    {
      name: "test",
      publish: ({ deletedTopics }: MetadataChanges, { topicIds }: MetadataImage) => {
        published.push({ names: [...topicIds.keys()].toSorted(), deleted: [...deletedTopics.keys()] });
      },
    },
  ]);
  loader.replay([topic(1), topic(2)], at(1));
  loader.publish();
  loader.replay([topic(3)], at(2));
  loader.loadSnapshot([topic(2), topic(4)], at(9));
  loader.publish();
  expect(published.at(-1)).toEqual({ names: ["t2", "t4"], deleted: [uuid(1)] });
  expect(loader.image.provenance.offset).toBe(9);
});
