/** Judges of security: other clients, and Kafka's tools, at a broker with a listener for each kind of security. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AGAINST_KAFKA } from "../processes/broker-process.ts";
import {
  findGo,
  findJava,
  findOurJava,
  findPython,
  type Java,
  Missing,
  nodeProgram,
  type Program,
  TOOLS_VERSION,
} from "../processes/runtimes.ts";
import { SecuredBroker } from "../samsa-client/secured-broker.ts";
import { javaProperties, javaTokenProperties, securedCases } from "../samsa-client/secured-cases.ts";
import { prepareSecured, tokenOfUser } from "../samsa-client/security-checks.ts";
import type { SecuredCase } from "../walks/secured-case.ts";
import { runCheck } from "./kafka-tools.ts";
import { type Check, noVerdict, type Trial, type Verdict } from "./scoreboard.ts";
import { TOOLS, type ToolCheck } from "../tools/tool-check.ts";
import { runWalk } from "./walk.ts";

/** Runs `body` with a secured broker that has the topic and the users of the cases. Any error is a failed check. */
async function onSecured(judge: string, body: (secured: SecuredBroker) => Promise<Verdict>): Promise<Verdict> {
  let secured: SecuredBroker | undefined;
  try {
    secured = await SecuredBroker.start(AGAINST_KAFKA ? "Apache Kafka" : "Samsa");
    await prepareSecured(secured);
    return await body(secured);
  } catch (error) {
    return noVerdict(judge, "failed", error);
  } finally {
    await secured?.dispose();
  }
}

function securedWalk(client: string, find: () => Promise<Program | Missing>, ...first: readonly string[]): Trial {
  const name = `${client}, secured`;
  return {
    name,
    run: async () => {
      const program = await find();
      if (program instanceof Missing) return noVerdict(name, "skipped", program.reason);
      return onSecured(name, secured => {
        const file = join(secured.folder, "cases.json");
        const cases = securedCases(secured).map((way, i) => {
          if (way.token === undefined) return { ...way, properties: javaProperties(way) };
          const tokenFile = join(secured.folder, `token-of-case-${i}`);
          writeFileSync(tokenFile, way.token);
          return { ...way, tokenFile, properties: javaProperties(way, tokenFile) };
        });
        writeFileSync(file, JSON.stringify(cases));
        return runWalk(name, { command: program.command, args: [...program.args, ...first, file] });
      });
    },
  };
}

function python(script: string) {
  return async (): Promise<Program | Missing> => {
    const found = await findPython();
    return found instanceof Missing ? found : found(script);
  };
}

async function javaWalk(): Promise<Program | Missing> {
  const found = await findOurJava();
  return found instanceof Missing ? found : found("SecuredWalk");
}

/** Runs of Kafka's tools with `--command-config`. The first makes a user, as whom others log in. */
async function toolChecks(secured: SecuredBroker): Promise<readonly ToolCheck[]> {
  const cases = securedCases(secured);
  const way = (name: string): SecuredCase => {
    const found = cases.find(one => one.name === name);
    if (found === undefined) throw new Error(`there is no case ${name}`);
    return found;
  };
  const alice = way("PLAIN over TLS");
  const bob = way("SCRAM-SHA-512 over TLS");
  const tom = { ...bob, username: "tom", password: "tom-secret" };
  const run = (main: string, as: SecuredCase, args: string, ...shows: readonly RegExp[]): ToolCheck => {
    const all = ["--bootstrap-server", as.server, "--command-config", "{file}", ...args.split(" ")];
    return { name: "", main, args: all, shows, file: javaProperties(as) };
  };
  const configs = "kafka.admin.ConfigCommand";
  const topics = `${TOOLS}.TopicCommand`;
  const user = "--entity-type users --entity-name tom";
  const set = `${user} --alter --add-config SCRAM-SHA-512=[iterations=8192,password=tom-secret]`;
  const reading = "--topic of-tom --from-beginning --max-messages 1 --timeout-ms 15000";
  const consumer = run(
    `${TOOLS}.consumer.ConsoleConsumer`,
    way("TLS with a certificate of the client"),
    reading,
    /^hello$/m,
  );
  const refusal = /SaslAuthenticationException|Authentication failed/;
  return [
    { ...run(configs, alice, set, /Completed updating config for user tom/), name: "kafka-configs makes a user" },
    {
      ...run(configs, alice, `${user} --describe`, /SCRAM-SHA-512=iterations=8192/),
      name: "kafka-configs describes it",
    },
    { ...run(topics, tom, "--create --topic of-tom", /Created topic of-tom/), name: "kafka-topics as this user" },
    {
      ...run(topics, { ...tom, password: "wrong" }, "--list", refusal),
      ...{ name: "kafka-topics with a wrong password", fails: true, hides: [/^of-tom$/m] },
    },
    {
      ...run(`${TOOLS}.ConsoleProducer`, way("SCRAM-SHA-256 in clear text"), "--topic of-tom"),
      ...{ name: "kafka-console-producer with SCRAM", input: "hello\n" },
    },
    { ...consumer, name: "kafka-console-consumer with a certificate" },
    {
      ...run(configs, alice, `${user} --alter --delete-config SCRAM-SHA-512`, /Completed updating config for user tom/),
      name: "kafka-configs removes the user",
    },
    { ...run(topics, tom, "--list", refusal), name: "kafka-topics as a user that is gone", fails: true },
    ...(await tokenChecks(secured, bob, run)),
  ];
}

