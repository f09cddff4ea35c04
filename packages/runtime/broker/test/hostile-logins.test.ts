import { type Timers, utf8 } from "@samsa/base";
import { TokenIssuer } from "@samsa/certificates";
import { nodeEnv } from "@samsa/node";
import { ApiKey, Apis, Errors, requestFrame } from "@samsa/protocol";
import { ScramClient, type SaslStep } from "@samsa/sasl";
import { Prng } from "@samsa/sim";
import type { RawConnection } from "@samsa/wire";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectTo, TestBroker } from "./wire.ts";

const MODULE = "org.apache.kafka.common.security";
const DELAY_MS = 54_321;
const MOST_BYTES = 20_000;
const PATIENCE_MS = 250;
const MECHANISMS = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] as const;
const SOFTWARE = { clientSoftwareName: "x", clientSoftwareVersion: "1" };
const HEAD = { correlationId: 1, clientId: "x" };
const { code: FAILED } = Errors.SASL_AUTHENTICATION_FAILED;

const real = nodeEnv({ logger: { debug() {}, info() {}, warn() {}, error() {} } });
/** Ends of the delays of refusals, which wait for the test while it holds them. */
const delays: (() => void)[] = [];
let isHeld = false;
const timers: Timers = {
  after: (ms, run) => {
    if (ms !== DELAY_MS) return real.timers.after(ms, run);
    if (!isHeld) return real.timers.after(0, run);
    delays.push(run);
    return { cancel: () => undefined };
  },
  soon: run => real.timers.soon(run),
  hold: () => real.timers.hold(),
};

const issuer = new TokenIssuer("https://issuer");
const folder = mkdtempSync(join(tmpdir(), "samsa-hostile-"));
let broker: TestBroker;

beforeAll(async () => {
  const keys = join(folder, "keys.json");
  writeFileSync(keys, issuer.keySet());
  const at = "listener.name.ext";
  broker = await TestBroker.start(
    {
      listeners: "EXT://127.0.0.1:0,IN://127.0.0.1:0",
      "listener.security.protocol.map": "EXT:SASL_PLAINTEXT,IN:PLAINTEXT",
      "inter.broker.listener.name": "IN",
      [`${at}.sasl.enabled.mechanisms`]: MECHANISMS.join(","),
      [`${at}.plain.sasl.jaas.config`]: `${MODULE}.plain.PlainLoginModule required user_alice="secret";`,
      [`${at}.sasl.server.max.receive.size`]: String(MOST_BYTES),
      [`${at}.oauthbearer.sasl.server.callback.handler.class`]: `${MODULE}.oauthbearer.OAuthBearerValidatorCallbackHandler`,
      [`${at}.oauthbearer.sasl.oauthbearer.jwks.endpoint.url`]: `file://${keys}`,
      [`${at}.oauthbearer.sasl.oauthbearer.expected.audience`]: "kafka",
      [`${at}.oauthbearer.sasl.oauthbearer.expected.issuer`]: "https://issuer",
      "connection.failed.authentication.delay.ms": String(DELAY_MS),
    },
    undefined,
    { timers },
  );
  const admin = await connectTo(portOf("IN"));
  const salt = Buffer.from("0123456789abcdef");
  const saltedPassword = await real.crypto.deriveKey("SHA-256", utf8("secret"), salt, 4096);
  const upsertions = [{ name: "sam", mechanism: 1, iterations: 4096, salt, saltedPassword }];
  const { results } = await admin.ask("AlterUserScramCredentials", 0, { deletions: [], upsertions });
  expect(results).toEqual([{ user: "sam", errorCode: 0, errorMessage: null }]);
  admin.close();
});

afterAll(async () => {
  await broker.stop();
  rmSync(folder, { recursive: true });
});

const portOf = (listener: string): number => broker.node.advertised.get(listener)?.port ?? -1;
const connection = (): Promise<RawConnection> => connectTo(portOf("EXT"));

