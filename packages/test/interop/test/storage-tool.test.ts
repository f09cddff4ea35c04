import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SamsaProcess } from "../src/processes/broker-process.ts";
import { Child, run } from "../src/processes/child.ts";
import { findJava, findSamsa } from "../src/processes/runtimes.ts";
import { need } from "./scenarios.ts";

const CLUSTER = "4L6g3nShT-eMCtK--X86sw";

/** Runs a program to its exit and returns its output. */
async function output(command: string, args: readonly string[]): Promise<string> {
  const child = new Child(command, args);
  expect([await child.exited, child.stderr]).toEqual([0, expect.anything()]);
  return child.lines.join("\n");
}

test("a directory formatted by us and one formatted by Kafka are the same to both tools, and start", async context => {
  const java = need(await findJava(), context);
  const samsa = await findSamsa();
  const root = mkdtempSync(join(tmpdir(), "samsa-storage-tool-"));
  try {
    const settings = (name: string): string => {
      const file = join(root, `${name}.properties`);
      const lines = [
        "process.roles=broker,controller",
        "node.id=1",
        "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
        "controller.listener.names=CONTROLLER",
        "controller.quorum.bootstrap.servers=127.0.0.1:9093",
        `log.dirs=${join(root, name)},${join(root, `${name}2`)}`,
      ];
      writeFileSync(file, `${lines.join("\n")}\n`);
      return file;
    };
    const [ours, theirs] = [settings("ours"), settings("theirs")];
    const how = ["format", "-t", CLUSTER, "--standalone", "-r", "4.2", "-c"];
    await run(samsa.command, [...samsa.args, "storage", ...how, ours]);
    const format = java("kafka.tools.StorageTool", ...how, theirs);
    await run(format.command, format.args);
    for (const file of [ours, theirs]) {
      const info = java("kafka.tools.StorageTool", "info", "-c", file);
      const told = await output(info.command, info.args);
      expect(told).toContain(`cluster.id=${CLUSTER}`);
      expect((await output(samsa.command, [...samsa.args, "storage", "info", "-c", file])).trimEnd()).toBe(
        told.trimEnd(),
      );
    }
    for (const name of ["ours", "theirs"]) {
      const directories = `log.dirs=${join(root, name)},${join(root, `${name}2`)}`;
      const broker = await SamsaProcess.start(join(root, name), [directories]);
      await broker.stop();
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
