import { test } from "vitest";
import { PythonJudge } from "../src/judges/python-judge.ts";
import { findPython } from "../src/processes/runtimes.ts";
import { need, surviveCrashes, withBroker, writeAndRead } from "./scenarios.ts";

test("kafka-python writes and reads with every codec", async context => {
  const python = need(await findPython(), context);
  await withBroker(broker => writeAndRead(new PythonJudge(python, "kafka_python.py", broker.server)));
});

test("kafka-python loses nothing when the broker is stopped and killed", async context => {
  const python = need(await findPython(), context);
  await withBroker(broker => surviveCrashes(broker, new PythonJudge(python, "kafka_python.py", broker.server)));
});