async function begun(mechanism: string, version = 1): Promise<RawConnection> {
  const wire = await connection();
  expect((await wire.ask("SaslHandshake", version, { mechanism })).errorCode).toBe(0);
  return wire;
}

const plain = (password: string): Uint8Array => utf8(`\0alice\0${password}`);
const bearer = (token: string): Uint8Array => utf8(`n,,\u0001auth=Bearer ${token}\u0001\u0001`);

async function code(wire: RawConnection, authBytes: Uint8Array): Promise<number> {
  return (await wire.ask("SaslAuthenticate", 2, { authBytes })).errorCode;
}

const serves = async (wire: RawConnection): Promise<void> => {
  expect((await wire.ask("Metadata", 12, { topics: [] })).topics).toEqual([]);
  wire.close();
};

/** Frame of an ApiVersions request, with another key and version in its header. */
function framed(key: number, version: number): Uint8Array {
  const bytes = Buffer.concat(
    requestFrame({ ...HEAD, key: ApiKey.ApiVersions, version: 3 }, Apis.ApiVersions.request, SOFTWARE),
  );
  bytes.writeInt16BE(key, 4);
  bytes.writeInt16BE(version, 6);
  return bytes;
}

test("no version that ApiVersions does not announce is answered before authentication", async () => {
  const asking = await connection();
  const { apiKeys } = await asking.ask("ApiVersions", 3, SOFTWARE);
  asking.close();
  const announced = new Map(apiKeys.map(({ apiKey, maxVersion }) => [apiKey, maxVersion]));
  for (const { key, lastStable } of Object.values(Apis)) {
    const later = Math.max(announced.get(key) ?? lastStable, lastStable) + 1;
    if (key === ApiKey.ApiVersions) continue;
    for (const wire of [await connection(), await begun("PLAIN")]) {
      wire.write(framed(key, later));
      expect(await wire.frame(), `API ${key} version ${later}`).toBeUndefined();
      expect(wire.isOpen).toBe(false);
    }
  }
  const future = await connection();
  future.write(framed(ApiKey.ApiVersions, 999));
  const answer = Buffer.from((await future.frame()) ?? []);
  expect(answer.readInt16BE(4)).toBe(Errors.UNSUPPORTED_VERSION.code);
  future.close();
});

test("a request above sasl.server.max.receive.size ends a connection that is not authenticated, and no other", async () => {
  const withToken = (bytes: number): Uint8Array => {
    const authBytes = plain("x".repeat(bytes));
    const all = requestFrame({ ...HEAD, key: ApiKey.SaslAuthenticate, version: 2 }, Apis.SaslAuthenticate.request, {
      authBytes,
    });
    return Buffer.concat(all);
  };
  const rest = withToken(MOST_BYTES).length - MOST_BYTES;
  const large = await begun("PLAIN");
  large.write(withToken(MOST_BYTES - rest + 4));
  expect((await large.receive("SaslAuthenticate", 2)).errorCode).toBe(FAILED);
  large.close();
  const larger = await begun("PLAIN");
  larger.write(withToken(MOST_BYTES - rest + 5));
  expect(await larger.frame()).toBeUndefined();
  const good = await begun("PLAIN");
  expect(await code(good, plain("secret"))).toBe(0);
  const topics = Array.from({ length: (2 * MOST_BYTES) / 100 }, (_, i) => ({ name: String(i).padStart(99, "x") }));
  expect((await good.ask("Metadata", 12, { topics, allowAutoTopicCreation: false })).topics.length).toBe(topics.length);
  good.close();
});

test("a token of an issuer may be sent again on another connection; one with a large header is refused", async () => {
  const token = issuer.token("dora", real.clock.now());
  for (let i = 0; i < 2; i++) {
    const wire = await begun("OAUTHBEARER");
    expect(await code(wire, bearer(token))).toBe(0);
    await serves(wire);
  }
  const [, claims, signature] = token.split(".");
  const nested = Buffer.from(`{"alg":"RS256","x":${"[".repeat(5000)}${"]".repeat(5000)}}`).toString("base64url");
  const wire = await begun("OAUTHBEARER");
  const answer = await wire.ask("SaslAuthenticate", 2, { authBytes: bearer(`${nested}.${claims}.${signature}`) });
  expect(Buffer.from(answer.authBytes).toString()).toBe('{"status":"invalid_token"}');
  wire.close();
});

