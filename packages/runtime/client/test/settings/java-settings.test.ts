import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KafkaError } from "@samsa/client-kernel";
import { JAVA_SETTINGS, type JavaSettings, javaSettings } from "@samsa/client-runtime";
import { nodeEnv } from "@samsa/node";
import { bearerLifetime } from "@samsa/sasl";
import type { BearerTokens, SaslCredentials } from "@samsa/wire";
import { describe, expect, test } from "vitest";

const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const env = nodeEnv({ logger: SILENT });
const MODULE = "org.apache.kafka.common.security";
const PLAIN = `${MODULE}.plain.PlainLoginModule required username="alice" password="a \\"secret\\"";`;
const SCRAM = `${MODULE}.scram.ScramLoginModule required`;
const BEARER = `${MODULE}.oauthbearer.OAuthBearerLoginModule required`;

function settings(properties: Record<string, string>) {
  return javaSettings(new Map(Object.entries(properties)));
}

function refusal(properties: Record<string, string>): string {
  try {
    settings(properties);
  } catch (error) {
    if (error instanceof KafkaError && error.name === "INVALID_ARGUMENT") return error.message;
    throw error;
  }
  return "";
}

/** Options of a `KafkaClient`, by the settings of its parts. */
const CLIENT_OPTIONS: Readonly<Record<string, string>> = {
  bootstrapServers: "bootstrapServers",
  clientId: "clientId",
  requestTimeoutMs: "requestTimeoutMs",
  apiTimeoutMs: "apiTimeoutMs",
  maxAgeMs: "metadataMaxAgeMs",
  allowAutoTopicCreation: "allowAutoTopicCreation",
  security: "ssl`, `sasl",
  nodes: "bootstrapControllers",
  pushMetrics: "pushMetrics",
};

