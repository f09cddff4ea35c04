/** Judge of our own client: the same checks against Apache Kafka and against Samsa. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { KafkaClient } from "@samsa/client";
import type { BrokerProcess } from "../processes/broker.ts";
import { SamsaProcess } from "../processes/broker-process.ts";
import { KafkaProcess } from "../processes/kafka-process.ts";
import { findJava, type Java, Missing } from "../processes/runtimes.ts";
import { type Check, oneLine, type Trial } from "./scoreboard.ts";
import { ADMIN_CHECKS } from "../samsa-client/admin-checks.ts";
import { GROUP_CHECKS } from "../samsa-client/group-checks.ts";
import { RECORD_CHECKS } from "../samsa-client/record-checks.ts";
import { SHARE_CHECKS, SHARE_SETTINGS } from "../samsa-client/share-checks.ts";
import { type ClientCheck, SILENT, type Stage } from "../samsa-client/stage.ts";
import { SecuredBroker, type SecuredVendor } from "../samsa-client/secured-broker.ts";
import { SECURITY_CHECKS } from "../samsa-client/security-checks.ts";
import {
  kafkaWithTelemetry,
  samsaWithTelemetry,
  TELEMETRY_CHECKS,
  type TelemetryBroker,
} from "../samsa-client/telemetry-checks.ts";
import { TRANSACTION_CHECKS } from "../samsa-client/transaction-checks.ts";

const NAME = "samsa-client";
/** Longest time of a check, in ms. */
const CHECK_MS = 40_000;
const CHECKS = [...RECORD_CHECKS, ...TRANSACTION_CHECKS, ...GROUP_CHECKS, ...SHARE_CHECKS, ...ADMIN_CHECKS];

/** Runs a check; an error, or no end in time, is a failure. */
async function runClientCheck(full: string, body: () => ReturnType<ClientCheck["run"]>): Promise<Check> {
  let timer: NodeJS.Timeout | undefined;
  try {
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`nothing came of it in ${CHECK_MS} ms`)), CHECK_MS);
    });
    const found = await Promise.race([body(), late]);
    if (found instanceof Missing) return { name: full, outcome: "skipped", reason: oneLine(found.reason) };
    return { name: full, outcome: "passed" };
  } catch (error) {
    return { name: full, outcome: "failed", reason: oneLine(error) };
  } finally {
    clearTimeout(timer);
  }
}

function whole(vendor: string, outcome: "failed" | "skipped", reason: unknown): Check {
  return { name: `${vendor}: (all checks)`, outcome, reason: oneLine(reason) };
}

async function checksOn(vendor: Stage["vendor"], java: Java | Missing): Promise<Check[]> {
  if (vendor === "Apache Kafka" && java instanceof Missing) return [whole(vendor, "skipped", java.reason)];
  let broker: BrokerProcess | undefined;
  try {
    // A single broker cannot replicate the topics of the share coordinator.
    const single = ["share.coordinator.state.topic.replication.factor=1", "share.coordinator.state.topic.min.isr=1"];
    broker =
      vendor === "Samsa"
        ? await SamsaProcess.start(undefined, [...single, ...SHARE_SETTINGS])
        : await KafkaProcess.start("fixed", SHARE_SETTINGS);
    await using client = new KafkaClient({ bootstrapServers: broker.server, logger: SILENT });
    const checks: Check[] = [];
    const stage = { vendor, broker, client, java };
    for (const { name, run } of CHECKS) checks.push(await runClientCheck(`${vendor}: ${name}`, () => run(stage)));
    return checks;
  } catch (error) {
    return [whole(vendor, "failed", error)];
  } finally {
    await broker?.dispose();
  }
}

/** Checks of TLS and SASL. */
async function securityChecks(vendor: SecuredVendor, java: Java | Missing): Promise<Check[]> {
  if (vendor === "Apache Kafka" && java instanceof Missing) {
    return [whole(`${vendor}: security`, "skipped", java.reason)];
  }
  let secured: SecuredBroker | undefined;
  try {
    const broker = (secured = await SecuredBroker.start(vendor));
    const checks: Check[] = [];
    for (const { name, kafkaOnly, run } of SECURITY_CHECKS) {
      const full = `${vendor}: security: ${name}`;
      if (vendor === "Apache Kafka" || kafkaOnly === undefined)
        checks.push(await runClientCheck(full, () => run(broker)));
      else checks.push({ name: full, outcome: "skipped", reason: `the broker does not accept ${kafkaOnly}` });
    }
    return checks;
  } catch (error) {
    return [whole(`${vendor}: security`, "failed", error)];
  } finally {
    await secured?.dispose();
  }
}

/** Checks of telemetry, each vendor on a broker that wants metrics. */
async function telemetryChecks(java: Java | Missing): Promise<Check[]> {
  const checks: Check[] = [];
  for (const [vendor, start] of [
    ["Apache Kafka", kafkaWithTelemetry],
    ["Samsa", samsaWithTelemetry],
  ] as const) {
    if (vendor === "Apache Kafka" && java instanceof Missing) {
      checks.push(whole(`${vendor}: telemetry`, "skipped", java.reason));
      continue;
    }
    let where: TelemetryBroker | undefined;
    try {
      const broker = (where = await start());
      for (const { name, run } of TELEMETRY_CHECKS) {
        checks.push(await runClientCheck(`${vendor}: telemetry: ${name}`, () => run(broker)));
      }
    } catch (error) {
      checks.push(whole(`${vendor}: telemetry`, "failed", error));
    } finally {
      await where?.dispose();
    }
  }
  return checks;
}

function version(): string {
  const entry = dirname(fileURLToPath(import.meta.resolve("@samsa/client")));
  return (JSON.parse(readFileSync(join(entry, "../package.json"), "utf8")) as { version: string }).version;
}

/** Judge of `@samsa/client`. It starts its brokers itself. */
export const CLIENT_TRIAL: Trial = {
  name: NAME,
  run: async () => {
    const java = await findJava();
    // Both vendors at once: Java's programs take most of the time to start.
    const found = await Promise.all([checksOn("Apache Kafka", java), checksOn("Samsa", java)]);
    const security = [...(await securityChecks("Apache Kafka", java)), ...(await securityChecks("Samsa", java))];
    const telemetry = await telemetryChecks(java);
    return { judge: NAME, version: version(), checks: [...found.flat(), ...security, ...telemetry] };
  },
};
