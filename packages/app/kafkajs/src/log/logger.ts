import { logLevel as LEVELS, type logLevel } from "../values/enums.ts";

/** Facts of a line of the log. */
export interface LoggerEntryContent {
  /** ISO 8601. */
  readonly timestamp: string;
  readonly message: string;
  readonly [key: string]: unknown;
}

/** Line of the log. */
export interface LogEntry {
  readonly namespace: string;
  readonly level: logLevel;
  readonly label: string;
  readonly log: LoggerEntryContent;
}

/** Makes the function that writes lines of the log, of a level and of the graver ones. */
export type logCreator = (level: logLevel) => (entry: LogEntry) => void;

/** Log of the client. */
export interface Logger {
  info(message: string, extra?: object): void;
  error(message: string, extra?: object): void;
  warn(message: string, extra?: object): void;
  debug(message: string, extra?: object): void;
  /** A logger of a part, perhaps with a level of its own. */
  namespace(namespace: string, level?: logLevel): Logger;
  /** Changes the level of all loggers of this client that have none of their own. */
  setLogLevel(level: logLevel): void;
}

/** Level that all loggers without one of their own share. */
interface Shared {
  level: logLevel;
  readonly write: (entry: LogEntry) => void;
}

function isLevelName(name: string): name is keyof typeof LEVELS {
  return Object.hasOwn(LEVELS, name);
}

/** Level of the variable KAFKAJS_LOG_LEVEL, which comes before that of the program. */
function levelOf(given: logLevel): logLevel {
  const name = (process.env.KAFKAJS_LOG_LEVEL ?? "").toUpperCase();
  return isLevelName(name) ? LEVELS[name] : given;
}

function loggerOf(shared: Shared, namespace: string, own: logLevel | undefined): Logger {
  const at =
    (label: keyof typeof LEVELS) =>
    (message: string, extra: object = {}): void => {
      const level = LEVELS[label];
      if (level > (own ?? shared.level)) return;
      const log = { timestamp: new Date().toISOString(), logger: "kafkajs", message, ...extra };
      shared.write({ namespace, level, label, log });
    };
  return {
    ...{ info: at("INFO"), error: at("ERROR"), warn: at("WARN"), debug: at("DEBUG") },
    namespace: (name, level) => loggerOf(shared, name, level === undefined ? undefined : levelOf(level)),
    setLogLevel: level => {
      shared.level = level;
    },
  };
}

/** Writes lines as JSON to the console. */
export const consoleLog: logCreator = () => {
  const writers = {
    ...{ INFO: console.info, ERROR: console.error, WARN: console.warn, DEBUG: console.log },
  } as const;
  return ({ namespace, label, log }) => {
    if (!Object.hasOwn(writers, label)) return;
    const message = namespace === "" ? log.message : `[${namespace}] ${log.message}`;
    writers[label as keyof typeof writers](JSON.stringify({ level: label, ...log, message }));
  };
};

/** Logger of a client. */
export function createLogger(level: logLevel, creator: logCreator): Logger {
  const first = levelOf(level);
  return loggerOf({ level: first, write: creator(first) }, "", undefined);
}