test("messages of SCRAM that were accepted once are refused when they are sent again", async () => {
  const sent: Uint8Array[] = [];
  const wire = await begun("SCRAM-SHA-256");
  const client = new ScramClient(real.crypto, {
    hash: "SHA-256",
    username: "sam",
    password: "secret",
    nonce: "0123456789abcdef",
  });
  let step: SaslStep = client.start();
  while (step.type !== "done") {
    if (step.type === "derive") {
      step = client.derived(await real.crypto.deriveKey(step.hash, step.password, step.salt, step.iterations));
      continue;
    }
    sent.push(step.bytes);
    step = client.received((await wire.ask("SaslAuthenticate", 2, { authBytes: step.bytes })).authBytes);
  }
  await serves(wire);
  const again = await begun("SCRAM-SHA-256");
  const codes: number[] = [];
  for (const bytes of sent) codes.push(await code(again, bytes));
  expect(codes).toEqual([0, FAILED]);
  again.close();
});

test("guesses wait for connection.failed.authentication.delay.ms, one on each connection", async () => {
  isHeld = true;
  const guessing = await Promise.all([begun("PLAIN"), begun("PLAIN", 0), begun("SCRAM-SHA-512")]);
  const [sasl, raw, scram] = guessing as [RawConnection, RawConnection, RawConnection];
  // Several guesses at once, of which the last is right.
  for (const password of ["one", "two", "secret"]) sasl.send("SaslAuthenticate", 2, { authBytes: plain(password) });
  raw.writeFrame(plain("one"));
  raw.writeFrame(plain("secret"));
  scram.send("SaslAuthenticate", 2, { authBytes: utf8("n,,n=nobody") });
  await expect.poll(() => delays.length).toBe(3);
  let answers = 0;
  const frames = guessing.map(async wire => {
    const frame = await wire.frame();
    answers++;
    return frame;
  });
  // Others are served meanwhile.
  const good = await begun("PLAIN");
  expect(await code(good, plain("secret"))).toBe(0);
  await serves(good);
  expect([answers, delays.length]).toEqual([0, 3]);
  isHeld = false;
  for (const end of delays.splice(0)) end();
  const [first, second, third] = await Promise.all(frames);
  expect(Buffer.from(first ?? []).readInt16BE(5)).toBe(FAILED);
  expect(second).toBeUndefined();
  expect(Buffer.from(third ?? []).readInt16BE(5)).toBe(FAILED);
  expect(await sasl.frame()).toBeUndefined();
  for (const wire of guessing) wire.close();
});

