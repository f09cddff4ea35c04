import { type Clock, toBase64 } from "@samsa/base";
import { nodeEnv } from "@samsa/node";
import { errorOf } from "@samsa/protocol";
import { BrokerConnection, type SaslCredentials } from "@samsa/wire";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TestBroker } from "./wire.ts";

const env = nodeEnv({ logger: { debug() {}, info() {}, warn() {}, error() {} } });
const MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule";
const USERS = ["root", "alice", "bob", "carl"].map(name => `user_${name}="pw"`).join(" ");
const SETTINGS = {
  listeners: "EXT://127.0.0.1:0,OPEN://127.0.0.1:0",
  "listener.security.protocol.map": "EXT:SASL_PLAINTEXT,OPEN:PLAINTEXT",
  "inter.broker.listener.name": "EXT",
  "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
  "sasl.mechanism.inter.broker.protocol": "PLAIN",
  "listener.name.ext.plain.sasl.jaas.config": `${MODULE} required username="root" password="pw" ${USERS};`,
  "connection.failed.authentication.delay.ms": "1",
  "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
  "super.users": "User:root",
  "delegation.token.secret.key": "a secret of the cluster",
};
const DAY = 86_400_000;

let ahead = 0;
const clock: Clock = {
  now: () => Math.floor(env.clock.now() + ahead),
  monotonic: () => env.clock.monotonic() + ahead,
};
let broker: TestBroker;
const open: BrokerConnection[] = [];

beforeEach(async () => {
  ahead = 0;
  broker = await TestBroker.start(SETTINGS, undefined, { clock });
});
afterEach(async () => {
  for (const connection of open.splice(0)) connection.close();
  await broker.stop();
});

async function connected(sasl: SaslCredentials | undefined, to = broker): Promise<BrokerConnection> {
  const { port = -1 } = to.node.advertised.get(sasl === undefined ? "OPEN" : "EXT") ?? {};
  const options = { clientId: "c", software: { name: "test", version: "1" }, setupTimeoutMs: 5000 };
  const connection = await BrokerConnection.connect(
    env,
    { host: "127.0.0.1", port },
    { ...options, security: { sasl } },
  );
  open.push(connection);
  return connection;
}

const as = (username: string, to = broker) => connected({ mechanism: "PLAIN", username, password: "pw" }, to);
const byToken = (tokenId: string, hmac: Uint8Array, mechanism: "SCRAM-SHA-256" | "SCRAM-SHA-512" = "SCRAM-SHA-512") =>
  connected({ mechanism, username: tokenId, password: toBase64(hmac), delegationToken: true });
const NEW = { ownerPrincipalType: null, ownerPrincipalName: null, renewers: [], maxLifetimeMs: -1 };
const user = (principalName: string) => ({ principalType: "User", principalName });

async function created(connection: BrokerConnection, more: object = {}) {
  const answer = await connection.call("CreateDelegationToken", { ...NEW, ...more });
  return { ...answer, error: errorOf(answer.errorCode).name };
}

/** Error and ids of the tokens that the client of a connection sees. */
async function seen(connection: BrokerConnection, owners: readonly string[] | null = null) {
  const { errorCode, tokens } = await connection.call("DescribeDelegationToken", {
    owners: owners === null ? null : owners.map(user),
  });
  return { error: errorOf(errorCode).name, tokens, ids: tokens.map(({ tokenId }) => tokenId).toSorted() };
}

async function permit(operation: number, resourceType: number, resourceName: string, principal: string) {
  const acl = {
    resourceType,
    resourceName,
    resourcePatternType: 3,
    principal,
    host: "*",
    operation,
    permissionType: 3,
  };
  const { results } = await (await as("root")).call("CreateAcls", { creations: [acl] });
  expect(results).toMatchObject([{ errorCode: 0 }]);
}

