import { generateKeyPairSync, type KeyObject, verify } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "@samsa/base";
import { TokenIssuer } from "@samsa/certificates";
import { nodeEnv } from "@samsa/node";
import { Errors } from "@samsa/protocol";
import { BearerTokens, BrokerConnection, type RawConnection } from "@samsa/wire";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { formatStorage } from "../src/index.ts";
import { connectTo, TestBroker } from "./wire.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const env = nodeEnv({ logger: silent });
const FILTER = { resourceTypeFilter: 1, resourceNameFilter: null, patternTypeFilter: 1, principalFilter: null };
const ASK = { ...FILTER, hostFilter: null, operation: 1, permissionType: 1 };
const MODULE = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";

/** Subject of an assertion by the private key of a public one; undefined: it is by another. */
function subjectOf(assertion: string, key: KeyObject): string | undefined {
  const [header, payload = "", signature = ""] = assertion.split(".");
  if (!verify("sha256", Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, "base64url")))
    return undefined;
  return (JSON.parse(Buffer.from(payload, "base64url").toString()) as { sub: string }).sub;
}

/** Server of an issuer: its keys at /keys, tokens of the program that asks at /token. */
class IssuerServer {
  readonly server: Server;
  issuer = new TokenIssuer("https://issuer");
  isDown = false;
  /** Requests for keys. */
  asked = 0;
  /** Tokens by assertions. */
  asserted = 0;
  /** Public key of programs that send assertions. */
  programKey: KeyObject | undefined;

  constructor() {
    this.server = createServer((request, response) => {
      if (request.url === "/keys") this.asked++;
      if (this.isDown) return response.writeHead(503).end();
      if (request.url === "/keys") return response.end(this.issuer.keySet());
      const [, basic = ""] = (request.headers.authorization ?? "").split(" ");
      const [id = "", secret] = Buffer.from(basic, "base64").toString().split(":");
      if (request.url !== "/token") return response.writeHead(404).end();
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        const user = secret === "pw" ? id : this.#asserted(new URLSearchParams(body).get("client_assertion"));
        if (user === undefined) return response.writeHead(401).end();
        return response.end(JSON.stringify({ access_token: this.issuer.token(user, Date.now()) }));
      });
      return undefined;
    });
  }

  #asserted(assertion: string | null): string | undefined {
    const user =
      assertion === null || this.programKey === undefined ? undefined : subjectOf(assertion, this.programKey);
    if (user !== undefined) this.asserted++;
    return user;
  }

  async listen(): Promise<void> {
    await new Promise<void>(resolve => this.server.listen(0, "127.0.0.1", () => resolve()));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

const prefixed = (values: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [`listener.name.ext.oauthbearer.sasl.oauthbearer.${name}`, value]),
  );

const secured = (keys: string, more: Record<string, string> = {}): Record<string, string> => ({
  listeners: "EXT://127.0.0.1:0",
  "listener.security.protocol.map": "EXT:SASL_PLAINTEXT",
  "inter.broker.listener.name": "EXT",
  "sasl.enabled.mechanisms": "OAUTHBEARER",
  "sasl.mechanism.inter.broker.protocol": "OAUTHBEARER",
  "connection.failed.authentication.delay.ms": "1",
  "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
  "super.users": "User:root",
  "listener.name.ext.oauthbearer.sasl.jaas.config": `${MODULE} required clientId="root" clientSecret="pw";`,
  ...prefixed({
    "jwks.endpoint.url": keys,
    "expected.audience": "other,kafka",
    "expected.issuer": "https://issuer",
    "jwks.endpoint.retry.backoff.max.ms": "100",
    "token.endpoint.url": "http://127.0.0.1:1/token",
  }),
  ...more,
});

const portOf = (broker: TestBroker): number => broker.node.advertised.get("EXT")?.port ?? -1;

/** Error of a DescribeAcls request, which super users only may send. */
async function described(broker: TestBroker, token: string): Promise<number> {
  const sasl = { mechanism: "OAUTHBEARER", tokens: new BearerTokens(() => Promise.resolve(token)) } as const;
  const options = { clientId: "c", software: { name: "test", version: "1" }, setupTimeoutMs: 5000 };
  const address = { host: "127.0.0.1", port: portOf(broker) };
  const connection = await BrokerConnection.connect(env, address, { ...options, security: { sasl } });
  const { errorCode } = await connection.call("DescribeAcls", ASK);
  connection.close();
  return errorCode;
}

