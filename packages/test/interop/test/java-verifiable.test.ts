import { expect, test } from "vitest";
import { CODECS } from "../src/judges/codecs.ts";
import { VerifiableJudge } from "../src/judges/java-judges.ts";
import type { Acknowledged } from "../src/judges/judge.ts";
import { findJava } from "../src/processes/runtimes.ts";
import { expectResumed, need, surviveCrashes, topicName, withBroker } from "./scenarios.ts";

const EACH = 40;

function places(records: readonly { partition?: number; offset?: number; value: string | null }[]): string[] {
  return records.map(({ partition, offset, value }) => `${partition}/${offset}: ${value}`).sort();
}

test("the verifiable tools write and read with every codec", async context => {
  const java = need(await findJava(), context);
  await withBroker(async broker => {
    const judge = new VerifiableJudge(java, broker.server);
    const topic = topicName();
    await judge.createTopic(topic, 3);
    const acknowledged: Acknowledged[] = [];
    for (const codec of CODECS) acknowledged.push(...(await judge.produce(topic, codec, EACH)));
    expect(acknowledged.length).toBe(EACH * CODECS.length);
    const first = await judge.consume(topic, `${topic}-group`, EACH);
    const second = await judge.consume(topic, `${topic}-group`, acknowledged.length - EACH);
    expectResumed(first, second);
    expect(places([...first, ...second])).toEqual(places(acknowledged));
  });
});

test("the verifiable tools lose nothing when the broker is stopped and killed", async context => {
  const java = need(await findJava(), context);
  await withBroker(broker => surviveCrashes(broker, new VerifiableJudge(java, broker.server)));
});
