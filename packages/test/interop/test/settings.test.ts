import { type AnyConfigSpec, ConfigError, type ConfigSpecs, parseConfigValue } from "@samsa/base";
import fc from "fast-check";
import { expect, test } from "vitest";
import { clientMetricsConfigs } from "../../../runtime/broker/src/config/client-metrics-configs.ts";
import { brokerConfigs } from "../../../runtime/broker/src/config/configs.ts";
import { groupConfigs } from "../../../runtime/broker/src/config/group-configs.ts";
import { topicConfigs } from "../../../runtime/broker/src/config/topic-configs.ts";
import { unavailableBrokerConfigs } from "../../../runtime/broker/src/config/unavailable-configs.ts";
import { run } from "../src/processes/child.ts";
import { findOurJava } from "../src/processes/runtimes.ts";
import { EXPLAINED } from "./settings-explained.ts";
import { interopSeed } from "./seed.ts";
import { need } from "./scenarios.ts";

const OURS: Readonly<Record<string, ConfigSpecs>> = {
  broker: { ...unavailableBrokerConfigs, ...brokerConfigs },
  topic: topicConfigs,
  group: groupConfigs,
  "client-metrics": clientMetricsConfigs,
};

/** Number of random values tried for each setting, besides its bounds and the edges. */
const RANDOM = 12;
const EDGES = [
  "",
  " ",
  "0",
  "-0",
  "1",
  "-1",
  "-2",
  "+1",
  "01",
  "1.0",
  "1.5",
  "1e3",
  "1E-2",
  "1d",
  ".5",
  "5.",
  "0x10",
  "1_000",
  "1 0",
  "NaN",
  "Infinity",
  "-Infinity",
  "2147483647",
  "2147483648",
  "-2147483648",
  "-2147483649",
  "32767",
  "32768",
  "9223372036854775807",
  "9223372036854775808",
  "-9223372036854775808",
  "-9223372036854775809",
  "9007199254740993",
  "99999999999999999999999",
  "true",
  "TRUE",
  " false ",
  "yes",
  "null",
  "abc",
  "a,b",
  "a, b ,c",
  "a,,b",
  ",",
  "a,",
  ",a",
  "a,a",
  "delete",
  "compact,delete",
  "delete,delete",
  "gzip",
  "GZIP",
  "none",
  "*",
  "0:1,1:2",
  "0:1,x",
  "broker",
  "CreateTime",
  "es256",
  "RS256",
  "Bidirectional",
  "latest",
  "earliest",
  "by_duration:PT1H",
  "by_duration:P1",
  "read_committed",
  "PLAINTEXT",
  "plaintext",
  "\t7\n",
  "\u00a07",
  "10",
  "100",
  "1000",
  "4096",
  "1048576",
  "8388608",
] as const;

const hex = (text: string): string => Buffer.from(text, "utf8").toString("hex");
const unhex = (text: string): string => Buffer.from(text, "hex").toString("utf8");

interface KafkaSetting {
  readonly scope: string;
  readonly name: string;
  readonly type: string;
  readonly internal: boolean;
  readonly update: string;
  /** Default; undefined for a required setting, null for one that may be absent. */
  readonly initial: string | null | undefined;
}

function parse(line: string): KafkaSetting {
  const [, scope, name, type, internal, update, initial] = line.split(" ");
  const value = initial === "none" ? undefined : initial === "null" ? null : unhex(initial);
  return { scope, name, type, internal: internal === "true", update, initial: value };
}

/** Values around the bounds of a setting, and random ones. */
function valuesFor(spec: AnyConfigSpec, seed: number): string[] {
  const near = [spec.min, spec.max].flatMap(bound => (bound === undefined ? [] : [bound - 1, bound, bound + 1]));
  const texts = fc.sample(
    fc.oneof(
      fc.integer().map(String),
      fc.bigInt(-(2n ** 64n), 2n ** 64n).map(String),
      fc.double({ noNaN: true }).map(String),
      fc.constantFrom(...(spec.oneOf ?? ["x"])),
      fc.subarray([...(spec.oneOf ?? ["a", "b"])], { minLength: 1 }).map(parts => parts.join(" , ")),
    ),
    { numRuns: RANDOM, seed },
  );
  return [...near.map(String), ...texts, ...(spec.default === null ? [] : [spec.default])];
}