type Run = (main: string, as: SecuredCase, args: string, ...shows: readonly RegExp[]) => ToolCheck;

/** Runs of Kafka's tools with tokens: those of the brokers, and those of an issuer. */
async function tokenChecks(secured: SecuredBroker, bob: SecuredCase, run: Run): Promise<readonly ToolCheck[]> {
  const [tool, topics] = [`${TOOLS}.DelegationTokenCommand`, `${TOOLS}.TopicCommand`];
  const token = { ...bob, ...(await tokenOfUser(secured)) };
  const byToken = (text: string): string => text.replace(" required ", ' required tokenauth="true" ');
  const asToken = (check: ToolCheck): ToolCheck => ({ ...check, file: byToken(check.file ?? "") });
  const signed = (lifetimeSeconds: number): Pick<ToolCheck, "file" | "jvm"> => {
    const file = join(secured.folder, `token-${lifetimeSeconds}`);
    writeFileSync(file, secured.issuer.token("dave", lifetimeSeconds));
    return { file: javaTokenProperties(bob, file), jvm: [`-D${ALLOWED}=file://${file}`] };
  };
  const atSigned = { ...bob, server: secured.server("SIGNED") };
  const list = (as: SecuredCase): ToolCheck => run(topics, as, "--list", /^of-tom$/m);
  return [
    {
      ...run(
        tool,
        bob,
        "--create --max-life-time-period 60000 --renewer-principal User:tom",
        /Created delegation token/,
      ),
      name: "kafka-delegation-tokens makes a token",
    },
    {
      ...run(tool, bob, "--describe --owner-principal User:bob", /Total number of tokens : 2/, /User:tom/),
      name: "kafka-delegation-tokens describes tokens",
    },
    { ...asToken(list(token)), name: "kafka-topics with a delegation token" },
    {
      ...asToken(run(tool, token, "--create --max-life-time-period -1", /not allowed/i)),
      ...{ name: "kafka-delegation-tokens with a delegation token", fails: true },
    },
    {
      ...run(tool, bob, `--expire --expiry-time-period -1 --hmac ${token.password}`, /Completed expire operation/),
      name: "kafka-delegation-tokens ends a token",
    },
    {
      ...asToken(run(topics, token, "--list", /Authentication failed/)),
      ...{ name: "kafka-topics with a token that is gone", fails: true },
    },
    { ...list(atSigned), ...signed(600), name: "kafka-topics with a token of an issuer" },
    {
      ...run(topics, atSigned, "--list", /invalid_token|expired|validate/i),
      ...{ ...signed(-600), name: "kafka-topics with a token that has expired", fails: true },
    },
  ];
}

async function toolsOn(java: Java, secured: SecuredBroker): Promise<Check[]> {
  const home = mkdtempSync(join(tmpdir(), "interop-secured-"));
  try {
    const { server, directory } = secured.broker;
    const places = { server, directory, node: "1", file: join(home, "client.properties") };
    const tool = { name: NAME, main: `${TOOLS}.TopicCommand`, common: [], checks: [] };
    const checks: Check[] = [];
    for (const check of await toolChecks(secured)) checks.push(await runCheck(java, tool, check, places));
    return checks;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

const NAME = "Kafka's tools, secured";
/** Property of the JVM that lets a client read tokens from an address. */
const ALLOWED = "org.apache.kafka.sasl.oauthbearer.allowed.urls";

/** All judges of security, in running order. */
export const SECURED_TRIALS: readonly Trial[] = [
  {
    name: NAME,
    run: async () => {
      const java = await findJava();
      if (java instanceof Missing) return noVerdict(NAME, "skipped", java.reason);
      return onSecured(NAME, async secured => ({
        ...{ judge: NAME, version: TOOLS_VERSION, checks: await toolsOn(java, secured) },
      }));
    },
  },
  securedWalk("Java clients", javaWalk),
  securedWalk("confluent-kafka", python("confluent_secured.py")),
  securedWalk("kafka-python", python("kafka_python_secured.py")),
  securedWalk("franz-go", () => findGo("franz"), "secured"),
  securedWalk("KafkaJS", async () => nodeProgram(join(import.meta.dirname, "../walks/kafkajs-secured.ts"))),
  securedWalk("@platformatic/kafka", async () =>
    nodeProgram(join(import.meta.dirname, "../walks/platformatic-secured.ts")),
  ),
];