/** Authenticates with a token. */
async function login(wire: RawConnection, token: string) {
  expect((await wire.ask("SaslHandshake", 1, { mechanism: "OAUTHBEARER" })).errorCode).toBe(0);
  const authBytes = Buffer.from(`n,,\u0001auth=Bearer ${token}\u0001\u0001`);
  return wire.ask("SaslAuthenticate", 2, { authBytes });
}

let server: IssuerServer;
beforeEach(async () => {
  server = new IssuerServer();
  await server.listen();
});
afterEach(() => server.close());

describe("a token", () => {
  let broker: TestBroker;
  let ahead = 0;
  const clock: Clock = {
    now: () => Math.floor(env.clock.now() + ahead),
    monotonic: () => env.clock.monotonic() + ahead,
  };
  beforeEach(async () => {
    ahead = 0;
    broker = await TestBroker.start(secured(`${server.url}/keys`), undefined, { clock });
  });
  afterEach(() => broker.stop());
  const token = (user: string, claims = {}) => server.issuer.token(user, clock.now(), { claims });
  const reasons = (): readonly string[] => broker.lines.map(({ message }) => message);

  test("names the user", async () => {
    expect(await described(broker, token("root"))).toBe(0);
    expect(await described(broker, token("alice"))).toBe(Errors.CLUSTER_AUTHORIZATION_FAILED.code);
  });

  test.each<[string, () => string]>([
    ["that has expired", () => token("root", { exp: clock.now() / 1000 - 31 })],
    ["for another service", () => token("root", { aud: "mail" })],
    ["of another issuer", () => new TokenIssuer("https://other").token("root", clock.now())],
    ["by a key of another issuer", () => new TokenIssuer("https://issuer").token("root", clock.now())],
    ["without a user", () => token("root", { sub: undefined })],
    ["without a signature", () => `${token("root").split(".").slice(0, 2).join(".")}.`],
    ["that is none", () => "abc"],
  ])("%s is refused, and nothing else is told", async (_what, make) => {
    await expect(described(broker, make())).rejects.toThrow('{"status":"invalid_token"}');
    expect(reasons()).toContain("a client could not be authenticated");
  });

  test("ends the session when it expires, and may be replaced before by one of the same user", async () => {
    const wire = await connectTo(portOf(broker));
    const seconds = Math.floor(clock.now() / 1000);
    const first = await login(wire, token("alice", { exp: seconds + 60 }));
    expect(first.errorCode).toBe(0);
    expect(Number(first.sessionLifetimeMs)).toBeGreaterThan(55_000);
    expect(Number(first.sessionLifetimeMs)).toBeLessThanOrEqual(60_000);
    ahead += 30_000;
    expect((await wire.ask("Metadata", 12, { topics: null })).topics).toEqual([]);
    expect((await login(wire, token("alice", { exp: seconds + 120 }))).errorCode).toBe(0);
    ahead += 60_000;
    expect((await wire.ask("Metadata", 12, { topics: null })).topics).toEqual([]);
    const other = await login(wire, token("bob"));
    expect(other.errorMessage).toMatch(/Cannot change principals during re-authentication/);
    wire.close();
    const late = await connectTo(portOf(broker));
    await login(late, token("alice", { exp: Math.floor(clock.now() / 1000) + 10 }));
    ahead += 11_000;
    late.send("Metadata", 12, { topics: null });
    expect(await late.frame()).toBeUndefined();
  });

  test("with an end beyond all numbers is one of a session without an end", async () => {
    const wire = await connectTo(portOf(broker));
    const { errorCode, sessionLifetimeMs } = await login(wire, token("alice", { exp: 1e300 }));
    expect([errorCode, Number(sessionLifetimeMs)]).toEqual([0, Number.MAX_SAFE_INTEGER]);
    wire.close();
  });

  test("by a key that is new is verified once the keys have been fetched again", async () => {
    const asked = server.asked;
    server.issuer.addKey("ES256");
    expect(await described(broker, token("root"))).toBe(0);
    expect(server.asked).toBe(asked + 1);
  });

  test("by an unknown key makes the broker ask the issuer once a second at most, and once a minute for each key", async () => {
    const asked = server.asked;
    const strange = (kid: string) => server.issuer.token("root", clock.now(), { header: { kid } });
    for (let i = 0; i < 20; i++) await expect(described(broker, strange(`key-of-${i}`))).rejects.toThrow();
    expect(server.asked).toBe(asked + 1);
    ahead += 1001;
    await expect(described(broker, strange("key-of-0"))).rejects.toThrow();
    expect(server.asked, "the name is remembered").toBe(asked + 1);
    await expect(described(broker, strange("x".repeat(1001)))).rejects.toThrow();
    expect(server.asked, "a name that long is none").toBe(asked + 1);
    ahead += 60_000;
    await expect(described(broker, strange("key-of-0"))).rejects.toThrow();
    expect(server.asked).toBe(asked + 2);
  });

  test("is verified by the keys that are known while the issuer is away", async () => {
    server.isDown = true;
    server.issuer.addKey("RS256");
    await expect(described(broker, token("root")), "by a new key").rejects.toThrow();
    expect(reasons()).toContain("the keys of an issuer of tokens cannot be renewed");
    server.isDown = false;
    ahead += 61_000;
    expect(await described(broker, token("root"))).toBe(0);
  });

  test("settings about them do not change at run time", async () => {
    const wire = await connectTo(portOf(broker));
    await login(wire, token("root"));
    const name = "listener.name.ext.oauthbearer.sasl.oauthbearer.jwks.endpoint.url";
    const configs = [{ name, value: "http://127.0.0.1:1/", configOperation: 0 }];
    const resources = [{ resourceType: 4, resourceName: "1", configs }];
    const { responses } = await wire.ask("IncrementalAlterConfigs", 1, { resources, validateOnly: false });
    expect(responses[0].errorMessage).toMatch(/cannot be changed at run time/);
    wire.close();
  });
});

