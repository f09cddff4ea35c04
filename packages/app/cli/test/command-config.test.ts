import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clusterFixture } from "@samsa/testkit";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { SecuredServer } from "../../client/test/secured-server.ts";
import { run } from "./client-bench.ts";

const cluster = clusterFixture({ beforeAll, afterAll }, { topics: { orders: 1 } });
const folder = mkdtempSync(join(tmpdir(), "samsa-config-"));
let secured: SecuredServer;

beforeAll(async () => {
  secured = await SecuredServer.start();
  writeFileSync(join(folder, "ca.pem"), secured.authority.cert);
});

afterAll(async () => {
  vi.unstubAllEnvs();
  await secured[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function file(...lines: string[]): string {
  const path = join(folder, "client.properties");
  writeFileSync(path, lines.join("\n"));
  return path;
}

function tlsFile(...lines: string[]): string {
  const trust = ["ssl.truststore.type=PEM", `ssl.truststore.location=${join(folder, "ca.pem")}`];
  return file(`bootstrap.servers=${secured.address}`, ...trust, ...lines);
}

const PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule";

test("commands of both kinds take the servers and the settings of the file", async () => {
  const config = file(`bootstrap.servers=${cluster().bootstrapServers}`, "compression.type=gzip", "client.id=x");
  const list = await run("topic", "list", "--command-config", config);
  expect([list.out.trim().split("\n").at(-1)?.split(" ")[0], list.err]).toEqual(["orders", ""]);
  expect((await run("produce", "orders", "tea", "--command-config", config)).code).toBe(0);
  expect((await run("consume", "orders", "--command-config", config)).out).toBe("tea\n");
  expect((await run("topic", "list", "--command-config", config, "-b", "127.0.0.1:1")).err).toContain("127.0.0.1:1");
});

test("a password may come from the environment, and servers with TLS and SASL are reached", async () => {
  vi.stubEnv("PASSWORD", "sesame");
  const config = tlsFile(
    "security.protocol=SASL_SSL",
    "sasl.mechanism=PLAIN",
    `sasl.jaas.config=${PLAIN} required username="alice" password="\${env::PASSWORD}";`,
    "config.providers=env",
    "config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider",
  );
  const admitted = secured.admitted.length;
  const list = await run("topic", "list", "--command-config", config);
  expect([list.code, list.err, secured.admitted.length]).toEqual([0, "", admitted + 1]);
  vi.stubEnv("PASSWORD", "wrong");
  const refused = await run("topic", "list", "--command-config", config);
  const said = `samsa: ${secured.address} refuses the credentials of user alice, PLAIN: `;
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining(said)]);
  const consumed = await run("consume", "orders", "--command-config", config);
  expect([consumed.code, consumed.err]).toEqual([1, expect.stringContaining(said)]);
});

test("what is wrong with the file is one sentence", async () => {
  const failure = async (config: string) => (await run("topic", "list", "--command-config", config)).err;
  expect(await failure(join(folder, "none"))).toMatch(/^samsa: cannot read .*none: ENOENT/);
  expect(await failure(file("sasl.mechanisms=PLAIN"))).toBe(
    "samsa: there is no setting sasl.mechanisms; did you mean sasl.mechanism?\n",
  );
  expect(await failure(tlsFile())).toBe("samsa: ssl.truststore.type has no effect with security.protocol=PLAINTEXT\n");
  expect(await failure(tlsFile("security.protocol=SSL", "ssl.truststore.certificates=x"))).toMatch(
    /^samsa: TLS to 127\.0\.0\.1:\d+ cannot be used: the CA certificate has no certificate in PEM/,
  );
});
