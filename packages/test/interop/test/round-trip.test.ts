import { isDeepStrictEqual } from "node:util";
import { ByteReader, ByteWriter } from "@samsa/base";
import { type AnyMessage, UnsupportedVersionError } from "@samsa/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { everyVersion, valueOf } from "../../../format/protocol/test/values.ts";
import { run } from "../src/processes/child.ts";
import { readSchemas } from "../src/schemas/kafka-schemas.ts";
import { findJars, findOurJava, KAFKA_VERSION } from "../src/processes/runtimes.ts";
import { interopSeed } from "./seed.ts";
import { need } from "./scenarios.ts";

/** Values of each message and version; as many again are written at another version than they are read at. */
const EACH = 12;

interface Case {
  readonly message: AnyMessage;
  readonly version: number;
  readonly target: number;
  readonly value: object;
}

function encode(message: AnyMessage, value: object, version: number): string {
  const writer = new ByteWriter();
  try {
    message.encode(writer, value, version);
    return Buffer.from(writer.finish()).toString("hex");
  } catch (error) {
    if (error instanceof UnsupportedVersionError) return "unsupported";
    throw error;
  }
}

function decode(message: AnyMessage, hex: string, version: number): unknown {
  return message.decode(new ByteReader(Uint8Array.from(Buffer.from(hex, "hex"))), version);
}

function cases(seed: number): Case[] {
  return everyVersion().flatMap(({ message, version }) => {
    const values = fc.sample(valueOf({ message, version }), { numRuns: 2 * EACH, seed });
    const span = message.last - message.first + 1;
    return values.map((value, index) => ({
      message,
      version,
      target: index % 2 === 0 ? version : message.first + (index % span),
      value,
    }));
  });
}

/** Describes how Java's answer is wrong; "" if it is right. */
function fault({ message, version, target, value }: Case, answer: string): string {
  const expected = encode(message, value, target);
  if (answer !== expected) return `written as ${answer.slice(0, 200)}, by us as ${expected.slice(0, 200)}`;
  if (target !== version || isDeepStrictEqual(decode(message, answer, version), value)) return "";
  return "the value came back changed";
}

test("random messages of every version pass through Kafka's classes unchanged", async context => {
  const schemas = readSchemas(need(await findJars(), context), KAFKA_VERSION);
  const program = need(await findOurJava(), context)("RoundTrip");
  const classes = new Map(schemas.map(({ name, javaClass }) => [name, javaClass]));
  const seed = interopSeed();
  const all = cases(seed);
  const lines = all.map(({ message, version, target, value }) => {
    return `${classes.get(message.name)} ${version} ${target} ${encode(message, value, version)}\n`;
  });
  const answers = await run(program.command, program.args, { input: lines.join("") });
  console.log(`round trip: ${all.length} messages, INTEROP_SEED=${seed}`);
  expect(answers.length).toBe(all.length);
  const faults = all.flatMap((one, index) => {
    const found = fault(one, answers[index]);
    if (found === "") return [];
    return [`${one.message.name} read at ${one.version}, at ${one.target} ${found}`];
  });
  expect(faults.slice(0, 10), `${faults.length} faults, INTEROP_SEED=${seed}`).toEqual([]);
  expect(answers.filter(answer => answer === "unsupported").length).toBeGreaterThan(100);
});
