import { nearestNumber, toBase64, type Uuid } from "@samsa/base";
import { METADATA_VERSION } from "@samsa/metadata";
import { blockingHashes } from "@samsa/node";
import { Errors } from "@samsa/protocol";
import { TokenSecret } from "@samsa/sasl";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { bootstrapRecords, type TokenSettings } from "../src/index.ts";
import { EPOCH_MS, FEATURES, Fixture } from "./fixture.ts";

const DAY = 86_400_000;
const tokens: TokenSettings = {
  secret: new TokenSecret(blockingHashes, "secret"),
  maxLifetimeMs: 7 * DAY,
  renewMs: DAY,
  checkMs: 3_600_000,
};
const NEW = { ownerPrincipalType: null, ownerPrincipalName: null, renewers: [], maxLifetimeMs: -1 };
const user = (principalName: string) => ({ principalType: "User", principalName });
const code = (name: keyof typeof Errors): number => Errors[name].code;

function begun(settings: TokenSettings, metadataVersion: number = METADATA_VERSION.latest): Fixture {
  const started = new Fixture();
  started.append(bootstrapRecords({ metadataVersion, features: FEATURES }));
  started.takeOver({ tokens: settings });
  return started;
}

let fixture: Fixture;
beforeEach(() => {
  fixture = begun(tokens);
});

const create = (more: Partial<typeof NEW> = {}, requester = "alice") =>
  fixture.run("CreateDelegationToken", { ...NEW, ...more, requester });
const renew = (hmac: Uint8Array, requester = "alice", renewPeriodMs = -1) =>
  fixture.run("RenewDelegationToken", { hmac, renewPeriodMs, requester });
const expire = (hmac: Uint8Array, requester = "alice", expiryTimePeriodMs = -1) =>
  fixture.run("ExpireDelegationToken", { hmac, expiryTimePeriodMs, requester });
const now = (): number => EPOCH_MS + fixture.now;
const held = (): string[] => [...fixture.controller.image.delegationTokens.keys()];

