import { fromUtf8, type HashName, NetworkError, utf8 } from "@samsa/base";
import { unsecuredToken } from "@samsa/sasl";
import { expect, test } from "vitest";
import { ScramServer, stored } from "../../../kernel/sasl/test/scram-server.ts";
import {
  BearerTokens,
  BrokerConnection,
  clientCredentials,
  RawConnection,
  type SaslCredentials,
  WireError,
} from "../src/index.ts";
import { AT, Fixture, OPTIONS, RANGES, type Received, VERSIONS } from "./fake-broker.ts";

const NOTHING = new Uint8Array(0);
const METADATA = { topics: [], allowAutoTopicCreation: false };
const METADATA_REPLY = { clusterId: "c", brokers: [], topics: [], controllerId: 0 };
const ALICE = { mechanism: "PLAIN", username: "alice", password: "sesame" } as const;

/** Broker that lets nobody in before SASL. */
class SecuredFixture extends Fixture {
  mechanisms = ["PLAIN", "SCRAM-SHA-512", "OAUTHBEARER"];
  /** Lifetime of sessions that brokers tell, in ms. */
  lifetimeMs = 0;
  /** Names of the requests in order; those of SASL with the mechanism or the text. */
  readonly seen: string[] = [];
  readonly #server: ScramServer;
  #mechanism = "";
  #step = 0;

  constructor(hash: HashName = "SHA-512") {
    super(1);
    this.#server = new ScramServer(hash, name => (name === "alice" ? stored(hash, "sesame") : undefined));
    this.script = request => this.#answer(request);
  }

  static override async start(): Promise<SecuredFixture> {
    const fixture = new SecuredFixture();
    await fixture.listen();
    return fixture;
  }

  connect(sasl: SaslCredentials): Promise<BrokerConnection> {
    return BrokerConnection.connect(this.env, AT, { ...OPTIONS, security: { sasl } });
  }

  #answer(request: Received): void {
    if (request.key === 17) {
      const { mechanism } = request.body as { mechanism: string };
      this.seen.push(mechanism);
      this.#mechanism = mechanism;
      this.#step = 0;
      const errorCode = this.mechanisms.length === 0 ? 34 : this.mechanisms.includes(mechanism) ? 0 : 33;
      request.reply({ errorCode, mechanisms: this.mechanisms });
    } else if (request.key === 36) {
      const { authBytes } = request.body as { authBytes: Uint8Array };
      const answer = this.#authenticated(authBytes);
      const refused = { errorCode: 58, errorMessage: "Authentication failed: Invalid username or password" };
      const accepted = { errorCode: 0, errorMessage: null, sessionLifetimeMs: this.lifetimeMs };
      request.reply({ ...(answer === undefined ? refused : accepted), authBytes: answer ?? NOTHING });
    } else {
      this.seen.push("Metadata");
      request.reply(METADATA_REPLY);
    }
  }

  #authenticated(bytes: Uint8Array): Uint8Array | undefined {
    if (this.#mechanism === "PLAIN") return fromUtf8(bytes) === "\0alice\0sesame" ? NOTHING : undefined;
    if (this.#mechanism.startsWith("SCRAM")) {
      return this.#step++ === 0 ? this.#server.first(bytes) : this.#server.final(bytes);
    }
    if (fromUtf8(bytes) === "\u0001") return undefined;
    return fromUtf8(bytes).includes("auth=Bearer good") ? NOTHING : utf8('{"status":"invalid_token"}');
  }
}

test.each<SaslCredentials>([
  ALICE,
  { ...ALICE, mechanism: "SCRAM-SHA-512" },
  { mechanism: "OAUTHBEARER", tokens: new BearerTokens(async () => "good"), extensions: { x: "y" } },
])("$mechanism: requests follow the authentication", async credentials => {
  const fixture = await SecuredFixture.start();
  const connection = await fixture.settled(fixture.connect(credentials));
  await fixture.settled(connection.call("Metadata", METADATA));
  expect(fixture.seen).toEqual([credentials.mechanism, "Metadata"]);
});

