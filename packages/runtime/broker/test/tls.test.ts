import { Authority, type Credentials } from "@samsa/certificates";
import { Errors } from "@samsa/protocol";
import { nodeEnv } from "@samsa/node";
import { BrokerConnection, type Security } from "@samsa/wire";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestBroker } from "./wire.ts";

const authority = new Authority("an authority");
const stranger = new Authority("another authority");
const HOSTS = ["127.0.0.1", "localhost"];
const server = authority.issue({ name: "broker", hosts: HOSTS });
const alice = authority.issue({ name: "alice" });

const text = ({ cert, key }: Credentials, ca = authority): Record<string, string> => ({
  "ssl.keystore.type": "PEM",
  "ssl.keystore.certificate.chain": cert,
  "ssl.keystore.key": key,
  "ssl.truststore.type": "PEM",
  "ssl.truststore.certificates": ca.cert,
});
const SECURED: Record<string, string> = {
  listeners: "EXT://127.0.0.1:0",
  "listener.security.protocol.map": "EXT:SSL",
  "inter.broker.listener.name": "EXT",
  ...text(server),
};
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const env = nodeEnv({ logger: silent });
const trust = { ca: authority.cert };
const FILTER = { resourceTypeFilter: 1, resourceNameFilter: null, patternTypeFilter: 1, principalFilter: null };
const ASK = { ...FILTER, hostFilter: null, operation: 1, permissionType: 1 };

const portOf = (broker: TestBroker): number => broker.node.advertised.get("EXT")?.port ?? -1;

async function connected(broker: TestBroker, security: Security): Promise<BrokerConnection> {
  const options = { clientId: "c", software: { name: "test", version: "1" }, setupTimeoutMs: 5000, security };
  return BrokerConnection.connect(env, { host: "127.0.0.1", port: portOf(broker) }, options);
}

/** Error of a DescribeAcls request, which super users only may send. */
async function described(broker: TestBroker, security: Security): Promise<number> {
  const connection = await connected(broker, security);
  const { errorCode } = await connection.call("DescribeAcls", ASK);
  connection.close();
  return errorCode;
}