describe("a token", () => {
  test("is created for its requester, or for another owner", () => {
    const own = create({ renewers: [user("bob")] as never });
    expect(own).toMatchObject({
      ...{ errorCode: 0, principalType: "User", principalName: "alice", tokenRequesterPrincipalName: "alice" },
      ...{ issueTimestampMs: now(), expiryTimestampMs: now() + DAY, maxTimestampMs: now() + 7 * DAY },
    });
    expect(toBase64(own.hmac)).toBe(toBase64(tokens.secret.hmacOf(own.tokenId)));
    expect(own.hmac.length).toBe(64);
    expect(fixture.controller.image.delegationTokens.get(own.tokenId)).toMatchObject({
      ...{ owner: "User:alice", requester: "User:alice", renewers: ["User:bob"] },
    });
    const other = { ownerPrincipalType: "User", ownerPrincipalName: "carl" } as never;
    expect(create(other)).toMatchObject({ principalName: "carl", tokenRequesterPrincipalName: "alice" });
  });

  test("lives no longer than the settings allow", () => {
    expect(create({ maxLifetimeMs: 1000 })).toMatchObject({
      maxTimestampMs: now() + 1000,
      expiryTimestampMs: now() + 1000,
    });
    expect(create({ maxLifetimeMs: 2 ** 52 })).toMatchObject({ maxTimestampMs: now() + 7 * DAY });
    expect(create({ maxLifetimeMs: 0 })).toMatchObject({ maxTimestampMs: now() + 7 * DAY });
    const endless = { ...tokens, maxLifetimeMs: 2 ** 63, renewMs: 2 ** 63 };
    fixture.takeOver({ tokens: endless });
    const last = 2n ** 63n - 1n;
    expect(create()).toMatchObject({ maxTimestampMs: last, expiryTimestampMs: last });
  });

  test("may be renewed by its owner and its renewers until its life is over", () => {
    const { hmac } = create({ renewers: [user("bob")] as never });
    const end = now() + 7 * DAY;
    fixture.now += DAY;
    expect(renew(hmac, "bob")).toMatchObject({ errorCode: 0, expiryTimestampMs: now() + DAY });
    expect(renew(hmac, "carl").errorCode).toBe(code("DELEGATION_TOKEN_OWNER_MISMATCH"));
    expect(renew(hmac, "alice", 1000)).toMatchObject({ expiryTimestampMs: now() + 1000 });
    expect(renew(hmac, "alice", 2 * DAY)).toMatchObject({ expiryTimestampMs: now() + DAY });
    for (let i = 0; i < 6; i++) {
      fixture.now += DAY - 1;
      expect(renew(hmac).expiryTimestampMs).toBe(Math.min(end, now() + DAY));
    }
    fixture.now = end - EPOCH_MS;
    expect(renew(hmac).errorCode, "in the last ms").toBe(0);
    fixture.now++;
    expect(renew(hmac).errorCode).toBe(code("DELEGATION_TOKEN_EXPIRED"));
    expect(renew(new Uint8Array(64)).errorCode).toBe(code("DELEGATION_TOKEN_NOT_FOUND"));
  });

  test("is ended at once, or at a time, by its owner and its renewers", () => {
    const { hmac, tokenId } = create({ renewers: [user("bob")] as never });
    expect(expire(hmac, "carl").errorCode).toBe(code("DELEGATION_TOKEN_OWNER_MISMATCH"));
    expect(expire(hmac, "bob", 1000)).toMatchObject({ errorCode: 0, expiryTimestampMs: now() + 1000 });
    expect(expire(hmac, "alice", 30 * DAY)).toMatchObject({ expiryTimestampMs: now() + 7 * DAY });
    expect(expire(hmac, "alice", 0)).toMatchObject({ errorCode: 0, expiryTimestampMs: now() });
    fixture.now++;
    expect(expire(hmac, "alice", 5).errorCode).toBe(code("DELEGATION_TOKEN_EXPIRED"));
    expect(held()).toEqual([tokenId]);
    expect(expire(hmac)).toMatchObject({ errorCode: 0, expiryTimestampMs: now() });
    expect(held()).toEqual([]);
    expect(expire(hmac).errorCode).toBe(code("DELEGATION_TOKEN_NOT_FOUND"));
  });

  test("is removed some time after it is over", () => {
    const ids = [1000, 2000, 7_200_000].map(maxLifetimeMs => create({ maxLifetimeMs }).tokenId);
    fixture.now = 3_599_999;
    expect(fixture.tick()).toBeUndefined();
    fixture.now++;
    expect(fixture.tick()).toMatchObject({ task: "expireDelegationTokens" });
    expect(held()).toEqual([ids[2]]);
    fixture.now += 3_600_000;
    expect(fixture.tick(), "its last ms").toBeUndefined();
    fixture.now += 3_600_000;
    expect(fixture.tick()?.records.length).toBe(1);
    expect(held()).toEqual([]);
  });

  test("is removed with others, a thousand at a time", () => {
    for (let i = 0; i < 1500; i++) create({ maxLifetimeMs: 1 });
    fixture.now = 3_600_000;
    expect(fixture.tick()?.records.length).toBe(1000);
    expect(fixture.controller.nextDeadline).toBeLessThanOrEqual(fixture.now + 10);
    fixture.now += 10;
    expect(fixture.tick()?.records.length).toBe(500);
  });

  test("is refused without a secret, at an old metadata.version, and with a renewer that is no user", () => {
    expect(create({ renewers: [{ principalType: "Group", principalName: "x" }] as never }).errorCode).toBe(
      code("INVALID_PRINCIPAL_TYPE"),
    );
    fixture.takeOver({ tokens: undefined });
    const hmac = new Uint8Array(64);
    const disabled = code("DELEGATION_TOKEN_AUTH_DISABLED");
    expect([create().errorCode, renew(hmac).errorCode, expire(hmac).errorCode]).toEqual(Array(3).fill(disabled));
    fixture = begun(tokens, METADATA_VERSION.delegationTokens - 1);
    const old = code("UNSUPPORTED_VERSION");
    expect([create().errorCode, renew(hmac).errorCode, expire(hmac).errorCode]).toEqual(Array(3).fill(old));
  });
});

