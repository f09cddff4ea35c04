import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ClientOptions, KafkaClient, KafkaError } from "../src/index.ts";
import { SecuredServer } from "./secured-server.ts";

const ALICE = { mechanism: "PLAIN", username: "alice", password: "sesame" } as const;
const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
let server: SecuredServer;

beforeAll(async () => {
  server = await SecuredServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Result of a client that lists topics, and the name of the error of one that cannot. */
async function asked(options: ClientOptions): Promise<unknown> {
  await using client = new KafkaClient({ bootstrapServers: server.address, logger: SILENT, ...options });
  try {
    return await client.admin().topics.list();
  } catch (error) {
    return error instanceof KafkaError ? error.name : error;
  }
}

test("a client with TLS and credentials is let in, by name and by certificate", async () => {
  const { cert, key } = server.authority.issue({ name: "carol" });
  expect(await asked({ clientId: "shop", ssl: { ca: server.authority.cert, cert, key }, sasl: ALICE })).toEqual([]);
  expect([server.admitted.at(-1), server.names.at(-1)]).toEqual(["shop", "carol"]);
  expect(await asked({ ssl: { ca: server.authority.cert }, sasl: ALICE })).toEqual([]);
  expect(server.names.at(-1)).toBeUndefined();
});

test("what another attempt would not mend is told at once, and the rest after the time of the call", async () => {
  const ssl = { ca: server.authority.cert };
  expect(await asked({ ssl: true, sasl: ALICE })).toBe("TLS_FAILED");
  expect(await asked({ ssl, sasl: { ...ALICE, password: "x" } })).toBe("SASL_AUTHENTICATION_FAILED");
  expect(await asked({ ssl, sasl: { ...ALICE, mechanism: "SCRAM-SHA-256" } })).toBe("UNSUPPORTED_SASL_MECHANISM");
  const apiTimeoutMs = 300;
  const token = () => Promise.reject(new Error("no"));
  expect(await asked({ ssl, apiTimeoutMs, sasl: { mechanism: "OAUTHBEARER", token } })).toBe("TOKEN_UNAVAILABLE");
  expect(await asked({ ssl, apiTimeoutMs, bootstrapServers: "127.0.0.1:1" })).toBe("BROKERS_UNREACHABLE");
});

describe("properties", () => {
  const jaas = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="sesame";';

  test("are a text with Java's names, and typed options come first", async () => {
    const folder = mkdtempSync(join(tmpdir(), "samsa-client-"));
    try {
      const file = join(folder, "ca.pem");
      writeFileSync(file, server.authority.cert);
      const properties = [
        `bootstrap.servers=${server.address}`,
        "client.id = from-properties",
        "security.protocol=SASL_SSL",
        "ssl.truststore.type=PEM",
        `ssl.truststore.location=${file}`,
        "sasl.mechanism=PLAIN",
        `sasl.jaas.config=${jaas}`,
      ].join("\n");
      await using client = new KafkaClient({ properties, logger: SILENT });
      expect(await client.admin().topics.list()).toEqual([]);
      expect(server.admitted.at(-1)).toBe("from-properties");
      expect(await asked({ properties, clientId: "typed" })).toEqual([]);
      expect(server.admitted.at(-1)).toBe("typed");
      expect(await asked({ properties, sasl: { ...ALICE, password: "x" } })).toBe("SASL_AUTHENTICATION_FAILED");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("are defaults of share consumers", () => {
    const properties = { "bootstrap.servers": "a:1", "max.poll.records": "7", "share.acquire.mode": "record_limit" };
    expect(() => new KafkaClient({ properties }).shareConsumer()).toThrow("the group id is empty");
    const client = new KafkaClient({ properties: { ...properties, "group.id": "g" } });
    expect(() => client.shareConsumer()).not.toThrow();
    expect(() => client.shareConsumer({ groupId: "" })).toThrow("the group id is empty");
    expect(() => client.shareConsumer({ maxPollRecords: 0 })).toThrow("maxPollRecords is 0");
  });

  test("are defaults of producers", () => {
    const client = new KafkaClient({ properties: { "bootstrap.servers": "a:1", "linger.ms": 7, acks: "1" } });
    // The two exclude one another: both have arrived.
    const clash = () => client.producer({ transactionalId: "t" });
    expect(clash).toThrow("a transactional producer needs acks of all");
    expect(() => client.producer({ transactionalId: "t", acks: -1 })).not.toThrow();
    expect(() => client.producer({ transactionalId: "t", acks: undefined })).toThrow("acks of all");
  });
});

test.each<[ClientOptions, string]>([
  [
    { sasl: { mechanism: "GSSAPI" } as never },
    "sasl.mechanism is one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER",
  ],
  [{ sasl: { mechanism: "PLAIN", username: "a" } as never }, "PLAIN needs sasl.password, a text"],
  [{ sasl: { mechanism: "OAUTHBEARER" } as never }, "OAUTHBEARER needs sasl.token: a text, a function, or an endpoint"],
  [
    { sasl: { mechanism: "OAUTHBEARER", token: { tokenEndpoint: "x", clientId: "c", clientSecret: "s" } } },
    'sasl.token.tokenEndpoint is an address with http or https, not "x"',
  ],
  [{ ssl: { cert: "x" } }, "ssl.cert and ssl.key are given together"],
  [{ properties: { "linger.ns": "1" } }, "there is no setting linger.ns; did you mean linger.ms?"],
  [{ properties: "a=\\u12" }, "the properties cannot be read"],
])("%j is refused", (options, said) => {
  expect(() => new KafkaClient({ bootstrapServers: "a:1", ...options })).toThrow(said);
});

test("a client needs servers", () => {
  expect(() => new KafkaClient({})).toThrow("a client needs bootstrapServers");
});