/** Values that differ from the defaults, and where they go. */
const VALUES: readonly [name: string, value: string, part: keyof JavaSettings, to: object][] = [
  [
    "bootstrap.servers",
    "a:1,[::1]:2",
    "client",
    {
      bootstrapServers: [
        { host: "a", port: 1 },
        { host: "::1", port: 2 },
      ],
    },
  ],
  ["bootstrap.controllers", "a:1", "client", { nodes: "controllers", bootstrapServers: [{ host: "a", port: 1 }] }],
  ["client.id", "shop", "client", { clientId: "shop" }],
  ["request.timeout.ms", "1", "client", { requestTimeoutMs: 1 }],
  ["default.api.timeout.ms", "2", "client", { apiTimeoutMs: 2 }],
  ["metadata.max.age.ms", "3", "client", { maxAgeMs: 3 }],
  ["metadata.max.idle.ms", "4", "client", { maxIdleMs: 4 }],
  ["metadata.recovery.rebootstrap.trigger.ms", "5", "client", { rebootstrapTriggerMs: 5 }],
  ["metadata.recovery.strategy", "none", "client", { rebootstrapTriggerMs: undefined }],
  ["allow.auto.create.topics", "false", "client", { allowAutoTopicCreation: false }],
  ["enable.metrics.push", "false", "client", { pushMetrics: false }],
  ["metadata.cluster.check.enable", "false", "client", { checkCluster: false }],
  ["reconnect.backoff.ms", "6", "client", { reconnectBackoffMs: 6 }],
  ["reconnect.backoff.max.ms", "7", "client", { reconnectBackoffMaxMs: 7 }],
  ["socket.connection.setup.timeout.ms", "8", "client", { setupTimeoutMs: 8 }],
  ["socket.connection.setup.timeout.max.ms", "9", "client", { setupTimeoutMaxMs: 9 }],
  ["connections.max.idle.ms", "10", "client", { maxIdleConnectionMs: 10 }],
  ["retry.backoff.ms", "11", "producer", { retryBackoffMs: 11 }],
  ["retry.backoff.max.ms", "12", "producer", { retryBackoffMaxMs: 12 }],
  ["max.in.flight.requests.per.connection", "2", "producer", { maxInFlight: 2 }],
  ["acks", "all", "producer", { acks: -1 }],
  ["enable.idempotence", "false", "producer", { idempotent: false }],
  ["transactional.id", "t", "producer", { transactionalId: "t" }],
  ["transaction.timeout.ms", "13", "producer", { transactionTimeoutMs: 13 }],
  ["linger.ms", "14", "producer", { lingerMs: 14 }],
  ["batch.size", "15", "producer", { batchBytes: 15 }],
  ["buffer.memory", "16000", "producer", { bufferBytes: 16_000 }],
  ["max.request.size", "17", "producer", { maxRequestBytes: 17 }],
  ["retries", "18", "producer", { retries: 18 }],
  ["delivery.timeout.ms", "19", "producer", { deliveryTimeoutMs: 19 }],
  ["max.block.ms", "20", "producer", { maxBlockMs: 20 }],
  ["compression.type", "zstd", "producer", { compression: { codec: 4, level: 3 } }],
  ["partitioner.ignore.keys", "true", "producer", { ignoreKeys: true }],
  ["partitioner.adaptive.partitioning.enable", "false", "producer", { adaptivePartitioning: false }],
  ["partitioner.availability.timeout.ms", "21", "producer", { availabilityTimeoutMs: 21 }],
  ["fetch.min.bytes", "22", "consumer", { minBytes: 22 }],
  ["fetch.max.bytes", "23", "consumer", { maxBytes: 23 }],
  ["fetch.max.wait.ms", "24", "consumer", { maxWaitMs: 24 }],
  ["max.partition.fetch.bytes", "25", "consumer", { maxPartitionBytes: 25 }],
  ["max.poll.records", "26", "consumer", { maxPollRecords: 26 }],
  ["isolation.level", "read_committed", "consumer", { isolation: "read_committed" }],
  ["auto.offset.reset", "earliest", "consumer", { reset: "earliest" }],
  ["client.rack", "r", "consumer", { rackId: "r" }],
  ["check.crcs", "false", "consumer", { checkCrcs: false }],
  ["group.id", "g", "group", { groupId: "g" }],
  ["group.protocol", "classic", "group", { protocol: "classic" }],
  ["group.instance.id", "i", "group", { instanceId: "i" }],
  ["group.remote.assignor", "uniform", "group", { serverAssignor: "uniform" }],
  [
    "partition.assignment.strategy",
    "org.apache.kafka.clients.consumer.StickyAssignor, range",
    ...(["group", { assignors: ["sticky", "range"] }] as const),
  ],
  ["session.timeout.ms", "27", "group", { sessionTimeoutMs: 27 }],
  ["heartbeat.interval.ms", "28", "group", { heartbeatIntervalMs: 28 }],
  ["max.poll.interval.ms", "29", "group", { rebalanceTimeoutMs: 29 }],
  ["enable.auto.commit", "false", "group", { autoCommit: false }],
  ["auto.commit.interval.ms", "30", "group", { autoCommitIntervalMs: 30 }],
  ["share.acknowledgement.mode", "explicit", "share", { acknowledgement: "explicit" }],
  ["share.acquire.mode", "record_limit", "share", { acquireMode: "record_limit" }],
];

