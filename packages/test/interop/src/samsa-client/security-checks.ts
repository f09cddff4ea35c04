import { pbkdf2Sync, randomBytes } from "node:crypto";
import { toBase64, VERSION } from "@samsa/base";
import { KafkaClient, KafkaError, type SaslOptions, type SecurityOptions, string } from "@samsa/client";
import { nodeEnv } from "@samsa/node";
import { BrokerConnection } from "@samsa/wire";
import { until } from "../processes/until.ts";
import { equal } from "../walks/walk.ts";
import { type SecuredBroker, type SecuredListener, SESSION_MS } from "./secured-broker.ts";

/** Check of the client's security, on a broker with a listener for each kind. */
export interface SecurityCheck {
  readonly name: string;
  /** Credentials that Samsa does not accept. */
  readonly kafkaOnly?: "tokens without signatures";
  readonly run: (secured: SecuredBroker) => Promise<void>;
}

/** Topic of all checks and cases, which `prepareSecured` creates. */
export const SECURED_TOPIC = "secured";
const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const ALICE = { mechanism: "PLAIN", username: "alice", password: "alice-secret" } as const;
const BOB = { username: "bob", password: "bob-secret" } as const;
/** Users of the mechanisms; `prepareSecured` creates the one of SCRAM. */
export const SECURED_USERS = { plain: ALICE, scram: BOB } as const;
const WAIT_MS = 10_000;
const PAUSE_MS = 20;
/** Longest time of a call that is to fail. */
const FAILURE_MS = 5000;

function clientOf(secured: SecuredBroker, listener: SecuredListener, security: SecurityOptions = {}): KafkaClient {
  const bootstrapServers = secured.server(listener);
  return new KafkaClient({ bootstrapServers, apiTimeoutMs: FAILURE_MS, logger: SILENT, ...security });
}

function tls({ authority }: SecuredBroker): { readonly ca: string } {
  return { ca: authority.cert };
}

/** Sends a record and reads it in a group, over connections of their own. */
async function works(secured: SecuredBroker, listener: SecuredListener, security: SecurityOptions): Promise<void> {
  await using client = clientOf(secured, listener, security);
  await using producer = client.producer({ value: string });
  const value = randomBytes(8).toString("hex");
  await producer.send({ topic: SECURED_TOPIC, value });
  await using consumer = client.consumer({ value: string, group: `group-${value}`, reset: "earliest" });
  await consumer.subscribe([SECURED_TOPIC]);
  for await (const record of consumer.records({ signal: AbortSignal.timeout(WAIT_MS) })) {
    if (record.value === value) break;
  }
}

/** Error of a client that lists topics, sends a record, and reads. All of them are to have the same one. */
async function refusal(
  secured: SecuredBroker,
  listener: SecuredListener,
  security: SecurityOptions,
): Promise<readonly [name: string, message: string]> {
  await using client = clientOf(secured, listener, security);
  const ended = (call: Promise<unknown>): Promise<KafkaError | undefined> =>
    call.then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof KafkaError) return error;
        throw error;
      },
    );
  const listed = await ended(client.admin().topics.list());
  const sent = await ended(client.producer({ maxBlockMs: FAILURE_MS }).send({ topic: SECURED_TOPIC, value: "x" }));
  const signal = AbortSignal.timeout(FAILURE_MS);
  const consumer = client.consumer();
  consumer.assign([{ topic: SECURED_TOPIC, partition: 0, offset: "beginning" }]);
  const read = await ended(consumer.records({ signal }).next());
  const joined = await ended(client.consumer({ group: "refused" }).subscribe([SECURED_TOPIC]));
  if (listed === undefined) throw new Error("the topics were listed");
  if (listed.retriable) return [listed.name, listed.message];
  equal(
    "errors",
    [sent, read, joined].map(error => error?.name),
    [listed.name, listed.name, listed.name],
  );
  return [listed.name, listed.message];
}

