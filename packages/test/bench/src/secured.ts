import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Authority } from "@samsa/certificates";
import { nodeEnv } from "@samsa/node";
import { type Acl, OPERATION_CODES, PATTERN_TYPE_CODES, PERMISSION_CODES, RESOURCE_TYPE_CODES } from "@samsa/security";
import { type Action, type Client, StandardAuthorizer } from "@samsa/security";
import { BrokerConnection, type Security } from "@samsa/wire";
import type { Contender } from "./contenders.ts";
import type { Java } from "./java.ts";
import { consumption, costing, type Figures, type Place, produce, type Stage } from "./loads.ts";
import { type BrokerProcess, freePort, run } from "./process.ts";
import { expectNone } from "./requests/target.ts";

/** Loads of a broker that asks who a client is: over TLS, of logins, and with many ACLs. */

const USER = "bench";
const PASSWORD = "bench-secret";
const LOGIN_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule";
const LOGINS_AT_ONCE = 16;
const MANY_ACLS = 10_000;
const ACLS_AT_ONCE = 1000;
const SMALL = { size: 100, partitions: 6, batches: ["batch.size=64000", "linger.ms=5"] } as const;

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const env = nodeEnv({ logger: silent });

/** A broker with a listener for each protocol. */
interface Secured {
  readonly stage: Stage;
  /** Address of a protocol's listener. */
  readonly at: Readonly<Record<Protocol, { readonly host: string; readonly port: number }>>;
  /** File with the certificate that clients trust, PEM. */
  readonly authority: string;
}

type Protocol = "SSL" | "SASL_SSL" | "SASL_PLAINTEXT";

/** Runs `load` against a broker of its own, with `settings`. */
async function withSecured(
  { contender, java, place }: { contender: Contender; java: Java; place: Place },
  settings: readonly string[],
  load: (broker: Secured) => Promise<Figures>,
): Promise<Figures> {
  const { bundle, folder, quick } = place;
  await contender.prepare(folder);
  const files = join(folder, "certificates");
  mkdirSync(files);
  const authority = new Authority("Bench");
  const { cert, key } = authority.issue({ name: "127.0.0.1", hosts: ["127.0.0.1", "localhost"] });
  const [ca, own] = [join(files, "ca.pem"), join(files, "broker.pem")];
  writeFileSync(ca, authority.cert);
  writeFileSync(own, `${key}${cert}`);
  const address = async (): Promise<{ host: string; port: number }> => ({ host: "127.0.0.1", port: await freePort() });
  const at = { SSL: await address(), SASL_SSL: await address(), SASL_PLAINTEXT: await address() };
  const broker = await contender.start(folder, {
    listeners: Object.entries(at).map(([name, { host, port }]) => `${name}://${host}:${port}`),
    settings: [
      ...["ssl.keystore.type=PEM", `ssl.keystore.location=${own}`],
      ...["ssl.truststore.type=PEM", `ssl.truststore.location=${ca}`],
      "sasl.enabled.mechanisms=SCRAM-SHA-256",
      ...["sasl_ssl", "sasl_plaintext"].map(
        name => `listener.name.${name}.scram-sha-256.sasl.jaas.config=${LOGIN_MODULE} required;`,
      ),
      ...settings,
    ],
  });
  try {
    const user = ["--alter", "--entity-type", "users", "--entity-name", USER];
    const secret = ["--add-config", `SCRAM-SHA-256=[password=${PASSWORD}]`];
    const server = ["--bootstrap-server", broker.bootstrap];
    await run(process.execPath, [bundle, "kafka-configs", ...server, ...user, ...secret]);
    return await load({ stage: { java, bundle, broker, quick, data: join(folder, "data") }, at, authority: ca });
  } finally {
    await broker.stop();
  }
}

/** Measures a producer and a consumer over TLS, and logins by SCRAM. */
export async function tls(contender: Contender, java: Java, place: Place): Promise<Figures> {
  return withSecured({ contender, java, place }, [], async ({ stage, at, authority }) => {
    const servers = `bootstrap.servers=127.0.0.1:${at.SSL.port}`;
    const secure = ["security.protocol=SSL", "ssl.truststore.type=PEM", `ssl.truststore.location=${authority}`];
    const load = { name: "tls", records: stage.quick ? 150_000 : 1_000_000, size: 1000, partitions: 6 };
    const gigabytes = (load.records * load.size) / 1e9;
    const produced = await produce(stage, { ...load, settings: [...SMALL.batches, servers, ...secure] });
    const settings = join(place.folder, "consumer.properties");
    writeFileSync(settings, `${secure.join("\n")}\n`);
    const server = `127.0.0.1:${at.SSL.port}`;
    await consumption(stage, load, { server, settings });
    const consumed = await consumption(stage, load, { server, settings });
    const logins = await loginsPerSecond(stage.broker, at.SASL_SSL, {
      tls: { ca: { file: authority } },
      sasl: { mechanism: "SCRAM-SHA-256", username: USER, password: PASSWORD },
    });
    return new Map([
      ["tls.produce-rate", produced.rate],
      ["tls.produce-cpu-gb", produced.cpu / gigabytes],
      ["tls.consume-rate", consumed.rate],
      ["tls.consume-cpu-gb", consumed.cpuPerGb],
      ["tls.logins", logins.rate],
      ["tls.logins-cpu", logins.cpuMs],
    ]);
  });
}