test("keys come from a file, too, and are read again for a key that is new", async () => {
  const folder = mkdtempSync(join(tmpdir(), "samsa-keys-"));
  const file = join(folder, "keys.json");
  writeFileSync(file, server.issuer.keySet());
  const broker = await TestBroker.start(secured(`file://${file}`));
  expect(await described(broker, server.issuer.token("root", Date.now()))).toBe(0);
  server.issuer.addKey("PS256");
  writeFileSync(file, server.issuer.keySet());
  expect(await described(broker, server.issuer.token("root", Date.now()))).toBe(0);
  await broker.stop();
  rmSync(folder, { recursive: true });
});

describe("settings are refused", () => {
  test.each<[string, Record<string, string>, RegExp]>([
    ["without an address of keys", prefixed({ "jwks.endpoint.url": "" }), /needs .*jwks.endpoint.url/],
    ["with another kind of address", prefixed({ "jwks.endpoint.url": "ldap://x" }), /begins with https/],
    ["with keys that are never fetched again", prefixed({ "jwks.endpoint.refresh.ms": "0" }), /more than 0 ms/],
    ["with a claim without a name", prefixed({ "sub.claim.name": " " }), /a claim has a name/],
    ["without an audience", prefixed({ "expected.audience": "" }), /needs .*expected.audience/],
    [
      "with a class of somebody else",
      { "listener.name.ext.oauthbearer.sasl.server.callback.handler.class": "com.example.Handler" },
      /the one class that is available/,
    ],
    [
      "with tokens without signatures",
      {
        "listener.name.ext.oauthbearer.sasl.server.callback.handler.class":
          "org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler",
      },
      /the one class that is available/,
    ],
    [
      "without a source of tokens for other nodes",
      {
        "listener.name.ext.oauthbearer.sasl.jaas.config": `${MODULE} required;`,
        ...prefixed({ "token.endpoint.url": "x" }),
      },
      /token.endpoint.url is an address/,
    ],
    [
      "while the issuer is away",
      prefixed({ "jwks.endpoint.url": "http://127.0.0.1:1/keys" }),
      /keys of tokens cannot be had/,
    ],
    ["while the issuer has no keys", prefixed({ "jwks.endpoint.url": "DOWN" }), /status 503/],
  ])("%s", async (_what, more, reason) => {
    server.isDown = true;
    const url = `${server.url}/keys`;
    const settings = secured(url, more);
    for (const [name, value] of Object.entries(settings)) if (value === "DOWN") settings[name] = url;
    await expect(TestBroker.start(settings)).rejects.toThrow(reason);
  });

  test("unless tokens of all audiences and issuers are wanted", async () => {
    const all = prefixed({ "expected.audience": "", "allow.unverified.audience": "true" });
    const broker = await TestBroker.start(secured(`${server.url}/keys`, all));
    const token = server.issuer.token("root", Date.now(), { claims: { aud: "mail" } });
    expect(await described(broker, token)).toBe(0);
    await broker.stop();
  });
});