function refused(
  name: string,
  listener: SecuredListener,
  security: (secured: SecuredBroker) => SecurityOptions,
  [code, said]: readonly [code: string, said: string],
): SecurityCheck {
  return {
    name: `refused: ${name}`,
    run: async secured => {
      const [found, message] = await refusal(secured, listener, security(secured));
      equal("name", found, code);
      if (!message.includes(said) || !message.includes(secured.server(listener).split(":")[1] ?? "")) {
        throw new Error(`"${message}" does not say "${said}" and the broker's address`);
      }
    },
  };
}

function accepted(name: string, listener: SecuredListener, security: (secured: SecuredBroker) => SecurityOptions) {
  return { name, run: (secured: SecuredBroker) => works(secured, listener, security(secured)) };
}

/** Creates the topic, and a user for each kind of SCRAM. */
export async function prepareSecured(secured: SecuredBroker): Promise<void> {
  await using client = clientOf(secured, "CLEAR");
  const admin = client.admin();
  (await admin.topics.create([{ name: SECURED_TOPIC, partitions: 1, replicationFactor: 1 }])).orThrow();
  for (const [mechanism, hash, length] of [
    ["SCRAM-SHA-256", "sha256", 32],
    ["SCRAM-SHA-512", "sha512", 64],
  ] as const) {
    const salt = randomBytes(16);
    const saltedPassword = pbkdf2Sync(BOB.password, salt, 8192, length, hash);
    (
      await admin.access.alterScram([{ user: BOB.username, mechanism, iterations: 8192, salt, saltedPassword }])
    ).orThrow();
  }
  const known = async () => (await admin.access.describeScram([BOB.username])).get(BOB.username);
  await until("two credentials", async () => Array.isArray(await known()), WAIT_MS);
}

/** Makes a delegation token of the user of SCRAM; returns the name and the password by which a client logs in with it. */
export async function tokenOfUser(secured: SecuredBroker): Promise<{ username: string; password: string }> {
  const security = { ssl: tls(secured), sasl: { ...BOB, mechanism: "SCRAM-SHA-256" } } as const;
  await using bob = clientOf(secured, "SASL_TLS", security);
  const { access } = bob.admin();
  const { tokenId, hmac } = await access.createToken({ maxLifetimeMs: 600_000 });
  await until("the token", async () => (await access.describeTokens("all")).length > 0, WAIT_MS);
  return { username: tokenId, password: toBase64(hmac) };
}

async function delegationToken(secured: SecuredBroker): Promise<void> {
  const ssl = tls(secured);
  await using bob = clientOf(secured, "SASL_TLS", { ssl, sasl: { ...BOB, mechanism: "SCRAM-SHA-256" } });
  const { access } = bob.admin();
  const made = await access.createToken({ maxLifetimeMs: 60_000 });
  equal("owner", made.owner.name, BOB.username);
  const sasl = {
    ...({ mechanism: "SCRAM-SHA-256", delegationToken: true } as const),
    ...{ username: made.tokenId, password: toBase64(made.hmac) },
  };
  await until("the token", async () => (await access.describeTokens("all")).length === 1, WAIT_MS);
  await works(secured, "SASL_TLS", { ssl, sasl });
  const [name] = await refusal(secured, "SASL_TLS", { ssl, sasl: { ...sasl, delegationToken: false } });
  equal("a token as a password", name, "SASL_AUTHENTICATION_FAILED");
  await using holder = clientOf(secured, "SASL_TLS", { ssl, sasl });
  const asked = await holder
    .admin()
    .access.createToken()
    .then(
      () => "made",
      (error: unknown) => (error as Error).name,
    );
  equal("a token for a token", asked, "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED");
  await access.expireToken(made.hmac);
  await until("no token", async () => (await access.describeTokens("all")).length === 0, WAIT_MS);
  const [late] = await refusal(secured, "SASL_TLS", { ssl, sasl });
  equal("an expired token", late, "SASL_AUTHENTICATION_FAILED");
}