/** Opens connections over TLS that log in, some at once. */
async function loginsPerSecond(
  broker: BrokerProcess,
  endpoint: { readonly host: string; readonly port: number },
  security: Security,
): Promise<{ rate: number; cpuMs: number }> {
  const options = { clientId: "bench", software: { name: "bench", version: "1" }, security };
  const logIn = async (count: number): Promise<void> => {
    let left = count;
    const lane = async (): Promise<void> => {
      while (left-- > 0) (await BrokerConnection.connect(env, endpoint, options)).close();
    };
    await Promise.all(Array.from({ length: LOGINS_AT_ONCE }, lane));
  };
  const count = 1000;
  await logIn(count);
  const began = performance.now();
  const { cpu } = await costing(broker, () => logIn(count));
  const seconds = (performance.now() - began) / 1000;
  return { rate: count / seconds, cpuMs: (cpu / count) * 1000 };
}

const entry = (resourceName: string, patternType: number): Acl => ({
  resourceType: RESOURCE_TYPE_CODES.TOPIC,
  resourceName,
  patternType,
  principal: `User:${USER}`,
  host: "*",
  operation: OPERATION_CODES.WRITE,
  permissionType: PERMISSION_CODES.ALLOW,
});

/** ACLs of the user, none of which is for the topics of the load: names of topics, and every tenth a prefix. */
const otherAcls = (count: number): Acl[] =>
  Array.from({ length: count }, (_, i) =>
    entry(`small-${i}`, i % 10 === 0 ? PATTERN_TYPE_CODES.PREFIXED : PATTERN_TYPE_CODES.LITERAL),
  );

async function addAcls(broker: BrokerProcess, acls: readonly Acl[]): Promise<void> {
  const options = { clientId: "bench", software: { name: "bench", version: "1" } };
  const connection = await BrokerConnection.connect(env, { host: "127.0.0.1", port: broker.port }, options);
  try {
    for (let from = 0; from < acls.length; from += ACLS_AT_ONCE) {
      const creations = acls.slice(from, from + ACLS_AT_ONCE).map(({ patternType: resourcePatternType, ...acl }) => ({
        ...acl,
        resourcePatternType,
      }));
      const { results } = await connection.call("CreateAcls", { creations });
      for (const { errorCode } of results) expectNone(errorCode, "an ACL");
    }
  } finally {
    connection.close();
  }
}

/** Measures a producer with few ACLs and with ten thousand. */
export async function acls(contender: Contender, java: Java, place: Place): Promise<Figures> {
  const settings = [
    "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    // The listener without a login is the operator's.
    "super.users=User:ANONYMOUS",
  ];
  return withSecured({ contender, java, place }, settings, async ({ stage, at }) => {
    await addAcls(stage.broker, [
      entry("load-", PATTERN_TYPE_CODES.PREFIXED),
      entry("warm-load-", PATTERN_TYPE_CODES.PREFIXED),
    ]);
    const login = `${LOGIN_MODULE} required username="${USER}" password="${PASSWORD}";`;
    const file = join(place.folder, "producer.properties");
    const secure = ["security.protocol=SASL_PLAINTEXT", "sasl.mechanism=SCRAM-SHA-256", `sasl.jaas.config=${login}`];
    writeFileSync(file, `${secure.join("\n")}\n`);
    const servers = `bootstrap.servers=127.0.0.1:${at.SASL_PLAINTEXT.port}`;
    const records = stage.quick ? 500_000 : 3_000_000;
    const measured = (name: string): Promise<{ rate: number; cpu: number }> =>
      produce(stage, { name, records, ...SMALL, settings: [...SMALL.batches, servers], file });
    const few = await measured("load-few");
    await addAcls(stage.broker, otherAcls(MANY_ACLS));
    const many = await measured("load-many");
    const figures: Figures = new Map([
      ["acls.few-rate", few.rate],
      ["acls.few-cpu", few.cpu],
      ["acls.many-rate", many.rate],
      ["acls.many-cpu", many.cpu],
    ]);
    if (contender.name === "Samsa") figures.set("acls.decision", decisionNs());
    return figures;
  });
}

/** Time of a decision that has been made before, among ten thousand ACLs, in ns. */
function decisionNs(): number {
  const authorizer = new StandardAuthorizer({ superUsers: new Set(), allowsUnlisted: false });
  authorizer.change([], [...otherAcls(MANY_ACLS), entry("load-", PATTERN_TYPE_CODES.PREFIXED)]);
  authorizer.complete();
  const client: Client = { user: USER, host: "127.0.0.1", api: "Produce" };
  const actions = Array.from(
    { length: 64 },
    (_, i): Action => ({ operation: "WRITE", resource: "TOPIC", name: `load-${i}` }),
  );
  const decide = (rounds: number): void => {
    for (let round = 0; round < rounds; round++) for (const action of actions) authorizer.allows(client, action);
  };
  decide(2000);
  const rounds = 20_000;
  const began = performance.now();
  decide(rounds);
  return ((performance.now() - began) * 1e6) / (rounds * actions.length);
}
