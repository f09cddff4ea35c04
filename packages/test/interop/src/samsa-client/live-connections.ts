/** Stories of connections that stay open while what their clients may do changes. */
import { setTimeout } from "node:timers/promises";
import { toBase64 } from "@samsa/base";
import { BearerTokens, type RawConnection, type SaslCredentials, WireError } from "@samsa/wire";
import { credentialOf, deletionOf, type Login, renewed } from "../cluster/cluster-security.ts";
import { until } from "../processes/until.ts";
import { type SecuredBroker, type SecuredListener, SESSION_MS } from "./secured-broker.ts";
import { connect } from "../differential/connection.ts";

/** Story: what the client sees, step by step, which must be the same at both vendors. */
export interface LiveStory {
  readonly name: string;
  readonly tell: (secured: SecuredBroker) => Promise<readonly string[]>;
}

const WAIT_MS = 10_000;
/** Least time between the beginnings of two re-authentications of a connection, with a margin. */
const AGAIN_MS = 1200;
const CLOSED_MS = 5000;
const TOKEN_S = 3;
/** Codes of requests about ACLs. */
const [LITERAL, ALL, ALLOW] = [3, 2, 3];
const [TOPIC, GROUP] = [2, 3];
const FETCH = { maxWaitMs: 0, minBytes: 1, maxBytes: 1 << 20, isolationLevel: 0, sessionId: 0, sessionEpoch: -1 };

const ALICE = { mechanism: "PLAIN", username: "alice", password: "alice-secret" } as const;

/** User of SCRAM with a name of its own. */
const userOf = (username: string): Login => renewed({ mechanism: "SCRAM-SHA-256", username, password: "" });

/** Token of the issuer, as credentials. */
function bearer({ issuer }: SecuredBroker, subject: string, seconds: number): SaslCredentials {
  const token = issuer.token(subject, seconds);
  return { mechanism: "OAUTHBEARER", tokens: new BearerTokens(() => Promise.resolve(token)) };
}

function open(secured: SecuredBroker, listener: SecuredListener, sasl: SaslCredentials): Promise<RawConnection> {
  const tls = listener === "SASL_CLEAR" ? undefined : { ca: secured.authority.cert };
  return connect(secured.server(listener), { security: { tls, sasl }, timeoutMs: CLOSED_MS });
}

/** Outcome of a login: its session, or the reason of the refusal without the vendor's address. */
async function told(login: Promise<unknown>): Promise<string> {
  try {
    await login;
    return "accepted";
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return `${error.code}${/: (.*)$/.exec(error.message)?.[0] ?? ""}`;
  }
}

/** Outcome of another login on a connection. */
const again = (wire: RawConnection, sasl: SaslCredentials): Promise<string> => told(wire.authenticate(sasl));

/** Outcome of a login on a new connection. */
async function fresh(secured: SecuredBroker, listener: SecuredListener, sasl: SaslCredentials): Promise<string> {
  const login = open(secured, listener, sasl);
  const outcome = await told(login);
  if (outcome === "accepted") (await login).close();
  return outcome;
}

/** "served", or how the connection ends. */
async function served(wire: RawConnection): Promise<string> {
  try {
    await wire.ask("Metadata", 9, { topics: [] });
    return "served";
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return error.code;
  }
}

/** Administrator, who needs no login at the listener in clear text. */
async function withAdmin<R>(secured: SecuredBroker, body: (admin: RawConnection) => Promise<R>): Promise<R> {
  const admin = await connect(secured.server("CLEAR"));
  try {
    return await body(admin);
  } finally {
    admin.close();
  }
}

