/** Kafka's own message schemas: JSON files with comments in its jars. */
import { join } from "node:path";
import { Jar } from "./jar.ts";

/** Field of a Kafka schema. */
export interface KafkaField {
  readonly name: string;
  readonly type: string;
  readonly versions?: string;
  readonly nullableVersions?: string;
  readonly taggedVersions?: string;
  readonly tag?: number;
  readonly default?: string | number | boolean | null;
  readonly ignorable?: boolean;
  readonly flexibleVersions?: string;
  readonly fields?: readonly KafkaField[];
}

/** Struct of a Kafka schema. */
export interface KafkaStruct {
  readonly name: string;
  readonly fields: readonly KafkaField[];
}

/** Message schema of Kafka. */
export interface KafkaSchema extends KafkaStruct {
  /** `request`, `response`, `header`, `data`, `metadata`, `coordinator-key` or `coordinator-value`. */
  readonly type: string;
  readonly apiKey?: number;
  readonly listeners?: readonly string[];
  readonly latestVersionUnstable?: boolean;
  readonly validVersions: string;
  readonly flexibleVersions?: string;
  readonly commonStructs?: readonly KafkaStruct[];
  /** Generated Java class that reads and writes the message; undefined for a message without versions. */
  readonly javaClass: string | undefined;
}

/** Artifacts whose jars contain message schemas. */
const ARTIFACTS = [
  "kafka-clients",
  "kafka-metadata",
  "kafka-group-coordinator",
  "kafka-transaction-coordinator",
  "kafka-share-coordinator",
  "kafka-raft",
  "kafka-storage",
];

const DECLARATION = /^(?:common\/)?(?:message|metadata)\/\w+\.json$/;
const GENERATED = /\/(?:message|metadata|generated)\/(\w+)\.class$/;

/** Parses JSON after removing comments; no schema has `//` inside a string. */
function parse(text: string): KafkaSchema {
  return JSON.parse(text.replace(/\/\/[^\n]*/g, "")) as KafkaSchema;
}

/** Reads all schemas in the jars of one release. */
export function readSchemas(folder: string, version: string): KafkaSchema[] {
  const schemas: KafkaSchema[] = [];
  for (const artifact of ARTIFACTS) {
    const jar = new Jar(join(folder, `${artifact}-${version}.jar`));
    const classes = new Map<string, string>();
    for (const name of jar.names()) {
      const simple = GENERATED.exec(name)?.[1];
      if (simple !== undefined) classes.set(simple, name.slice(0, -".class".length).replaceAll("/", "."));
    }
    for (const name of jar.names().filter(one => DECLARATION.test(one))) {
      const schema = parse(jar.text(name));
      const javaClass = classes.get(`${schema.name}Data`) ?? classes.get(schema.name);
      schemas.push({ ...schema, javaClass: schema.validVersions === "none" ? undefined : javaClass });
    }
  }
  return schemas;
}

/** First and last version of `3`, `0-4` or `2+` (to infinity); undefined for `none`. */
export function versionRange(text: string | undefined): readonly [number, number] | undefined {
  const match = /^(\d+)(?:(\+)|-(\d+))?$/.exec(text ?? "none");
  if (match === null) return undefined;
  const first = Number(match[1]);
  return [first, match[2] === "+" ? Infinity : Number(match[3] ?? first)];
}
