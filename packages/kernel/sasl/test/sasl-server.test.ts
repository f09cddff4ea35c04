import * as crypto from "node:crypto";
import { fromUtf8, type HashName, utf8 } from "@samsa/base";
import {
  PlainClient,
  PlainServer,
  SaslRefusal,
  type SaslServer,
  type SaslServerStep,
  type TokenCredential,
  type SaslStep,
  ScramClient,
  type ScramCredential,
  ScramServer,
  type ScramServerOptions,
} from "@samsa/sasl";
import { blockingHashes } from "@samsa/node";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { stored } from "./scram-server.ts";

const NAMES = { "SHA-256": "sha256", "SHA-512": "sha512" } as const;
const SECRET = utf8("a secret of the process");

function scramServer(change: Partial<ScramServerOptions> = {}): ScramServer {
  return new ScramServer({
    hash: "SHA-256",
    hashes: blockingHashes,
    credentialOf: () => undefined,
    nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
    secret: SECRET,
    ...change,
  });
}

/** Text of a challenge. */
function challenge(step: SaslServerStep): string {
  if (step.type !== "challenge") throw new Error(`a step ${step.type}`);
  return fromUtf8(step.bytes);
}

const sentBy = (step: SaslStep): Uint8Array => {
  if (step.type !== "send") throw new Error(`a step ${step.type}`);
  return step.bytes;
};

/** Plays an exchange of our client with a server; returns the last step of the server. */
function played(client: ScramClient, server: SaslServer): SaslServerStep {
  const first = server.received(sentBy(client.start()));
  const step = client.received(utf8(challenge(first)));
  if (step.type !== "derive") throw new Error(`a step ${step.type}`);
  const { hash, password, salt, iterations } = step;
  const key = crypto.pbkdf2Sync(password, salt, iterations, hash === "SHA-256" ? 32 : 64, NAMES[hash]);
  return server.received(sentBy(client.derived(key)));
}

/** Refusal that a call ends with, as the client gets to know it. */
function refusal(call: () => unknown): string | undefined {
  try {
    call();
  } catch (error) {
    if (error instanceof SaslRefusal) return error.told ?? "invalid credentials";
    throw error;
  }
  return undefined;
}

