import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Timer, Timers } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { Errors } from "@samsa/protocol";
import { MAX_SCRAM_ITERATIONS } from "@samsa/sasl";
import type { RawConnection } from "@samsa/wire";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { isListenerSetting } from "../src/config/config-checks.ts";
import { alterConfigs, connectTo, TestBroker } from "./wire.ts";

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule";
const USERS = `${MODULE} required username="alice" password="secret" user_alice="secret" user_bob="other";`;
const SECURED = {
  listeners: "EXT://127.0.0.1:0",
  "listener.security.protocol.map": "EXT:SASL_PLAINTEXT",
  "inter.broker.listener.name": "EXT",
  "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
  "sasl.mechanism.inter.broker.protocol": "PLAIN",
  "listener.name.ext.plain.sasl.jaas.config": USERS,
  "connection.failed.authentication.delay.ms": "1",
};
const ACL = { resourceType: 2, resourceName: "*", resourcePatternType: 3 };
const token = (user: string, password: string): Uint8Array => Buffer.from(`\0${user}\0${password}`);

let broker: TestBroker;

/** Offset of the brokers' monotonic clock, in ms. */
let ahead = 0;
/** Time at which that clock stands still, before the offset; undefined: it goes on. */
let held: number | undefined;
const clock = { now: () => Date.now(), monotonic: () => (held ?? performance.now()) + ahead };

beforeAll(async () => {
  const settings = { ...SECURED, "listener.name.ext.plain.connections.max.reauth.ms": "3600000" };
  broker = await TestBroker.start(settings, undefined, { clock });
});

afterEach(() => {
  held = undefined;
});

afterAll(() => broker.stop());

const port = (of: TestBroker): number => of.node.advertised.get("EXT")?.port ?? -1;

async function connection(of = broker): Promise<RawConnection> {
  return connectTo(port(of));
}

async function login(wire: RawConnection, user: string, password: string) {
  const handshake = await wire.ask("SaslHandshake", 1, { mechanism: "PLAIN" });
  expect(handshake.errorCode).toBe(0);
  return wire.ask("SaslAuthenticate", 2, { authBytes: token(user, password) });
}

/** True if the server closes the connection without another frame. */
const closes = async (wire: RawConnection): Promise<boolean> => (await wire.frame()) === undefined;