describe("a delegation token", () => {
  test.each(["SCRAM-SHA-256", "SCRAM-SHA-512"] as const)("stands for its owner with %s", async mechanism => {
    const token = await created(await as("alice"), { renewers: [user("bob")] });
    expect(token).toMatchObject({ error: "NONE", principalName: "alice", tokenRequesterPrincipalName: "alice" });
    for (let i = 0; i < 2; i++) {
      const client = await byToken(token.tokenId, token.hmac, mechanism);
      expect((await client.call("Metadata", { topics: null })).errorCode).toBe(0);
    }
    // Resources of alice are those of her token.
    await permit(8, 4, "kafka-cluster", "User:alice");
    const client = await byToken(token.tokenId, token.hmac, mechanism);
    expect((await client.call("DescribeUserScramCredentials", { users: null })).errorCode).toBe(0);
    const other = await created(await as("bob"));
    const stranger = await byToken(other.tokenId, other.hmac, mechanism);
    const { errorCode } = await stranger.call("DescribeUserScramCredentials", { users: null });
    expect(errorOf(errorCode).name).toBe("CLUSTER_AUTHORIZATION_FAILED");
  });

  test("is refused with another HMAC, by another id and as the name of a user, all with the same words", async () => {
    const { tokenId, hmac } = await created(await as("alice"));
    const other = await created(await as("alice"));
    const words =
      /Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-512/;
    await expect(byToken(tokenId, other.hmac)).rejects.toThrow(words);
    await expect(byToken(other.tokenId, hmac)).rejects.toThrow(words);
    await expect(byToken("nothing", hmac)).rejects.toThrow(words);
    await expect(byToken("alice", hmac)).rejects.toThrow(words);
    const asUser = { mechanism: "SCRAM-SHA-512", username: tokenId, password: toBase64(hmac) } as const;
    await expect(connected(asUser)).rejects.toThrow(words);
  });

  test("makes no other tokens; nor does a client in clear text", async () => {
    const { tokenId, hmac } = await created(await as("alice"));
    for (const client of [await byToken(tokenId, hmac), await connected(undefined)]) {
      expect(await created(client)).toMatchObject({
        ...{ error: "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", issueTimestampMs: -1, tokenId: "" },
      });
      expect((await seen(client)).error).toBe("DELEGATION_TOKEN_REQUEST_NOT_ALLOWED");
      const renewed = await client.call("RenewDelegationToken", { hmac, renewPeriodMs: -1 });
      const ended = await client.call("ExpireDelegationToken", { hmac, expiryTimePeriodMs: -1 });
      for (const { errorCode, expiryTimestampMs } of [renewed, ended]) {
        expect([errorOf(errorCode).name, expiryTimestampMs]).toEqual(["DELEGATION_TOKEN_REQUEST_NOT_ALLOWED", -1]);
      }
    }
  });

  test("ends its sessions when it is over, and is refused from then on", async () => {
    const { tokenId, hmac } = await created(await as("alice"), { maxLifetimeMs: 60_000 });
    const client = await byToken(tokenId, hmac);
    ahead += 59_000;
    expect((await client.call("Metadata", { topics: null })).errorCode).toBe(0);
    ahead += 1500;
    await expect(client.call("Metadata", { topics: null })).rejects.toThrow();
    await expect(byToken(tokenId, hmac)).rejects.toThrow(/invalid credentials/);
  });

  test("is renewed by a renewer, and ended by its owner", async () => {
    const { tokenId, hmac, expiryTimestampMs } = await created(await as("alice"), { renewers: [user("bob")] });
    ahead += DAY / 2;
    const renewed = await (await as("bob")).call("RenewDelegationToken", { hmac, renewPeriodMs: -1 });
    expect(Number(renewed.expiryTimestampMs)).toBeGreaterThan(Number(expiryTimestampMs));
    ahead += DAY - 60_000;
    const client = await byToken(tokenId, hmac);
    const refused = await (await as("carl")).call("ExpireDelegationToken", { hmac, expiryTimePeriodMs: -1 });
    expect(errorOf(refused.errorCode).name).toBe("DELEGATION_TOKEN_OWNER_MISMATCH");
    expect((await (await as("alice")).call("ExpireDelegationToken", { hmac, expiryTimePeriodMs: -1 })).errorCode).toBe(
      0,
    );
    await expect.poll(() => byToken(tokenId, hmac).catch(String)).toMatch(/invalid credentials/);
    expect((await client.call("Metadata", { topics: null })).errorCode, "its session goes on, as in Kafka").toBe(0);
  });

  test("is seen by its owner, its renewers and those who may", async () => {
    const one = await created(await as("alice"), { renewers: [user("bob")] });
    const two = await created(await as("alice"));
    const three = await created(await as("carl"));
    const ids = (...tokens: { readonly tokenId: string }[]) => tokens.map(({ tokenId }) => tokenId).toSorted();
    await expect.poll(async () => (await seen(await as("root"))).ids).toEqual(ids(one, two, three));
    expect((await seen(await as("alice"))).ids).toEqual(ids(one, two));
    expect((await seen(await as("bob"))).ids).toEqual(ids(one));
    expect((await seen(await as("root"), ["bob"])).ids).toEqual(ids(one));
    expect((await seen(await as("root"), ["carl", "nobody"])).ids).toEqual(ids(three));
    expect((await seen(await as("root"), [])).ids).toEqual([]);
    await permit(8, 6, three.tokenId, "User:bob");
    expect((await seen(await as("bob"))).ids).toEqual(ids(one, three));
    await permit(14, 7, "User:alice", "User:bob");
    expect((await seen(await as("bob"))).ids).toEqual(ids(one, two, three));
    const { tokens } = await seen(await as("carl"));
    expect(tokens).toMatchObject([
      {
        ...{ principalType: "User", principalName: "carl", tokenRequesterPrincipalName: "carl", renewers: [] },
        ...{ tokenId: three.tokenId, hmac: three.hmac, expiryTimestamp: three.expiryTimestampMs },
      },
    ]);
  });

  test("is made for another owner by those who may, and has users as renewers only", async () => {
    const forAlice = { ownerPrincipalType: "User", ownerPrincipalName: "alice" };
    const bob = await as("bob");
    expect(await created(bob, forAlice)).toMatchObject({
      ...{ error: "DELEGATION_TOKEN_AUTHORIZATION_FAILED", principalName: "alice", tokenRequesterPrincipalName: "bob" },
    });
    await permit(13, 7, "User:alice", "User:bob");
    const token = await created(bob, forAlice);
    expect(token).toMatchObject({ error: "NONE", principalName: "alice", tokenRequesterPrincipalName: "bob" });
    expect((await seen(await as("alice"))).ids).toEqual([token.tokenId]);
    expect((await seen(bob)).ids, "whoever has asked for it does not own it").toEqual([]);
    const renewers = [{ principalType: "Group", principalName: "x" }];
    const refused = { error: "INVALID_PRINCIPAL_TYPE", principalName: "bob", issueTimestampMs: -1 };
    expect(await created(bob, { renewers })).toMatchObject(refused);
  });

  test("outlives a restart, with its secret only", async () => {
    const { tokenId, hmac } = await created(await as("alice"));
    for (const connection of open.splice(0)) connection.close();
    await broker.node.close();
    broker = await TestBroker.start(SETTINGS, broker.directory, { clock });
    expect((await (await byToken(tokenId, hmac)).call("Metadata", { topics: null })).errorCode).toBe(0);
    for (const connection of open.splice(0)) connection.close();
    await broker.node.close();
    broker = await TestBroker.start({ ...SETTINGS, "delegation.token.secret.key": "another" }, broker.directory);
    await expect(byToken(tokenId, hmac)).rejects.toThrow(/invalid credentials/);
  });
});

test("without a secret there are no tokens", async () => {
  const without = await TestBroker.start({ ...SETTINGS, "delegation.token.secret.key": "" });
  const alice = await as("alice", without);
  expect(await created(alice)).toMatchObject({ error: "DELEGATION_TOKEN_AUTH_DISABLED", issueTimestampMs: 0 });
  // A broker looks at renewers first; the controller knows whether there are tokens.
  const renewers = [{ principalType: "Group", principalName: "x" }];
  expect((await created(alice, { renewers })).error).toBe("INVALID_PRINCIPAL_TYPE");
  expect((await seen(alice)).error).toBe("DELEGATION_TOKEN_AUTH_DISABLED");
  for (const connection of open.splice(0)) connection.close();
  await without.stop();
});
