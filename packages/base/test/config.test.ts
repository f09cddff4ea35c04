import { expect, test } from "vitest";
import { ConfigError, configSpecs, overrideConfig, parseConfig, parseConfigValue } from "../src/index.ts";

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

test("overrides replace their values; unknown names and invalid values do nothing", () => {
  const values = parseConfig(specs, name => ({ "a.name": "n", "a.flag": "true" })[name]);
  const overrides = new Map([
    ["a.count", "7"],
    ["a.flag", "maybe"],
    ["a.other", "1"],
    ["toString", "1"],
  ]);
  expect(overrideConfig(specs, values, overrides)).toEqual({ ...values, "a.count": 7 });
  expect(overrideConfig(specs, values, new Map())).toBe(values);
  expect(values["a.count"]).toBe(3);
});