/** Changes a credential, and waits until a new connection with `login` is accepted, or is not. */
async function alter(secured: SecuredBroker, body: object, [login, wanted]: readonly [Login, boolean]): Promise<void> {
  await withAdmin(secured, async admin => {
    const { results } = await admin.ask("AlterUserScramCredentials", 0, body);
    if (results.some(({ errorCode }) => errorCode !== 0)) throw new Error(`refused: ${results[0]?.errorMessage}`);
  });
  const isIn = async (): Promise<boolean> => (await fresh(secured, "SASL_TLS", login)) === "accepted";
  await until(`${login.username} ${wanted ? "can" : "cannot"} log in`, async () => (await isIn()) === wanted, WAIT_MS);
}

const makeUser = (secured: SecuredBroker, login: Login): Promise<void> =>
  alter(secured, credentialOf(login), [login, true]);
const removeUser = (secured: SecuredBroker, login: Login): Promise<void> =>
  alter(secured, deletionOf(login), [login, false]);

/** Makes a topic, and the coordinator of the group of its name. */
async function createTopic(secured: SecuredBroker, name: string): Promise<void> {
  await withAdmin(secured, async admin => {
    const asked = { key: name, keyType: 0 };
    const isThere = async (): Promise<boolean> => (await admin.ask("FindCoordinator", 3, asked)).errorCode === 0;
    await until("a coordinator", isThere, WAIT_MS);
    await admin.ask("CreateTopics", 7, {
      ...{ topics: [{ name, numPartitions: 1, replicationFactor: 1 }], timeoutMs: 5000, validateOnly: false },
    });
    await until(
      name,
      async () => {
        const { topics } = await admin.ask("Metadata", 9, { topics: [{ name }] });
        return topics[0]?.partitions[0]?.errorCode === 0;
      },
      WAIT_MS,
    );
  });
}

/** Allows a user everything with the topic and the group of a name. */
async function allow(secured: SecuredBroker, username: string, name: string): Promise<void> {
  const creations = [TOPIC, GROUP].map(resourceType => ({
    ...{ resourceType, resourceName: name, resourcePatternType: LITERAL },
    ...{ principal: `User:${username}`, host: "*", operation: ALL, permissionType: ALLOW },
  }));
  await withAdmin(secured, admin => admin.ask("CreateAcls", 3, { creations }));
}

async function forbid(secured: SecuredBroker, username: string): Promise<void> {
  const filter = { resourceTypeFilter: 1, resourceNameFilter: null, patternTypeFilter: 1, hostFilter: null };
  const filters = [{ ...filter, principalFilter: `User:${username}`, operation: 1, permissionType: 1 }];
  await withAdmin(secured, admin => admin.ask("DeleteAcls", 3, { filters }));
}

const fetchOf = (topic: string, maxWaitMs: number): object => ({
  ...FETCH,
  ...{ maxWaitMs, topics: [{ topic, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }] }] },
  ...{ forgottenTopicsData: [], rackId: "" },
});

/** Error codes of requests about a topic and a group of the same name. */
async function mayDo(wire: RawConnection, name: string): Promise<string> {
  const { topics } = await wire.ask("Metadata", 9, { topics: [{ name }] });
  const { responses } = await wire.ask("Fetch", 12, fetchOf(name, 0));
  const committed = { partitionIndex: 0, committedOffset: 0, committedLeaderEpoch: -1, committedMetadata: "" };
  const commit = await wire.ask("OffsetCommit", 8, {
    ...{ groupId: name, generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null },
    topics: [{ name, partitions: [committed] }],
  });
  const codes = [
    topics[0]?.errorCode,
    responses[0]?.partitions[0]?.errorCode,
    commit.topics[0]?.partitions[0]?.errorCode,
  ];
  return `Metadata ${codes[0]}, Fetch ${codes[1]}, OffsetCommit ${codes[2]}`;
}