/** Bytes of a client before it is authenticated: some are right, most are not. */
function script(rng: Prng): readonly Uint8Array[] {
  const chunks: Uint8Array[] = [];
  const mechanism = rng.oneOf([...MECHANISMS, "GSSAPI", ""]);
  if (rng.chance(0.5)) chunks.push(framed(ApiKey.ApiVersions, rng.oneOf([0, 3, 4, 999, -1])));
  if (rng.chance(0.8)) {
    const head = { ...HEAD, key: ApiKey.SaslHandshake, version: rng.oneOf([0, 1]) };
    chunks.push(Buffer.concat(requestFrame(head, Apis.SaslHandshake.request, { mechanism })));
  }
  const tokens = [
    plain("x"),
    bearer("a.b.c"),
    utf8("n,,n=sam,r=abc"),
    utf8("c=biws,r=abc,p=AAAA"),
    rng.bytes(rng.int(0, 300)),
  ];
  for (let times = rng.int(0, 4); times > 0; times--) {
    const authBytes = rng.oneOf(tokens);
    const head = { ...HEAD, key: ApiKey.SaslAuthenticate, version: rng.oneOf([0, 1, 2]) };
    const api = rng.oneOf(Object.values(Apis));
    chunks.push(
      rng.oneOf([
        Buffer.concat(requestFrame(head, Apis.SaslAuthenticate.request, { authBytes })),
        framed(api.key, rng.int(-1, api.lastStable + 1)),
        Buffer.concat([Buffer.from([0, 0, 0, authBytes.length & 0x7f]), authBytes]),
        rng.bytes(rng.int(1, 2000)),
        Buffer.from([0, 0, MOST_BYTES >> 8, MOST_BYTES & 0xff, 0, 36]),
      ]),
    );
  }
  const all = Buffer.concat(chunks);
  // Sizes stay as they are, so that what follows is still read.
  for (let times = rng.int(0, 3); times > 0 && all.length > 8; times--) {
    const at = rng.int(4, all.length - 1);
    all.writeUInt8(all.readUInt8(at) ^ (1 << rng.int(0, 7)), at);
  }
  const middle = rng.int(0, all.length);
  return [all.subarray(0, middle), all.subarray(middle)];
}

/** Correlation id of a request that only a client may send that is authenticated. */
const ASKED = 0x5a5a5a5a;
const ASKS = Buffer.concat(
  requestFrame({ key: ApiKey.Metadata, version: 12, correlationId: ASKED, clientId: "x" }, Apis.Metadata.request, {
    topics: [],
  }),
);

/** True if a frame is the answer, with the brokers of the cluster. */
function isAnswered(bytes: Uint8Array): boolean {
  const frame = Buffer.from(bytes);
  // Correlation id, tags, throttle time, length of the list of brokers plus one.
  return frame.length > 9 && frame.readInt32BE(0) === ASKED && frame.readUInt8(9) > 1;
}

/** Plays a script, asks for the brokers, and reads all answers; true if the client was let in. */
async function isLetIn(chunks: readonly Uint8Array[]): Promise<boolean> {
  const wire = await connection();
  for (const chunk of [...chunks, ASKS]) {
    wire.write(chunk);
    await wait(1);
  }
  const frames: Uint8Array[] = [];
  for (let frame = await wire.frame(PATIENCE_MS); frame !== undefined; frame = await wire.frame(PATIENCE_MS)) {
    frames.push(frame);
  }
  wire.close();
  return frames.some(isAnswered);
}

test("whatever strangers send, none is let in, nobody else waits, and nothing breaks", async () => {
  const handshake = { ...HEAD, key: ApiKey.SaslHandshake, version: 1 };
  const login = { ...HEAD, key: ApiKey.SaslAuthenticate, version: 2 };
  const right = [
    ...requestFrame(handshake, Apis.SaslHandshake.request, { mechanism: "PLAIN" }),
    ...requestFrame(login, Apis.SaslAuthenticate.request, { authBytes: plain("secret") }),
  ].map(chunk => chunk.slice());
  expect(await isLetIn(right)).toBe(true);
  const rng = new Prng("strangers");
  const before = broker.lines.length;
  for (let round = 0; round < 8; round++) {
    const scripts = Array.from({ length: 40 }, () => script(rng));
    const outcomes = scripts.map(isLetIn);
    const good = await begun("PLAIN");
    expect(await code(good, plain("secret"))).toBe(0);
    await serves(good);
    const isIn = await Promise.all(outcomes);
    const admitted = scripts.filter((_, i) => isIn[i]).map(chunks => Buffer.concat(chunks).toString("hex"));
    expect(admitted).toEqual([]);
  }
  const said = broker.lines.slice(before);
  expect(said.filter(({ level }) => level === "error")).toEqual([]);
  // Lines about bad input are limited: 100 in ten seconds, and how many more there were.
  expect(said.length).toBeLessThanOrEqual(202);
}, 60_000);
