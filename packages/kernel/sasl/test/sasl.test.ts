import * as crypto from "node:crypto";
import { fromUtf8, type HashName, InvariantError, utf8 } from "@samsa/base";
import {
  bearerLifetime,
  OAuthBearerClient,
  PlainClient,
  SaslError,
  type SaslStep,
  ScramClient,
  unsecuredToken,
} from "@samsa/sasl";
import { blockingHashes } from "@samsa/node";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ScramServer, stored } from "./scram-server.ts";

const NAMES = { "SHA-256": "sha256", "SHA-512": "sha512" } as const;
const NONCE = "rOprNGfwEbeRWgbNEkqO";

function sent(step: SaslStep): string {
  if (step.type !== "send") throw new Error(`a step ${step.type}`);
  return fromUtf8(step.bytes);
}

function scram(username: string, password: string, hash: HashName = "SHA-256"): ScramClient {
  return new ScramClient(blockingHashes, { hash, username, password, nonce: NONCE });
}

/** Derives the key that the client asks for, and passes it in. */
function derived(client: ScramClient, step: SaslStep): SaslStep {
  if (step.type !== "derive") throw new Error(`a step ${step.type}`);
  const { hash, password, salt, iterations } = step;
  return client.derived(crypto.pbkdf2Sync(password, salt, iterations, hash === "SHA-256" ? 32 : 64, NAMES[hash]));
}

const FIRST = `r=${NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`;