async function revokedAcl(secured: SecuredBroker): Promise<readonly string[]> {
  const login = userOf("rita");
  const name = "revoked";
  await makeUser(secured, login);
  await createTopic(secured, name);
  const [wire, reader] = [await open(secured, "SASL_TLS", login), await open(secured, "SASL_TLS", login)];
  const lines = [await mayDo(wire, name)];
  await allow(secured, login.username, name);
  const all = "Metadata 0, Fetch 0, OffsetCommit 0";
  await until("everything is allowed", async () => (await mayDo(wire, name)) === all, WAIT_MS);
  lines.push(await mayDo(wire, name));
  reader.send("Fetch", 12, fetchOf(name, 2000));
  await forbid(secured, login.username);
  await until("nothing is allowed", async () => (await mayDo(wire, name)) !== all, WAIT_MS);
  lines.push(await mayDo(wire, name));
  const { responses } = await reader.receive("Fetch", 12);
  lines.push(`a fetch from before: ${responses[0]?.partitions[0]?.errorCode}`);
  lines.push(
    `the next one: ${(await reader.ask("Fetch", 12, fetchOf(name, 0))).responses[0]?.partitions[0]?.errorCode}`,
  );
  wire.close();
  reader.close();
  return lines;
}

async function changedPassword(secured: SecuredBroker): Promise<readonly string[]> {
  const old = userOf("paul");
  const changed = renewed(old);
  await makeUser(secured, old);
  const wire = await open(secured, "SASL_TLS", old);
  await alter(secured, credentialOf(changed), [changed, true]);
  const lines = [
    `from before: ${await served(wire)}`,
    `the old password: ${await fresh(secured, "SASL_TLS", old)}`,
    `the new one: ${await fresh(secured, "SASL_TLS", changed)}`,
  ];
  await removeUser(secured, changed);
  lines.push(`a user that is gone: ${await served(wire)}`, `anew: ${await fresh(secured, "SASL_TLS", changed)}`);
  lines.push(`a login where sessions do not end: ${await again(wire, changed)}`, `then: ${await served(wire)}`);
  wire.close();
  return lines;
}

async function nextSession(secured: SecuredBroker): Promise<readonly string[]> {
  const [login, other] = [userOf("sam"), userOf("sue")];
  await makeUser(secured, login);
  await makeUser(secured, other);
  const wires: RawConnection[] = [];
  const next = async (): Promise<RawConnection> => {
    const wire = await open(secured, "SASL_CLEAR", login);
    wires.push(wire);
    return wire;
  };
  const [same, another, mechanism] = [await next(), await next(), await next()];
  const [gone, idle] = [await next(), await next()];
  const lines = [`the same, at once: ${await again(same, login)}`, `once more: ${await again(same, login)}`];
  await setTimeout(AGAIN_MS);
  lines.push(`later: ${await again(same, login)}`);
  lines.push(`then: ${await served(same)}`);
  lines.push(`another user: ${await again(another, other)}`, `then: ${await served(another)}`);
  lines.push(`another mechanism: ${await again(mechanism, ALICE)}`, `then: ${await served(mechanism)}`);
  await removeUser(secured, login);
  lines.push(`a user that is gone: ${await again(gone, login)}`, `then: ${await served(gone)}`);
  await setTimeout(SESSION_MS + AGAIN_MS);
  lines.push(`no login in time: ${idle.isOpen ? "open" : "closed"}, ${await served(idle)}`);
  lines.push(`after the next session: ${await served(same)}`);
  for (const wire of wires) wire.close();
  return lines;
}

async function noToken(secured: SecuredBroker): Promise<readonly string[]> {
  const begun = async (): Promise<RawConnection> => {
    const wire = await connect(secured.server("SASL_CLEAR"), { timeoutMs: CLOSED_MS });
    const { errorCode } = await wire.ask("SaslHandshake", 1, { mechanism: "PLAIN" });
    if (errorCode !== 0) throw new Error(`SaslHandshake: ${errorCode}`);
    return wire;
  };
  const [metadata, acls, versions] = [await begun(), await begun(), await begun()];
  const { topics } = await metadata.ask("Metadata", 9, { topics: [{ name: "any" }] });
  const lines = [`Metadata: ${topics[0]?.errorCode}`, `then: ${await served(metadata)}`];
  const creation = {
    ...{ resourceType: TOPIC, resourceName: "any", resourcePatternType: LITERAL },
    ...{ principal: "User:eve", host: "*", operation: ALL, permissionType: ALLOW },
  };
  const { results } = await acls.ask("CreateAcls", 3, { creations: [creation] });
  lines.push(`CreateAcls: ${JSON.stringify(results)}`, `then: ${await served(acls)}`);
  const software = { clientSoftwareName: "x", clientSoftwareVersion: "1" };
  const { errorCode } = await versions.ask("ApiVersions", 3, software);
  lines.push(`ApiVersions: ${errorCode}`, `then: ${await served(versions)}`);
  for (const wire of [metadata, acls, versions]) wire.close();
  return lines;
}

