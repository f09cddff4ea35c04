import { uuidFromBytes, ZERO_UUID } from "@samsa/base";
import { Errors, type MetadataResponse } from "@samsa/protocol";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TestBroker } from "./wire.ts";

let broker: TestBroker;
let topicId: string;

function ask(topics: readonly object[], allowAutoTopicCreation = false): Promise<MetadataResponse["topics"]> {
  return broker.connect().then(async wire => {
    const answer = await wire.ask("Metadata", 13, { topics, allowAutoTopicCreation });
    wire.close();
    return answer.topics;
  });
}

beforeAll(async () => {
  broker = await TestBroker.start({ "auto.create.topics.enable": "true" });
  const wire = await broker.connect();
  await wire.ask("CreateTopics", 7, { topics: [{ name: "there", numPartitions: 1, replicationFactor: 1 }] });
  wire.close();
  [{ topicId }] = await ask([{ name: "there" }]);
});

afterAll(() => broker.stop());

test("a topic is asked for by its id, with a name of null or, as the Java client does, an empty one", async () => {
  expect(topicId).not.toBe(ZERO_UUID);
  for (const name of [null, ""]) {
    const [topic] = await ask([{ name, topicId }]);
    expect([topic.name, topic.topicId, topic.errorCode]).toEqual(["there", topicId, 0]);
  }
});

test("where one id is asked for, names are neither answered nor created", async () => {
  const topics = await ask([{ name: "absent" }, { name: "", topicId }], true);
  expect(topics.map(topic => topic.name)).toEqual(["there"]);
  expect((await ask([{ name: "absent" }]))[0].errorCode).toBe(Errors.UNKNOWN_TOPIC_OR_PARTITION.code);
});

test("an id that is not there is told", async () => {
  const unknown = uuidFromBytes(new Uint8Array(16).fill(9));
  const [topic] = await ask([{ name: "", topicId: unknown }]);
  expect([topic.name, topic.topicId, topic.errorCode]).toEqual([null, unknown, Errors.UNKNOWN_TOPIC_ID.code]);
});
