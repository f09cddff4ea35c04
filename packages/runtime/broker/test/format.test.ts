import { type SimNode, World } from "@samsa/sim";
import { beforeEach, expect, test } from "vitest";
import { type FirstQuorum, formatStorage, StorageError } from "../src/format.ts";

let node: SimNode;
beforeEach(() => {
  node = new World(1).node("a");
});

interface Asked {
  readonly settings?: Readonly<Record<string, string>>;
  readonly clusterId?: string;
  readonly releaseVersion?: string;
  readonly features?: readonly string[];
  readonly quorum?: FirstQuorum;
}

function format({ settings, clusterId = "cluster", ...asked }: Asked = {}): string[] {
  const all = new Map(Object.entries({ "log.dirs": "/a", ...settings }));
  const options = { quorum: { kind: "standalone" } as const, features: [], ignoreFormatted: false, ...asked };
  return formatStorage(node.env, { settings: all, clusterId, ...options });
}

test("a release, or a level of metadata.version, says with which features a cluster begins", () => {
  const begins = (asked: Asked, dir: string) => format({ ...asked, settings: { "log.dirs": dir } })[0];
  expect(begins({}, "/1")).toBe("Bootstrap metadata: metadata.version=33 (4.4-IV2), kraft.version=1");
  expect(begins({ releaseVersion: "4.0" }, "/2")).toContain("metadata.version=25 (4.0-IV3)");
  expect(begins({ releaseVersion: "3.7-IV1" }, "/3")).toContain("metadata.version=16 (3.7-IV1)");
  // The third number of a release changes no feature.
  expect(begins({ releaseVersion: "3.9.1" }, "/4")).toContain("metadata.version=21 (3.9-IV0)");
  expect(begins({ features: ["metadata.version=7"] }, "/5")).toContain("metadata.version=7 (3.3-IV3)");
  expect(begins({ features: ["kraft.version=1"] }, "/6")).toContain("kraft.version=1");
});

test.each<[Asked, string]>([
  [{ releaseVersion: "2.8" }, "Unknown metadata.version '2.8'. Supported metadata.version are: 3.3-IV3, 3.4-IV0"],
  [{ releaseVersion: "4.5" }, "Unknown metadata.version '4.5'"],
  [{ features: ["metadata.version=6"] }, "metadata.version 6 is not available: levels from 7 to 33 are."],
  [{ features: ["metadata.version=21"], releaseVersion: "4.0" }, "to avoid ambiguity"],
  [{ features: ["metadata.version"] }, "Can't parse feature=level string metadata.version: equals sign not found."],
  [{ features: ["metadata.version=x"] }, "unable to parse x as a short"],
  [
    { features: ["no.such.feature=2"] },
    "Unsupported feature: no.such.feature. Supported features are: group.version, kraft.version, ",
  ],
  [{ features: ["kraft.version=0"] }, "Cannot set kraft.version to 0"],
  [
    { features: ["kraft.version=1"], settings: { "controller.quorum.voters": "1@h:1" }, quorum: undefined as never },
    "Cannot set kraft.version to 1 unless controller.quorum.voters is empty",
  ],
  [{ clusterId: "a b" }, '"a b" is not a cluster id.'],
  [{ clusterId: "" }, '"" is not a cluster id.'],
  [{ quorum: { kind: "voters", voters: "1@h:99999:JEXY6aqzQY-32P5TStzaFg" } }, "expected id@host:port:directory"],
  [{ quorum: { kind: "voters", voters: "1@h:1:JEXY6aqzQY-32P5TStzaFg,2@h:2:MvDxzVmcRsaTz33bUuRU6A" } }, "no other"],
])("%j is refused", (asked, why) => {
  const refused = () => format(asked);
  expect(refused).toThrow(StorageError);
  expect(refused).toThrow(why);
  expect(node.env.disk.list("/")).toEqual([]);
});

test("a directory that cannot be read is passed over; when none can it is an error", () => {
  node.disk.fault = (_operation, path) => (path.startsWith("/b") ? "EIO" : undefined);
  const lines = format({ settings: { "log.dirs": "/a,/b" } });
  expect(lines[0]).toBe("I/O error trying to read log directory /b. Ignoring...");
  expect(lines.at(-1)).toBe("Formatting dynamic metadata voter directory /a with metadata.version 4.4-IV2.");
  node.disk.fault = () => "EIO";
  expect(() => format()).toThrow("No available log directories to format.");
});

test("what is cut off in the middle is formatted anew", () => {
  node.disk.fault = (operation, path) => (operation === "rename" && path.includes("meta") ? "EIO" : undefined);
  expect(() => format()).toThrow("EIO");
  node.disk.fault = undefined;
  expect(format().at(-1)).toContain("Formatting");
});