test.each<[SaslCredentials, string, string]>([
  [{ ...ALICE, password: "x" }, "AUTHENTICATION_FAILED", "broker:9092 refuses the credentials of user alice, PLAIN: "],
  [{ ...ALICE, password: "" }, "AUTHENTICATION_FAILED", "PLAIN with broker:9092 fails: the password is empty"],
  [
    { ...ALICE, mechanism: "SCRAM-SHA-512", password: "x" },
    ...(["AUTHENTICATION_FAILED", "refuses the credentials of user alice, SCRAM-SHA-512: "] as const),
  ],
  [
    { mechanism: "SCRAM-SHA-512", username: "t1", password: "x", delegationToken: true },
    ...(["AUTHENTICATION_FAILED", "refuses the credentials of delegation token t1"] as const),
  ],
  [
    { ...ALICE, mechanism: "SCRAM-SHA-256" },
    ...([
      "UNSUPPORTED_MECHANISM",
      "does not offer SCRAM-SHA-256; it offers OAUTHBEARER, PLAIN, SCRAM-SHA-512",
    ] as const),
  ],
  [
    { mechanism: "OAUTHBEARER", tokens: new BearerTokens(async () => "bad") },
    ...(["AUTHENTICATION_FAILED", "broker:9092 refuses the token, OAUTHBEARER: Authentication failed"] as const),
  ],
  [
    { mechanism: "OAUTHBEARER", tokens: new BearerTokens(() => Promise.reject(new Error("no network"))) },
    ...(["TOKEN_UNAVAILABLE", "there is no OAuth token: no network"] as const),
  ],
  [
    { mechanism: "OAUTHBEARER", tokens: new BearerTokens(() => new Promise(() => undefined)) },
    ...(["TOKEN_UNAVAILABLE", "there is no OAuth token: it took more than "] as const),
  ],
])("failure %#", async (credentials, code, said) => {
  const fixture = await SecuredFixture.start();
  const error = await fixture.failed(fixture.connect(credentials));
  expect(error.code).toBe(code);
  expect(error.message).toContain(said);
  await fixture.world.runFor(100);
  expect(fixture.connections.size).toBe(0);
});

test("a raw connection authenticates before its owner has it, or is closed", async () => {
  const fixture = await SecuredFixture.start();
  const open = (sasl: SaslCredentials) => RawConnection.open(fixture.env, AT, { security: { sasl } });
  const raw = await fixture.settled(open({ ...ALICE, mechanism: "SCRAM-SHA-512" }));
  await fixture.settled(raw.ask("Metadata", 12, METADATA));
  expect(fixture.seen).toEqual(["SCRAM-SHA-512", "Metadata"]);
  expect((await fixture.failed(open({ ...ALICE, password: "x" }))).code).toBe("AUTHENTICATION_FAILED");
  await fixture.world.runFor(100);
  expect(fixture.connections.size).toBe(1);
});

test("a port without SASL says so", async () => {
  const fixture = await SecuredFixture.start();
  fixture.versions = request => request.reply({ ...VERSIONS, apiKeys: RANGES.filter(({ apiKey }) => apiKey !== 17) });
  expect((await fixture.failed(fixture.connect(ALICE))).code).toBe("ILLEGAL_SASL_STATE");
  fixture.versions = request => request.reply(VERSIONS);
  fixture.mechanisms = [];
  const error = await fixture.failed(fixture.connect(ALICE));
  expect([error.code, error.message]).toEqual([
    ...[
      "ILLEGAL_SASL_STATE",
      "broker:9092 does not authenticate with SASL at this port: connect to another one, or leave out sasl",
    ],
  ]);
});

test("a server that knows no password is found out", async () => {
  const fixture = await SecuredFixture.start();
  const inner = fixture.script;
  fixture.script = request => {
    const isFinal =
      request.key === 36 && fromUtf8((request.body as { authBytes: Uint8Array }).authBytes).includes(",p=");
    if (!isFinal) return inner(request);
    return request.reply({ errorCode: 0, errorMessage: null, authBytes: utf8("v=AAAA"), sessionLifetimeMs: 0 });
  };
  const error = await fixture.failed(fixture.connect({ ...ALICE, mechanism: "SCRAM-SHA-512" }));
  expect(error.message).toBe(
    "SCRAM-SHA-512 with broker:9092 fails: its signature is wrong: it does not know the password",
  );
});

test("a server that does not finish is given up", async () => {
  const fixture = await SecuredFixture.start();
  const inner = fixture.script;
  fixture.script = request => request.key !== 36 && inner(request);
  const error = await fixture.failed(fixture.connect(ALICE));
  expect([error.code, error.message]).toEqual([
    ...["SETUP_TIMED_OUT", "broker:9092 did not finish the authentication within 10 s"],
  ]);
});