describe("a listener with TLS", () => {
  let broker: TestBroker;
  beforeAll(async () => {
    broker = await TestBroker.start({
      ...SECURED,
      "listener.name.ext.ssl.client.auth": "requested",
      "ssl.principal.mapping.rules": "RULE:^CN=(.*)$/$1/U,DEFAULT",
      "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
      "super.users": "User:ALICE",
    });
  });
  afterAll(() => broker.stop());

  test("names its clients by their certificates", async () => {
    expect(await described(broker, { tls: { ...trust, ...alice } })).toBe(0);
    const bob = authority.issue({ name: "bob" });
    expect(await described(broker, { tls: { ...trust, ...bob } })).toBe(Errors.CLUSTER_AUTHORIZATION_FAILED.code);
    expect(await described(broker, { tls: trust })).toBe(Errors.CLUSTER_AUTHORIZATION_FAILED.code);
  });

  test.each<[string, Security]>([
    ["without TLS", {}],
    ["that does not trust it", { tls: { ca: stranger.cert } }],
    ["with a certificate of a stranger", { tls: { ...trust, ...stranger.issue({ name: "alice" }) } }],
    [
      "with an expired certificate",
      { tls: { ...trust, ...authority.issue({ name: "alice", valid: [-2000, -1000] }) } },
    ],
    ["that takes it for another host", { tls: { ...trust, serverName: "elsewhere" } }],
    ["with no cipher suite in common", { tls: { ...trust, cipherSuites: ["TLS_RSA_WITH_RC4_128_SHA"] } }],
  ])("does not serve a client %s", async (_who, security) => {
    await expect(described(broker, security)).rejects.toThrow();
  });

  test.each([
    ["Kafka's protocol in clear text", Buffer.from([0, 0, 0, 10, 0, 18, 0, 3, 0, 0, 0, 1, 255, 255])],
    ["a web request", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ])("answers %s with an alert", async (_what, first) => {
    const socket = connect(portOf(broker), "127.0.0.1");
    socket.write(first);
    const answer: Buffer[] = [];
    for await (const bytes of socket) answer.push(bytes as Buffer);
    expect(Buffer.concat(answer)).toEqual(Buffer.from([0x15, 3, 3, 0, 2, 2, 0x50]));
  });

  test("serves others while some do not end their handshakes", async () => {
    const slow = Array.from({ length: 50 }, () => connect(portOf(broker), "127.0.0.1", () => undefined));
    expect(await described(broker, { tls: { ...trust, ...alice } })).toBe(0);
    for (const socket of slow) socket.destroy();
  });
});

test("a client without a certificate is not served where one is required", async () => {
  const broker = await TestBroker.start({ ...SECURED, "ssl.client.auth": "required" });
  await expect(described(broker, { tls: trust })).rejects.toThrow();
  const connection = await connected(broker, { tls: { ...trust, ...alice } });
  expect((await connection.call("Metadata", { topics: null })).topics).toEqual([]);
  connection.close();
  await broker.stop();
});

test("SASL within TLS names the user, whatever its certificate is", async () => {
  const module = "org.apache.kafka.common.security.plain.PlainLoginModule";
  const broker = await TestBroker.start({
    ...SECURED,
    "listener.security.protocol.map": "EXT:SASL_SSL",
    "sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "listener.name.ext.plain.sasl.jaas.config": `${module} required username="n" password="p" user_root="pw" user_n="p";`,
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:root;User:n",
  });
  const sasl = (password: string) => ({ mechanism: "PLAIN", username: "root", password }) as const;
  expect(await described(broker, { tls: { ...trust, ...alice }, sasl: sasl("pw") })).toBe(0);
  await expect(described(broker, { tls: trust, sasl: sasl("wrong") })).rejects.toThrow(/Invalid username or password/);
  await broker.stop();
});

/** Changes settings of the broker at run time. */
async function altered(broker: TestBroker, security: Security, values: Readonly<Record<string, string>>) {
  const connection = await connected(broker, security);
  const configs = Object.entries(values).map(([name, value]) => ({ name, value, configOperation: 0 }));
  const { responses } = await connection.call("IncrementalAlterConfigs", {
    resources: [{ resourceType: 4, resourceName: "1", configs }],
    validateOnly: false,
  });
  connection.close();
  return responses[0]?.errorMessage ?? "";
}

test("certificates and mapping rules change at run time, for later connections", async () => {
  const broker = await TestBroker.start(SECURED);
  const later = stranger.issue({ name: "broker", hosts: HOSTS });
  const early = await connected(broker, { tls: trust });
  await expect(described(broker, { tls: { ca: stranger.cert } })).rejects.toThrow();
  const prefixed = (values: Record<string, string>) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [`listener.name.ext.${name}`, value]));
  expect(await altered(broker, { tls: trust }, prefixed({ "ssl.keystore.type": "BKS" }))).toMatch(
    /are for ssl.keystore.type=PEM/,
  );
  const { cert, key } = later;
  const changed = prefixed({ "ssl.keystore.certificate.chain": cert, "ssl.keystore.key": key });
  expect(await altered(broker, { tls: trust }, changed)).toBe("");
  expect(await described(broker, { tls: { ca: stranger.cert } })).toBe(Errors.SECURITY_DISABLED.code);
  await expect(described(broker, { tls: trust })).rejects.toThrow();
  expect((await early.call("Metadata", { topics: null })).topics, "of an earlier connection").toEqual([]);
  early.close();
  // The key does not fit the certificate, which the listener finds out.
  const bad = prefixed({ "ssl.keystore.key": alice.key });
  expect(await altered(broker, { tls: { ca: stranger.cert } }, bad)).toBe("");
  expect(await described(broker, { tls: { ca: stranger.cert } })).toBe(Errors.SECURITY_DISABLED.code);
  expect(broker.lines.map(({ message }) => message)).toContain(
    "settings of security cannot be used; those before stay in force",
  );
  await broker.stop();
});

describe("settings are refused", () => {
  const withoutKey = Object.fromEntries(Object.entries(SECURED).filter(([name]) => name !== "ssl.keystore.key"));
  test.each<[string, Record<string, string>, RegExp]>([
    ["without a key", withoutKey, /given together/],
    ["of another type", { ...SECURED, "ssl.keystore.type": "BKS", "ssl.keystore.location": "x" }, /PKCS12 or JKS/],
    ["with another client.auth", { ...SECURED, "ssl.client.auth": "maybe" }, /required, requested, none/],
    ["with a rule that is none", { ...SECURED, "ssl.principal.mapping.rules": "RULE:(/x/" }, /Invalid rule/],
    [
      "with text that is no certificate",
      { ...SECURED, "ssl.keystore.certificate.chain": "x" },
      /no certificate in PEM/,
    ],
    ["with a key of another certificate", { ...SECURED, "ssl.keystore.key": alice.key }, /cannot be used/],
    ["with an old version", { ...SECURED, "ssl.enabled.protocols": "TLSv1.1" }, /no version of TLS/],
  ])("%s", async (_what, settings, reason) => {
    await expect(TestBroker.start(settings)).rejects.toThrow(reason);
  });
});
