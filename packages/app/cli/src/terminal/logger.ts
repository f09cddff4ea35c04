import { writeSync } from "node:fs";
import { guard, ignored, isLogger, type LogFields, type Logger, LogLevels, type LogLevel } from "@samsa/base";
import pino from "pino";
import type { LevelName, LogFormat } from "./levels.ts";

const STANDARD_ERROR = 2;
const METHODS = ["debug", "info", "warn", "error"] as const;
type Method = (typeof METHODS)[number];
type Write = (level: Method, message: string, fields: LogFields) => void;

/**
 * Creates a logger that writes to standard error, since standard output is for the output of commands: lines of text on
 * a terminal, lines of JSON elsewhere. The field `logger` of a line chooses the level that decides on it.
 */
export function createLogger(level: LevelName, format: LogFormat = "auto"): Logger {
  const levels = new LogLevels(level === "silent" ? "FATAL" : (level.toUpperCase() as LogLevel));
  const write = isText(format) ? text : json();
  const at =
    (method: Method) =>
    (message: string, fields: LogFields = {}): void => {
      const { logger } = fields;
      const name = typeof logger === "string" && isLogger(logger) ? logger : "root";
      if (levels.isOn(name, method.toUpperCase() as LogLevel)) write(method, message, fields);
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), levels };
}

/** True if lines of that format are text. */
export function isText(format: LogFormat): boolean {
  return format === "text" || (format === "auto" && process.stderr.isTTY);
}

/** Writes a line as JSON, with its level by name. */
function json(): Write {
  const base = pino(
    {
      level: "trace",
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
    },
    pino.destination({ dest: STANDARD_ERROR, sync: true }),
  );
  return (level, message, fields) => base[level](fields, message);
}

/** Line of JSON that a node has logged; undefined for anything else, as a crash of Node prints it. */
function lineOf(text: string): (LogFields & { readonly level: Method; readonly msg: string }) | undefined {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof found !== "object" || found === null || !("level" in found) || !("msg" in found)) return undefined;
  const { level, msg } = found;
  const method = METHODS.find(one => one === level);
  return method === undefined || typeof msg !== "string" ? undefined : { ...found, level: method, msg };
}

/** Writes the lines that a node on this machine has written to its standard error, with the id of the node. */
export function relay(node: number, logger: Logger, format: LogFormat): (text: string) => void {
  return text => {
    const line = text.startsWith("{") ? lineOf(text) : undefined;
    if (line === undefined) {
      if (text !== "") logger.error(text, { node });
    } else if (isText(format)) {
      const { level, msg, ...fields } = line;
      logger[level](msg, { node, ...fields });
    } else process.stderr.write(`{"node":${node},${text.slice(1)}\n`);
  };
}

/** Fields of a line that the text has in another form, or leaves out. */
const OWN: readonly string[] = ["logger", "time", "level"];

/** Writes a line of text: time, level, sentence, and the facts as `name=value`. */
function text(level: Method, message: string, fields: LogFields): void {
  const facts = Object.entries(fields).filter(([name, value]) => !OWN.includes(name) && value !== undefined);
  const parts = facts.map(([name, value]) => `  ${name}=${shown(value)}`);
  const line = `${new Date().toISOString()} ${level.toUpperCase().padEnd(5)} ${message}${parts.join("")}\n`;
  guard(() => writeSync(STANDARD_ERROR, line), ignored("the terminal is gone, and the broker goes on without a log"));
}

/** A value on one line: text of clients must not begin a line of its own, nor colour the terminal. */
function shown(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.message);
  if (typeof value === "string") return /^[\w.,:/@%+\-[\]]+$/.test(value) ? value : JSON.stringify(value);
  if (typeof value === "bigint") return value.toString();
  return JSON.stringify(value) ?? String(value);
}
