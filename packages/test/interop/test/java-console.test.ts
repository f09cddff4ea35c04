import { test } from "vitest";
import { ConsoleJudge } from "../src/judges/java-judges.ts";
import { findJava } from "../src/processes/runtimes.ts";
import { need, surviveCrashes, withBroker, writeAndRead } from "./scenarios.ts";

test("the console tools write and read with every codec", async context => {
  const java = need(await findJava(), context);
  await withBroker(broker => writeAndRead(new ConsoleJudge(java, broker.server)));
});

test("the console tools lose nothing when the broker is stopped and killed", async context => {
  const java = need(await findJava(), context);
  await withBroker(broker => surviveCrashes(broker, new ConsoleJudge(java, broker.server)));
});
