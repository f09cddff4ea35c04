import { generateKeyPairSync, type KeyObject, verify } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MalformedError } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { bearerCredentials } from "../src/index.ts";

const PREFIX = "sasl.oauthbearer.";
const KAFKA = "org.apache.kafka.common.security.oauthbearer";
const env = nodeEnv({ logger: { debug() {}, info() {}, warn() {}, error() {} } });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const jsonOf = (part = ""): Record<string, unknown> => JSON.parse(Buffer.from(part, "base64url").toString()) as never;

/** Endpoint that gives a token to whom it knows, and remembers what it was asked. */
let server: Server;
let folder: string;
let asked: { readonly authorization: string | undefined; readonly form: Map<string, string> }[];
/** Public key of the client. */
let known: KeyObject;

function isSigned(token: string): boolean {
  const [header, payload, signature = ""] = token.split(".");
  const how = { key: known, dsaEncoding: "ieee-p1363" } as const;
  return verify("sha256", Buffer.from(`${header}.${payload}`), how, Buffer.from(signature, "base64url"));
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "samsa-assertions-"));
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const form = new Map(new URLSearchParams(body));
      asked.push({ authorization: request.headers.authorization, form });
      const isKnown = isSigned(form.get("client_assertion") ?? form.get("assertion") ?? "");
      response.statusCode = isKnown ? 200 : 401;
      response.end(isKnown ? '{"access_token":"a token"}' : '{"error":"invalid_client"}');
    });
  });
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
});

afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

beforeEach(() => {
  asked = [];
  known = rsa.publicKey;
});