describe("a listener with SASL", () => {
  test("serves a client that has authenticated, and tells it how long", async () => {
    const wire = await connection();
    expect((await wire.ask("ApiVersions", 3, { clientSoftwareName: "x", clientSoftwareVersion: "1" })).errorCode).toBe(
      0,
    );
    const { errorCode, sessionLifetimeMs } = await login(wire, "alice", "secret");
    expect([errorCode, sessionLifetimeMs]).toEqual([0, 3_600_000]);
    expect((await wire.ask("Metadata", 12, { topics: null })).topics).toEqual([]);
    wire.close();
  });

  test("lets a client authenticate again at once, then no more than once a second", async () => {
    held = performance.now();
    const wire = await connection();
    await login(wire, "alice", "secret");
    expect((await login(wire, "alice", "secret")).errorCode).toBe(0);
    ahead += 999;
    const early = await wire.ask("SaslHandshake", 1, { mechanism: "PLAIN" });
    expect(early.errorCode).toBe(Errors.ILLEGAL_SASL_STATE.code);
    ahead += 1;
    expect((await login(wire, "alice", "secret")).errorCode).toBe(0);
    wire.close();
  });

  test("speaks frames without a header after SaslHandshake 0", async () => {
    const wire = await connection();
    expect((await wire.ask("SaslHandshake", 0, { mechanism: "PLAIN" })).errorCode).toBe(0);
    wire.writeFrame(token("alice", "secret"));
    expect(await wire.frame()).toEqual(new Uint8Array(0));
    expect((await wire.ask("Metadata", 12, { topics: null })).topics).toEqual([]);
    wire.close();
  });

  test("refuses wrong credentials, and closes the connection", async () => {
    for (const [user, password] of [
      ["alice", "wrong"],
      ["nobody", "secret"],
    ] as const) {
      const wire = await connection();
      expect(await login(wire, user, password)).toMatchObject({
        errorCode: Errors.SASL_AUTHENTICATION_FAILED.code,
        errorMessage: "Authentication failed: Invalid username or password",
      });
      expect(await closes(wire)).toBe(true);
    }
    const raw = await connection();
    await raw.ask("SaslHandshake", 0, { mechanism: "PLAIN" });
    raw.writeFrame(token("alice", "wrong"));
    expect(await closes(raw)).toBe(true);
  });

  test("names its mechanisms to a client that wants another one", async () => {
    const wire = await connection();
    const { errorCode, mechanisms } = await wire.ask("SaslHandshake", 1, { mechanism: "GSSAPI" });
    expect([errorCode, mechanisms]).toEqual([Errors.UNSUPPORTED_SASL_MECHANISM.code, ["PLAIN", "SCRAM-SHA-256"]]);
    expect(await closes(wire)).toBe(true);
  });

  test.each<[string, (wire: RawConnection) => unknown]>([
    ["a request of another API", wire => wire.send("Metadata", 12, { topics: null })],
    ["a token without a handshake", wire => wire.send("SaslAuthenticate", 2, { authBytes: token("alice", "secret") })],
    ["no request at all", wire => wire.writeFrame(Buffer.from("GET / HTTP/1.1"))],
    ["a frame above the limit", wire => wire.write(Buffer.from([0, 8, 0, 1]))],
  ])("closes the connection over %s", async (_what, act) => {
    const wire = await connection();
    act(wire);
    expect(await closes(wire)).toBe(true);
  });

  test("closes the connection over a second ApiVersions request", async () => {
    const wire = await connection();
    await wire.ask("ApiVersions", 3, { clientSoftwareName: "x", clientSoftwareVersion: "1" });
    wire.send("ApiVersions", 3, { clientSoftwareName: "x", clientSoftwareVersion: "1" });
    expect(await closes(wire)).toBe(true);
  });

  test("answers a request in place of a token in the form of its API, then closes the connection", async () => {
    const expected = async (): Promise<RawConnection> => {
      const wire = await connection();
      await wire.ask("SaslHandshake", 1, { mechanism: "PLAIN" });
      return wire;
    };
    const { code } = Errors.ILLEGAL_SASL_STATE;
    const metadata = await expected();
    expect(await metadata.ask("Metadata", 12, { topics: [{ name: "t" }] })).toMatchObject({
      brokers: [],
      topics: [{ name: "t", errorCode: code }],
    });
    metadata.send("Metadata", 12, { topics: null });
    expect(await closes(metadata)).toBe(true);
    const acls = await expected();
    const creations = [{ ...ACL, principal: "User:eve", host: "*", operation: 2, permissionType: 3 }];
    expect((await acls.ask("CreateAcls", 3, { creations })).results).toEqual([
      { errorCode: code, errorMessage: "Unexpected Kafka request of type CREATE_ACLS during SASL authentication." },
    ]);
    expect(await closes(acls)).toBe(true);
    const versions = await expected();
    const software = { clientSoftwareName: "x", clientSoftwareVersion: "1" };
    expect((await versions.ask("ApiVersions", 3, software)).errorCode).toBe(code);
    expect(await closes(versions)).toBe(true);
    // No answer is wanted.
    const silent = await expected();
    silent.send("Produce", 9, { transactionalId: null, acks: 0, timeoutMs: 1000, topicData: [] });
    expect(await closes(silent)).toBe(true);
  });

  test("does not know users of SCRAM without a credential", async () => {
    const wire = await connection();
    await wire.ask("SaslHandshake", 1, { mechanism: "SCRAM-SHA-256" });
    const first = await wire.ask("SaslAuthenticate", 2, { authBytes: Buffer.from("n,,n=nobody,r=abc") });
    expect(Number(/i=(\d+)$/.exec(Buffer.from(first.authBytes).toString())?.[1])).toBeLessThan(MAX_SCRAM_ITERATIONS);
    const nonce = /^r=([^,]+)/.exec(Buffer.from(first.authBytes).toString())?.[1] ?? "";
    const last = await wire.ask("SaslAuthenticate", 2, { authBytes: Buffer.from(`c=biws,r=${nonce},p=AAAA`) });
    expect(last).toMatchObject({
      errorCode: Errors.SASL_AUTHENTICATION_FAILED.code,
      errorMessage:
        "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256",
    });
    expect(await closes(wire)).toBe(true);
  });
});