describe("nodes of a cluster", () => {
  let first: TestBroker | undefined;
  let second: TestBroker | undefined;
  let issuer: IssuerServer;
  let folder: string;
  const program = generateKeyPairSync("rsa", { modulusLength: 2048 });
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "samsa-program-"));
    issuer = new IssuerServer();
    issuer.programKey = program.publicKey;
    await issuer.listen();
  });
  afterEach(async () => {
    await second?.stop();
    await first?.stop();
    issuer.close();
    rmSync(folder, { recursive: true });
  });

  const bySecret = (): Record<string, string> => ({});
  const byAssertion = (): Record<string, string> => {
    const key = join(folder, "key.pem");
    const how = { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "secret" } as const;
    writeFileSync(key, program.privateKey.export(how));
    return {
      "listener.name.ext.oauthbearer.sasl.jaas.config": `${MODULE} required;`,
      ...prefixed({
        "assertion.private.key.file": key,
        "assertion.private.key.passphrase": "secret",
        "assertion.claim.iss": "root",
        "assertion.claim.sub": "root",
      }),
    };
  };

  test.each([
    ["their secret", bySecret],
    ["an assertion", byAssertion],
  ])("get tokens by %s for their connections to brokers and controllers", async (_what, proof) => {
    const both = (values: Record<string, string>): Record<string, string> => {
      const ofExt = Object.entries(values).filter(([name]) => name.startsWith("listener.name.ext."));
      const ofController = ofExt.map(([name, value]) => [name.replace(".ext.", ".controller."), value]);
      return { ...values, ...Object.fromEntries(ofController) };
    };
    const port = await freePort();
    const settings = both(
      secured(`${issuer.url}/keys`, {
        "listener.security.protocol.map": "EXT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "sasl.mechanism.controller.protocol": "OAUTHBEARER",
        "controller.quorum.voters": `1@127.0.0.1:${port}`,
        "delegation.token.secret.key": "a secret of the cluster",
        ...prefixed({ "token.endpoint.url": `${issuer.url}/token` }),
        ...proof(),
      }),
    );
    const node = (id: string, roles: string, listeners: string): Promise<TestBroker> => {
      const directory = mkdtempSync(join(tmpdir(), "samsa-broker-"));
      const own = {
        ...settings,
        "node.id": id,
        "process.roles": roles,
        listeners,
        "log.dirs": join(directory, "data"),
      };
      const options = { settings: new Map(Object.entries(own)), clusterId: "cluster", ignoreFormatted: false };
      formatStorage(env, { ...options, features: [] });
      return TestBroker.start(own, directory);
    };
    first = await node("1", "broker,controller", `EXT://127.0.0.1:0,CONTROLLER://127.0.0.1:${port}`);
    second = await node("2", "broker", "EXT://127.0.0.1:0");
    expect(second.node.clusterId).toBe(first.node.clusterId);
    expect(await described(second, issuer.issuer.token("root", Date.now()))).toBe(0);
    // The broker sends the request on to the controller, as a node that is known there.
    const wire = await connectTo(portOf(second));
    await login(wire, issuer.issuer.token("alice", Date.now()));
    const wish = { ownerPrincipalType: null, ownerPrincipalName: null, renewers: [], maxLifetimeMs: -1 };
    const made = await wire.ask("CreateDelegationToken", 3, wish);
    expect(made).toMatchObject({ errorCode: 0, principalName: "alice", tokenRequesterPrincipalName: "alice" });
    const known = async (): Promise<string[]> => {
      const { tokens } = await wire.ask("DescribeDelegationToken", 3, { owners: null });
      return tokens.map(({ tokenId }) => tokenId);
    };
    await expect.poll(known).toEqual([made.tokenId]);
    expect(issuer.asserted > 0).toBe(proof === byAssertion);
    wire.close();
  });
});

function freePort(): Promise<number> {
  return new Promise(resolve => {
    const probe = createServer();
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