test("every name is read, and goes to the setting that it means", () => {
  const tested = [...VALUES.map(([name]) => name), "compression.gzip.level", "compression.zstd.level"];
  const others = Object.keys(JAVA_SETTINGS).filter(name => !/^(?:ssl|sasl|security)\./.test(name));
  expect(tested.toSorted()).toEqual(others.toSorted());
  for (const [name, value, part, to] of VALUES) expect(settings({ [name]: value })[part], name).toStrictEqual(to);
  const level = (type: string, name: string) =>
    settings({ "compression.type": type, [name]: "7" }).producer.compression;
  expect(level("gzip", "compression.gzip.level")).toEqual({ codec: 1, level: 7 });
  expect(level("zstd", "compression.zstd.level")).toEqual({ codec: 4, level: 7 });
  expect(level("lz4", "compression.zstd.level")).toEqual({ codec: 3, level: -1 });
  expect(settings({ "retry.backoff.ms": "5", "max.in.flight.requests.per.connection": "3" }).client).toEqual({
    ...{ retryBackoffMs: 5, maxInFlight: 3 },
  });
  const ofBoth = { "group.id": "g", "fetch.max.wait.ms": "7", "max.poll.records": "8", "client.rack": "r" };
  const { consumer, group, share } = settings(ofBoth);
  expect([consumer, group, share]).toEqual([
    { maxWaitMs: 7, maxPollRecords: 8, rackId: "r" },
    { groupId: "g" },
    { groupId: "g", maxWaitMs: 7, maxPollRecords: 8, rackId: "r" },
  ]);
});

test("the page lists every name, and where it goes", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../../../docs/client/java-settings.md"), "utf8");
  const listed = Object.fromEntries(
    [...page.matchAll(/^\| `([a-z.]+)` \| (.*?) \|$/gm)].map(([, name = "", where = ""]) => [name, where]),
  );
  const told = Object.entries(JAVA_SETTINGS).map(([name, targets]) => {
    const options = targets.split(", ").flatMap(target => {
      const [part = "", ...path] = target.split(".");
      const option = part === "client" ? (CLIENT_OPTIONS[path.join(".")] ?? "") : path.join(".");
      const group = part === "group" ? "group." : "";
      const maker = { client: "KafkaClient", producer: "producer", share: "shareConsumer" }[part] ?? "consumer";
      return option === "" ? [] : [`${maker}: \`${group}${option}\``];
    });
    return [name, options.join(", ") || "–"];
  });
  expect(listed).toEqual(Object.fromEntries(told));
});

test.each([
  [
    { "bootstrap.servers": "a:1", "bootstrap.controllers": "b:1" },
    "there are bootstrap.servers and bootstrap.controllers: give one of them",
  ],
  [{ "linger.ns": "5" }, "there is no setting linger.ns; did you mean linger.ms?"],
  [{ "sasl.mechanisms": "PLAIN" }, "there is no setting sasl.mechanisms; did you mean sasl.mechanism?"],
  [{ "nothing.like.it": "5" }, "there is no setting nothing.like.it"],
  [
    { "key.serializer": "x" },
    "key.serializer is a setting of Kafka that is not available here: serdes are given in the program",
  ],
  [{ "send.buffer.bytes": "5" }, "send.buffer.bytes is a setting of Kafka that is not available here: Node decides"],
  [{ "linger.ms": "soon" }, "Invalid value soon for configuration linger.ms: Not a number of type LONG"],
  [{ "request.timeout.ms": "-1" }, "Invalid value -1 for configuration request.timeout.ms: Value must be at least 1"],
  [{ acks: "2" }, "Invalid value 2 for configuration acks: String must be one of: "],
  [{ "auto.offset.reset": "sometimes" }, "sometimes"],
  [{ "bootstrap.servers": "a:b" }, 'bootstrap.servers wants host:port, not "a:b"'],
  [{ "partition.assignment.strategy": "com.example.Mine" }, "an assignor that is not available: com.example.Mine"],
  [{ "security.protocol": "TLS" }, "security.protocol is one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL, not"],
  [{ "ssl.truststore.location": "x" }, "ssl.truststore.location has no effect with security.protocol=PLAINTEXT"],
  [
    { "security.protocol": "SSL", "sasl.mechanism": "PLAIN" },
    "sasl.mechanism has no effect with security.protocol=SSL",
  ],
])("%j is refused", (properties, said) => {
  expect(refusal(properties as Record<string, string>)).toContain(said);
});