test("a connection ends some time after its refusal, so that a slow client reads it alone", async () => {
  const real = nodeEnv({ logger: SILENT }).timers;
  const ends: (() => void)[] = [];
  let isRefused = false;
  const timers: Timers = {
    after: (ms, run) => {
      if (!isRefused || ms !== 1000) return real.after(ms, run);
      ends.push(run);
      return { cancel: () => undefined };
    },
    soon: run => real.soon(run),
    hold: () => real.hold(),
  };
  const own = await TestBroker.start(SECURED, undefined, { timers });
  const wire = await connection(own);
  isRefused = true;
  expect((await login(wire, "alice", "wrong")).errorCode).toBe(Errors.SASL_AUTHENTICATION_FAILED.code);
  let isClosed = false;
  const closed = closes(wire).then(is => (isClosed = is));
  // Requests of it are not handled any more.
  wire.send("Metadata", 12, { topics: null });
  await new Promise(resolve => setTimeout(resolve, 50));
  expect(isClosed).toBe(false);
  for (const end of ends) end();
  expect(await closed).toBe(true);
  await own.stop();
});

test("the delay of a refusal ends with the connection", async () => {
  const real = nodeEnv({ logger: SILENT }).timers;
  const waiting = new Set<Timer>();
  const timers: Timers = {
    after: (ms, run) => {
      const timer = real.after(ms, run);
      if (ms !== 55_555) return timer;
      waiting.add(timer);
      return { cancel: () => (waiting.delete(timer), timer.cancel()) };
    },
    soon: run => real.soon(run),
    hold: () => real.hold(),
  };
  const patient = { ...SECURED, "connection.failed.authentication.delay.ms": "55555" };
  const own = await TestBroker.start(patient, undefined, { timers });
  const wire = await connection(own);
  const refused = expect(login(wire, "alice", "wrong")).rejects.toThrow();
  await expect.poll(() => waiting.size).toBe(1);
  wire.close();
  await refused;
  await expect.poll(() => waiting.size).toBe(0);
  await own.stop();
});

test("requests are those of the user", async () => {
  const guarded = await TestBroker.start({
    ...SECURED,
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:alice",
  });
  const filter = { resourceTypeFilter: 1, resourceNameFilter: null, patternTypeFilter: 1, principalFilter: null };
  const ask = { ...filter, hostFilter: null, operation: 1, permissionType: 1 };
  const codes: number[] = [];
  for (const [user, password] of [
    ["alice", "secret"],
    ["bob", "other"],
  ] as const) {
    const wire = await connection(guarded);
    await login(wire, user, password);
    codes.push((await wire.ask("DescribeAcls", 3, ask)).errorCode);
    wire.close();
  }
  expect(codes).toEqual([0, Errors.CLUSTER_AUTHORIZATION_FAILED.code]);
  await guarded.stop();
});

test("a session that has ended is closed, unless its client authenticates again as the same user", async () => {
  const brief = await TestBroker.start({ ...SECURED, "connections.max.reauth.ms": "60000" }, undefined, { clock });
  const open = async (): Promise<RawConnection> => {
    const wire = await connection(brief);
    const { sessionLifetimeMs } = await login(wire, "alice", "secret");
    expect(sessionLifetimeMs).toBe(60_000);
    return wire;
  };
  const [kept, changed, ended] = await Promise.all([open(), open(), open()]);
  ahead += 60_000;
  expect((await login(kept, "alice", "secret")).errorCode).toBe(0);
  expect((await kept.ask("Metadata", 12, { topics: null })).topics).toEqual([]);
  expect(await login(changed, "bob", "other")).toMatchObject({
    errorCode: Errors.SASL_AUTHENTICATION_FAILED.code,
    errorMessage: "Cannot change principals during re-authentication from User.alice: User.bob",
  });
  expect(await closes(changed)).toBe(true);
  ended.send("Metadata", 12, { topics: null });
  expect(await closes(ended)).toBe(true);
  kept.close();
  await brief.stop();
});

