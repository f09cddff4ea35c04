import { execFile } from "node:child_process";
import { join } from "node:path";
import { rmSync, writeFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";

const file = join(import.meta.dirname, "waits.tmp.ts");
afterAll(() => rmSync(file, { force: true }));

/** Output of a program with a client of a broker that is away. */
function output(program: string): Promise<string> {
  const client = '{ bootstrapServers: "127.0.0.1:1", apiTimeoutMs: 300, logger: SILENT }';
  const source = `import { KafkaClient } from "../src/index.ts";
    const ignore = () => undefined;
    const SILENT = { debug: ignore, info: ignore, warn: ignore, error: ignore };
    const client = new KafkaClient(${client});
    const said = promise => promise.then(() => console.log("no error"), error => console.log(error.name));
    ${program}
    await client.close();`;
  writeFileSync(file, source);
  return new Promise(resolve => {
    execFile(process.execPath, [file], (_, out, err) => resolve(out + err));
  });
}

test("a process waits for a call to a broker that is away, and ends after it", async () => {
  expect(await output("await said(client.admin().topics.list());")).toBe("BROKERS_UNREACHABLE\n");
  const producer = "const producer = client.producer({ maxBlockMs: 300 });";
  expect(await output(`${producer} await said(producer.send({ topic: "t", value: "x" }));`)).toBe("TIMED_OUT\n");
});

test("a process waits for records of a broker that is away", async () => {
  // The signal does not keep a process alive either.
  const program = `const consumer = client.consumer();
    consumer.assign([{ topic: "t", partition: 0, offset: "beginning" }]);
    await said(consumer.records({ signal: AbortSignal.timeout(400) }).next());`;
  expect(await output(program)).toBe("ABORTED\n");
});
