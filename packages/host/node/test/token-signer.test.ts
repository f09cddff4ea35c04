import { createPublicKey, generateKeyPairSync, type KeyObject, verify } from "node:crypto";
import { MalformedError } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { describe, expect, test } from "vitest";

const { crypto } = nodeEnv({ logger: { debug() {}, info() {}, warn() {}, error() {} } });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const pem = (key: KeyObject, passphrase?: string): string =>
  key
    .export({
      type: "pkcs8",
      format: "pem",
      ...(passphrase === undefined ? {} : { cipher: "aes-256-cbc", passphrase }),
    })
    .toString();

const token = { algorithm: "RS256", header: { kid: "1", alg: "none" }, payload: { iss: "é" } } as const;
const jsonOf = (part = ""): unknown => JSON.parse(Buffer.from(part, "base64url").toString());

describe("a token is signed", () => {
  test.each([
    ["RS256", rsa, pem(rsa), undefined],
    ["RS256", rsa, pem(rsa, "secret"), "secret"],
    ["RS256", rsa, pem(rsa).replace(/-----[^\n]*-----|\n/g, ""), undefined],
    ["ES256", ec, pem(ec), undefined],
    ["ES256", ec, pem(ec, "secret"), "secret"],
  ] as const)("by %s", async (algorithm, own, key, passphrase) => {
    const signed = await crypto.signToken({ ...token, algorithm, key, passphrase });
    const [header, payload, signature = ""] = signed.split(".");
    expect([jsonOf(header), jsonOf(payload)]).toEqual([{ kid: "1", alg: algorithm }, { iss: "é" }]);
    const publicKey = createPublicKey(own);
    const bytes = Buffer.from(signature, "base64url");
    const how = { key: publicKey, dsaEncoding: "ieee-p1363" } as const;
    expect(verify("sha256", Buffer.from(`${header}.${payload}`), how, bytes)).toBe(true);
    expect(verify("sha256", Buffer.from(`${header}.${payload}x`), how, bytes)).toBe(false);
  });

  test.each<[string, string, string | undefined, RegExp]>([
    ["a key of another type", pem(ec), undefined, /RS256 needs a key of type rsa, not ec/],
    ["a wrong passphrase", pem(rsa, "secret"), "wrong", /cannot be used/],
    ["no passphrase", pem(rsa, "secret"), undefined, /cannot be used/],
    ["no key", "nothing", undefined, /cannot be used/],
    ["a weak key", pem(generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey), undefined, /cannot be used/],
  ])("not with %s", async (_what, key, passphrase, why) => {
    const failure = crypto.signToken({ ...token, key, passphrase });
    await expect(failure).rejects.toThrow(why);
    await expect(failure).rejects.toBeInstanceOf(MalformedError);
  });
});
