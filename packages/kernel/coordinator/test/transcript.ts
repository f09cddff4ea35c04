import { readFileSync, writeFileSync } from "node:fs";
import { ZERO_UUID } from "@samsa/base";
import { errorOf } from "@samsa/protocol";
import { expect } from "vitest";

/** A line of a transcript that begins with `> `: a verb, words, and options of the form `name=value`. */
export class Command {
  readonly verb: string;
  readonly words: readonly string[];
  readonly #options: Map<string, string>;

  constructor(line: string) {
    const [verb = "", ...rest] = line.split(/\s+/);
    this.verb = verb;
    this.words = rest.filter(word => !word.includes("="));
    const pairs = rest.filter(word => word.includes("="));
    this.#options = new Map(pairs.map(pair => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]));
  }

  /** Takes an option; `fallback` if it is missing. */
  take(name: string, fallback: string): string {
    const value = this.#options.get(name) ?? fallback;
    this.#options.delete(name);
    return value;
  }

  number(name: string, fallback: number): number {
    return Number(this.take(name, String(fallback)));
  }

  /** Options that nobody has taken. */
  rest(): ReadonlyMap<string, string> {
    const rest = new Map(this.#options);
    this.#options.clear();
    return rest;
  }
}

/**
 * Plays the commands of a transcript. Returns the transcript with the output of each command below it, indented; comments
 * (`#`) and empty lines stay. Throws if a command has an option that is unknown.
 */
export function played(text: string, play: (command: Command) => readonly string[]): string {
  const lines: string[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("  ")) continue;
    lines.push(line);
    if (!line.startsWith("> ")) continue;
    const command = new Command(line.slice(2));
    for (const output of play(command)) lines.push(`  ${output}`);
    const unknown = [...command.rest().keys()];
    if (unknown.length > 0) throw new Error(`${line}: no option ${unknown.join(", ")}`);
  }
  return lines.join("\n");
}

/** Compares a file with what its commands print today; with UPDATE_TRANSCRIPTS=1, writes the file anew. */
export function checkTranscript(file: string, play: (command: Command) => readonly string[]): void {
  const text = readFileSync(file, "utf8");
  const now = played(text, play);
  if (process.env.UPDATE_TRANSCRIPTS === "1") writeFileSync(file, now);
  else expect(now).toBe(text);
}

/** Length of a line of output, without its indentation. */
const WIDTH = 100;

/** Text for a value that a transcript shows in its own way; undefined: the usual way. */
export type Special = (name: string, value: unknown) => string | object | undefined;

function isAbsent(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === ZERO_UUID) return true;
  if (value === -1 || value === -1n || value === false) return true;
  return (Array.isArray(value) || value instanceof Uint8Array) && value.length === 0;
}

function isPlain(value: unknown): value is string | number | bigint | boolean {
  return typeof value !== "object" && typeof value !== "function" && value !== undefined;
}

function scalar(name: string, value: unknown): string {
  if (/errorCode$/i.test(name)) return errorOf(Number(value)).name;
  return typeof value === "string" && /\s/.test(value) ? JSON.stringify(value) : String(value);
}

/** Joins parts to a line, and continues it on further lines if it is long. */
function wrapped(parts: readonly string[]): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    if (last === undefined || last === "") lines[0] = part;
    else if (last.length + part.length < WIDTH) lines[lines.length - 1] = `${last} ${part}`;
    else lines.push(`    ${part}`);
  }
  return lines;
}

/**
 * Shows an object under Kafka's field names: `head`, the plain fields on one line, and each struct within it on a line of
 * its own. Leaves out fields that are null, empty, false or -1.
 */
export function shown(head: string, value: object, special: Special): string[] {
  const plain: string[] = [head];
  const below: string[] = [];
  for (const [name, raw] of Object.entries(value)) {
    if (name === "throttleTimeMs" || isAbsent(raw)) continue;
    const field: unknown = special(name, raw) ?? raw;
    const items: readonly unknown[] = Array.isArray(field) ? field : [field];
    if (isPlain(field)) plain.push(`${name}=${scalar(name, field)}`);
    else if (items.every(isPlain))
      plain.push(`${name}=[${items.map(item => scalar(name, special(name, item) ?? item)).join(", ")}]`);
    else for (const item of items) below.push(...shown(`${name}:`, item as object, special).map(line => `  ${line}`));
  }
  const parts = plain.length === 1 && below.length === 0 && head.endsWith(":") ? [head, "nothing"] : plain;
  return [...wrapped(parts), ...below];
}
