import fc from "fast-check";
import { expect, test } from "vitest";
import { parseProperties } from "@samsa/base";
import { run } from "../src/processes/child.ts";
import { findOurJava } from "../src/processes/runtimes.ts";
import { interopSeed } from "./seed.ts";
import { need } from "./scenarios.ts";

const FILES = 5000;

const piece = fc.constantFrom(
  "a",
  "b1",
  ".",
  "=",
  ":",
  " ",
  "\t",
  "\f",
  "\n",
  "\r",
  "\r\n",
  "\\",
  "\\\\",
  "\\\n",
  "\\\r\n  ",
  "\\u0041",
  "\\u00e9",
  "\\u12",
  "\\uzzzz",
  "\\t",
  "\\n",
  "\\=",
  "\\:",
  "\\ ",
  "#",
  "!",
  "#c\n",
  "\n!c=1\n",
  "é",
  "\u00ff",
  "k=v\n",
  "key : value \n",
  "{",
  "${x:y}",
);
const file = fc.array(piece, { maxLength: 14 }).map(parts => parts.join(""));

const hex = (text: string): string => Buffer.from(text, "utf16le").swap16().toString("hex");

function ours(text: string): string {
  try {
    const pairs = [...parseProperties(text)].sort(([a], [b]) => (a < b ? -1 : 1));
    return ["ok", ...pairs.map(([key, value]) => `${hex(key)}=${hex(value)}`)].join(" ");
  } catch (error) {
    if (error instanceof SyntaxError) return "error";
    throw error;
  }
}

test("properties files are read as java.util.Properties reads them", async context => {
  const program = need(await findOurJava(), context)("PropertiesFiles");
  const seed = interopSeed();
  const files = fc.sample(file, { numRuns: FILES, seed });
  const input = files.map(text => `${Buffer.from(text, "latin1").toString("hex")}\n`).join("");
  const answers = await run(program.command, program.args, { input });
  console.log(`properties files: ${files.length}, INTEROP_SEED=${seed}`);
  const faults = files.flatMap((text, i) =>
    ours(text) === answers[i] ? [] : [`${JSON.stringify(text)}: ${ours(text)}, by Java ${answers[i]}`],
  );
  expect(faults.slice(0, 10), `${faults.length} faults, INTEROP_SEED=${seed}`).toEqual([]);
  expect(answers.filter(answer => answer === "error").length).toBeGreaterThan(100);
});
