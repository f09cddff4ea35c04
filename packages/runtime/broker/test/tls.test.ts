import { Authority, type Credentials } from "@samsa/certificates";
import type { Network } from "@samsa/base";
import { Errors } from "@samsa/protocol";
import { nodeEnv } from "@samsa/node";
import { BrokerConnection, type Security } from "@samsa/wire";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
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

const portOf = (broker: TestBroker, listener = "EXT"): number => broker.broker.advertised.get(listener)?.port ?? -1;

function connectedTo(port: number, security: Security): Promise<BrokerConnection> {
  const options = { clientId: "c", software: { name: "test", version: "1" }, setupTimeoutMs: 5000, security };
  return BrokerConnection.connect(env, { host: "127.0.0.1", port }, options);
}

function connected(broker: TestBroker, security: Security, listener?: string): Promise<BrokerConnection> {
  return connectedTo(portOf(broker, listener), security);
}

/** Error of a DescribeAcls request, which super users only may send. */
async function described(broker: TestBroker, security: Security, listener?: string): Promise<number> {
  const connection = await connected(broker, security, listener);
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

  const expired = authority.issue({ name: "alice", valid: [-2000, -1000] });
  // The key of the broker's certificate is one of an elliptic curve.
  const rsaOnly = { protocols: ["TLSv1.2"], cipherSuites: ["ECDHE-RSA-AES128-GCM-SHA256"] } as const;
  test.each<[string, Security, string, RegExp]>([
    ["without TLS", {}, "TLS_FAILED", /speaks TLS at this port/],
    ["that does not trust it", { tls: { ca: stranger.cert } }, "TLS_FAILED", /no trusted authority has issued/],
    [
      "with a certificate of a stranger",
      { tls: { ...trust, ...stranger.issue({ name: "alice" }) } },
      "DISCONNECTED",
      /does its port expect TLS, or a certificate/,
    ],
    [
      "with an expired certificate",
      { tls: { ...trust, ...expired } },
      "DISCONNECTED",
      /does its port expect TLS, or a certificate/,
    ],
    ["that takes it for another host", { tls: { ...trust, serverName: "elsewhere" } }, "TLS_FAILED", /of another host/],
    [
      "with no cipher suite in common",
      { tls: { ...trust, ...rsaOnly } },
      "TLS_FAILED",
      /no cipher suite in common; .*handshake failure/,
    ],
  ])("does not serve a client %s", async (_who, security, code, message) => {
    await expect(described(broker, security)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
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

/** Changes settings of the broker at run time; undefined removes one. Returns the error message. */
async function altered(
  broker: TestBroker,
  security: Security,
  values: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const connection = await connected(broker, security);
  const configs = Object.entries(values).map(([name, value]) => ({
    name,
    value: value ?? null,
    configOperation: value === undefined ? 1 : 0,
  }));
  const { responses } = await connection.call("IncrementalAlterConfigs", {
    resources: [{ resourceType: 4, resourceName: "1", configs }],
    validateOnly: false,
  });
  connection.close();
  return responses[0]?.errorMessage ?? "";
}

const prefixed = (listener: string, values: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`listener.name.${listener}.${name}`, value]));

describe("at run time", () => {
  const later = stranger.issue({ name: "broker", hosts: HOSTS });
  const trustLater = { ca: stranger.cert };
  let broker: TestBroker;
  beforeEach(async () => {
    broker = await TestBroker.start(SECURED);
  });
  afterEach(() => broker.stop());

  test("certificates change, for later connections", async () => {
    const early = await connected(broker, { tls: trust });
    await expect(described(broker, { tls: trustLater })).rejects.toThrow();
    const changed = prefixed("ext", {
      "ssl.keystore.certificate.chain": later.cert,
      "ssl.keystore.key": later.key,
    });
    expect(await altered(broker, { tls: trust }, changed)).toBe("");
    expect(await described(broker, { tls: trustLater })).toBe(Errors.SECURITY_DISABLED.code);
    await expect(described(broker, { tls: trust })).rejects.toThrow();
    expect((await early.call("Metadata", { topics: null })).topics, "of an earlier connection").toEqual([]);
    early.close();
  });

  test.each<[string, Record<string, string>, RegExp]>([
    [
      "a setting of all listeners",
      { "ssl.keystore.key": later.key },
      /can be dynamically updated only per-listener using the listener prefix/,
    ],
    ["a store of an unknown type", prefixed("ext", { "ssl.keystore.type": "BKS" }), /are for ssl.keystore.type=PEM/],
    ["a key of another certificate", prefixed("ext", { "ssl.keystore.key": alice.key }), /cannot be used/],
    [
      "another protocol for a listener that is open",
      { "listener.security.protocol.map": "EXT:PLAINTEXT" },
      /Security protocol cannot be updated for existing listener EXT/,
    ],
    [
      "another ssl.client.auth for a listener that is open",
      prefixed("ext", { "ssl.client.auth": "required" }),
      /ssl.client.auth cannot be updated dynamically for existing listener EXT/,
    ],
    ["a listener whose protocol is not known", { listeners: "EXT://127.0.0.1:0,NEW://127.0.0.1:0" }, /NEW/],
    [
      "a listener with TLS whose certificate cannot be used",
      {
        listeners: "EXT://127.0.0.1:0,NEW://127.0.0.1:0",
        "listener.security.protocol.map": "EXT:SSL,NEW:SSL",
        ...prefixed("new", { "ssl.keystore.key": alice.key }),
      },
      /cannot be used/,
    ],
  ])("%s is refused, and nothing changes", async (_what, values, reason) => {
    expect(await altered(broker, { tls: trust }, values)).toMatch(reason);
    expect(await described(broker, { tls: trust })).toBe(Errors.SECURITY_DISABLED.code);
    expect([...broker.node.broker.advertised.keys()]).toEqual(["EXT"]);
  });

  test("a listener that is added speaks its protocol from the first connection on", async () => {
    const values = {
      listeners: "EXT://127.0.0.1:0,NEW://127.0.0.1:0,WORD://127.0.0.1:0",
      "listener.security.protocol.map": "EXT:SSL,NEW:SSL,WORD:SASL_SSL",
      ...prefixed("new", {
        "ssl.keystore.certificate.chain": later.cert,
        "ssl.keystore.key": later.key,
        "ssl.client.auth": "required",
        "ssl.truststore.certificates": authority.cert,
      }),
      ...prefixed("word", {
        "sasl.enabled.mechanisms": "PLAIN",
        "plain.sasl.jaas.config": 'org.apache.kafka.common.security.plain.PlainLoginModule required user_ann="secret";',
      }),
    };
    expect(await altered(broker, { tls: trust }, values)).toBe("");
    await expect.poll(() => broker.broker.advertised.get("WORD")?.port).toBeGreaterThan(0);
    const told = Errors.SECURITY_DISABLED.code;
    expect(await described(broker, { tls: { ...trustLater, ...alice } }, "NEW")).toBe(told);
    await expect(described(broker, { tls: trustLater }, "NEW"), "without a certificate").rejects.toThrow();
    await expect(described(broker, {}, "NEW"), "in clear text").rejects.toThrow();
    const ann = (password: string) => ({ mechanism: "PLAIN", username: "ann", password }) as const;
    expect(await described(broker, { tls: trust, sasl: ann("secret") }, "WORD")).toBe(told);
    await expect(described(broker, { tls: trust, sasl: ann("wrong") }, "WORD")).rejects.toThrow(/Invalid username/);
    await expect(described(broker, { tls: trust }, "WORD"), "without a user").rejects.toThrow();
  });

  const swap = (after: Credentials): Record<string, string> =>
    prefixed("ext", { "ssl.keystore.certificate.chain": after.cert, "ssl.keystore.key": after.key });

  test.each<[string, Credentials, RegExp]>([
    ["of another subject", authority.issue({ name: "other", hosts: HOSTS }), /is of CN=other, .*of CN=broker/],
    ["that lacks a name", authority.issue({ name: "broker", hosts: ["localhost"] }), /lacks names .*: IP:127.0.0.1;/],
    ["without names", authority.issue({ name: "broker" }), /lacks names .*: IP:127.0.0.1, DNS:localhost;/],
  ])("a certificate %s is refused", async (_what, after, reason) => {
    expect(await altered(broker, { tls: trust }, swap(after))).toMatch(reason);
    expect(await described(broker, { tls: trust })).toBe(Errors.SECURITY_DISABLED.code);
  });

  test("a certificate of the same subject in other letters, with more names, is taken", async () => {
    const more = authority.issue({ name: "BROKER", hosts: [...HOSTS, "elsewhere"] });
    expect(await altered(broker, { tls: trust }, swap(more))).toBe("");
    const fewer = authority.issue({ name: "broker", hosts: HOSTS });
    expect(await altered(broker, { tls: trust }, swap(fewer)), "than the latest").toMatch(
      /lacks names .*: DNS:elsewhere/,
    );
  });

  test("settings of the file allow another subject and other names", async () => {
    const [other, nameless] = [authority.issue({ name: "other", hosts: HOSTS }), authority.issue({ name: "other" })];
    const free = await TestBroker.start({
      ...SECURED,
      ...prefixed("ext", { "ssl.allow.dn.changes": "true" }),
    });
    expect(await altered(free, { tls: trust }, swap(other))).toBe("");
    expect(await altered(free, { tls: trust }, swap(nameless))).toMatch(/lacks names/);
    const lift = prefixed("ext", { "ssl.allow.san.changes": "true" });
    expect(await altered(free, { tls: trust }, { ...swap(nameless), ...lift })).toMatch(
      /cannot be changed at run time/,
    );
    await free.stop();
    const freer = await TestBroker.start({
      ...SECURED,
      "ssl.allow.dn.changes": "true",
      "ssl.allow.san.changes": "true",
    });
    expect(await altered(freer, { tls: trust }, swap(nameless))).toBe("");
    await freer.stop();
  });

  test("authorities cannot be added to a listener that has none", async () => {
    const alone = Object.fromEntries(Object.entries(SECURED).filter(([name]) => !name.startsWith("ssl.truststore")));
    const bare = await TestBroker.start(alone);
    const values = prefixed("ext", { "ssl.truststore.type": "PEM", "ssl.truststore.certificates": authority.cert });
    expect(await altered(bare, { tls: trust }, values)).toMatch(/Cannot add SSL truststore/);
    await bare.stop();
  });

  describe("of a broker that lets no stranger in", () => {
    let strict: TestBroker;
    beforeEach(async () => {
      strict = await TestBroker.start(SECURED, undefined, undefined, { refusesStrangers: true });
    });
    afterEach(() => strict.stop());
    const MAP = "EXT:SSL,NEW:PLAINTEXT,HALF:SSL,WORD:SASL_SSL";
    const adding = (listener: string): Record<string, string> => ({
      listeners: `EXT://127.0.0.1:0,${listener}`,
      "listener.security.protocol.map": MAP,
      "listener.name.word.sasl.enabled.mechanisms": "SCRAM-SHA-512",
    });

    test.each([
      ["NEW://:0", /the listener NEW \(PLAINTEXT\) on all interfaces would let everyone in/],
      ["NEW://192.0.2.1:0", /on 192\.0\.2\.1 would/],
      ["NEW://[2001:db8::1]:0", /on 2001:db8::1 would/],
      ["HALF://:0", /the listener HALF \(SSL without ssl\.client\.auth=required\) on/],
    ])("the listener %s is refused", async (listener, reason) => {
      expect(await altered(strict, { tls: trust }, adding(listener))).toMatch(reason);
      expect([...strict.node.broker.advertised.keys()]).toEqual(["EXT"]);
    });

    test.each([
      ["NEW://127.0.0.1:0", {}],
      ["NEW://localhost:0", {}],
      ["HALF://:0", { "listener.name.half.ssl.client.auth": "required" }],
      ["WORD://:0", {}],
    ])("the listener %s is opened", async (listener, more) => {
      expect(await altered(strict, { tls: trust }, { ...adding(listener), ...more })).toBe("");
      const [name = ""] = listener.split(":");
      await expect.poll(() => strict.broker.advertised.get(name)?.port).toBeGreaterThan(0);
    });

    test("one that is in the metadata all the same is not opened", async () => {
      const { directory } = strict;
      await strict.node.close();
      const lax = await TestBroker.start(SECURED, directory);
      expect(await altered(lax, { tls: trust }, adding("NEW://:0"))).toBe("");
      await expect.poll(() => lax.broker.advertised.get("NEW")?.port).toBeGreaterThan(0);
      await lax.node.close();
      strict = await TestBroker.start(SECURED, directory, undefined, { refusesStrangers: true });
      expect([...strict.node.broker.advertised.keys()]).toEqual(["EXT"]);
      expect(strict.lines.map(({ message }) => message)).toContain("a listener in the metadata is not opened");
    });
  });

  test("files are read again when the same settings are sent", async () => {
    const folder = mkdtempSync(join(tmpdir(), "samsa-tls-"));
    const file = join(folder, "broker.pem");
    const put = ({ cert, key }: Credentials): void => writeFileSync(file, key + cert);
    put(server);
    const values = prefixed("ext", { "ssl.keystore.type": "PEM", "ssl.keystore.location": file });
    const others = Object.entries(SECURED).filter(([name]) => !/^ssl\.keystore\.(?:certificate|key)/.test(name));
    const reading = await TestBroker.start({ ...Object.fromEntries(others), ...values });
    put(later);
    expect(await described(reading, { tls: trust }), "the file has been read").toBe(Errors.SECURITY_DISABLED.code);
    expect(await altered(reading, { tls: trust }, values)).toBe("");
    expect(await described(reading, { tls: trustLater })).toBe(Errors.SECURITY_DISABLED.code);
    rmSync(file);
    expect(await altered(reading, { tls: trustLater }, values)).toMatch(/cannot be read/);
    expect(await described(reading, { tls: trustLater })).toBe(Errors.SECURITY_DISABLED.code);
    await reading.stop();
    rmSync(folder, { recursive: true });
  });
});

test("the controller's listener of a combined node changes its certificate, too", async () => {
  const later = stranger.issue({ name: "broker", hosts: HOSTS });
  const settings = {
    ...SECURED,
    listeners: `EXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0`,
    "listener.security.protocol.map": "EXT:SSL,CONTROLLER:SSL",
  };
  const ports: number[] = [];
  const network: Network = {
    ...env.network,
    async listen(host, port, accept, options) {
      const listener = await env.network.listen(host, port, accept, options);
      ports.push(listener.port);
      return listener;
    },
  };
  const broker = await TestBroker.start(settings, undefined, { network });
  const [port = -1] = ports;
  const ask = async (ca: string): Promise<string> => {
    const connection = await connectedTo(port, { tls: { ca } });
    const { errorCode } = await connection.call("DescribeCluster", {
      includeClusterAuthorizedOperations: false,
      endpointType: 2,
    });
    connection.close();
    return `${errorCode}`;
  };
  expect(await ask(authority.cert)).toBe("0");
  const changed = prefixed("controller", {
    "ssl.keystore.certificate.chain": later.cert,
    "ssl.keystore.key": later.key,
  });
  expect(await altered(broker, { tls: trust }, changed)).toBe("");
  await expect.poll(() => ask(stranger.cert).catch(String)).toBe("0");
  await expect(ask(authority.cert)).rejects.toThrow();
  expect(await described(broker, { tls: trust }), "the broker's stays").toBe(Errors.SECURITY_DISABLED.code);
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