describe("TLS", () => {
  const tls = (more: Record<string, string>) => settings({ "security.protocol": "SSL", ...more }).client.security?.tls;
  const refused = (more: Record<string, string>) => refusal({ "security.protocol": "ssl", ...more });

  test("stores are PEM, PKCS12 or JKS", () => {
    const trust = { "ssl.truststore.type": "PEM", "ssl.truststore.location": "/ca.pem" };
    expect(tls(trust)).toMatchObject({
      ca: { file: "/ca.pem" },
      verifyHostName: true,
      protocols: ["TLSv1.2", "TLSv1.3"],
    });
    const pem = { "ssl.keystore.type": "PEM", "ssl.keystore.location": "/me.pem", "ssl.key.password": "p" };
    expect(tls(pem)).toMatchObject({ cert: { file: "/me.pem" }, key: { file: "/me.pem" }, passphrase: "p" });
    const p12 = { "ssl.keystore.type": "PKCS12", "ssl.keystore.location": "/me.p12", "ssl.keystore.password": "s" };
    expect(tls(p12)).toMatchObject({ store: { file: "/me.p12" }, storeType: "PKCS12", passphrase: "s" });
    const jks = {
      "ssl.keystore.location": "/me.jks",
      "ssl.keystore.password": "s",
      "ssl.truststore.location": "/ca.jks",
    };
    expect(tls(jks), "the default of Kafka").toMatchObject({
      ...{ store: { file: "/me.jks" }, storeType: "JKS" },
      trustStore: { source: { file: "/ca.jks" }, type: "JKS", password: undefined },
    });
    const trusted = {
      "ssl.truststore.type": "PKCS12",
      "ssl.truststore.location": "/ca.p12",
      "ssl.truststore.password": "t",
    };
    expect(tls(trusted)).toMatchObject({ trustStore: { source: { file: "/ca.p12" }, type: "PKCS12", password: "t" } });
    const texts = { "ssl.keystore.type": "PEM", "ssl.keystore.key": "K", "ssl.keystore.certificate.chain": "C" };
    expect(tls({ ...texts, "ssl.truststore.type": "PEM", "ssl.truststore.certificates": "T" })).toMatchObject({
      ...{ ca: "T", cert: "C", key: "K" },
    });
    expect(tls({})).not.toHaveProperty("ca");
  });

  test("versions, suites and the host's name", () => {
    expect(tls({ "ssl.enabled.protocols": "TLSv1.2" })?.protocols).toEqual(["TLSv1.2"]);
    expect(tls({ "ssl.protocol": "TLSv1.2" })?.protocols).toEqual(["TLSv1.2"]);
    expect(tls({ "ssl.cipher.suites": "A, B" })?.cipherSuites).toEqual(["A", "B"]);
    expect(tls({ "ssl.endpoint.identification.algorithm": "" })?.verifyHostName).toBe(false);
  });

  test("what cannot be used is refused, with a way out", () => {
    expect(refused({ "ssl.keystore.location": "/me.bks", "ssl.keystore.type": "BKS" })).toContain('not "BKS"');
    expect(refused({ "ssl.truststore.location": "/ca.bks", "ssl.truststore.type": "BKS" })).toContain('not "BKS"');
    expect(refused({ "ssl.truststore.certificates": "T" })).toContain("ssl.truststore.type=PEM");
    expect(refused({ "ssl.keystore.key": "K" })).toContain("ssl.keystore.type=PEM");
    expect(refused({ "ssl.keystore.type": "PEM", "ssl.keystore.key": "K" })).toContain("are given together");
    expect(refused({ "ssl.enabled.protocols": "TLSv1.1,TLSv1.2" })).toContain(
      '"TLSv1.1" is no version of TLS that is available',
    );
    expect(refused({ "ssl.enabled.protocols": "TLSv1.3", "ssl.protocol": "TLSv1.2" })).toContain("no version up to");
    expect(refused({ "ssl.endpoint.identification.algorithm": "ldaps" })).toContain('not "ldaps"');
  });
});