test("tokens are what a list of them says, whatever is asked", () => {
  interface Entry {
    readonly id: Uuid | string;
    readonly hmac: Uint8Array;
    readonly owner: string;
    readonly renewers: readonly string[];
    readonly max: number;
    until: number;
  }
  const name = fc.constantFrom("alice", "bob", "carl");
  const period = fc.constantFrom(-1, 0, 1, 500, 5000, DAY);
  const step = fc.oneof(
    fc.record({ kind: fc.constant("create" as const), name, renewers: fc.array(name, { maxLength: 2 }), period }),
    fc.record({ kind: fc.constantFrom("renew" as const, "expire" as const), name, at: fc.nat(5), period }),
    fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(1, 400, 5000, 3_600_000) }),
  );
  const settings = { ...tokens, maxLifetimeMs: 10_000, renewMs: 3000 };
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      fixture = begun(settings);
      const model: Entry[] = [];
      let sweepAt = fixture.now + settings.checkMs;
      for (const next of steps) {
        if (next.kind === "wait") {
          fixture.now += next.ms;
          while (fixture.tick() !== undefined);
          if (fixture.now >= sweepAt) {
            sweepAt = fixture.now + settings.checkMs;
            for (const one of model.filter(({ until }) => until < now())) model.splice(model.indexOf(one), 1);
          }
        } else if (next.kind === "create") {
          const made = create({ renewers: next.renewers.map(user) as never, maxLifetimeMs: next.period }, next.name);
          const max = now() + (next.period > 0 ? Math.min(next.period, 10_000) : 10_000);
          const until = Math.min(max, now() + 3000);
          expect([made.maxTimestampMs, made.expiryTimestampMs]).toEqual([max, until]);
          model.push({ id: made.tokenId, hmac: made.hmac, owner: next.name, renewers: next.renewers, max, until });
        } else {
          const entry = model[next.at];
          const hmac = entry?.hmac ?? new Uint8Array(64).fill(next.at);
          const may = entry !== undefined && [entry.owner, ...entry.renewers].includes(next.name);
          const isOver = entry !== undefined && entry.until < now();
          if (next.kind === "renew") {
            const answer = renew(hmac, next.name, next.period);
            if (entry === undefined) expect(answer.errorCode).toBe(code("DELEGATION_TOKEN_NOT_FOUND"));
            else if (isOver) expect(answer.errorCode).toBe(code("DELEGATION_TOKEN_EXPIRED"));
            else if (!may) expect(answer.errorCode).toBe(code("DELEGATION_TOKEN_OWNER_MISMATCH"));
            else {
              entry.until = Math.min(entry.max, now() + (next.period > 0 ? Math.min(next.period, 3000) : 3000));
              expect(answer).toMatchObject({ errorCode: 0, expiryTimestampMs: entry.until });
            }
          } else {
            const answer = expire(hmac, next.name, next.period);
            if (entry === undefined) expect(answer.errorCode).toBe(code("DELEGATION_TOKEN_NOT_FOUND"));
            else if (!may) expect(answer.errorCode).toBe(code("DELEGATION_TOKEN_OWNER_MISMATCH"));
            else if (next.period < 0) model.splice(next.at, 1);
            else if (isOver) expect(answer.errorCode).toBe(code("DELEGATION_TOKEN_EXPIRED"));
            else {
              entry.until = Math.min(entry.max, now() + next.period);
              expect(answer).toMatchObject({ errorCode: 0, expiryTimestampMs: entry.until });
            }
          }
        }
        expect(held().toSorted()).toEqual(model.map(({ id }) => id).toSorted());
        for (const { id, until } of model) {
          const found = fixture.controller.image.delegationTokens.get(id);
          expect(nearestNumber(found?.expirationTimestamp ?? -1)).toBe(until);
        }
      }
    }),
    { numRuns: 200 },
  );
});
