import { writeSync } from "node:fs";
import { nodeEnv } from "@samsa/node";
import { fileEntries, filesAt } from "./dump/files.ts";
import { EntryText } from "./dump/text.ts";
import { Failure } from "./failure.ts";
import { toJson } from "./json.ts";
import { createLogger } from "./logger.ts";
import { Output } from "./output.ts";

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

/** `samsa log dump`. The exit code is 1 when something is damaged. */
export function dump(paths: readonly string[], options: LogDumpOptions): void {
  const env = nodeEnv({ logger: createLogger("error") });
  const { decode } = options;
  const wanted = {
    records: options.records === true || (decode !== undefined && decode !== "none"),
    check: options.check === true,
    decode,
    maxBytes: bytes(options.maxBytes),
  };
  const files = paths.flatMap(path => filesAt(env.disk, path.replace(/(.)\/+$/, "$1")));
  if (files.length === 0) throw new Failure(`${paths.join(", ")}: no files of a log there`);
  const output = new Output(writeSync);
  let first = true;
  for (const file of files) {
    if (options.json !== true) output.line(`${first ? "" : "\n"}${file}`);
    first = false;
    const text = new EntryText();
    let empty = true;
    for (const entry of fileEntries(env, file, wanted)) {
      empty = false;
      if (entry.kind === "problem" && entry.facts.damage === true) process.exitCode = 1;
      if (options.json === true) output.line(toJson({ file, kind: entry.kind, ...entry.facts }));
      else for (const line of text.lines(entry)) output.line(line);
      if (output.closed) return;
    }
    if (empty && options.json !== true) output.line("(empty)");
  }
  output.flush();
}