describe("SASL", () => {
  const given = (more: Record<string, string>) => ({ "security.protocol": "SASL_PLAINTEXT", ...more });
  const sasl = (more: Record<string, string>): SaslCredentials | undefined =>
    settings(given(more)).client.security?.sasl;
  const bearer = (more: Record<string, string>): BearerTokens => {
    const credentials = sasl({ "sasl.mechanism": "OAUTHBEARER", ...more });
    if (credentials?.mechanism !== "OAUTHBEARER") throw new Error("no tokens");
    return credentials.tokens;
  };

  test("login modules give the credentials", () => {
    expect(sasl({ "sasl.mechanism": "PLAIN", "sasl.jaas.config": PLAIN })).toEqual({
      ...{ mechanism: "PLAIN", username: "alice", password: 'a "secret"' },
    });
    const scram = `// a comment\n${SCRAM} /* and\n another */ username='bob'\tpassword=p-1 ;`;
    expect(sasl({ "sasl.mechanism": "SCRAM-SHA-256", "sasl.jaas.config": scram })).toEqual({
      ...{ mechanism: "SCRAM-SHA-256", username: "bob", password: "p-1", delegationToken: false },
    });
    const token = `${SCRAM} username="id" password="a+b/c==" tokenauth="true";`;
    expect(sasl({ "sasl.mechanism": "SCRAM-SHA-512", "sasl.jaas.config": token })).toMatchObject({
      ...{ mechanism: "SCRAM-SHA-512", username: "id", password: "a+b/c==", delegationToken: true },
    });
  });

  test("both halves of SASL_SSL are there", () => {
    const properties = { "security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.jaas.config": PLAIN };
    expect(settings(properties).client.security).toMatchObject({ tls: {}, sasl: { username: "alice" } });
  });

  test("tokens come from a file, an endpoint, or are unsecured", async () => {
    const claims =
      'unsecuredLoginStringClaim_sub="erin" unsecuredLoginListClaim_scope="|a|b" unsecuredLoginNumberClaim_n="5"';
    const unsecured = bearer({ "sasl.jaas.config": `${BEARER} ${claims} unsecuredLoginLifetimeSeconds="60";` });
    const token = await unsecured.get(env, 1000);
    const body = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as object;
    expect(body).toMatchObject({ sub: "erin", scope: ["a", "b"], n: 5 });
    const { issuedAt = 0, expiresAt = 0 } = bearerLifetime(token) ?? {};
    expect(Math.round(expiresAt - issuedAt)).toBe(60_000);
    const folder = mkdtempSync(join(tmpdir(), "samsa-token-"));
    try {
      writeFileSync(join(folder, "a token"), "t1\n");
      const url = `file://${encodeURI(join(folder, "a token"))}`;
      const file = { "sasl.jaas.config": `${BEARER};`, "sasl.oauthbearer.token.endpoint.url": url };
      expect(await bearer(file).get(env, 1000)).toBe("t1");
    } finally {
      rmSync(folder, { recursive: true });
    }
    const endpoint = {
      "sasl.oauthbearer.token.endpoint.url": "https://issuer.example/token",
      "sasl.oauthbearer.scope": "kafka",
      "sasl.login.callback.handler.class": `${MODULE}.oauthbearer.OAuthBearerLoginCallbackHandler`,
      "sasl.jaas.config": `${BEARER} clientId="robot" clientSecret="secret" extension_pool="p";`,
      "ssl.truststore.type": "PEM",
      "ssl.truststore.certificates": "CA",
    };
    const seen: object[] = [];
    const request = (asked: object) => {
      seen.push(asked);
      return Promise.resolve({ status: 200, body: '{"access_token":"t2"}' });
    };
    expect(await bearer(endpoint).get({ ...env, http: { request } }, 1000)).toBe("t2");
    const authorization = `Basic ${Buffer.from("robot:secret").toString("base64")}`;
    expect(seen).toMatchObject([
      { url: "https://issuer.example/token", headers: { authorization }, tls: { ca: "CA" } },
    ]);
    expect(sasl({ "sasl.mechanism": "OAUTHBEARER", ...endpoint })).toMatchObject({ extensions: { pool: "p" } });
    // Options of the login module are for the endpoint alone.
    const own = ' clientId="robot" clientSecret="secret" ssl.truststore.type="PEM" ssl.truststore.certificates="OWN";';
    await bearer({ ...endpoint, "sasl.jaas.config": BEARER + own }).get({ ...env, http: { request } }, 1000);
    expect(seen[1]).toMatchObject({ tls: { ca: "OWN" } });
    const unknown = { "sasl.mechanism": "OAUTHBEARER", "sasl.jaas.config": `${BEARER} ssl.trust="all";` };
    expect(() => sasl(unknown)).toThrow("sasl.jaas.config has no option ssl.trust");
  });

  test.each([
    [
      {},
      "sasl.mechanism is one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER; GSSAPI, its default, is not available",
    ],
    [{ "sasl.mechanism": "CRAM" }, 'not "CRAM"'],
    [{ "sasl.mechanism": "PLAIN" }, "PLAIN needs sasl.jaas.config"],
    [
      { "sasl.mechanism": "PLAIN", "sasl.jaas.config": `${SCRAM};` },
      "but PLAIN needs org.apache.kafka.common.security.plain",
    ],
    [{ "sasl.mechanism": "PLAIN", "sasl.jaas.config": "" }, "it begins with the name of a login module"],
    [{ "sasl.mechanism": "PLAIN", "sasl.jaas.config": "x.Y username=a;" }, "is followed by required, requisite"],
    [{ "sasl.mechanism": "PLAIN", "sasl.jaas.config": "x.Y required a=b" }, "it ends with a semicolon"],
    [{ "sasl.mechanism": "PLAIN", "sasl.jaas.config": "x.Y required a b;" }, '"a" has no value'],
    [{ "sasl.mechanism": "PLAIN", "sasl.jaas.config": `${PLAIN} ${PLAIN}` }, "more than one login module"],
    [
      { "sasl.mechanism": "SCRAM-SHA-256", "sasl.jaas.config": `${SCRAM} username=a;` },
      'needs password="…" for ScramLoginModule',
    ],
    [
      { "sasl.mechanism": "SCRAM-SHA-256", "sasl.jaas.config": `${SCRAM} username=a password=b user=c;` },
      "sasl.jaas.config has no option user",
    ],
    [
      { "sasl.mechanism": "OAUTHBEARER", "sasl.jaas.config": `${BEARER};` },
      "needs sasl.oauthbearer.token.endpoint.url, or",
    ],
    [
      {
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.jaas.config": `${BEARER};`,
        "sasl.oauthbearer.token.endpoint.url": "http://x",
      },
      "OAUTHBEARER needs sasl.oauthbearer.client.credentials.client.id",
    ],
    [
      { "sasl.mechanism": "SCRAM-SHA-256", "sasl.jaas.config": `${SCRAM} username=a password=b tokenauth=yes;` },
      'tokenauth is true or false, not "yes"',
    ],
    [
      { "sasl.mechanism": "PLAIN", "sasl.jaas.config": PLAIN, "sasl.oauthbearer.scope": "s" },
      "sasl.oauthbearer.scope has no effect without sasl.mechanism=OAUTHBEARER",
    ],
    [
      { "sasl.mechanism": "PLAIN", "sasl.jaas.config": PLAIN, "sasl.login.callback.handler.class": "com.example.H" },
      "a class that is not available: com.example.H",
    ],
  ])("%j is refused", (properties, said) => {
    expect(refusal(given(properties as Record<string, string>))).toContain(said);
  });
});