function fileOf(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const pem = (key: KeyObject, passphrase?: string): string =>
  key
    .export({
      type: "pkcs8",
      format: "pem",
      ...(passphrase === undefined ? {} : { cipher: "aes-256-cbc", passphrase }),
    })
    .toString();

/** Gets a token by settings whose names lack their prefix. */
function tokenBy(values: Readonly<Record<string, string>>): Promise<string> {
  const { port } = server.address() as AddressInfo;
  const given = new Map(Object.entries({ "token.endpoint.url": `http://127.0.0.1:${port}/token`, ...values }));
  const { tokens } = bearerCredentials(new Map(), name =>
    name.startsWith(PREFIX) ? given.get(name.slice(PREFIX.length)) : undefined,
  );
  return tokens.get(env, 5000);
}

const settings = (): Record<string, string> => ({
  "assertion.private.key.file": fileOf("rsa.pem", pem(rsa.privateKey)),
  "assertion.claim.iss": "https://me.example",
  "assertion.claim.sub": "shop",
  "assertion.claim.aud": "https://issuer.example",
});

test("an assertion stands for the secret of a client, and has its claims and times", async () => {
  const before = Math.floor(Date.now() / 1000);
  expect(await tokenBy({ ...settings(), "client.credentials.client.id": "the shop", scope: "a b" })).toBe("a token");
  const [{ authorization, form } = { authorization: "", form: new Map<string, string>() }] = asked;
  const assertion = form.get("client_assertion") ?? "";
  form.delete("client_assertion");
  expect([authorization, Object.fromEntries(form)]).toEqual([
    undefined,
    {
      grant_type: "client_credentials",
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_id: "the shop",
      scope: "a b",
    },
  ]);
  const [header, payload] = assertion.split(".").map((part, i) => (i < 2 ? jsonOf(part) : {}));
  expect(header).toEqual({ alg: "RS256", typ: "JWT" });
  const { iat } = payload as { iat: number };
  expect(iat).toBeGreaterThanOrEqual(before);
  expect(payload).toEqual({
    iss: "https://me.example",
    sub: "shop",
    aud: "https://issuer.example",
    iat,
    exp: iat + 300,
    nbf: iat - 60,
  });
});

test("an assertion is exchanged for a token of the user whom it names, with an id, a template and ES256", async () => {
  known = ec.publicKey;
  const template = { header: { kid: "k1", alg: "none" }, payload: { sub: "other", iat: 1, roles: ["a"] } };
  const values = {
    "jwt.retriever.class": `${KAFKA}.JwtBearerJwtRetriever`,
    "assertion.private.key.file": fileOf("ec.pem", pem(ec.privateKey, "pass phrase")),
    "assertion.private.key.passphrase": "pass phrase",
    "assertion.algorithm": "es256",
    "assertion.claim.sub": "shop",
    "assertion.claim.jti.include": "true",
    "assertion.claim.exp.seconds": "10",
    "assertion.claim.nbf.seconds": "0",
    "assertion.template.file": fileOf("template.json", JSON.stringify(template)),
  };
  expect([await tokenBy(values), await tokenBy(values)]).toEqual(["a token", "a token"]);
  const ids = asked.map(({ form }) => {
    expect(form.get("grant_type")).toBe("urn:ietf:params:oauth:grant-type:jwt-bearer");
    const [header, payload] = (form.get("assertion") ?? "").split(".");
    expect(jsonOf(header)).toEqual({ alg: "ES256", typ: "JWT", kid: "k1" });
    const { jti, iat, ...claims } = jsonOf(payload);
    expect(claims).toEqual({ sub: "other", roles: ["a"], exp: Number(iat) + 10, nbf: iat });
    expect(Number(iat)).toBeGreaterThan(1);
    return jti;
  });
  expect(ids[0]).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
  expect(ids[0]).not.toBe(ids[1]);
});

test("an assertion of a file is sent as it is, and the file is read again", async () => {
  await tokenBy(settings());
  const ready = asked[0]?.form.get("client_assertion") ?? "";
  const file = fileOf("ready.jwt", `${ready}\n`);
  expect(await tokenBy({ "assertion.file": file })).toBe("a token");
  expect(asked[1]?.form.get("client_assertion")).toBe(ready);
  for (const content of ["no token", "a.b.c", `${ready}.x`]) {
    fileOf("ready.jwt", content);
    await expect(tokenBy({ "assertion.file": file })).rejects.toMatchObject({
      code: "AUTHENTICATION_FAILED",
      message: `there is no assertion: ${file} has no JSON Web Token`,
    });
  }
});

test("what is wrong is told at once, and what may pass is not", async () => {
  const good = settings();
  known = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey;
  const refused = "refuses the client shop with its assertion with status 401: invalid_client";
  await expect(tokenBy({ ...good, "client.credentials.client.id": "shop" })).rejects.toThrow(refused);
  const locked = { ...good, "assertion.private.key.file": fileOf("locked.pem", pem(rsa.privateKey, "secret")) };
  await expect(tokenBy(locked)).rejects.toMatchObject({ code: "AUTHENTICATION_FAILED" });
  for (const content of ["[]", "{", '{"header":1}', '{"payload":[]}']) {
    const templated = { ...good, "assertion.template.file": fileOf("bad.json", content) };
    await expect(tokenBy(templated), content).rejects.toMatchObject({
      code: "AUTHENTICATION_FAILED",
      message: /has no JSON object whose header and payload are objects/,
    });
  }
  const missing = { ...good, "assertion.private.key.file": join(folder, "missing.pem") };
  await expect(tokenBy(missing)).rejects.toMatchObject({ code: "TOKEN_UNAVAILABLE", message: /ENOENT/ });
});

test.each<[string, Record<string, string | undefined>, RegExp]>([
  ["no key", { "assertion.private.key.file": undefined }, /needs sasl\.oauthbearer\.assertion\.private\.key\.file/],
  ["no issuer", { "assertion.claim.iss": undefined }, /has no effect without .*claim\.iss/],
  ["a file beside a key", { "assertion.file": "x" }, /has no effect with sasl\.oauthbearer\.assertion\.file/],
  ["another algorithm", { "assertion.algorithm": "HS256" }, /one of RS256, ES256, not "HS256"/],
  ["a time that is too long", { "assertion.claim.exp.seconds": "86401" }, /between 0 and 86400/],
  ["a time that is none", { "assertion.claim.nbf.seconds": "soon" }, /is a number/],
  ["a class of another", { "jwt.retriever.class": "org.example.Mine" }, /class that is not available/],
  [
    "a file for a class of requests",
    { "token.endpoint.url": "file:x", "jwt.retriever.class": `${KAFKA}.JwtBearerJwtRetriever` },
    /is a file/,
  ],
  ["an address for a class of files", { "jwt.retriever.class": `${KAFKA}.FileJwtRetriever` }, /is no file/],
  ["no endpoint", { "token.endpoint.url": undefined }, /needs sasl\.oauthbearer\.token\.endpoint\.url/],
])("settings with %s are refused", (_what, changed, why) => {
  const all = { "token.endpoint.url": "https://x/", ...settings(), ...changed };
  const lookup = (name: string): string | undefined =>
    (all as Record<string, string | undefined>)[name.slice(PREFIX.length)];
  const read = () => bearerCredentials(new Map(), name => (name.startsWith(PREFIX) ? lookup(name) : undefined));
  expect(read).toThrow(why);
  expect(read).toThrow(MalformedError);
});
