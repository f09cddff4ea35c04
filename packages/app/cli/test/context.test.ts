import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clusterFixture } from "@samsa/testkit";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { SecuredServer } from "../../client/test/secured-server.ts";
import { run } from "./client-bench.ts";

const cluster = clusterFixture({ beforeAll, afterAll }, { topics: { orders: 1 } });
const folder = mkdtempSync(join(tmpdir(), "samsa-context-"));
const file = join(folder, "deep", "config.json");
const context = (...args: string[]) => run("context", ...args);
const ORDERS = expect.stringMatching(/^orders\b/);
const listed = async (...args: string[]) => {
  const { out, err } = await run("topic", "list", ...args);
  return err === "" ? out : err;
};

beforeEach(() => {
  vi.stubEnv("SAMSA_CONFIG", file);
  rmSync(file, { force: true });
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

test("contexts are set, listed, used and deleted", async () => {
  expect((await context("list")).out).toBe("  NAME  SERVERS  PROPERTIES\n");
  const set = await context("set", "here", "-b", cluster().bootstrapServers, "--property", "client.id=x");
  expect([set.out, set.err]).toEqual([`Set context here in ${file}.\n`, ""]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await context("set", "gone", "-b", "127.0.0.1:1");
  expect((await context("use", "here")).out).toBe("Commands use context here.\n");
  expect(JSON.parse((await context("list", "--json")).out)).toEqual([
    { name: "gone", isCurrent: false, servers: "127.0.0.1:1", properties: {} },
    { name: "here", isCurrent: true, servers: cluster().bootstrapServers, properties: { "client.id": "x" } },
  ]);
  expect((await context("list")).out).toContain(`*  here  ${cluster().bootstrapServers}`);
  await context("set", "here", "--delete-property", "client.id");
  expect(JSON.parse(readFileSync(file, "utf8")).contexts.here.properties).toEqual({});
  expect(await listed()).toEqual(ORDERS);
  expect((await context("delete", "here")).out).toBe("Deleted context here.\n");
  expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ current: null, contexts: { gone: {} } });
});

test("an option comes before the environment, and that before the current context", async () => {
  const { bootstrapServers } = cluster();
  await context("set", "here", "-b", bootstrapServers);
  await context("set", "gone", "-b", "127.0.0.1:1");
  await context("use", "gone");
  expect(await listed()).toContain("no broker at 127.0.0.1:1");
  expect(await listed("--context", "here")).toEqual(ORDERS);
  expect(await listed("-b", bootstrapServers)).toEqual(ORDERS);
  expect((await run("group", "list", "--context", "here", "--json")).out).toBe("[]\n");
  // Settings of one broker are asked for at that broker, with the context's properties.
  expect((await run("config", "describe", "--broker", "1", "--context", "here")).code).toBe(0);
  vi.stubEnv("SAMSA_CONTEXT", "here");
  expect(await listed()).toEqual(ORDERS);
  expect(await listed("--context", "gone")).toContain("127.0.0.1:1");
  vi.stubEnv("SAMSA_CONTEXT", "");
  vi.stubEnv("SAMSA_BOOTSTRAP_SERVER", bootstrapServers);
  expect(await listed()).toEqual(ORDERS);
  expect(await listed("-b", "127.0.0.1:2")).toContain("127.0.0.1:2");
  expect(await listed("--context", "gone")).toContain("127.0.0.1:1");
  vi.stubEnv("SAMSA_BOOTSTRAP_SERVER", "");
});

test("secrets are references, are never printed, and go to the servers of their context only", async () => {
  await using secured = await SecuredServer.start();
  writeFileSync(join(folder, "ca.pem"), secured.authority.cert);
  const jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required";
  writeFileSync(join(folder, "jaas"), `${jaas} username="alice" password="sesame";\n`);
  const properties = [
    ...["ssl.truststore.type=PEM", `ssl.truststore.location=${join(folder, "ca.pem")}`],
    ...["security.protocol=SASL_SSL", "sasl.mechanism=PLAIN", `sasl.jaas.config=file:${join(folder, "jaas")}`],
  ].flatMap(property => ["--property", property]);
  await context("set", "safe", "-b", secured.address, ...properties);
  await context("use", "safe");
  expect((await run("topic", "list")).err).toBe("");
  expect(secured.admitted).toHaveLength(1);
  // A plain server would not answer a client that begins with TLS.
  expect(await listed("-b", cluster().bootstrapServers)).toEqual(ORDERS);
  await context("set", "safe", "--property", "sasl.jaas.config=env:JAAS");
  expect(await listed()).toBe("samsa: sasl.jaas.config: the environment has no JAAS\n");
  vi.stubEnv("JAAS", `${jaas} username="alice" password="sesame";`);
  expect((await run("topic", "list")).err).toBe("");
  expect((await context("list", "--json")).out).toContain('"sasl.jaas.config":"env:JAAS"');
  const plain = await context("set", "safe", "--property", "ssl.key.password=sesame");
  expect(plain.err).toBe("samsa: ssl.key.password is a secret: give env:NAME or file:PATH, where it is\n");
});

test("what cannot be is said in one sentence", async () => {
  const failure = async (...args: string[]): Promise<string> => {
    const { code, err } = await context(...args);
    expect([code, err]).toEqual([1, expect.stringMatching(/^samsa: [^\n]+\n$/)]);
    return err;
  };
  expect(await failure("set", "new")).toContain("--bootstrap-server");
  expect(await failure("set", "new", "-b", "x:abc")).toContain('not "x:abc"');
  expect(await failure("set", "a b", "-b", "x:1")).toContain("name");
  expect(await failure("set", "new", "-b", "x:1", "--property", "clientid=1")).toContain("did you mean client.id?");
  expect(await failure("set", "new", "-b", "x:1", "--property", "request.timeout.ms=soon")).toContain("soon");
  expect(await failure("set", "new", "-b", "x:1", "--property", "sesame")).not.toContain("sesame");
  expect(await failure("use", "none")).toBe(`samsa: there is no context none in ${file}\n`);
  expect(await listed("--context", "none")).toContain("no context none");
  writeFileSync(file, '{"sesame"');
  expect(await failure("list")).toBe(`samsa: ${file} is not JSON\n`);
  writeFileSync(file, '{"contexts":{"a":{"servers":1}}}');
  expect(await failure("list")).toContain("context a");
});
