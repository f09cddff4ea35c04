import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run } from "../src/processes/child.ts";
import { KafkajsJudge } from "../src/judges/kafkajs-judge.ts";
import { ROOT } from "../src/processes/runtimes.ts";
import { surviveCrashes, withBroker, writeAndRead } from "./scenarios.ts";

test("KafkaJS writes and reads with every codec", () =>
  withBroker(broker => writeAndRead(new KafkajsJudge(broker.server))));

test("KafkaJS loses nothing when the broker is stopped and killed", () =>
  withBroker(broker => surviveCrashes(broker, new KafkajsJudge(broker.server))));

test("the example of the README writes, reads and ends", () =>
  withBroker(async broker => {
    const [, example] = /```js\n(.*?)```/s.exec(readFileSync(join(ROOT, "README.md"), "utf8")) as RegExpExecArray;
    await new KafkajsJudge(broker.server).createTopic("greetings", 3);
    const input = example.replace("localhost:9092", broker.server);
    expect(input).not.toBe(example);
    // Pass the program by standard input, so that its imports resolve from this package.
    const lines = await run(process.execPath, ["--input-type=module", "-"], {
      input,
      cwd: join(import.meta.dirname, ".."),
    });
    expect(lines.filter(line => !line.startsWith("{"))).toEqual(["hello"]);
  }));
