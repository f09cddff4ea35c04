import type { LogFields, Logger } from "@samsa/base";
import pino from "pino";

/** Creates a logger that writes JSON lines to standard error. Standard output is for the output of commands. */
export function createLogger(level: string): Logger {
  const base = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { error: pino.stdSerializers.err } },
    pino.destination({ dest: 2, sync: true }),
  );
  const at =
    (name: "debug" | "info" | "warn" | "error") =>
    (message: string, fields: LogFields = {}): void =>
      base[name](fields, message);
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