/** Value as Samsa parses it, in Kafka's format; undefined if it is refused. */
function ours(name: string, spec: AnyConfigSpec, text: string): string | undefined {
  try {
    const value = parseConfigValue(name, spec, text);
    return Array.isArray(value) ? value.join(",") : String(value);
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

/** Compares numbers as numbers, since Samsa keeps a long beyond 2^53 as the nearest double. */
function isSame(spec: AnyConfigSpec, mine: string, theirs: string): boolean {
  if (spec.type === "password") return true;
  if (["int", "short", "long", "double"].includes(spec.type)) return Number(mine) === Number(theirs);
  return mine === theirs;
}

function differences(kafka: KafkaSetting, spec: AnyConfigSpec): string[] {
  const update = kafka.scope === "broker" ? (spec.update ?? "read-only") : "-";
  const initial = kafka.initial ?? null;
  const sameDefault =
    spec.default === initial ||
    (spec.default !== null && initial !== null && isSame(spec, ours(kafka.name, spec, spec.default) ?? "", initial));
  return [
    ...(spec.type === kafka.type ? [] : [`type ${spec.type}, in Kafka ${kafka.type}`]),
    ...(update === kafka.update ? [] : [`changes ${update}, in Kafka ${kafka.update}`]),
    ...(sameDefault ? [] : [`default ${spec.default}, in Kafka ${initial}`]),
  ];
}

test("every setting is declared as Kafka declares it, and every value judged as Kafka judges it", async context => {
  const program = need(await findOurJava(), context)("Settings");
  const seed = interopSeed();
  const tried: { scope: string; name: string; spec: AnyConfigSpec; text: string }[] = [];
  for (const [scope, specs] of Object.entries(OURS)) {
    for (const [name, spec] of Object.entries(specs)) {
      // Samsa cannot check that a Java class exists.
      if (spec.type === "class") continue;
      for (const text of [...EDGES, ...valuesFor(spec, seed)]) tried.push({ scope, name, spec, text });
    }
  }
  const input = tried.map(({ scope, name, text }) => `${scope} ${name} ${hex(text)}\n`).join("");
  const lines = await run(program.command, program.args, { input });
  const declared = lines.filter(line => line.startsWith("setting ")).map(parse);
  const verdicts = lines.slice(declared.length);
  console.log(`settings: ${declared.length} declarations, ${tried.length} values, INTEROP_SEED=${seed}`);
  expect(verdicts.length).toBe(tried.length);
  const found = new Map<string, string[]>();
  const note = (scope: string, name: string, what: string): void => {
    const key = `${scope} ${name}`;
    found.set(key, [...(found.get(key) ?? []), what]);
  };
  for (const kafka of declared) {
    const spec = OURS[kafka.scope][kafka.name];
    if (spec === undefined) note(kafka.scope, kafka.name, "not declared");
    else for (const difference of differences(kafka, spec)) note(kafka.scope, kafka.name, difference);
  }
  const names = new Set(declared.map(({ scope, name }) => `${scope} ${name}`));
  for (const [scope, specs] of Object.entries(OURS)) {
    for (const name of Object.keys(specs)) if (!names.has(`${scope} ${name}`)) note(scope, name, "unknown to Kafka");
  }
  tried.forEach(({ scope, name, spec, text }, i) => {
    const mine = ours(name, spec, text);
    const [verdict, value] = [verdicts[i].slice(0, 2), verdicts[i].slice(3)];
    const same = verdict === "ok" ? mine !== undefined && isSame(spec, mine, unhex(value)) : mine === undefined;
    if (same) return;
    note(
      scope,
      name,
      `${JSON.stringify(text)} is ${mine === undefined ? "refused" : `${mine}`}, in Kafka ${verdict === "ok" ? unhex(value) : verdicts[i]}`,
    );
  });
  const unexplained = [...found].filter(
    ([key, what]) => !what.every(one => EXPLAINED.some(row => row.settings.test(key) && row.differs.test(one))),
  );
  expect(
    unexplained.map(([key, what]) => `${key}: ${what.slice(0, 4).join("; ")}`),
    `INTEROP_SEED=${seed}`,
  ).toEqual([]);
  const idle = EXPLAINED.filter(
    row => ![...found].some(([key, what]) => row.settings.test(key) && what.some(one => row.differs.test(one))),
  );
  expect(
    idle.map(({ why }) => why),
    "explanations of nothing",
  ).toEqual([]);
});
