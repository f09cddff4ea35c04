import { describe, expect, test } from "vitest";
import { isLogger, limited, type LogFields, type Logger, LogLevels, named } from "../src/index.ts";

function recorder(): { readonly lines: [string, string, LogFields | undefined][]; readonly logger: Logger } {
  const lines: [string, string, LogFields | undefined][] = [];
  const at =
    (level: string) =>
    (message: string, fields?: LogFields): void =>
      void lines.push([level, message, fields]);
  return { lines, logger: { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") } };
}

describe("levels", () => {
  test("are inherited from the next logger above by dots, and from the root", () => {
    const levels = new LogLevels("INFO");
    expect(levels.level("org.apache.kafka.storage.internals.log.LogCleaner")).toBe("INFO");
    levels.set("org.apache.kafka.storage.internals.log", "DEBUG");
    expect(levels.level("org.apache.kafka.storage.internals.log.LogCleaner")).toBe("DEBUG");
    expect(levels.level("org.apache.kafka.controller")).toBe("INFO");
    levels.set("org.apache.kafka.storage.internals.log.LogCleaner", "ERROR");
    expect(levels.isOn("org.apache.kafka.storage.internals.log.LogCleaner", "WARN")).toBe(false);
    expect(levels.isOn("org.apache.kafka.storage.internals.log.LogCleaner", "ERROR")).toBe(true);
    levels.unset("org.apache.kafka.storage.internals.log.LogCleaner");
    expect(levels.isOn("org.apache.kafka.storage.internals.log.LogCleaner", "DEBUG")).toBe(true);
    levels.set("root", "WARN");
    expect(levels.isOn("org.apache.kafka.controller", "INFO")).toBe(false);
  });

  test("the root keeps a level of its own", () => {
    const levels = new LogLevels("WARN");
    levels.unset("root");
    expect(levels.level("root")).toBe("WARN");
  });

  test("requests are logged for those who ask for it only", () => {
    expect(new LogLevels("DEBUG").isOn("kafka.request.logger", "DEBUG")).toBe(false);
    expect(new LogLevels("DEBUG").isOn("kafka.request.logger", "WARN")).toBe(true);
    expect(new LogLevels("FATAL").isOn("kafka.request.logger", "WARN")).toBe(false);
  });

  test("belong to loggers that there are", () => {
    expect(isLogger("state.change.logger")).toBe(true);
    expect(isLogger("org.apache.kafka")).toBe(false);
  });
});

test("lines of a named logger carry its name", () => {
  const { lines, logger } = recorder();
  named(logger, "kafka.server").warn("stops", { a: 1 });
  expect(lines).toEqual([["warn", "stops", { logger: "kafka.server", a: 1 }]]);
});

test("a limit drops further lines of a period, and tells how many there were", () => {
  const { lines, logger } = recorder();
  let now = 0;
  const few = limited(logger, { monotonic: () => now }, { lines: 2, periodMs: 10 });
  for (let i = 0; i < 5; i++) few.info("again", { i });
  now = 9;
  few.info("again", { i: 5 });
  now = 10;
  few.warn("again", { i: 6 });
  expect(lines).toEqual([
    ["info", "again", { i: 0 }],
    ["info", "again", { i: 1 }],
    ["warn", "more lines were not logged", { count: 4 }],
    ["warn", "again", { i: 6 }],
  ]);
});