test("a session is renewed before it ends, between requests, and only if there are some", async () => {
  const fixture = await SecuredFixture.start();
  fixture.lifetimeMs = 10_000;
  const connection = await fixture.settled(fixture.connect({ ...ALICE, mechanism: "SCRAM-SHA-512" }));
  const begun = fixture.env.clock.monotonic();
  const call = () => connection.call("Metadata", METADATA);
  let answered = 0;
  while (fixture.env.clock.monotonic() < begun + 8400) {
    await fixture.settled(Promise.all([call(), call(), call()]));
    answered += 3;
    await fixture.world.runFor(500);
  }
  expect(fixture.seen.filter(name => name !== "Metadata")).toHaveLength(1);
  await fixture.world.runFor(9600 - (fixture.env.clock.monotonic() - begun));
  expect(fixture.seen.filter(name => name !== "Metadata")).toHaveLength(1);
  // Several at once: those in flight are answered, and the others wait for the authentication.
  await fixture.settled(Promise.all(Array.from({ length: 20 }, call)));
  expect(fixture.seen.filter(name => name !== "Metadata")).toHaveLength(2);
  expect(fixture.seen.slice(answered + 1, answered + 3)).toEqual(["SCRAM-SHA-512", "Metadata"]);
  expect([connection.isOpen, connection.pendingRequests]).toEqual([true, 0]);
  await fixture.world.runFor(9600);
  await fixture.settled(call());
  expect(fixture.seen.filter(name => name !== "Metadata")).toHaveLength(3);
});

test("a session that ends at once does not keep requests from being sent", async () => {
  const fixture = await SecuredFixture.start();
  fixture.lifetimeMs = 1;
  const connection = await fixture.settled(fixture.connect(ALICE));
  await fixture.world.runFor(500);
  await fixture.settled(connection.call("Metadata", METADATA));
  expect(fixture.seen).toEqual(["PLAIN", "Metadata"]);
  await fixture.world.runFor(1000);
  await fixture.settled(Promise.all([connection.call("Metadata", METADATA), connection.call("Metadata", METADATA)]));
  expect(fixture.seen.slice(2)).toEqual(["PLAIN", "Metadata", "Metadata"]);
});

test("requests in flight keep their answers while the session is renewed", async () => {
  const fixture = await SecuredFixture.start();
  fixture.lifetimeMs = 10_000;
  const connection = await fixture.settled(fixture.connect(ALICE));
  const inner = fixture.script;
  const held: Received[] = [];
  // A broker answers one request after the other: SASL waits for the slow ones before it.
  let isHeld = true;
  fixture.script = request => (isHeld ? held.push(request) : inner(request));
  await fixture.world.runFor(8000);
  const before = [connection.call("Metadata", METADATA), connection.call("Metadata", METADATA)];
  await fixture.world.runFor(1600);
  const after = [connection.call("Metadata", METADATA)];
  await fixture.world.runFor(100);
  expect(held.map(({ key }) => key)).toEqual([3, 3, 17]);
  isHeld = false;
  for (const request of held) inner(request);
  await fixture.settled(Promise.all([...before, ...after]));
  expect(fixture.seen).toEqual(["PLAIN", "Metadata", "Metadata", "PLAIN", "Metadata"]);
});

test("a session that cannot be renewed ends with its requests", async () => {
  const fixture = await SecuredFixture.start();
  fixture.lifetimeMs = 10_000;
  const connection = await fixture.settled(fixture.connect(ALICE));
  await fixture.world.runFor(9600);
  fixture.mechanisms = ["SCRAM-SHA-512"];
  const errors = await fixture.failures([connection.call("Metadata", METADATA), connection.call("Metadata", METADATA)]);
  expect(errors.map(({ code }) => code)).toEqual(["UNSUPPORTED_MECHANISM", "UNSUPPORTED_MECHANISM"]);
  expect(connection.isOpen).toBe(false);
});

test("a server that closes its port to strangers makes this side think of SASL, one that speaks TLS of TLS", async () => {
  const strict = await SecuredFixture.start();
  strict.script = ({ connection }) => connection.end();
  const connection = await strict.settled(BrokerConnection.connect(strict.env, AT, OPTIONS));
  const error = await strict.failed(connection.call("Metadata", METADATA));
  expect(error.message).toBe(
    "broker:9092 closed the connection, before it answered a request; does its port expect SASL?",
  );
  const secure = await SecuredFixture.start();
  secure.versions = ({ connection: peer }) => peer.write([Uint8Array.of(0x15, 3, 3, 0, 2, 2, 0x50)]);
  expect(await secure.failed(BrokerConnection.connect(secure.env, AT, OPTIONS))).toMatchObject({
    code: "TLS_FAILED",
    message: "broker:9092 speaks TLS at this port, and this client does not: set ssl",
  });
});

