import { ApiKey } from "@samsa/protocol";
import type { RawConnection } from "@samsa/wire";
import { expect, test } from "vitest";
import { SamsaProcess } from "../src/processes/broker-process.ts";
import { STORIES, Stage, TOPIC } from "../src/differential/coordinator-stories.ts";
import { written } from "../src/differential/internal-records.ts";
import { KafkaProcess } from "../src/processes/kafka-process.ts";
import { MessageJson } from "../src/differential/message-json.ts";
import { newTopic } from "../src/differential/questions.ts";
import { connect } from "../src/differential/connection.ts";
import { findJava, findOurJava } from "../src/processes/runtimes.ts";
import { need } from "./scenarios.ts";

/** Internal topics with one partition, as in Kafka's settings, so that the records of all stories are in one log. */
const SETTINGS = [
  "offsets.topic.num.partitions=1",
  "transaction.state.log.num.partitions=1",
  "share.coordinator.state.topic.num.partitions=1",
];

async function prepared(client: RawConnection): Promise<Stage> {
  const topics = [newTopic(TOPIC, { numPartitions: 1 })];
  await client.ask("CreateTopics", 7, { topics, timeoutMs: 5000 });
  const asked = { topics: [{ name: TOPIC }], allowAutoTopicCreation: false };
  const known = () => client.ask("Metadata", 12, asked);
  await expect.poll(async () => (await known()).topics[0].errorCode).toBe(0);
  const stage = new Stage(client, (await known()).topics[0].topicId);
  for (const keyType of [0, 1]) await stage.ask(ApiKey.FindCoordinator, 4, { keyType, coordinatorKeys: ["story"] });
  return stage;
}

test("coordinators write the records that Kafka's write", async context => {
  need(await findJava(), context);
  const program = need(await findOurJava(), context)("MessageJson");
  const brokers = await Promise.all([KafkaProcess.start("changing"), SamsaProcess.start(undefined, SETTINGS)]);
  const json = new MessageJson(program);
  const clients = await Promise.all(brokers.map(({ server }) => connect(server)));
  try {
    const stages = await Promise.all(clients.map(prepared));
    const counts = new Map<string, number[]>();
    for (const { name, coordinator, play } of STORIES) {
      const told = await Promise.all(
        stages.map(async (stage, i) => {
          await play(stage);
          const all = await written(clients[i], json, coordinator);
          const key = `${coordinator} ${i}`;
          const before = counts.get(key)?.[0] ?? 0;
          counts.set(key, [all.length]);
          return all.slice(before);
        }),
      );
      expect.soft(told[1], name).toEqual(told[0]);
      expect(told[0].length).toBeGreaterThan(0);
    }
  } finally {
    for (const client of clients) client.close();
    await json.close();
    await Promise.all(brokers.map(broker => broker.dispose()));
  }
});