describe("a server of SCRAM", () => {
  test("has the messages of RFC 7677", () => {
    const salt = Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64");
    const key = crypto.pbkdf2Sync("pencil", salt, 4096, 32, "sha256");
    const hmac = (text: string) => blockingHashes.hmac("SHA-256", key, utf8(text));
    const storedKey = blockingHashes.hash("SHA-256", hmac("Client Key"));
    const credential = { salt, iterations: 4096, storedKey, serverKey: hmac("Server Key") };
    const server = scramServer({ credentialOf: name => (name === "user" ? credential : undefined) });
    const first = challenge(server.received(utf8("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")));
    expect(first).toBe("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    const proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const last = server.received(utf8(`c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=${proof}`));
    expect(last).toEqual({
      type: "done",
      bytes: utf8("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
      identity: { user: "user" },
    });
  });

  test("agrees with our client about every name and password, and only with the right password", () => {
    const text = fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" }).filter(one => !one.includes("\0"));
    fc.assert(
      fc.property(text, text, text, fc.constantFrom<HashName>("SHA-256", "SHA-512"), (username, right, tried, hash) => {
        const server = scramServer({
          hash,
          credentialOf: name => (name === username ? stored(hash, right) : undefined),
        });
        const client = new ScramClient(blockingHashes, { hash, username, password: tried, nonce: "abcdef" });
        if (tried !== right) {
          expect(refusal(() => played(client, server))).toBe("invalid credentials");
          return;
        }
        const step = played(client, server);
        if (step.type !== "done") throw new Error(`a step ${step.type}`);
        expect(step.identity).toEqual({ user: username });
        expect(client.received(step.bytes)).toEqual({ type: "done" });
      }),
      { numRuns: 50 },
    );
  });

  test("says nothing about which users there are", () => {
    const client = (username: string): ScramClient =>
      new ScramClient(blockingHashes, { hash: "SHA-256", username, password: "guessed", nonce: "abcdef" });
    const firstFor = (username: string): string =>
      challenge(scramServer({ nonce: "xyz" }).received(sentBy(client(username).start())));
    expect(firstFor("nobody")).toMatch(/^r=abcdefxyz,s=[A-Za-z0-9+/=]{24},i=4096$/);
    expect(firstFor("nobody"), "the salt of a user stays the same").toBe(firstFor("nobody"));
    expect(firstFor("nobody")).not.toBe(firstFor("somebody"));
    expect(refusal(() => played(client("nobody"), scramServer()))).toBe("invalid credentials");
  });

  test("refuses a credential with too few iterations", () => {
    const weak: ScramCredential = stored("SHA-256", "pw", 1000);
    const server = scramServer({ credentialOf: () => weak });
    const client = new ScramClient(blockingHashes, { hash: "SHA-256", username: "u", password: "pw", nonce: "abc" });
    expect(refusal(() => played(client, server))).toBe("invalid credentials");
  });

  test("asks for the credential of a delegation token, and knows no user by its id, nor a token by a user's name", () => {
    const ofUser = { credentialOf: () => stored("SHA-256", "hmac") };
    const token = { ...stored("SHA-256", "hmac"), owner: "alice", expiresAt: 77 };
    const client = (delegationToken: boolean, password = "hmac"): ScramClient =>
      new ScramClient(blockingHashes, {
        ...{ hash: "SHA-256", username: "token-1", password, nonce: "abc", delegationToken },
      });
    const finding = (found: TokenCredential | undefined, server = scramServer(ofUser)): SaslServer => ({
      received(message) {
        const step = server.received(message);
        if (step.type !== "find") return step;
        expect(step.tokenId).toBe("token-1");
        return step.found(found);
      },
    });
    expect(played(client(true), finding(token))).toMatchObject({
      ...{ type: "done", identity: { user: "alice", expiresAt: 77, byToken: true } },
    });
    expect(refusal(() => played(client(true, "other"), finding(token)))).toBe("invalid credentials");
    expect(refusal(() => played(client(true), finding(undefined)))).toBe("invalid credentials");
    expect(played(client(false), finding(token))).toMatchObject({ type: "done", identity: { user: "token-1" } });
  });

  test.each([
    ["y,,n=user,r=abc"],
    ["p=tls-unique,,n=user,r=abc"],
    ["n,,r=abc"],
    ["n,,n=us=er,r=abc"],
    ["n,,n=user,r=a,c"],
    ["n,,m=ext,n=user,r=abc"],
    [""],
  ])("refuses a first message: %s", message => {
    expect(refusal(() => scramServer().received(utf8(message)))).toBe("invalid credentials");
  });

  test.each([
    ["another nonce", "c=biws,r=abcd,p=AAAA"],
    ["another channel binding", "c=eSws,r=abcxyz,p=AAAA"],
    ["a proof that is too short", "c=biws,r=abcxyz,p=AAAA"],
    ["no proof", "c=biws,r=abcxyz"],
  ])("refuses a last message with %s", (_what, message) => {
    const server = scramServer({ nonce: "xyz", credentialOf: () => stored("SHA-256", "pw") });
    server.received(utf8("n,,n=user,r=abc"));
    expect(refusal(() => server.received(utf8(message)))).toBe("invalid credentials");
  });

  test("refuses to act for another user", () => {
    const server = scramServer({ credentialOf: () => stored("SHA-256", "pw") });
    expect(refusal(() => server.received(utf8("n,a=bob,n=alice,r=abc")))).toMatch(/different from username$/);
  });
});

describe("a server of PLAIN", () => {
  const passwords = new Map([
    ["alice", "secret"],
    ["empty", ""],
  ]);
  const server = (): PlainServer =>
    new PlainServer(
      name => passwords.get(name),
      bytes => blockingHashes.hash("SHA-256", bytes),
    );
  const message = (text: string): Uint8Array => utf8(text.replaceAll("|", "\0"));

  test("knows a user with the right password", () => {
    expect(server().received(sentBy(new PlainClient("alice", "secret").start()))).toEqual({
      ...{ type: "done", bytes: new Uint8Array(0) },
      identity: { user: "alice" },
    });
    expect(server().received(message("alice|alice|secret"))).toMatchObject({ type: "done" });
  });

  test.each([
    ["|alice|wrong", "Authentication failed: Invalid username or password"],
    ["|bob|secret", "Authentication failed: Invalid username or password"],
    ["|alice|secret2", "Authentication failed: Invalid username or password"],
    ["bob|alice|secret", /authorization id that is different from username/],
    ["ALICE|alice|secret", /authorization id that is different from username/],
    ["|Alice|secret", "Authentication failed: Invalid username or password"],
    ["|empty|", "Authentication failed: password not specified"],
    ["||secret", "Authentication failed: username not specified"],
    ["||", "Authentication failed: username not specified"],
    ["alice|secret", "Invalid SASL/PLAIN response: expected 3 tokens, got 2"],
    ["|alice|secret|more", "Invalid SASL/PLAIN response: expected 3 tokens, got 4"],
    ["|alice|secret|more|and more", "Invalid SASL/PLAIN response: expected 3 tokens, got 4"],
    ["", "Invalid SASL/PLAIN response: expected 3 tokens, got 1"],
  ])("refuses %s", (text, told) => {
    expect(refusal(() => server().received(message(text)))).toMatch(told);
  });

  test("refuses unknown users even if all passwords look alike", () => {
    const blind = new PlainServer(
      name => passwords.get(name),
      () => new Uint8Array(32),
    );
    expect(blind.received(message("|alice|wrong"))).toMatchObject({ type: "done" });
    expect(refusal(() => blind.received(message("|bob|wrong")))).toMatch(/Invalid username or password/);
  });
});
