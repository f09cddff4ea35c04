import { execFileSync, spawnSync } from "node:child_process";
import { chownSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { endAll } from "../children.ts";
import { freePorts } from "../cluster-client.ts";
import { MAIN } from "../bundle.ts";
import contracts from "./contracts.json" with { type: "json" };
import { type Container, makeRoot, run, USER, whyNoNamespace } from "./namespace.ts";

/** The image's root folder, made of the Dockerfile's steps, runs in namespaces: there is no need of Docker. */

const root = join(import.meta.dirname, "../../../../..");
const folder = mkdtempSync(join(tmpdir(), "samsa-image-"));
const image = join(folder, "image");
const running: Container["process"][] = [];
const reason = whyNoNamespace();
if (reason !== undefined) console.log(`skip running the image: ${reason}`);

beforeAll(() => {
  execFileSync(process.execPath, [join(root, "scripts/launch.mjs"), "image-root", image], { stdio: "pipe" });
}, 240_000);

afterEach(() => endAll(running));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function place(name: string): { readonly home: string; readonly data: string } {
  const home = mkdtempSync(join(folder, `${name}-`));
  const data = mkdtempSync(join(folder, "data-"));
  chownSync(data, USER, USER);
  makeRoot(home, image);
  return { home, data };
}

function started(...args: Parameters<typeof run>): Container {
  const container = run(...args);
  running.push(container.process);
  return container;
}

const samsa = (...args: readonly string[]): string =>
  execFileSync(process.execPath, [MAIN, ...args], { encoding: "utf8", timeout: 30_000 });

test("the Dockerfile copies what image:root makes, runs it as a user without rights, and keeps data in a volume", () => {
  const steps = readFileSync(join(root, "Dockerfile"), "utf8");
  const copied = [...steps.matchAll(/^COPY --from=build (?:--chown=\S+ )?(\S+) (\S+)$/gm)].map(([, from, to]) => [
    from,
    to,
  ]);
  expect(copied).toEqual([
    ["/usr/local/bin/node", "/usr/local/bin/node"],
    ["/image/", "/"],
  ]);
  expect(steps).toContain(`USER ${USER}`);
  expect(steps).toContain('VOLUME ["/var/lib/samsa"');
  expect(steps).toContain('CMD ["/etc/kafka/docker/run"]');
  const made = spawnSync("du", ["-sk", image], { encoding: "utf8" }).stdout;
  expect(Number(made.split("\t")[0])).toBeLessThan(20_000);
  for (const name of ["kafka-topics.sh", "kafka-console-consumer.sh", "kafka-server-start.sh"]) {
    expect(readdirSync(join(image, "opt/kafka/bin"))).toContain(name);
  }
  expect(statSync(join(image, "etc/kafka/docker/run")).mode & 0o111).not.toBe(0);
});

test.skipIf(reason !== undefined)(
  "a container with a read-only root serves, is killed, recovers, and stops within 10 s",
  { timeout: 180_000 },
  async () => {
    const { home, data } = place("readonly");
    const port = await freePorts(3);
    const environment = {
      KAFKA_NODE_ID: "7",
      KAFKA_PROCESS_ROLES: "broker,controller",
      KAFKA_LISTENERS: `PLAINTEXT://:${port},CONTROLLER://:${port + 1}`,
      KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port}`,
      KAFKA_CONTROLLER_LISTENER_NAMES: "CONTROLLER",
      KAFKA_CONTROLLER_QUORUM_VOTERS: `7@127.0.0.1:${port + 1}`,
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: "1",
      SAMSA_HTTP_PORT: String(port + 2),
    };
    const options = { environment, data, readOnly: true };
    const servers = ["-b", `127.0.0.1:${port}`];
    const first = started(home, ["/etc/kafka/docker/run"], options);
    await first.says(/Kafka Server started/);
    samsa("produce", "kept", "one", ...servers);
    expect(await first.end("SIGKILL")).not.toBe(0);
    const second = started(home, ["/etc/kafka/docker/run"], options);
    await second.says(/Kafka Server started/);
    expect(second.printed()).not.toMatch(/"level":"?(?:40|50|warn|error)/);
    samsa("produce", "kept", "two", ...servers);
    expect(samsa("consume", "kept", ...servers)).toBe("one\ntwo\n");
    expect((await fetch(`http://127.0.0.1:${port + 2}/health`)).status).toBe(200);
    const before = performance.now();
    expect(await second.end("SIGTERM")).toBe(0);
    expect(performance.now() - before).toBeLessThan(10_000);
    expect(statSync(join(data, "data")).uid).toBe(USER);
  },
);

/** Ports of a contract, replaced by free ones. */
function withPorts(text: string, port: number): string {
  return text.replaceAll(/:909([234])\b/g, (_, last: string) => `:${port + Number(last) - 2}`);
}

test.skipIf(reason !== undefined).each(contracts.contracts)("$name", { timeout: 40_000 }, async contract => {
  const { home, data } = place("contract");
  const port = await freePorts(3);
  const environment = Object.fromEntries(
    Object.entries(contract.environment).map(([name, value]) => [name, withPorts(value, port)]),
  );
  const script = ["#!/bin/bash", ...contract.script].join("\n");
  writeFileSync(join(home, contract.scriptPath), `${withPorts(script, port)}\n`, { mode: 0o777 });
  const container = started(home, [contract.shell, contract.scriptPath], {
    data,
    environment: { ...environment, SAMSA_HTTP_PORT: "off" },
  });
  await container.says(new RegExp(contract.ready));
  samsa("produce", "asked", "by a test", "-b", `127.0.0.1:${port}`);
  expect(samsa("consume", "asked", "-b", `127.0.0.1:${port}`)).toBe("by a test\n");
  expect(container.printed()).not.toMatch(/"level":"?(?:50|error)/);
  // The first program is the shell of the script, which has no handler for SIGTERM.
  await container.end("SIGKILL");
});

test.skipIf(reason !== undefined)("Kafka's tools are where its image has them", { timeout: 60_000 }, async () => {
  const { home, data } = place("tools");
  const port = await freePorts(2);
  const settings = readFileSync(join(image, "etc/kafka/docker/server.properties"), "utf8");
  const mounted = settings.replaceAll("9092", String(port)).replaceAll("9093", String(port + 1));
  writeFileSync(join(home, "mnt/shared/config/server.properties"), mounted);
  const broker = started(home, ["/etc/kafka/docker/run"], { data, environment: { SAMSA_HTTP_PORT: "off" } });
  await broker.says(/Kafka Server started/);
  for (const tool of ["/opt/kafka/bin/kafka-topics.sh", "kafka-topics"]) {
    const listed = started(home, [tool, "--bootstrap-server", `127.0.0.1:${port}`, "--list"], { data });
    expect(await new Promise(resolve => listed.process.once("exit", resolve))).toBe(0);
  }
  cpSync(join(home, "opt/kafka/config/server.properties"), join(folder, "written"));
  expect(readFileSync(join(folder, "written"), "utf8")).toContain("log.dirs=/var/lib/samsa/data");
});
