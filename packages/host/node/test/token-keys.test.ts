import * as crypto from "node:crypto";
import { MalformedError } from "@samsa/base";
import { TokenIssuer } from "@samsa/certificates";
import { describe, expect, test } from "vitest";
import { nodeTokenKeys } from "../src/token-keys.ts";

const NOW = 1_800_000_000_000;
const text = (verified: object): unknown =>
  "payload" in verified ? JSON.parse(new TextDecoder().decode(verified.payload as Uint8Array)) : verified;

describe("the signature of a token", () => {
  test.each(["RS256", "PS256", "ES256", "EdDSA"] as const)("by %s is verified", async algorithm => {
    const issuer = new TokenIssuer("issuer", algorithm);
    const keys = nodeTokenKeys(issuer.keySet());
    const token = issuer.token("alice", NOW);
    expect(text(await keys.verify(token))).toMatchObject({ sub: "alice", iss: "issuer" });
    const [header, payload = "", signature] = token.split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
    const forged = Buffer.from(JSON.stringify({ ...claims, sub: "root" })).toString("base64url");
    expect(await keys.verify(`${header}.${forged}.${signature}`)).toHaveProperty("fault");
    expect(await keys.verify(`${header}.${payload}.`)).toHaveProperty("fault");
    const other = new TokenIssuer("issuer", algorithm);
    expect(await keys.verify(other.token("alice", NOW)), "by a key of the same name").toHaveProperty("fault");
  });

  test("is looked for among all keys if the token names none", async () => {
    const issuer = new TokenIssuer("issuer");
    const first = issuer.token("alice", NOW, { header: { kid: undefined } });
    issuer.addKey("RS256");
    const second = issuer.token("bob", NOW, { header: { kid: undefined } });
    const stranger = new TokenIssuer("issuer").token("root", NOW, { header: { kid: undefined } });
    for (const named of [true, false]) {
      const keys = nodeTokenKeys(issuer.keySet(named));
      expect(text(await keys.verify(first))).toMatchObject({ sub: "alice" });
      expect(text(await keys.verify(second))).toMatchObject({ sub: "bob" });
      expect(await keys.verify(stranger)).toEqual({ fault: "its signature is by no key of the issuer" });
    }
  });

  test("by a key that is not in the set is told by the key's name", async () => {
    const issuer = new TokenIssuer("issuer");
    const keys = nodeTokenKeys(issuer.keySet());
    issuer.addKey("RS256");
    expect(await keys.verify(issuer.token("alice", NOW))).toMatchObject({ missingKey: "key-2" });
    const odd = issuer.token("alice", NOW, { header: { kid: { a: 1 } } });
    expect(await keys.verify(odd)).toHaveProperty("fault");
  });

  const issuer = new TokenIssuer("issuer");
  const keys = nodeTokenKeys(issuer.keySet());
  const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const unsigned = (alg: string): string =>
    `${encoded({ alg, kid: "key-1" })}.${encoded({ sub: "root", exp: 2e9, iat: 1e9 })}`;
  const byPublicKey = (hash: string, alg: string): string => {
    const signed = unsigned(alg);
    return `${signed}.${crypto.createHmac(hash, issuer.publicPem).update(signed).digest("base64url")}`;
  };
  test.each<[string, string]>([
    ["none", `${unsigned("none")}.`],
    ["None", `${unsigned("None")}.`],
    ["HMAC with the text of the public key", byPublicKey("sha256", "HS256")],
    ["HMAC of another length", byPublicKey("sha512", "HS512")],
    ["an algorithm of another kind of key", issuer.token("root", NOW, { header: { alg: "ES256" } })],
    ["another algorithm of the same kind of key", issuer.token("root", NOW, { header: { alg: "RS512" } })],
    ["no algorithm", issuer.token("root", NOW, { header: { alg: undefined } })],
    ["an extension that must be understood", issuer.token("root", NOW, { header: { crit: ["exp"], exp: 1 } })],
    ["a key in the token itself", new TokenIssuer("issuer").token("root", NOW, { header: { kid: "key-1", jwk: {} } })],
    ["nothing at all", ""],
    ["two parts", "a.b"],
    ["five parts, as if encrypted", "a.b.c.d.e"],
    ["parts that are no JSON", "a.b.c"],
  ])("by %s is refused", async (_what, token) => {
    expect(await keys.verify(token)).toHaveProperty("fault");
  });
});

test.each(["", "[]", "null", "{}", '{"keys":{}}', '{"keys":[1]}', '{"keys":[{}]}'])("%j is no key set", json => {
  expect(() => nodeTokenKeys(json)).toThrow(MalformedError);
});

test("a set whose keys cannot be used verifies nothing", async () => {
  const token = new TokenIssuer("issuer").token("alice", NOW);
  const broken = nodeTokenKeys('{"keys":[{"kty":"RSA","kid":"key-1","alg":"RS256","n":"AQAB","e":"x"}]}');
  expect(await broken.verify(token)).toHaveProperty("fault");
  expect(await nodeTokenKeys('{"keys":[]}').verify(token)).toMatchObject({ missingKey: "key-1" });
});