describe("SCRAM", () => {
  test("has the messages of RFC 7677", () => {
    const client = scram("user", "pencil");
    expect(client.mechanism).toBe("SCRAM-SHA-256");
    expect(sent(client.start())).toBe(`n,,n=user,r=${NONCE}`);
    const final = derived(client, client.received(utf8(FIRST)));
    expect(sent(final)).toBe(
      `c=biws,r=${NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`,
    );
    expect(client.received(utf8("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="))).toEqual({ type: "done" });
    expect(() => client.received(utf8("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="))).toThrow(InvariantError);
  });

  test("agrees with a server about every name and password, and only with the right password", () => {
    const text = fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" });
    fc.assert(
      fc.property(text, text, text, fc.constantFrom<HashName>("SHA-256", "SHA-512"), (name, password, tried, hash) => {
        const server = new ScramServer(hash, () => stored(hash, password));
        const client = scram(name, tried, hash);
        const first = client.start();
        if (first.type !== "send") throw new Error("nothing is sent");
        const final = derived(client, client.received(server.first(first.bytes)!));
        expect(server.username).toBe(name);
        if (final.type !== "send") throw new Error("nothing is sent");
        const verdict = server.final(final.bytes);
        expect(verdict === undefined).toBe(password !== tried);
        if (verdict !== undefined) expect(client.received(verdict)).toEqual({ type: "done" });
      }),
      { numRuns: 25 },
    );
  });

  test("marks a delegation token", () => {
    const options = { hash: "SHA-512", username: "id", password: "hmac", nonce: NONCE } as const;
    const client = new ScramClient(blockingHashes, { ...options, delegationToken: true });
    expect(sent(client.start())).toBe(`n,,n=id,r=${NONCE},tokenauth=true`);
  });

  test.each([
    ["", "its first SCRAM message cannot be read"],
    [`m=x,${FIRST}`, "its first SCRAM message cannot be read"],
    [`r=${NONCE}x,s=W2,i=4096`, "its first SCRAM message cannot be read"],
    [FIRST.replace("4096", "4095"), "it wants 4095 iterations of SCRAM-SHA-256, and allowed are 4096 to 1000000"],
    [FIRST.replace("4096", "2000000000"), "it wants 2000000000 iterations"],
    [FIRST.replace("4096", "-1"), "its first SCRAM message cannot be read"],
    [FIRST.replace(NONCE, "another"), "its nonce does not extend this side's"],
    [FIRST.replace("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", ""), "its nonce does not extend this side's"],
    ["x".repeat(5000), "its SCRAM message has 5000 bytes"],
  ])("refuses first message %#", (message, said) => {
    const client = scram("user", "pencil");
    client.start();
    expect(() => client.received(utf8(message))).toThrow(said);
  });

  test.each([
    ["v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl96G4=", "its signature is wrong: it does not know the password"],
    ["v=6rriTRBi", "its signature is wrong"],
    ["v=", "its last SCRAM message cannot be read"],
    ["e=invalid-proof", "it refuses the credentials: invalid-proof"],
  ])("refuses the last message %j", (message, said) => {
    const client = scram("user", "pencil");
    client.start();
    derived(client, client.received(utf8(FIRST)));
    expect(() => client.received(utf8(message))).toThrow(said);
  });

  test("whatever a server says is an error or the next step", () => {
    const parts = fc.constantFrom(
      "r=",
      NONCE,
      "x",
      ",",
      "s=",
      "W22ZaJ0SNY7soEsUEjb6gQ==",
      "i=",
      "4096",
      "v=",
      "e=",
      "m=",
      "=",
      "\0",
    );
    const message = fc.oneof(
      fc.array(parts, { maxLength: 12 }).map(all => utf8(all.join(""))),
      fc.uint8Array({ maxLength: 80 }),
    );
    fc.assert(
      fc.property(message, fc.boolean(), (bytes, isFinal) => {
        const client = scram("user", "pencil");
        client.start();
        if (isFinal) derived(client, client.received(utf8(FIRST)));
        let step: SaslStep | undefined;
        try {
          step = client.received(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(SaslError);
        }
        // A signature cannot be guessed.
        if (step !== undefined) expect([isFinal, step.type]).toEqual([false, "derive"]);
      }),
      { numRuns: 300 },
    );
  });

  test("needs a name and a password", () => {
    expect(() => scram("", "x")).toThrow(SaslError);
    expect(() => scram("x", "")).toThrow(SaslError);
  });
});

describe("PLAIN", () => {
  test("sends the name and the password", () => {
    const client = new PlainClient("alice", "sesame=,ü");
    expect(sent(client.start())).toBe("\0alice\0sesame=,ü");
    expect(client.received(new Uint8Array(0))).toEqual({ type: "done" });
  });

  test("refuses what it could not send", () => {
    for (const [name, password] of [
      ["", "x"],
      ["x", ""],
      ["a\0b", "x"],
      ["x", "\0"],
    ]) {
      expect(() => new PlainClient(name, password)).toThrow("is empty or has a zero character");
    }
  });
});

describe("OAUTHBEARER", () => {
  test("sends the token and the extensions", () => {
    const client = new OAuthBearerClient("a.b.c", { logicalCluster: "lkc-1", pool: "p 2" });
    expect(sent(client.start())).toBe("n,,\u0001auth=Bearer a.b.c\u0001logicalCluster=lkc-1\u0001pool=p 2\u0001\u0001");
    expect(client.received(new Uint8Array(0))).toEqual({ type: "done" });
    expect(sent(new OAuthBearerClient("t").start())).toBe("n,,\u0001auth=Bearer t\u0001\u0001");
  });

  test("acknowledges a refusal, then tells it", () => {
    const client = new OAuthBearerClient("t");
    client.start();
    expect(sent(client.received(utf8('{"status":"invalid_token"}')))).toBe("\u0001");
    expect(() => client.received(new Uint8Array(0))).toThrow(
      'the broker refuses the token: {"status":"invalid_token"}',
    );
  });

  test("takes any answer with content for a refusal", () => {
    const client = new OAuthBearerClient("t");
    client.start();
    expect(sent(client.received(utf8("x")))).toBe("\u0001");
    expect(() => client.received(utf8("y"))).toThrow("the broker refuses the token: x");
  });

  test("refuses tokens and extensions that would break the message", () => {
    expect(() => new OAuthBearerClient("a\u0001b")).toThrow("characters that no token has");
    expect(() => new OAuthBearerClient("")).toThrow("the token is empty");
    expect(() => new OAuthBearerClient("t", { auth: "x" })).toThrow('"auth" is no name of a SASL extension');
    expect(() => new OAuthBearerClient("t", { "a-b": "x" })).toThrow("is no name");
    expect(() => new OAuthBearerClient("t", { a: "" })).toThrow("the SASL extension a is empty");
    expect(() => new OAuthBearerClient("t", { a: "x\u0001auth=Bearer y" })).toThrow("not in printable ASCII");
  });

  test("tokens tell their lifetimes", () => {
    const now = 1_700_000_000_500;
    const token = unsecuredToken({ sub: "alice", scope: ["a", "b"] }, 60, now);
    expect(bearerLifetime(token)).toEqual({ issuedAt: now, expiresAt: now + 60_000 });
    const [head, claims, signature] = token.split(".");
    expect(JSON.parse(Buffer.from(head, "base64url").toString())).toEqual({ alg: "none" });
    expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toMatchObject({ sub: "alice", scope: ["a", "b"] });
    expect(signature).toBe("");
    const of = (body: string) => bearerLifetime(`x.${Buffer.from(body).toString("base64url")}.y`);
    expect(of('{"exp":5}')).toEqual({ issuedAt: undefined, expiresAt: 5000 });
    for (const other of ['{"exp":"5"}', "{}", "null", "[", '{"iat":1}']) expect(of(other)).toBeUndefined();
    expect(bearerLifetime("opaque")).toBeUndefined();
  });
});