test("users of PLAIN change at run time, for later authentications", async () => {
  const changing = await TestBroker.start(SECURED);
  const early = await connection(changing);
  await login(early, "alice", "secret");
  const name = "listener.name.ext.plain.sasl.jaas.config";
  const alter = async (value: string) => (await alterConfigs(early, 4, "1", { [name]: value })).errorMessage ?? "";
  expect(await alter("nonsense")).toMatch(/sasl.jaas.config cannot be read/);
  expect(await alter(`${MODULE} required username="alice" password="new" user_alice="new";`)).toBe("");
  const codes: number[] = [];
  for (const [user, password] of [
    ["alice", "secret"],
    ["bob", "other"],
    ["alice", "new"],
  ] as const) {
    const wire = await connection(changing);
    codes.push((await login(wire, user, password)).errorCode);
    wire.close();
  }
  const { code: failed } = Errors.SASL_AUTHENTICATION_FAILED;
  expect(codes).toEqual([failed, failed, 0]);
  expect((await early.ask("Metadata", 12, { topics: null })).topics).toEqual([]);
  early.close();
  await changing.stop();
});

describe("settings are refused", () => {
  test.each([
    [{ "sasl.enabled.mechanisms": "GSSAPI" }, /must be among PLAIN, SCRAM-SHA-256, SCRAM-SHA-512/],
    [{ "sasl.enabled.mechanisms": "" }, /must be among/],
    [{ "listener.name.ext.plain.sasl.jaas.config": "nonsense" }, /sasl.jaas.config cannot be read/],
    [{ "listener.name.ext.plain.sasl.jaas.config": 'org.example.Login required a="b";' }, /the login module of PLAIN/],
    [{ "listener.security.protocol.map": "EXT:KERBEROS" }, /KERBEROS is not available/],
    [{ "sasl.mechanism.inter.broker.protocol": "GSSAPI" }, /need one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512/],
    [{ "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512" }, /must be included in sasl.enabled.mechanisms/],
    [{ "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-256" }, /connections to other nodes need credentials/],
    [
      { "listener.name.ext.plain.sasl.jaas.config": `${MODULE} required user_a="b";` },
      /need a username and a password/,
    ],
  ])("%o", async (settings, reason) => {
    const directory = mkdtempSync(join(tmpdir(), "samsa-refused-"));
    try {
      // A start that is refused lets go of the directory.
      for (let i = 0; i < 2; i++) {
        await expect(TestBroker.start({ ...SECURED, ...settings }, directory)).rejects.toThrow(reason);
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("PLAIN without users", async () => {
    const rest = Object.entries(SECURED).filter(([name]) => !name.endsWith("sasl.jaas.config"));
    await expect(TestBroker.start(Object.fromEntries(rest))).rejects.toThrow(/PLAIN needs users/);
  });
});

test.each([
  ["listener.name.ext.plain.sasl.jaas.config", true],
  ["listener.name.ext.scram-sha-512.connections.max.reauth.ms", true],
  ["listener.name.ext.ssl.client.auth", true],
  ["listener.name.ext.max.connections", true],
  ["listener.name.ext.sasl.jaas.config", false],
  ["listener.name.ext.gssapi.sasl.jaas.config", false],
  ["listener.name.ext.log.dirs", false],
  ["plain.sasl.jaas.config", false],
])("%s has an effect on a listener: %s", (name, expected) => {
  expect(isListenerSetting(name)).toBe(expected);
});
