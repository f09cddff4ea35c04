import { utf8 } from "@samsa/base";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ClaimRules,
  identityOf,
  OAuthBearerClient,
  OAuthBearerServer,
  SaslError,
  SaslRefusal,
  type SaslServerStep,
  type Verification,
} from "../src/index.ts";

const NOW = 1_000_000_000;
const RULES: ClaimRules = {
  audiences: ["kafka", "events"],
  issuer: "https://issuer",
  skewMs: 30_000,
  scopeClaim: "scope",
  userClaim: "sub",
};
const CLAIMS = { iss: "https://issuer", aud: "kafka", sub: "alice", iat: NOW / 1000 - 10, exp: NOW / 1000 + 60 };

const identity = (claims: object, rules: Partial<ClaimRules> = {}, now = NOW) =>
  identityOf(utf8(JSON.stringify({ ...CLAIMS, ...claims })), { ...RULES, ...rules }, now);

describe("the claims of a token", () => {
  test("name its user, and the end of its validity", () => {
    expect(identity({})).toEqual({ user: "alice", expiresAt: NOW + 60_000 });
    expect(identity({ sub: " alice " })).toMatchObject({ user: "alice" });
    expect(identity({ mail: "a@b" }, { userClaim: "mail" })).toMatchObject({ user: "a@b" });
    expect(identity({ aud: ["other", "events"] })).toMatchObject({ user: "alice" });
    expect(identity({ aud: undefined, iss: undefined }, { audiences: [], issuer: undefined })).toMatchObject({
      user: "alice",
    });
    expect(identity({ scope: ["read", "write"] })).toMatchObject({ user: "alice" });
    expect(identity({ scope: "read write" })).toMatchObject({ user: "alice" });
    expect(identity({ scope: [] })).toMatchObject({ user: "alice" });
    expect(identity({ exp: NOW / 1000 + 0.5 })).toMatchObject({ expiresAt: NOW + 500 });
  });

  test("hold within the difference of the clocks", () => {
    const { exp } = CLAIMS;
    expect(identity({}, {}, exp * 1000 + 29_999)).toMatchObject({ user: "alice" });
    expect(identity({}, {}, exp * 1000 + 30_000)).toHaveProperty("fault");
    expect(identity({}, { skewMs: 0 }, exp * 1000 - 1)).toMatchObject({ user: "alice" });
    expect(identity({}, { skewMs: 0 }, exp * 1000)).toHaveProperty("fault");
    expect(identity({ nbf: NOW / 1000 + 30 })).toMatchObject({ user: "alice" });
    expect(identity({ nbf: NOW / 1000 + 31 })).toHaveProperty("fault");
  });

  test.each<[object, RegExp, Partial<ClaimRules>?]>([
    [{ exp: undefined }, /exp/],
    [{ exp: null }, /exp/],
    [{ exp: "2000000000" }, /exp/],
    [{ exp: -1 }, /exp/],
    [{ iat: undefined }, /iat/],
    [{ iat: "1" }, /iat/],
    [{ iat: -1 }, /iat/],
    [{ nbf: "1" }, /nbf/],
    [{ nbf: null }, /nbf/],
    [{ iss: undefined }, /iss/],
    [{ iss: "https://issuer/" }, /iss/],
    [{ iss: ["https://issuer"] }, /iss/],
    [{ aud: undefined }, /aud/],
    [{ aud: "Kafka" }, /aud/],
    [{ aud: [] }, /aud/],
    [{ aud: [["kafka"]] }, /aud/],
    [{ aud: { kafka: 1 } }, /aud/],
    [{ sub: undefined }, /sub/],
    [{ sub: "" }, /sub/],
    [{ sub: "  " }, /sub/],
    [{ sub: 7 }, /sub/],
    [{ sub: ["alice"] }, /sub/],
    [{}, /constructor/, { userClaim: "constructor" }],
    [{ scope: "" }, /scope/],
    [{ scope: ["a", " "] }, /scope/],
    [{ scope: ["a", 1] }, /scope/],
    [{ scope: ["a", "a "] }, /twice/],
  ])("%j are refused", (claims, fault, rules) => {
    expect(identity(claims, rules)).toEqual({ fault: expect.stringMatching(fault) });
  });

  test.each(["", "null", "[]", "7", '"x"', "{"])("that are %j are none", text => {
    expect(identityOf(utf8(text), RULES, NOW)).toEqual({ fault: "its payload is no JSON object" });
  });

  test("never give a user if a single one of them is something else", () => {
    const names = fc.constantFrom("iss", "aud", "sub", "iat", "exp");
    fc.assert(
      fc.property(names, fc.jsonValue(), (name, value) => {
        const found = identity({ [name]: value });
        if ("fault" in found) return;
        // Values that are accepted are those of the rules.
        if (name === "iss") expect(value).toBe(CLAIMS.iss);
        if (name === "aud")
          expect([value].flat(1)).toSatisfy((all: unknown[]) => all.includes("kafka") || all.includes("events"));
        if (name === "sub") expect((value as string).trim()).toBe(found.user);
        if (name === "iat") expect(value).toBeGreaterThanOrEqual(0);
        if (name === "exp") expect((value as number) * 1000).toBeGreaterThan(NOW - RULES.skewMs);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("a server of OAUTHBEARER", () => {
  const first = (token: string, extensions?: Record<string, string>): Uint8Array => {
    const step = new OAuthBearerClient(token, extensions).start();
    if (step.type !== "send") throw new Error("the client begins");
    return step.bytes;
  };
  function verify(step: SaslServerStep): Extract<SaslServerStep, { type: "verify" }> {
    if (step.type !== "verify") throw new Error(`not ${step.type}`);
    return step;
  }
  const begun = (message: Uint8Array, outcome: Verification, server = new OAuthBearerServer()): SaslServerStep =>
    verify(server.received(message)).verified(outcome);
  const REFUSED = { refused: "invalid_token", reason: "it expired" };
  function refusal(work: () => unknown): SaslRefusal {
    try {
      work();
    } catch (error) {
      if (error instanceof SaslRefusal) return error;
      throw error;
    }
    throw new Error("it is not refused");
  }

  test("has the token verified", () => {
    expect(verify(new OAuthBearerServer().received(first("a.b.c", { traceId: "7" }))).token).toBe("a.b.c");
    expect(begun(first("a.b.c"), { user: "alice", expiresAt: 5 })).toEqual({
      ...{ type: "done", bytes: new Uint8Array(0) },
      identity: { user: "alice", expiresAt: 5 },
    });
  });

  test("tells why a token is refused, and ends with the client's next message, whatever that is", () => {
    for (const next of [Uint8Array.of(1), first("a.b.c"), new Uint8Array(0)]) {
      const server = new OAuthBearerServer();
      const client = new OAuthBearerClient("a.b.c");
      const step = begun(first("a.b.c"), REFUSED, server);
      expect(step).toEqual({ type: "challenge", bytes: utf8('{"status":"invalid_token"}') });
      expect(client.start().type).toBe("send");
      expect(client.received(utf8('{"status":"invalid_token"}'))).toEqual({ type: "send", bytes: Uint8Array.of(1) });
      const { message, told } = refusal(() => server.received(next));
      expect([message, told]).toEqual(["it expired", '{"status":"invalid_token"}']);
      expect(() => client.received(utf8("x"))).toThrow(SaslError);
    }
  });

  test("refuses to act for another user", () => {
    const as = (id: string): Uint8Array => utf8(`n,a=${id},\u0001auth=Bearer abc\u0001\u0001`);
    expect(refusal(() => begun(as("bob"), { user: "alice" })).told).toMatch(
      /different from the token's principal name \(alice\)/,
    );
    expect(begun(as("a=2Cb=3Dc"), { user: "a,b=c" })).toMatchObject({ type: "done" });
  });

  test.each([
    "",
    "\u0001",
    "n,,\u0001\u0001",
    "n,,\u0001auth=Basic abc\u0001\u0001",
    "n,,\u0001auth=Bearer\u0001\u0001",
    "n,,\u0001auth=Bearer abc\u0001",
    "n,,\u0001auth=Bearer a b\u0001\u0001",
    "n,,\u0001auth=Bearer abc\u0001auth=Bearer def\u0001\u0001",
    "y,,\u0001auth=Bearer abc\u0001\u0001",
    "n,a=,\u0001auth=Bearer abc\u0001\u0001",
  ])("refuses a message: %j", message => {
    expect(refusal(() => new OAuthBearerServer().received(utf8(message))).told).toBeUndefined();
  });
});
