import { expect, test } from "vitest";
import { LIVE_STORIES } from "../src/samsa-client/live-connections.ts";
import { findJava } from "../src/processes/runtimes.ts";
import { SecuredBroker } from "../src/samsa-client/secured-broker.ts";
import { need } from "./scenarios.ts";

const AUTHORIZER = ["authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer"];

test("clients with open connections are treated as Kafka treats them when their rights change", async context => {
  need(await findJava(), context);
  const started = await Promise.allSettled([
    SecuredBroker.start("Apache Kafka", AUTHORIZER),
    SecuredBroker.start("Samsa", AUTHORIZER),
  ]);
  const brokers = started.flatMap(one => (one.status === "fulfilled" ? [one.value] : []));
  try {
    for (const one of started) if (one.status === "rejected") throw one.reason;
    for (const { name, tell } of LIVE_STORIES) {
      const [theirs, ours] = await Promise.all(brokers.map(tell));
      expect(ours, name).toEqual(theirs);
    }
  } catch (error) {
    for (const { broker, vendor } of brokers) console.error(`${vendor}\n${broker.log().slice(-4000)}`);
    throw error;
  } finally {
    await Promise.all(brokers.map(one => one.dispose()));
  }
}, 240_000);
