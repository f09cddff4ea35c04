/** Levels of a log, the most detailed one first (`LogLevelConfig`). */
export const LOG_LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"] as const;
/** Level of a line, or the lowest of a logger. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Names of loggers: those that the log4j2.yaml of Kafka's brokers sets, and the packages of what logs most. */
export const LOGGERS = [
  "root",
  "kafka.authorizer.logger",
  "kafka.coordinator.transaction",
  "kafka.network",
  "kafka.request.logger",
  "kafka.server",
  "org.apache.kafka.controller",
  "org.apache.kafka.coordinator.group",
  "org.apache.kafka.raft",
  "org.apache.kafka.storage.internals.log",
  "org.apache.kafka.storage.internals.log.LogCleaner",
  "state.change.logger",
] as const;
/** Name of a logger. */
export type LoggerName = (typeof LOGGERS)[number];

/** True for the name of a logger. */
export function isLogger(name: string): name is LoggerName {
  return (LOGGERS as readonly string[]).includes(name);
}

/** True for a level, in capital letters. */
export function isLogLevel(text: string | null): text is LogLevel {
  return (LOG_LEVELS as readonly (string | null)[]).includes(text);
}

/** Levels of the loggers of a process, which may change while it runs (`LoggingController`). */
export class LogLevels {
  readonly #own = new Map<LoggerName, LogLevel>();
  /** Ranks by logger, of `LOG_LEVELS`, those of its parents included. */
  readonly #ranks = new Map<LoggerName, number>();

  /** All loggers have the level `root`; the request log is for those who ask for it. */
  constructor(root: LogLevel) {
    this.#own.set("root", root);
    if (LOG_LEVELS.indexOf(root) < LOG_LEVELS.indexOf("WARN")) this.#own.set("kafka.request.logger", "WARN");
    this.#rank();
  }

  /** Level of a logger: its own, that of the next logger above it by dots, or that of the root. */
  level(logger: LoggerName): LogLevel {
    for (let name: string = logger; name !== ""; name = name.slice(0, Math.max(0, name.lastIndexOf(".")))) {
      const own = this.#own.get(name as LoggerName);
      if (own !== undefined) return own;
    }
    return this.#own.get("root") as LogLevel;
  }

  /** True if lines of that level are logged. */
  isOn(logger: LoggerName, level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= (this.#ranks.get(logger) as number);
  }

  set(logger: LoggerName, level: LogLevel): void {
    this.#own.set(logger, level);
    this.#rank();
  }

  /** Removes the logger's own level. The root keeps its own. */
  unset(logger: LoggerName): void {
    if (logger !== "root") this.#own.delete(logger);
    this.#rank();
  }

  #rank(): void {
    for (const logger of LOGGERS) this.#ranks.set(logger, LOG_LEVELS.indexOf(this.level(logger)));
  }
}

/** Facts of a log line, by name. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured log: each line is a sentence and its facts. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Levels of its loggers, by the field `logger` of a line; undefined if they cannot change. */
  readonly levels?: LogLevels | undefined;
}

/** Returns the logger that writes its lines under a name. */
export function named(logger: Logger, name: LoggerName): Logger {
  const at =
    (level: "debug" | "info" | "warn" | "error") =>
    (message: string, fields: LogFields = {}): void =>
      logger[level](message, { logger: name, ...fields });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), levels: logger.levels };
}

/** Limit of lines that clients can cause. */
export interface LineLimit {
  readonly lines: number;
  readonly periodMs: number;
}

/** Limit of lines about what clients do, unless there is a reason for another. */
const CLIENT_LINES: LineLimit = { lines: 100, periodMs: 10_000 };

/**
 * Returns the logger that passes on so many lines in each period, and says at the next line how many it has dropped: a
 * client that tries again and again must not fill a disk.
 */
export function limited(
  logger: Logger,
  clock: { monotonic(): number },
  { lines, periodMs }: LineLimit = CLIENT_LINES,
): Logger {
  let until = -Infinity;
  let left = 0;
  let dropped = 0;
  const at =
    (level: "debug" | "info" | "warn" | "error") =>
    (message: string, fields?: LogFields): void => {
      const now = clock.monotonic();
      if (now >= until) {
        if (dropped > 0) logger[level]("more lines were not logged", { count: dropped });
        until = now + periodMs;
        left = lines;
        dropped = 0;
      }
      if (left > 0) {
        left--;
        logger[level](message, fields);
      } else dropped++;
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), levels: logger.levels };
}