/** Sends and reads for several sessions. No record is lost, and none comes twice. */
async function recordsOfSessions(secured: SecuredBroker, sasl: SaslOptions): Promise<void> {
  await using client = clientOf(secured, "SASL_CLEAR", { sasl });
  await using producer = client.producer({ value: string });
  const { offset } = await producer.send({ topic: SECURED_TOPIC, value: "first" });
  await using consumer = client.consumer({ value: string });
  consumer.assign([{ topic: SECURED_TOPIC, partition: 0, offset: offset + 1 }]);
  const seen: string[] = [];
  const sent: string[] = [];
  const stop = new AbortController();
  const reading = (async () => {
    for await (const { value } of consumer.records({ signal: stop.signal })) seen.push(value ?? "");
  })();
  const stopped = reading.catch((error: unknown) => {
    if (!(error instanceof KafkaError) || error.name !== "ABORTED") throw error;
  });
  const end = performance.now() + 2.5 * SESSION_MS;
  while (performance.now() < end) {
    const batch = Array.from({ length: 20 }, (_, i) => `${sasl.mechanism} ${sent.length + i}`);
    await Promise.all(batch.map(value => producer.send({ topic: SECURED_TOPIC, value })));
    sent.push(...batch);
    await new Promise(resolve => setTimeout(resolve, PAUSE_MS));
  }
  await until("the last record", async () => seen.length >= sent.length, WAIT_MS);
  stop.abort();
  await stopped;
  equal("records", seen, sent);
}

/** Asks over one connection for several sessions. A broker closes a connection whose session has ended. */
async function oneConnection(secured: SecuredBroker): Promise<void> {
  const [host = "", port = ""] = secured.server("SASL_CLEAR").split(":");
  const connection = await BrokerConnection.connect(
    nodeEnv({ logger: SILENT }),
    { host, port: Number(port) },
    {
      ...{ clientId: "sessions", software: { name: "samsa-client", version: VERSION } },
      security: { sasl: { ...BOB, mechanism: "SCRAM-SHA-256" } },
    },
  );
  try {
    const end = performance.now() + 2.5 * SESSION_MS;
    while (performance.now() < end) {
      const asked = Array.from({ length: 8 }, () => connection.call("Metadata", { topics: [] }));
      await Promise.all(asked);
      await new Promise(resolve => setTimeout(resolve, PAUSE_MS));
    }
    equal("open", connection.isOpen, true);
  } finally {
    connection.close();
  }
}

const PLAIN_ON_TLS = (secured: SecuredBroker): SecurityOptions => ({ ssl: tls(secured), sasl: ALICE });

type TokenOption = Extract<SaslOptions, { mechanism: "OAUTHBEARER" }>["token"];

/** Options with a token for the listener that wants signed ones. */
function bearer(source: (secured: SecuredBroker) => TokenOption) {
  return (secured: SecuredBroker): SecurityOptions => ({
    ssl: tls(secured),
    sasl: { mechanism: "OAUTHBEARER", token: source(secured) },
  });
}

/** Token without a signature, for a broker with the validator for developers. */
function unsecured(): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Date.now() / 1000;
  return `${part({ alg: "none" })}.${part({ sub: "erin", iat: now, exp: now + 3600 })}.`;
}

function scram(mechanism: "SCRAM-SHA-256" | "SCRAM-SHA-512", username: string, password: string) {
  return (secured: SecuredBroker): SecurityOptions => ({
    ssl: tls(secured),
    sasl: { mechanism, username, password },
  });
}

function endpoint(clientSecret: string) {
  return bearer(({ tokenEndpoint }) => ({ tokenEndpoint, clientId: "robot", clientSecret }));
}

const FAILED = "SASL_AUTHENTICATION_FAILED";

