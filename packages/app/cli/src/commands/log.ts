import { nodeEnv } from "@samsa/node";
import { fileEntries, filesAt } from "../dump/files.ts";
import { EntryText } from "../dump/text.ts";
import { Failure } from "../terminal/failure.ts";
import { toJson } from "../terminal/json.ts";
import { createLogger } from "../terminal/logger.ts";
import { print } from "../terminal/output.ts";

interface LogDumpOptions {
  readonly json?: boolean;
  readonly records?: boolean;
  readonly check?: boolean;
  readonly decode?: string;
  readonly maxBytes?: string;
}

function bytes(text: string | undefined): number {
  if (text === undefined) return Infinity;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Failure(`--max-bytes wants a whole number from 1, not "${text}"`);
  return value;
}

/** Lines of `samsa log dump`; returns true if something is damaged. Throws `Failure`. */
export function* dumpLines(paths: readonly string[], options: LogDumpOptions): Generator<string, boolean> {
  const env = nodeEnv({ logger: createLogger("error") });
  const { decode, json } = options;
  const wanted = {
    records: options.records === true || (decode !== undefined && decode !== "none"),
    check: options.check === true,
    decode,
    maxBytes: bytes(options.maxBytes),
  };
  const files = paths.flatMap(path => filesAt(env.disk, path.replace(/(.)\/+$/, "$1")));
  if (files.length === 0) throw new Failure(`${paths.join(", ")}: no files of a log there`);
  let damaged = false;
  for (const [i, file] of files.entries()) {
    if (json !== true) yield `${i === 0 ? "" : "\n"}${file}`;
    const text = new EntryText();
    let empty = true;
    for (const entry of fileEntries(env, file, wanted)) {
      empty = false;
      damaged ||= entry.kind === "problem" && entry.facts.damage === true;
      if (json === true) yield toJson({ file, kind: entry.kind, ...entry.facts });
      else yield* text.lines(entry);
    }
    if (empty && json !== true) yield "(empty)";
  }
  return damaged;
}

/** `samsa log dump`. The exit code is 1 if something is damaged. */
export function dump(paths: readonly string[], options: LogDumpOptions): void {
  if (print(dumpLines(paths, options)) === true) process.exitCode = 1;
}