test("tokens are shared, used again, and renewed before they expire", async () => {
  const { env, world } = await SecuredFixture.start();
  let fetched = 0;
  let isDown = false;
  const tokens = new BearerTokens(async ({ clock }) => {
    fetched++;
    if (isDown) throw new Error("the server is down");
    return unsecuredToken({ sub: `${fetched}` }, 100, clock.now());
  });
  const [first, again] = await Promise.all([tokens.get(env, 1000), tokens.get(env, 1000)]);
  expect([first === again, fetched]).toEqual([true, 1]);
  await world.runFor(79_000);
  expect(await tokens.get(env, 1000)).toBe(first);
  await world.runFor(7000);
  isDown = true;
  expect([await tokens.get(env, 1000), fetched]).toEqual([first, 2]);
  // A server that has failed is left alone for a while.
  expect([await tokens.get(env, 1000), fetched]).toEqual([first, 2]);
  await world.runFor(14_100);
  await expect(tokens.get(env, 1000)).rejects.toMatchObject({
    code: "TOKEN_UNAVAILABLE",
    message: "there is no OAuth token: the server is down",
  });
  isDown = false;
  await world.runFor(1000);
  expect(await tokens.get(env, 1000)).not.toBe(first);
});

test.each([
  ["the buffer before its end", {}, 700],
  ["a part of its lifetime", { windowFactor: 0.5, windowJitter: 0 }, 500],
  ["the shortest period", { minPeriodSeconds: 900, bufferSeconds: 50, windowFactor: 0.5, windowJitter: 0 }, 900],
  ["a part of a lifetime that is short for both", { minPeriodSeconds: 900, bufferSeconds: 200, windowJitter: 0 }, 800],
])("a token is renewed by %s", async (_what, options, seconds) => {
  const { env, world } = await SecuredFixture.start();
  let fetched = 0;
  const source = async ({ clock }: typeof env) => unsecuredToken({ sub: `${fetched++}` }, 1000, clock.now());
  const tokens = new BearerTokens(source, options);
  await tokens.get(env, 1000);
  await world.runFor(seconds * 1000 - 2000);
  await tokens.get(env, 1000);
  expect(fetched).toBe(1);
  await world.runFor(4000);
  await tokens.get(env, 1000);
  expect(fetched).toBe(2);
});

test("client credentials are sent as RFC 6749 has it, and refusals are told from outages", async () => {
  const { env } = await SecuredFixture.start();
  const requests: { url: string; headers: object; body: string }[] = [];
  let answer = { status: 200, body: '{"access_token":" t1 "}' };
  const http = {
    request: (request: (typeof requests)[number]) => {
      requests.push(request);
      if (answer.status === 0) return Promise.reject(new NetworkError("ECONNREFUSED", "connect"));
      return Promise.resolve(answer);
    },
  };
  const options = { tokenEndpoint: "https://o/t", clientId: "a b", clientSecret: "s:?", scope: "x y" };
  const get = (more: object = {}) => clientCredentials({ ...options, ...more })({ ...env, http });
  expect(await get()).toBe("t1");
  const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;
  expect(requests[0]).toMatchObject({
    ...{ url: "https://o/t", method: "POST", body: "grant_type=client_credentials&scope=x+y", timeoutMs: 10_000 },
    headers: { authorization: basic("a b:s:?"), "content-type": "application/x-www-form-urlencoded" },
  });
  answer = { status: 201, body: '{"id_token":"t2"}' };
  expect(await get({ encodeHeader: true, scope: undefined })).toBe("t2");
  expect(requests[1]).toMatchObject({
    body: "grant_type=client_credentials",
    headers: { authorization: basic("a+b:s%3A%3F") },
  });
  const failure = async (status: number, body: string): Promise<unknown> => {
    answer = { status, body };
    const error = await get().catch((thrown: unknown) => thrown);
    return error instanceof WireError ? [error.code, error.message] : error;
  };
  const at = "the token endpoint https://o/t";
  expect(await failure(0, "")).toEqual(["TOKEN_UNAVAILABLE", `${at} cannot be reached: connect (ECONNREFUSED)`]);
  expect(await failure(503, "")).toEqual(["TOKEN_UNAVAILABLE", `${at} answers with status 503`]);
  expect(await failure(429, "")).toEqual(["TOKEN_UNAVAILABLE", `${at} answers with status 429`]);
  expect(await failure(401, '{"error":"invalid_client","error_description":"who?"}')).toEqual([
    ...["AUTHENTICATION_FAILED", `${at} refuses the client a b with status 401: invalid_client, who?`],
  ]);
  expect(await failure(404, "<html>")).toEqual([
    ...["AUTHENTICATION_FAILED", `${at} refuses the client a b with status 404: <html>`],
  ]);
  expect(await failure(200, "{}")).toEqual(["AUTHENTICATION_FAILED", `the answer of ${at} has no token`]);
});
