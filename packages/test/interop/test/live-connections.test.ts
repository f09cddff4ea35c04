import { expect, test, type TestContext } from "vitest";
import { HOSTILE_STORIES } from "../src/samsa-client/hostile-clients.ts";
import { LIVE_STORIES, type LiveStory } from "../src/samsa-client/live-connections.ts";
import { findJava } from "../src/processes/runtimes.ts";
import { SecuredBroker } from "../src/samsa-client/secured-broker.ts";
import { need } from "./scenarios.ts";

const AUTHORIZER = ["authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer"];
const LIMIT_MS = 240_000;

/** Tells each story at both vendors. */
async function compare(stories: readonly LiveStory[], context: TestContext): Promise<void> {
  need(await findJava(), context);
  const started = await Promise.allSettled([
    SecuredBroker.start("Apache Kafka", AUTHORIZER),
    SecuredBroker.start("Samsa", AUTHORIZER),
  ]);
  const brokers = started.flatMap(one => (one.status === "fulfilled" ? [one.value] : []));
  try {
    for (const one of started) if (one.status === "rejected") throw one.reason;
    for (const { name, tell } of stories) {
      const [theirs, ours] = await Promise.all(brokers.map(tell));
      expect.soft(ours, name).toEqual(theirs);
    }
  } catch (error) {
    for (const { broker, vendor } of brokers) console.error(`${vendor}\n${broker.log().slice(-4000)}`);
    throw error;
  } finally {
    await Promise.all(brokers.map(one => one.dispose()));
  }
}

test(
  "clients with open connections are treated as Kafka treats them when their rights change",
  context => compare(LIVE_STORIES, context),
  LIMIT_MS,
);

test(
  "clients that are not who they say, or do not speak as they should, are treated as Kafka treats them",
  context => compare(HOSTILE_STORIES, context),
  LIMIT_MS,
);
