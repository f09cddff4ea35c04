import { expect, test } from "vitest";
import { ConfigError, configSpecs, parseConfig, parseConfigValue } from "../src/index.ts";

const specs = configSpecs({
  "a.count": { type: "int", default: "3", min: 1, max: 9, doc: "" },
  "a.list": { type: "list", default: "x, y", oneOf: ["x", "y", "z"], doc: "" },
  "a.flag": { type: "boolean", default: "false", doc: "" },
  "a.name": { type: "string", default: null, doc: "", check: v => (v === "bad" ? "it is bad" : undefined) },
});

test("defaults, and what the user wrote", () => {
  expect(parseConfig(specs, () => undefined)).toEqual({
    "a.count": 3,
    "a.list": ["x", "y"],
    "a.flag": false,
    "a.name": undefined,
  });
  const given: Record<string, string> = { "a.count": " 7 ", "a.flag": "TRUE", "a.list": "", "a.name": "n" };
  expect(parseConfig(specs, name => given[name])).toEqual({
    "a.count": 7,
    "a.list": [],
    "a.flag": true,
    "a.name": "n",
  });
});

test.each([
  ["a.count", "0", "at least 1"],
  ["a.count", "10", "no more than 9"],
  ["a.count", "1.5", "type INT"],
  ["a.count", "", "type INT"],
  ["a.count", "3000000000", "type INT"],
  ["a.list", "x,w", "one of: x, y, z"],
  ["a.flag", "yes", "true or false"],
  ["a.name", "bad", "it is bad"],
] as const)("%s=%s is refused", (name, text, reason) => {
  expect(() => parseConfigValue(name, specs[name], text)).toThrow(ConfigError);
  expect(() => parseConfigValue(name, specs[name], text)).toThrow(reason);
});
