import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RawConnection } from "@samsa/wire";
import { expect, test } from "vitest";
import { connect } from "../src/differential/connection.ts";
import { SamsaProcess } from "../src/processes/broker-process.ts";
import { KafkaProcess } from "../src/processes/kafka-process.ts";
import { findOurJava } from "../src/processes/runtimes.ts";
import { need } from "./scenarios.ts";

const CREATE = "create.topic.policy.class.name";
const ALTER = "alter.config.policy.class.name";

/** The policies of `java/Policies.java`. */
const MODULE = `
const textOf = map =>
  Object.entries(map)
    .map(([key, value]) => \`\${key}=\${Array.isArray(value) ? \`[\${value}]\` : value}\`)
    .sort()
    .join(";");
function judge(mark, asked) {
  if (mark.includes("refused")) throw Object.assign(new Error(asked), { code: "POLICY_VIOLATION" });
  if (mark.includes("invalid")) throw Object.assign(new Error(asked), { code: "INVALID_CONFIG" });
  if (mark.includes("broken")) throw new Error("a secret");
}
export class Topics {
  validate({ topic, numPartitions, replicationFactor, replicasAssignments, configs }) {
    const replicas = replicasAssignments === null ? "null" : textOf(replicasAssignments);
    judge(topic, [topic, numPartitions, replicationFactor, replicas, textOf(configs)].map(String).join(" "));
  }
}
export class Settings {
  validate({ resource, configs }) {
    const text = textOf(configs);
    const marked = text.includes("77777") ? "refused" : text.includes("66666") ? "invalid" : text.includes("55555") ? "broken" : "";
    judge(marked, \`\${resource.type} \${resource.name} \${text}\`);
  }
}
`;

const TOPIC = 2;
const BROKER = 4;
const SET = 0;
const APPEND = 2;

const topic = (name: string, draft: object = {}) => ({
  ...{ name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] },
  ...draft,
});
const set = (name: string, value: string | null, configOperation: number = SET) => ({ name, value, configOperation });

/** Questions to both, in this order. */
const TOPICS: readonly (readonly object[])[] = [
  [topic("fine"), topic("refused-1"), topic("invalid-1"), topic("broken-1")],
  [topic("refused-2", { numPartitions: -1, replicationFactor: -1 })],
  [
    topic("refused-3", {
      ...{ numPartitions: -1, replicationFactor: -1 },
      assignments: [
        { partitionIndex: 1, brokerIds: [1] },
        { partitionIndex: 0, brokerIds: [1] },
      ],
    }),
  ],
  [topic("refused-4", { configs: [set("retention.ms", "9"), set("cleanup.policy", "compact")] })],
  [topic("settings-1", { configs: [set("retention.ms", "77777")] })],
  [topic("refused-5", { configs: [set("retention.ms", "66666")] })],
  [topic("refused-6", { configs: [set("bad", "1")] }), topic("refused-7", { replicationFactor: 5 })],
  [topic("fine"), topic("refused..8".repeat(50))],
  [topic("alike", { configs: [set("retention.ms", "5"), set("segment.ms", "6")] })],
];
const ALTERATIONS: readonly (readonly [number, string, readonly object[]])[] = [
  [TOPIC, "alike", [set("retention.ms", "77777"), set("segment.ms", "6")]],
  [TOPIC, "alike", [set("retention.ms", "66666"), set("flush.ms", null, 1)]],
  [TOPIC, "alike", [set("retention.ms", "55555")]],
  [TOPIC, "alike", [set("retention.ms", null, 1), set("segment.bytes", "7777777")]],
  [TOPIC, "alike", [set("cleanup.policy", "compact", APPEND), set("flush.messages", "77777")]],
  [TOPIC, "missing", [set("retention.ms", "77777")]],
  [TOPIC, "alike", [set("retention.ms", "nonsense"), set("flush.ms", "77777")]],
  [BROKER, "", [set("log.cleaner.backoff.ms", "77777")]],
  [BROKER, "1", [set("log.cleaner.backoff.ms", "77777"), set("log.retention.ms", null, 1)]],
];

async function answers(wire: RawConnection): Promise<unknown[]> {
  const all: unknown[] = [];
  for (const validateOnly of [true, false]) {
    for (const topics of TOPICS) {
      const answer = await wire.ask("CreateTopics", 7, { topics, timeoutMs: 10_000, validateOnly });
      all.push(answer.topics.map(({ name, errorCode, errorMessage }) => [name, errorCode, errorMessage]));
    }
  }
  for (const [resourceType, resourceName, configs] of ALTERATIONS) {
    for (const validateOnly of [true, false]) {
      const resources = [{ resourceType, resourceName, configs }];
      const answer = await wire.ask("IncrementalAlterConfigs", 1, { resources, validateOnly });
      all.push(answer.responses.map(one => [resourceName, one.errorCode, one.errorMessage]));
    }
  }
  const legacy = [{ resourceType: TOPIC, resourceName: "alike", configs: [{ name: "flush.ms", value: "77777" }] }];
  const answer = await wire.ask("AlterConfigs", 2, { resources: legacy, validateOnly: false });
  all.push(answer.responses.map(one => [one.errorCode, one.errorMessage]));
  return all;
}

/** Our sentence about a policy that has failed, of which Kafka says nothing. */
const FAILED = /"The policy of [^"]* has failed; the log of the controller says why\."/g;

test("policies are asked the same as in Apache Kafka, and clients hear the same", async context => {
  const java = need(await findOurJava(), context);
  const folder = mkdtempSync(join(tmpdir(), "samsa-policies-"));
  const module = join(folder, "policies.mjs");
  writeFileSync(module, MODULE);
  const kafka = await KafkaProcess.start("fixed", [`${CREATE}=Policies$Topics`, `${ALTER}=Policies$Settings`], {
    java,
  });
  const samsa = await SamsaProcess.start(undefined, [`${CREATE}=${module}#Topics`, `${ALTER}=${module}#Settings`]);
  try {
    const heard: string[][] = [];
    for (const { server } of [kafka, samsa]) {
      const wire = await connect(server);
      heard.push((await answers(wire)).map(one => JSON.stringify(one).replaceAll(FAILED, "null")));
      wire.close();
    }
    const [theirs, ours] = heard;
    expect(ours).toEqual(theirs);
    expect(theirs.filter(one => one.includes(",44,")).length, "objections").toBeGreaterThan(10);
  } finally {
    await kafka.dispose();
    await samsa.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
});