/** Checks of security, in order: the first creates the topic and the users of all. */
export const SECURITY_CHECKS: readonly SecurityCheck[] = [
  { name: "a topic and users", run: prepareSecured },
  accepted("TLS", "TLS", secured => ({ ssl: tls(secured) })),
  accepted("TLS with a certificate of the client", "MUTUAL", secured => ({
    ssl: { ...tls(secured), ...secured.authority.issue({ name: "carol" }) },
  })),
  accepted("TLS 1.2", "TLS", secured => ({ ssl: { ...tls(secured), protocols: ["TLSv1.2"] } })),
  accepted("SASL PLAIN", "SASL_TLS", PLAIN_ON_TLS),
  accepted("SASL SCRAM-SHA-256", "SASL_TLS", scram("SCRAM-SHA-256", BOB.username, BOB.password)),
  accepted("SASL SCRAM-SHA-512", "SASL_TLS", scram("SCRAM-SHA-512", BOB.username, BOB.password)),
  accepted("SASL in clear text", "SASL_CLEAR", () => ({ sasl: { ...BOB, mechanism: "SCRAM-SHA-512" } })),
  {
    ...accepted("OAUTHBEARER, unsecured", "SASL_TLS", bearer(unsecured)),
    kafkaOnly: "tokens without signatures",
  },
  accepted(
    "OAUTHBEARER, a signed token",
    "SIGNED",
    bearer(({ issuer }) => issuer.token("dave", 60)),
  ),
  accepted(
    "OAUTHBEARER, a function",
    "SIGNED",
    bearer(
      ({ issuer }) =>
        async () =>
          issuer.token("dave", 60),
    ),
  ),
  accepted("OAUTHBEARER, client credentials", "SIGNED", endpoint("robot-secret")),
  refused("a token without a signature", "SIGNED", bearer(unsecured), [FAILED, "refuses the token"]),
  { name: "delegation tokens", run: delegationToken },
  { name: "sessions are renewed on one connection", run: oneConnection },
  {
    name: "records of several sessions, SCRAM",
    run: secured => recordsOfSessions(secured, { ...BOB, mechanism: "SCRAM-SHA-256" }),
  },
  {
    name: "records of several sessions, OAUTHBEARER",
    run: secured =>
      recordsOfSessions(secured, { mechanism: "OAUTHBEARER", token: () => secured.issuer.token("erin", 60) }),
  },
  refused("an authority that is not trusted", "TLS", () => ({ ssl: true }), ["TLS_FAILED", "no trusted authority"]),
  refused(
    "another host's certificate",
    "TLS",
    secured => ({ ssl: { ...tls(secured), serverName: "elsewhere.example" } }),
    ["TLS_FAILED", "is of another host"],
  ),
  refused("no certificate of the client", "MUTUAL", secured => ({ ssl: tls(secured) }), [
    ...(["TLS_FAILED", "does not accept this client's certificate, or wants one"] as const),
  ]),
  refused("clear text to TLS", "TLS", () => ({}), ["TLS_FAILED", "speaks TLS at this port"]),
  refused("TLS to clear text", "CLEAR", secured => ({ ssl: tls(secured) }), [
    ...(["BROKERS_UNREACHABLE", "does this port speak TLS?"] as const),
  ]),
  refused(
    "a wrong password, PLAIN",
    "SASL_TLS",
    secured => ({ ssl: tls(secured), sasl: { ...ALICE, password: "x" } }),
    [...([FAILED, "Invalid username or password"] as const)],
  ),
  refused("a wrong password, SCRAM", "SASL_TLS", scram("SCRAM-SHA-512", BOB.username, "x"), [
    ...([FAILED, "refuses the credentials of user bob"] as const),
  ]),
  refused("an unknown user", "SASL_TLS", scram("SCRAM-SHA-512", "nobody", "x"), [
    ...([FAILED, "refuses the credentials of user nobody"] as const),
  ]),
  refused("a mechanism that is not offered", "SIGNED", PLAIN_ON_TLS, [
    ...(["UNSUPPORTED_SASL_MECHANISM", "it offers "] as const),
  ]),
  refused(
    "an expired token",
    "SIGNED",
    bearer(({ issuer }) => issuer.token("dave", -600)),
    [FAILED, "refuses the token"],
  ),
  refused("no SASL where there is SASL", "SASL_CLEAR", () => ({}), ["DISCONNECTED", "does its port expect SASL?"]),
  refused("SASL where there is none", "CLEAR", () => ({ sasl: ALICE }), [
    ...(["ILLEGAL_SASL_STATE", "does not authenticate with SASL"] as const),
  ]),
];