async function expiredToken(secured: SecuredBroker): Promise<readonly string[]> {
  const at = (seconds: number, name = "dora"): SaslCredentials => bearer(secured, name, seconds);
  const [left, renewing, late, other] = [
    await open(secured, "SIGNED", at(TOKEN_S)),
    await open(secured, "SIGNED", at(TOKEN_S)),
    await open(secured, "SIGNED", at(TOKEN_S)),
    await open(secured, "SIGNED", at(TOKEN_S)),
  ];
  const lines = [`before: ${await served(left)}`];
  await setTimeout(AGAIN_MS);
  lines.push(`another token: ${await again(renewing, at(60))}`);
  lines.push(`an expired one: ${await again(late, at(-600))}`, `then: ${await served(late)}`);
  lines.push(`one of another user: ${await again(other, at(60, "dirk"))}`, `then: ${await served(other)}`);
  await setTimeout(TOKEN_S * 1000);
  lines.push(`after its time: ${left.isOpen ? "open" : "closed"}, ${await served(left)}`);
  lines.push(`with the other token: ${await served(renewing)}`);
  for (const wire of [left, renewing, late, other]) wire.close();
  return lines;
}

async function delegationToken(secured: SecuredBroker): Promise<readonly string[]> {
  const owner = userOf("otto");
  await makeUser(secured, owner);
  const wire = await open(secured, "SASL_TLS", owner);
  const made = await wire.ask("CreateDelegationToken", 3, { renewers: [], maxLifetimeMs: 600_000 });
  const token = {
    ...({ mechanism: "SCRAM-SHA-256", delegationToken: true } as const),
    ...{ username: made.tokenId, password: toBase64(made.hmac) },
  };
  await until("the token", async () => (await fresh(secured, "SASL_TLS", token)) === "accepted", WAIT_MS);
  const [live, renewing] = [await open(secured, "SASL_TLS", token), await open(secured, "SASL_CLEAR", token)];
  await setTimeout(AGAIN_MS);
  const lines = [`again: ${await again(renewing, token)}`];
  const { errorCode } = await wire.ask("ExpireDelegationToken", 2, { hmac: made.hmac, expiryTimePeriodMs: -1 });
  lines.push(`taken back: ${errorCode}`);
  await until("no token", async () => (await fresh(secured, "SASL_TLS", token)) !== "accepted", WAIT_MS);
  await setTimeout(AGAIN_MS);
  lines.push(`anew: ${(await fresh(secured, "SASL_TLS", token)).replace(made.tokenId, "ID")}`);
  lines.push(`from before: ${await served(live)}`);
  lines.push(`again: ${(await again(renewing, token)).replace(made.tokenId, "ID")}`, `then: ${await served(renewing)}`);
  for (const one of [wire, live, renewing]) one.close();
  return lines;
}

/** All stories; the broker has an authorizer. */
export const LIVE_STORIES: readonly LiveStory[] = [
  { name: "an ACL is revoked", tell: revokedAcl },
  { name: "a password changes, and the user goes", tell: changedPassword },
  { name: "the next session", tell: nextSession },
  { name: "other requests in place of a token", tell: noToken },
  { name: "a token expires", tell: expiredToken },
  { name: "a delegation token is taken back", tell: delegationToken },
];
